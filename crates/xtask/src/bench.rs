//! `cargo xtask bench`: the budgets of the architecture, as far as what they are about exists, measured in one run.
//!
//! It starts the release binaries that `scripts/bench.sh` has built, pinned, on a folder of its own below `target`, and ends and
//! removes all of it. Start reading at [`run`]; the method is told in [`report`]'s last words.

mod clock;
mod doors;
pub(crate) mod floor;
mod http;
mod ingest;
mod load;
mod machine;
mod merges;
mod people;
mod process;
mod reads;
mod report;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use ingest::Ingested;
use load::Measured;
use people::Crowd;
use process::{Caches, Cores, Server};
use reads::Reader;
use report::{Report, human};

/// Connections of a closed loop.
const CONNECTIONS: usize = 16;
/// Reads a second of the paced load.
const PACE: u32 = 2_000;
/// People who are active at a time.
const ACTIVE: u64 = 10_000;
/// Profiles of `--full`, and without.
const PEOPLE: [u64; 2] = [1_000_000, 200_000];
/// Rounds of merges for each second of a load.
const ROUNDS_A_SECOND: u64 = 20;
/// Bytes that a rendered profile takes in the cache, and room to spare.
const VIEW_BYTES: u64 = 1_600;

/// How much is measured.
struct Plan {
    people: u64,
    seconds: u64,
    /// Of the steady load: how long it goes on, and what memory the server has.
    minutes: u64,
    memory_bytes: u64,
    part: Part,
}

/// What is measured. The rows of a part need no crowd; they are told on the terminal, and the file stays.
enum Part {
    All,
    Merges,
    Rules,
    Windows,
    Growth,
    Doors,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut plan = Self { people: PEOPLE[1], seconds: 10, minutes: 10, memory_bytes: 1 << 30, part: Part::All };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || -> Result<u64> {
                let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
                value.parse().with_context(|| format!("{argument} {value}: not a number"))
            };
            match argument.as_str() {
                "--full" => plan.people = PEOPLE[0],
                "--profiles" => plan.people = number()?,
                "--seconds" => plan.seconds = number()?,
                "--merges" => plan.part = Part::Merges,
                "--rules" => plan.part = Part::Rules,
                "--windows" => plan.part = Part::Windows,
                "--growth" => plan.part = Part::Growth,
                "--doors" => plan.part = Part::Doors,
                "--minutes" => plan.minutes = number()?,
                "--memory-mib" => plan.memory_bytes = number()? << 20,
                _ => {
                    anyhow::bail!(
                        "usage: cargo xtask bench [--full | --profiles N] [--seconds N] [--minutes N] [--memory-mib N] [--merges | --rules | --windows | --growth | --doors]"
                    )
                }
            }
        }
        ensure!(
            plan.people >= ACTIVE && plan.people.is_multiple_of(100),
            "--profiles: a multiple of 100, at least {ACTIVE}"
        );
        ensure!((1..=300).contains(&plan.seconds), "--seconds: 1 to 300");
        ensure!((2..=90).contains(&plan.minutes), "--minutes: 2 to 90");
        Ok(plan)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// A folder that goes with the run.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = crate::root().join("target/bench").join(std::process::id().to_string());
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A run while it goes on.
struct Bench {
    plan: Plan,
    report: Report,
    scratch: Scratch,
    data: PathBuf,
    sent_bytes: u64,
    body_bytes: usize,
    /// Numbers the loads, so that message ids never repeat.
    loads: u64,
}

