//! What rules are checked against: the data model of a workspace, as the rule language asks for it.
//!
//! What is not registered may still be there, and is null where it is not; it can be ruled out only where every dataset refuses what is
//! not registered.

use std::sync::Arc;

use tessera_engine::config::Config;
use tessera_engine::model::{Allowed, DataModel, EventType, Flags, Mode, Scalar, Type as Registered, Window};
use tessera_engine::value::Path;
use tessera_expr::ast::Name;
use tessera_expr::check::{Known, Model, Type, check};
use tessera_expr::rule::Rule;

use crate::config::configured::Configured;
use crate::config::visibility::{Flagged, is_hidden_from};
use crate::config::workspace::{RuleKind, StoredConfig};
use tessera_engine::view::RESERVED;

/// The data model as a reader may see it, and the identifiers that stand among the attributes. What is hidden from the reader is as if it
/// were not registered: no answer and no hint tells that it is.
#[derive(Clone)]
pub struct RuleModel {
    stored: Arc<StoredConfig>,
    model: Arc<DataModel>,
    config: Arc<Config>,
    flagged: Flagged,
    visibility: Flags,
    /// How many computed attributes lead here.
    depth: usize,
}

/// Computed attributes that ask each other whose types are looked at in a row.
const COMPUTED_DEPTH_MAX: usize = 4;

impl RuleModel {
    pub(crate) fn new(configured: &Configured, visibility: Flags) -> Self {
        Self {
            stored: configured.stored.clone(),
            model: configured.stored.model().model.clone(),
            config: configured.config.clone(),
            flagged: configured.flagged.clone(),
            visibility,
            depth: 0,
        }
    }

    /// Whether a rule reads what this reader may not see, itself or through rules that it depends on.
    #[must_use]
    pub fn hides_rule(&self, rule: &Rule) -> bool {
        is_hidden_from(rule, &self.stored, self.visibility)
    }

    /// The names of the types of events that are registered and that the reader may see.
    pub(crate) fn event_types(&self) -> impl Iterator<Item = &str> {
        let names = self.model.definition().event_types.keys().map(|name| &**name);
        names.filter(|name| !self.model.is_event_hidden(name, self.visibility))
    }

    /// Whether there is an attribute at these names whatever anybody sends.
    pub(crate) fn knows_attribute(&self, names: &[Name]) -> bool {
        let is_reserved = names.first().is_some_and(|name| RESERVED.contains(&&**name));
        let is_computed = names.first().is_some_and(|name| self.computed().any(|own| *own == **name));
        is_reserved || is_computed || matches!(self.attribute(names), Known::Is(_))
    }

    /// Whether the reader may not see what stands there.
    pub(crate) fn hides_attribute(&self, path: &Path) -> bool {
        self.model.is_hidden(path, self.visibility)
    }

    /// Whether the reader may not see events of this name, or not this property of them.
    pub(crate) fn hides_property(&self, event: &str, path: &Path) -> bool {
        let flagged = || self.model.flagged_properties(event).into_iter().flatten();
        let is_flagged = |own: &Path| own == path || own.is_above(path) || path.is_above(own);
        self.model.is_event_hidden(event, self.visibility)
            || flagged().any(|(own, flags)| is_flagged(own) && flags.exceed(self.visibility))
    }

    /// Whether what stands at these names is made by the workspace itself: an identifier, a computed attribute, a member of the answer.
    pub(crate) fn is_made(&self, names: &[Name]) -> bool {
        names.first().is_some_and(|name| {
            RESERVED.contains(&&**name)
                || self.config.by_name(name).is_some()
                || self.computed().any(|own| *own == **name)
        })
    }

    /// The types of events that are kept for a while only, with that while.
    pub(crate) fn kept_events(&self) -> impl Iterator<Item = (&str, Window)> {
        self.event_types().filter_map(|name| Some((name, self.model.event_type(name)?.retention?)))
    }

    /// How long values of an attribute are kept, by itself or by what is above it, where that is for a while only.
    pub(crate) fn kept_value(&self, path: &Path) -> Option<Window> {
        let own = self.model.definition().attributes.iter().filter(|(own, _)| *own == path || own.is_above(path));
        own.filter_map(|(_, attribute)| attribute.retention).min().filter(|_| !self.hides_attribute(path))
    }

    /// The values that are registered for an attribute.
    pub(crate) fn allowed_of_attribute(&self, path: &Path) -> Option<&Allowed> {
        self.model.definition().attributes.get(path)?.allowed.as_ref().filter(|_| !self.hides_attribute(path))
    }

    /// The values that are registered for a property of events of this name.
    pub(crate) fn allowed_of_property(&self, event: &str, path: &Path) -> Option<&Allowed> {
        let property = self.event_type(Some(event))?.properties.get(path)?;
        property.allowed.as_ref().filter(|_| !self.hides_property(event, path))
    }

    /// What the reader may see.
    pub(crate) fn visibility(&self) -> Flags {
        self.visibility
    }

    /// The mode of a dataset.
    pub(crate) fn mode_of(&self, dataset: &str) -> Mode {
        self.model.mode_of(dataset)
    }

    fn event_type(&self, event: Option<&str>) -> Option<&EventType> {
        event
            .filter(|event| !self.model.is_event_hidden(event, self.visibility))
            .and_then(|event| self.model.event_type(event))
    }

