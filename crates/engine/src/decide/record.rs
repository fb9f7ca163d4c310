//! Records: what a dataset says of one identity, all of it at a time. What it said before and does not say now goes, with the links that hung on it
//! alone; what it says as before keeps its time. No row of a fact is kept: whoever brings a record knows what it brought before.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::command::{Decide, needs_of_named, record_of, row};
use super::directive::kept;
use super::{Act, Command, EventErasure, EventPlace, Outcome, ReplacedEvent};
use crate::cluster::{Cell, End, Link, Node, Tally};
use crate::fact::{FactKey, Identity};
use crate::id::NodeId;
use crate::prepare::Prepared;
use crate::time::Timestamp;
use crate::value::{Path, Value};
use crate::working::{Lack, Need, Working};

/// All that a dataset says of its owner from now on, in place of what it said before.
#[derive(Debug, Clone)]
pub struct Record(
    /// What it says.
    pub Box<Prepared>,
);

impl Decide for Record {
    fn first_needs(&self) -> Vec<Need> {
        self.0.identities().cloned().map(Need::Identity).collect()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        let mut needs = needs_of_named(working, self.0.identities());
        needs.extend(row(working, &self.0.owner).map(|row| Need::HeldOf(row.node)));
        needs
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.record(&self.0)
    }

    fn said(&self) -> Option<&Prepared> {
        Some(&self.0)
    }

    fn saying(&self, prepared: Prepared) -> Option<Command> {
        Some(Self(Box::new(prepared)).into())
    }
}

/// That a dataset says nothing of an identity any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgetting {
    /// The identity's node.
    pub node: NodeId,
    /// The dataset.
    pub dataset: Arc<str>,
}

impl Decide for Forgetting {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Home(self.node)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.node).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.forget(self)
    }
}

/// An event, in place of the one of its dataset and id that came before.
#[derive(Debug, Clone)]
pub struct EventReplacement(
    /// The event.
    pub Box<Prepared>,
);

impl Decide for EventReplacement {
    fn first_needs(&self) -> Vec<Need> {
        let identities = self.0.identities().cloned().map(Need::Identity);
        std::iter::once(Need::Fact(self.0.fact.key())).chain(identities).collect()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        needs_of_named(working, self.0.identities())
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.replace_event(&self.0)
    }

    fn said(&self) -> Option<&Prepared> {
        Some(&self.0)
    }

    fn saying(&self, prepared: Prepared) -> Option<Command> {
        Some(Self(Box::new(prepared)).into())
    }
}

/// That an event is off its timeline, as if it had never come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventForgetting(
    /// Its dataset and id.
    pub FactKey,
);

impl Decide for EventForgetting {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Fact(self.0.clone())]
    }

    fn second_needs(&self, _: &Working) -> Vec<Need> {
        Vec::new()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.forget_event(&self.0).map(Outcome::EventForgotten)
    }
}

/// What of a dataset's word stays.
#[derive(Default)]
struct Staying<'a> {
    identities: HashSet<&'a Identity>,
    attributes: HashMap<&'a Path, &'a Value>,
}

