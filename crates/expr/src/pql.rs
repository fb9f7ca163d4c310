//! Rules as text: the Profile Query Language.
//!
//! [`parse`] reads every documented form; [`print`] writes the one canonical form, which [`parse`] reads back as the same tree.
//! Two things are ours. Names that no rule could spell otherwise stand in backticks (`` properties.`order id` ``), and so do
//! names that are words of the language. `null` may be written out.

mod lexer;
mod parser;
mod print;
mod resolve;
mod teach;
mod words;

pub use parser::parse;
pub use print::print;
pub use teach::function as foreign_function;
