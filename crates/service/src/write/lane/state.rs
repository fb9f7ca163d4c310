//! What a lane holds between groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashSet;
use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::id::{Ids, NodeId};
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Key, Limits, ScanLimit, Store, Version};

use super::Done;
use super::facts::Placing;
use super::memberships::{AllCounts, Ruled};
use super::memory::Memory;
use super::noted::Noted;
use super::recount::Recount;
use super::shared::Shared;
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::configured::Configured;
use crate::config::workspace::{self as workspace_config, Part, StoredConfig};
use crate::stored::audit::{self, Pending, Written};
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_segment_key;
use crate::stored::loose;
use crate::stored::records::rows::{self, Counts, FactsById, LaneRow};
use crate::stored::records::ruled::{MemberCounts, decode_counts};
use crate::stored::row;
use crate::stored::unclaimed::Unclaimed;
use crate::write::suppression::{self, Secret};

/// Looks at whether a workspace has begun, before its first writer is told to try again.
const BEGINNINGS_MAX: usize = 4;

/// What a lane knows between groups. It can be forgotten at any time and is read again.
pub(super) struct State {
    shared: Arc<Shared>,
    scope: Scope,
    ids: Ids,
    /// None while a group is decided, and after what makes it forget.
    memory: Option<Memory>,
    known: Option<Known>,
    placing: Placing,
    part: PartUnderWay,
}

/// What a panic leaves of a part of a group.
#[derive(Default)]
struct PartUnderWay {
    /// The place of the command that is being decided.
    deciding: Option<usize>,
    /// What the commands came to, while they are committed.
    done: Vec<Done>,
    /// The lane's row of a commit whose answer is not known.
    sent: Option<LaneRow>,
}

struct Known {
    configured: Arc<Configured>,
    row: LaneRow,
    row_version: Option<Version>,
    /// Under which suppressed identities are hashed; read when there are any.
    secret: Option<Secret>,
    /// The members of each segment, counted with the commits that change them.
    members: AllCounts,
    /// Which attributes nobody claimed, noted with the commits that bring them.
    unclaimed: Noted,
    /// Erased nodes whose links that did not hold are still to be removed.
    loose: Arc<HashSet<NodeId>>,
}

