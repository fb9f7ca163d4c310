//! Keys and workspaces, over the administration API of a running server.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Client, Target};

/// `tessera key …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; its secret is printed once, on standard output.
    Create {
        #[command(flatten)]
        target: Target,
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
        /// The dataset that its events stand in [default: the first of --datasets, or segment for a private key and one of its own for
        /// a public one].
        #[arg(long)]
        dataset: Option<String>,
        /// The datasets that it is confined to, separated by commas [default: any].
        #[arg(long, value_delimiter = ',')]
        datasets: Option<Vec<String>>,
        /// The origins of the pages that it may be used from, separated by commas [default: any].
        #[arg(long, value_delimiter = ',')]
        origins: Option<Vec<String>>,
        /// Whose key it is, for operators of several organizations.
        #[arg(long)]
        organization: Option<String>,
    },
    /// List keys, without secrets.
    List {
        #[command(flatten)]
        target: Target,
        /// Of which organization.
        #[arg(long)]
        organization: Option<String>,
    },
    /// Replace a key by a new one that may do the same; the old one goes on working for a while.
    Rotate {
        #[command(flatten)]
        target: Target,
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
        target: Target,
        /// The key's id.
        id: String,
    },
}

/// `tessera workspace …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Make a workspace.
    Create {
        #[command(flatten)]
        target: Target,
        /// Its name.
        name: String,
        /// Whose it is, for operators of several organizations.
        #[arg(long)]
        organization: Option<String>,
    },
    /// List workspaces.
    List {
        #[command(flatten)]
        target: Target,
        /// Of which organization.
        #[arg(long)]
        organization: Option<String>,
    },
}

/// Runs `tessera key …` and prints the answer as JSON.
pub(crate) fn run_key(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create {
            target,
            name,
            class,
            permissions,
            workspaces,
            dataset,
            datasets,
            origins,
            organization,
        } => {
            let body = json!({
                "name": name, "class": class, "permissions": permissions, "workspaces": workspaces, "dataset": dataset,
                "datasets": datasets, "origins": origins
            });
            let path = format!("/v1/admin/keys{}", query(organization.as_deref(), "?", "")?);
            print(&Client::new(&target)?.json(Method::POST, &path, Some(&body))?)
        }
        KeyCommand::List { target, organization } => {
            list(&target, &format!("/v1/admin/keys?{}", query(organization.as_deref(), "", "&")?))
        }
        KeyCommand::Rotate { target, id, grace_secs, dataset } => {
            let path = format!("/v1/admin/keys/{}/rotate", segment(&id)?);
            let body = json!({"grace_secs": grace_secs, "dataset": dataset});
            print(&Client::new(&target)?.json(Method::POST, &path, Some(&body))?)
        }
        KeyCommand::Revoke { target, id } => {
            let path = format!("/v1/admin/keys/{}/revoke", segment(&id)?);
            print(&Client::new(&target)?.json(Method::POST, &path, None)?)
        }
    }
}

/// Runs `tessera workspace …` and prints the answer as JSON.
pub(crate) fn run_workspace(command: WorkspaceCommand) -> Result<()> {
    match command {
        WorkspaceCommand::Create { target, name, organization } => {
            let path = format!("/v1/admin/workspaces{}", query(organization.as_deref(), "?", "")?);
            print(&Client::new(&target)?.json(Method::POST, &path, Some(&json!({"name": name})))?)
        }
        WorkspaceCommand::List { target, organization } => {
            list(&target, &format!("/v1/admin/workspaces?{}", query(organization.as_deref(), "", "&")?))
        }
    }
}

/// Prints every page of a list, one item a line. The path ends with `?` or `&`.
pub(crate) fn list(target: &Target, path: &str) -> Result<()> {
    let client = Client::new(target)?;
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = client.json(Method::GET, &format!("{path}limit=1000{after}"), None)?;
        let items = page.get("items").and_then(Value::as_array).context("the answer is no list")?;
        for item in items {
            println!("{item}");
        }
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// The organization as a part of a query, between these; nothing where the key's own is meant.
fn query(organization: Option<&str>, before: &str, behind: &str) -> Result<String> {
    Ok(match organization {
        Some(name) => format!("{before}organization={}{behind}", segment(name)?),
        None => String::new(),
    })
}

/// A name that may stand in a path or a query as it is.
pub(crate) fn segment(text: &str) -> Result<&str> {
    let plain = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    plain.then_some(text).with_context(|| format!("no id or name: {text}"))
}

pub(crate) fn print(answer: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(answer)?);
    Ok(())
}
