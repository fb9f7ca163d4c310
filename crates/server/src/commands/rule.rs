//! `tessera rule …`: rules that are looked at and tried, and stored nowhere.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use super::ask::{Ask, Pql, Who};
use super::table;

/// `tessera rule …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RuleCommand {
    /// Check a rule: whether it is one, and what it depends on.
    Check {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        pql: Pql,
        /// A condition, as a segment has, or a value, as a computed attribute has.
        #[arg(long, default_value = "value", value_parser = ["condition", "value"])]
        purpose: String,
    },
    /// Evaluate a rule of one profile.
    Eval {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        pql: Pql,
        #[command(flatten)]
        who: Who,
        /// A condition, as a segment has, or a value, as a computed attribute has.
        #[arg(long, default_value = "value", value_parser = ["condition", "value"])]
        purpose: String,
        /// Where days begin, by a name such as Europe/Paris [default: UTC].
        #[arg(long, value_name = "NAME")]
        time_zone: Option<String>,
    },
}

/// Runs `tessera rule …`.
pub(crate) fn run(command: RuleCommand) -> Result<()> {
    match command {
        RuleCommand::Check { ask, pql, purpose } => check(&ask, &pql.text()?, &purpose),
        RuleCommand::Eval { ask, pql, who, purpose, time_zone } => {
            let (pql, profile) = (pql.text()?, who.body());
            let body = json!({"pql": pql, "purpose": purpose, "profile": profile, "time_zone": time_zone});
            ask.send(Method::POST, "/v1/rules:evaluate", Some(&body))
        }
    }
}

/// A rule that is none is an error, with the place where it ends to be one.
fn check(ask: &Ask, pql: &str, purpose: &str) -> Result<()> {
    let body = json!({"pql": pql, "purpose": purpose});
    let client = ask.client()?;
    let mut answer = client.json(Method::POST, "/v1/rules:check", Some(&body))?;
    let is_valid = answer["valid"] == true;
    if ask.json || is_valid {
        if !ask.json
            && let Some(rule) = answer["rule"].as_object_mut()
        {
            // The other spellings of the same rule are for machines.
            for spelling in ["pql_json", "tree", "filter"] {
                rule.remove(spelling);
            }
        }
        ask.show(&answer)?;
        ensure!(is_valid, "this is no rule");
        return Ok(());
    }
    bail!(
        "{}\n  the language, with recipes and what SQL is in it: {}/docs/rules",
        problem(pql, &answer["problem"]),
        client.base()
    )
}

/// What is wrong with a rule: in words, and below them its line with a mark where.
fn problem(pql: &str, problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str();
    let number = |name: &str| problem[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let what = match (text("message"), text("expected")) {
        (Some(message), _) => message.to_owned(),
        (None, Some(expected)) => format!("expected {expected}"),
        (None, None) => "this is no rule".to_owned(),
    };
    let code = text("code").unwrap_or_default();
    let (Some(line), Some(column)) = (number("line"), number("column")) else { return format!("{what} ({code})") };
    let shown = pql.lines().nth(line.saturating_sub(1)).map(table::plain).unwrap_or_default();
    let before = " ".repeat(column.saturating_sub(1));
    let hint = text("hint").map(|hint| format!("\n  {hint}")).unwrap_or_default();
    format!("line {line}, column {column}: {what} ({code})\n  {shown}\n  {before}^{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_below_what_is_wrong() {
        let wrong = json!({"code": "expression_syntax", "expected": "a value or a name", "line": 2, "column": 3});
        let said = "line 2, column 3: expected a value or a name (expression_syntax)\n  b and\n    ^";
        assert_eq!(problem("a\nb and\nc", &wrong), said);
        let mut hinted = wrong.clone();
        hinted["hint"] = json!("write a name");
        assert_eq!(problem("a\nb and\nc", &hinted), format!("{said}\n  write a name"));
        assert_eq!(problem("a", &json!({"code": "c"})), "this is no rule (c)");
    }
}
