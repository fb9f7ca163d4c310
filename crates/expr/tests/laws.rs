//! What holds for every rule and every profile.

mod support;

#[path = "laws/explain.rs"]
mod explain;
#[path = "laws/json.rs"]
mod json;
#[path = "laws/kept.rs"]
mod kept;
#[path = "laws/language.rs"]
mod language;
#[path = "laws/spellings.rs"]
mod spellings;
#[path = "laws/time.rs"]
mod time;
