//! Texts of a rule that are there in other letters only: `"Gold"` where everybody has `gold`.
//!
//! Namespaces say how they spell, the data model what it allows. Of the rest the values of a bounded number of profiles of all ages are looked at,
//! under the merge policy of the rule, and kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::normalise::normalise;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Tree, Value};
use tessera_engine::view::{Lens, Relevance};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::problem::closest;
use tessera_expr::rule::{Purpose, Rule};
use tessera_store::{Direction, ScanLimit, Version};

use super::advice::TOLD_MAX;
use super::place::Place;
use super::unheard::Named;
use super::{Advice, Letters, RuleModel, Values};
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::config::policies::Chosen;
use crate::read::find::Found;
use crate::read::pool::{ANSWER_MICROS, Patience};
use crate::read::profile_facts::ProfileFacts;
use crate::read::query::EventQuery;
use crate::read::{render, timeline};
use crate::stored::keys::Scope;
use crate::stored::records::cluster;
use crate::work::service::Service;

/// Records that are looked at in each of the places of a workspace that a preview looks at, and their bytes.
const ROWS: usize = 25;
const ROWS_BYTES: usize = 1 << 20;
/// The profiles of a place whose events are looked at, and the newest of each.
const WITH_EVENTS: usize = 5;
const EVENTS: usize = 50;
const EVENTS_BYTES: usize = 256 << 10;

/// Texts that something is compared with.
type Compared = BTreeMap<Place, BTreeSet<String>>;

impl Service {
    /// What is there in other letters than a rule writes it.
    pub(super) async fn letters(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        named: &Named,
        model: &RuleModel,
        (configured, policy): (&Arc<Configured>, &Chosen),
        values: Values,
    ) -> Result<Vec<Advice>, Error> {
        let mut told = Vec::new();
        let mut open = Compared::new();
        for (place, texts) in &named.compared {
            if !known(place, texts, model, configured, &mut told) {
                open.insert(place.clone(), texts.clone());
            }
        }
        if values == Values::Looked && !open.is_empty() {
            let (visibility, policy) = (model.visibility(), policy.id.to_string());
            let (service, configured, asked) = (Arc::clone(self), Arc::clone(configured), open.clone());
            let work = move |patience: Patience| async move {
                let policy = configured.policy(Some(&policy))?;
                service.look(workspace, &asked, (&configured, policy), visibility, &patience).await
            };
            match self.pool().run(workspace, ANSWER_MICROS, work).await {
                Ok((there, examined)) => told.extend(differing(&open, &there, examined)),
                // It is advice: where there is no time for it there is none.
                Err(error) if error.kind == ErrorKind::Unavailable => {}
                Err(error) => return Err(error),
            }
        }
        told.truncate(TOLD_MAX);
        Ok(told)
    }

