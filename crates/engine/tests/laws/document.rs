//! The law of documents: two documents never hold one identity that is unique to them, and what a document no longer names is released and
//! keeps its own facts. A write of a document is held to the naive model, which chooses it, releases and says one after the other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tessera_engine::decide::{Command, Documented, Outcome};
use tessera_engine::document::{
    DocumentTerms, DocumentWrite, Existence, Holders, PreparedDocument, Replace, prepare_document,
};
use tessera_engine::fact::{Fact, Identity, Replaces};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Value;

use crate::pair::{Both, compare};
use crate::reference::{Expected, Reference};
use crate::steps::{NAMESPACES, Say, Step, law, say, setup, steps};
use crate::world::{Fetch, World};

/// One step of a history with documents.
#[derive(Debug, Clone)]
enum Act {
    Plain(Step),
    Document(Say, DocumentTerms),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => steps(1..2).prop_map(|mut steps| Act::Plain(steps.remove(0))),
        3 => (say(), terms()).prop_map(|(say, terms)| Act::Document(of_people(say), terms)),
    ]
}

/// A document is a person's, and of no account.
fn of_people(mut say: Say) -> Say {
    say.claims.retain(|(id, _)| (1..6).contains(&id.0));
    say.account = None;
    say
}

fn terms() -> impl Strategy<Value = DocumentTerms> {
    let some = |most| {
        prop::collection::btree_set(1usize..6, 0..=most)
            .prop_map(|set: BTreeSet<usize>| set.into_iter().map(|at| NAMESPACES[at].0.into()).collect::<Vec<_>>())
    };
    let existence =
        prop_oneof![4 => Just(Existence::Either), 1 => Just(Existence::MustBeNew), 1 => Just(Existence::MustExist)];
    let strong = prop::option::weighted(0.6, 1usize..4).prop_map(|at| at.map(|at| NAMESPACES[at].0.into()));
    let cleared = prop_oneof![4 => Just(Vec::new()).boxed(), 1 => some(1).boxed()];
    let unique = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => some(2).boxed()];
    let whole = prop_oneof![3 => Just(Vec::new()).boxed(), 1 => some(2).boxed()];
    let holders = prop_oneof![2 => Just(Holders::Documents), 1 => Just(Holders::Profiles)];
    let replace = prop_oneof![2 => Just(Replace::Nothing), 2 => Just(Replace::Own), 1 => Just(Replace::All)];
    (existence, some(3), cleared, (whole, unique, holders), (strong, any::<bool>()), replace).prop_map(
        |(existence, single, cleared, (whole, unique, holders), (strong, keep_strong), replace)| DocumentTerms {
            existence,
            single,
            cleared,
            whole,
            unique,
            holders,
            strong,
            keep_strong,
            replace,
        },
    )
}

impl World {
    /// Writes a document.
    fn write(&mut self, write: &PreparedDocument) -> Outcome {
        self.decide(&Command::Document(Box::new(write.clone()))).outcome
    }

    fn identity_of(&self, document: &Documented) -> Identity {
        let cluster = self.tables.clusters.values().find_map(|cluster| cluster.node(document.document));
        cluster.expect("the document stands").identity.clone()
    }
}

fn write(both: &mut Both, say: &Say, terms: &DocumentTerms) {
    both.commit();
    let (now, fact) = (both.world.next_now(), say.fact(both.sent.len()));
    both.sent.push(fact.clone());
    let write = DocumentWrite { fact: Box::new(fact), terms: terms.clone(), of: None };
    let Ok(write) = prepare_document(write, now, &both.world.config.clone()) else { return };
    let outcome = both.world.write(&write);
    both.commit_world();
    let made = match &outcome {
        Outcome::Documented(documented) => Some(both.world.identity_of(documented)),
        _ => None,
    };
    let expected = both.reference.document(&write, made.as_ref(), now);
    match (&outcome, &expected) {
        (Outcome::Documented(one), Written::Said { document, is_new, left_out, released }) => {
            assert_eq!(made.as_ref(), Some(document), "the document that is chosen");
            assert_eq!(one.is_new, *is_new, "whether it is new");
            assert_eq!(one.left_out.iter().collect::<BTreeSet<_>>(), left_out.iter().collect(), "what is left out");
            assert_eq!(one.released.iter().collect::<BTreeSet<_>>(), released.iter().collect(), "what is released");
            one.released.iter().for_each(|own| holds_only_its_own(both, own));
        }
        (Outcome::DocumentTaken(one), Written::Taken(other)) => assert_eq!(one, other),
        (outcome, Written::Other(expected)) => compare(outcome, expected, &both.world, "a document"),
        (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
    }
    both.commit();
}

/// What was released is nobody's but its own.
fn holds_only_its_own(both: &Both, identity: &Identity) {
    let row = both.world.tables.identities[identity];
    let cluster = &both.world.tables.clusters[&row.cluster];
    let owned = cluster.node(row.node).expect("it stands").facts();
    assert_eq!(owned, both.reference.owned_by(identity), "it keeps its own facts");
}

#[test]
fn a_document_is_what_the_model_says() {
    law(&(setup(), prop::collection::vec(act(), 2..14)), |(setup, acts)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        for act in &acts {
            match act {
                Act::Plain(step) => drop(both.step(step)),
                Act::Document(say, terms) => write(&mut both, say, terms),
            }
        }
        both.commit();
    });
}

