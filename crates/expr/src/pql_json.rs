//! Rules as trees of named nodes: the form `pql/json`.
//!
//! What carries the tree is a [`Value`]: texts, numbers, lists and objects; JSON is turned into it and back outside. [`read`]
//! takes the current kinds of nodes and the older ones, [`write`] gives the current ones.
//!
//! | node | members |
//! |---|---|
//! | `fnApply` | `fnName` or `function`, a `fnCreate`; `params` |
//! | `fnCreate` | `params`, each with a `varName`; `body` |
//! | `fieldLookup` | `fieldName`, `object` |
//! | `parameterReference` | `position`, always 1: what the rule speaks of there; `scope`, how many scopes out, if not the innermost |
//! | `literal` | `literalType`, `value` |
//! | `varRef` | `varName` |
//! | `varDecl` | `varName`, `range` |
//! | `set` | `variables`: declarations, each with the conditions that follow it |
//!
//! A function over a list has a `fnCreate` for its body. No published sample shows times, sequences, lists and objects; those are
//! functions too: `occurs`, `chain` and `step`, `list`, `object`.

mod read;
mod write;

pub use read::read;
pub use write::write;

use crate::ast::Function;

/// Functions whose name a node of another kind has as well are told apart by their first parameter.
const FOLDS: [Function; 4] = [Function::Sum, Function::Average, Function::Min, Function::Max];
