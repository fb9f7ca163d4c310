//! Rows about rules: what they cost whoever writes, how fast a new one is brought to everybody, and what a timer costs.
//!
//! Each row has folders of its own, so that nobody else's rules are live where it measures.

mod backfill;
mod door;
mod growth;
mod live;
mod timers;
mod windows;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::clock;
use super::ingest::{self, Ingested};
use super::people::Crowd;
use super::process::{Caches, Cores, Server};
use super::report::human;
use super::{ACTIVE, Bench, CONNECTIONS};
use backfill::Filled;
use door::{Door, Rule};

/// People among whom loads with and without rules are compared.
const PEOPLE: u64 = 20_000;
/// Rules that a write does not concern: so many, and so many more.
const IDLE: [u64; 2] = [10, 1_000];
/// Profiles of the two backfills over profiles.
const PROFILES: [u64; 2] = [25_000, 100_000];
/// People and events of each of the three backfills over events: some, more people, longer histories. Even the least are more than the
/// store's newest writes in memory.
const HISTORIES: [(u64, u64); 3] = [(2_000, 100), (8_000, 100), (2_000, 400)];
/// Windows that close at one instant.
const WINDOWS: u64 = 20_000;

impl Bench {
    /// On folders of their own.
    pub(super) fn rules(&mut self) -> Result<()> {
        self.ingest_with_rules()?;
        self.ingest_beside_rules()?;
        self.backfill_profiles()?;
        self.backfill_events()?;
        self.windows()?;
        self.growth()?;
        self.timers()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    /// Two servers on one core, each with its rules, and then the same people.
    fn twins(&mut self, rules: [Vec<Rule>; 2]) -> Result<[Server; 2]> {
        let [one, other] = rules;
        Ok([self.twin("one", &one)?, self.twin("other", &other)?])
    }

    fn twin(&mut self, name: &str, rules: &[Rule]) -> Result<Server> {
        let server = Server::start(&self.folder(name), Cores::Server, Caches::DEFAULT)?;
        let started = clock::now();
        Door::open(&server)?.make(rules)?;
        if !rules.is_empty() {
            let (count, took, cpu) = (rules.len(), human(started.elapsed()), human(server.cpu()));
            self.report.note(format!("{count} rules made one by one, where nobody is yet: {took}, {cpu} of CPU"));
        }
        ingest::introduce(&server, PEOPLE, CONNECTIONS)?;
        Ok(server)
    }

    fn end(&self, twins: [Server; 2]) -> Result<()> {
        for (server, name) in twins.into_iter().zip(["one", "other"]) {
            server.stop()?;
            fs::remove_dir_all(self.folder(name))?;
        }
        Ok(())
    }

    fn ingest_with_rules(&mut self) -> Result<()> {
        let twins = self.twins([Vec::new(), live::busy()])?;
        let mut run = 0;
        for (crowd, name) in [
            (Crowd::Uniform, "ingest, uniform, with 20 attributes and 50 segments"),
            (Crowd::Sessions { active: ACTIVE }, "ingest, sessions, with 20 attributes and 50 segments"),
        ] {
            let pair = [&twins[0], &twins[1]];
            let compared = live::compare(pair, &crowd, (PEOPLE, CONNECTIONS), &mut run, self.plan.seconds)?;
            let [without, with] = &compared;
            let ratio = with.rate() / without.rate();
            self.report.row(
                name,
                format!("{:.0} events/s, {:.1} us CPU", with.rate(), with.cpu_us()),
                format!(
                    "without {:.0}/s, {:.1} us CPU: {ratio:.2}, {:.2} by CPU",
                    without.rate(),
                    without.cpu_us(),
                    without.cpu_us() / with.cpu_us()
                ),
                ">= 0.5 of the rate without",
                Some(ratio >= 0.5),
            );
            self.tell(&compared, [&format!("{name}: without"), name]);
        }
        self.end(twins)
    }

    fn ingest_beside_rules(&mut self) -> Result<()> {
        let [few, many] = IDLE;
        let twins = self.twins(IDLE.map(live::idle))?;
        let pair = [&twins[0], &twins[1]];
        let compared = live::compare(pair, &Crowd::Uniform, (PEOPLE, CONNECTIONS), &mut 0, self.plan.seconds)?;
        let [short, long] = &compared;
        let ratio = long.cpu_us() / short.cpu_us();
        self.report.row(
            &format!("a write that {many} rules do not depend on"),
            format!("{:.1} us CPU an event, {:.0} events/s", long.cpu_us(), long.rate()),
            format!(
                "beside {few} rules {:.1} us CPU: {ratio:.2}x; {:.2}x by the rate",
                short.cpu_us(),
                short.rate() / long.rate()
            ),
            "<= 1.2x by CPU",
            Some(ratio <= 1.2),
        );
        self.tell(&compared, [few, many].map(|count| format!("ingest, uniform, beside {count} rules")).each_ref());
        self.end(twins)
    }

    fn tell<S: AsRef<str>>(&mut self, compared: &[Ingested; 2], names: [S; 2]) {
        for (ingested, name) in compared.iter().zip(names) {
            self.report.load(name.as_ref(), &ingested.measured);
        }
    }

    fn backfill_profiles(&mut self) -> Result<()> {
        let folder = self.folder("profiles");
        let mut filled = Vec::new();
        for people in PROFILES {
            let server = Server::start(&folder, Cores::Server, Caches::DEFAULT)?;
            ingest::introduce(&server, people, CONNECTIONS)?;
            backfill::histories(&server, people, 1, CONNECTIONS as u64)?;
            filled.push(backfill::over_profiles(&server, people)?);
            server.stop()?;
            fs::remove_dir_all(&folder)?;
        }
        for (at, what) in ["a kept aggregate", "an attribute"].into_iter().enumerate() {
            let sides = [&filled[0][at], &filled[1][at]];
            self.filled(&format!("backfill of a segment of 1 % over {what}"), "profiles", sides, PROFILES);
        }
        Ok(())
    }

    fn backfill_events(&mut self) -> Result<()> {
        let folder = self.folder("events");
        let mut filled = Vec::new();
        for (people, each) in HISTORIES {
            let server = Server::start(&folder, Cores::Server, Caches::DEFAULT)?;
            backfill::histories(&server, people, each, CONNECTIONS as u64)?;
            filled.push(backfill::over_events(&server, people * each)?);
            server.stop()?;
            fs::remove_dir_all(&folder)?;
        }
        let [few, more, longer] = HISTORIES.map(|(people, each)| people * each);
        let work = "backfill of an attribute over events";
        self.filled(&format!("{work}, more people"), "events", [&filled[0], &filled[1]], [few, more]);
        self.filled(&format!("{work}, longer histories"), "events", [&filled[0], &filled[2]], [few, longer]);
        Ok(())
    }

    /// A row about a backfill: the rate of the larger one, and how it stands to that of the smaller.
    fn filled(&mut self, work: &str, unit: &str, [small, large]: [&Filled; 2], [few, many]: [u64; 2]) {
        const GOAL: f64 = 250_000.0;
        let ratio = large.per_core() / small.per_core();
        self.report.row(
            work,
            format!("{:.0} {unit}/s/core; {:.0}/s by the clock", large.per_core(), large.rate()),
            format!("{many} {unit}, of {few} {:.0}/s/core: {ratio:.2} of that rate", small.per_core()),
            &format!(">= {GOAL:.0} {unit}/s/core; linear: >= 0.8"),
            Some(large.per_core() >= GOAL && ratio >= 0.8),
        );
        let took = [small, large].map(|own| human(own.took()));
        self.report.note(format!("{work}: {} for {few} {unit}, {} for {many}", took[0], took[1]));
    }

    /// While history grows, on folders of their own.
    pub(super) fn windows(&mut self) -> Result<()> {
        let all = [windows::rules(true), windows::rules(false), Vec::new()];
        let mut grown = Vec::new();
        for rules in &all {
            grown.push(windows::grow(&self.folder("windows"), rules, CONNECTIONS)?);
        }
        let [with, plain, none] = &grown[..] else { unreachable!("three loads") };
        let rates = |own: &windows::Grown| {
            let rates = own.rates.iter().zip(own.lengths).map(|(rate, length)| format!("{length}: {rate:.0}/s"));
            rates.collect::<Vec<_>>().join(", ")
        };
        let flat = with.rates[3] / with.rates[0];
        let ratio = with.rates[3] / plain.rates[3];
        self.report.row(
            &format!("24 windowed rules, {} events a profile", with.lengths[3]),
            format!("{:.0} events/s", with.rates[3]),
            format!(
                "at {} events {flat:.2} of the rate, exponent {:.3}; {ratio:.2} of that without windows",
                with.lengths[0],
                -growth::exponent((with.lengths[0] as f64, with.rates[0]), (with.lengths[3] as f64, with.rates[3]))
            ),
            ">= 0.8 of the rate at few, >= 0.7 of that without windows",
            Some(flat >= 0.8 && ratio >= 0.7),
        );
        for (own, name) in [(with, "windows"), (plain, "no windows"), (none, "no rules")] {
            let resident = own.resident >> 20;
            self.report.note(format!("events a profile, {name}: {}; {resident} MiB resident", rates(own)));
        }
        Ok(())
    }

    /// What grows, on folders of their own: minutes of a steady load, a profile of many events, one of many identities.
    pub(super) fn growth(&mut self) -> Result<()> {
        self.steady()?;
        let whale = growth::whale(&self.folder("whale"), &[1_000, 10_000, 100_000])?;
        self.grown("a write to a profile of 100,000 events, 24 windowed rules", "events", &whale, [10.0, 5.0]);
        let wide = growth::wide(&self.folder("wide"), &[10, 100, 1_000])?;
        self.grown("a write to a profile of 1,000 identities", "identities", &wide, [10.0, 5.0]);
        Ok(())
    }

    fn steady(&mut self) -> Result<()> {
        let minutes = growth::steady(&self.folder("steady"), self.plan.minutes, self.plan.memory_bytes)?;
        for (at, own) in (1..).zip(&minutes) {
            let [write, read] = [&own.writes, &own.reads].map(|load| human(load.quantile(0.99)));
            self.report.note(format!(
                "steady, minute {at}: {:.0} events/s, {:.2} cores, {} MiB resident, {} MiB on disk, p99 of writes {write}, of reads {read}",
                own.rate,
                own.writes.server_cores(),
                own.resident >> 20,
                own.disk >> 20,
            ));
        }
        let Some(last) = minutes.last() else { return Ok(()) };
        let middle = &minutes[minutes.len() / 2 - usize::from(minutes.len() > 1)];
        let rate = minutes.iter().map(|own| own.rate).fold(f64::INFINITY, f64::min);
        let most = minutes.iter().map(|own| own.resident).max().unwrap_or_default();
        let (of_budget, grown) =
            (most as f64 / self.plan.memory_bytes as f64, last.resident as f64 / middle.resident as f64);
        let slowest = minutes.iter().map(|own| own.reads.quantile(0.99)).max().unwrap_or_default();
        self.report.row(
            &format!("{} minutes of {} events/s, 24 windows of minutes", minutes.len(), growth::PACE),
            format!("{rate:.0} events/s at least, reads p99 {} at most", human(slowest)),
            format!(
                "{} MiB resident at most: {of_budget:.2} of the budget of {} MiB; {grown:.2} in the second half",
                most >> 20,
                self.plan.memory_bytes >> 20
            ),
            "the pace, <= 1.3 of the budget, <= 1.05 in the second half, reads < 5 ms",
            Some(
                rate >= f64::from(growth::PACE) * 0.99
                    && of_budget <= 1.3
                    && grown <= 1.05
                    && slowest < std::time::Duration::from_millis(5),
            ),
        );
        Ok(())
    }

    fn grown(&mut self, work: &str, unit: &str, grown: &[growth::Grown], [write_ms, read_ms]: [f64; 2]) {
        let [Some(first), Some(last)] = [grown.first(), grown.last()] else { return };
        let exponent = |of: &dyn Fn(&growth::Grown) -> f64| {
            growth::exponent((first.size as f64, of(first)), (last.size as f64, of(last)))
        };
        let p99 = |load: &super::load::Measured| load.quantile(0.99);
        let cpu = |own: &growth::Grown| own.writes.cpu_us();
        self.report.row(
            work,
            format!("p99 {}; a read after it {}", human(p99(&last.writes)), human(p99(&last.reads))),
            format!(
                "{:.0} us CPU both, at {} {unit} {:.0}: exponent {:.2}",
                cpu(last),
                first.size,
                cpu(first),
                exponent(&cpu)
            ),
            &format!("p99 < {write_ms} ms, < {read_ms} ms"),
            Some(p99(&last.writes).as_secs_f64() * 1e3 < write_ms && p99(&last.reads).as_secs_f64() * 1e3 < read_ms),
        );
        for own in grown {
            self.report.note(format!(
                "{work}, at {} {unit}: p50 {}, p99 {}; reads p50 {}, p99 {}",
                own.size,
                human(own.writes.quantile(0.5)),
                human(p99(&own.writes)),
                human(own.reads.quantile(0.5)),
                human(p99(&own.reads)),
            ));
        }
    }

    fn timers(&mut self) -> Result<()> {
        let fired = timers::run(&self.scratch.0, WINDOWS)?;
        let [open, plain] = fired.record;
        self.report.row(
            &format!("timers, {WINDOWS} due at one instant"),
            format!("{:.0}/s, {:.1} us CPU each", fired.rate, fired.cpu_us),
            format!("the last {} late; its row 25+1 B, a record {open} B, without window {plain} B", human(fired.took)),
            "",
            None,
        );
        let [with, without] = fired.written_us;
        self.report.note(format!(
            "a new person's event: {with:.1} us CPU where it sets a timer, {without:.1} us where it is counted for ever"
        ));
        Ok(())
    }
}
