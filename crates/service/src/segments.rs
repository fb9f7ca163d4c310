//! Segments as readers see them: members, counts, who came and went, what two have in common, and what a rule would hold of before it is saved.

use std::sync::Arc;
use std::time::Duration;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::rules::{Explained, SegmentId, explain};
use tessera_engine::time::Timestamp;
use tessera_engine::view::{Lens, Relevance};
use tessera_store::{Direction, KeyRange, ScanLimit};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
pub use crate::config::controls::{ControlGroup, SEED_BYTES_MAX};
use crate::config::policies::Chosen;
use crate::config::visibility::Flagged;
use crate::config::workspace::{RuleContent, RuleKind, RuleName, StoredConfig, StoredRule, archive_rule, put_rule};
use crate::directory::{LIST_MAX, ListPage, ListQuery};
use crate::jobs::Job;
use crate::jobs::sweeps::{self, BACKFILL};
use crate::profiles::PAGE_BYTES;
use crate::read::find::{Found, not_found};
use crate::read::query::{Fields, Lookup, Rendered};
use crate::read::render;
use crate::read::ruled::{Of, Tries};
use crate::stored::cursor::{self, Purpose};
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::Scope;
use crate::stored::layout::read_member_key;
use crate::stored::records::ruled::{decode_counts, decode_member};
use crate::stored::row;
use crate::work::service::Service;
use crate::write::lane::Changed;

pub use crate::stored::records::ruled::MemberCounts;
pub use changes::{MemberChange, MemberChangeKind, MemberChanges};
pub use controlled::Controlled;
use controlled::{control_of, controlled};
pub use history::{MembershipChange, MembershipChangePage};
pub use preview::Preview;

mod changes;
mod controlled;
mod history;
mod preview;

/// Segments that one is compared with at once.
pub const OVERLAPS_MAX: usize = 20;
/// Members read in one go.
const ROWS: usize = 1_000;
/// How long it takes to look again where no job brings a rule, and one is about to.
const BETWEEN_JOBS: Duration = Duration::from_millis(10);

/// A member of a segment.
#[derive(Clone)]
pub struct Member {
    /// The id of the profile.
    pub id: String,
    /// What the profile is called, as a read shows it.
    pub profile_id: String,
    /// Since when it is one.
    pub entered_at: Timestamp,
    /// Where the segment has a control group, whether it is in that.
    pub is_control: Option<bool>,
    /// The profile, where it is to be shown and is still there.
    pub profile: Option<Rendered>,
}

/// What another segment has in common with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The other segment.
    pub name: String,
    /// Its members.
    pub count: u64,
    /// Those that both have.
    pub both: u64,
}

/// A computed attribute or a segment as it is shown.
#[derive(Debug, Clone)]
pub struct ShownRule {
    /// The rule.
    pub rule: StoredRule,
    /// Of a segment, its counts; nobody is a member before it is live.
    pub counts: Option<MemberCounts>,
    /// The job that brings it to everybody, while one does.
    pub job: Option<Job>,
    /// Of a segment, its control group, if it has one.
    pub control_group: Option<ControlGroup>,
}

impl Service {
    /// A computed attribute or a segment.
    ///
    /// # Errors
    /// `NotFound` with `attribute_not_found`, `segment_not_found`.
    pub async fn stored_rule(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        name: &str,
        visibility: Flags,
    ) -> Result<ShownRule, Error> {
        let configured = self.configured(workspace).await?;
        if configured.flagged.is_hidden(kind, name, visibility) {
            return Err(unknown(kind == RuleKind::Attribute));
        }
        let rule = configured.stored.rules().find(kind, name)?.clone();
        let job = self.building_job(workspace, &configured).await?;
        self.shown(workspace, kind, rule, job.as_ref()).await
    }