impl State {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let mut random = [0u8; 8];
        (shared.components.random)(&mut random);
        let now = (shared.components.clock)();
        let scope = Scope::new(shared.workspace);
        Self {
            scope,
            ids: Ids::new(now.millis(), u64::from_be_bytes(random)),
            memory: None,
            known: None,
            placing: Placing::default(),
            part: PartUnderWay::default(),
            shared,
        }
    }

    /// Reads the configuration and the lane's row, unless they are known.
    pub(super) async fn ready(&mut self) -> Result<(), Error> {
        if self.known.is_some() {
            return Ok(());
        }
        let row = row::read(&**self.store(), self.scope.lane()).await?;
        if row.is_none() {
            self.begin_spelling().await?;
        }
        let configured = self.shared.configured().await?;
        let row_version = row.as_ref().map(|row| row.version);
        let fresh = LaneRow {
            clock: Timestamp::MIN,
            counts: Counts::default(),
            waiting: 0,
            suppressed: 0,
            facts_by_id: FactsById::None,
        };
        let is_fresh = row.is_none();
        let counts_nobodies = row.as_ref().is_some_and(|row| rows::counts_nobodies(&row.value));
        let mut row = row.map(|row| rows::decode_lane(&row.value)).transpose()?.unwrap_or(fresh);
        let mut unclaimed = Noted::read(&**self.store(), self.scope).await?;
        if is_fresh {
            unclaimed.get_or_insert_with(|| Noted::unwritten(Unclaimed::none(&configured.config)));
        }
        let unclaimed = match unclaimed {
            Some(unclaimed) if !counts_nobodies => unclaimed,
            unclaimed => {
                let found = Recount::of(&**self.store(), self.scope, &configured.config).await?;
                row.counts.profiles = if counts_nobodies { found.profiles } else { row.counts.profiles };
                unclaimed.unwrap_or_else(|| Noted::unwritten(found.unclaimed))
            }
        };
        let secret = match row.suppressed {
            0 => None,
            _ => Some(self.read_secret().await?.ok_or_else(|| corrupt("secret of a workspace"))?),
        };
        let members = self.read_member_counts().await?;
        let loose = Arc::new(loose::read_all(&**self.store(), self.scope).await?);
        self.known = Some(Known { configured, row, row_version, secret, members, unclaimed, loose });
        Ok(())
    }

    /// A workspace that has never committed anything has no records under older spellings of identities.
    async fn begin_spelling(&self) -> Result<(), Error> {
        let key = self.scope.config(Part::Spelling);
        // An answer that leaves it open is looked up: nothing that a caller asked for has been done yet.
        for _ in 0..BEGINNINGS_MAX {
            if row::read(&**self.store(), key.clone()).await?.is_some() {
                self.shared.config.store(None);
                return Ok(());
            }
            let commit = Commit::new().create(key.clone(), workspace_config::fresh_spelling());
            match self.store().commit(commit).await {
                Ok(_) | Err(CommitError::Conflict(_) | CommitError::Ambiguous) => {}
                Err(error) => return Err(commit_failed(&error)),
            }
        }
        Err(commit_failed(&CommitError::Unavailable("whether the workspace has begun is not known".to_owned())))
    }

    async fn read_member_counts(&self) -> Result<AllCounts, Error> {
        let mut counts = AllCounts::new();
        let mut range = Some(self.scope.all_of(Family::MemberCount));
        while let Some(open) = range {
            let page = self.store().scan(&open, ScanLimit::rows(1_000), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let segment = read_segment_key(&row.key).ok_or_else(|| corrupt("key of a count"))?;
                counts.insert(segment, decode_counts(&row.value)?);
            }
            range = page.next;
        }
        Ok(counts)
    }

    /// How many members a segment has.
    pub(super) fn member_counts(&self, segment: SegmentId) -> Option<MemberCounts> {
        self.known().members.get(&segment).copied()
    }

    /// Whether the configuration has a segment of this number.
    pub(super) fn has_segment(&self, segment: SegmentId) -> bool {
        self.config().rules().has_segment(segment)
    }

    /// Erased nodes whose links that did not hold are still to be removed.
    pub(super) fn loose(&self) -> &Arc<HashSet<NodeId>> {
        &self.known().loose
    }

    /// These were erased with more links than one commit takes. Whoever was only mentioned with them is not shown from now on.
    pub(super) fn keep_loose(&mut self, nodes: &[NodeId]) {
        if let (Some(known), false) = (&mut self.known, nodes.is_empty()) {
            Arc::make_mut(&mut known.loose).extend(nodes);
            self.shared.epochs.touch_all();
        }
    }

    /// Nothing is left of the links of this node.
    pub(super) fn has_unlinked(&mut self, node: NodeId) {
        if let Some(known) = &mut self.known {
            Arc::make_mut(&mut known.loose).remove(&node);
        }
    }

    /// A commit has changed members and timers.
    pub(super) fn keep_ruled(&mut self, ruled: Ruled) {
        if let Some(known) = &mut self.known {
            known.members.extend(ruled.counts);
        }
        if let Some(due) = ruled.first_due {
            self.shared.timers.set(due);
        }
        if ruled.wants_keeper {
            self.shared.keeper.nudge();
        }
    }

    /// Random bits.
    pub(super) fn chance(&self) -> u64 {
        let mut random = [0u8; 8];
        (self.shared.components.random)(&mut random);
        u64::from_be_bytes(random)
    }

    /// Forgets everything that was read: someone else may have changed it, or a commit of our own whose answer was lost.
    pub(super) fn forget(&mut self) {
        self.known = None;
        self.memory = None;
        self.shared.config.store(None);
        self.shared.epochs.touch_all();
        self.shared.timers.forget();
    }

    /// A part of a group begins.
    pub(super) fn begin_part(&mut self) {
        self.part = PartUnderWay::default();
    }

    /// The command at this place of the part is being decided.
    pub(super) fn decides(&mut self, at: usize) {
        self.part.deciding = Some(at);
    }

    pub(super) fn decides_none(&mut self) {
        self.part.deciding = None;
    }

    /// The place of the command that is being decided.
    pub(super) fn deciding(&self) -> Option<usize> {
        self.part.deciding
    }

    /// The commit of this row is under way, after which the commands have come to this.
    pub(super) fn sends(&mut self, row: LaneRow, done: Vec<Done>) {
        (self.part.sent, self.part.done) = (Some(row), done);
    }

    /// What the commands came to, where there is nothing to commit.
    pub(super) fn keep_done(&mut self, done: Vec<Done>) {
        self.part.done = done;
    }

    /// What the commands came to, while the records are at hand that their commit left.
    pub(super) fn committed(&mut self) -> &mut [Done] {
        &mut self.part.done
    }

    /// What the commands came to, now that they are committed.
    pub(super) fn take_done(&mut self) -> Vec<Done> {
        self.part.sent = None;
        std::mem::take(&mut self.part.done)
    }

    /// The commit that was under way when something panicked, and what its commands came to.
    pub(super) fn take_sent(&mut self) -> Option<(LaneRow, Vec<Done>)> {
        let row = self.part.sent.take()?;
        Some((row, std::mem::take(&mut self.part.done)))
    }

    fn known(&self) -> &Known {
        self.known.as_ref().expect("a group begins with what the lane has to know")
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.components.store
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    pub(super) fn limits(&self) -> Limits {
        self.store().limits()
    }

    pub(super) fn config(&self) -> &Arc<Config> {
        &self.known().configured.config
    }

    pub(super) fn stored_config(&self) -> &StoredConfig {
        &self.known().configured.stored
    }

    /// The last instant that was committed.
    pub(super) fn clock(&self) -> Timestamp {
        self.known().row.clock
    }

    /// The time now: for what is kept for a while.
    pub(super) fn now(&self) -> Timestamp {
        (self.shared.components.clock)()
    }

    /// The instant after that one: the clock's, unless it stands still or goes back.
    pub(super) fn tick(&self, after: Timestamp) -> Timestamp {
        (self.shared.components.clock)().max(after.next())
    }

    /// The lane's row as it will be at this instant, but for what a commit changes of it.
    pub(super) fn row_at(&self, clock: Timestamp) -> LaneRow {
        LaneRow { clock, ..self.known().row }
    }

    /// Whether there are rows of facts from before each dataset had ids of its own.
    pub(super) fn has_facts_by_id(&self) -> bool {
        self.known().row.facts_by_id != FactsById::None
    }

    /// How far the lane is with bringing them along.
    pub(super) fn placing(&mut self) -> &mut Placing {
        &mut self.placing
    }

    /// The secret under which suppressed identities are hashed, where there are any.
    pub(super) fn secret(&self) -> Option<Secret> {
        self.known().secret.clone()
    }

    /// The commit that would have held a new secret was not made.
    pub(super) fn forget_secret(&mut self) {
        if let Some(known) = &mut self.known {
            known.secret = None;
        }
    }

    async fn read_secret(&self) -> Result<Option<Secret>, Error> {
        Secret::read(&**self.store(), self.shared.workspace).await
    }

    /// That secret for the first to be suppressed: drawn when there is none, and then added to the commit.
    pub(super) async fn secret_for(&mut self, commit: &mut Commit) -> Result<Secret, Error> {
        if let Some(secret) = self.secret() {
            return Ok(secret);
        }
        let secret = match self.read_secret().await? {
            Some(secret) => secret,
            None => {
                let mut drawn = [0; 32];
                (self.shared.components.random)(&mut drawn);
                let secret = Secret::new(drawn);
                let key = suppression::secret_key(self.shared.workspace);
                *commit = std::mem::take(commit).create(key, secret.encode());
                secret
            }
        };
        // Kept only if the commit is answered; what fails makes the lane forget all that it knows.
        if let Some(known) = &mut self.known {
            known.secret = Some(secret.clone());
        }
        Ok(secret)
    }

    /// Lets an identity in again. Answers how many rows said that it is suppressed.
    pub(super) async fn let_in(&mut self, identity: &Identity, audited: Option<&Arc<Pending>>) -> Result<usize, Error> {
        self.ready().await?;
        let Some(secret) = self.secret() else { return Ok(0) };
        let mut commit = Commit::new();
        let mut changed = 0;
        for key in secret.keys(self.scope, identity) {
            if let Some(found) = row::read(&**self.store(), key.clone()).await? {
                commit = commit.expect_version(key.clone(), found.version).delete(key);
                changed += 1;
            }
        }
        let suppressed = self.known().row.suppressed.saturating_sub(changed as u64);
        self.commit_suppressed(commit, (changed, suppressed), audited).await
    }

    /// Suppresses identities, whether or not anything is known of them. Answers how many were not suppressed before.
    pub(super) async fn shut_out(
        &mut self,
        identities: &[Identity],
        audited: Option<&Arc<Pending>>,
    ) -> Result<usize, Error> {
        self.ready().await?;
        let mut commit = Commit::new().with_reserve();
        let secret = self.secret_for(&mut commit).await?;
        let keys: BTreeSet<Key> = identities.iter().map(|own| secret.key(self.scope, own)).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut changed = 0;
        for keys in keys.chunks(self.store().limits().get_keys) {
            let found = match self.store().get(keys).await {
                Ok(found) => found.value,
                Err(error) => {
                    self.forget();
                    return Err(read_failed(&error));
                }
            };
            for (key, _) in keys.iter().zip(found).filter(|(_, found)| found.is_none()) {
                commit = commit.create(key.clone(), Bytes::from_static(suppression::ROW));
                changed += 1;
            }
        }
        let suppressed = self.known().row.suppressed + changed as u64;
        self.commit_suppressed(commit, (changed, suppressed), audited).await
    }

    /// Commits how many identities are suppressed from now on, with the rows that say which, where any of them has changed.
    async fn commit_suppressed(
        &mut self,
        commit: Commit,
        (changed, suppressed): (usize, u64),
        audited: Option<&Arc<Pending>>,
    ) -> Result<usize, Error> {
        if changed == 0 {
            return Ok(0);
        }
        let row = LaneRow { suppressed, ..self.row_at(self.tick(self.clock())) };
        let written = Written::of(audited, Vec::new());
        let commit = audit::with_row(self.add_row(commit, &row), written.as_ref());
        match self.store().commit(commit).await {
            Ok(committed) => {
                written.into_iter().for_each(Written::has_happened);
                self.keep_row(row, committed.version);
                Ok(changed)
            }
            Err(error) => {
                self.forget();
                Err(commit_failed(&error))
            }
        }
    }

    /// The configuration in force, and what it was read from.
    pub(super) fn configured(&self) -> &Arc<Configured> {
        &self.known().configured
    }

    /// Another configuration is in force.
    pub(super) fn keep_configured(&mut self, mut configured: Configured, version: Version) {
        configured.version = Some(version);
        let configured = Arc::new(configured);
        self.shared.config.store(Some(configured.clone()));
        self.shared.weigh();
        if let Some(known) = &mut self.known {
            known.configured = configured;
        }
        self.shared.epochs.touch_all();
    }

    /// The members of all segments.
    pub(super) fn all_counts(&self) -> &AllCounts {
        &self.known().members
    }

    pub(super) fn counts(&self) -> Counts {
        self.known().row.counts
    }

    pub(super) fn ids(&self) -> Ids {
        self.ids.clone()
    }

    pub(super) fn keep_ids(&mut self, ids: Ids) {
        self.ids = ids;
    }

    pub(super) fn take_memory(&mut self) -> Memory {
        self.memory.take().unwrap_or_else(|| self.shared.memories.memory())
    }

    pub(super) fn keep_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// Adds the lane's row to a commit: its clock and counts, and that nobody else has moved them.
    pub(super) fn add_row(&self, commit: Commit, row: &LaneRow) -> Commit {
        let bytes = rows::encode_lane(row);
        match self.known().row_version {
            Some(version) => commit.replace(self.scope.lane(), version, bytes),
            None => commit.create(self.scope.lane(), bytes),
        }
    }

    pub(super) fn noted(&self) -> &Noted {
        &self.known().unclaimed
    }

    pub(super) fn keep_noted(&mut self, noted: Noted) {
        if let Some(known) = &mut self.known {
            known.unclaimed = noted.written();
        }
    }

    pub(super) fn keep_row(&mut self, row: LaneRow, version: Version) {
        if let Some(known) = &mut self.known {
            known.row = row;
            known.row_version = Some(version);
        }
    }

    /// Whether the lane's row is this one: then the commit that held it has happened.
    pub(super) async fn has_happened(&self, row: &LaneRow) -> Result<Option<Version>, Error> {
        let found = row::read(&**self.store(), self.scope.lane()).await?;
        let Some(found) = found else { return Ok(None) };
        Ok((rows::decode_lane(&found.value)? == *row).then_some(found.version))
    }
}