/// Measures everything and writes `bench/RESULTS.md`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plan = Plan::parse(arguments)?;
    ensure!(machine::cores() >= 2, "two cores are needed: one for the server, one for the load");
    let scratch = Scratch::new()?;
    let mut report = Report::new(machine::describe());
    report.parameter("profiles", plan.people.to_string());
    report.parameter("seconds of a load", plan.seconds.to_string());
    report.parameter("connections", CONNECTIONS.to_string());
    report.parameter("load average at the start", machine::load_average());
    let data = scratch.0.join("data");
    let mut bench = Bench { plan, report, scratch, data, sent_bytes: 0, body_bytes: 0, loads: 0 };

    match bench.plan.part {
        Part::All => {}
        Part::Merges => return bench.merges(),
        Part::Rules => return bench.rules(),
        Part::Windows => return bench.windows(),
        Part::Growth => return bench.growth(),
        Part::Doors => return bench.doors(),
    }
    let server = Server::start(&bench.data, Cores::Server, bench.roomy())?;
    bench.introduce(&server)?;
    bench.reads_cached(&server)?;
    let idle = bench.reads_paced_idle(&server)?;
    let uniform = bench.ingest_uniform(&server)?;
    bench.reads_during_ingest(&server, &idle)?;
    bench.acknowledged_is_visible(&server)?;
    bench.ingest_sessions(&server, "session-shaped ingest, server on one core", None)?;
    let stopped = server.stop()?;
    bench.report.note(format!("a clean stop took {}", human(stopped)));

    let server = bench.start_after("a clean stop", Duration::from_secs(5))?;
    bench.ingest_sessions(&server, "session-shaped ingest, both cores", Some(50_000.0))?;
    server.kill()?;
    let server = bench.start_after("a kill", Duration::from_secs(10))?;
    server.stop()?;
    bench.reads_uncached()?;
    bench.memory()?;
    bench.disk();
    bench.floor(&uniform)?;
    bench.merges()?;
    bench.rules()?;
    bench.doors()?;
    bench.report.parameter("load average at the end", machine::load_average());
    bench.report.write()
}

impl Bench {
    /// Caches of the server's defaults, and room for everybody's view.
    fn roomy(&self) -> Caches {
        Caches { view_bytes: (self.plan.people * VIEW_BYTES).max(256 << 20), ..Caches::DEFAULT }
    }

    fn next_load(&mut self) -> u64 {
        self.loads += 1;
        self.loads
    }

    fn introduce(&mut self, server: &Server) -> Result<()> {
        let (took, bytes) = ingest::introduce(server, self.plan.people, CONNECTIONS)?;
        self.sent_bytes += bytes;
        let rate = self.plan.people as f64 / took.as_secs_f64();
        let (people, each) = (self.plan.people, bytes / self.plan.people);
        self.report.note(format!("{people} people introduced by one identify of {each} bytes each: {rate:.0}/s"));
        Ok(())
    }

    fn reads_cached(&mut self, server: &Server) -> Result<()> {
        self.body_bytes = reads::everybody(server, self.plan.people, CONNECTIONS)?;
        let (before_hits, before) = hits(server)?;
        let work = format!("profile read, all in a view cache of {} MiB", self.roomy().view_bytes >> 20);
        self.compare(server, &work, 0.75)?;
        let (hits, reads) = hits(server)?;
        let share = (hits - before_hits) / (reads - before).max(1.0);
        self.report.note(format!("{:.2} % of the cached reads were answered by the view cache", share * 100.0));
        Ok(())
    }

    fn reads_uncached(&mut self) -> Result<()> {
        let server = Server::start(&self.data, Cores::Server, Caches { view_bytes: 0, ..Caches::DEFAULT })?;
        reads::everybody(&server, self.plan.people, CONNECTIONS)?;
        self.compare(&server, "profile read, view cache off", 0.45)?;
        server.stop()?;
        Ok(())
    }

    fn compare(&mut self, server: &Server, work: &str, goal: f64) -> Result<()> {
        let constant = Server::constant(self.body_bytes)?;
        let rounds = u32::try_from(self.plan.seconds.div_ceil(2))?;
        let compared = reads::compare(server, &constant, self.plan.people, CONNECTIONS, rounds)?;
        let (profile, floor) = (&compared.profile, &compared.constant);
        let ratio = profile.rate() / floor.rate();
        let tail = profile.quantile(0.99).as_secs_f64() / floor.quantile(0.99).as_secs_f64();
        self.report.row(
            work,
            format!("{:.0}/s, {:.1} us CPU, p99 {}", profile.rate(), profile.cpu_us(), human(profile.quantile(0.99))),
            format!(
                "constant of {} B: {ratio:.2} of its rate, {:.2} by CPU, p99 {tail:.2}x",
                self.body_bytes,
                floor.cpu_us() / profile.cpu_us()
            ),
            &format!(">= {goal} of the rate, p99 <= 2x"),
            Some(ratio >= goal && tail <= 2.0),
        );
        self.report.load(work, profile);
        self.report.load("constant, same layers", floor);
        self.report.load("constant, axum alone", &compared.bare);
        Ok(())
    }

