//! What one looks at when something is amiss: `tessera quarantine …`, `tessera suppression …`, `tessera counts`.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use super::ask::{Ask, Listed, Who, confirm, encoded, segment, with_query};
use super::table::Column;

/// `tessera quarantine …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List refused events and records, the newest first.
    List {
        #[command(flatten)]
        ask: Ask,
        /// Only those that were refused with this code.
        #[arg(long)]
        code: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Show one as it came.
    Show {
        #[command(flatten)]
        ask: Ask,
        /// Its id.
        id: String,
    },
    /// Send one or all again, now that what refused them has changed.
    Replay {
        #[command(flatten)]
        ask: Ask,
        /// Its id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All.
        #[arg(long)]
        all: bool,
        /// Of all, only those that were refused with this code.
        #[arg(long, requires = "all")]
        code: Option<String>,
    },
    /// Drop one for good.
    Drop {
        #[command(flatten)]
        ask: Ask,
        /// Its id.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `tessera suppression …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SuppressionCommand {
    /// Tell how many identities are suppressed. Who they are is not kept.
    Count {
        #[command(flatten)]
        ask: Ask,
    },
    /// Tell whether an identity is suppressed.
    Get {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
    },
    /// Let an identity in no more.
    Add {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
    },
    /// Let a suppressed identity in again.
    Remove {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        who: Who,
    },
}

const REFUSED: [Column<'static>; 5] =
    [("ID", "/id"), ("AT", "/at"), ("DOOR", "/door"), ("CODE", "/code"), ("MESSAGE", "/message")];

/// Runs `tessera quarantine …`.
pub(crate) fn run_quarantine(command: QuarantineCommand) -> Result<()> {
    match command {
        QuarantineCommand::List { ask, code, limit } => {
            let path = with_query("/v1/admin/quarantine", &[("code", code)]);
            ask.list(&path, Listed { items: "items", limit: Some(limit) }, &REFUSED)
        }
        QuarantineCommand::Show { ask, id } => ask.get(&format!("/v1/admin/quarantine/{}", segment(&id)?)),
        QuarantineCommand::Replay { ask, id: Some(id), .. } => {
            ask.send(Method::POST, &format!("/v1/admin/quarantine/{}/replay", segment(&id)?), None)
        }
        QuarantineCommand::Replay { ask, id: None, code, .. } => replay_all(&ask, code),
        QuarantineCommand::Drop { ask, id, yes } => {
            confirm("what was refused is dropped", yes)?;
            ask.send(Method::DELETE, &format!("/v1/admin/quarantine/{}", segment(&id)?), None)
        }
    }
}

/// Page by page to the end; what is refused again stays, and is passed by once.
fn replay_all(ask: &Ask, code: Option<String>) -> Result<()> {
    let client = ask.client()?;
    let mut total = json!({});
    let (mut cursor, counted) = (None, ["accepted", "rejected", "skipped"]);
    let mut sums = [0; 3];
    loop {
        let path = with_query("/v1/admin/quarantine:replay", &[("code", code.clone()), ("cursor", cursor.clone())]);
        let page = client.json(Method::POST, &path, None)?;
        for (sum, name) in sums.iter_mut().zip(counted) {
            *sum += page[name].as_u64().unwrap_or(0);
        }
        let next = page["next_cursor"].as_str().map(str::to_owned);
        ensure!(next.is_none() || next != cursor, "the server names the same page again");
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    for (sum, name) in sums.into_iter().zip(counted) {
        total[name] = Value::from(sum);
    }
    ask.show(&total)
}

/// Runs `tessera suppression …`.
pub(crate) fn run_suppression(command: SuppressionCommand) -> Result<()> {
    let path = |who: &Who| {
        let (namespace, value) = who.identity()?;
        anyhow::Ok(format!("/v1/suppressions/{}/{}", encoded(namespace), encoded(value)))
    };
    match command {
        SuppressionCommand::Count { ask } => ask.get("/v1/suppressions"),
        SuppressionCommand::Get { ask, who } => ask.get(&path(&who)?),
        SuppressionCommand::Add { ask, who } => ask.send(Method::PUT, &path(&who)?, None),
        SuppressionCommand::Remove { ask, who } => ask.send(Method::DELETE, &path(&who)?, None),
    }
}

/// Runs `tessera counts`.
pub(crate) fn run_counts(ask: &Ask) -> Result<()> {
    ask.get("/v1/admin/counts")
}