    /// A computed attribute or a segment once it has been brought to everybody as it is now said. It may take as long as the jobs do that bring it:
    /// whoever asks bounds it.
    ///
    /// # Errors
    /// As [`Self::stored_rule`].
    pub async fn rule_once_brought(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        name: &str,
        visibility: Flags,
    ) -> Result<ShownRule, Error> {
        loop {
            let shown = self.stored_rule(workspace, kind, name, visibility).await?;
            if shown.rule.next().is_none() {
                return Ok(shown);
            }
            match &shown.job {
                Some(job) => {
                    let mut watch = self.jobs().watch(workspace, job.id).await?;
                    while watch.next().await.is_some_and(|job| !job.has_ended()) {}
                }
                // One job has ended, and the next one has not begun.
                None => tokio::time::sleep(BETWEEN_JOBS).await,
            }
        }
    }

    /// Makes or replaces a computed attribute or a segment, for a key of these rights. What the key may not see is as if it were not there.
    ///
    /// # Errors
    /// As [`put_rule`]; `NotFound` with `attribute_not_found`, `segment_not_found` where one that is hidden would be replaced.
    pub async fn put_stored_rule(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        name: &RuleName,
        (content, expected, control): (RuleContent, Option<u64>, Controlled),
        visibility: Flags,
        once: Option<Once<ShownRule>>,
    ) -> Result<Given<ShownRule>, Error> {
        let own = name.clone();
        let change = move |config: &StoredConfig, at| {
            // Names are taken whether they are seen or not.
            if expected != Some(0) {
                check_seen(config, kind, own.as_str(), visibility)?;
            }
            let next = put_rule(config, kind, &own, content, expected, at)?;
            controlled(config, next, (kind, &own), &control, at)
        };
        let (own, without_rules) = (name.clone(), self.is_without_rules());
        let once = once.map(|Once { request, render }| {
            let render = move |changed: &Changed| render(&shown_as(changed, kind, &own, without_rules)?);
            Once { request, render: Arc::new(render) }
        });
        match self.configure_once(workspace, once, change).await? {
            Given::Now(changed) => Ok(Given::Now(shown_as(&changed, kind, name, without_rules)?)),
            Given::Before(reply) => Ok(Given::Before(reply)),
        }
    }

    /// Takes a computed attribute or a segment out of use, for a key of these rights.
    ///
    /// # Errors
    /// As [`archive_rule`]; `NotFound` with `attribute_not_found`, `segment_not_found` where it is hidden.
    pub async fn archive_stored_rule(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        name: &str,
        visibility: Flags,
    ) -> Result<Arc<StoredConfig>, Error> {
        let own = name.to_owned();
        let change = move |config: &StoredConfig, at| {
            check_seen(config, kind, &own, visibility)?;
            let is_shown = |kind, name: &str| !Flagged::new(config).is_hidden(kind, name, visibility);
            archive_rule(config, kind, &own, is_shown, at)
        };
        self.configure_rules(workspace, change).await
    }

    /// A page of the computed attributes or segments, by name.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`.
    pub async fn stored_rules(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        query: &ListQuery,
        visibility: Flags,
    ) -> Result<ListPage<ShownRule>, Error> {
        check_limit(query.limit)?;
        let configured = self.configured(workspace).await?;
        let purpose = match kind {
            RuleKind::Attribute => Purpose::Attributes,
            RuleKind::Segment => Purpose::Segments,
        };
        let carried = query.cursor.as_deref().map(|cursor| self.cursors().open_sealed(workspace, purpose, cursor));
        let last = carried.transpose()?.unwrap_or_default();
        let last = std::str::from_utf8(&last).map_err(|_| cursor::invalid())?;
        let is_shown = |name: &str| name > last && !configured.flagged.is_hidden(kind, name, visibility);
        let mut rest = configured.stored.rules().of(kind).iter().filter(|(name, _)| is_shown(name.as_str()));
        let page: Vec<StoredRule> = rest.by_ref().take(query.limit).map(|(_, rule)| (**rule).clone()).collect();
        let ended = page.last().filter(|_| rest.next().is_some()).map(|rule| rule.name.clone());
        let job = self.building_job(workspace, &configured).await?;
        let mut items = Vec::with_capacity(page.len());
        for rule in page {
            items.push(self.shown(workspace, kind, rule, job.as_ref()).await?);
        }
        let next_cursor = ended.map(|name| self.cursors().seal(workspace, purpose, name.as_str().as_bytes()));
        Ok(ListPage { items, next_cursor })
    }

