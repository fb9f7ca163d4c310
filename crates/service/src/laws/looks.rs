//! What is told of every profile at an instant, held against the facts.

use std::collections::{BTreeMap, BTreeSet};

use tessera_engine::config::Kind;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::rules::{Asked, SegmentId, read};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Tree;
use tessera_engine::view::{self, Lens, Relevance};
use tessera_expr::ast::Name;
use tessera_expr::facts::Membership;
use tessera_store::{Direction, ScanLimit};

use super::naive::{Answers, answers};
use super::seen::one_more;
use super::world::{JOBS, Known, TICK, WORKSPACE, World};
use crate::config::workspace::RuleKind;
use crate::read::query::{EventQuery, Lookup, StoredCall};
use crate::read::ruled;
use crate::read::timeline;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_node_key;
use crate::stored::loose;
use crate::stored::records::cluster;

/// Commits that may share an instant of the clock with the one that is looked at, at a microsecond each.
const BESIDE: i64 = 16;

/// A profile with all that is said of it.
pub(super) struct Whole {
    pub(super) record: NodeId,
    pub(super) head: NodeId,
    pub(super) of: Kind,
    pub(super) tree: Tree,
    pub(super) events: Vec<StoredCall>,
    pub(super) naive: Answers,
}

/// A profile at an instant.
struct Shown {
    head: NodeId,
    naive: Answers,
    told: Answers,
    entered: BTreeMap<Name, Timestamp>,
}

