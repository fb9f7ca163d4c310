//! What happens: events come and go in any order, nodes change profiles, the clock goes on.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngSeed, TestRunner};
use tessera_engine::aggregate::{Bounds, Moment};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Value};
use tessera_expr::ast::Unit;
use tessera_expr::calendar::Zone;
use tessera_expr::plan::Window;

use crate::people::{Event, People, event_id};

pub(crate) const NODES: usize = 3;
pub(crate) const PROFILES: usize = 2;
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2026-08-28T10:30:00Z, about which everything happens.
pub(crate) const NOW: i64 = 1_787_913_000_000_000;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Add {
        node: usize,
        at: Spot,
        what: Body,
    },
    Remove(prop::sample::Index),
    /// So many events of a node go, the newest or the oldest, as at the end of their retention.
    RemoveEnd {
        node: usize,
        count: usize,
        is_newest: bool,
    },
    /// A node becomes part of another profile.
    Move(usize, usize),
    Clock(Hop),
    Advance,
    Zone(u8),
}

/// Where an event stands.
#[derive(Debug, Clone)]
pub(crate) enum Spot {
    /// So far from the clock.
    Near(i64),
    /// At a midnight so many days from the clock's, or a microsecond beside it.
    Midnight(i64, i64),
    /// At the edge of a sliding window, or beside it.
    Edge(i64),
    /// At the time of another event.
    With(prop::sample::Index),
}

