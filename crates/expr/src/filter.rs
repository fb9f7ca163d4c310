//! Rules as `$filter` writes them: `Info.Email eq a@b.example and not (Visits lt 3)`.
//!
//! Keywords in letters of any case; `not` before `and` before `or`. A value is a bare word up to a blank, a comma or a parenthesis, or
//! stands in single or double quotes, where a doubled quote is one. Several values behind commas are alternatives. `eq` on a list asks
//! whether it has the value; `ne` and `not` hold where nothing is. `contains`, `startswith` and `endswith` are ours.
//!
//! It says less than the tree can, so [`print`] has no text for some trees.

mod print;
mod read;

pub use print::print;
pub use read::parse;

use crate::ast::{Comparison, Function};

const COMPARISONS: [(&str, Comparison); 6] = [
    ("eq", Comparison::Equal),
    ("ne", Comparison::NotEqual),
    ("gt", Comparison::Greater),
    ("ge", Comparison::GreaterEqual),
    ("lt", Comparison::Less),
    ("le", Comparison::LessEqual),
];

const FUNCTIONS: [(&str, Function); 3] =
    [("contains", Function::Contains), ("startswith", Function::StartsWith), ("endswith", Function::EndsWith)];

/// Whether a name can stand in a path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|character: char| character.is_whitespace() || "(),'\".".contains(character))
}
