//! The engine and the reference side by side, held to be equal.

use std::sync::Arc;

use tessera_engine::config::Config;
use tessera_engine::decide::{HeldNote, Outcome};
use tessera_engine::fact::{Fact, Identity};

use crate::reference::{Expected, Reference, pair};
use crate::steps::{Id, Step};
use crate::world::{Fetch, Told, World};

/// Does one command on a world alone. A fact is numbered by how many were sent before it.
pub(crate) fn plain(world: &mut World, sent: &mut Vec<Fact>, step: &Step) -> Told {
    let nobody = Id(0, 9).identity();
    match step {
        Step::Say(say) => {
            let fact = say.fact(sent.len());
            sent.push(fact.clone());
            world.fact(&fact)
        }
        Step::Again(_) if sent.is_empty() => world.release(&nobody, &nobody),
        Step::Again(index) => world.fact(index.get(sent)),
        Step::Erase(id) => {
            world.commit();
            world.erase(&id.identity())
        }
        Step::Release(document, id) => world.release(&Id(0, *document).identity(), &id.identity()),
    }
}

pub(crate) struct Both {
    pub(crate) world: World,
    pub(crate) reference: Reference,
    pub(crate) sent: Vec<Fact>,
}

impl Both {
    pub(crate) fn new(config: Arc<Config>, fetch: Fetch) -> Self {
        Self { world: World::new(config.clone(), fetch), reference: Reference::new(config), sent: Vec::new() }
    }

    /// Does one command on both, and compares what it came to.
    pub(crate) fn step(&mut self, step: &Step) -> Told {
        let now = self.world.next_now();
        let told = plain(&mut self.world, &mut self.sent, step);
        let nobody = Id(0, 9).identity();
        let expected = match step {
            Step::Say(_) => self.reference.fact(self.sent.last().expect("it was sent"), now),
            Step::Again(_) if self.sent.is_empty() => self.reference.release(&nobody, &nobody, now),
            Step::Again(index) => self.reference.fact(index.get(&self.sent), now),
            Step::Erase(id) => self.reference.erase(&id.identity(), now),
            Step::Release(document, id) => self.reference.release(&Id(0, *document).identity(), &id.identity(), now),
        };
        compare(&told.outcome, &expected, &self.world, &format!("{step:?}"));
        told
    }

    /// Sends a fact to both; what it came to is compared where no sweep is under way.
    pub(crate) fn say(&mut self, fact: Fact) -> Told {
        let now = self.world.next_now();
        let is_swept = self.world.stale().is_empty();
        let told = self.world.fact(&fact);
        let expected = self.reference.fact(&fact, now);
        if is_swept {
            compare(&told.outcome, &expected, &self.world, &fact.id);
        }
        self.sent.push(fact);
        told
    }

    /// Commits, and compares all there is.
    pub(crate) fn commit(&mut self) {
        self.world.commit();
        self.world.check();
        if let Some(lines) = self.world.state().difference(&self.reference.state()) {
            panic!("the engine (-) differs from the reference (+)\n{lines}");
        }
    }
}

pub(crate) fn compare(outcome: &Outcome, expected: &Expected, world: &World, step: &str) {
    let told = match outcome {
        Outcome::Accepted { held, .. } => Expected::Accepted(held.iter().map(note).collect()),
        Outcome::Duplicate | Outcome::Differs => Expected::Duplicate,
        Outcome::Rejected(_) => Expected::Rejected,
        Outcome::Erased(erased) => {
            Expected::Erased(erased.nodes.iter().map(|(_, identity)| identity.clone()).collect())
        }
        Outcome::Released { severed } => Expected::Released(*severed),
        Outcome::NotFound => Expected::NotFound,
        Outcome::Directed(_) => Expected::Directed,
        Outcome::Refused(_) => Expected::Refused,
        Outcome::Documented(_)
        | Outcome::DocumentTaken(_)
        | Outcome::Touched
        | Outcome::Forgotten
        | Outcome::EventReplaced(_)
        | Outcome::EventForgotten(_)
        | Outcome::EventRewritten(_)
        | Outcome::Swept(_)
        | Outcome::SweptInPart
        | Outcome::Unlinked
        | Outcome::EventEnded
        | Outcome::Settled
        | Outcome::SettledInPart => panic!("a sweep is nobody's command"),
    };
    if told != *expected {
        let config = &world.config;
        panic!("{step} came to\n {} instead of\n {}", spell(&told, config), spell(expected, config));
    }
}

fn note(note: &HeldNote) -> (&'static str, (Identity, Identity), Option<(Identity, Identity)>) {
    let ends = |ends: &[Identity; 2]| pair(&ends[0], &ends[1]);
    (note.rule.name(), ends(&note.between), note.won.as_ref().map(ends))
}

fn spell(expected: &Expected, config: &Config) -> String {
    let name = |identity: &Identity| crate::state::name(identity, config);
    let ends = |pair: &(Identity, Identity)| format!("{} - {}", name(&pair.0), name(&pair.1));
    match expected {
        Expected::Accepted(held) => {
            let held = held.iter().map(|(rule, between, won)| {
                format!("{rule}: {} won by {}", ends(between), won.as_ref().map_or("none".into(), &ends))
            });
            format!("accepted, held {:?}", held.collect::<Vec<_>>())
        }
        Expected::Erased(nodes) => format!("erased {:?}", nodes.iter().map(name).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