    /// The texts that stand at these places in some profiles, and in how many profiles they were looked for.
    async fn look(
        &self,
        workspace: WorkspaceId,
        asked: &Compared,
        (configured, policy): (&Configured, &Chosen),
        visibility: Flags,
        patience: &Patience,
    ) -> Result<(Compared, u64), Error> {
        let rules: Vec<(&Place, Rule)> =
            asked.keys().filter_map(|place| Some((place, Rule::compile(place.expr(), Purpose::Value).ok()?))).collect();
        let reads_events = rules.iter().any(|(place, _)| matches!(place, Place::Property(..)));
        let looking = Looking { configured, policy, visibility, now: self.now(), workspace };
        let (mut there, mut examined) = (Compared::new(), 0);
        for range in self.spread(workspace).await? {
            let limit = ScanLimit { rows: ROWS, bytes: ROWS_BYTES };
            let page = self.store().scan(&range, limit, Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let mut with_events = 0;
            for row in &page.rows {
                let cluster = cluster::decode(&row.value, &configured.config)?;
                for head in cluster.profile_ids() {
                    if cluster.kind_of(head, &configured.config).is_none() {
                        continue;
                    }
                    if patience.is_over() {
                        return Ok((there, examined));
                    }
                    let with = reads_events && with_events < WITH_EVENTS;
                    with_events += usize::from(with);
                    let Some(facts) = self.facts_of((&cluster, row.version), head, &looking, with).await? else {
                        continue;
                    };
                    examined += 1;
                    add(&rules, &facts, looking.now, &mut there);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok((there, examined))
    }

    /// A profile as a rule sees it, with its newest events where they are asked for.
    async fn facts_of(
        &self,
        (cluster, version): (&Cluster, Version),
        node: NodeId,
        looking: &Looking<'_>,
        with_events: bool,
    ) -> Result<Option<ProfileFacts>, Error> {
        let Looking { configured, policy, visibility, now, workspace } = *looking;
        let config = &configured.config;
        let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
        let Some(view) = render::viewed(cluster, node, &lens) else { return Ok(None) };
        let view = render::visible(view, configured.stored.model().model.hidden(visibility));
        let attributes = Tree::Node(tessera_engine::view::seen(view, (cluster, node), &lens));
        let mut events = Vec::new();
        if with_events {
            let epoch = self.finder(workspace, config).epochs.read(node);
            let found = Found { node, cluster: Arc::new(cluster.clone()), version, epoch };
            let query = EventQuery { limit: EVENTS, visibility, ..EventQuery::default() };
            let scope = Scope::new(workspace);
            let read =
                timeline::read_within(EVENTS_BYTES, &**self.store(), scope, &found, &query, None, configured, now);
            events = read.await?.0;
        }
        Ok(Some(ProfileFacts::new(attributes, events, Vec::new())))
    }
}

/// What profiles are looked at with.
#[derive(Clone, Copy)]
struct Looking<'a> {
    configured: &'a Configured,
    policy: &'a Chosen,
    visibility: Flags,
    now: Timestamp,
    workspace: WorkspaceId,
}

/// Whether the texts of a place need not be looked for: a namespace spells them, the data model lists them, or nobody who asks may see them.
fn known(
    place: &Place,
    texts: &BTreeSet<String>,
    model: &RuleModel,
    configured: &Configured,
    told: &mut Vec<Advice>,
) -> bool {
    let names = place.names();
    let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { return true };
    let name = path.to_string();
    let other_case = |written: &String, near: &str, known: Letters| {
        let (name, near) = (name.clone(), near.to_owned());
        Advice::OtherCase { name, written: written.clone(), near, known }
    };
    if let (Place::Attribute(_), [own]) = (place, names)
        && let Some(namespace) = configured.config.by_name(own)
    {
        for text in texts {
            if let Ok(spelled) = normalise(namespace, text)
                && *spelled != **text
            {
                told.push(other_case(text, &spelled, Letters::Spelled));
            }
        }
        return true;
    }
    let (is_closed, allowed) = match place {
        Place::Attribute(_) => {
            (model.is_made(names) || model.hides_attribute(&path), model.allowed_of_attribute(&path))
        }
        Place::Property(Some(event), _) => {
            (model.hides_property(event, &path), model.allowed_of_property(event, &path))
        }
        Place::Property(None, _) => (false, None),
    };
    if is_closed {
        return true;
    }
    let Some(allowed) = allowed else { return false };
    let values: Vec<&str> = allowed
        .values
        .iter()
        .filter_map(|value| if let Value::Text(text) = value { Some(&**text) } else { None })
        .collect();
    for text in texts.iter().filter(|text| !values.contains(&text.as_str())) {
        if let Some(near) = values.iter().find(|own| own.to_lowercase() == text.to_lowercase()) {
            told.push(other_case(text, near, Letters::Allowed));
        } else if !allowed.others {
            let near = closest(text, values.iter().copied()).map(str::to_owned);
            told.push(Advice::NotAllowed { name: name.clone(), written: text.clone(), near });
        }
    }
    !allowed.others
}

/// Notes which of the texts that are asked for, in whichever letters, a profile has.
fn add(rules: &[(&Place, Rule)], facts: &ProfileFacts, now: Timestamp, there: &mut Compared) {
    let zone = Zone::utc();
    for (place, rule) in rules {
        let answer = rule.evaluate(facts, &Frame { now, zone: &zone, steps_max: STEPS_MAX });
        let Ok(answer) = answer else { continue };
        let mut note = |value: &Value| {
            if let Value::Text(text) = value {
                there.entry((*place).clone()).or_default().insert(text.to_string());
            }
        };
        match &answer.value {
            Value::List(items) => items.iter().for_each(&mut note),
            Value::Set(items) => items.iter().for_each(&mut note),
            value => note(value),
        }
    }
}

/// What is asked for and is there in other letters alone.
fn differing(asked: &Compared, there: &Compared, examined: u64) -> Vec<Advice> {
    let mut told = Vec::new();
    for (place, texts) in asked {
        let Some(there) = there.get(place) else { continue };
        for written in texts.iter().filter(|text| !there.contains(*text)) {
            if let Some(near) = there.iter().find(|own| own.to_lowercase() == written.to_lowercase()) {
                told.push(Advice::OtherCase {
                    name: place.shown(),
                    written: written.clone(),
                    near: near.clone(),
                    known: Letters::Seen(examined),
                });
            }
        }
    }
    told
}
