//! Law 4 for aggregates: what nodes keep of their events folds to what the evaluator says of all of them, at every instant.
//!
//! `people` holds events on nodes and nodes in profiles, `rules` writes random rules, `steps` what happens. `laws` holds the two ways
//! to a value side by side; `bounds` says what becomes of states that hold too much. `TESSERA_LAW_CASES` sets how many cases
//! each law is held to.

mod people;
mod rules;
mod steps;

mod bounds;
mod laws;
