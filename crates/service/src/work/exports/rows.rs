//! The rows of an export, one after the other, as JSON objects: each as a read shows it.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tessera_connect::FileFormat;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Kind;
use tessera_engine::id::NodeId;
use tessera_engine::model::{Scalar, Type};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::Lens;
use tessera_expr::calendar::Zone;
use tessera_expr::facts::Membership;
use tessera_expr::rule::Rule;
use tessera_store::Key;

use super::content::{ExportContent, ExportOf, MembersOf};
use crate::base::clock::format_timestamp;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::json::write_text;
use crate::base::members::Members;
use crate::base::payload::RESTS_ON;
use crate::config::configured::Configured;
use crate::read::asking::{Asking, Wanted};
use crate::read::columns::TimeKind;
use crate::read::find::{Found, not_found};
use crate::read::pool::ANSWER_MICROS;
use crate::read::query::{Fields, StoredCall};
use crate::read::render::{profile_id, viewed};
use crate::read::ruled::{self, Of, Tries};
use crate::read::whole::Whole;
use crate::stored::records::rows::Counts;
use crate::work::service::Service;
use crate::work::walks::{EventSpan, EventWalk, Records};

/// The member of a member of a segment that says since when it is one.
const ENTERED_AT: &str = "_entered_at";
/// The member of a member of a segment with a control group that says whether it is in that.
const CONTROL: &str = "_control";
/// Members of an event that are instants.
const EVENT_TIMES: [&str; 2] = ["timestamp", "received_at"];

/// A row, and the row of the store that it comes from.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) at: Key,
    pub(crate) json: Bytes,
}

/// The rows of an export.
pub(crate) struct RowWalk {
    source: Source,
    policy: Option<String>,
    /// Names whose values are instants, wherever one was met.
    instants: HashSet<Arc<str>>,
    /// Whether they are looked for.
    has_columns: bool,
    /// Members of the control group that were left out so far.
    left_out: u64,
}

/// Profiles of people, or accounts, as they are read.
struct Profiles {
    records: Records,
    fields: Fields,
    of: Kind,
    segment: Option<Arc<str>>,
    members: MembersOf,
    condition: Option<Condition>,
}

/// What has to hold of each.
struct Condition {
    rule: Arc<Rule>,
    zone: Zone,
    policy: Option<String>,
    /// As it is asked under the configuration that was read last.
    asking: Option<Arc<Asking>>,
}

enum Source {
    Profiles(Box<Profiles>),
    Events { walk: Box<EventWalk>, names: Option<HashSet<String>>, called: Option<(NodeId, String)> },
}

impl RowWalk {
    /// Begins at the present instant.
    ///
    /// # Errors
    /// As [`ExportContent::check`]; what the store answers.
    pub(crate) async fn begin(
        service: &Arc<Service>,
        workspace: WorkspaceId,
        content: &ExportContent,
    ) -> Result<Self, Error> {
        let configured = service.configured(workspace).await?;
        content.check(&configured)?;
        let source = match content.of {
            ExportOf::Profiles | ExportOf::Members | ExportOf::Accounts => {
                let of = content.kind(&configured)?;
                let condition = content.condition(&configured)?;
                let policy = || content.merge_policy.clone();
                Source::Profiles(Box::new(Profiles {
                    records: Records::begin(service, workspace, of).await?,
                    fields: content.shown(),
                    of,
                    segment: content.segment.as_deref().map(Into::into),
                    members: content.members,
                    condition: condition.map(|(rule, zone)| Condition { rule, zone, policy: policy(), asking: None }),
                }))
            }
            ExportOf::Events => {
                let (from, to) = content.span()?;
                let span = EventSpan { from, to, visibility: content.visibility() };
                let walk = service.walk_events(workspace, span).await?;
                let names = content.events.as_ref().map(|names| names.iter().cloned().collect());
                Source::Events { walk: Box::new(walk), names, called: None }
            }
        };
        let has_columns = content.format() != FileFormat::JsonLines;
        Ok(Self { source, policy: content.merge_policy.clone(), instants: HashSet::new(), has_columns, left_out: 0 })
    }

