//! `bench/RESULTS.md` and the table on the terminal. What a person wrote between the marks stays.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::load::Measured;
use super::machine;

const BEGIN: &str = "<!-- findings: written by hand, kept by the tool -->";
const END: &str = "<!-- end of findings -->";
const TO_WRITE: &str = "Not written yet.";

/// A line of the budget.
struct Row {
    work: String,
    measured: String,
    against: String,
    goal: String,
    is_reached: Option<bool>,
}

/// What the run has to say.
pub(super) struct Report {
    machine: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    rows: Vec<Row>,
    loads: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    pub(super) fn new(machine: Vec<(String, String)>) -> Self {
        Self { machine, parameters: Vec::new(), rows: Vec::new(), loads: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn parameter(&mut self, name: &str, value: impl Into<String>) {
        self.parameters.push((name.to_owned(), value.into()));
    }

    /// A line of the budget: what was measured, what it is held against, the goal, and whether it is reached where that can be said.
    pub(super) fn row(&mut self, work: &str, measured: String, against: String, goal: &str, is_reached: Option<bool>) {
        let mark = mark(is_reached);
        println!("{work:<44} {measured:<42} {against:<52} {goal} {mark}");
        let (work, goal) = (work.to_owned(), goal.to_owned());
        self.rows.push(Row { work, measured, against, goal, is_reached });
    }

    /// The raw figures of a load.
    pub(super) fn load(&mut self, name: &str, measured: &Measured) {
        let time = |duration: Duration| human(duration);
        let line = format!(
            "| {name} | {:.0} | {} | {} | {} | {} | {:.1} | {:.2} | {:.2} | {:.2} | {} |",
            measured.rate(),
            time(measured.quantile(0.5)),
            time(measured.quantile(0.99)),
            time(measured.quantile(0.999)),
            time(measured.longest()),
            measured.cpu_us(),
            measured.server_cores(),
            measured.load_cores(),
            measured.others(),
            machine::load_average(),
        );
        println!("  {line}");
        self.loads.push(line);
    }

    pub(super) fn note(&mut self, note: String) {
        println!("  {note}");
        self.notes.push(note);
    }

    /// Writes the file.
    pub(super) fn write(&self) -> Result<()> {
        let path = crate::root().join("bench/RESULTS.md");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::create_dir_all(path.parent().context("the file has a folder")?)?;
        fs::write(&path, self.text(findings(&before))).with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nwritten to bench/RESULTS.md");
        Ok(())
    }

    fn text(&self, findings: &str) -> String {
        let mut out = String::from("# Speed\n\nWritten by `make bench`; do not edit outside the findings.\n\n");
        for (name, value) in self.machine.iter().chain(&self.parameters) {
            let _ = writeln!(out, "- {name}: {value}");
        }
        out.push_str("\n## Budgets\n\n| work | measured | against | goal | reached |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let Row { work, measured, against, goal, is_reached } = row;
            let _ = writeln!(out, "| {work} | {measured} | {against} | {goal} | {} |", mark(*is_reached));
        }
        let _ = write!(out, "\n## Findings\n\n{BEGIN}\n{findings}\n{END}\n");
        out.push_str("\n## Raw figures\n\n");
        out.push_str("| load | requests/s | p50 | p99 | p99.9 | longest | server CPU us | server's cores | load's cores | others' cores | load average |\n");
        out.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
        for line in &self.loads {
            let _ = writeln!(out, "{line}");
        }
        out.push('\n');
        for note in &self.notes {
            let _ = writeln!(out, "- {note}");
        }
        out.push_str(METHOD);
        out
    }
}

const METHOD: &str = "
## Method

One run on one machine; the ratios count, since the absolute figures belong to the machine. The server has core 0 and the load generator
core 1 (`taskset`), where not said otherwise; both are release builds; everything goes over 127.0.0.1. CPU is that of the process
(`utime` and `stime` of `/proc`), per request; a batch is one request. Others' cores are what neither server nor load used, the kernel's
own threads included: where it is far above 0.1, the machine was shared and rates say less than CPU does. The load of the closed read
loops polls its connections and so keeps its core busy always.

- Reads: closed loop over connections kept alive, people drawn uniformly, by user id. The constant has the mean size of a profile; it is
  answered by the same router and layers (`crates/server/examples/constant.rs`) and, for comparison, by axum alone. The three take turns
  of one second. Before that everybody was read once.
- Ingest: closed loop, `/v1/batch` with 100 tracks of about 500 bytes each, every one with `userId` and `anonymousId` of someone who is
  known; answers leave after the sync. Session-shaped: runs of ten events of one person out of 10,000.
- Floor: `crates/store-lsm/examples/replay.rs` on the server's own folder afterwards and the server's core: three gets and three puts an
  event, the server's own rows, as many events to a sync as the server had in the mean. Parse and append: the same bodies through
  serde_json, properties left raw, then appended with one `fdatasync` to a group.
- Reads while ingest runs: open loop; latency counts from the instant at which a read was meant to leave. The load generator sends both.
- Visible: after each acknowledged batch its people are read by identity, and one timeline; eight lanes at once.
- Merge and unmerge: two profiles of a user id, one with 10 events and one with 100,000 (and one more with each round). In each
  round a visitor who was seen once is linked by an event, separated, and erased again (not measured); then a visitor who has as
  many events of their own as the profile is joined to it by a directive, and that is undone. One connection; ten rounds of the one
  profile, then ten of the other, twenty rounds of each for each second of a load.
- Rules: each row on folders of its own. Ingest with rules: two servers on one core, the same 20,000 people and the same bodies, one with
  rules and one without (or with fewer), in turns of a second of which the first does not count; a load has as many turns as it has
  seconds. While one has its turn the other stands still. A rate is that of one server in its turns. What is sent lies within the second
  that is over. The attributes and segments are `busy` in `crates/xtask/src/bench/rules/live.rs`.
- Backfill: three new rules, one after another, each from the call that makes it until it reads as active (looked at every 10 ms); per core
  means by the server's processor time. Over profiles: everybody has a dozen attributes and one event, and each segment holds of one in a
  hundred, by an attribute or by an aggregate that another rule keeps. Over events: three new sums, each over a sixth of the events.
- Timers: everybody did one thing almost a day ago, and a segment asks who did within a day. The server is started anew, so that nobody
  is in its memory; a membership ends, and is written, with each timer. The bytes of a timer's row are those of its layout; the store adds
  8 for the version. Records are the mean of a sample on the folder.
- Start: from the start of the process to the first 200 of `/readyz`, files in the page cache.
- Memory: a server with small caches on the loaded folder, everybody read and some seconds of ingest, against one on an empty folder with
  the same ingest, so that caches and write buffers are as full in both.
- Disk: bytes of the folder's files after a clean stop, against the JSON of the bodies; journals hold what is not in tables yet.
";

fn mark(is_reached: Option<bool>) -> &'static str {
    match is_reached {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    }
}

/// What stands between the marks.
fn findings(text: &str) -> &str {
    let inside = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(inside, _)| inside.trim());
    inside.filter(|inside| !inside.is_empty()).unwrap_or(TO_WRITE)
}

/// A duration in the unit that suits it.
pub(super) fn human(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1_000.0 => format!("{micros:.0} us"),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_survive_a_run() {
        let first = Report::new(Vec::new()).text(findings(""));
        assert_eq!(findings(&first), TO_WRITE);
        let edited = first.replace(TO_WRITE, "Reads are fast.\n\nWrites are not.");
        assert_eq!(findings(&Report::new(Vec::new()).text(findings(&edited))), "Reads are fast.\n\nWrites are not.");
    }

    #[test]
    fn durations_are_short() {
        let cases = [(12, "12 us"), (1_500, "1.5 ms"), (2_340_000, "2.34 s")];
        for (micros, text) in cases {
            assert_eq!(human(Duration::from_micros(micros)), text);
        }
    }
}
