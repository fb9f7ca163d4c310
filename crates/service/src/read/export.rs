//! Everything that is held of one person, row by row: for who asks what we know of them.
//!
//! The record of the profile is in memory, as in any read; links to other profiles and events are read in pages as they are asked
//! for. So it is no single instant: what is written meanwhile may be in it or not.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::cluster::{Link, LinkState, Node, Tally};
use tessera_engine::fact::{Identity, Strength};
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_expr::facts::Membership as Stands;
use tessera_store::{Direction, KeyRange, ScanLimit};

use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::json::write_value;
use crate::base::store_error::read_failed;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::read::find::Found;
use crate::read::query::StoredCall;
use crate::read::ruled::{self, Asker};
use crate::read::timeline::{seen_by, stands};
use crate::stored::keys::Scope;
use crate::stored::layout::read_event_key;
use crate::stored::loose;
use crate::stored::records::event;

/// Rows read in one go.
const ROWS_AT_ONCE: usize = 100;

/// Where something was said, how often, and when.
#[derive(Debug, Clone)]
pub struct Said {
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery, if any.
    pub batch: Option<Arc<str>>,
    /// How many facts said so.
    pub count: u64,
    /// The earliest event time among them.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

/// One thing that is held. It has no `Debug`: it is somebody's.
#[derive(Clone)]
pub enum Held {
    /// An identity.
    Identity {
        /// The node's id.
        id: NodeId,
        /// The identity.
        identity: NamedIdentity,
        /// When it was first stored.
        created_at: Timestamp,
        /// The newest event time of a fact that carried it.
        last_seen: Option<Timestamp>,
        /// Facts it owns.
        facts: u64,
    },
    /// That two identities were seen together.
    Link {
        /// The identities.
        between: [NamedIdentity; 2],
        /// `joined`, `verified`, `observed`, `derived`.
        strength: &'static str,
        /// `active`, the rule that refuses it, or `severed`.
        state: &'static str,
        /// What said so.
        said: Said,
    },
    /// A value of an attribute.
    Value {
        /// Of which identity.
        identity: NamedIdentity,
        /// Which attribute.
        path: Path,
        /// The value, as JSON; null removes.
        json: Bytes,
        /// The dataset that says so.
        dataset: Arc<str>,
        /// The named delivery it came in.
        batch: Option<Arc<str>>,
        /// When it became true.
        time: Timestamp,
        /// When it was received.
        received_at: Timestamp,
    },
    /// That an identity belongs to an account.
    Relation {
        /// The identity.
        identity: NamedIdentity,
        /// The account.
        account: NamedIdentity,
        /// What said so.
        said: Said,
    },
    /// What a computed attribute comes to.
    Computed {
        /// Its name.
        name: Arc<str>,
        /// The value, as JSON.
        json: Bytes,
    },
    /// How the profile stands to a segment that it is in or has been in.
    Membership {
        /// The name of the segment.
        segment: Arc<str>,
        /// Since when it is a member; none if it is none.
        entered: Option<Timestamp>,
        /// When it last had ceased to be one.
        left: Option<Timestamp>,
    },
    /// A call on the timeline.
    Event {
        /// The identity that owns it.
        identity: NamedIdentity,
        /// The call.
        call: StoredCall,
    },
}

/// An export while it is read. Identities come first, then links, values, relations, what the rules come to under the workspace's default
/// policy, and events, those of one identity after the other, the oldest first.
pub struct Export {
    asker: Asker,
    scope: Scope,
    configured: Arc<Configured>,
    found: Found,
    visibility: Flags,
    /// What has ended by this instant is held no more.
    now: Timestamp,
    ready: VecDeque<Held>,
    rest: VecDeque<Step>,
}

/// A part of an export that is still to be made.
enum Step {
    /// The links to other profiles at this node.
    Held(NodeId, Option<KeyRange>),
    /// What stands in the record beside identities and links.
    Values,
    Relations,
    /// Computed attributes and memberships.
    RuleResults,
    /// The events of this node.
    Events(NodeId, Option<KeyRange>),
}

impl Export {
    pub(crate) fn new(
        asker: Asker,
        configured: Arc<Configured>,
        found: Found,
        visibility: Flags,
        now: Timestamp,
    ) -> Self {
        let scope = Scope::new(asker.workspace);
        let nodes: Vec<NodeId> = found.cluster.piece(found.node).map(|node| node.id).collect();
        let held = nodes.iter().map(|node| Step::Held(*node, None));
        let events = nodes.iter().map(|node| Step::Events(*node, None));
        let rest = held.chain([Step::Values, Step::Relations, Step::RuleResults]).chain(events).collect();
        let mut export = Self { asker, scope, configured, found, visibility, now, ready: VecDeque::new(), rest };
        export.identities();
        export
    }

    /// The profile's id.
    #[must_use]
    pub fn profile_id(&self) -> NodeId {
        self.found.cluster.profile_id(self.found.node).unwrap_or(self.found.node)
    }

    /// The next thing that is held; none at the end.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`. The export is over then, and not whole.
    pub async fn next(&mut self) -> Result<Option<Held>, Error> {
        while self.ready.is_empty() {
            match self.rest.pop_front() {
                None => return Ok(None),
                Some(Step::Held(node, range)) => self.held_links(node, range).await?,
                Some(Step::Values) => self.values(),
                Some(Step::Relations) => self.relations(),
                Some(Step::RuleResults) => self.ruled().await?,
                Some(Step::Events(node, range)) => self.events(node, range).await?,
            }
        }
        Ok(self.ready.pop_front())
    }

    fn named(&self, identity: &Identity) -> NamedIdentity {
        NamedIdentity::new(identity, &self.configured.config)
    }

