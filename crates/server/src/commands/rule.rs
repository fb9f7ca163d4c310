//! `tessera rule …`: rules that are looked at and tried, and stored nowhere.

use anyhow::Result;
use serde_json::json;
use ureq::http::Method;

use super::ask::{Ask, Pql, Who};

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
    },
}

/// Runs `tessera rule …`.
pub(crate) fn run(command: RuleCommand) -> Result<()> {
    match command {
        RuleCommand::Check { ask, pql, purpose } => {
            let body = json!({"pql": pql.text()?, "purpose": purpose});
            let mut answer = ask.client()?.json(Method::POST, "/v1/rules:check", Some(&body))?;
            if !ask.json
                && let Some(rule) = answer["rule"].as_object_mut()
            {
                // The other spellings of the same rule are for machines.
                for spelling in ["pql_json", "tree"] {
                    rule.remove(spelling);
                }
            }
            ask.show(&answer)
        }
        RuleCommand::Eval { ask, pql, who, purpose } => {
            let body = json!({"pql": pql.text()?, "purpose": purpose, "profile": who.body()});
            ask.send(Method::POST, "/v1/rules:evaluate", Some(&body))
        }
    }
}
