//! Takes what was written into an event out of it again: what it rests on was erased.

use super::command::{Decide, record_of};
use super::{Act, NewEvent, Outcome};
use crate::fact::{Call, FactKey};
use crate::rules::Event;
use crate::working::{Lack, Need, Working};

/// An event that loses some of what was written into it.
#[derive(Debug, Clone)]
pub struct EventRewriting {
    /// The event as it stands.
    pub event: NewEvent,
    /// What stands on the timeline from now on.
    pub call: Call,
}

impl EventRewriting {
    fn key(&self) -> FactKey {
        FactKey { dataset: self.event.dataset.clone(), id: self.event.fact_id.clone() }
    }
}

impl Decide for EventRewriting {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Fact(self.key()), Need::Home(self.event.node)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.event.node).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.rewrite_event(self)
    }
}

impl Act<'_> {
    /// Puts the call of an event in the place of the one that stands. One that has gone meanwhile stays gone.
    fn rewrite_event(&mut self, rewriting: &EventRewriting) -> Result<Outcome, Lack> {
        let (key, node) = (rewriting.key(), rewriting.event.node);
        let row = self.working.fact(&key)?.filter(|row| row.node == node && row.event == Some(rewriting.event.id));
        let is_known = row.is_some() && self.known_fact(&key)?.is_some();
        let Some(home) = self.working.home(node)?.filter(|_| is_known) else { return Ok(Outcome::NotFound) };
        let after = NewEvent { call: rewriting.call.clone(), rests_on: Vec::new(), ..rewriting.event.clone() };
        self.replace_in_states((node, home), &Event::from(&rewriting.event), Event::from(&after))?;
        let cluster = self.working.cluster(home)?;
        let identity = cluster.node(node).ok_or(Lack::Torn)?.identity.clone();
        self.notice_changed(&identity)?;
        Ok(Outcome::EventRewritten(Box::new(after)))
    }
}