    fn reads_paced_idle(&mut self, server: &Server) -> Result<Measured> {
        let measured = self.paced(server)?;
        self.report.load(&format!("reads at {PACE}/s, server idle"), &measured);
        Ok(measured)
    }

    fn paced(&self, server: &Server) -> Result<Measured> {
        let mut connections = http::Connection::open_many(server.address(), CONNECTIONS)?;
        let mut readers = Reader::many(self.plan.people, CONNECTIONS as u64);
        load::open(server, &mut connections, &mut readers, PACE, self.plan.duration())
    }

    fn ingest(&mut self, server: &Server, crowd: &Crowd, duration: Duration) -> Result<Ingested> {
        let run = self.next_load();
        let ingested = ingest::flat_out(server, crowd, self.plan.people, run, CONNECTIONS, duration)?;
        self.sent_bytes += ingested.sent_bytes;
        Ok(ingested)
    }

    fn ingest_uniform(&mut self, server: &Server) -> Result<Ingested> {
        let ingested = self.ingest(server, &Crowd::Uniform, self.plan.duration() * 2)?;
        self.report.load("ingest, uniform, batches of 100", &ingested.measured);
        self.describe_ingest("uniform", &ingested);
        Ok(ingested)
    }

    fn describe_ingest(&mut self, name: &str, ingested: &Ingested) {
        self.report.note(format!(
            "ingest, {name}: {:.0} events/s, {:.1} us CPU an event, {:.0} events to a commit, {} bytes of JSON an event",
            ingested.rate(),
            ingested.cpu_us(),
            ingested.group(),
            ingested.sent_bytes / ingested.events(),
        ));
    }

    fn reads_during_ingest(&mut self, server: &Server, idle: &Measured) -> Result<()> {
        let (run, people) = (self.next_load(), self.plan.people);
        let duration = self.plan.duration();
        let (paced, ingested) = std::thread::scope(|scope| {
            let ingest = scope.spawn(move || {
                // A little longer, so that all reads meet it.
                ingest::flat_out(server, &Crowd::Uniform, people, run, CONNECTIONS, duration + Duration::from_secs(1))
            });
            let paced = self.paced(server);
            (paced, ingest.join().expect("the load does not panic"))
        });
        let (paced, ingested) = (paced?, ingested?);
        self.sent_bytes += ingested.sent_bytes;
        let (p99, before) = (paced.quantile(0.99), idle.quantile(0.99));
        let ratio = p99.as_secs_f64() / before.as_secs_f64();
        self.report.row(
            &format!("reads at {PACE}/s while ingest runs flat out"),
            format!("p50 {}, p99 {}", human(paced.quantile(0.5)), human(p99)),
            format!("idle p99 {}: {ratio:.1}x; ingest {:.0} events/s", human(before), ingested.rate()),
            "p99 <= 3x of idle, or 10 ms",
            Some(ratio <= 3.0 || p99 <= Duration::from_millis(10)),
        );
        self.report.load(&format!("reads at {PACE}/s, during ingest"), &paced);
        self.report.load("ingest, uniform, during those reads", &ingested.measured);
        Ok(())
    }

