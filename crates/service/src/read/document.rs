//! A profile read as a document: its id, what it is known by, and its fields, each with the time of what it says.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use tessera_engine::cluster::Cluster;
use tessera_engine::document::documents;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::policy::{Fate, Part};
use tessera_engine::rules::query as question_of;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_engine::view::{Lens, Relevance};
use tessera_expr::calendar::Zone;
use tessera_expr::facts::Membership;
use tessera_expr::rule::Rule;

use crate::base::error::{Error, ErrorKind};
use crate::base::json::write_tree;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::config::visibility::is_hidden_from;
use crate::config::workspace::RuleKind;
use crate::read::find::{Found, not_found};
use crate::read::render::{explained, viewed, visible, visible_explanation};
use crate::read::ruled::{self, Asker, Of};

/// Bytes of JSON that the fields of a document may come to.
const FIELDS_BYTES_MAX: usize = 1_000_000;

/// What of a document is read.
#[derive(Debug, Clone)]
pub struct DocumentQuery {
    /// What the reader may see of what the data model flags.
    pub visibility: Flags,
    /// Which values, by the windows of relevance.
    pub relevance: Relevance,
    /// Values that are computed of the profile as rules compute them.
    pub values: Arc<[Arc<Rule>]>,
}

/// A field of a document.
#[derive(Debug, Clone)]
pub struct DocumentFieldValue {
    /// Its name.
    pub name: Arc<str>,
    /// Its value, as JSON.
    pub json: Bytes,
    /// When what it says became true; none for what is computed.
    pub updated: Option<Timestamp>,
    /// The dataset that said so; of several that are part of it the one that said so last. None for what is computed.
    pub dataset: Option<Arc<str>>,
    /// Whether it is computed by a rule.
    pub is_computed: bool,
}

/// An identity of a document.
#[derive(Debug, Clone)]
pub struct DocumentIdentity {
    /// The identity.
    pub identity: NamedIdentity,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
    /// Whether a private key says that it is part of the profile.
    pub is_vouched_for: bool,
}

/// A profile as a document.
#[derive(Debug, Clone)]
pub struct DocumentProfile {
    /// The document that was there first; of a profile without one a node that a change of its fields does not part from it.
    pub id: NodeId,
    /// The value of its identity as a document, where it is one.
    pub name: Option<Arc<str>>,
    /// The other documents that are part of it: they were merged into it.
    pub parents: Vec<NodeId>,
    /// When its first identity was stored.
    pub created_at: Timestamp,
    /// When anything of it last changed, or when it was last used.
    pub updated_at: Timestamp,
    /// For each namespace the value that a read shows.
    pub shown: Vec<NamedIdentity>,
    /// All its identities.
    pub identities: Vec<DocumentIdentity>,
    /// Its attributes, by name. Those of the name of a namespace say what was said, whatever it is found by.
    pub fields: Vec<DocumentFieldValue>,
    /// The names of all attributes that it has, whatever is asked for by relevance.
    pub names: Vec<Arc<str>>,
    /// The segments that it is a member of, by name.
    pub segments: Vec<Arc<str>>,
    /// What there is and is not told, with the reason: computed attributes and segments by name.
    pub incomplete: Vec<(String, &'static str)>,
    /// The values that were asked for, in their order: null where there is none, where the reader may not see what it is computed of, and
    /// where it cannot be computed within the bounds of rules.
    pub values: Vec<Value>,
    /// The first instant at which something of it may be otherwise by itself, none where it holds until somebody writes.
    pub valid_until: Option<Timestamp>,
}

impl DocumentProfile {
    /// About how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fields: usize = self.fields.iter().map(|own| own.name.len() + own.json.len() + 40).sum();
        let identities: usize = self.identities.iter().map(|own| own.identity.value.len() + 80).sum();
        fields + identities
    }
}

/// The id of the document of a profile that was found.
pub(crate) fn id_of(found: &Found, configured: &Configured) -> Option<NodeId> {
    let first = documents(&found.cluster, found.node, &configured.config).first().map(|own| own.id);
    first.or_else(|| standing(found, configured))
}