#[test]
fn a_document_does_not_hang_on_how_it_is_read() {
    law(&(setup(), prop::collection::vec(act(), 2..10)), |(setup, acts)| {
        let mut worlds = [Fetch::Rounds, Fetch::OneByOne].map(|fetch| World::new(setup.config(), fetch));
        for (at, act) in acts.iter().enumerate() {
            let Act::Document(say, terms) = act else { continue };
            let mut outcomes = worlds.iter_mut().map(|world| {
                world.commit();
                let write = DocumentWrite { fact: Box::new(say.fact(at)), terms: terms.clone(), of: None };
                let write = prepare_document(write, world.next_now(), &world.config.clone()).ok()?;
                let outcome = world.write(&write);
                world.commit();
                Some(format!("{outcome:?}"))
            });
            let first = outcomes.next().flatten();
            outcomes.for_each(|other| assert_eq!(first, other));
        }
    });
}

/// What a write of a document should come to.
#[derive(Debug)]
pub(crate) enum Written {
    Said { document: Identity, is_new: bool, left_out: Vec<Identity>, released: Vec<Identity> },
    Taken(Vec<Identity>),
    Other(Expected),
}

impl Both {
    fn commit_world(&mut self) {
        self.world.commit();
        self.world.check();
    }
}

impl Reference {
    /// The naive way: looks for the document in all that is known, releases what it no longer names, then takes the fact in.
    fn document(&mut self, write: &PreparedDocument, made: Option<&Identity>, now: Timestamp) -> Written {
        let config = self.config().clone();
        let number = |name: &std::sync::Arc<str>| config.by_name(name).expect("it is known").id;
        let numbers = |names: &[std::sync::Arc<str>]| names.iter().map(number).collect::<BTreeSet<_>>();
        let (single, cleared) = (numbers(&write.terms.single), numbers(&write.terms.cleared));
        let whole = numbers(&write.terms.whole);
        let (unique, documents) = (numbers(&write.terms.unique), number(&"profile".into()));
        let strong = write.terms.strong.as_ref().map(number);
        let (mut fact, owner) = ((*write.prepared.fact).clone(), write.prepared.owner.clone());
        let mut others: Vec<Identity> = write.prepared.others.iter().map(|(own, _)| own.clone()).collect();
        if self.knows(&fact.id) {
            return Written::Other(Expected::Duplicate);
        }
        let named = write.is_named.then(|| owner.clone());
        let keeps = write.terms.keep_strong && !write.is_named;
        let of_strong = |own: &&Identity| Some(own.namespace) == strong;
        let given: BTreeSet<Identity> = others.iter().filter(of_strong).cloned().collect();
        let is_another = |people: &BTreeSet<Identity>| {
            let theirs: BTreeSet<Identity> = people.iter().filter(of_strong).cloned().collect();
            keeps && !theirs.is_empty() && !given.is_empty() && theirs.is_disjoint(&given)
        };
        let found = named.iter().chain(&others).map(|own| self.people_of(own));
        let own = found.into_iter().find(|people| !people.is_empty() && !is_another(people));
        let people = own.clone().unwrap_or_default();
        let is_there = named.as_ref().is_some_and(|named| self.is_known(named));
        let existence = write.terms.existence;
        if existence == Existence::MustExist && if write.is_named { !is_there } else { people.is_empty() } {
            return Written::Other(Expected::NotFound);
        }
        let mut taken: Vec<Identity> =
            named.iter().filter(|_| existence == Existence::MustBeNew && is_there).cloned().collect();
        for other in others.iter().filter(|own| unique.contains(&own.namespace)) {
            let holder = self.people_of(other);
            let is_profile = write.terms.holders == Holders::Profiles && !holder.is_empty();
            let counts = is_profile || holder.iter().any(|own| own.namespace == documents);
            let is_own = is_there && holder == people;
            if counts && (existence == Existence::MustBeNew || write.is_named && !is_own) {
                taken.push(other.clone());
            }
        }
        if !taken.is_empty() {
            return Written::Taken(taken);
        }
        let known = people.iter().filter(|own| own.namespace == documents);
        let first = known.min_by_key(|own| (self.created_at(own), (*own).clone())).cloned();
        let document = named.or(first.clone()).or(made.cloned()).expect("the engine has made one");
        let is_new = !self.is_known(&document);
        let is_public = write.prepared.class == tessera_engine::fact::Class::Public;
        let at = write.prepared.fact.time.unwrap_or(now);
        let may = |own: &Identity| {
            (!is_public || self.is_of_public_links(own, &people))
                && self.last_said(own, &people).is_none_or(|said| said <= at)
        };
        // A value that stays keeps others of a namespace of one value away.
        let stays = |own: &Identity| single.contains(&own.namespace) && !others.contains(own) && !may(own);
        let keeping: BTreeSet<_> = people.iter().filter(|own| stays(own)).map(|own| own.namespace).collect();
        let is_beside = |own: &&Identity| keeping.contains(&own.namespace) && !people.contains(*own);
        let mut left_out: Vec<Identity> = others.iter().filter(is_beside).cloned().collect();
        let rest: Vec<Identity> = others.iter().filter(|own| !left_out.contains(own)).cloned().collect();
        let mut apart = self.apart(&people, (&others, &rest), (strong, cleared.contains(&strong.unwrap_or(documents))));
        if people.is_empty() {
            let stays = |own: &&Identity| Some(own.namespace) != strong && is_another(&self.people_of(own));
            apart.extend(others.iter().filter(stays).cloned());
        }
        let is_known = |own: &&Identity| {
            let theirs = self.people_of(own);
            is_public
                && !people.is_empty()
                && !theirs.is_empty()
                && theirs != people
                && self.are_vouched_for(&people)
                && self.are_vouched_for(&theirs)
        };
        let known: Vec<Identity> = others.iter().filter(is_known).cloned().collect();
        left_out.extend(apart.into_iter().chain(known));
        others.retain(|own| !left_out.contains(own));
        let mut gone: Vec<Identity> = Vec::new();
        for own in people.iter().filter(|own| may(own)) {
            let given: Vec<&Identity> = others.iter().filter(|other| other.namespace == own.namespace).collect();
            let holds_given = given.iter().any(|other| people.contains(*other));
            let is_linked = people.contains(&document) && self.are_linked(own, &document);
            let is_replaced = single.contains(&own.namespace)
                && !given.is_empty()
                && !given.contains(&own)
                && (is_linked || !holds_given);
            let is_left = whole.contains(&own.namespace) && !given.contains(&own);
            if is_replaced || is_left || cleared.contains(&own.namespace) {
                gone.push(own.clone());
            }
        }
        match write.terms.replace {
            Replace::Nothing => {}
            Replace::Own => {
                let others = people.iter().filter(|own| **own != document).cloned().collect();
                self.unsay(&others, Some(documents), &mut fact);
                fact.replaces = Replaces::Fragment;
            }
            Replace::All => self.unsay(&people, None, &mut fact),
        }
        let keeps = |claim: &tessera_engine::fact::Claim| {
            let namespace = number(&claim.namespace);
            !left_out.iter().any(|own| own.namespace == namespace && *own.value == *claim.value)
        };
        fact.claims.retain(keeps);
        let claim = fact.document.as_mut().expect("a document has one");
        claim.value = document.value.clone();
        let mut released = Vec::new();
        let mut let_go = |reference: &mut Self| {
            for own in &gone {
                if matches!(reference.release(&document, own, now), Expected::Released(severed) if severed > 0) {
                    released.push(own.clone());
                }
            }
        };
        if !is_new {
            let_go(self);
        }
        let said = self.fact(&fact, now);
        if !matches!(said, Expected::Accepted(_)) {
            return Written::Other(said);
        }
        if is_new {
            let_go(self);
        }
        Written::Said { document, is_new, left_out, released }
    }

