//! How fast a new rule is brought to everybody.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::http::{Connection, post};
use super::super::ingest::all_accepted;
use super::super::people::{BATCH, Dice, EVENTS, Writer};
use super::super::process::{KEY, Server};
use super::door::{Brought, Door, Rule};

/// Rules that are brought one after another; what is said is of all of them.
const RULES: u32 = 3;

/// How fast rules went over so many things.
pub(super) struct Filled {
    /// Profiles or events, each counted with every rule that went over it.
    looked_at: u64,
    brought: Brought,
}

impl Filled {
    /// Things a second of the server's processor time.
    pub(super) fn per_core(&self) -> f64 {
        self.looked_at as f64 / self.brought.cpu.as_secs_f64()
    }

    /// Things a second by the clock, until the rule was seen to be active.
    pub(super) fn rate(&self) -> f64 {
        self.looked_at as f64 / self.brought.took.as_secs_f64()
    }

    /// From making a rule until it was seen to be active, in the mean over the rules.
    pub(super) fn took(&self) -> Duration {
        self.brought.took / RULES
    }
}

/// New segments, each of one in a hundred: by an aggregate that another rule keeps already, and by an attribute.
pub(super) fn over_profiles(server: &Server, people: u64) -> Result<[Filled; 2]> {
    let mut door = Door::open(server)?;
    // Everybody has one event, whose price is 100.5 to 999.5.
    door.make(&[Rule::attribute("spent", "xEvent.sum(properties.price)")])?;
    let by_attribute = |at: u64| format!("lifetime_value >= {} and lifetime_value < {}", at * 1_000, at * 1_000 + 90);
    let by_aggregate = |at: u64| format!("spent > {0} and spent < {1}", at * 100, at * 100 + 9);
    let mut bring = |name: &str, pql: &dyn Fn(u64) -> String| -> Result<Filled> {
        let mut brought = Brought::default();
        for at in 1..=u64::from(RULES) {
            let rule = Rule::segment(format!("{name}-{at}"), pql(at));
            brought.add(door.bring(&rule)?);
            let members = door.members(&rule)?;
            ensure!((people / 200..people / 50).contains(&members), "{} has {members} of {people}", rule.name);
        }
        Ok(Filled { looked_at: people * u64::from(RULES), brought })
    };
    // Where a segment over an attribute is live, every look reads attributes; so it comes last.
    Ok([bring("aggregate", &by_aggregate)?, bring("attribute", &by_attribute)?])
}

/// New attributes over the history of everybody, one after another; each adds up another type of events.
pub(super) fn over_events(server: &Server, events: u64) -> Result<Filled> {
    let mut door = Door::open(server)?;
    let mut brought = Brought::default();
    for (at, event) in EVENTS.iter().take(RULES as usize).enumerate() {
        let pql = format!("xEvent[eventType = \"{event}\"].sum(properties.price)");
        brought.add(door.bring(&Rule::attribute(format!("spent_{at}"), pql))?);
    }
    Ok(Filled { looked_at: events * u64::from(RULES), brought })
}

/// Has everybody do so many things, ten of one person after another.
pub(super) fn histories(server: &Server, people: u64, each: u64, connections: u64) -> Result<()> {
    const STRETCH: u64 = 10;
    let stretch = each.min(STRETCH);
    let stretches = people * each / stretch;
    std::thread::scope(|scope| {
        let sender = |own: u64| {
            move || -> Result<()> {
                let mut connection = Connection::open(server.address())?;
                // The numbers below are those of who introduced everybody.
                let (mut writer, mut dice, mut request) = (Writer::new(100 + own), Dice::new(own + 1), Vec::new());
                let mut pending = 0;
                writer.begin();
                for at in (own..stretches).step_by(connections as usize) {
                    (0..stretch).for_each(|_| writer.track(at % people, &mut dice));
                    pending += stretch;
                    if pending == BATCH || at + connections >= stretches {
                        writer.end();
                        post("/v1/batch", KEY, &writer.body, &mut request);
                        all_accepted(connection.succeed(&request)?, pending)?;
                        pending = 0;
                        writer.begin();
                    }
                }
                Ok(())
            }
        };
        let threads: Vec<_> = (0..connections).map(|own| scope.spawn(sender(own))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a sender does not panic"))
    })
}
