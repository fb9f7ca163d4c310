//! `tessera apply`: configuration in files is compared with what a server has, and written where it differs.
//!
//! Everything is read and checked before anything is written; the data model is tried on the server besides. What was compared is
//! what is replaced: the data model, merge policies, computed attributes and segments by their versions, the rest is read again just
//! before. Start reading at [`run`], then `kinds`, the table of what can be declared, and `rules`, on computed attributes and segments.

mod dump;
mod files;
mod kinds;
mod plan;
mod references;
mod rules;
mod yaml;

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::client::{Answer, Client, Target};
use crate::commands::table;
pub(crate) use dump::documents;
use kinds::{Current, Kind, Refused};
use plan::{Change, Unnamed};
use references::Beside;

/// A file, or what it asks for, is wrong; nothing was written. The command line's own errors end so too.
const WRONG: u8 = 2;
/// With `--exit-code`: something differs.
const DIFFERS: u8 = 3;

/// Flags of `tessera apply`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Each document (YAML, or JSON) says what it is and what is to be:

  kind: data_model
  spec: { attributes: { plan: { type: text, allowed_values: [free, gold] } }, datasets: { crm: { mode: strict } } }
  ---
  kind: merge_policy
  name: crm-first
  spec: { name: CRM first, identity_graph: full, attribute_merge: { choose: precedence, datasets: [crm, web] } }
  ---
  kind: segment
  name: loyal
  spec: { pql: 'xEvent[eventType = \"Order Completed\"].count() >= 2', time_zone: Europe/Paris, merge_policy: crm-first }

Kinds with a name: namespace, merge_policy, attribute (a computed one), segment, rate_limit (of a workspace), token_issuer, connection, source,
activation. Others:
limits, primary_namespace, data_model (several documents may each declare a part), default_merge_policy, erasure_rules. A spec has the
members that the HTTP API answers with.

The rule of an attribute or a segment stands in one of pql, pql_json, tree, filter, and is compared in the one spelling that all have.
A name that is no name of paths, such as one with blanks, is what people call it: display_name, and its own name is made of it.
Beside it stand description, time_zone (UTC where it is left out), status: draft for one that is kept and not evaluated, and of a
segment merge_policy (the default one where it is left out) of: accounts for one that is not of people, and control_group. Archived ones count as not there. What is written is evaluated of
everybody by a job, and shown once that is complete; apply does not wait for it.

Ends with 0: the server is as declared, or would be; 1: the server refused something or did not answer; 2: a file or the command
line is wrong, nothing was written; 3: with --dry-run --exit-code, something differs.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// A file, a folder (all .yaml, .yml and .json files below it) or - for standard input; may be given several times.
    #[arg(short, long, value_name = "PATH", required_unless_present = "paths")]
    file: Vec<PathBuf>,
    /// The same.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only say what differs, and what the server would refuse.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: end with 3 where something differs, for a check that runs on a schedule.
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Remove attributes, event types and modes of datasets (if a data_model is declared), merge policies (if one is) and token issuers (if one is), and archive
    /// computed attributes (if one is declared) and segments (if one is), that no file names.
    #[arg(long)]
    prune: bool,
    /// Change the data model though stored data contradicts it.
    #[arg(long)]
    force: bool,
}

/// Reads, compares, tells and, unless it is a trial, writes.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let files: Vec<PathBuf> = arguments.file.iter().chain(&arguments.paths).cloned().collect();
    let mut declared = files::read(&files);
    if !declared.problems.is_empty() {
        return Ok(refuse(&declared));
    }
    let client = Client::new(&arguments.target)?;
    let current = Current::read(&client, declared.things.keys()).context("cannot read what the server has")?;
    let unnamed = if arguments.prune { Unnamed::Goes } else { Unnamed::Stays };
    let beside = Beside::read(&client, &declared);
    let changes = plan::changes(&mut declared, (&current, &beside), unnamed);
    if !declared.problems.is_empty() {
        return Ok(refuse(&declared));
    }
    if changes.is_empty() {
        println!("nothing to change: {} documents, and the server is as they say", declared.documents);
        return Ok(ExitCode::SUCCESS);
    }
    show(&changes);
    let is_refused = !is_model_taken(&client, &current, &changes, arguments.force)?;
    if is_refused || arguments.dry_run {
        rules::warn(&client, &declared, &current, &changes);
        println!("{}; nothing was written", plan::summary(&changes, ["to add", "to change", "to remove"]));
        let ends = if is_refused {
            1
        } else if arguments.exit_code {
            DIFFERS
        } else {
            0
        };
        return Ok(ExitCode::from(ends));
    }
    let ended = write(&client, &current, &changes, arguments.force);
    rules::warn(&client, &declared, &current, &changes);
    Ok(ended)
}

fn refuse(declared: &files::Declared) -> ExitCode {
    for problem in &declared.problems {
        eprintln!("tessera: {problem}");
    }
    eprintln!("tessera: nothing was written");
    ExitCode::from(WRONG)
}