impl Act<'_> {
    /// Puts a record in the place of what its dataset said of its owner before.
    fn record(&mut self, prepared: &Prepared) -> Result<Outcome, Lack> {
        let Some(row) = self.working.identity(&prepared.owner)? else { return self.take_in(prepared) };
        let attributes = prepared.fact.attributes.iter().map(|(path, value)| (path, value)).collect();
        let staying = Staying { identities: prepared.others.iter().map(|(own, _)| own).collect(), attributes };
        let end = End { node: row.node, identity: prepared.owner.clone() };
        let said = self.take_back(&end, &prepared.fact.dataset, &staying)?;
        let mut changed = prepared.clone();
        changed.fact.attributes.retain(|(path, _)| !said.contains(path));
        self.take_in(&changed)
    }

    /// Takes all back that a dataset said of an identity. Whoever was known by that alone is known no more.
    fn forget(&mut self, forgetting: &Forgetting) -> Result<Outcome, Lack> {
        let Forgetting { node, dataset } = forgetting;
        let Some(home) = self.working.home(*node)? else { return Ok(Outcome::NotFound) };
        let identity = self.working.cluster(home)?.node(*node).ok_or(Lack::Torn)?.identity.clone();
        let end = End { node: *node, identity };
        self.take_back(&end, dataset, &Staying::default())?;
        if !self.drop_orphan(&end)? {
            self.notice_changed(&end.identity)?;
        }
        Ok(Outcome::Forgotten)
    }

    /// Puts an event in the place of the one of its dataset and id that came before.
    fn replace_event(&mut self, prepared: &Prepared) -> Result<Outcome, Lack> {
        let before = self.forget_event(&prepared.fact.key())?;
        Ok(match self.fact(prepared)? {
            Outcome::Accepted { owner, event, ignored, held } => {
                Outcome::EventReplaced(Box::new(ReplacedEvent { owner, before, event, ignored, held }))
            }
            other => other,
        })
    }

    /// Takes an event off its timeline, as if it had never come; what it linked stays linked. Answers where its row stands.
    fn forget_event(&mut self, key: &FactKey) -> Result<Option<EventPlace>, Lack> {
        let Some(row) = self.known_fact(key)? else { return Ok(None) };
        let (Some(id), Some(source)) = (row.event, row.source.clone()) else { return Ok(None) };
        // It said nothing of attributes, so nothing was received with it that is to go.
        let erasure = EventErasure { fact: key.id.clone(), node: row.node, source, received_at: Timestamp::MIN };
        let outcome = self.erase_event(&erasure)?;
        Ok(matches!(outcome, Outcome::Erased(_)).then_some((row.node, row.time, id)))
    }

    /// Takes back what a dataset said of an identity and does not say as before. Answers the paths of what stays. Events that came in the same
    /// dataset stay on the timeline.
    fn take_back(&mut self, end: &End, dataset: &str, staying: &Staying<'_>) -> Result<HashSet<Path>, Lack> {
        let mut parted: Vec<Identity> = Vec::new();
        for link in self.links_said(end, dataset)? {
            let other = link.other(end.node).identity.clone();
            if staying.identities.contains(&other) {
                continue;
            }
            let mut after = link.clone();
            after.evidence.retain(|own| *own.tally.source.dataset != *dataset);
            self.replace_less(&link, kept(after))?;
            parted.push(other);
        }
        let config = self.working.config().clone();
        let home = self.working.known(&end.identity)?.cluster;
        let mut cluster = self.working.edit(home)?;
        let own = cluster.node_mut(end.node).ok_or(Lack::Torn)?;
        let said = take_from(own, dataset, staying, &|cell| cell.is_gone(dataset, &config, self.now));
        cluster.updated_at = self.now;
        cluster.bytes = cluster.measure();
        self.working.put_cluster(cluster);
        for identity in parted {
            if self.working.identity(&identity)?.is_some() {
                self.notice_changed(&identity)?;
            }
        }
        Ok(said)
    }

    /// The links at a node for which a dataset is evidence, wherever they stand.
    fn links_said(&self, end: &End, dataset: &str) -> Result<Vec<Link>, Lack> {
        let home = self.working.known(&end.identity)?.cluster;
        let says = |link: &Link| link.evidence.iter().any(|own| *own.tally.source.dataset == *dataset);
        let cluster = self.working.cluster(home)?;
        let mut links: Vec<Link> =
            cluster.links.iter().filter(|link| link.touches(end.node) && says(link)).cloned().collect();
        self.working.require_held_of([end.node])?;
        links.extend(self.working.held_of(end.node)?.into_iter().map(Arc::unwrap_or_clone).filter(says));
        links.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(links)
    }
}

/// Takes what does not stay out of a node, and its records out of the counts. Answers the paths of what stays.
fn take_from(own: &mut Node, dataset: &str, staying: &Staying<'_>, is_gone: &dyn Fn(&Cell) -> bool) -> HashSet<Path> {
    let is_of = |tally: &&mut Tally| *tally.source.dataset == *dataset;
    own.owned.iter_mut().filter(is_of).for_each(|tally| tally.count = tally.events);
    own.owned.retain(|tally| tally.count > 0);
    let mut said = HashSet::new();
    for fragment in own.fragments.iter_mut().filter(|own| *own.dataset == *dataset && own.by.is_none()) {
        // A source says what is true now, in whatever order it is read.
        fragment.whole = None;
        fragment.cells.retain(|cell| {
            let path = cell.path.spoken_of();
            let is_said = staying.attributes.get(&*path).is_some_and(|value| **value == cell.value);
            let stays = is_said && !is_gone(cell);
            if stays {
                said.insert(path.into_owned());
            }
            stays
        });
    }
    own.fragments.retain(|fragment| !fragment.is_empty());
    said
}