    async fn shown(
        &self,
        workspace: WorkspaceId,
        kind: RuleKind,
        rule: StoredRule,
        job: Option<&Job>,
    ) -> Result<ShownRule, Error> {
        let counts = match (kind, rule.live().and_then(|live| live.segment)) {
            (RuleKind::Attribute, _) => None,
            // Nobody counts what is not evaluated.
            (RuleKind::Segment, _) if self.is_without_rules() => None,
            (RuleKind::Segment, Some(segment)) => Some(self.counts_of(workspace, segment).await?),
            (RuleKind::Segment, None) => Some(MemberCounts::default()),
        };
        let job = job.filter(|_| rule.next().is_some()).cloned();
        let control_group = control_of(&*self.configuration(workspace).await?, kind, rule.name.as_str())?;
        Ok(ShownRule { rule, counts, job, control_group })
    }

    /// The job that brings rules to everybody, if there is one: one does it for all that are building.
    async fn building_job(&self, workspace: WorkspaceId, configured: &Configured) -> Result<Option<Job>, Error> {
        Ok(sweeps::building(self.jobs().open_of(workspace, BACKFILL).await?, configured.stored.rules().generation()))
    }

    /// A page of the members of a segment, by the ids of their profiles, and of each what is asked for, if anything. Exact for writes; what
    /// changes by time alone trails by the lag of the timers. A page with profiles ends with the one that reaches [`PAGE_BYTES`].
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`; `Invalid` with `limit_invalid`, `cursor_invalid`.
    pub async fn segment_members(
        &self,
        workspace: WorkspaceId,
        name: &str,
        query: &ListQuery,
        (visibility, fields): (Flags, Option<Fields>),
    ) -> Result<ListPage<Member>, Error> {
        check_limit(query.limit)?;
        let configured = self.configured(workspace).await?;
        let Some(segment) = configured.segment(name, visibility)? else {
            return Ok(ListPage { items: Vec::new(), next_cursor: None });
        };
        let scope = Scope::new(workspace);
        let all = scope.members_of(segment);
        let after = query.cursor.as_deref().map(|cursor| {
            let carried = self.cursors().open_sealed(workspace, Purpose::Members, cursor)?;
            let (of, profile) = carried.split_first_chunk::<4>().ok_or_else(cursor::invalid)?;
            // A page of another version of the segment is no page of this one.
            let is_own = *of == segment.0.to_be_bytes();
            let profile: [u8; 12] = profile.try_into().map_err(|_| cursor::invalid())?;
            if is_own { Ok(NodeId::from_bytes(profile)) } else { Err(cursor::invalid()) }
        });
        let range = match after.transpose()? {
            Some(last) => KeyRange { start: scope.member(segment, last).successor(), ..all },
            None => all,
        };
        let page = self.store().scan(&range, ScanLimit::rows(query.limit), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let group = configured.controls.get(name);
        let mut items = Vec::with_capacity(page.rows.len());
        let (mut last, mut bytes) = (None, 0);
        for row in page.rows.iter() {
            if bytes >= PAGE_BYTES {
                break;
            }
            let (_, node) = read_member_key(&row.key).ok_or_else(|| corrupt("key of a member"))?;
            last = Some(node);
            let profile_id = self.name_of(workspace, node, &configured).await?;
            let profile = match fields {
                Some(fields) => self.rendered_now(workspace, &configured, node, fields).await?,
                None => None,
            };
            bytes += profile.as_ref().map_or(0, |profile| profile.json.len());
            let (id, entered_at) = (node.to_string(), decode_member(&row.value)?);
            let is_control = group.map(|own| own.holds(node));
            items.push(Member { id, profile_id, entered_at, is_control, profile });
        }
        let has_more = page.next.is_some() || items.len() < page.rows.len();
        let next_cursor = last.filter(|_| has_more).map(|last| {
            let carried = [&segment.0.to_be_bytes()[..], last.as_bytes()].concat();
            self.cursors().seal(workspace, Purpose::Members, &carried)
        });
        Ok(ListPage { items, next_cursor })
    }

    /// Whether a segment has a control group.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn has_control_group(&self, workspace: WorkspaceId, name: &str) -> Result<bool, Error> {
        Ok(self.configured(workspace).await?.controls.contains_key(name))
    }

    /// How many members a segment has, and for how many profiles its rule gave no answer.
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`.
    pub async fn segment_counts(&self, workspace: WorkspaceId, name: &str) -> Result<MemberCounts, Error> {
        let configured = self.configured(workspace).await?;
        match configured.segment(name, Flags { internal: true, private: true })? {
            Some(segment) => self.counts_of(workspace, segment).await,
            None => Ok(MemberCounts::default()),
        }
    }

