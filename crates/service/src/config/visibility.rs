//! Who may see what a rule comes to: only those who may see all that it reads, itself and through the rules that it depends on.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_engine::model::{DataModel, Flags};
use tessera_engine::value::Path;
use tessera_expr::ast::{Expr, Function, Name, Node};
use tessera_expr::plan::{Attributes, EventTypes};
use tessera_expr::rule::{Purpose, Rule};

use crate::base::wellknown::canonical;
use crate::config::workspace::{RuleKind, StoredConfig};

/// Who may see the rules of a workspace and what they come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flagged {
    rules: Arc<HashMap<(RuleKind, String), Flags>>,
    /// The flags of all that the data model hides from somebody.
    of_model: Flags,
}

impl StoredConfig {
    /// Which computed attributes and segments a reader may see, by kind and name.
    pub fn shows_rules(&self, visibility: Flags) -> impl Fn(RuleKind, &str) -> bool + use<> {
        let flagged = Flagged::new(self);
        move |kind, name| !flagged.is_hidden(kind, name, visibility)
    }
}

impl Flagged {
    /// Whether the data model hides anything from a reader.
    pub(crate) fn hides_something(&self, visibility: Flags) -> bool {
        self.of_model.exceed(visibility)
    }

    /// Whether what was computed under a name when an event was taken in is not for a reader. What no attribute of this name says any more
    /// is for those who may see everything.
    pub(crate) fn hides_written(&self, name: &str, visibility: Flags, config: &StoredConfig) -> bool {
        match config.rules().of(RuleKind::Attribute).get(name) {
            Some(rule) if rule.is_of_events() => self.is_hidden(RuleKind::Attribute, name, visibility),
            Some(_) | None => self.hides_something(visibility),
        }
    }

    /// Linear in the rules and what they depend on.
    pub(crate) fn new(config: &StoredConfig) -> Self {
        let model = &config.model().model;
        let mut flagged = HashMap::new();
        let of_model = Flags {
            internal: hides_anything(model, SEES_NOT_INTERNAL),
            private: hides_anything(model, SEES_NOT_PRIVATE),
        };
        if of_model == Flags::default() {
            return Self::default();
        }
        for kind in [RuleKind::Attribute, RuleKind::Segment] {
            for (name, rule) in config.rules().of(kind) {
                let mut flags = Flags::default();
                for definition in rule.definitions() {
                    let own = flags_of(&definition.rule, config);
                    (flags.internal, flags.private) = (flags.internal | own.internal, flags.private | own.private);
                }
                if flags != Flags::default() {
                    flagged.insert((kind, name.to_string()), flags);
                }
            }
        }
        Self { rules: Arc::new(flagged), of_model }
    }

    /// Whether a reader of these rights may not see it.
    pub(crate) fn is_hidden(&self, kind: RuleKind, name: &str, visibility: Flags) -> bool {
        !self.rules.is_empty() && self.rules.get(&(kind, name.to_owned())).is_some_and(|flags| flags.exceed(visibility))
    }
}

const SEES_NOT_INTERNAL: Flags = Flags { internal: false, private: true };
const SEES_NOT_PRIVATE: Flags = Flags { internal: true, private: false };

/// The flags of all that a rule reads, itself and through others.
fn flags_of(rule: &Rule, config: &StoredConfig) -> Flags {
    let mut flags = Flags::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![rule];
    while let Some(rule) = open.pop() {
        flags.internal |= reads_hidden(rule, &config.model().model, SEES_NOT_INTERNAL);
        flags.private |= reads_hidden(rule, &config.model().model, SEES_NOT_PRIVATE);
        let written = written(rule, config).into_iter().map(|name| (RuleKind::Attribute, name));
        for (kind, name) in named(rule, config).into_iter().chain(written) {
            if let Some(own) = config.rules().of(kind).get(&*name)
                && seen.insert((kind, name))
            {
                // An edited one is evaluated as it was until the next version is complete.
                open.extend(own.definitions().map(|definition| &*definition.rule));
            }
        }
    }
    flags
}

