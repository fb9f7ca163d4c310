//! `$filter`: what is read reads back as PQL text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tessera_expr::{filter, pql};

fuzz_target!(|text: &str| {
    if let Ok(expr) = filter::parse(text) {
        assert_eq!(pql::parse(&pql::print(&expr)), Ok(expr));
    }
});
