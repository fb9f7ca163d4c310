//! The stored record of the computed attributes and segments of a workspace, version 6. Version 5 has the same shape, and was written when lists and
//! texts of times were compared otherwise. Version 4 is the same without attributes that are written into events. Version 3 has the shape of version 4,
//! and was written when nodes kept every event of a window. Version 2 is the same without names for people, and without whom segments are of: of
//! everybody. Version 1 has the same shape, and was written when identify, group and alias calls counted as events and texts as ranks.
//!
//! Whatever an older version says, a rule may come to something else by now: what nodes keep for it is built anew under other numbers, and everybody is
//! asked again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::config::Kind;
use tessera_engine::rules::{AggregateId, RulesProgress, SegmentId};
use tessera_expr::calendar::Zone;

use super::{Definition, PolicyId, RuleKind, RuleName, Run, StoredAggregate, StoredRule, StoredRules, Target, Version};
use crate::base::codec;
use crate::base::error::Error;

const VERSION: u8 = 6;
/// Before lists were compared as `=` compares, and texts of times by the times.
const VERSION_OF_TYPES: u8 = 5;
/// Before attributes were written into events.
const VERSION_OF_PROFILES: u8 = 4;
/// Before windows were kept as what their events come to.
const VERSION_OF_EVENTS: u8 = 3;
/// Before segments were of people or of accounts, and people could call a rule something else than its name.
const VERSION_OF_ALL: u8 = 2;
/// Before rules saw only what happened.
const VERSION_ALL_CALLS: u8 = 1;

/// All of it.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    whole: WholeRecord<'a>,
    /// The attributes that are written into events.
    #[serde(borrow)]
    of_events: Vec<&'a str>,
}

/// All of it, before attributes were written into events.
#[derive(Serialize, Deserialize)]
struct WholeRecord<'a> {
    #[serde(borrow)]
    rules: RulesRecord<'a>,
    /// The segments that are of accounts: by name, whether the live version is, or the definition that there is, and whether the next one is.
    #[serde(borrow)]
    of_accounts: Vec<(&'a str, [bool; 2])>,
    /// What people call attributes.
    #[serde(borrow)]
    attributes: Vec<NameRecord<'a>>,
    /// What people call segments.
    #[serde(borrow)]
    segments: Vec<NameRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct NameRecord<'a> {
    name: &'a str,
    display_name: &'a str,
}

#[derive(Serialize, Deserialize)]
struct RulesRecord<'a> {
    #[serde(borrow)]
    attributes: Vec<RuleRecord<'a>>,
    #[serde(borrow)]
    segments: Vec<RuleRecord<'a>>,
    #[serde(borrow)]
    aggregates: Vec<AggregateRecord<'a>>,
    last_segment: u32,
    last_aggregate: u32,
    generation: u64,
    retiring: Option<u64>,
    epoch: u64,
    settled_epoch: u64,
    rolled_over_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct RuleRecord<'a> {
    name: &'a str,
    description: Option<&'a str>,
    version: u64,
    created_at: i64,
    updated_at: i64,
    #[serde(borrow)]
    run: RunRecord<'a>,
    former: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
