//! Windows while history grows: the same load on the same few people, again and again, beside the same rules without windows and beside none.

use std::time::Duration;

use anyhow::Result;

use super::super::ingest::{self, Ingested};
use super::super::people::Crowd;
use super::super::process::{Caches, Cores, Server};
use super::door::{Door, Rule};

/// People: few, so that their histories grow fast.
const PEOPLE: u64 = 200;
/// Events of each at which the rate is looked at.
const LENGTHS: [u64; 4] = [50, 400, 4_000, 10_000];
/// How long a look takes.
const LOOK: Duration = Duration::from_secs(2);
/// How long the load goes on between two looks, near the next one and while it is far: each stretch has a number of four digits.
const GROW: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(4)];
/// Events that are far.
const FAR: u64 = 200_000;

/// The rates at each length.
pub(super) struct Grown {
    pub(super) lengths: [u64; 4],
    pub(super) rates: [f64; 4],
    /// The server's resident bytes at the end.
    pub(super) resident: u64,
}

/// Twelve sums and twelve counts, of which no two windows are alike; or the same of all events whenever they were.
pub(super) fn rules(are_windows: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    for at in 0..12 {
        let of = if are_windows {
            format!("xEvent[timestamp occurs <= {} hours before now]", 24 * 29 + at)
        } else {
            format!("xEvent[properties.quantity >= {}]", at - 100)
        };
        rules.push(Rule::segment(format!("spent-{at}"), format!("{of}.sum(properties.price) > 1000000000")));
        rules.push(Rule::segment(format!("often-{at}"), format!("{of}.count() > 1000000000")));
    }
    rules
}

/// Has few people do more and more, and looks at the rate on the way.
pub(super) fn grow(folder: &std::path::Path, rules: &[Rule], connections: usize) -> Result<Grown> {
    let server = Server::start(folder, Cores::Server, Caches::DEFAULT)?;
    if !rules.is_empty() {
        Door::open(&server)?.make(rules)?;
    }
    let mut run = 0;
    let mut more = |duration: Duration| -> Result<Ingested> {
        run += 1;
        ingest::flat_out(&server, &Crowd::Uniform, PEOPLE, run, connections, duration)
    };
    let (mut rates, mut lengths) = ([0.0; 4], [0; 4]);
    let mut reached = 0;
    for (at, length) in LENGTHS.into_iter().enumerate() {
        while reached < length * PEOPLE {
            let is_far = length * PEOPLE - reached > FAR;
            reached += more(GROW[usize::from(is_far)])?.events();
        }
        let look = more(LOOK)?;
        reached += look.events();
        (rates[at], lengths[at]) = (look.rate(), length);
    }
    let resident = server.resident();
    server.stop()?;
    std::fs::remove_dir_all(folder)?;
    Ok(Grown { lengths, rates, resident })
}
