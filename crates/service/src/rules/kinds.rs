//! Names whose values were all of another type than a rule takes them for.

use tessera_engine::model::Kind;
use tessera_engine::value::Path;
use tessera_expr::ast::Name;
use tessera_expr::check::{Known, Model, Type, check};
use tessera_expr::rule::Rule;

use super::advice::is_registered;
use super::unheard::Named;
use super::{Advice, RuleModel, Thing};
use crate::config::learned::{Seen, Subject, Summary};

/// Names of a rule that are looked at for this; each is checked by itself.
const LOOKED_AT_MAX: usize = 100;

/// What is of another type than all that was seen of it.
pub(super) fn of_other_type(rule: &Rule, named: &Named, seen: &Summary, model: &RuleModel) -> Vec<Advice> {
    let attributes = named.attributes.iter().filter(|names| !model.is_made(names) && !is_registered(model, names));
    let attributes = attributes.filter_map(|names| {
        let path = path(names).filter(|path| !model.hides_attribute(path))?;
        let own = seen.seen.get(&Subject::Attribute(path.as_str().into()))?;
        Some((Place::Attribute(names), path.to_string(), own))
    });
    let properties = named.properties.iter().filter_map(|(event, names)| {
        let [root, below @ ..] = &names[..] else { return None };
        let is_open = matches!(model.property(event.as_deref(), names), Known::Perhaps);
        let event = event.as_deref().filter(|_| is_open && &**root == "properties")?;
        let path = path(below).filter(|path| !model.hides_property(event, path))?;
        let own = seen.seen.get(&Subject::Property(event.into(), path.as_str().into()))?;
        Some((Place::Property(event, names), path.to_string(), own))
    });
    let mut told = Vec::new();
    for (place, name, own) in attributes.chain(properties).take(LOOKED_AT_MAX) {
        let (said, types) = types_of(own);
        let thing = match place {
            Place::Attribute(_) => Thing::Attribute,
            Place::Property(..) => Thing::Property,
        };
        // What may be read as several types is of another one only if it fits as none of them.
        let wrong = |of: &Type| check(rule.source(), &Typed { model, place, of }).err();
        let problems: Option<Vec<_>> = types.iter().map(wrong).collect();
        if let Some(problem) = problems.and_then(|problems| problems.into_iter().next()) {
            told.push(Advice::OtherType { thing, name, seen: said, expected: problem.expected });
        }
    }
    told
}

fn path(names: &[Name]) -> Option<Path> {
    Path::from_segments(names.iter().map(|name| &**name)).ok()
}

/// What the kinds of values that were seen are called, and as what rules may take them; nothing where they differ.
fn types_of(seen: &Seen) -> (&'static str, Vec<Type>) {
    let are = |kinds: &[Kind]| !seen.kinds.is_empty() && seen.kinds.iter().all(|kind| kinds.contains(kind));
    if are(&[Kind::Integer, Kind::Number]) {
        ("numbers", vec![Type::Number])
    } else if are(&[Kind::Boolean]) {
        ("true and false", vec![Type::Boolean])
    } else if are(&[Kind::Date, Kind::DateTime]) {
        ("times", vec![Type::Time, Type::Text])
    } else if are(&[Kind::Text]) {
        ("texts", vec![Type::Text])
    } else if are(&[Kind::List, Kind::Set]) {
        ("lists", vec![Type::list(Type::Any)])
    } else {
        ("", Vec::new())
    }
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Attribute(&'a [Name]),
    Property(&'a str, &'a [Name]),
}

/// A model that knows one name more.
struct Typed<'a> {
    model: &'a RuleModel,
    place: Place<'a>,
    of: &'a Type,
}

impl Model for Typed<'_> {
    fn attribute(&self, names: &[Name]) -> Known {
        match self.place {
            Place::Attribute(own) if own == names => Known::Is(self.of.clone()),
            Place::Attribute(_) | Place::Property(..) => self.model.attribute(names),
        }
    }

    fn property(&self, event: Option<&str>, names: &[Name]) -> Known {
        match self.place {
            Place::Property(of, own) if event == Some(of) && own == names => Known::Is(self.of.clone()),
            Place::Attribute(_) | Place::Property(..) => self.model.property(event, names),
        }
    }

    fn segment(&self, name: &str) -> Known {
        self.model.segment(name)
    }
}
