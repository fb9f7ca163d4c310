//! What a condition would hold of, before it is saved as a segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::{Kind, NamespaceId};
use tessera_engine::id::NodeId;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::rules::{AdHocRule, Asked, Known, Trouble, ask};
use tessera_engine::value::Value;
use tessera_expr::calendar::Zone;
use tessera_expr::limits::SCAN_EVENTS_MAX;
use tessera_expr::rule::Rule;
use tessera_store::{Direction, KeyRange, Row, ScanLimit, Version};

use super::called;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::config::policies::Chosen;
use crate::read::pool::{PREVIEW_MICROS, Patience, late};
use crate::read::ruled::{self, Tries};
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_node_key;
use crate::stored::records::cluster;
use crate::stored::row;
use crate::work::service::Service;

/// Profiles that a preview looks at, at most.
const EXAMINED_MAX: u64 = 20_000;
/// Events that it reads for those whose answer no state holds, about.
const EVENTS_MAX: u64 = 1_000_000;
/// Places of the workspace that it walks, a page of each in turn. Ids begin with the time, so they are of all ages.
const PLACES: u64 = 20;
/// Members that it shows.
const SAMPLE_MAX: usize = 10;
/// Records read in one go.
const ROWS: usize = 200;

/// What a rule would hold of.
#[derive(Clone)]
pub struct Preview {
    /// How many profiles; an estimate unless it is exact.
    pub count: u64,
    /// Whether all profiles were looked at, and had an answer.
    pub is_exact: bool,
    /// By how much `count` is off at most, 95 times of 100; none where there was not time to walk past all profiles.
    pub margin: Option<u64>,
    /// How many there are.
    pub total: u64,
    /// How many were looked at.
    pub examined: u64,
    /// Of how many of those it holds.
    pub matched: u64,
    /// Of these, how many have an identity of a namespace, by its name.
    pub namespaces: BTreeMap<Arc<str>, u64>,
    /// For how many the condition gave no answer, because an aggregate of it holds more values than it may.
    pub overflowed: u64,
    /// For how many it took more steps than it may.
    pub over_budget: u64,
    /// For how many it would rest on fewer events than it speaks of, for they have more than rules look at.
    pub truncated: u64,
    /// What some of them are called.
    pub sample: Vec<String>,
}

/// A range of ids, and what is seen in it.
struct Place {
    from: u128,
    to: u128,
    /// Records that were walked past; one of several of them was looked at.
    walked: u64,
    examined: u64,
    matched: u64,
    /// The last id that was walked past, where the place was not walked to its end.
    reached: Option<u128>,
    /// What is still to be walked.
    rest: Option<KeyRange>,
}

impl Place {
    fn range(&self, scope: Scope) -> KeyRange {
        KeyRange::between(scope.cluster(id_of(self.from)), scope.cluster(id_of(self.to - 1)).successor())
    }

    /// How many records are behind what was walked past, if they are as dense.
    fn behind(&self) -> f64 {
        let seen = self.walked as f64;
        self.reached.map_or(0.0, |reached| seen * (self.to - 1 - reached) as f64 / (reached - self.from + 1) as f64)
    }
}

/// A condition, and what one look may still cost.
struct Asking<'a> {
    /// One record of so many is looked at, drawn by its id: those that come at one time are alike, and a part of each such time is to be among them.
    stride: u64,
    beside: AdHocRule,
    configured: &'a Configured,
    policy: &'a Chosen,
    of: Kind,
    patience: Patience,
    events_left: u64,
    overflowed: u64,
    over_budget: u64,
    truncated: u64,
    namespaces: BTreeMap<NamespaceId, u64>,
    sample: Vec<String>,
}

impl Asking<'_> {
    /// Whether nothing more is looked at.
    fn is_spent(&self) -> bool {
        self.events_left == 0 || self.patience.is_over()
    }
}

