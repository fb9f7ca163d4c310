//! `tessera segment …` and `tessera attribute …`: stored rules, and whom or what they come to.

use anyhow::Result;
use serde_json::{Value, json};
use ureq::http::Method;

use super::ask::{Ask, Listed, Pql, Who, body, confirm, segment, with_query};
use super::table::Column;

/// `tessera segment …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SegmentCommand {
    /// List segments.
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Show a segment.
    #[command(alias = "show")]
    Get {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
    },
    /// Count whom a condition would hold of, without saving it.
    Preview {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        pql: Pql,
        #[command(flatten)]
        more: More,
        #[command(flatten)]
        of: Of,
    },
    /// Make a segment; a job brings it to everybody.
    Create {
        #[command(flatten)]
        ask: Ask,
        /// Its name in paths and rules.
        name: String,
        #[command(flatten)]
        pql: Pql,
        #[command(flatten)]
        more: More,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        said: Said,
    },
    /// List the members of a segment.
    Members {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
        /// Write them as CSV, with their identifiers.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// At most so many [default: all].
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Show why somebody is a member or not.
    Explain {
        #[command(flatten)]
        ask: Ask,
        /// The segment's name.
        name: String,
        #[command(flatten)]
        who: Who,
    },
    /// Archive a segment.
    #[command(alias = "delete")]
    Archive {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `tessera attribute …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AttributeCommand {
    /// List computed attributes.
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Show a computed attribute.
    #[command(alias = "show")]
    Get {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
    },
    /// Make a computed attribute.
    Create {
        #[command(flatten)]
        ask: Ask,
        /// Its name in profiles and rules.
        name: String,
        #[command(flatten)]
        pql: Pql,
        #[command(flatten)]
        more: More,
        #[command(flatten)]
        said: Said,
    },
    /// Show what it comes to for somebody, and why.
    Explain {
        #[command(flatten)]
        ask: Ask,
        /// The attribute's name.
        name: String,
        #[command(flatten)]
        who: Who,
    },
    /// Archive a computed attribute.
    #[command(alias = "delete")]
    Archive {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// What a rule may say besides.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct More {
    /// Where its days begin [default: UTC].
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// Of whom a segment is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Of {
    /// Of people or of accounts [default: people].
    #[arg(long, value_parser = ["people", "accounts"])]
    of: Option<String>,
    /// The id of the merge policy that it looks through [default: the workspace's].
    #[arg(long)]
    merge_policy: Option<String>,
}

/// What people say of a rule.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Said {
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// What people call it.
    #[arg(long)]
    display_name: Option<String>,
}

const SEGMENTS: [Column<'static>; 5] =
    [("NAME", "/name"), ("STATUS", "/status"), ("MEMBERS", "/count"), ("OF", "/of"), ("RULE", "/pql")];
const ATTRIBUTES: [Column<'static>; 3] = [("NAME", "/name"), ("STATUS", "/status"), ("RULE", "/pql")];
const MEMBERS: [Column<'static>; 2] = [("PROFILE", "/profile_id"), ("SINCE", "/entered_at")];
const ITEMS: Listed = Listed { items: "items", limit: None };

/// Runs `tessera segment …`.
pub(crate) fn run_segment(command: SegmentCommand) -> Result<()> {
    match command {
        SegmentCommand::List { ask } => ask.list("/v1/segments", ITEMS, &SEGMENTS),
        SegmentCommand::Get { ask, name } => ask.get(&format!("/v1/segments/{}", segment(&name)?)),
        SegmentCommand::Preview { ask, pql, more, of } => {
            let rule = rule(&pql, more, Some(of), None)?;
            ask.send(Method::POST, "/v1/segments:preview", Some(&body(&rule)))
        }
        SegmentCommand::Create { ask, name, pql, more, of, said } => {
            let mut members = rule(&pql, more, Some(of), Some(said))?;
            members.push(("name", Some(json!(name))));
            ask.send(Method::POST, "/v1/segments", Some(&body(&members)))
        }
        SegmentCommand::Members { ask, name, csv, limit } => {
            let path = format!("/v1/segments/{}/members", segment(&name)?);
            let listed = Listed { items: "members", limit };
            if csv { members_as_csv(&ask, &path, listed) } else { ask.list(&path, listed, &MEMBERS) }
        }
        SegmentCommand::Explain { ask, name, who } => {
            ask.get(&with_query(&format!("/v1/segments/{}/explain", segment(&name)?), &who.query()))
        }
        SegmentCommand::Archive { ask, name, yes } => {
            confirm(&format!("the segment {name} is archived and its members are forgotten"), yes)?;
            ask.send(Method::DELETE, &format!("/v1/segments/{}", segment(&name)?), None)
        }
    }
}

/// Runs `tessera attribute …`.
pub(crate) fn run_attribute(command: AttributeCommand) -> Result<()> {
    match command {
        AttributeCommand::List { ask } => ask.list("/v1/attributes", ITEMS, &ATTRIBUTES),
        AttributeCommand::Get { ask, name } => ask.get(&format!("/v1/attributes/{}", segment(&name)?)),
        AttributeCommand::Create { ask, name, pql, more, said } => {
            let mut members = rule(&pql, more, None, Some(said))?;
            members.push(("name", Some(json!(name))));
            ask.send(Method::POST, "/v1/attributes", Some(&body(&members)))
        }
        AttributeCommand::Explain { ask, name, who } => {
            ask.get(&with_query(&format!("/v1/attributes/{}/explain", segment(&name)?), &who.query()))
        }
        AttributeCommand::Archive { ask, name, yes } => {
            confirm(&format!("the computed attribute {name} is archived"), yes)?;
            ask.send(Method::DELETE, &format!("/v1/attributes/{}", segment(&name)?), None)
        }
    }
}

type Members = Vec<(&'static str, Option<Value>)>;

fn rule(pql: &Pql, more: More, of: Option<Of>, said: Option<Said>) -> Result<Members> {
    let text = |text: Option<String>| text.map(Value::from);
    let mut members = vec![("pql", Some(json!(pql.text()?))), ("time_zone", text(more.time_zone))];
    if let Some(Of { of, merge_policy }) = of {
        members.extend([("of", text(of)), ("merge_policy", text(merge_policy))]);
    }
    if let Some(Said { description, display_name }) = said {
        members.extend([("description", text(description)), ("display_name", text(display_name))]);
    }
    Ok(members)
}

/// A row for each identifier of each member, and one without for who has none that may be seen.
fn members_as_csv(ask: &Ask, path: &str, listed: Listed) -> Result<()> {
    let path = with_query(path, &[("fields", Some("identifiers".to_owned()))]);
    let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
    writer.write_record(["profile_id", "entered_at", "namespace", "value"])?;
    ask.each(&path, listed, |member| {
        let text = |name: &str| super::table::cell(&member[name]);
        let (id, since) = (text("profile_id"), text("entered_at"));
        let mut rows = 0;
        for (namespace, values) in member["profile"].as_object().into_iter().flatten() {
            let all = match values {
                Value::Array(values) => values.iter().collect(),
                one => vec![one],
            };
            for value in all.into_iter().filter_map(Value::as_str) {
                if namespace != "profile_id" {
                    writer.write_record([&id, &since, namespace, value])?;
                    rows += 1;
                }
            }
        }
        if rows == 0 {
            writer.write_record([&id, &since, "", ""])?;
        }
        Ok(())
    })?;
    writer.flush()?;
    Ok(())
}