/// Whether one definition of a rule reads no less of what is flagged than another.
pub(crate) fn hides_no_less(one: &Rule, other: &Rule, config: &StoredConfig) -> bool {
    hides_no_more(other, one, config)
}

/// The computed attributes that are written into events and that a rule may read there.
fn written(rule: &Rule, config: &StoredConfig) -> Vec<String> {
    let all = || config.rules().of(RuleKind::Attribute).values().filter(|rule| rule.is_of_events());
    let mut names = Vec::new();
    if all().next().is_none() {
        return names;
    }
    let mut reads_all = takes_whole_events(rule);
    each_path(rule.source(), &mut |path| match path {
        [first, name, ..] if **first == *"computed" => names.push(name.to_string()),
        [first] if **first == *"computed" => reads_all = true,
        _ => {}
    });
    if reads_all { all().map(|rule| rule.name.to_string()).collect() } else { names }
}

/// Whether one definition of a rule reads no more of what is flagged than another.
pub(crate) fn hides_no_more(one: &Rule, other: &Rule, config: &StoredConfig) -> bool {
    let (one, other) = (flags_of(one, config), flags_of(other, config));
    (!one.internal || other.internal) && (!one.private || other.private)
}

/// Whether a rule, or one that it depends on, reads what a reader of these rights may not see.
pub(crate) fn is_hidden_from(rule: &Rule, config: &StoredConfig, visibility: Flags) -> bool {
    flags_of(rule, config).exceed(visibility)
}

/// The rules that a rule names, whether they are there or not.
pub(crate) fn named(rule: &Rule, config: &StoredConfig) -> Vec<(RuleKind, String)> {
    let plan = rule.plan();
    let segments = plan.segments.iter().map(|name| (RuleKind::Segment, name.to_string()));
    let attributes: Vec<String> = match &plan.attributes {
        Attributes::All => config.rules().of(RuleKind::Attribute).keys().map(ToString::to_string).collect(),
        Attributes::At(paths) => paths.iter().filter_map(|path| path.first()).map(ToString::to_string).collect(),
    };
    segments.chain(attributes.into_iter().map(|name| (RuleKind::Attribute, name))).collect()
}

fn hides_anything(model: &DataModel, visibility: Flags) -> bool {
    let types = &model.definition().event_types;
    !model.hidden(visibility).is_empty()
        || types.keys().any(|name| {
            let properties = model.flagged_properties(name).into_iter().flat_map(std::collections::BTreeMap::values);
            model.is_event_hidden(name, visibility) || properties.into_iter().any(|flags| flags.exceed(visibility))
        })
}

/// Whether a rule itself reads what is hidden. Rather too often than too seldom: whole events hold all of it.
fn reads_hidden(rule: &Rule, model: &DataModel, visibility: Flags) -> bool {
    if !hides_anything(model, visibility) {
        return false;
    }
    let plan = rule.plan();
    let hidden = model.hidden(visibility);
    let touches = |path: &Path| hidden.iter().any(|own| own == path || own.is_above(path) || path.is_above(own));
    let reads_attribute = match &plan.attributes {
        Attributes::All => !hidden.is_empty(),
        Attributes::At(paths) => paths
            .iter()
            .any(|names| Path::from_segments(names.iter().map(|name| &**name)).is_ok_and(|path| touches(&path))),
    };
    let reads_events = plan.events != EventTypes::Some(BTreeSet::new());
    reads_attribute || (reads_events && (reads_hidden_event(rule, model, visibility) || takes_whole_events(rule)))
}