enum RunRecord<'a> {
    Draft(#[serde(borrow)] DefinitionRecord<'a>),
    Archived(#[serde(borrow)] DefinitionRecord<'a>),
    Building(#[serde(borrow)] VersionRecord<'a>),
    Live(#[serde(borrow)] VersionRecord<'a>, Option<VersionRecord<'a>>),
}

#[derive(Serialize, Deserialize)]
struct DefinitionRecord<'a> {
    pql: &'a str,
    zone: &'a str,
    merge_policy: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct VersionRecord<'a> {
    #[serde(borrow)]
    definition: DefinitionRecord<'a>,
    segment: Option<u32>,
    succeeds: Option<u32>,
    generation: u64,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct AggregateRecord<'a> {
    id: u32,
    zone: &'a str,
    key: &'a str,
    building: Option<u64>,
}

/// Writes the rules of a workspace.
#[must_use]
pub(in super::super) fn encode(rules: &StoredRules) -> Bytes {
    let of = |kind| rules.of(kind).values().map(|rule| write_rule(rule)).collect();
    let record = RulesRecord {
        attributes: of(RuleKind::Attribute),
        segments: of(RuleKind::Segment),
        aggregates: rules.aggregates.iter().map(write_aggregate).collect(),
        last_segment: rules.last_segment,
        last_aggregate: rules.last_aggregate,
        generation: rules.generation,
        retiring: rules.retiring,
        epoch: rules.progress.epoch,
        settled_epoch: rules.progress.settled_epoch,
        rolled_over_at: rules.progress.rolled_over_at.map(|at| at.micros()),
    };
    let of = |rule: &StoredRule| {
        let [first, next] = match &rule.run {
            Run::Draft(own) | Run::Archived(own) => [Some(own), None],
            Run::Building(next) => [Some(&next.definition), None],
            Run::Live(live, next) => [Some(&live.definition), next.as_ref().map(|next| &next.definition)],
        };
        [first, next].map(|own| own.is_some_and(|own| own.of == Kind::Account))
    };
    let segments = rules.of(RuleKind::Segment).values().map(|rule| (rule.name.as_str(), of(rule)));
    let of_accounts = segments.filter(|(_, of)| *of != [false; 2]).collect();
    let names = |kind| {
        let called = rules.of(kind).values().filter_map(|rule| Some((rule, rule.display_name.as_deref()?)));
        called.map(|(rule, display_name)| NameRecord { name: rule.name.as_str(), display_name }).collect()
    };
    let (attributes, segments) = (names(RuleKind::Attribute), names(RuleKind::Segment));
    let of_events =
        rules.attributes.values().filter(|rule| rule.is_of_events()).map(|rule| rule.name.as_str()).collect();
    let whole = WholeRecord { rules: record, of_accounts, attributes, segments };
    codec::encode(VERSION, &Record { whole, of_events })
}

/// Reads the rules of a workspace.
///
/// # Errors
/// `Corrupt`.
pub(in super::super) fn decode(bytes: &[u8]) -> Result<StoredRules, Error> {
    let (version, whole) = match bytes.first() {
        Some(&version @ (VERSION_ALL_CALLS | VERSION_OF_ALL)) => {
            let rules = codec::decode(version, bytes)?;
            let whole = WholeRecord { rules, of_accounts: Vec::new(), attributes: Vec::new(), segments: Vec::new() };
            (version, Record { whole, of_events: Vec::new() })
        }
        Some(&version @ (VERSION_OF_EVENTS | VERSION_OF_PROFILES)) => {
            (version, Record { whole: codec::decode(version, bytes)?, of_events: Vec::new() })
        }
        Some(&version @ VERSION_OF_TYPES) => (version, codec::decode(version, bytes)?),
        _ => (VERSION, codec::decode(VERSION, bytes)?),
    };
    let Record { whole, of_events } = whole;
    let WholeRecord { rules: record, of_accounts, attributes, segments } = whole;
    let names = [(RuleKind::Attribute, attributes), (RuleKind::Segment, segments)];
    let aggregate = |own: AggregateRecord<'_>| {
        let AggregateRecord { id, zone, key, building } = own;
        Ok(StoredAggregate { id: AggregateId(id), zone: read_zone(zone)?, key: key.into(), building })
    };
    let mut rules = StoredRules {
        attributes: read_rules(RuleKind::Attribute, record.attributes, &of_events)?,
        segments: read_rules(RuleKind::Segment, record.segments, &[])?,
        aggregates: record.aggregates.into_iter().map(aggregate).collect::<Result<_, Error>>()?,
        last_segment: record.last_segment,
        last_aggregate: record.last_aggregate,
        generation: record.generation,
        retiring: record.retiring,
        progress: RulesProgress {
            epoch: record.epoch,
            settled_epoch: record.settled_epoch,
            rolled_over_at: record.rolled_over_at.map(codec::instant).transpose()?,
        },
    };
    for (name, of) in of_accounts {
        let rule = rules.segments.get_mut(name).ok_or_else(|| codec::corrupt("name of a segment"))?;
        put_of(&mut Arc::make_mut(rule).run, of.map(|is_so| if is_so { Kind::Account } else { Kind::Person }));
    }
    for (kind, names) in names {
        for NameRecord { name, display_name } in names {
            let rule = rules.of_mut(kind).get_mut(name).ok_or_else(|| codec::corrupt("name of a rule"))?;
            Arc::make_mut(rule).display_name = Some(display_name.into());
        }
    }
    Ok(if version == VERSION { rules } else { built_anew(rules) })
}

/// Says of whom the versions of a segment are.
fn put_of(run: &mut Run, [first, second]: [Kind; 2]) {
    match run {
        Run::Draft(own) | Run::Archived(own) => own.of = first,
        Run::Building(next) => next.definition.of = first,
        Run::Live(live, next) => {
            live.definition.of = first;
            if let Some(next) = next {
                next.definition.of = second;
            }
        }
    }
}

/// The rules as they are brought to everybody once more: nothing counts that nodes keep for them, and every membership may be another. Read again
/// before it is written it comes to the same, so that what was built meanwhile is found.
fn built_anew(rules: StoredRules) -> StoredRules {
    let mut rules = rules;
    if !rules.are_running() {
        return rules;
    }
    rules.generation += 1;
    rules.progress.epoch += 1;
    rules.retiring = Some(rules.generation);
    for own in &mut rules.aggregates {
        rules.last_aggregate += 1;
        (own.id, own.building) = (AggregateId(rules.last_aggregate), Some(rules.generation));
    }
    rules
}

fn write_aggregate(own: &StoredAggregate) -> AggregateRecord<'_> {
    let StoredAggregate { id, zone, key, building } = own;
    AggregateRecord { id: id.0, zone: zone.name().unwrap_or("UTC"), key, building: *building }
}