impl Service {
    /// What a condition would hold of, if it were a segment of people or of accounts: exact where all profiles can be looked at within the bounds, otherwise estimated
    /// from profiles of all ages.
    ///
    /// # Errors
    /// `Invalid` with `merge_policy_unknown`, `merge_policy_without_graph`; `Unavailable` with `rules_busy`, `rules_late`, `rules_off`; what
    /// the store answers.
    pub async fn preview_segment(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        rule: Arc<Rule>,
        (zone, of): (Zone, Kind),
        policy: Option<&str>,
    ) -> Result<Preview, Error> {
        let (service, policy) = (self.clone(), policy.map(str::to_owned));
        let work = move |patience: Patience| async move {
            service.preview_until(workspace, rule, (zone, of), policy.as_deref(), patience).await
        };
        self.pool().run(workspace, PREVIEW_MICROS, work).await
    }

    async fn preview_until(
        &self,
        workspace: WorkspaceId,
        rule: Arc<Rule>,
        (zone, of): (Zone, Kind),
        policy: Option<&str>,
        patience: Patience,
    ) -> Result<Preview, Error> {
        let configured = self.configured(workspace).await?;
        configured.check_rules_are_on()?;
        let policy = configured.policy(policy)?;
        if policy.compiled.graph() == IdentityGraph::None {
            let message = "a segment is expected to have a merge policy with the whole identity graph";
            return Err(Error::new(ErrorKind::Invalid, "merge_policy_without_graph", message));
        }
        let counts = self.counts(workspace).await?;
        let total = counts.profiles;
        let stride = if total <= EXAMINED_MAX {
            1
        } else {
            total.div_ceil(EXAMINED_MAX).max(counts.events.div_ceil(EVENTS_MAX))
        };
        let beside = configured.config.rules().beside(rule, zone);
        let mut asking = Asking {
            stride,
            beside,
            configured: &configured,
            policy,
            of,
            patience,
            events_left: EVENTS_MAX,
            overflowed: 0,
            over_budget: 0,
            truncated: 0,
            namespaces: BTreeMap::new(),
            sample: Vec::new(),
        };
        let mut places = self.places(workspace).await?;
        // A page of each, again and again: where there is not time for all, none is behind the others.
        while !asking.is_spent() && places.iter().any(|place| place.rest.is_some()) {
            for place in places.iter_mut().filter(|place| place.rest.is_some()) {
                self.look_at(workspace, place, &mut asking).await?;
            }
        }
        let examined: u64 = places.iter().map(|place| place.examined).sum();
        let matched: u64 = places.iter().map(|place| place.matched).sum();
        if examined == 0 && asking.patience.is_over() {
            return Err(late());
        }
        let (count, is_whole) = counted(&places, total, stride);
        let Asking { overflowed, over_budget, truncated, namespaces, sample, .. } = asking;
        let named = |(id, count)| Some((configured.config.find(id)?.name.as_str().into(), count));
        let namespaces = namespaces.into_iter().filter_map(named).collect();
        let unanswered = overflowed + over_budget + truncated;
        let is_exact = is_whole && unanswered == 0;
        let is_walked = places.iter().all(|place| place.reached.is_none());
        Ok(Preview {
            count,
            is_exact,
            margin: is_walked.then(|| margin(total, examined, matched, unanswered)),
            total,
            examined,
            matched,
            namespaces,
            overflowed,
            over_budget,
            truncated,
            sample,
        })
    }

    /// Ranges of records that between them are all of a workspace, of all ages.
    pub(crate) async fn spread(&self, workspace: WorkspaceId) -> Result<Vec<KeyRange>, Error> {
        let places = self.places(workspace).await?;
        Ok(places.iter().map(|place| place.range(Scope::new(workspace))).collect())
    }

    async fn places(&self, workspace: WorkspaceId) -> Result<Vec<Place>, Error> {
        let all = Scope::new(workspace).all_of(Family::Cluster);
        let mut ends = [0u128; 2];
        for (end, direction) in ends.iter_mut().zip([Direction::Forward, Direction::Backward]) {
            let page = self.store().scan(&all, ScanLimit::rows(1), direction).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let id = page.rows.first().and_then(|row| read_node_key(&row.key));
            *end = id.map_or(0, number);
        }
        let [first, end] = [ends[0], ends[1] + 1];
        let step = (end - first).div_ceil(u128::from(PLACES));
        let starts = (0..u128::from(PLACES)).map(|at| first + step * at).filter(|from| *from < end);
        let place = |from: u128| {
            let to = (from + step).min(end);
            let place = Place { from, to, walked: 0, examined: 0, matched: 0, reached: Some(from), rest: None };
            Place { rest: Some(place.range(Scope::new(workspace))), ..place }
        };
        Ok(starts.map(place).collect())
    }

