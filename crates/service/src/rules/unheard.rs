//! What a rule names that the workspace has never received and does not register: advice to whoever writes it, never a refusal. What was seen is
//! known as [`crate::config::learned`] says; where more was seen than is known, nothing is said.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use tessera_engine::model::Kind;
use tessera_engine::value::Path;
use tessera_expr::ast::{Form, Function, Name};
use tessera_expr::check::{Compared, Known, Model, check};
use tessera_expr::plan::EventTypes;
use tessera_expr::problem::closest;
use tessera_expr::rule::Rule;

use super::RuleModel;
use super::advice::is_near;
use super::place::Place;
use crate::config::learned::{Seen, Subject, Summary};

/// What an event has at the top.
const EVENT_PARTS: [&str; 8] =
    ["_id", "eventType", "timestamp", "properties", "items", "traits", "context", "computed"];
/// Types of events that have no name of their own.
const UNNAMED: [&str; 3] = ["track", "page", "screen"];

/// What something is that nobody has heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// An attribute.
    Attribute,
    /// A type of events.
    EventType,
    /// A property of events.
    Property,
    /// Something that no event has at the top.
    EventPart,
}

/// Something that a rule names and that nobody has heard of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unheard {
    /// What it is.
    pub thing: Thing,
    /// Its name.
    pub name: String,
    /// The type of events that it is of, if the rule says which.
    pub of: Option<String>,
    /// A name that was heard of and comes close to it.
    pub near: Option<String>,
}

/// What was meant by names at the top of an event that none has there: a property of that name, or one of the parts that events have.
fn meant_part(event: Option<&str>, names: &[Name], seen: &Summary) -> Option<String> {
    let path = Path::from_segments(names.iter().map(|name| &**name)).ok()?;
    let is_property = seen.seen.keys().any(|subject| match subject {
        Subject::Property(of, own) => event.is_none_or(|event| *event == **of) && is_near(own, path.as_str()),
        Subject::Attribute(_) | Subject::Event(_) => false,
    });
    if is_property {
        return Some(format!("properties.{path}"));
    }
    let part = &*names[0];
    let own = match part.to_lowercase().as_str() {
        "event" | "name" | "type" | "event_type" | "event_name" | "eventname" => Some("eventType"),
        "time" | "date" | "ts" | "created_at" | "occurred_at" | "sent_at" => Some("timestamp"),
        _ => closest(part, EVENT_PARTS),
    };
    own.map(str::to_owned)
}

/// Whether something may stand at a path, where this was seen: at it, below it, or above it what may hold others.
fn is_there(own: &str, path: &Path, seen: &Seen) -> bool {
    let holds_others = seen.kinds.iter().any(|kind| matches!(kind, Kind::Object | Kind::List | Kind::Set));
    let is_below = path.as_str().len() <= own.len();
    is_near(own, path.as_str()) && (is_below || holds_others)
}

/// A function that is written as an attribute: `plan.length`.
fn meant_function(names: &[Name]) -> Option<String> {
    let (last, above) = names.split_last().filter(|(_, above)| !above.is_empty())?;
    let mut methods = Function::all().iter().filter(|spec| spec.form == Form::Method);
    let spec = methods.find(|spec| spec.name.eq_ignore_ascii_case(last))?;
    Some(format!("{}.{}()", above.join("."), spec.name))
}

/// The types of events that nobody has sent and nobody has registered.
fn event_types(rule: &Rule, seen: &Summary, model: &RuleModel) -> BTreeSet<Unheard> {
    let EventTypes::Some(types) = &rule.plan().events else { return BTreeSet::new() };
    let mut unheard = BTreeSet::new();
    for own in types {
        let is_same = |name: &str| if own.minds_case { *own.name == *name } else { *own.name == *name.to_lowercase() };
        if !events_of(seen).chain(UNNAMED).chain(model.event_types()).any(is_same) {
            let near = closest(&own.name, events_of(seen).chain(model.event_types())).map(str::to_owned);
            unheard.insert(Unheard { thing: Thing::EventType, name: own.name.to_string(), of: None, near });
        }
    }
    unheard
}

fn events_of(seen: &Summary) -> impl Iterator<Item = &str> {
    seen.seen.keys().filter_map(|subject| match subject {
        Subject::Event(name) => Some(&**name),
        Subject::Attribute(_) | Subject::Property(..) => None,
    })
}