    fn piece(&self) -> impl Iterator<Item = &Node> {
        self.found.cluster.piece(self.found.node)
    }

    fn node(&self, node: NodeId) -> Result<&Node, Error> {
        self.found.cluster.node(node).ok_or_else(|| corrupt("nodes of a profile"))
    }

    /// The identities, and the links in the profile's own record.
    fn identities(&mut self) {
        let (cluster, sweeps) = (&self.found.cluster, self.configured.config.sweeps());
        let mut found: Vec<Held> = (self.piece())
            .map(|node| Held::Identity {
                id: node.id,
                identity: self.named(&node.identity),
                created_at: node.created_at,
                last_seen: cluster.last_seen(node, sweeps),
                facts: node.facts(),
            })
            .collect();
        let is_own = |link: &&Link| self.piece().any(|node| link.touches(node.id));
        found.extend(cluster.links.iter().filter(is_own).flat_map(|link| self.link(link)));
        self.ready.extend(found);
    }

    /// A row for each thing that says so.
    fn link(&self, link: &Link) -> Vec<Held> {
        let sweeps = self.configured.config.sweeps();
        let state = match link.state {
            LinkState::Active => "active",
            LinkState::Held(rule) => rule.name(),
            LinkState::Severed(_) => "severed",
        };
        let between = [self.named(&link.ends[0].identity), self.named(&link.ends[1].identity)];
        let evidence = link.evidence.iter().filter(|evidence| !sweeps.erases(&evidence.tally.source));
        let row = |(strength, tally): (Strength, &Tally)| Held::Link {
            between: between.clone(),
            strength: strength.name(),
            state,
            said: said(tally),
        };
        evidence.map(|evidence| row((evidence.strength, &evidence.tally))).collect()
    }

    async fn held_links(&mut self, node: NodeId, range: Option<KeyRange>) -> Result<(), Error> {
        let range = range.unwrap_or_else(|| self.scope.held_of(node));
        let page = loose::links_of(&*self.asker.store, self.scope, node, &range, ROWS_AT_ONCE).await?;
        for link in page.links {
            // It stands at both ends; where both are of this profile it is told at the first.
            let is_first = link.ends[0].node == node || !self.piece().any(|own| own.id == link.ends[0].node);
            if is_first && !link.is_mark() {
                self.ready.extend(self.link(&link));
            }
        }
        if page.rest.is_some() {
            self.rest.push_front(Step::Held(node, page.rest));
        }
        Ok(())
    }

    fn values(&mut self) {
        let (config, model) = (&self.configured.config, &self.configured.stored.model().model);
        let mut found = Vec::new();
        for node in self.piece() {
            for fragment in &node.fragments {
                for cell in &fragment.cells {
                    if cell.is_gone(&fragment.dataset, config, self.now) || model.is_hidden(&cell.path, self.visibility)
                    {
                        continue;
                    }
                    let mut json = Vec::new();
                    write_value(&cell.value, &mut json);
                    found.push(Held::Value {
                        identity: self.named(&node.identity),
                        path: cell.path.spoken_of().into_owned(),
                        json: json.into(),
                        dataset: fragment.dataset.clone(),
                        batch: cell.batch.clone(),
                        time: cell.time,
                        received_at: cell.received_at,
                    });
                }
            }
        }
        self.ready.extend(found);
    }

    fn relations(&mut self) {
        let sweeps = self.configured.config.sweeps();
        let mut found = Vec::new();
        for node in self.piece() {
            for relation in &node.relations {
                let evidence = relation.evidence.iter().filter(|tally| !sweeps.erases(&tally.source));
                found.extend(evidence.map(|tally| Held::Relation {
                    identity: self.named(&node.identity),
                    account: self.named(&relation.account),
                    said: said(tally),
                }));
            }
        }
        self.ready.extend(found);
    }

    async fn ruled(&mut self) -> Result<(), Error> {
        let mut ruled = self.asker.ruled_anew(&self.configured, &self.found, self.now).await?;
        ruled::hide(&mut ruled, &self.configured.flagged, self.visibility);
        let computed = ruled.attributes.iter().map(|(name, value)| {
            let mut json = Vec::new();
            write_value(value, &mut json);
            Held::Computed { name: name.clone(), json: json.into() }
        });
        let memberships = ruled.audiences.iter().filter_map(|(segment, stands)| {
            let (entered, left) = match *stands {
                Stands::Inside { entered, left } => (Some(entered), left),
                Stands::Outside { left } => (None, Some(left?)),
            };
            Some(Held::Membership { segment: segment.clone(), entered, left })
        });
        self.ready.extend(computed.chain(memberships));
        Ok(())
    }

    async fn events(&mut self, node: NodeId, range: Option<KeyRange>) -> Result<(), Error> {
        let range = range.unwrap_or_else(|| self.scope.events_of(node));
        let page = self.asker.store.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let identity = self.named(&self.node(node)?.identity);
        let mut found = Vec::new();
        for row in &page.rows {
            let (_, time, id) = read_event_key(&row.key).ok_or_else(|| corrupt("event key"))?;
            let call = event::decode(id, time, &row.value)?;
            if stands(&call, &self.configured.config, self.now) {
                let seen = seen_by(call, self.visibility, &self.configured);
                found.extend(seen.map(|call| Held::Event { identity: identity.clone(), call }));
            }
        }
        self.ready.extend(found);
        if page.next.is_some() {
            self.rest.push_front(Step::Events(node, page.next));
        }
        Ok(())
    }
}

fn said(tally: &Tally) -> Said {
    let Tally { source, count, first, last, .. } = tally;
    Said { dataset: source.dataset.clone(), batch: source.batch.clone(), count: *count, first: *first, last: *last }
}
