//! `tessera job …`: long work of a running server, asked for, watched and steered.

use anyhow::{Context as _, Result, bail};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::admin::{list, print, segment};
use crate::client::{Client, Target};

/// `tessera job …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum JobCommand {
    /// Ask for a job, such as `check`.
    Start {
        #[command(flatten)]
        target: Target,
        /// The kind of job.
        kind: String,
        /// What the kind takes, as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        parameters: String,
    },
    /// List jobs, the newest first.
    List {
        #[command(flatten)]
        target: Target,
        /// Only those in this state.
        #[arg(long)]
        state: Option<String>,
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<String>,
    },
    /// Print a job after each change until it has ended, restarts of the server included; succeeds if the job does.
    Watch {
        #[command(flatten)]
        target: Target,
        /// The job's id.
        id: String,
    },
    /// Have a job rest after the step under way.
    Pause {
        #[command(flatten)]
        target: Target,
        /// The job's id.
        id: String,
    },
    /// Have a paused job go on.
    Resume {
        #[command(flatten)]
        target: Target,
        /// The job's id.
        id: String,
    },
    /// End a job after the step under way.
    Cancel {
        #[command(flatten)]
        target: Target,
        /// The job's id.
        id: String,
    },
}

/// Runs `tessera job …` and prints the answer as JSON.
pub(crate) fn run(command: JobCommand) -> Result<()> {
    match command {
        JobCommand::Start { target, kind, parameters } => {
            let parameters: Box<RawValue> = serde_json::from_str(&parameters)
                .with_context(|| format!("the parameters are no JSON: {parameters}"))?;
            let body = json!({"kind": kind, "parameters": parameters});
            print(&Client::new(&target)?.json(Method::POST, "/v1/jobs", Some(&body))?)
        }
        JobCommand::List { target, state, kind } => {
            let filters = [("state", state), ("kind", kind)];
            let mut path = "/v1/jobs?".to_owned();
            for (name, value) in filters.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
                path += &format!("{name}={}&", segment(value)?);
            }
            list(&target, &path)
        }
        JobCommand::Watch { target, id } => watch(&Client::new(&target)?, segment(&id)?),
        JobCommand::Pause { target, id } => steer(&target, &id, "pause"),
        JobCommand::Resume { target, id } => steer(&target, &id, "resume"),
        JobCommand::Cancel { target, id } => steer(&target, &id, "cancel"),
    }
}

fn steer(target: &Target, id: &str, wish: &str) -> Result<()> {
    let path = format!("/v1/jobs/{}/{wish}", segment(id)?);
    print(&Client::new(target)?.json(Method::POST, &path, None)?)
}

fn watch(client: &Client, id: &str) -> Result<()> {
    let path = format!("/v1/jobs/{id}");
    loop {
        // A stream that breaks off tells nothing of the job: it goes on after a restart.
        for event in client.events(&format!("{path}/watch"))?.map_while(Result::ok) {
            println!("{event}");
            let job: Value = serde_json::from_str(&event).context("an event is no JSON")?;
            match job.get("state").and_then(Value::as_str) {
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