    /// Begins behind this row of the store.
    pub(crate) fn begin_behind(&mut self, row: &Key) {
        match &mut self.source {
            Source::Profiles(own) => own.records.begin_behind(row),
            Source::Events { walk, .. } => walk.begin_behind(row),
        }
    }

    /// Begins anew, at the same instant.
    pub(crate) fn rewind(&mut self) {
        self.left_out = 0;
        match &mut self.source {
            Source::Profiles(own) => own.records.rewind(),
            Source::Events { walk, .. } => walk.rewind(),
        }
    }

    /// Members of the control group that were left out so far.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    fn records(&self) -> &Records {
        match &self.source {
            Source::Profiles(own) => &own.records,
            Source::Events { walk, .. } => walk.records(),
        }
    }

    /// The instant whose rows they are.
    pub(crate) fn began(&self) -> Timestamp {
        self.records().began
    }

    /// For how long that has been.
    pub(crate) fn age_micros(&self, now: Timestamp) -> i64 {
        now.micros() - self.began().micros()
    }

    /// The id and the version of the merge policy as it is now.
    ///
    /// # Errors
    /// `Invalid` with `merge_policy_unknown`.
    pub(crate) fn policy(&self) -> Result<(String, u64), Error> {
        let chosen = self.records().configured.policy(self.policy.as_deref())?;
        Ok((chosen.id.as_str().to_owned(), chosen.version))
    }

    /// About how many rows there are, where that is known.
    pub(crate) fn total(&self, counts: &Counts) -> Option<u64> {
        match &self.source {
            Source::Profiles(own) => {
                let are_all = own.segment.is_none() && own.condition.is_none() && own.of == Kind::Person;
                are_all.then_some(counts.profiles)
            }
            Source::Events { names: None, .. } => Some(counts.events),
            Source::Events { .. } => None,
        }
    }

    /// What texts of this name are: what the rows themselves say of it, or the data model.
    pub(crate) fn times(&self, name: &str) -> Option<TimeKind> {
        match &self.source {
            Source::Events { .. } => EVENT_TIMES.contains(&name).then_some(TimeKind::Instant),
            Source::Profiles(_) if name == ENTERED_AT || name == "_updated_at" || self.instants.contains(name) => {
                Some(TimeKind::Instant)
            }
            Source::Profiles(own) => {
                let model = own.records.configured.stored.model();
                let attributes = &model.model.definition().attributes;
                let own = attributes.iter().find(|(path, _)| path.spoken_of().as_str() == name)?.1;
                match own.r#type {
                    Type::Scalar(Scalar::DateTime) => Some(TimeKind::Instant),
                    Type::Scalar(Scalar::Date) => Some(TimeKind::Day),
                    _ => None,
                }
            }
        }
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// `Unavailable` with `walk_timeout`, `rules_busy`, `rules_late`; `LimitExceeded` with `profile_too_large`; what the store answers. The
    /// walk is over then, and not whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Walked>, Error> {
        let json = match &mut self.source {
            Source::Profiles(own) => {
                let Profiles { records, fields, of, segment, members, condition } = &mut **own;
                let (segment, policy) = (segment.as_deref(), self.policy.as_deref());
                let read = Reading { fields: *fields, segment, members: *members, policy };
                let condition = condition.as_mut().map(|own| (own, *of));
                let found = next_profile(records, &read, condition, &mut self.left_out).await?;
                let Some((json, instants)) = found else { return Ok(None) };
                if self.has_columns {
                    self.instants.extend(instants);
                }
                json
            }
            Source::Events { walk, names, called } => loop {
                let Some(event) = walk.next().await? else { return Ok(None) };
                let is_asked = |name: &str| names.as_ref().is_none_or(|names| names.contains(name));
                if !is_asked(event.call.name.as_deref().unwrap_or_default()) {
                    continue;
                }
                let (cluster, head) = &event.of;
                if called.as_ref().is_none_or(|(of, _)| of != head) {
                    let records = walk.records();
                    let name = called_so(&records.configured, cluster, *head, self.policy.as_deref(), records.began)?;
                    *called = Some((*head, name));
                }
                let name = called.as_ref().map_or("", |(_, name)| name);
                break event_json(name, &event.call)?;
            },
        };
        let at = self.records().at().cloned().unwrap_or(Key::MIN);
        Ok(Some(Walked { at, json }))
    }
}