/// What a rule names, as whoever checks it asks for it.
#[derive(Default)]
pub(super) struct Named {
    pub(super) attributes: BTreeSet<Vec<Name>>,
    pub(super) properties: BTreeSet<(Option<String>, Vec<Name>)>,
    /// The texts that each place is compared with, letter by letter.
    pub(super) compared: BTreeMap<Place, BTreeSet<String>>,
}

impl Named {
    pub(super) fn of(rule: &Rule, model: &RuleModel) -> Self {
        let noting = Noting { model, named: RefCell::default() };
        // What is wrong with it has been said to whoever sent it.
        drop(check(rule.source(), &noting));
        noting.named.into_inner()
    }

    /// What of it nobody has sent and nobody has registered.
    pub(super) fn unheard(&self, rule: &Rule, seen: &Summary, model: &RuleModel) -> BTreeSet<Unheard> {
        let mut unheard = event_types(rule, seen, model);
        for names in self.attributes.iter().filter(|names| !model.knows_attribute(names)) {
            let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { continue };
            let is_seen = |(subject, seen): (&Subject, &Seen)| matches!(subject, Subject::Attribute(own) if is_there(own, &path, seen));
            if !seen.seen.iter().any(is_seen) || model.hides_attribute(&path) {
                let attributes = seen.seen.keys().filter_map(|subject| match subject {
                    Subject::Attribute(own) => Some(&**own),
                    Subject::Event(_) | Subject::Property(..) => None,
                });
                let is_shown = |own: &&str| Path::parse(own).is_ok_and(|own| !model.hides_attribute(&own));
                let near = closest(path.as_str(), attributes.filter(is_shown)).map(str::to_owned);
                let near = near.or_else(|| meant_function(names));
                unheard.insert(Unheard { thing: Thing::Attribute, name: path.to_string(), of: None, near });
            }
        }
        for (event, names) in &self.properties {
            let part = names.first().map_or("", |name| &**name);
            if !EVENT_PARTS.contains(&part) {
                let near = meant_part(event.as_deref(), names, seen);
                unheard.insert(Unheard { thing: Thing::EventPart, name: part.to_owned(), of: None, near });
                continue;
            }
            let is_registered = matches!(model.property(event.as_deref(), names), Known::Is(_));
            let (true, false) = (part == "properties" && names.len() > 1, is_registered) else { continue };
            // Of events that nobody has heard of that is said.
            if event.as_ref().is_some_and(|event| !events_of(seen).any(|own| own == event)) {
                continue;
            }
            let Ok(path) = Path::from_segments(names[1..].iter().map(|name| &**name)) else { continue };
            let is_seen = |(subject, seen): (&Subject, &Seen)| match subject {
                Subject::Property(of, own) => {
                    event.as_deref().is_none_or(|event| *event == **of) && is_there(own, &path, seen)
                }
                Subject::Attribute(_) | Subject::Event(_) => false,
            };
            if !seen.seen.iter().any(is_seen) {
                let properties = seen.seen.keys().filter_map(|subject| match subject {
                    Subject::Property(of, own) if event.as_deref().is_none_or(|event| *event == **of) => Some(&**own),
                    Subject::Property(..) | Subject::Attribute(_) | Subject::Event(_) => None,
                });
                let near = closest(path.as_str(), properties).map(str::to_owned);
                unheard.insert(Unheard { thing: Thing::Property, name: path.to_string(), of: event.clone(), near });
            }
        }
        unheard
    }
}

/// A model that takes note of what it is asked.
struct Noting<'a> {
    model: &'a RuleModel,
    named: RefCell<Named>,
}

impl Model for Noting<'_> {
    fn attribute(&self, names: &[Name]) -> Known {
        self.named.borrow_mut().attributes.insert(names.to_vec());
        self.model.attribute(names)
    }

    fn property(&self, event: Option<&str>, names: &[Name]) -> Known {
        self.named.borrow_mut().properties.insert((event.map(str::to_owned), names.to_vec()));
        self.model.property(event, names)
    }

    fn segment(&self, name: &str) -> Known {
        self.model.segment(name)
    }

    fn compared(&self, subject: Compared<'_>, text: &str) {
        if let Some(place) = Place::of(subject) {
            self.named.borrow_mut().compared.entry(place).or_default().insert(text.to_owned());
        }
    }
}
