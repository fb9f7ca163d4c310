//! `tessera profile …`: one person, or those whom a condition names.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ureq::http::Method;

use super::ask::{Ask, Listed, Who, confirm, with_query};
use super::table::Column;

/// `tessera profile …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProfileCommand {
    /// Show a profile.
    #[command(alias = "show")]
    Get {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
        /// The id of a merge policy [default: the workspace's].
        #[arg(long)]
        merge_policy: Option<String>,
    },
    /// Find profiles by a condition in PQL.
    Find {
        #[command(flatten)]
        ask: Ask,
        /// The condition, such as `city = "Lyon"`.
        filter: String,
        /// Up to three attributes, separated by commas; ` desc` behind one has the greatest first.
        #[arg(long, value_name = "ATTRIBUTES")]
        order_by: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Attributes to show, by their paths, separated by commas [default: email, phone, user_id].
        #[arg(long, value_delimiter = ',', value_name = "NAMES")]
        show: Vec<String>,
    },
    /// Show the timeline of a profile, the newest first.
    Events {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Only events of this name.
        #[arg(long)]
        event: Option<String>,
        /// Only events at or after this instant.
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// Only events before this instant.
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
    },
    /// Show the identities that hold a profile together.
    Identities {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
    },
    /// Show where the attributes of a profile are from, and what they won against.
    Explain {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
        /// Only this attribute and those below it.
        #[arg(long, value_name = "PATH")]
        attribute: Option<String>,
    },
    /// Write down everything that is held of a person.
    Export {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
        /// How it is written.
        #[arg(long, default_value = "json", value_parser = ["json", "csv"])]
        format: String,
        /// Into this file, which must not be there [default: standard output].
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Erase a profile with its events.
    Erase {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
        /// Refuse what names it from now on.
        #[arg(long)]
        suppress: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

const NODES: [Column<'static>; 5] = [
    ("NAMESPACE", "/namespace"),
    ("VALUE", "/value"),
    ("FACTS", "/facts"),
    ("SINCE", "/created_at"),
    ("SEEN", "/last_seen"),
];
const EVENTS: [Column<'static>; 5] = [
    ("TIME", "/timestamp"),
    ("TYPE", "/type"),
    ("EVENT", "/event"),
    ("ID", "/message_id"),
    ("PROPERTIES", "/properties"),
];
const CONTENDERS: [Column<'static>; 7] = [
    ("ATTRIBUTE", "/path"),
    ("VALUE", "/value"),
    ("", "/part"),
    ("NAMESPACE", "/identity/namespace"),
    ("IDENTITY", "/identity/value"),
    ("DATASET", "/dataset"),
    ("TIME", "/time"),
];

/// Runs `tessera profile …`.
pub(crate) fn run(command: ProfileCommand) -> Result<()> {
    match command {
        ProfileCommand::Get { ask, who, merge_policy } => {
            ask.get(&with_query(&who.path(), &[("merge_policy", merge_policy)]))
        }
        ProfileCommand::Find { ask, filter, order_by, limit, show } => {
            let path = with_query("/v1/profiles", &[("filter", Some(filter)), ("order_by", order_by)]);
            let named: Vec<String> =
                if show.is_empty() { ["email", "phone", "user_id"].map(str::to_owned).to_vec() } else { show };
            let pointers: Vec<String> = named.iter().map(|name| format!("/{}", name.replace('.', "/"))).collect();
            let shown = named.iter().map(String::as_str).zip(pointers.iter().map(String::as_str));
            let columns: Vec<Column<'_>> = std::iter::once(("PROFILE", "/profile_id")).chain(shown).collect();
            ask.list(&path, Listed { items: "profiles", limit: Some(limit) }, &columns)
        }
        ProfileCommand::Events { ask, who, limit, event, start, end } => {
            let path = format!("{}/events", who.path());
            let path = with_query(&path, &[("event", event), ("start", start), ("end", end)]);
            ask.list(&path, Listed { items: "events", limit: Some(limit) }, &EVENTS)
        }
        ProfileCommand::Identities { ask, who } => {
            let path = format!("{}/identities", who.path());
            if ask.json { ask.get(&path) } else { nodes(&ask, &path) }
        }
        ProfileCommand::Explain { ask, who, attribute } => {
            let path = with_query(&format!("{}/explain", who.path()), &[("attribute", attribute)]);
            if ask.json { ask.get(&path) } else { contenders(&ask, &path) }
        }
        ProfileCommand::Export { ask, who, format, to } => {
            let path = with_query(&format!("{}/export", who.path()), &[("format", Some(format))]);
            export(&ask, &path, to)
        }
        ProfileCommand::Erase { ask, who, suppress, yes } => {
            confirm("the profile and all its events are erased", yes)?;
            let suppress = suppress.then(|| "true".to_owned());
            ask.send(Method::DELETE, &with_query(&who.path(), &[("suppress", suppress)]), None)
        }
    }
}

fn nodes(ask: &Ask, path: &str) -> Result<()> {
    let answer = ask.client()?.json(Method::GET, path, None)?;
    let mut table = super::table::Table::new(&NODES);
    for node in answer["nodes"].as_array().into_iter().flatten() {
        print!("{}", table.push(node));
    }
    print!("{}", table.end());
    let held = answer["held"].as_array().map_or(0, Vec::len);
    if held > 0 {
        let more = if answer["held_more"] == true { " or more" } else { "" };
        println!("{held}{more} links do not hold; --json tells them");
    }
    Ok(())
}

fn contenders(ask: &Ask, path: &str) -> Result<()> {
    let mut answer = ask.client()?.json(Method::GET, path, None)?;
    let mut table = super::table::Table::new(&CONTENDERS);
    for attribute in answer["attributes"].as_array_mut().into_iter().flatten() {
        let named = attribute["path"].clone();
        for contender in attribute["contenders"].as_array_mut().into_iter().flatten() {
            contender["path"] = named.clone();
            print!("{}", table.push(contender));
        }
    }
    let rest = table.end();
    print!("{}", if rest.is_empty() { "none\n" } else { &rest });
    Ok(())
}

fn export(ask: &Ask, path: &str, to: Option<PathBuf>) -> Result<()> {
    let client = ask.client()?;
    let Some(to) = to else { return client.copy(path, &mut std::io::stdout().lock()) };
    let what = || format!("cannot write {}", to.display());
    let mut file = File::create_new(&to).with_context(what)?;
    let written =
        client.copy(path, &mut file).and_then(|()| file.flush().and_then(|()| file.sync_all()).with_context(what));
    if written.is_err() {
        // Half an export would look like a whole one.
        let _ = std::fs::remove_file(&to);
    }
    written
}
