//! From requests to rules.

use std::sync::Arc;

use tessera_expr::calendar::Zone;
use tessera_expr::check::{Model, check_as};
use tessera_seam::answer::invalid;
use tessera_seam::body;
use tessera_service::error::Error;
use tessera_service::segments::ControlGroup;
use tessera_service::workspace_config::{
    DESCRIPTION_MAX, Definition, PolicyId, RuleContent, RuleKind, RuleName, display_name,
};

use super::wire::{
    AttributeReplacement, DeclaredAttribute, DeclaredSegment, NewAttribute, NewSegment, Of, RuleBody,
    SegmentReplacement, Target, Wanted,
};
use crate::native::rules::{self, Spelled as Text};

/// A rule as it came, with what stands beside it.
pub(super) struct Spelled {
    text: Text,
    display_name: Option<Arc<str>>,
    description: Option<String>,
    zone: Zone,
    merge_policy: Option<PolicyId>,
    of: Of,
    into: Target,
    is_draft: bool,
    control_group: Option<ControlGroup>,
}

/// The name of a rule to be made, and what it says.
///
/// # Errors
/// As [`read`], and those of JSON.
pub(super) fn new(kind: RuleKind, bytes: &[u8]) -> Result<(String, Spelled), Error> {
    let ((name,), rule) = match kind {
        RuleKind::Attribute => body::json::<NewAttribute>(bytes)?.parts(),
        RuleKind::Segment => body::json::<NewSegment>(bytes)?.parts(),
    };
    Ok((name, read(rule)?))
}

/// The version that is meant to be replaced, and what takes its place.
///
/// # Errors
/// As [`read`], and those of JSON.
pub(super) fn replacement(kind: RuleKind, bytes: &[u8]) -> Result<(Option<u64>, Spelled), Error> {
    let ((version,), rule) = match kind {
        RuleKind::Attribute => body::json::<AttributeReplacement>(bytes)?.parts(),
        RuleKind::Segment => body::json::<SegmentReplacement>(bytes)?.parts(),
    };
    Ok((version, read(rule)?))
}

/// # Errors
/// As [`read`].
pub(super) fn declared_attribute(wire: DeclaredAttribute) -> Result<Spelled, Error> {
    read(wire.parts().1)
}

/// # Errors
/// As [`read`].
pub(super) fn declared_segment(wire: DeclaredSegment) -> Result<Spelled, Error> {
    read(wire.parts().1)
}

/// # Errors
/// `rule_spelling`, `rule_invalid`, `control_group_invalid`, `time_zone_unknown`, `description_invalid`, `display_name_invalid`, `name_invalid`.
fn read(rule: RuleBody) -> Result<Spelled, Error> {
    let text = rules::spelled(rule.pql, rule.pql_json, rule.tree, rule.filter)?;
    let zone = rule.time_zone.as_deref().unwrap_or("UTC");
    let unknown = || invalid("time_zone_unknown", "time_zone is expected to be a name such as Europe/Paris, or UTC");
    let zone = Zone::named(zone).ok_or_else(unknown)?;
    let description = rule.description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let is_fit = |text: &String| text.chars().count() <= DESCRIPTION_MAX && !text.chars().any(char::is_control);
    if !description.as_ref().is_none_or(is_fit) {
        let message = format!("description is expected to be at most {DESCRIPTION_MAX} printable characters");
        return Err(invalid("description_invalid", message));
    }
    Ok(Spelled {
        text,
        display_name: rule.display_name.as_deref().map(display_name).transpose()?,
        description,
        zone,
        merge_policy: rule.merge_policy.as_deref().map(PolicyId::parse).transpose()?,
        of: rule.of.unwrap_or_default(),
        into: rule.into.unwrap_or_default(),
        is_draft: rule.status == Some(Wanted::Draft),
        control_group: rule.control_group.map(|own| ControlGroup::new(own.share, &own.seed)).transpose()?,
    })
}

impl Spelled {
    /// The name of a rule that is called so, which may be what people call it.
    ///
    /// # Errors
    /// `name_invalid`: with a `display_name`, the name is one of paths.
    pub(super) fn named(mut self, kind: RuleKind, called: &str) -> Result<(RuleName, Self), Error> {
        if self.display_name.is_some() {
            return Ok((RuleName::parse(kind, called)?, self));
        }
        let (name, display_name) = RuleName::of(kind, called)?;
        self.display_name = display_name;
        Ok((name, self))
    }

    /// The control group that it has.
    pub(super) fn control_group(&self) -> Option<ControlGroup> {
        self.control_group.clone()
    }

    /// Checks it against a data model.
    ///
    /// # Errors
    /// `rule_invalid`, with what was expected where, and a hint.
    pub(super) fn compile(self, kind: RuleKind, model: &dyn Model) -> Result<RuleContent, Error> {
        let Self { text, display_name, description, zone, merge_policy, of, into, is_draft, control_group: _ } = self;
        let refused = |problem| rules::refused(&problem, &text);
        let expr = text.read().map_err(refused)?;
        let definition = match into {
            Target::Profiles => {
                check_as(&expr, kind.purpose(), model).map_err(refused)?;
                Definition::new(kind, expr, zone, merge_policy).map_err(refused)?.of(of.into())
            }
            Target::Events => {
                check_as(&expr.clone().of_first_event(), kind.purpose(), model).map_err(refused)?;
                Definition::of_events(expr, zone).map_err(refused)?
            }
        };
        Ok(RuleContent { display_name, description: description.map(Into::into), definition, is_draft })
    }
}
