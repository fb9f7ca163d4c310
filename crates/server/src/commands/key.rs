//! `tessera key …`: keys of the organization, over the administration API.

use anyhow::Result;
use serde_json::{Value, json};
use ureq::http::Method;

use super::ask::{Ask, Listed, body, segment, with_query};
use super::table::Column;
use crate::world;

/// `tessera key …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; its secret is shown once.
    Create {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        new: Box<NewKey>,
    },
    /// List keys, without secrets.
    List {
        #[command(flatten)]
        ask: Ask,
        /// Of which organization.
        #[arg(long)]
        organization: Option<String>,
    },
    /// Replace a key by a new one that may do the same; the old one goes on working for a while.
    Rotate {
        #[command(flatten)]
        ask: Ask,
        /// The key's id.
        id: String,
        /// How long the old one goes on working.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        grace_secs: u32,
        /// The dataset that the events of the new one stand in [default: that of the old one].
        #[arg(long)]
        dataset: Option<String>,
    },
    /// Make a key stop working at once.
    Revoke {
        #[command(flatten)]
        ask: Ask,
        /// The key's id.
        id: String,
    },
}

/// A key to be made.
#[derive(Debug, clap::Args)]
pub(crate) struct NewKey {
    /// What people call it.
    #[arg(long)]
    name: String,
    /// Where it may be seen: a public key may only ingest, and read what is public.
    #[arg(long, default_value = "private", value_parser = ["public", "private"])]
    class: String,
    /// What it may do, separated by commas: ingest, read_public, read, read_private, export, erase, configure, administer, operate.
    #[arg(long, value_delimiter = ',', required = true)]
    permissions: Vec<String>,
    /// The workspaces that it holds, separated by commas, the default one first [default: all].
    #[arg(long, value_delimiter = ',')]
    workspaces: Option<Vec<String>>,
    /// The dataset that its events stand in [default: the first of --datasets, or segment for a private key and one of its own for a
    /// public one].
    #[arg(long)]
    dataset: Option<String>,
    /// The datasets that it is confined to, separated by commas [default: any].
    #[arg(long, value_delimiter = ',')]
    datasets: Option<Vec<String>>,
    /// The origins of the pages that it may be used from, separated by commas [default: any].
    #[arg(long, value_delimiter = ',')]
    origins: Option<Vec<String>>,
    /// When it stops working: an instant such as 2027-01-01T00:00:00Z, or how long it works, such as 12h, 90d, 2w [default: never].
    #[arg(long, value_name = "TIME|DURATION", value_parser = expiry)]
    expires: Option<String>,
    /// Whose key it is, for operators of several organizations.
    #[arg(long)]
    organization: Option<String>,
}

const KEYS: [Column<'static>; 8] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("CLASS", "/class"),
    ("MAY", "/permissions"),
    ("DATASET", "/dataset"),
    ("ENDS", "/last_four"),
    ("EXPIRES", "/expires_at"),
    ("REVOKED", "/revoked_at"),
];

/// Runs `tessera key …`.
pub(crate) fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create { ask, new } => create(&ask, *new),
        KeyCommand::List { ask, organization } => {
            let path = with_query("/v1/admin/keys", &[("organization", organization)]);
            ask.list(&path, Listed { items: "items", limit: None }, &KEYS)
        }
        KeyCommand::Rotate { ask, id, grace_secs, dataset } => {
            let path = format!("/v1/admin/keys/{}/rotate", segment(&id)?);
            ask.send(Method::POST, &path, Some(&json!({"grace_secs": grace_secs, "dataset": dataset})))
        }
        KeyCommand::Revoke { ask, id } => {
            ask.send(Method::POST, &format!("/v1/admin/keys/{}/revoke", segment(&id)?), None)
        }
    }
}

fn create(ask: &Ask, new: NewKey) -> Result<()> {
    let NewKey { name, class, permissions, workspaces, dataset, datasets, origins, expires, organization } = new;
    let list = |list: Option<Vec<String>>| list.map(Value::from);
    let body = body(&[
        ("name", Some(json!(name))),
        ("class", Some(json!(class))),
        ("permissions", Some(json!(permissions))),
        ("workspaces", list(workspaces)),
        ("dataset", dataset.map(Value::from)),
        ("datasets", list(datasets)),
        ("origins", list(origins)),
        ("expires_at", expires.map(Value::from)),
    ]);
    ask.send(Method::POST, &with_query("/v1/admin/keys", &[("organization", organization)]), Some(&body))
}

/// The instant that somebody means.
fn expiry(text: &str) -> Result<String, String> {
    expiry_at(text, world::now().micros() / 1_000_000)
}

fn expiry_at(text: &str, now_secs: i64) -> Result<String, String> {
    let wrong =
        || format!("{text} is neither an instant such as 2027-01-01T00:00:00Z nor a duration such as 12h, 90d or 2w");
    let unit = |last| match last {
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let instant = match text.chars().last().and_then(unit) {
        Some(secs) => {
            let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
            let after = count.checked_mul(secs).filter(|after| *after > 0).ok_or_else(wrong)?;
            jiff::Timestamp::from_second(now_secs.checked_add(after).ok_or_else(wrong)?).map_err(|_| wrong())?
        }
        None => text.parse::<jiff::Timestamp>().map_err(|_| wrong())?,
    };
    Ok(instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_expires_at_an_instant_or_after_a_while() {
        for (text, expected) in [
            ("2027-01-01T00:00:00Z", Some("2027-01-01T00:00:00Z")),
            ("2027-01-01T01:00:00+01:00", Some("2027-01-01T00:00:00Z")),
            ("90m", Some("1970-01-01T01:30:00Z")),
            ("2d", Some("1970-01-03T00:00:00Z")),
            ("1w", Some("1970-01-08T00:00:00Z")),
            ("-1d", None),
            ("0d", None),
            ("tomorrow", None),
            ("d", None),
            ("", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(expiry_at(text, 0).ok().as_deref(), expected, "{text}");
        }
    }
}
