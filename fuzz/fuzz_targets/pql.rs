//! PQL text: what is read reads back from what is written of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tessera_expr::pql;

fuzz_target!(|text: &str| {
    if let Ok(expr) = pql::parse(text) {
        assert_eq!(pql::parse(&pql::print(&expr)), Ok(expr));
    }
});