fn show(changes: &[Change]) {
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for change in changes {
        let line = change.line();
        if is_coloured { println!("{}{line}\x1b[0m", change.colour()) } else { println!("{line}") }
    }
}

/// Asks the server whether it would take the data model, before anything is written; tells if not.
fn is_model_taken(client: &Client, current: &Current, changes: &[Change], force: bool) -> Result<bool> {
    let model: Vec<&Change> = changes.iter().filter(|change| change.key.kind == Kind::DataModel).collect();
    if model.is_empty() {
        return Ok(true);
    }
    let answer = match current.try_model(client, &model) {
        Ok(answer) => answer,
        Err(refused) => {
            eprintln!("tessera: the server would not take the data model: {}", said(refused));
            return Ok(false);
        }
    };
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        eprintln!("warning: {}", table::plain(warning["message"].as_str().unwrap_or_default()));
    }
    let contradictions = told(&answer["contradictions"]);
    if contradictions.is_empty() {
        return Ok(true);
    }
    let instead = if force { "it is changed all the same" } else { "--force changes it all the same" };
    eprintln!("tessera: stored data contradicts the data model ({instead}):\n{contradictions}");
    Ok(force)
}

/// Writes one after the other and stops at the first refusal.
fn write(client: &Client, current: &Current, changes: &[Change], force: bool) -> ExitCode {
    // The parts of the data model stand beside each other and are one write; everything else is one by itself.
    let is_one = |one: &Change, other: &Change| one.key.kind == Kind::DataModel && other.key.kind == Kind::DataModel;
    let mut open: VecDeque<Vec<&Change>> = changes.chunk_by(is_one).map(|group| group.iter().collect()).collect();
    let mut written: Vec<&Change> = Vec::new();
    let mut put_off = 0;
    while let Some(group) = open.pop_front() {
        let Err(refused) = current.write(client, &group, force) else {
            written.extend(group);
            put_off = 0;
            continue;
        };
        // A rule that is named by others is archived after them. Quadratic where each names the next; rules seldom do.
        let is_archiving = |group: &Vec<&Change>| group.iter().all(|change| change.is_archiving());
        let others = open.iter().take_while(|group| is_archiving(group)).count();
        if is_archiving(&group) && rules::is_in_use(&refused) && put_off < others {
            put_off += 1;
            open.insert(others, group);
            continue;
        }
        let first = group.first().map(|change| change.key.to_string()).unwrap_or_default();
        let left: Vec<&Change> = group.into_iter().chain(open.into_iter().flatten()).collect();
        stopped(&first, refused, &written, &left);
        return ExitCode::FAILURE;
    }
    println!("written: {}", plan::summary(changes, ["added", "changed", "removed"]));
    ExitCode::SUCCESS
}

/// Tells where it ended, and how far it came.
fn stopped(first: &str, refused: Refused, written: &[&Change], left: &[&Change]) {
    let names = |changes: &[&Change]| {
        let names: Vec<String> = changes.iter().map(|change| change.key.to_string()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let is_in_use = rules::is_in_use(&refused);
    eprintln!("tessera: {first}: {}", said(refused));
    if is_in_use {
        eprintln!(
            "tessera: an edited rule depends on what it did until a job has brought the new one to everybody: if that is it, apply again then"
        );
    }
    eprintln!("tessera: written before that: {}", names(written));
    eprintln!("tessera: not written: {}", names(left));
}

/// What a server said, for people.
fn said(refused: Refused) -> String {
    match refused {
        Refused::Changed => "it was changed by somebody else since it was compared; apply again".to_owned(),
        Refused::NotAsked(error) => format!("{error:#}"),
        Refused::Unknown(error) => format!("{error:#}; it may have been written"),
        Refused::Answered(Answer { status, body, .. }) => {
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (code, message) = (answer["error"]["code"].as_str(), answer["error"]["message"].as_str());
            let own = match (code, message) {
                (Some(code), Some(message)) => format!("{message} ({code})"),
                _ => String::from_utf8_lossy(&body).chars().take(2_000).collect(),
            };
            let contradictions = told(&answer["contradictions"]);
            format!("the server answered {status}: {own}\n{contradictions}").trim_end().to_owned()
        }
    }
}

/// What contradicts a change, one example a line; nothing where nothing does.
fn told(contradictions: &Value) -> String {
    let Some(count) = contradictions["count"].as_u64().filter(|count| *count > 0) else { return String::new() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let example = |one: &Value| {
        let event = text(&one["event"]).map(|event| format!("event {event}, ")).unwrap_or_default();
        let found = text(&one["found"]).map(|found| format!(", found {found}")).unwrap_or_default();
        let [profile, path, code, expected] =
            ["profile_id", "path", "code", "expected"].map(|name| text(&one[name]).unwrap_or_default());
        format!("  profile {profile}: {event}{path}: expected {expected}{found} ({code})")
    };
    let examples = contradictions["examples"].as_array().into_iter().flatten().map(example);
    let mut lines: Vec<String> = examples.collect();
    lines.push(format!("  {count} in all"));
    lines.join("\n")
}