    fn doors(&mut self) -> Result<()> {
        let server = Server::start(&self.scratch.0.join("doors"), Cores::Server, Caches::DEFAULT)?;
        let rounds = u32::try_from(self.plan.seconds.div_ceil(2))?;
        for (what, asked) in ["read", "write"].into_iter().zip(doors::prepare(&server)?) {
            let measured = doors::compare(&server, &asked, CONNECTIONS, rounds)?;
            let native = measured[0].cpu_us();
            for (asked, own) in asked.iter().zip(&measured).skip(1) {
                let ratio = own.cpu_us() / native;
                self.report.row(
                    &format!("a profile's {what} by the door of {}", asked.door),
                    format!("{:.1} us CPU, {:.0}/s", own.cpu_us(), own.rate()),
                    format!("the native one {native:.1} us CPU: {ratio:.2}x; {} people", doors::PEOPLE),
                    "<= 1.3x by CPU",
                    Some(ratio <= 1.3),
                );
                self.report.load(&format!("{what}, {}", asked.door), own);
            }
            self.report.load(&format!("{what}, native"), &measured[0]);
        }
        server.stop()?;
        Ok(())
    }

    fn acknowledged_is_visible(&mut self, server: &Server) -> Result<()> {
        let run = self.next_load();
        let visible = ingest::visible(server, self.plan.people, run, self.plan.duration() / 2)?;
        self.report.row(
            "acknowledged, then read",
            format!("{} reads, {} misses", visible.checks, visible.misses),
            String::new(),
            "0 misses",
            Some(visible.misses == 0),
        );
        Ok(())
    }

    fn ingest_sessions(&mut self, server: &Server, name: &str, goal: Option<f64>) -> Result<()> {
        // Once to bring the active people's records to memory.
        self.ingest(server, &Crowd::Sessions { active: ACTIVE }, self.plan.duration() / 5)?;
        let ingested = self.ingest(server, &Crowd::Sessions { active: ACTIVE }, self.plan.duration())?;
        let rate = ingested.rate();
        self.report.row(
            name,
            format!("{rate:.0} events/s, {:.1} us CPU", ingested.cpu_us()),
            format!("{:.0} events to a commit", ingested.group()),
            &goal.map_or(String::new(), |goal| format!(">= {goal:.0} events/s")),
            goal.map(|goal| rate >= goal),
        );
        self.report.load(name, &ingested.measured);
        Ok(())
    }

    /// Starts on the loaded folder, on both cores.
    fn start_after(&mut self, what: &str, goal: Duration) -> Result<Server> {
        let server = Server::start(&self.data, Cores::Both, Caches::DEFAULT)?;
        let took = server.ready_after;
        let (all, journals) = machine::folder_bytes(&self.data);
        let folder = format!("folder of {} MiB, {} of them journal", all >> 20, journals >> 20);
        let goal_text = format!("<= {} with 1 M profiles", human(goal));
        // Fewer profiles say nothing about a goal that is set for a million.
        let is_reached = (self.plan.people >= PEOPLE[0]).then_some(took <= goal);
        self.report.row(&format!("start after {what}"), human(took), folder, &goal_text, is_reached);
        Ok(server)
    }

    fn memory(&mut self) -> Result<()> {
        let caches = Caches { view_bytes: 8 << 20, record_bytes: 8 << 20, store_bytes: 32 << 20 };
        let empty = self.scratch.0.join("empty");
        let base = self.resident(&empty, caches, false)?;
        fs::remove_dir_all(&empty)?;
        let data = self.data.clone();
        let loaded = self.resident(&data, caches, true)?;
        let per_profile = (loaded as f64 - base as f64) / self.plan.people as f64;
        self.report.row(
            "memory beyond the caches",
            format!("{per_profile:.0} B resident a profile"),
            format!("{} MiB loaded, {} MiB empty, caches {} MiB", loaded >> 20, base >> 20, caches.total() >> 20),
            "<= 200 B",
            Some(per_profile <= 200.0),
        );
        Ok(())
    }

    /// Resident bytes after some seconds of ingest, and after everybody was read where there is anybody.
    fn resident(&mut self, folder: &Path, caches: Caches, is_loaded: bool) -> Result<u64> {
        let server = Server::start(folder, Cores::Server, caches)?;
        if is_loaded {
            reads::everybody(&server, self.plan.people, CONNECTIONS)?;
        }
        let ingested = self.ingest(&server, &Crowd::Sessions { active: ACTIVE }, self.plan.duration() / 2)?;
        if !is_loaded {
            self.sent_bytes -= ingested.sent_bytes;
        }
        let resident = server.resident();
        server.stop()?;
        Ok(resident)
    }

