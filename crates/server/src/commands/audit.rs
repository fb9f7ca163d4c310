//! `tessera audit`: who changed, read in bulk, exported or erased what.

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use tessera_service::audit::{Action, Outcome};

use super::ask::{Ask, Listed, with_query};
use super::table::{Column, Table};

/// `tessera audit …`
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    ask: Ask,
    /// Only what was done with the key of this id; `tessera key list` has ids.
    #[arg(long, value_name = "KEY_ID")]
    actor: Option<String>,
    /// Only what is of this kind.
    #[arg(long, value_parser = PossibleValuesParser::new(Action::ALL.map(Action::name)))]
    action: Option<String>,
    /// Only what came to this.
    #[arg(long, value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::name)))]
    outcome: Option<String>,
    /// Only what was about this workspace [default: all that the key holds].
    #[arg(long, value_name = "NAME")]
    about: Option<String>,
    /// Only from this instant or day on.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this instant or day.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The organization, for operators of several [default: the key's own].
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// All, whatever --limit says.
    #[arg(long)]
    all: bool,
}

const ENTRIES: [Column<'static>; 8] = [
    ("AT", "/at"),
    ("KEY", "/key_name"),
    ("ACTION", "/action"),
    ("OUTCOME", "/outcome"),
    ("OPERATION", "/operation"),
    ("ABOUT", "/about"),
    ("WORKSPACE", "/workspace"),
    ("FROM", "/address"),
];

/// Runs `tessera audit`.
pub(crate) fn run(arguments: AuditArguments) -> Result<()> {
    let AuditArguments { ask, actor, action, outcome, about, from, to, organization, limit, all } = arguments;
    let filters = [
        ("actor", actor),
        ("action", action),
        ("outcome", outcome),
        ("workspace", about),
        ("from", from),
        ("to", to),
        ("organization", organization),
    ];
    let listed = Listed { items: "items", limit: (!all).then_some(limit) };
    let path = with_query("/v1/audit", &filters);
    if ask.json {
        return ask.list(&path, listed, &[]);
    }
    let (mut table, mut shown) = (Table::new(&ENTRIES), 0);
    ask.each(&path, listed, |entry| {
        shown += 1;
        print!("{}", table.push(&row(entry)));
        Ok(())
    })?;
    print!("{}", table.end());
    if shown == 0 {
        println!("none");
    }
    Ok(())
}

/// An entry as a row: what it was about in one cell, and beside what came of it why it came to nothing.
fn row(entry: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let thing = |thing: &Value| match thing["name"].as_str() {
        Some(name) => format!("{}:{name}", text(&thing["kind"])),
        None => text(&thing["kind"]),
    };
    let mut about: Vec<String> = entry["objects"].as_array().into_iter().flatten().map(thing).collect();
    match entry["objects_more"].as_u64() {
        None | Some(0) => {}
        Some(more) => about.push(format!("and {more} more")),
    }
    let mut row = entry.clone();
    row["about"] = json!(about.join(" "));
    if let Some(code) = entry["code"].as_str() {
        row["outcome"] = json!(format!("{} ({code})", text(&entry["outcome"])));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let objects = json!([{ "kind": "segment", "name": "loyal" }, { "kind": "data_model", "name": null }]);
        let entry =
            json!({ "outcome": "refused", "code": "permission_missing", "objects": objects, "objects_more": 3 });
        let row = row(&entry);
        assert_eq!(row["about"], "segment:loyal data_model and 3 more");
        assert_eq!(row["outcome"], "refused (permission_missing)");
    }
}
