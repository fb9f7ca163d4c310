//! What writers write, and the simplest model of what must come of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::Random;

/// People that are written about.
const PEOPLE: u64 = 60;
/// Browsers; each belongs to one person, which is not known before a call carries both ids.
const BROWSERS: u64 = 180;
/// Traits that identify calls set.
const TRAITS: u64 = 4;
/// 2025-01-01T00:00:00Z, in seconds since 1970.
const START: u64 = 1_735_689_600;

/// A namespace and a value.
pub(crate) type Identity = (&'static str, String);

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) message_id: String,
    identities: Vec<Identity>,
    /// Different for any two calls, and in no order.
    time: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Track(u64),
    Identify(String, u64),
}

impl Fact {
    /// The name that its timeline entry has.
    pub(crate) fn event_name(&self) -> Value {
        match self.kind {
            Kind::Track(_) => json!("Counted"),
            Kind::Identify(..) => Value::Null,
        }
    }

    /// Its property `n`.
    pub(crate) fn property(&self) -> Value {
        match self.kind {
            Kind::Track(count) => json!(count),
            Kind::Identify(..) => Value::Null,
        }
    }

    fn to_json(&self) -> Value {
        let mut call = json!({"messageId": self.message_id, "timestamp": timestamp(self.time)});
        for (namespace, value) in &self.identities {
            match *namespace {
                "user_id" => call["userId"] = json!(value),
                "anonymous_id" => call["anonymousId"] = json!(value),
                other => panic!("no call carries {other}"),
            }
        }
        match &self.kind {
            Kind::Track(count) => {
                call["type"] = json!("track");
                call["event"] = json!("Counted");
                call["properties"] = json!({"n": count});
            }
            Kind::Identify(name, value) => {
                call["type"] = json!("identify");
                call["traits"] = json!({name: value});
            }
        }
        call
    }
}

/// Milliseconds after the start, as ISO 8601.
fn timestamp(millis: u64) -> String {
    let (seconds, millis) = (START + millis / 1_000, millis % 1_000);
    let (day, rest) = ((seconds - START) / 86_400, seconds % 86_400);
    assert!(day < 28, "all calls lie in January");
    format!("2025-01-{:02}T{:02}:{:02}:{:02}.{millis:03}Z", day + 1, rest / 3_600, rest / 60 % 60, rest % 60)
}

/// Writes batches, and remembers what was acknowledged and what is in doubt.
pub(crate) struct Writer {
    number: u64,
    random: Random,
    written: u64,
    doubtful: Vec<Fact>,
    /// Whether the batch in doubt was sent before.
    is_again: bool,
    acknowledged: Vec<Fact>,
    doubts: Doubts,
}

/// What became of calls that were sent and not answered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Doubts {
    /// They were stored.
    pub(crate) stored: u64,
    /// They were not.
    pub(crate) lost: u64,
}

impl Writer {
    /// A writer of its own number, with choices of its own.
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        let (doubtful, acknowledged) = (Vec::new(), Vec::new());
        let (random, doubts) = (Random::new(seed), Doubts::default());
        Self { number, random, written: 0, doubtful, is_again: false, acknowledged, doubts }
    }

    /// The next batch: the one that is in doubt if there is one, otherwise a new one.
    pub(crate) fn batch(&mut self) -> String {
        self.is_again = self.is_in_doubt();
        if !self.is_again {
            let size = self.random.below(12) + 1;
            self.doubtful = (0..size).map(|_| self.fact()).collect();
        }
        let calls: Vec<Value> = self.doubtful.iter().map(Fact::to_json).collect();
        json!({"batch": calls}).to_string()
    }

    /// The batch was answered: nothing of it may be refused, and what was new is new no more.
    pub(crate) fn acknowledge(&mut self, report: &Value) {
        let count = |name: &str| report[name].as_u64().expect("a count");
        assert_eq!(count("rejected"), 0, "{report}");
        assert_eq!(count("accepted") + count("duplicates"), self.doubtful.len() as u64, "{report}");
        if self.is_again {
            self.doubts.stored += count("duplicates");
            self.doubts.lost += count("accepted");
        }
        self.acknowledged.append(&mut self.doubtful);
    }

    /// What became of its calls that were not answered.
    pub(crate) fn doubts(&self) -> Doubts {
        self.doubts
    }

    /// Whether a batch was sent that nobody answered.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// What was acknowledged.
    pub(crate) fn facts(&self) -> &[Fact] {
        &self.acknowledged
    }

    fn fact(&mut self) -> Fact {
        self.written += 1;
        let browser = self.random.below(BROWSERS);
        let user = ("user_id", format!("user-{}", browser % PEOPLE));
        let anonymous = ("anonymous_id", format!("browser-{browser}"));
        let identities = match self.random.below(5) {
            0 => vec![user, anonymous],
            1 | 2 => vec![user],
            _ => vec![anonymous],
        };
        let kind = match self.random.below(3) {
            0 => Kind::Identify(format!("trait_{}", self.random.below(TRAITS)), self.random.below(1_000_000)),
            _ => Kind::Track(self.random.below(1_000)),
        };
        // Distinct: the writer's number is the remainder. In no order: a permutation of the count.
        let time = (self.written * 7_919 % 500_009) * 4 + self.number;
        Fact { message_id: format!("w{}-{}", self.number, self.written), identities, time, kind }
    }
}

/// A person as the model has it.
pub(crate) struct Person<'a> {
    pub(crate) identities: BTreeSet<Identity>,
    pub(crate) facts: Vec<&'a Fact>,
}

impl Person<'_> {
    /// The newest value of each trait, by the time of the call.
    pub(crate) fn traits(&self) -> BTreeMap<String, Value> {
        let mut newest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for fact in &self.facts {
            if let Kind::Identify(name, value) = &fact.kind {
                let entry = newest.entry(name).or_insert((fact.time, *value));
                *entry = (*entry).max((fact.time, *value));
            }
        }
        newest.into_iter().map(|(name, (_, value))| (name.to_owned(), json!(value))).collect()
    }
}

/// All people, by joining whoever was named together.
pub(crate) struct Reference<'a> {
    people: Vec<Person<'a>>,
    facts: usize,
}

impl<'a> Reference<'a> {
    /// Recomputes everything from the calls.
    pub(crate) fn of(facts: impl Iterator<Item = &'a Fact>) -> Self {
        let facts: Vec<&Fact> = facts.collect();
        let mut people: Vec<Person<'a>> = Vec::new();
        for fact in &facts {
            let identities: BTreeSet<Identity> = fact.identities.iter().cloned().collect();
            let (same, others) =
                people.into_iter().partition(|person: &Person<'_>| !person.identities.is_disjoint(&identities));
            people = others;
            let mut person = Person { identities, facts: vec![fact] };
            for other in same {
                person.identities.extend(other.identities);
                person.facts.extend(other.facts);
            }
            people.push(person);
        }
        Self { people, facts: facts.len() }
    }

    /// The people.
    pub(crate) fn people(&self) -> &[Person<'a>] {
        &self.people
    }

    /// How many calls there are.
    pub(crate) fn facts(&self) -> usize {
        self.facts
    }
}
