//! The workspaces that run, each with its lane, its keeper and its timers. One begins when somebody asks for it. It ends when nobody has used
//! it for a while, gives back what it holds, and begins again when somebody asks, or when something of it is due by itself.
//!
//! Whoever uses a workspace is inside of its lane's gate, and so is everything that was submitted and not answered. The gate closes only while
//! nobody is inside, so a lane has nothing in hand when it ends, and whoever comes from then on begins another.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tessera_engine::time::Timestamp;

use super::Service;
use crate::base::held::Held;
use crate::base::ids::WorkspaceId;
use crate::base::keeper::Keeper;
use crate::base::lock::lock;
use crate::base::names;
use crate::work::keeper::keep_workspace;
use crate::work::timers::keep_timers;
use crate::write::alarm::Alarm;
use crate::write::lane::gate::Inside;
use crate::write::lane::{Handle, Shared};
use crate::write::quarantine::Room;

/// How long a workspace that does not run is left alone: then it begins and is kept, and ends again.
const KEPT_EVERY_MICROS: i64 = 3_600_000_000;

/// A workspace as the service runs it.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: Handle,
    pub(crate) keeper: Arc<Keeper>,
    /// When somebody used it last, in microseconds; the first instant of all while nobody has.
    used_at: AtomicI64,
    /// It is to end before its time, for all together hold too much.
    is_pressed: AtomicBool,
}

impl Running {
    pub(super) fn stop(&self) {
        self.keeper.stop();
        self.shared.timers.stop();
    }
}

/// A workspace in use: it runs as long as this is held.
pub(crate) struct Use {
    running: Arc<Running>,
    _inside: Inside,
}

impl Deref for Use {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

/// All that run, and when the others are to.
#[derive(Default)]
pub(crate) struct Workspaces {
    running: Mutex<HashMap<WorkspaceId, Arc<Running>>>,
    asleep: Mutex<Asleep>,
}

/// Those that have ended, by when they are to begin again.
#[derive(Default)]
struct Asleep {
    by_time: BTreeSet<(Timestamp, WorkspaceId)>,
    times: HashMap<WorkspaceId, Timestamp>,
}

impl Asleep {
    fn wake(&mut self, workspace: WorkspaceId) {
        if let Some(at) = self.times.remove(&workspace) {
            self.by_time.remove(&(at, workspace));
        }
    }

    fn sleep(&mut self, workspace: WorkspaceId, until: Timestamp) {
        self.wake(workspace);
        self.times.insert(workspace, until);
        self.by_time.insert((until, workspace));
    }
}

impl Workspaces {
    pub(crate) fn all(&self) -> Vec<Arc<Running>> {
        lock(&self.running).values().cloned().collect()
    }

    pub(super) fn drain(&self) -> Vec<Arc<Running>> {
        lock(&self.running).drain().map(|(_, running)| running).collect()
    }

    /// Ends a workspace if nobody has used it for so long, nothing of it is due soon, and nobody comes meanwhile. `first_due` says when
    /// something of it is due by itself; none where it is to go on running.
    pub(crate) async fn end_idle<E>(
        &self,
        workspace: WorkspaceId,
        shared: &Shared,
        first_due: impl AsyncFnOnce() -> Result<Option<Timestamp>, E>,
    ) -> Result<Idle, E> {
        let Some(running) = lock(&self.running).get(&workspace).cloned() else { return Ok(Idle::Ended) };
        if !std::ptr::eq(&raw const *running.shared, shared) {
            return Ok(Idle::Ended);
        }
        let idle_micros = i64::from(shared.settings.lane_idle_secs) * 1_000_000;
        let now = (shared.components.clock)();
        let left = running.used_at.load(Ordering::Acquire).saturating_add(idle_micros).saturating_sub(now.micros());
        let is_pressed = running.is_pressed.swap(false, Ordering::AcqRel);
        if left > 0 && !is_pressed {
            return Ok(Idle::Not(Some(Duration::from_micros(left.unsigned_abs()))));
        }
        let Some(seen) = running.lane.gate().empty() else { return Ok(Idle::Not(None)) };
        let Some(due) = first_due().await? else { return Ok(Idle::Not(None)) };
        let soon = if is_pressed { now } else { now.plus_micros(idle_micros) };
        if due <= soon || !running.lane.gate().close(seen) {
            return Ok(Idle::Not(None));
        }
        let mut all = lock(&self.running);
        // Somebody may have begun it again already.
        if all.get(&workspace).is_some_and(|present| Arc::ptr_eq(present, &running)) {
            all.remove(&workspace);
            let until = due.min(now.plus_micros(KEPT_EVERY_MICROS));
            lock(&self.asleep).sleep(workspace, until);
        }
        count(&all);
        running.stop();
        metrics::counter!(names::LANES_ENDED).increment(1);
        Ok(Idle::Ended)
    }

    /// Where all together hold more than they may, the one that was not used for longest is to end, unless it is this one that looks.
    pub(crate) fn press(&self, looks: &Arc<Shared>) {
        press(&lock(&self.running), looks);
    }

    /// Those that are to begin by now, and when the next one is.
    fn due(&self, now: Timestamp) -> (Vec<WorkspaceId>, Option<Timestamp>) {
        let asleep = lock(&self.asleep);
        let due = asleep.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, workspace)| *workspace).collect();
        (due, asleep.by_time.iter().find(|(at, _)| *at > now).map(|(at, _)| *at))
    }
}