impl World<'_> {
    /// Compares what is told of every profile at an instant with what the facts say. What came about since an instant began then or later.
    pub(super) async fn look(&mut self, at: Timestamp, since: Timestamp) {
        let unsettled_since = self.unsettled_since.take();
        let shown = self.shown(at).await;
        let heads: BTreeSet<NodeId> = shown.iter().map(|shown| shown.head).collect();
        let versions = self.live_versions().await;
        let mut known = Known::new();
        for Shown { head, naive, told, entered } in shown {
            one_more(&self.seen.reads);
            assert_eq!(told, naive, "at {} of {head}: {}", at.micros(), self.rules().await);
            for (name, entered) in entered {
                one_more(&self.seen.insides);
                let own = (versions[&name], entered);
                let key = (head, name);
                let is_expected = self.may_have_entered(&key, own, (since, at), unsettled_since);
                assert!(is_expected, "{} since {} at {}", key.1, entered.micros(), at.micros());
                if since == at && self.heads.contains(&head) && !self.known.contains_key(&key) {
                    one_more(&self.seen.changed_by_time);
                }
                self.last.insert(key.clone(), own);
                self.held.insert((head, key.1.clone(), entered));
                known.insert(key, own);
            }
        }
        (self.versions, self.heads, self.known, self.looked_at) = (versions, heads, known, at);
        for kind in JOBS {
            if !self.service.jobs().open_of(WORKSPACE, kind).await.expect("jobs").is_empty() {
                self.unsettled_since = unsettled_since.or(Some(at));
            }
        }
    }

    /// Whether a membership may have begun at an instant, by what was known of it before and the time that has passed since the look before.
    fn may_have_entered(
        &self,
        key: &(NodeId, Name),
        (version, entered): (SegmentId, Timestamp),
        (since, at): (Timestamp, Timestamp),
        unsettled_since: Option<Timestamp>,
    ) -> bool {
        // Several commits of one instant of the clock are a microsecond apart.
        if self.is_tiny {
            return entered <= at.plus_micros(TICK);
        }
        // So are a write and what the timers do beside it, right after a restart.
        let to = at.plus_micros(if unsettled_since.is_some() { TICK } else { BESIDE });
        let is_now = (unsettled_since.map_or(since, |unsettled| unsettled.min(since))..=to).contains(&entered);
        let is_as_before = self.known.get(key).is_some_and(|(_, was)| *was == entered);
        if self.versions.get(&key.1) != Some(&version) {
            // It was built meanwhile: it is held as long as the one before was, when it was made or since, or from when somebody looked.
            let was_so = self.held.contains(&(key.0, key.1.clone(), entered));
            let put_at = self.put_at[&key.1];
            return was_so || (unsettled_since.map_or(put_at, |at| at.min(put_at))..=to).contains(&entered);
        }
        if unsettled_since.is_some() {
            // What is late by then is made up for under the new configuration, without what was erased: as if it had been so all along.
            return entered <= to;
        }
        // What time took and a write gave back at one instant has been held all along.
        let was_held = self.looked_at == at && self.last.get(key).is_some_and(|(_, was)| *was == entered);
        // Of several commands one may have taken it, and the next given it back.
        let is_back = since < at && is_now;
        if self.known.contains_key(key) { is_as_before || is_back } else { is_now || was_held }
    }

    async fn live_versions(&self) -> BTreeMap<Name, SegmentId> {
        let config = self.service.configuration(WORKSPACE).await.expect("a configuration");
        let segments = config.rules().of(RuleKind::Segment).values();
        segments.filter_map(|rule| Some((rule.name.shared(), rule.live()?.segment?))).collect()
    }

    /// The rules of the case, for whoever reads why it failed.
    async fn rules(&self) -> String {
        let config = self.service.configuration(WORKSPACE).await.expect("a configuration");
        let of = |kind| {
            config
                .rules()
                .of(kind)
                .values()
                .filter_map(|rule| Some((rule.name.shared(), rule.live()?.definition.pql.clone())))
        };
        let all: Vec<_> = of(RuleKind::Attribute).chain(of(RuleKind::Segment)).collect();
        format!("{all:?}")
    }

    /// Every profile with all that is said of it at an instant.
    pub(super) async fn everybody(&self, at: Timestamp) -> Vec<Whole> {
        let configured = self.service.configured(WORKSPACE).await.expect("a configuration");
        let (config, scope) = (&configured.config, Scope::new(WORKSPACE));
        let policy = configured.policy(None).expect("the default policy");
        let page = self.store.scan(&scope.all_of(Family::Cluster), ScanLimit::rows(100), Direction::Forward).await;
        let mut everybody = Vec::new();
        for row in page.expect("records").rows {
            read_node_key(&row.key).expect("a key");
            let cluster = cluster::decode(&row.value, config).expect("a record");
            if loose::is_forgotten(&*self.store, scope, &cluster).await.expect("links") {
                // It goes with what was erased, in steps.
                continue;
            }
            let segment_states = cluster.nodes.iter().filter_map(|node| node.segment_states.as_ref());
            segment_states.filter(|own| own.late.is_some()).for_each(|_| one_more(&self.seen.put_off));
            for head in cluster.profile_ids() {
                let lookup = Lookup::Id(head.to_string());
                let found = self.service.finder(WORKSPACE, config).find(&lookup).await;
                let Some(of) = cluster.kind_of(head, config) else {
                    // Nobody has a fact of theirs, and nobody is shown.
                    assert_eq!(found.expect_err("nobody").code, "profile_not_found");
                    let states = cluster.node(head).and_then(|node| node.segment_states.as_deref());
                    let is_inside = |own: &tessera_engine::rules::Membership| own.is_inside();
                    assert!(states.is_none_or(|own| own.late.is_some() || !own.memberships.iter().any(is_inside)));
                    one_more(&self.seen.nobodies);
                    continue;
                };
                let found = found.expect("a profile");
                let lens = Lens { policy: &policy.compiled, config, now: at, relevance: Relevance::Any };
                let view = view::fold(&found.cluster, head, &lens).expect("a view");
                let tree = Tree::Node(view::seen(view, (&found.cluster, head), &lens));
                let query = EventQuery {
                    limit: 1_000,
                    visibility: Flags { internal: true, private: true },
                    ..EventQuery::default()
                };
                let events: (Vec<StoredCall>, _) =
                    timeline::read(&*self.store, scope, &found, &query, None, &configured, at).await.expect("events");
                let naive = answers(&configured.stored, &tree, &events.0, of, at);
                everybody.push(Whole { record: cluster.id(), head, of, tree, events: events.0, naive });
            }
        }
        everybody
    }

    async fn shown(&self, at: Timestamp) -> Vec<Shown> {
        let configured = self.service.configured(WORKSPACE).await.expect("a configuration");
        let (config, mut shown) = (&configured.config, Vec::new());
        let policy = configured.policy(None).expect("the default policy");
        for Whole { head, of, naive, .. } in self.everybody(at).await {
            if of == Kind::Account && naive.segments.values().any(|is_inside| *is_inside) {
                one_more(&self.seen.accounts);
            }
            let mut tries = ruled::Tries::default();
            let ruled = loop {
                // A job may write the record while it is looked at.
                let lookup = Lookup::Id(head.to_string());
                let found = self.service.finder(WORKSPACE, config).find(&lookup).await.expect("a profile");
                let asked = Asked {
                    config,
                    cluster: &found.cluster,
                    node: found.node,
                    policy: &policy.compiled,
                    now: at,
                    events: None,
                    known: &tessera_engine::rules::Known::default(),
                    given_up: None,
                };
                let answer = ruled::answer_of(&*self.store, WORKSPACE, (asked, found.version), read).await;
                if !tries.goes_on(&answer) {
                    break answer.expect("answers");
                }
            };
            assert!(ruled.troubled.is_empty(), "{:?}", ruled.troubled);
            let inside = |(name, stands): &(Name, Membership)| match stands {
                Membership::Inside { entered, .. } => Some((name.clone(), *entered)),
                Membership::Outside { .. } => None,
            };
            let entered: BTreeMap<Name, Timestamp> = ruled.audiences.iter().filter_map(inside).collect();
            let segments = ruled.audiences.iter().map(|(name, _)| (name.clone(), entered.contains_key(name))).collect();
            let told = Answers { attributes: ruled.attributes.into_iter().collect(), segments };
            shown.push(Shown { head, naive, told, entered });
        }
        shown
    }
}