    /// Who stays apart although this write names an identity of theirs.
    fn apart(
        &self,
        people: &BTreeSet<Identity>,
        (others, rest): (&[Identity], &[Identity]),
        (strong, is_cleared): (Option<tessera_engine::config::NamespaceId>, bool),
    ) -> Vec<Identity> {
        let Some(strong) = strong.filter(|_| !people.is_empty()) else { return Vec::new() };
        let given: BTreeSet<&Identity> = rest.iter().filter(|own| own.namespace == strong).collect();
        let own: BTreeSet<&Identity> = if given.is_empty() && !is_cleared {
            people.iter().filter(|own| own.namespace == strong).collect()
        } else {
            given
        };
        let stays = |other: &&Identity| {
            let theirs = self.people_of(other);
            let values: BTreeSet<&Identity> = theirs.iter().filter(|own| own.namespace == strong).collect();
            theirs != *people && !values.is_empty() && !own.is_empty() && values.is_disjoint(&own)
        };
        others.iter().filter(|other| other.namespace != strong).filter(stays).cloned().collect()
    }

    /// Removes what the documents among these people said in the dataset of a fact, or what anybody among them said, and it does not say.
    fn unsay(
        &self,
        people: &BTreeSet<Identity>,
        documents: Option<tessera_engine::config::NamespaceId>,
        fact: &mut Fact,
    ) {
        let owners: Vec<&Identity> =
            people.iter().filter(|own| documents.is_none_or(|documents| own.namespace == documents)).collect();
        for path in self.paths_of(&owners, documents.map(|_| &*fact.dataset)) {
            let is_said =
                fact.attributes.iter().any(|(own, _)| *own == path || own.is_above(&path) || path.is_above(own));
            if !is_said {
                fact.attributes.push((path, Value::Null));
            }
        }
    }
}
