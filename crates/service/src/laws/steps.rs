//! What happens in a case: facts come late and twice, events and people are erased, profiles join and come apart, rules change, time passes.

use proptest::prelude::*;
use proptest::sample::Index;

use super::written::{rule, rules};

/// The identities of a case: a namespace and a value.
pub(super) const IDENTITIES: [(&str, &str); 6] = [
    ("user_id", "u1"),
    ("user_id", "u2"),
    ("anonymous_id", "a1"),
    ("anonymous_id", "a2"),
    ("email", "e@example.com"),
    // An account.
    ("group_id", "g1"),
];
/// The datasets that facts come from.
pub(super) const DATASETS: [&str; 2] = ["web", "shop"];

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) rules: Vec<String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Say(Say),
    /// Several at once, in one call.
    SayAll(Vec<Say>),
    Again(Index),
    EraseEvent(Index),
    /// Several at once, each asked for before another is answered.
    EraseEvents(Vec<Index>),
    Erase(usize),
    Join(usize, usize),
    Separate(usize),
    EraseSource(usize),
    /// So many minutes, and so many microseconds.
    Wait(i64, i64),
    /// To an instant at which something may change by itself, the one so many ahead, and so many microseconds.
    WaitToEdge(usize, i64),
    RunTimers,
    PutRule(usize, String),
    /// The same while the job that brings it rests, until [`Step::EndJobs`].
    PutRuleSlowly(usize, String),
    ArchiveRule(usize),
    EndJobs,
    /// How many minutes events of type A are kept, and all values of `seen`.
    Keep(Option<u32>, Option<u32>),
    Restart,
}

/// A fact.
#[derive(Debug, Clone)]
pub(super) struct Say {
    /// One identity or two.
    pub(super) who: (usize, Option<usize>),
    pub(super) dataset: usize,
    /// Minutes before the clock.
    pub(super) ago: i64,
    pub(super) event: Option<Body>,
    pub(super) plan: Option<Option<&'static str>>,
    pub(super) age: Option<i8>,
    /// A time, so many minutes from the clock.
    pub(super) seen: Option<i64>,
    /// Whether it is all that its dataset says of its owner.
    pub(super) whole: bool,
}

/// An event.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) name: &'static str,
    pub(super) x: Option<i8>,
    pub(super) sku: Option<&'static str>,
    pub(super) tags: bool,
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    (rules(), prop::collection::vec(step(), 4..24)).prop_map(|(rules, steps)| Case { rules, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..IDENTITIES.len();
    let beside = || -1..=1i64;
    prop_oneof![
        12 => say().prop_map(Step::Say),
        2 => prop::collection::vec(say(), 2..5).prop_map(Step::SayAll),
        1 => any::<Index>().prop_map(Step::Again),
        2 => any::<Index>().prop_map(Step::EraseEvent),
        1 => prop::collection::vec(any::<Index>(), 2..4).prop_map(Step::EraseEvents),
        1 => who().prop_map(Step::Erase),
        2 => (who(), who()).prop_map(|(one, other)| Step::Join(one, other)),
        2 => who().prop_map(Step::Separate),
        1 => (0..DATASETS.len()).prop_map(Step::EraseSource),
        3 => (prop_oneof![0..15i64, Just(60), Just(1_440)], beside()).prop_map(|(minutes, beside)| Step::Wait(minutes, beside)),
        6 => (0..4usize, beside()).prop_map(|(edge, beside)| Step::WaitToEdge(edge, beside)),
        3 => Just(Step::RunTimers),
        1 => rule().prop_map(|(at, text)| Step::PutRule(at, text)),
        1 => rule().prop_map(|(at, text)| Step::PutRuleSlowly(at, text)),
        1 => (0..6usize).prop_map(Step::ArchiveRule),
        2 => Just(Step::EndJobs),
        1 => (prop::option::of(Just(7)), prop::option::of(Just(7))).prop_map(|(events, seen)| Step::Keep(events, seen)),
        1 => Just(Step::Restart),
    ]
}

fn say() -> impl Strategy<Value = Say> {
    let who = || 0..IDENTITIES.len();
    let plan = prop::option::weighted(0.3, prop::sample::select(&[Some("gold"), Some("free"), None][..]));
    let seen = prop::option::weighted(0.4, prop_oneof![-12..12i64, Just(-60), Just(60), Just(-1_440)]);
    let ago = prop_oneof![4 => 0..3i64, 3 => 0..12i64, 1 => Just(60), 1 => Just(1_441), 1 => -2..0i64];
    (
        (who(), prop::option::weighted(0.3, who())),
        0..DATASETS.len(),
        ago,
        prop::option::weighted(0.8, body()),
        plan,
        prop::option::weighted(0.3, 0..6i8),
        seen,
    )
        .prop_map(|(who, dataset, ago, event, plan, age, seen)| {
            // No draw of its own: the cases stay what they were.
            let whole = age == Some(3);
            Say { who, dataset, ago, event, plan, age, seen, whole }
        })
}

fn body() -> impl Strategy<Value = Body> {
    (
        prop::sample::select(&["A", "A", "b", "B"][..]),
        prop::option::weighted(0.8, -2..5i8),
        prop::option::weighted(0.8, prop::sample::select(&["p", "q", "r"][..])),
        any::<bool>(),
    )
        .prop_map(|(name, x, sku, tags)| Body { name, x, sku, tags })
}