    /// The names of the computed attributes that the reader may see.
    fn computed(&self) -> impl Iterator<Item = &str> {
        let rules = self.stored.rules().of(RuleKind::Attribute).values();
        let runs = rules.filter(|rule| !rule.is_of_events() && rule.live().or(rule.next()).is_some());
        let runs = runs.map(|rule| rule.name.as_str());
        runs.filter(|name| !self.flagged.is_hidden(RuleKind::Attribute, name, self.visibility))
    }

    /// What a computed attribute gives, where that is plain: rules that it asks are not followed without end.
    fn computed_type(&self, name: &str) -> Known {
        let rule = self.stored.rules().of(RuleKind::Attribute).get(name);
        let Some(rule) = rule.filter(|_| self.depth < COMPUTED_DEPTH_MAX) else { return Known::Perhaps };
        let model = Self { depth: self.depth + 1, ..self.clone() };
        match check(rule.definition().rule.source(), &model) {
            Ok(kind @ (Type::Number | Type::Text | Type::Boolean)) => Known::Is(kind),
            Ok(_) | Err(_) => Known::Perhaps,
        }
    }

    /// The names of the segments that run and that the reader may see.
    fn running_segments(&self) -> impl Iterator<Item = &str> {
        let rules = self.stored.rules().of(RuleKind::Segment).values();
        let runs = rules.filter(|rule| rule.live().or(rule.next()).is_some()).map(|rule| rule.name.as_str());
        runs.filter(|name| !self.flagged.is_hidden(RuleKind::Segment, name, self.visibility))
    }

    /// What is known where nothing is registered.
    fn elsewhere(&self) -> Known {
        let definition = self.model.definition();
        let is_strict = definition.mode == Mode::Strict && definition.datasets.values().all(|own| *own == Mode::Strict);
        if is_strict { Known::Never } else { Known::Perhaps }
    }

    fn is_near_registered(&self, path: &Path) -> bool {
        let mut attributes = self.model.definition().attributes.keys();
        attributes.any(|own| (own.is_above(path) || path.is_above(own)) && !self.model.is_hidden(own, self.visibility))
    }
}

impl Model for RuleModel {
    fn attribute(&self, names: &[Name]) -> Known {
        if let [name] = names
            && self.config.by_name(name).is_some()
            && !RESERVED.contains(&&**name)
        {
            return Known::Is(Type::Text);
        }
        if let [name, below @ ..] = names
            && self.computed().any(|own| *own == **name)
        {
            return if below.is_empty() { self.computed_type(name) } else { Known::Perhaps };
        }
        let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { return Known::Never };
        match self.model.definition().attributes.get(&path) {
            Some(_) if self.model.is_hidden(&path, self.visibility) => self.elsewhere(),
            Some(attribute) => Known::Is(type_of(attribute.r#type)),
            None if self.is_near_registered(&path) => Known::Perhaps,
            None => self.elsewhere(),
        }
    }

    fn segment(&self, name: &str) -> Known {
        let rule = self.stored.rules().of(RuleKind::Segment).get(name);
        match rule.filter(|rule| rule.live().or(rule.next()).is_some()) {
            None => Known::Never,
            // That the reader may not ask about it is said in another place.
            Some(_) if self.flagged.is_hidden(RuleKind::Segment, name, self.visibility) => Known::Perhaps,
            Some(_) => Known::Is(Type::Boolean),
        }
    }

    fn segments(&self) -> Vec<String> {
        self.running_segments().map(str::to_owned).collect()
    }

    fn property(&self, event: Option<&str>, names: &[Name]) -> Known {
        let [root, below @ ..] = names else { return Known::Perhaps };
        if &**root != "properties" || below.is_empty() {
            return Known::Perhaps;
        }
        let Some(event_type) = self.event_type(event) else { return Known::Perhaps };
        let Ok(path) = Path::from_segments(below.iter().map(|name| &**name)) else { return Known::Never };
        match event_type.properties.get(&path) {
            Some(property) if property.flags.exceed(self.visibility) => Known::Perhaps,
            Some(property) => Known::Is(type_of(property.r#type)),
            None => Known::Perhaps,
        }
    }

    fn attributes(&self) -> Vec<String> {
        let attributes = self.model.definition().attributes.keys();
        let seen = attributes.filter(|path| !self.model.is_hidden(path, self.visibility)).map(ToString::to_string);
        seen.chain(self.computed().map(str::to_owned)).collect()
    }

    fn properties(&self, event: Option<&str>) -> Vec<String> {
        let properties = self.event_type(event).into_iter().flat_map(|own| &own.properties);
        let seen = properties.filter(|(_, property)| !property.flags.exceed(self.visibility));
        seen.map(|(path, _)| format!("properties.{path}")).collect()
    }
}

fn type_of(registered: Registered) -> Type {
    let of = |of: Option<Scalar>| Type::list(of.map_or(Type::Any, scalar));
    match registered {
        Registered::Scalar(own) => scalar(own),
        Registered::Set { of: own } | Registered::List { of: own } => of(own),
        Registered::Object => Type::Object,
    }
}

fn scalar(own: Scalar) -> Type {
    match own {
        Scalar::Text => Type::Text,
        Scalar::Number | Scalar::Integer => Type::Number,
        Scalar::Boolean => Type::Boolean,
        Scalar::Date | Scalar::DateTime => Type::Time,
    }
}
