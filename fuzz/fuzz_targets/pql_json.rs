//! Trees of named nodes: what is read reads back as PQL text.
#![no_main]

#[path = "../../crates/expr/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use tessera_expr::{pql, pql_json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    if let Ok(expr) = pql_json::read(&support::value(&json)) {
        assert_eq!(pql::parse(&pql::print(&expr)), Ok(expr));
    }
});