/// The node that stands for a profile without a document: one that no change of a field of one value parts from it, if there is any.
fn standing(found: &Found, configured: &Configured) -> Option<NodeId> {
    let config = &configured.config;
    let fields = configured.stored.documents();
    let may_change = |name: &str| fields.keys().any(|(_, key)| !key.many && key.namespace.as_str() == name);
    let rank = |id: NodeId, namespace| {
        let name = config.find(namespace).map_or("", |own| own.name.as_str());
        (may_change(name), std::cmp::Reverse(config.priority(namespace)), id)
    };
    found.cluster.piece(found.node).map(|own| rank(own.id, own.identity.namespace)).min().map(|(_, _, id)| id)
}

/// Reads a profile that was found.
///
/// # Errors
/// As [`Asker::ask`]; `LimitExceeded` with `profile_too_large`.
pub(crate) async fn read(
    asker: Asker,
    configured: &Arc<Configured>,
    found: &Found,
    query: &DocumentQuery,
    now: Timestamp,
) -> Result<DocumentProfile, Error> {
    let (config, cluster, node) = (&configured.config, &found.cluster, found.node);
    let values = values(&asker, configured, found, query, now).await?;
    // When they next change by themselves is not told.
    let asks_clock = |rule: &Arc<Rule>| {
        let plan = rule.plan();
        plan.reads_clock || plan.moves_always || !plan.calendar.is_empty()
    };
    let moves = !values.is_empty() && (!config.keeping().keeps_events() || query.values.iter().any(asks_clock));
    let policy = configured.policy(None)?;
    let lens = Lens { policy: &policy.compiled, config, now, relevance: query.relevance };
    let hidden = configured.stored.model().model.hidden(query.visibility);
    let view = viewed(cluster, node, &lens).ok_or_else(not_found)?;
    let mut view = visible(view, hidden);
    let all = Lens { relevance: Relevance::Any, ..lens };
    let times = times(cluster, node, &all, hidden);
    let mut names: Vec<Arc<str>> = match query.relevance {
        Relevance::Any => view.attributes.keys().cloned().collect(),
        _ => visible(viewed(cluster, node, &all).ok_or_else(not_found)?, hidden).attributes.into_keys().collect(),
    };
    let mut ruled = asker.ruled(Of { configured, found, policy: None, now }).await?;
    ruled::hide(&mut ruled, &configured.flagged, query.visibility);
    ruled::add(&ruled, &mut view, query.relevance, config);
    let gaps = ruled::gaps(&ruled, &mut view, configured, query.visibility);
    let is_computed = |name: &str| configured.stored.rules().find(RuleKind::Attribute, name).is_ok();
    names.extend(ruled.attributes.iter().map(|(name, _)| name.clone()));
    names.sort_unstable();
    names.dedup();
    let mut bytes = 0;
    let fields = view.attributes.iter().map(|(name, tree)| {
        let mut json = Vec::new();
        write_tree(tree, &mut json);
        bytes += json.len() + name.len();
        let is_computed = is_computed(name);
        let said = times.get(&**name).filter(|_| !is_computed).cloned();
        let (updated, dataset) = said.map_or((None, None), |(time, dataset)| (Some(time), Some(dataset)));
        DocumentFieldValue { name: name.clone(), json: json.into(), updated, dataset, is_computed }
    });
    let fields: Vec<DocumentFieldValue> = fields.collect();
    if bytes > FIELDS_BYTES_MAX {
        let message = "the fields of the profile are larger than 1 MB of JSON";
        return Err(Error::new(ErrorKind::LimitExceeded, "profile_too_large", message));
    }
    let all = documents(cluster, node, config);
    let name = all.first().map(|own| own.identity.value.clone());
    let mut ids: Vec<NodeId> = all.into_iter().map(|own| own.id).collect();
    let id = if ids.is_empty() { standing(found, configured).ok_or_else(not_found)? } else { ids.remove(0) };
    let sweeps = config.sweeps();
    let named = |own: &tessera_engine::cluster::Node| DocumentIdentity {
        identity: NamedIdentity::new(&own.identity, config),
        last_seen: cluster.last_seen(own, sweeps),
        is_vouched_for: cluster.is_vouched_for(own, sweeps),
    };
    let shown = view.identifiers.iter().map(|(namespace, value)| NamedIdentity {
        namespace: config.find(*namespace).map_or("", |own| own.name.as_str()).into(),
        value: value.clone(),
    });
    let inside = ruled.audiences.iter().filter(|(_, stands)| matches!(stands, Membership::Inside { .. }));
    let incomplete = gaps.attributes.iter().map(|(name, why)| (name.to_string(), *why));
    let troubled = gaps.audiences.iter().map(|(name, why)| (format!("_audiences.{name}"), *why));
    let off = gaps.all_audiences.map(|why| ("_audiences".to_owned(), why));
    Ok(DocumentProfile {
        id,
        name,
        valid_until: view.valid_until.into_iter().chain(moves.then_some(now)).min(),
        values,
        parents: ids,
        created_at: cluster.piece(node).map(|own| own.created_at).min().ok_or_else(not_found)?,
        updated_at: view.updated_at,
        shown: shown.collect(),
        identities: cluster.piece(node).map(named).collect(),
        segments: inside.map(|(name, _)| name.clone()).collect(),
        incomplete: incomplete.chain(troubled).chain(off).collect(),
        fields,
        names,
    })
}