    /// Walks past a page of a place.
    async fn look_at(&self, workspace: WorkspaceId, place: &mut Place, asking: &mut Asking<'_>) -> Result<(), Error> {
        let Some(open) = place.rest.take() else { return Ok(()) };
        let page = self.store().scan(&open, ScanLimit::rows(ROWS), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        place.reached.get_or_insert(place.from);
        for row in &page.rows {
            if asking.is_spent() {
                return Ok(());
            }
            let id = read_node_key(&row.key).map_or(place.from, number);
            if mixed(id).is_multiple_of(asking.stride) {
                let cluster = cluster::decode(&row.value, &asking.configured.config)?;
                for head in cluster.profile_ids() {
                    if cluster.kind_of(head, &asking.configured.config).is_none() {
                        continue;
                    }
                    let holds = match self.holds_anew(workspace, (&cluster, row), head, asking).await {
                        Err(_) if asking.patience.is_over() => return Ok(()),
                        answer => answer?,
                    };
                    place.examined += 1;
                    place.matched += u64::from(holds);
                }
            }
            place.walked += 1;
            place.reached = Some(id);
        }
        place.rest = page.next;
        if place.rest.is_none() {
            place.reached = None;
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Whether the condition holds of a profile of a record; where that was written meanwhile, of what it is now.
    async fn holds_anew(
        &self,
        workspace: WorkspaceId,
        (cluster, row): (&Cluster, &Row),
        head: NodeId,
        asking: &mut Asking<'_>,
    ) -> Result<bool, Error> {
        let mut tries = Tries::default();
        let mut answer = self.holds(workspace, (cluster, row.version), head, asking).await;
        while tries.goes_on(&answer) && !asking.patience.is_over() {
            let Some(row) = row::read(&**self.store(), row.key.clone()).await? else { return Ok(false) };
            let cluster = cluster::decode(&row.value, &asking.configured.config)?;
            if cluster.node(head).is_none() {
                return Ok(false);
            }
            answer = self.holds(workspace, (&cluster, row.version), head, asking).await;
        }
        answer
    }

    async fn holds(
        &self,
        workspace: WorkspaceId,
        (cluster, version): (&Cluster, Version),
        head: NodeId,
        asking: &mut Asking<'_>,
    ) -> Result<bool, Error> {
        let (config, now) = (&*asking.configured.config, self.now());
        let patience = asking.patience.clone();
        let given_up = move || patience.is_over();
        let asked = Asked {
            config,
            cluster,
            node: head,
            policy: &asking.policy.compiled,
            now,
            events: None,
            known: &Known::default(),
            given_up: Some(&given_up),
        };
        if cluster.kind_of(head, config) != Some(asking.of) {
            return Ok(false);
        }
        let came = match ask(&asked, &asking.beside) {
            Ok(came) => came,
            Err(_) => {
                let events: u64 = cluster.piece(head).map(|node| node.events().min(SCAN_EVENTS_MAX as u64)).sum();
                asking.events_left = asking.events_left.saturating_sub(events);
                ruled::answer_of(&**self.store(), workspace, (asked, version), |asked| ask(asked, &asking.beside))
                    .await?
            }
        };
        match came {
            Err(Trouble::Overflowed) => asking.overflowed += 1,
            Err(Trouble::OverBudget) => asking.over_budget += 1,
            Err(Trouble::Truncated) => asking.truncated += 1,
            Ok(_) => {}
        }
        let holds = came == Ok(Value::Bool(true));
        if holds {
            let mut own: Vec<NamespaceId> = cluster.piece(head).map(|node| node.identity.namespace).collect();
            own.sort_unstable();
            own.dedup();
            own.into_iter().for_each(|namespace| *asking.namespaces.entry(namespace).or_default() += 1);
        }
        if holds && asking.sample.len() < SAMPLE_MAX {
            asking.sample.push(called(cluster, head, config, asking.policy, now)?);
        }
        Ok(holds)
    }
}

/// How many there are by what was seen of the places, and whether that is all.
fn counted(places: &[Place], total: u64, stride: u64) -> (u64, bool) {
    let sum = |of: fn(&Place) -> u64| places.iter().map(of).sum::<u64>();
    let (examined, matched) = (sum(|place| place.examined), sum(|place| place.matched));
    let is_walked = places.iter().all(|place| place.reached.is_none());
    if is_walked && stride == 1 {
        return (matched, true);
    }
    let share = |matched: u64, examined: u64| matched as f64 / (examined as f64).max(1.0);
    if is_walked {
        return ((total as f64 * share(matched, examined)).round() as u64, false);
    }
    // Who was not walked past is somewhere behind, where it was dense more likely.
    let left = total.saturating_sub(sum(|place| place.walked)) as f64;
    let behind: f64 = places.iter().map(Place::behind).sum();
    let members = places.iter().map(|place| -> f64 {
        let records = place.walked as f64 + left * place.behind() / behind.max(1.0);
        let own = if place.examined == 0 { share(matched, examined) } else { share(place.matched, place.examined) };
        records * own
    });
    let members: f64 = members.sum();
    (members.round() as u64, false)
}

/// Half the interval of 95 % around a count that is estimated from a part of all, drawn without putting back (Agresti and Coull). Those without an
/// answer may be members or not.
fn margin(total: u64, examined: u64, matched: u64, unanswered: u64) -> u64 {
    const DEVIATIONS: f64 = 1.96;
    let (total, examined) = (total.max(examined) as f64, (examined as f64).max(1.0));
    let seen = examined + 4.0;
    let share = (matched as f64 + 2.0) / seen;
    let half = DEVIATIONS * (share * (1.0 - share) / seen * (1.0 - examined / total)).sqrt();
    (total * (half + unanswered as f64 / examined)).ceil() as u64
}

/// Bits of an id in which neighbours have nothing in common (splitmix64).
fn mixed(id: u128) -> u64 {
    let mut bits = (id ^ (id >> 64)) as u64;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn number(id: NodeId) -> u128 {
    id.as_bytes().iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn id_of(number: u128) -> NodeId {
    let mut id = [0; 12];
    id.copy_from_slice(&number.to_be_bytes()[4..]);
    NodeId::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(walked: u64, matched: u64, reached: Option<u128>) -> Place {
        Place { from: 1_000, to: 2_000, walked, examined: walked, matched, reached, rest: None }
    }

    #[test]
    fn who_was_not_walked_past_is_where_it_was_dense() {
        assert_eq!(counted(&[place(50, 5, None), place(30, 0, None)], 80, 1), (5, true));
        assert_eq!(counted(&[place(50, 5, None), place(30, 0, None)], 160, 2), (10, false));
        // Of 1,000 people 100 were walked past: what is left is all behind the place that has not ended.
        assert_eq!(counted(&[place(50, 0, None), place(50, 25, Some(1_099))], 1_000, 1), (475, false));
        // Two that have not ended share it by how dense they were.
        assert_eq!(counted(&[place(10, 10, Some(1_099)), place(30, 0, Some(1_099))], 440, 1), (110, false));
        assert_eq!(counted(&[place(0, 0, Some(1_000)), place(0, 0, None)], 440, 1), (0, false));
    }

    #[test]
    fn bits_are_mixed() {
        let drawn = (0..10_000u128).filter(|id| mixed(id << 32).is_multiple_of(10)).count();
        assert!((900..1_100).contains(&drawn), "{drawn}");
    }

    #[test]
    fn ids_are_numbers_in_their_order() {
        for number_of in [0, 1, u128::from(u64::MAX) << 8, (1 << 96) - 1] {
            assert_eq!(number(id_of(number_of)), number_of);
        }
    }
}