    fn disk(&mut self) {
        let (all, journals) = machine::folder_bytes(&self.data);
        let ratio = |bytes: u64| bytes as f64 / self.sent_bytes as f64;
        self.report.row(
            "disk",
            format!("{} MiB, {} of them journal", all >> 20, journals >> 20),
            format!(
                "{:.2} of {} MiB of JSON sent; {:.2} without journal",
                ratio(all),
                self.sent_bytes >> 20,
                ratio(all - journals)
            ),
            "<= 1.5",
            Some(ratio(all) <= 1.5),
        );
    }

    fn floor(&mut self, uniform: &Ingested) -> Result<()> {
        let sizes = floor::sizes(&self.data)?;
        let row = |(key, value): (u64, u64)| format!("{key}+{value}");
        self.report.note(format!(
            "mean bytes of key and value: identity row {}, record {}, event {}, event id {}",
            row(sizes.identity),
            row(sizes.record),
            row(sizes.event),
            row(sizes.event_id)
        ));
        let group = (uniform.group().round() as u64).max(1);
        let store = floor::replay(&self.data, "store", self.plan.duration(), group)?;
        let bare = floor::replay(&self.data, "bare", self.plan.duration(), group)?;
        let hundred = floor::replay(&self.data, "bare", self.plan.duration(), people::BATCH)?;
        let append = floor::parse_and_append(&self.scratch.0.join("append"), self.plan.duration() / 2, group)?;
        let rate = uniform.rate();
        let ratio = rate / bare.events_per_second;
        self.report.row(
            "durable ingest, uniform, batches of 100",
            format!("{rate:.0} events/s, {:.1} us CPU", uniform.cpu_us()),
            format!(
                "floor {:.0}/s: {ratio:.2}, {:.2} by CPU; parse and append {:.0}/s",
                bare.events_per_second,
                bare.cpu_us / uniform.cpu_us(),
                append.events_per_second
            ),
            ">= 0.5 of the floor",
            Some(ratio >= 0.5),
        );
        for (name, floor) in [
            ("floor: fjall alone", &bare),
            ("floor: fjall alone", &hundred),
            ("the store by its contract", &store),
            ("parse and append", &append),
        ] {
            self.report.note(format!(
                "{name}, groups of {}: {:.0} events/s, {:.1} us CPU an event",
                floor.group, floor.events_per_second, floor.cpu_us
            ));
        }
        Ok(())
    }

    /// On a folder of its own, where nobody else writes.
    fn merges(&mut self) -> Result<()> {
        let folder = self.scratch.0.join("merges");
        let server = Server::start(&folder, Cores::Server, Caches::DEFAULT)?;
        let merged = merges::compare(&server, u32::try_from(self.plan.seconds * ROUNDS_A_SECOND)?)?;
        server.stop()?;
        fs::remove_dir_all(&folder)?;
        let [few, many] = merges::EVENTS;
        for (act, name) in merges::ACTS.into_iter().enumerate() {
            let [[short, short_tail], [long, long_tail]] =
                [0, 1].map(|history| [0.5, 0.99].map(|quantile| human(merged.quantile(act, history, quantile))));
            let ratio = merged.ratio(act);
            self.report.row(
                name,
                format!("p50 {long}, p99 {long_tail} with {many} events"),
                format!("with {few} events p50 {short}, p99 {short_tail}: {ratio:.2}x by the median"),
                "<= 1.5x",
                Some(ratio <= 1.5),
            );
        }
        let [short, long] = [0, 1].map(|history| merged.cpu_us(history));
        self.report.note(format!(
            "merges and unmerges, one round: {short:.0} us CPU with {few} events, {long:.0} us with {many}: {:.2}x",
            long / short
        ));
        Ok(())
    }
}

/// Reads that the view cache answered, and all reads.
fn hits(server: &Server) -> Result<(f64, f64)> {
    const READS: &str = "tessera_view_reads_total";
    Ok((server.metric(READS, "cache=\"hit\"")?, server.metric(READS, "")?))
}
