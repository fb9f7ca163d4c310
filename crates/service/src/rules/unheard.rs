//! What a rule names that the workspace has never received and does not register: advice to whoever writes it, never a refusal. What was seen is
//! known as [`crate::config::learned`] says; where more was seen than is known, nothing is said.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tessera_engine::value::Path;
use tessera_expr::ast::Name;
use tessera_expr::check::{Known, Model, check};
use tessera_expr::plan::EventTypes;
use tessera_expr::problem::closest;
use tessera_expr::rule::Rule;

use super::RuleModel;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::config::learned::{Subject, Summary};
use crate::work::service::Service;

/// Things that are told of one rule.
const UNHEARD_MAX: usize = 50;
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

impl Service {
    /// What a rule names that nobody has sent and nobody has registered, for a reader of the rights of this model.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn unheard_of(
        &self,
        workspace: WorkspaceId,
        rule: &Rule,
        model: &RuleModel,
    ) -> Result<Vec<Unheard>, Error> {
        let named = Named::of(rule, model);
        let seen = self.learned(workspace).await?;
        if seen.overflowed {
            return Ok(Vec::new());
        }
        let mut unheard = named.unheard(&seen, model);
        if let EventTypes::Some(types) = &rule.plan().events {
            for own in types {
                let is_same = |name: &str| {
                    if own.minds_case { *own.name == *name } else { *own.name == *name.to_lowercase() }
                };
                let mut names = events_of(&seen).chain(UNNAMED).chain(model.event_types());
                if !names.any(is_same) {
                    let names = events_of(&seen).chain(model.event_types());
                    let near = closest(&own.name, names).map(str::to_owned);
                    unheard.insert(Unheard { thing: Thing::EventType, name: own.name.to_string(), of: None, near });
                }
            }
        }
        Ok(unheard.into_iter().take(UNHEARD_MAX).collect())
    }
}

fn events_of(seen: &Summary) -> impl Iterator<Item = &str> {
    seen.seen.keys().filter_map(|subject| match subject {
        Subject::Event(name) => Some(&**name),
        Subject::Attribute(_) | Subject::Property(..) => None,
    })
}

/// What a rule names, as whoever checks it asks for it.
#[derive(Default)]
struct Named {
    attributes: BTreeSet<Vec<Name>>,
    properties: BTreeSet<(Option<String>, Vec<Name>)>,
}

impl Named {
    fn of(rule: &Rule, model: &RuleModel) -> Self {
        let noting = Noting { model, named: RefCell::default() };
        // What is wrong with it has been said to whoever sent it.
        drop(check(rule.source(), &noting));
        noting.named.into_inner()
    }

    fn unheard(self, seen: &Summary, model: &RuleModel) -> BTreeSet<Unheard> {
        let is_near = |one: &str, other: &str| {
            let below = |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
            one == other || below(one, other) || below(other, one)
        };
        let mut unheard = BTreeSet::new();
        for names in self.attributes.into_iter().filter(|names| !model.knows_attribute(names)) {
            let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { continue };
            let is_seen = |subject: &Subject| matches!(subject, Subject::Attribute(own) if is_near(own, path.as_str()));
            if !seen.seen.keys().any(is_seen) || model.hides_attribute(&path) {
                let attributes = seen.seen.keys().filter_map(|subject| match subject {
                    Subject::Attribute(own) => Some(&**own),
                    Subject::Event(_) | Subject::Property(..) => None,
                });
                let is_shown = |own: &&str| Path::parse(own).is_ok_and(|own| !model.hides_attribute(&own));
                let near = closest(path.as_str(), attributes.filter(is_shown)).map(str::to_owned);
                unheard.insert(Unheard { thing: Thing::Attribute, name: path.to_string(), of: None, near });
            }
        }
        for (event, names) in self.properties {
            let part = names.first().map_or("", |name| &**name);
            if !EVENT_PARTS.contains(&part) {
                let near = closest(part, EVENT_PARTS).map(str::to_owned);
                unheard.insert(Unheard { thing: Thing::EventPart, name: part.to_owned(), of: None, near });
                continue;
            }
            let is_registered = matches!(model.property(event.as_deref(), &names), Known::Is(_));
            let (true, false) = (part == "properties" && names.len() > 1, is_registered) else { continue };
            // Of events that nobody has heard of that is said.
            if event.as_ref().is_some_and(|event| !events_of(seen).any(|own| own == event)) {
                continue;
            }
            let Ok(path) = Path::from_segments(names[1..].iter().map(|name| &**name)) else { continue };
            let is_seen = |subject: &Subject| match subject {
                Subject::Property(of, own) => {
                    event.as_deref().is_none_or(|event| *event == **of) && is_near(own, path.as_str())
                }
                Subject::Attribute(_) | Subject::Event(_) => false,
            };
            if !seen.seen.keys().any(is_seen) {
                let properties = seen.seen.keys().filter_map(|subject| match subject {
                    Subject::Property(of, own) if event.as_deref().is_none_or(|event| *event == **of) => Some(&**own),
                    Subject::Property(..) | Subject::Attribute(_) | Subject::Event(_) => None,
                });
                let near = closest(path.as_str(), properties).map(str::to_owned);
                unheard.insert(Unheard { thing: Thing::Property, name: path.to_string(), of: event, near });
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
}