/// The segments that a profile is a member of, by name, as far as a reader may see them. Nothing is folded for it.
///
/// # Errors
/// As [`Asker::ask`].
pub(crate) async fn segments(
    asker: Asker,
    configured: &Arc<Configured>,
    found: &Found,
    visibility: Flags,
    now: Timestamp,
) -> Result<Vec<Arc<str>>, Error> {
    let mut ruled = asker.ruled(Of { configured, found, policy: None, now }).await?;
    ruled::hide(&mut ruled, &configured.flagged, visibility);
    let inside = ruled.audiences.iter().filter(|(_, stands)| matches!(stands, Membership::Inside { .. }));
    Ok(inside.map(|(name, _)| name.clone()).collect())
}

/// The values that were asked for.
async fn values(
    asker: &Asker,
    configured: &Arc<Configured>,
    found: &Found,
    query: &DocumentQuery,
    now: Timestamp,
) -> Result<Vec<Value>, Error> {
    if query.values.is_empty() {
        return Ok(Vec::new());
    }
    let hides = |rule: &Arc<Rule>| is_hidden_from(rule, &configured.stored, query.visibility);
    let may_see: Vec<bool> = query.values.iter().map(|rule| !hides(rule)).collect();
    let question = configured.config.rules().question(None, query.values.to_vec(), &Zone::utc());
    let of = Of { configured, found, policy: None, now };
    let answer = asker.ask(of, move |asked| question_of(asked, &question)).await?;
    let values = answer.ok().flatten().unwrap_or_else(|| vec![Value::Null; query.values.len()]);
    Ok(values.into_iter().zip(may_see).map(|(value, may)| if may { value } else { Value::Null }).collect())
}

/// For each name at the top of a profile the newest time of what the reader sees there, and the dataset that said it.
fn times(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, hidden: &[Path]) -> HashMap<String, (Timestamp, Arc<str>)> {
    let mut times: HashMap<String, (Timestamp, Arc<str>)> = HashMap::new();
    for attribute in visible_explanation(explained(cluster, node, lens, None), hidden).attributes {
        if !matches!(attribute.fate, Fate::Stands { .. } | Fate::Filled) {
            continue;
        }
        let Some(name) = attribute.path.segments().next() else { continue };
        let won = attribute.contenders.iter().filter(|own| matches!(own.part, Part::Won | Part::Joined));
        if let Some((time, dataset)) = won.map(|own| (own.time, &own.dataset)).max() {
            let own = times.entry(name.into_owned()).or_insert_with(|| (time, dataset.clone()));
            if (time, dataset) > (own.0, &own.1) {
                *own = (time, dataset.clone());
            }
        }
    }
    times
}