/// How profiles are read.
struct Reading<'a> {
    fields: Fields,
    segment: Option<&'a str>,
    members: MembersOf,
    policy: Option<&'a str>,
}

/// A row, and the names of its attributes that are instants.
type Shown = (Bytes, Vec<Arc<str>>);

/// What a profile is to an export.
enum Looked {
    Shown(Shown),
    /// It is in the control group, which is left out.
    Control,
    /// It is none of those that are asked for.
    Other,
}

impl Condition {
    /// Whether it holds of a profile.
    ///
    /// # Errors
    /// `LimitExceeded` with `export_undecided` where it gives no answer within its bounds; as [`RowWalk::next`].
    async fn holds(&mut self, records: &Records, of: Kind, found: &Found) -> Result<bool, Error> {
        let Records { service, workspace, configured, began, .. } = records;
        let known = self.asking.take().filter(|own| Arc::ptr_eq(&own.configured, configured));
        let asking = known.unwrap_or_else(|| {
            let (filter, order, policy) = (Some(self.rule.clone()), Vec::new(), self.policy.clone());
            let wanted = Wanted { filter, zone: self.zone.clone(), of, order, policy, now: *began };
            Arc::new(Asking::new(service.store().clone(), *workspace, configured.clone(), wanted))
        });
        self.asking = Some(asking.clone());
        let (cluster, version) = (found.cluster.clone(), found.version);
        let profile = cluster.profile_id(found.node).unwrap_or(found.node);
        let work = move |patience| async move { asking.look((&*cluster, version), profile, &patience).await };
        let looked = service.pool().run(*workspace, ANSWER_MICROS, work).await?;
        looked.map(|values| values.is_some()).map_err(|trouble| {
            let message = format!(
                "the filter gives no answer for {profile} within its bounds ({}), and an export has all of whom it holds; ask less of each",
                trouble.name()
            );
            Error::new(ErrorKind::LimitExceeded, "export_undecided", message)
        })
    }
}

async fn next_profile(
    records: &mut Records,
    read: &Reading<'_>,
    mut condition: Option<(&mut Condition, Kind)>,
    left_out: &mut u64,
) -> Result<Option<Shown>, Error> {
    while let Some((cluster, version, head)) = records.next().await? {
        let mut found = records.found(&cluster, version, head).await?;
        let mut tries = Tries::default();
        while let Some(own) = &found {
            let answer = match &mut condition {
                None => profile(records, own, read).await,
                Some((condition, of)) => match condition.holds(records, *of, own).await {
                    Ok(true) => profile(records, own, read).await,
                    Ok(false) => Ok(Looked::Other),
                    Err(error) => Err(error),
                },
            };
            if tries.goes_on(&answer) {
                found = records.now(head).await?;
                continue;
            }
            match answer? {
                Looked::Shown(shown) => return Ok(Some(shown)),
                Looked::Control => *left_out += 1,
                Looked::Other => {}
            }
            break;
        }
    }
    Ok(None)
}

