//! Random configurations and commands. There are few identities, so that sharing, exclusivity, hubs and limits meet all the
//! time; every fact has a time of its own.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngSeed, TestRunner};

use tessera_engine::config::{Config, Kind, Limits, Namespace, NamespaceId, NamespaceName, Normaliser, Sweeps};
use tessera_engine::fact::{AccountFact, Call, Claim, Class, EventKind, Fact, Identity, Replaces, Strength};
use tessera_engine::model::{Attribute, Definition, Ended, EventType, Keeping, Type, Window};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};

use crate::world::{EVENT, START_MICROS};

/// The namespaces of the tests, and how many values of each there are. The number of a namespace is its place, from 1.
pub(crate) const NAMESPACES: [(&str, Kind, u8); 8] = [
    ("profile", Kind::Person, 2),
    ("user_id", Kind::Person, 3),
    ("email", Kind::Person, 3),
    ("phone", Kind::Person, 2),
    ("device", Kind::Person, 3),
    ("anonymous", Kind::Person, 3),
    ("company", Kind::Account, 2),
    ("team", Kind::Account, 1),
];

/// What makes the number of a value one in capitals.
const CAPITAL: u8 = 0x80;

pub(crate) const PATHS: [&str; 6] = ["a", "a.b", "a.b.c", "a.d", "e", "f.g"];

/// An identity of the tests: a namespace by its place, and one of its values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize, pub(crate) u8);

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", NAMESPACES[self.0].0, self.value())
    }
}

impl Id {
    pub(crate) fn identity(self) -> Identity {
        let number = u16::try_from(self.0 + 1).expect("few namespaces");
        Identity { namespace: NamespaceId::new(number), value: self.value().into() }
    }

    /// The same value in capitals.
    pub(crate) const fn in_capitals(self) -> Self {
        Self(self.0, self.1 | CAPITAL)
    }

    fn value(self) -> String {
        let letter = if self.1 & CAPITAL == 0 { 'v' } else { 'V' };
        format!("{letter}{}", self.1 & !CAPITAL)
    }

    fn claim(self, strength: Strength) -> Claim {
        Claim { namespace: NAMESPACES[self.0].0.into(), value: self.value().into(), strength }
    }
}

/// A configuration of [`NAMESPACES`].
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) priorities: [u16; 8],
    pub(crate) limits: [Option<u32>; 8],
    pub(crate) exclusive: bool,
    pub(crate) hub_links_max: u32,
    pub(crate) profile_identities_max: usize,
    pub(crate) cluster_identities_max: usize,
    /// Links that do not hold which one command changes at most.
    pub(crate) links_at_once: usize,
    /// The namespace that is exclusive, by its place, if one is.
    pub(crate) exclusive_at: usize,
    /// Values that identify nobody.
    pub(crate) blocked: Vec<Id>,
    /// Whether values are spelled in small letters, where they have capitals.
    pub(crate) is_lower: bool,
    /// How many minutes the values at [`PATHS`] are kept, and last how many events are.
    pub(crate) windows: [Option<u32>; PATHS.len() + 1],
    /// What had ended when a window became longer.
    pub(crate) ended: Vec<Ended>,
}