fn write_rule(rule: &StoredRule) -> RuleRecord<'_> {
    let run = match &rule.run {
        Run::Draft(definition) => RunRecord::Draft(write_definition(definition)),
        Run::Archived(definition) => RunRecord::Archived(write_definition(definition)),
        Run::Building(next) => RunRecord::Building(write_version(next)),
        Run::Live(live, next) => RunRecord::Live(write_version(live), next.as_ref().map(write_version)),
    };
    RuleRecord {
        name: rule.name.as_str(),
        description: rule.description.as_deref(),
        version: rule.version,
        created_at: rule.created_at.micros(),
        updated_at: rule.updated_at.micros(),
        run,
        former: rule.former.iter().map(|id| id.0).collect(),
    }
}

fn write_definition(definition: &Definition) -> DefinitionRecord<'_> {
    DefinitionRecord {
        pql: &definition.pql,
        zone: definition.zone_name(),
        merge_policy: definition.merge_policy.as_ref().map(PolicyId::as_str),
    }
}

fn write_version(version: &Version) -> VersionRecord<'_> {
    VersionRecord {
        definition: write_definition(&version.definition),
        segment: version.segment.map(|id| id.0),
        succeeds: version.succeeds.map(|id| id.0),
        generation: version.generation,
        since: version.since.micros(),
    }
}

/// The rules of a kind, by name; those of these names are written into events.
fn read_rules(
    kind: RuleKind,
    records: Vec<RuleRecord<'_>>,
    of_events: &[&str],
) -> Result<BTreeMap<RuleName, Arc<StoredRule>>, Error> {
    let rule = |record: RuleRecord<'_>| {
        let kind = (kind, if of_events.contains(&record.name) { Target::Events } else { Target::Profiles });
        let name = RuleName::parse(kind.0, record.name).map_err(|_| codec::corrupt("name of a rule"))?;
        let run = match record.run {
            RunRecord::Draft(definition) => Run::Draft(read_definition(kind, &definition)?),
            RunRecord::Archived(definition) => Run::Archived(read_definition(kind, &definition)?),
            RunRecord::Building(next) => Run::Building(read_version(kind, &next)?),
            RunRecord::Live(live, next) => {
                Run::Live(read_version(kind, &live)?, next.map(|next| read_version(kind, &next)).transpose()?)
            }
        };
        let rule = StoredRule {
            name: name.clone(),
            display_name: None,
            description: record.description.map(Arc::from),
            version: record.version,
            created_at: codec::instant(record.created_at)?,
            updated_at: codec::instant(record.updated_at)?,
            run,
            former: record.former.into_iter().map(SegmentId).collect(),
        };
        Ok((name, Arc::new(rule)))
    };
    records.into_iter().map(rule).collect()
}

fn read_definition((kind, into): (RuleKind, Target), record: &DefinitionRecord<'_>) -> Result<Definition, Error> {
    let merge_policy = record.merge_policy.map(PolicyId::parse).transpose()?;
    let zone = read_zone(record.zone)?;
    let definition = match into {
        Target::Profiles => Definition::stored(kind, record.pql, zone, merge_policy),
        Target::Events => Definition::of_events_stored(record.pql, zone),
    };
    definition.map_err(|_| codec::corrupt("text of a rule"))
}

fn read_version(kind: (RuleKind, Target), record: &VersionRecord<'_>) -> Result<Version, Error> {
    Ok(Version {
        definition: read_definition(kind, &record.definition)?,
        segment: record.segment.map(SegmentId),
        succeeds: record.succeeds.map(SegmentId),
        generation: record.generation,
        since: codec::instant(record.since)?,
    })
}

fn read_zone(name: &str) -> Result<Zone, Error> {
    Zone::named(name).ok_or_else(|| codec::corrupt("name of a time zone"))
}
