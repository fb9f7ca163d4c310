//! The laws of the design as property tests, against a naive model that shares no algorithm with the engine.
//!
//! `reference` is the model; `world` is a store of plain maps around the engine; `steps` makes random commands; `pair` holds
//! the two side by side. Each law has its file. `TESSERA_LAW_CASES` sets how many cases each law is held to.

mod pair;
mod reference;
mod state;
mod steps;
mod world;

mod control;
mod document;
mod erase;
mod full;
mod group;
mod order;
mod scale;
mod undo;