impl Setup {
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config_with(1, Sweeps::default())
    }

    pub(crate) fn config_with(&self, version: u64, sweeps: Sweeps) -> Arc<Config> {
        let namespace = |at: usize| Namespace {
            id: NamespaceId::new(u16::try_from(at + 1).expect("few namespaces")),
            name: NamespaceName::parse(NAMESPACES[at].0).expect("a name"),
            kind: NAMESPACES[at].1,
            priority: self.priorities[at],
            exclusive: self.exclusive && at == self.exclusive_at,
            limit: self.limits[at],
            normaliser: if self.is_lower { Normaliser::Lower } else { Normaliser::Trim },
            blocked: self.blocked.iter().filter(|id| id.0 == at).map(|id| id.value()).collect(),
            blocked_patterns: Vec::new(),
        };
        let limits = Limits {
            hub_links_max: self.hub_links_max,
            profile_identities_max: self.profile_identities_max,
            cluster_identities_max: self.cluster_identities_max,
            ..Limits::default()
        };
        let namespaces = (0..NAMESPACES.len()).map(namespace).collect();
        let config = Config::new(version, namespaces, None, limits).expect("a configuration");
        let keeping = Keeping::new(&self.definition(), &self.ended);
        Arc::new(config.with_sweeps(sweeps).with_keeping(keeping))
    }

    /// The data model that says its windows.
    pub(crate) fn definition(&self) -> Definition {
        let mut definition = Definition::default();
        let window = |minutes| Window::from_minutes(minutes).expect("within the bounds");
        let (events, values) = self.windows.split_last().expect("at least one");
        for (path, minutes) in PATHS.into_iter().zip(values) {
            if let Some(minutes) = *minutes {
                let attribute = Attribute { retention: Some(window(minutes)), ..Attribute::new(Type::Object) };
                definition.attributes.insert(Path::parse(path).expect("a path"), attribute);
            }
        }
        if let Some(minutes) = *events {
            let event_type = EventType { retention: Some(window(minutes)), ..EventType::default() };
            definition.event_types.insert(EVENT.into(), event_type);
        }
        definition
    }
}

/// A fact, but for its id and the exact time, which its place among the steps makes unique.
#[derive(Clone)]
pub(crate) struct Say {
    pub(crate) claims: Vec<(Id, Strength)>,
    pub(crate) document: Option<(u8, Strength)>,
    pub(crate) account: Option<(Id, Vec<(usize, u8)>)>,
    pub(crate) attributes: Vec<(usize, u8)>,
    pub(crate) is_event: bool,
    /// A record that is all its dataset says of its owner.
    pub(crate) is_whole: bool,
    pub(crate) dataset: u8,
    pub(crate) batch: bool,
    pub(crate) time: u16,
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} t={} d{} batch={} event={}", self.claims, self.time, self.dataset, self.batch, self.is_event)?;
        let whole = if self.is_whole { " whole" } else { "" };
        write!(f, " document={:?} account={:?} {:?}{whole}", self.document, self.account, self.attributes)
    }
}

impl Say {
    /// The fact that stands at this place.
    pub(crate) fn fact(&self, at: usize) -> Fact {
        let micros =
            START_MICROS - 1_000_000_000 + i64::from(self.time) * 60_000 + i64::try_from(at).expect("few steps");
        let call = Call { kind: EventKind::Action, name: Some(EVENT.into()), payload: Vec::new().into() };
        Fact {
            id: format!("f{at}").into(),
            dataset: format!("d{}", self.dataset).into(),
            batch: self.batch.then(|| "b".into()),
            time: Timestamp::from_micros(micros),
            claims: self.claims.iter().map(|(id, strength)| id.claim(*strength)).collect(),
            document: self.document.map(|(value, strength)| Id(0, value).claim(strength)),
            attributes: attributes(&self.attributes),
            account: (self.account.as_ref())
                .map(|(id, said)| AccountFact { claim: id.claim(Strength::Verified), attributes: attributes(said) }),
            call: self.is_event.then_some(call),
            content: None,
            replaces: if self.is_whole { Replaces::Fragment } else { Replaces::Nothing },
        }
    }
}

impl Say {
    /// The same, said with keys of a class.
    pub(crate) fn by(mut self, class: Class) -> Self {
        let said = |strength: Strength| match (class, strength) {
            (Class::Public, Strength::Stated) => Strength::Claimed,
            (Class::Public, Strength::Verified | Strength::Joined) => Strength::Observed,
            (Class::Private, Strength::Claimed) => Strength::Stated,
            (Class::Private, Strength::Observed) => Strength::Verified,
            (_, own) => own,
        };
        self.claims.iter_mut().for_each(|(_, own)| *own = said(*own));
        self.document.iter_mut().for_each(|(_, own)| *own = said(*own));
        self
    }
}

/// Leaves of one fact: none lies above another.
fn attributes(said: &[(usize, u8)]) -> Vec<(Path, Value)> {
    let mut leaves: Vec<(Path, Value)> = Vec::new();
    for (path, value) in said {
        let path = Path::parse(PATHS[*path]).expect("a path");
        let value = match value {
            0 => Value::Null,
            1 => Value::object(Vec::new()),
            text => Value::text(&format!("t{text}")),
        };
        if leaves.iter().all(|(own, _)| *own != path && !own.is_above(&path) && !path.is_above(own)) {
            leaves.push((path, value));
        }
    }
    leaves
}

