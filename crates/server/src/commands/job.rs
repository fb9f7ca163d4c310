//! `tessera job …`: long work of a running server, asked for, watched and steered.

use anyhow::{Context as _, Result, bail};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use ureq::http::Method;

use super::ask::{Ask, Listed, segment, with_query};
use super::table::{self, Column};

/// `tessera job …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum JobCommand {
    /// Ask for a job, such as `check`.
    Start {
        #[command(flatten)]
        ask: Ask,
        /// The kind of job.
        kind: String,
        /// What the kind takes, as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        parameters: String,
    },
    /// List jobs, the newest first.
    List {
        #[command(flatten)]
        ask: Ask,
        /// Only those in this state.
        #[arg(long)]
        state: Option<String>,
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<String>,
        /// At most so many [default: all].
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Show a job as it is.
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The job's id.
        id: String,
    },
    /// Tell of a job after each change until it has ended, restarts of the server included; succeeds if the job does.
    Watch {
        #[command(flatten)]
        ask: Ask,
        /// The job's id.
        id: String,
    },
    /// Have a job rest after the step under way.
    Pause {
        #[command(flatten)]
        ask: Ask,
        /// The job's id.
        id: String,
    },
    /// Have a paused job go on.
    Resume {
        #[command(flatten)]
        ask: Ask,
        /// The job's id.
        id: String,
    },
    /// End a job after the step under way.
    Cancel {
        #[command(flatten)]
        ask: Ask,
        /// The job's id.
        id: String,
    },
}

const JOBS: [Column<'static>; 6] = [
    ("ID", "/id"),
    ("KIND", "/kind"),
    ("STATE", "/state"),
    ("DONE", "/progress/done"),
    ("OF", "/progress/total"),
    ("SINCE", "/created_at"),
];

/// Runs `tessera job …`.
pub(crate) fn run(command: JobCommand) -> Result<()> {
    match command {
        JobCommand::Start { ask, kind, parameters } => {
            let parameters: Box<RawValue> = serde_json::from_str(&parameters)
                .with_context(|| format!("the parameters are no JSON: {parameters}"))?;
            ask.send(Method::POST, "/v1/jobs", Some(&json!({"kind": kind, "parameters": parameters})))
        }
        JobCommand::List { ask, state, kind, limit } => {
            let path = with_query("/v1/jobs", &[("state", state), ("kind", kind)]);
            ask.list(&path, Listed { items: "items", limit }, &JOBS)
        }
        JobCommand::Show { ask, id } => ask.get(&format!("/v1/jobs/{}", segment(&id)?)),
        JobCommand::Watch { ask, id } => watch(&ask, segment(&id)?),
        JobCommand::Pause { ask, id } => steer(&ask, &id, "pause"),
        JobCommand::Resume { ask, id } => steer(&ask, &id, "resume"),
        JobCommand::Cancel { ask, id } => steer(&ask, &id, "cancel"),
    }
}

fn steer(ask: &Ask, id: &str, wish: &str) -> Result<()> {
    ask.send(Method::POST, &format!("/v1/jobs/{}/{wish}", segment(id)?), None)
}

fn watch(ask: &Ask, id: &str) -> Result<()> {
    let client = ask.client()?;
    let path = format!("/v1/jobs/{id}");
    loop {
        // A stream that breaks off tells nothing of the job: it goes on after a restart.
        for event in client.events(&format!("{path}/watch"))?.map_while(Result::ok) {
            let job: Value = serde_json::from_str(&event).context("an event is no JSON")?;
            println!("{}", if ask.json { event } else { line(&job) });
            match job["state"].as_str() {
                Some("done") => return Ok(()),
                Some("failed" | "cancelled") => bail!("the job did not end with all work done"),
                Some(_) | None => {}
            }
        }
        let answer = client.send_until_answered(&Method::GET, &path, &[])?;
        if answer.status != 200 {
            return Err(answer.into_error());
        }
    }
}

/// What a job is at, in one line.
fn line(job: &Value) -> String {
    let text = |pointer: &str| table::cell(job.pointer(pointer).unwrap_or(&Value::Null));
    let mut line = format!("{} {}", text("/kind"), text("/state"));
    if job["progress"].is_object() {
        line += &format!(": {} of {} {}", text("/progress/done"), text("/progress/total"), text("/progress/unit"));
    }
    if let Some(secs) = job["progress"]["remaining_secs"].as_u64().filter(|secs| *secs > 0) {
        line += &format!(", about {secs} s left");
    }
    for member in ["error", "result"] {
        if !job[member].is_null() {
            line += &format!("; {member}: {}", text(&format!("/{member}")));
        }
    }
    line
}