/// What became of a look at whether a workspace is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// It is not; it may be after this, if that is known.
    Not(Option<Duration>),
    /// It has ended.
    Ended,
}

/// Linear in those that run, and only while they hold too much.
fn press(running: &HashMap<WorkspaceId, Arc<Running>>, looks: &Arc<Shared>) {
    if !looks.weight.is_over() {
        return;
    }
    let others = running.values().filter(|other| !Arc::ptr_eq(&other.shared, looks));
    let others =
        others.filter(|other| !other.is_pressed.load(Ordering::Acquire) && other.lane.gate().empty().is_some());
    if let Some(oldest) = others.min_by_key(|other| other.used_at.load(Ordering::Acquire)) {
        oldest.is_pressed.store(true, Ordering::Release);
        oldest.keeper.nudge();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision than a double has")]
fn count(running: &HashMap<WorkspaceId, Arc<Running>>) {
    metrics::gauge!(names::LANES).set(running.len() as f64);
}

impl Service {
    /// A workspace, for whoever uses it.
    pub(crate) fn running(&self, workspace: WorkspaceId) -> Use {
        let used = self.begun(workspace);
        used.running.used_at.fetch_max((self.components.clock)().micros(), Ordering::AcqRel);
        used
    }

    /// Begins a workspace in which something is to be done that nobody waits for.
    pub(crate) fn wake(&self, workspace: WorkspaceId) {
        drop(self.begun(workspace));
    }

    #[cfg(test)]
    pub(crate) fn workspaces(&self) -> &Workspaces {
        &self.workspaces
    }

    #[cfg(test)]
    pub(crate) fn memories(&self) -> &crate::write::lane::Memories {
        &self.memories
    }

    /// What is held in memory now.
    #[must_use]
    pub fn held(&self) -> Held {
        Held {
            views: self.views.bytes(),
            records: self.memories.used(),
            workspaces: self.weights.held(),
            patterns: tessera_expr::pattern::kept_bytes(),
        }
    }

    #[cfg(test)]
    pub(crate) fn weights(&self) -> &crate::write::lane::Weights {
        &self.weights
    }

    #[cfg(test)]
    pub(crate) fn waker(&self) -> &Keeper {
        &self.waker
    }

    fn begun(&self, workspace: WorkspaceId) -> Use {
        let mut running = lock(&self.workspaces.running);
        let mut learned = Arc::default();
        if let Some(known) = running.get(&workspace)
            && let Some(inside) = known.lane.gate().enter()
        {
            if !known.lane.has_ended() {
                return Use { running: known.clone(), _inside: inside };
            }
            // A fault of ours ended it. What it had begun may be on disk; a new one reads again.
            tracing::error!(workspace = workspace.number(), "a lane ended by a fault; it is started again");
            known.stop();
            learned = known.shared.learned.clone();
            self.epochs.touch_all();
        }
        let keeper = Arc::new(Keeper::default());
        let shared = Arc::new(Shared {
            workspace,
            components: self.components.clone(),
            settings: self.settings.clone(),
            epochs: self.epochs.clone(),
            queues: self.queues.clone(),
            memories: self.memories.clone(),
            stale_writes: AtomicU64::new((self.components.clock)().micros().cast_unsigned()),
            config: arc_swap::ArcSwapOption::empty(),
            weight: self.weights.weight(),
            learned,
            keeper: keeper.clone(),
            quarantined: Room::default(),
            timers: Alarm::default(),
            jobs: self.parts.jobs.clone(),
        });
        let mut tasks = lock(&self.tasks);
        // Those of workspaces that have ended.
        while tasks.try_join_next().is_some() {}
        let lane = Handle::start(shared.clone(), &mut tasks, &self.components.tasks);
        let inside = lane.gate().enter().unwrap_or_else(|| unreachable!("a new gate is open"));
        let keeping = keep_workspace(keeper.clone(), self.parts.clone(), lane.clone(), shared.clone());
        tasks.spawn_on(keeping, &self.components.tasks);
        if !self.settings.without_rules {
            tasks.spawn_on(keep_timers(shared.clone(), lane.clone(), self.parts.jobs.clone()), &self.components.tasks);
        }
        let begun = Arc::new(Running {
            shared,
            lane,
            keeper,
            used_at: AtomicI64::new(Timestamp::MIN.micros()),
            is_pressed: AtomicBool::new(false),
        });
        running.insert(workspace, begun.clone());
        lock(&self.workspaces.asleep).wake(workspace);
        count(&running);
        press(&running, &begun.shared);
        Use { running: begun, _inside: inside }
    }
}

/// Begins workspaces of which something is due, until it is stopped.
pub(crate) async fn keep_asleep(keeper: Arc<Keeper>, service: Weak<Service>) {
    while !keeper.is_stopped() {
        let Some(running) = service.upgrade() else { return };
        let now = running.now();
        let (due, next) = running.workspaces.due(now);
        for workspace in due {
            running.wake(workspace);
        }
        drop(running);
        let rest =
            next.map(|next| Duration::from_micros(next.micros().saturating_sub(now.micros()).max(0).unsigned_abs()));
        keeper.rest(rest).await;
    }
}
