//! What the server's ingest is divided by: its rows written by a bare loop, and its bodies parsed and appended.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock;
use super::machine::cpu_of;
use super::people::{BATCH, Crowd, Dice, Writer};
use super::process::{Cores, pinned};

/// How fast one way of writing is.
#[derive(Deserialize)]
pub(super) struct Floor {
    pub(super) events_per_second: f64,
    pub(super) cpu_us: f64,
    pub(super) group: u64,
}

/// Mean bytes of keys and values of the rows of an event.
#[derive(Deserialize)]
pub(super) struct Sizes {
    pub(super) identity: (u64, u64),
    pub(super) record: (u64, u64),
    pub(super) event: (u64, u64),
    pub(super) event_id: (u64, u64),
}

pub(super) fn sizes(folder: &Path) -> Result<Sizes> {
    let mut command = pinned(Cores::Server, "examples/replay");
    command.arg(folder).arg("sizes");
    answer(command)
}

/// Writes the rows of a folder's events to that folder; `way` is `bare` or `store`.
pub(super) fn replay(folder: &Path, way: &str, duration: Duration, group: u64) -> Result<Floor> {
    let mut command = pinned(Cores::Server, "examples/replay");
    command.arg(folder).arg(way).arg(duration.as_secs().to_string()).arg(group.to_string());
    answer(command)
}

/// Parses the bodies that the server was sent and appends the events as they came, with one `fdatasync` for each group.
pub(super) fn parse_and_append(file: &Path, duration: Duration, group: u64) -> Result<Floor> {
    let mut command = pinned(Cores::Server, "xtask");
    command.arg("bench-append").arg(file).arg(duration.as_secs().to_string()).arg(group.to_string());
    answer(command)
}

fn answer<T: for<'a> Deserialize<'a>>(mut command: Command) -> Result<T> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed with {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?} answered something else"))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

/// What has to be known of an event before anything can be decided; the rest stays as it came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    r#type: &'a str,
    user_id: &'a str,
    anonymous_id: &'a str,
    message_id: &'a str,
    timestamp: &'a str,
    event: &'a str,
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow)]
    context: &'a RawValue,
}

impl Event<'_> {
    fn bytes(&self) -> usize {
        [self.r#type, self.user_id, self.anonymous_id, self.message_id, self.timestamp, self.event]
            .map(str::len)
            .iter()
            .sum::<usize>()
            + self.properties.get().len()
            + self.context.get().len()
    }
}

/// The loop of [`parse_and_append`], in a process of its own so that it can be pinned and its time be told apart.
pub(crate) fn append(file: &str, seconds: &str, group: &str) -> Result<()> {
    let (duration, group) = (Duration::from_secs(seconds.parse()?), group.parse::<u64>()?);
    let (mut writer, mut dice) = (Writer::new(1), Dice::new(1));
    let bodies: Vec<Vec<u8>> = (0..1_000)
        .map(|_| {
            Crowd::Uniform.batch(1_000_000, &mut writer, &mut dice);
            writer.body.clone()
        })
        .collect();
    let mut file = File::create(file)?;
    let (started, cpu) = (clock::now(), cpu_of("self"));
    let (mut events, mut pending, mut buffer) = (0_u64, 0, Vec::new());
    for body in bodies.iter().cycle() {
        let envelope: Envelope<'_> = serde_json::from_slice(body)?;
        for raw in envelope.batch {
            let event: Event<'_> = serde_json::from_str(raw.get())?;
            std::hint::black_box(event.bytes());
            buffer.extend_from_slice(raw.get().as_bytes());
        }
        (events, pending) = (events + BATCH, pending + BATCH);
        if pending >= group {
            file.write_all(&buffer)?;
            file.sync_data()?;
            buffer.clear();
            pending = 0;
            if started.elapsed() >= duration {
                break;
            }
        }
    }
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), cpu_of("self").saturating_sub(cpu).as_secs_f64());
    let (rate, cpu_us) = (events as f64 / elapsed, cpu * 1e6 / events as f64);
    println!("{{\"events_per_second\":{rate:.0},\"cpu_us\":{cpu_us:.2},\"group\":{group}}}");
    Ok(())
}