    async fn counts_of(&self, workspace: WorkspaceId, segment: SegmentId) -> Result<MemberCounts, Error> {
        let row = row::read(&**self.store(), Scope::new(workspace).member_count(segment)).await?;
        row.map_or(Ok(MemberCounts::default()), |row| decode_counts(&row.value))
    }

    /// What segments have in common with one, by looking through the members of all. Linear in the members; fine to a few millions.
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`; `LimitExceeded` with `too_many_segments`.
    pub async fn segment_overlap(
        &self,
        workspace: WorkspaceId,
        name: &str,
        others: &[String],
        visibility: Flags,
    ) -> Result<Vec<Overlap>, Error> {
        if others.len() > OVERLAPS_MAX {
            let message = format!("at most {OVERLAPS_MAX} segments are compared with one");
            return Err(Error::new(ErrorKind::LimitExceeded, "too_many_segments", message));
        }
        let configured = self.configured(workspace).await?;
        let own = configured.segment(name, visibility)?;
        let mut overlaps = Vec::with_capacity(others.len());
        for other in others {
            let (mut count, mut both) = (0, 0);
            if let Some(segment) = configured.segment(other, visibility)? {
                count = self.counts_of(workspace, segment).await?.members;
                if let Some(own) = own {
                    both = self.common(workspace, own, segment).await?;
                }
            }
            overlaps.push(Overlap { name: other.clone(), count, both });
        }
        Ok(overlaps)
    }

    /// The members that two segments have in common: both lists are in the order of profiles.
    async fn common(&self, workspace: WorkspaceId, one: SegmentId, other: SegmentId) -> Result<u64, Error> {
        let mut lists = [Members::new(workspace, one), Members::new(workspace, other)];
        let mut common = 0;
        let [mut first, mut second] = [self.next_member(&mut lists[0]).await?, self.next_member(&mut lists[1]).await?];
        while let (Some(one), Some(other)) = (first, second) {
            common += u64::from(one == other);
            if one <= other {
                first = self.next_member(&mut lists[0]).await?;
            }
            if other <= one {
                second = self.next_member(&mut lists[1]).await?;
            }
        }
        Ok(common)
    }

    async fn next_member(&self, list: &mut Members) -> Result<Option<NodeId>, Error> {
        if list.buffer.is_empty()
            && let Some(range) = list.range.take()
        {
            let page = self.store().scan(&range, ScanLimit::rows(ROWS), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows.iter().rev() {
                list.buffer.push(read_member_key(&row.key).ok_or_else(|| corrupt("key of a member"))?.1);
            }
            list.range = page.next;
            tokio::task::yield_now().await;
        }
        Ok(list.buffer.pop())
    }

    /// Why a profile is in a segment or not, leaf by leaf, or why a computed attribute is what it is. With what the profile is called.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`, `segment_not_found`, `attribute_not_found`; `Invalid` with `namespace_unknown`,
    /// `merge_policy_unknown`.
    pub async fn explain_rule(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        is_attribute: bool,
        name: &str,
        policy: Option<&str>,
        visibility: Flags,
    ) -> Result<(String, Explained), Error> {
        let configured = self.configured(workspace).await?;
        let kind = if is_attribute { RuleKind::Attribute } else { RuleKind::Segment };
        if configured.flagged.is_hidden(kind, name, visibility) {
            return Err(unknown(is_attribute));
        }
        configured.check_rules_are_on()?;
        let (config, chosen) = (&configured.config, configured.policy(policy)?);
        let mut tries = Tries::default();
        loop {
            let found = self.finder(workspace, config).find(lookup).await?;
            let of = Of { configured: &configured, found: &found, policy, now: self.now() };
            let own = name.into();
            let answer = self.asker(workspace).ask(of, move |asked| explain(asked, is_attribute, &own)).await;
            if !tries.goes_on(&answer) {
                let explained = answer?.ok_or_else(|| unknown(is_attribute))?;
                return Ok((called(&found.cluster, found.node, config, chosen, self.now())?, explained));
            }
        }
    }