/// A command.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Say(Say),
    /// Send again what was sent at such a place.
    Again(prop::sample::Index),
    Erase(Id),
    Release(u8, Id),
}

impl Step {
    /// Whether it is ordered among the facts.
    pub(crate) const fn is_directive(&self) -> bool {
        matches!(self, Self::Erase(_) | Self::Release(..))
    }
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let priority = prop_oneof![Just(100u16), Just(200), Just(300), Just(400)];
    let limit = prop_oneof![2 => Just(None), 3 => (1u32..=3).prop_map(Some)];
    let usual = [500, 400, 300, 300, 200, 100, 400, 300];
    let priorities = prop_oneof![1 => Just(usual), 1 => prop::array::uniform8(priority)];
    let bound = prop_oneof![3 => Just(1_000usize), 1 => 1usize..8];
    let limits = prop_oneof![1 => Just([None; 8]), 3 => prop::array::uniform8(limit)];
    let at_once = prop_oneof![2 => Just(usize::MAX), 1 => Just(1usize)];
    (priorities, limits, prop::bool::weighted(0.9), 1u32..=4, bound, at_once).prop_map(
        |(priorities, limits, exclusive, hub_links_max, profile_identities_max, links_at_once)| Setup {
            priorities,
            limits,
            exclusive,
            hub_links_max,
            profile_identities_max,
            cluster_identities_max: 1_000,
            links_at_once,
            exclusive_at: 1,
            blocked: Vec::new(),
            is_lower: false,
            windows: [None; PATHS.len() + 1],
            ended: Vec::new(),
        },
    )
}

pub(crate) fn strength() -> impl Strategy<Value = Strength> {
    prop_oneof![
        3 => Just(Strength::Observed),
        3 => Just(Strength::Verified),
        2 => Just(Strength::Claimed),
        2 => Just(Strength::Stated),
        1 => Just(Strength::Joined),
    ]
}

pub(crate) fn id_of(namespaces: std::ops::Range<usize>) -> impl Strategy<Value = Id> {
    namespaces.prop_flat_map(|at| (0..NAMESPACES[at].2).prop_map(move |value| Id(at, value)))
}

/// An identity: mostly of a person.
pub(crate) fn id() -> impl Strategy<Value = Id> {
    prop_oneof![12 => id_of(0..6), 1 => id_of(6..8)]
}

/// Whether a fact is an event, and whether it is all that its dataset says of its owner.
pub(crate) fn kind() -> impl Strategy<Value = (bool, bool)> {
    prop_oneof![4 => Just((true, false)), 3 => Just((false, false)), 1 => Just((false, true))]
}

/// A fact, mostly of a link or two.
pub(crate) fn say() -> impl Strategy<Value = Say> {
    let said = || prop::collection::vec((0..PATHS.len(), 0u8..5), 0..3);
    let claims = prop_oneof![
        3 => prop::collection::vec((id(), strength()), 2),
        1 => prop::collection::vec((id(), strength()), 1..5),
    ];
    let document = prop::option::weighted(0.2, (0u8..2, strength()));
    let account = prop::option::weighted(0.1, (id_of(6..8), said()));
    (claims, document, account, said(), kind(), 0u8..2, prop::bool::weighted(0.2), 0u16..1_000).prop_map(
        |(claims, document, account, attributes, (is_event, is_whole), dataset, batch, time)| Say {
            claims,
            document,
            account,
            attributes,
            is_event,
            is_whole,
            dataset,
            batch,
            time,
        },
    )
}

/// Whose key sends something.
pub(crate) fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Public), Just(Class::Private)]
}

pub(crate) fn says(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Say>> {
    prop::collection::vec(say(), len)
}

pub(crate) fn steps(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        16 => say().prop_map(Step::Say),
        1 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => id().prop_map(Step::Erase),
        3 => (0u8..2, id_of(0..6)).prop_map(|(document, id)| Step::Release(document, id)),
    ];
    prop::collection::vec(step, len)
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