/// How the clock goes on.
#[derive(Debug, Clone)]
pub(crate) enum Hop {
    By(i64),
    /// To the instant at which the value of a profile may change, or beside it.
    ToChange(i64),
    /// To the instant at which an event leaves a sliding window, or beside it.
    ToEdge(prop::sample::Index, i64),
    /// To the midnight after so many days, or beside it.
    ToMidnight(i64, i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Body {
    is_order: bool,
    total: Option<Value>,
    sku: Option<&'static str>,
    tags: Option<Vec<&'static str>>,
    at: Option<i64>,
}

pub(crate) fn steps(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        10 => (0..NODES, spot(), body()).prop_map(|(node, at, what)| Step::Add { node, at, what }),
        3 => index().prop_map(Step::Remove),
        1 => (0..NODES, 1..7usize, any::<bool>())
            .prop_map(|(node, count, is_newest)| Step::RemoveEnd { node, count, is_newest }),
        2 => (0..NODES, 0..PROFILES).prop_map(|(node, profile)| Step::Move(node, profile)),
        5 => hop().prop_map(Step::Clock),
        2 => Just(Step::Advance),
        1 => (0..4u8).prop_map(Step::Zone),
    ];
    prop::collection::vec(step, len)
}

fn beside() -> impl Strategy<Value = i64> {
    -1..=1i64
}

fn spot() -> impl Strategy<Value = Spot> {
    prop_oneof![
        3 => (-60..=2i64, 0..24i64).prop_map(|(days, hours)| Spot::Near(days * DAY + hours * HOUR)),
        2 => (-3 * HOUR..=HOUR).prop_map(Spot::Near),
        2 => (-60..=1i64, beside()).prop_map(|(days, beside)| Spot::Midnight(days, beside)),
        2 => beside().prop_map(Spot::Edge),
        1 => any::<prop::sample::Index>().prop_map(Spot::With),
    ]
}

fn hop() -> impl Strategy<Value = Hop> {
    prop_oneof![
        1 => (0..3 * HOUR).prop_map(Hop::By),
        1 => (0..50 * DAY).prop_map(Hop::By),
        4 => beside().prop_map(Hop::ToChange),
        2 => (any::<prop::sample::Index>(), beside()).prop_map(|(event, beside)| Hop::ToEdge(event, beside)),
        1 => (0..40i64, beside()).prop_map(|(days, beside)| Hop::ToMidnight(days, beside)),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let total = prop_oneof![
        // Up to about half of what a decimal holds, so that three come to more.
        2 => prop::sample::select(&[i128::MAX / 2, i128::MIN / 2 - 3][..]).prop_map(|units| Value::Number(Decimal::from_units(units))),
        12 => (-3..6i64).prop_map(|number| Value::Number(Decimal::from_i64(number))),
        4 => (-9..9i128).prop_map(|units| Value::Number(Decimal::from_units(units * 333_333_333_333_333_333))),
        1 => Just(Value::text("1")),
    ];
    let sku = prop::sample::select(&["A", "B", "C", "1"][..]);
    let tags = prop::collection::vec(prop::sample::select(&["x", "y", "z", "a longer one"][..]), 0..3);
    let at = -3..3i64;
    (
        any::<bool>(),
        prop::option::weighted(0.8, total),
        prop::option::weighted(0.8, sku),
        prop::option::weighted(0.5, tags),
        prop::option::weighted(0.3, at),
    )
        .prop_map(|(is_order, total, sku, tags, at)| Body { is_order, total, sku, tags, at })
}

pub(crate) fn bounds() -> impl Strategy<Value = Bounds> {
    let tight = (1..6usize, 40..600usize).prop_map(|(values_max, bytes_max)| Bounds {
        values_max,
        bytes_max,
        ..Bounds::default()
    });
    prop_oneof![2 => Just(Bounds::default()), 1 => tight]
}

impl Body {
    fn value(&self) -> Value {
        let mut properties: Vec<(Arc<str>, Value)> = Vec::new();
        properties.extend(self.total.clone().map(|total| ("total".into(), total)));
        properties.extend(self.sku.map(|sku| ("sku".into(), Value::text(sku))));
        properties.extend(
            self.tags
                .as_ref()
                .map(|tags| ("tags".into(), Value::List(tags.iter().map(|tag| Value::text(tag)).collect()))),
        );
        properties.extend(self.at.map(|hours| ("at".into(), Value::Timestamp(instant(NOW + hours * HOUR)))));
        Value::object(vec![("properties".into(), Value::object(properties))])
    }
}

pub(crate) fn instant(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("about now")
}

fn midnight(near: Timestamp) -> i64 {
    near.micros().div_euclid(DAY) * DAY
}

/// About when an event leaves that happens at 0.
fn length(window: Window) -> i64 {
    match window {
        Window::Sliding { amount, unit: Unit::Millisecond, .. } => amount * 1_000,
        Window::Sliding { amount, .. } => amount * 31 * DAY,
        Window::Lifetime | Window::Calendar(..) => DAY,
    }
}

impl People {
    /// Takes a step. `number` tells events apart, and is not in the order of their times.
    pub(crate) fn step(&mut self, number: u32, step: &Step) {
        match step {
            Step::Add { node, at, what } => {
                let moment = Moment { time: self.spot(at), id: event_id(number.wrapping_mul(7) % 64 * 1_000 + number) };
                let name = if what.is_order { "Order" } else { "View" };
                self.add(Event { moment, node: *node, name, body: what.value() });
            }
            Step::Remove(at) => {
                if !self.events.is_empty() {
                    self.remove(at.index(self.events.len()));
                }
            }
            Step::RemoveEnd { node, count, is_newest } => {
                for _ in 0..*count {
                    let own = self.events.iter().enumerate().filter(|(_, event)| event.node == *node);
                    let moment = |(_, event): &(usize, &Event)| event.moment;
                    let end = if *is_newest { own.max_by_key(moment) } else { own.min_by_key(moment) };
                    if let Some((at, _)) = end {
                        self.remove(at);
                    }
                }
            }
            Step::Move(node, profile) => self.profiles[*node] = *profile,
            Step::Clock(hop) => self.now = self.hop(hop).max(self.now),
            Step::Advance => self.advance(),
            Step::Zone(number) => {
                self.set_zone(match number {
                    0 | 1 => Zone::utc(),
                    2 => Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone"),
                    _ => Zone::ahead_of_utc(-570).expect("a zone"),
                });
            }
        }
    }

    fn spot(&self, spot: &Spot) -> Timestamp {
        match spot {
            Spot::Near(micros) => self.now.plus_micros(*micros),
            Spot::Midnight(days, beside) => instant(midnight(self.now) + days * DAY + beside),
            Spot::Edge(beside) => self.now.plus_micros(beside - length(self.aggregate().window)),
            Spot::With(_) if self.events.is_empty() => self.now,
            Spot::With(at) => at.get(&self.events).moment.time,
        }
    }

    fn hop(&self, hop: &Hop) -> Timestamp {
        match hop {
            Hop::By(micros) => self.now.plus_micros(*micros),
            Hop::ToChange(beside) => {
                let turns = (0..PROFILES).filter_map(|profile| self.asked(profile, self.now).changes_at).min();
                turns.map_or(self.now, |turns| turns.plus_micros(*beside))
            }
            Hop::ToEdge(_, _) if self.events.is_empty() => self.now,
            Hop::ToEdge(at, beside) => {
                let time = at.get(&self.events).moment.time;
                time.plus_micros(length(self.aggregate().window) + beside)
            }
            Hop::ToMidnight(days, beside) => instant(midnight(self.now) + days * DAY + beside),
        }
    }
}

/// Holds a law to as many cases as `TESSERA_LAW_CASES` or `PROPTEST_CASES` says, 2,000 if neither does; the same ones each
/// time unless `TESSERA_LAW_SEED` says otherwise.
pub(crate) fn law<S: Strategy>(strategy: &S, test: impl Fn(S::Value)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let cases = number("TESSERA_LAW_CASES").or_else(|| number("PROPTEST_CASES")).unwrap_or(2_000);
    let rng_seed = RngSeed::Fixed(number("TESSERA_LAW_SEED").unwrap_or(1).into());
    let runs = Runs { cases, rng_seed, failure_persistence: None, max_shrink_iters: 50_000, ..Runs::default() };
    let result = TestRunner::new(runs).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{}", format!("{failure}").replace("\n            ", " "));
    }
}