    /// What a profile is called: read only where it may be something else than its id.
    async fn name_of(&self, workspace: WorkspaceId, profile: NodeId, configured: &Configured) -> Result<String, Error> {
        let config = &configured.config;
        if config.primary().is_none() {
            return Ok(profile.to_string());
        }
        let Some(found) = self.finder(workspace, config).by_node(profile).await? else {
            return Ok(profile.to_string());
        };
        let Found { cluster, node, .. } = found;
        called(&cluster, node, config, configured.policy(None)?, self.now())
    }
}

/// A rule as it is shown once a change of it is made.
fn shown_as(changed: &Changed, kind: RuleKind, name: &RuleName, without_rules: bool) -> Result<ShownRule, Error> {
    let rule = changed.config.rules().find(kind, name.as_str())?.clone();
    let counts = match (kind, rule.live().and_then(|live| live.segment)) {
        (RuleKind::Attribute, _) => None,
        // Nobody counts what is not evaluated.
        (RuleKind::Segment, _) if without_rules => None,
        (RuleKind::Segment, Some(segment)) => Some(changed.members.get(&segment).copied().unwrap_or_default()),
        (RuleKind::Segment, None) => Some(MemberCounts::default()),
    };
    let job = changed.building.clone().filter(|_| rule.next().is_some());
    let control_group = control_of(&changed.config, kind, name.as_str())?;
    Ok(ShownRule { rule, counts, job, control_group })
}

/// The members of a segment while they are read.
struct Members {
    range: Option<KeyRange>,
    /// The last one first.
    buffer: Vec<NodeId>,
}

impl Members {
    fn new(workspace: WorkspaceId, segment: SegmentId) -> Self {
        Self { range: Some(Scope::new(workspace).members_of(segment)), buffer: Vec::new() }
    }
}

fn called(cluster: &Cluster, node: NodeId, config: &Config, policy: &Chosen, now: Timestamp) -> Result<String, Error> {
    if config.primary().is_none() {
        return Ok(cluster.profile_id(node).unwrap_or(node).to_string());
    }
    let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
    let view = render::viewed(cluster, node, &lens).ok_or_else(not_found)?;
    Ok(render::profile_id(&view))
}

fn check_limit(limit: usize) -> Result<(), Error> {
    if (1..=LIST_MAX).contains(&limit) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("limit is expected to be 1 to {LIST_MAX}")))
}

fn check_seen(config: &StoredConfig, kind: RuleKind, name: &str, visibility: Flags) -> Result<(), Error> {
    if Flagged::new(config).is_hidden(kind, name, visibility) {
        return Err(unknown(kind == RuleKind::Attribute));
    }
    Ok(())
}

fn unknown(is_attribute: bool) -> Error {
    let (code, message) = if is_attribute {
        ("attribute_not_found", "no computed attribute has this name")
    } else {
        ("segment_not_found", "no segment has this name")
    };
    Error::new(ErrorKind::NotFound, code, message)
}
