//! `tessera workspace …`: workspaces, over the administration API.

use anyhow::Result;
use serde_json::json;
use ureq::http::Method;

use super::ask::{Ask, Listed, with_query};
use super::table::Column;

/// `tessera workspace …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Make a workspace.
    Create {
        #[command(flatten)]
        ask: Ask,
        /// Its name.
        name: String,
        /// Whose it is, for operators of several organizations.
        #[arg(long)]
        organization: Option<String>,
    },
    /// List workspaces.
    List {
        #[command(flatten)]
        ask: Ask,
        /// Of which organization.
        #[arg(long)]
        organization: Option<String>,
    },
}

const WORKSPACES: [Column<'static>; 3] = [("NAME", "/name"), ("SINCE", "/created_at"), ("LIMIT", "/rate_limit")];

/// Runs `tessera workspace …`.
pub(crate) fn run(command: WorkspaceCommand) -> Result<()> {
    let path = |organization| with_query("/v1/admin/workspaces", &[("organization", organization)]);
    match command {
        WorkspaceCommand::Create { ask, name, organization } => {
            ask.send(Method::POST, &path(organization), Some(&json!({ "name": name })))
        }
        WorkspaceCommand::List { ask, organization } => {
            ask.list(&path(organization), Listed { items: "items", limit: None }, &WORKSPACES)
        }
    }
}
