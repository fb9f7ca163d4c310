//! From rules to answers.

use bytes::Bytes;
use tessera_expr::plan::{Attributes, EventTypes, Kind, Plan};
use tessera_seam::answer::to_json;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::ListPage;
use tessera_service::segments::{ControlGroup, ShownRule};
use tessera_service::workspace_config::{Definition, PolicyId, RuleContent, RuleKind, StoredRule, Target, Version};

use super::wire;
use crate::native::rules::Warning;

pub(super) fn page(kind: RuleKind, page: ListPage<ShownRule>) -> wire::StoredRules {
    wire::StoredRules {
        items: page.items.iter().map(|shown| rule(kind, shown, Vec::new())).collect(),
        next_cursor: page.next_cursor,
    }
}

pub(super) fn one(kind: RuleKind, shown: &ShownRule, warnings: Vec<Warning>) -> Bytes {
    to_json(&rule(kind, shown, warnings)).into()
}

/// What a file declares, as an answer would show it.
pub(super) fn content(kind: RuleKind, content: &RuleContent, control_group: Option<&ControlGroup>) -> wire::Content {
    let declared = content.is_draft.then_some(wire::Wanted::Draft);
    wire::Content {
        declared,
        control_group: control_group.map(control),
        ..said(kind, (content.display_name.as_deref(), content.description.as_deref()), &content.definition)
    }
}

fn control(own: &ControlGroup) -> wire::ControlGroup {
    wire::ControlGroup { share: own.share(), seed: own.seed().to_owned() }
}

fn rule(kind: RuleKind, shown: &ShownRule, warnings: Vec<Warning>) -> wire::StoredRule {
    let stored: &StoredRule = &shown.rule;
    let definition = stored.live().map_or_else(|| stored.definition(), |live| &live.definition);
    let plan = definition.rule.plan();
    let counts = shown.counts;
    // One that is renewed with what it depends on says the same.
    let edited = |next: &&Version| stored.live().is_some_and(|live| live.definition != next.definition);
    let next = stored
        .next()
        .filter(edited)
        .map(|next| said(kind, (stored.display_name.as_deref(), stored.description.as_deref()), &next.definition));
    wire::StoredRule {
        name: stored.name.to_string(),
        status: stored.status().name(),
        version: stored.version,
        content: wire::Content {
            control_group: shown.control_group.as_ref().map(control),
            ..said(kind, (stored.display_name.as_deref(), stored.description.as_deref()), definition)
        },
        // One that is written into events is kept by nobody else.
        kind: if stored.is_of_events() { "constant" } else { kind_of(plan) },
        attributes: attributes_of(plan),
        events: events_of(plan),
        segments: plan.segments.iter().map(ToString::to_string).collect(),
        reads_clock: plan.reads_clock,
        next,
        building: shown.job.as_ref().map(|job| wire::Building {
            job: job.id.to_string(),
            state: job.status().name(),
            done: job.progress.done,
            total: job.progress.total,
        }),
        created_at: format_timestamp(stored.created_at),
        updated_at: format_timestamp(stored.updated_at),
        warnings,
        count: counts.map(|counts| counts.members),
        overflowed: counts.map(|counts| counts.overflowed),
        over_budget: counts.map(|counts| counts.over_budget),
        truncated: counts.map(|counts| counts.truncated),
    }
}

/// What a rule says, with what people call it and say of it.
fn said(kind: RuleKind, words: (Option<&str>, Option<&str>), definition: &Definition) -> wire::Content {
    let policy = || definition.merge_policy.as_ref().map(PolicyId::to_string);
    let (display_name, description) = words;
    wire::Content {
        display_name: display_name.map(str::to_owned),
        description: description.map(str::to_owned),
        pql: definition.pql.to_string(),
        time_zone: definition.zone_name().to_owned(),
        merge_policy: (kind == RuleKind::Segment).then(policy),
        of: (kind == RuleKind::Segment).then(|| definition.of.into()),
        control_group: None,
        into: (definition.into == Target::Events).then_some(wire::Target::Events),
        declared: None,
    }
}

/// What it costs to keep the answer of a rule.
pub(in crate::native) fn kind_of(plan: &Plan) -> &'static str {
    match plan.kind() {
        Kind::Constant => "constant",
        Kind::Bounded => "bounded",
        Kind::Sequence => "sequence",
    }
}

/// The attributes that a rule reads; none if it may read any.
pub(in crate::native) fn attributes_of(plan: &Plan) -> Option<Vec<String>> {
    match &plan.attributes {
        Attributes::All => None,
        Attributes::At(paths) => Some(paths.iter().map(|names| names.join(".")).collect()),
    }
}

/// The types of events that can change the answer of a rule; none if any can.
pub(in crate::native) fn events_of(plan: &Plan) -> Option<Vec<String>> {
    match &plan.events {
        EventTypes::All => None,
        EventTypes::Some(types) => Some(types.iter().map(|own| own.name.to_string()).collect()),
    }
}