/// A profile as a row.
async fn profile(records: &Records, found: &Found, read: &Reading<'_>) -> Result<Looked, Error> {
    let Records { service, workspace, configured, began, .. } = records;
    let asker = service.asker(*workspace);
    let mut joined = None;
    if let Some(segment) = read.segment {
        let of = Of { configured, found, policy: None, now: *began };
        let mut ruled = asker.ruled(of).await?;
        ruled::hide(&mut ruled, &configured.flagged, read.fields.visibility);
        let stands = ruled.audiences.iter().find(|(name, _)| **name == *segment);
        let Some((_, Membership::Inside { entered, .. })) = stands else { return Ok(Looked::Other) };
        joined = Some((*entered, configured.controls.get(segment)));
    }
    let of = Of { configured, found, policy: read.policy, now: *began };
    let mut whole = Whole::read(&asker, of, read.fields).await?;
    let joined = joined.map(|(at, group)| (at, group.map(|group| group.holds(whole.view.profile_id))));
    if read.members == MembersOf::Treated && matches!(joined, Some((_, Some(true)))) {
        return Ok(Looked::Control);
    }
    let json = whole.json(read.fields, &configured.config)?;
    let is_instant = |tree: &Tree| matches!(tree, Tree::Leaf(Value::Timestamp(_)));
    let instants = whole.view.attributes.iter().filter(|(_, tree)| is_instant(tree)).map(|(name, _)| name.clone());
    let instants = instants.collect();
    Ok(Looked::Shown((joined.map_or(json.clone(), |own| joining(&json, own)), instants)))
}

/// The row with when the profile became a member, and whether it is in the control group, in the place of attributes of these names.
fn joining(json: &Bytes, (at, control): (Timestamp, Option<bool>)) -> Bytes {
    let mut out = match std::str::from_utf8(json).ok().and_then(|text| Members::parse(text).ok()) {
        Some(mut members) if [ENTERED_AT, CONTROL].iter().any(|name| members.get(name).is_some()) => {
            members.0.retain(|(name, _)| name != ENTERED_AT && name != CONTROL);
            members.to_raw().get().as_bytes().to_vec()
        }
        _ => json.to_vec(),
    };
    out.pop();
    out.extend_from_slice(format!(",\"{ENTERED_AT}\":\"{}\"", format_timestamp(at)).as_bytes());
    if let Some(control) = control {
        out.extend_from_slice(format!(",\"{CONTROL}\":{control}").as_bytes());
    }
    out.push(b'}');
    out.into()
}

/// What a read calls a profile: read only where it may be something else than its id.
fn called_so(
    configured: &Arc<Configured>,
    cluster: &Cluster,
    head: NodeId,
    policy: Option<&str>,
    now: Timestamp,
) -> Result<String, Error> {
    let config = &configured.config;
    if config.primary().is_none() {
        return Ok(head.to_string());
    }
    let relevance = tessera_engine::view::Relevance::Any;
    let lens = Lens { policy: &configured.policy(policy)?.compiled, config, now, relevance };
    let view = viewed(cluster, head, &lens).ok_or_else(not_found)?;
    Ok(profile_id(&view))
}

/// An event as a row: what it is, and the members of its payload.
fn event_json(called: &str, call: &StoredCall) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(256 + call.payload.len());
    let mut member = |name: &str, value: Option<&str>| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        write_text(name, &mut out);
        out.push(b':');
        match value {
            Some(value) => write_text(value, &mut out),
            None => out.extend_from_slice(b"null"),
        }
    };
    member("profile_id", Some(called));
    member("message_id", Some(&call.message_id));
    member("type", Some(call.kind.name()));
    member("event", call.name.as_deref());
    for (name, at) in EVENT_TIMES.into_iter().zip([call.time, call.received_at]) {
        member(name, Some(&format_timestamp(at)));
    }
    member("dataset", Some(&call.dataset));
    member("batch", call.batch.as_deref());
    let payload = std::str::from_utf8(&call.payload).ok().and_then(|text| Members::parse(text).ok());
    let payload = payload.ok_or_else(|| crate::base::codec::corrupt("payload of an event"))?;
    // What is computed of it tells what it rests on for erasures alone.
    let is_shown = |(name, value): &&(String, &RawValue)| name != RESTS_ON && value.get() != "null";
    for (name, value) in payload.0.iter().filter(is_shown) {
        out.push(b',');
        write_text(name, &mut out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Ok(out.into())
}