fn reads_hidden_event(rule: &Rule, model: &DataModel, visibility: Flags) -> bool {
    let types = || model.definition().event_types.keys().filter(|name| rule.plan().events.has(name));
    if types().any(|name| model.is_event_hidden(name, visibility)) {
        return true;
    }
    let flagged: Vec<&Path> = types()
        .filter_map(|name| model.flagged_properties(name))
        .flatten()
        .filter(|(_, flags)| flags.exceed(visibility))
        .map(|(path, _)| path)
        .collect();
    let hidden = model.hidden(visibility);
    let meets = |one: &Path, other: &Path| one == other || one.is_above(other) || other.is_above(one);
    let mut reads = false;
    each_path(rule.source(), &mut |names| {
        let (first, rest) = names.split_first().map_or(("", &[][..]), |(first, rest)| (&**first, rest));
        let below = Path::from_segments(rest.iter().map(|name| &**name)).ok();
        reads |= match (first, below) {
            ("properties", Some(path)) => flagged.iter().any(|own| meets(own, &path)),
            ("properties" | "items", None) => !flagged.is_empty(),
            // Lines of an order stand under several names.
            ("items", Some(path)) => flagged.iter().any(|own| {
                let below: Vec<_> = own.segments().skip(1).collect();
                Path::from_segments(below.iter().map(|name| &**name)).map_or(true, |own| meets(&own, &path))
            }),
            ("traits", Some(path)) => hidden.iter().any(|own| meets(own, &canonical(&path))),
            ("traits" | "context", _) => !hidden.is_empty(),
            _ => false,
        };
    });
    reads
}

/// Whether a value that is asked for may hold whole events.
fn takes_whole_events(rule: &Rule) -> bool {
    rule.purpose() == Purpose::Value && rule.plan().scans_events && may_hold_events(rule.source(), &mut Vec::new())
}

/// Whether a value may hold events, under the names that stand for values which do not. Rather too often than too seldom.
fn may_hold_events(expr: &Expr, plain: &mut Vec<Name>) -> bool {
    match &expr.node {
        // What is read of an event by its names is seen by name.
        Node::Literal(_) | Node::Word(_) | Node::Path { .. } => false,
        Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Compare(..) | Node::Occurs { .. } | Node::Quantifier(..) => {
            false
        }
        Node::Arithmetic(..) | Node::Negate(_) => false,
        Node::Call {
            function: Function::Count | Function::Visits | Function::IsNull | Function::IsNotNull, ..
        } => false,
        Node::Variable(name) => !plain.contains(name),
        Node::If { then, otherwise, .. } => may_hold_events(then, plain) || may_hold_events(otherwise, plain),
        Node::Let { name, value, body } => {
            let outer = plain.clone();
            let holds = may_hold_events(value, plain);
            plain.retain(|own| own != name);
            plain.extend((!holds).then(|| name.clone()));
            let of_body = may_hold_events(body, plain);
            *plain = outer;
            of_body
        }
        _ => true,
    }
}

fn each_path(expr: &Expr, see: &mut dyn FnMut(&[Name])) {
    if let Node::Path { names, .. } = &expr.node {
        see(names);
    }
    expr.each_part(&mut |part| each_path(part, see));
}

#[cfg(test)]
mod tests {
    use tessera_expr::pql;

    use super::*;

    #[test]
    fn a_value_holds_events_unless_it_is_plain_that_it_does_not() {
        for (text, expected) in [
            ("xEvent", true),
            ("xEvent[timestamp > `until`]", true),
            ("xEvent[timestamp > `until`].topN(timestamp, 1)", true),
            ("[xEvent]", true),
            ("if(a, 1, xEvent)", true),
            ("xEvent.visits(15)", false),
            ("xEvent[timestamp > `until`].visits(15) + 1", false),
            ("if(a, xEvent.count(), 2)", false),
            ("xEvent.isNull()", false),
        ] {
            let Ok(expr) = pql::parse(text) else { panic!("{text} is PQL") };
            assert_eq!(may_hold_events(&expr, &mut Vec::new()), expected, "{text}");
        }
        let let_ = |name: &str, value: Expr, body: Expr| {
            Expr::new(Node::Let { name: name.into(), value: Box::new(value), body: Box::new(body) })
        };
        let variable = || Expr::new(Node::Variable("e".into()));
        let number = || pql::parse("1").expect("PQL");
        let events = || Expr::new(Node::Events);
        for (expr, expected) in [
            (let_("e", events(), variable()), true),
            (let_("e", number(), variable()), false),
            (let_("e", number(), let_("e", events(), variable())), true),
            (let_("e", let_("e", number(), events()), variable()), true),
            (let_("e", events(), number()), false),
        ] {
            assert_eq!(may_hold_events(&expr, &mut Vec::new()), expected, "{expr:?}");
        }
    }
}
