//! Whether data fits the model.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::shape::{Found, Shape};
use super::{Allowed, Attribute, DataModel, EventType, ItemList, Kind, Property, Status, Type};
use crate::value::{Path, Value};

/// What does not fit, and what was expected instead. It holds no value of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: &'static str,
    /// Where: the path of the attribute or property, items with their place (`products[2].sku`); empty for an event as a whole.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What came, where something did.
    pub found: Option<Kind>,
}

impl Problem {
    /// The problem in one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { path, expected, found, .. } = self;
        let place = if path.is_empty() { String::new() } else { format!(" path={path}") };
        let found = found.map(|kind| format!(" found={}", kind.name())).unwrap_or_default();
        format!("{expected} is expected{place}{found}")
    }
}

impl DataModel {
    /// Problems of one event that are named; there may be more.
    pub const PROBLEMS_MAX: usize = 20;

    /// Whether a leaf of attributes fits, as it comes in a fact.
    ///
    /// # Errors
    /// The [`Problem`]: `attribute_unregistered`, `attribute_inactive`, `attribute_type_mismatch`, `attribute_not_allowed`.
    pub fn check_attribute(&self, path: &Path, value: &Value) -> Result<(), Problem> {
        if *value == Value::Null {
            return Ok(());
        }
        // What is added to a set by itself is judged as a set of one.
        if let Some((set, member)) = path.split_member() {
            return self.check_attribute(&set, &Value::set(vec![member]));
        }
        let problem = |code, expected: &str, found| {
            let (path, expected) = (path.as_str().to_owned(), expected.to_owned());
            Err(Problem { code, path, expected, found })
        };
        match self.attributes.find(path) {
            Found::Own(Attribute { status: Status::Inactive, .. })
            | Found::Above(Attribute { status: Status::Inactive, .. }) => {
                problem("attribute_inactive", "an active attribute", None)
            }
            Found::Nothing => problem("attribute_unregistered", "a registered attribute", Some(Kind::of(value))),
            Found::Own(_) | Found::Above(_) | Found::Below => self.check_stored_attribute(path, value),
        }
    }

    /// Whether a leaf of attributes that is stored is of the type and one of the values that are registered for it, if any are.
    ///
    /// # Errors
    /// The [`Problem`]: `attribute_type_mismatch`, `attribute_not_allowed`.
    pub fn check_stored_attribute(&self, path: &Path, value: &Value) -> Result<(), Problem> {
        if *value == Value::Null {
            return Ok(());
        }
        if let Some((set, member)) = path.split_member() {
            return self.check_stored_attribute(&set, &Value::set(vec![member]));
        }
        let path = &*path.spoken_of();
        let mismatch = |expected: String| Problem {
            code: "attribute_type_mismatch",
            path: path.as_str().to_owned(),
            expected,
            found: Some(Kind::of(value)),
        };
        match self.attributes.find(path) {
            Found::Own(attribute) if !attribute.r#type.holds(value) => Err(mismatch(attribute.r#type.to_string())),
            Found::Own(attribute) => not_allowed(attribute.allowed.as_ref(), value).map_or(Ok(()), |expected| {
                Err(Problem { code: "attribute_not_allowed", path: path.as_str().to_owned(), expected, found: None })
            }),
            Found::Above(attribute) if attribute.r#type != Type::Object => Err(mismatch(above(attribute.r#type))),
            Found::Below if !matches!(value, Value::Object(_)) => Err(mismatch(Type::Object.to_string())),
            Found::Above(_) | Found::Below | Found::Nothing => Ok(()),
        }
    }

    /// What of an event does not fit, at most [`Self::PROBLEMS_MAX`] things. Properties that are no object count as none.
    ///
    /// Codes: `event_type_unregistered`, `event_type_inactive`, `property_missing`, `property_unregistered`,
    /// `property_type_mismatch`, `property_not_allowed`.
    #[must_use]
    pub fn check_event(&self, name: &str, properties: &Value) -> Vec<Problem> {
        let whole = |code, expected: &str| {
            vec![Problem { code, path: String::new(), expected: expected.to_owned(), found: None }]
        };
        let Some(own) = self.event_type(name) else {
            return whole("event_type_unregistered", "a registered event type");
        };
        if own.status == Status::Inactive {
            return whole("event_type_inactive", "an active event type");
        }
        self.properties(name, properties, Around::Event)
    }

    /// What of a stored event is not as its type asks: as [`Self::check_event`], but what is not registered is passed over, and
    /// whether the type takes new events is not asked.
    #[must_use]
    pub fn check_stored_event(&self, name: &str, properties: &Value) -> Vec<Problem> {
        self.properties(name, properties, Around::Object)
    }

    fn properties(&self, name: &str, properties: &Value, around: Around) -> Vec<Problem> {
        let Some(compiled) = self.events.get(name) else { return Vec::new() };
        let mut check = Check { around, place: Vec::new(), problems: Vec::new() };
        check.object(compiled, members(properties));
        check.problems
    }
}

fn above(own: Type) -> String {
    format!("{own}, not an object,")
}

/// The values that were expected, where this one is not among them.
fn not_allowed(allowed: Option<&Allowed>, value: &Value) -> Option<String> {
    const SHOWN: usize = 10;
    let allowed = allowed.filter(|allowed| !allowed.others)?;
    let is_one = |value: &Value| allowed.values.binary_search(value).is_ok();
    let fits = match value {
        Value::Set(members) | Value::List(members) => members.iter().all(is_one),
        one => is_one(one),
    };
    if fits {
        return None;
    }
    let shown = allowed.values.iter().take(SHOWN).map(show).collect::<Vec<_>>().join(", ");
    let more = allowed.values.len().saturating_sub(SHOWN);
    Some(if more == 0 { format!("one of {shown}") } else { format!("one of {shown} and {more} more") })
}

/// An allowed value: configuration, and no value of a person.
fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Timestamp(_) | Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_) => {
            Kind::of(value).name().to_owned()
        }
    }
}

fn members(value: &Value) -> &[(Arc<str>, Value)] {
    match value {
        Value::Object(members) => members,
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Timestamp(_)
        | Value::List(_)
        | Value::Set(_) => &[],
    }
}

/// What is registered for one property.
#[derive(Debug, Clone)]
enum Slot {
    One(Property),
    Items(Properties),
}

/// The properties of an event type, or of the items of one of its lists, ready to check against.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    shape: Shape<Slot>,
    required: Vec<Path>,
}

impl Properties {
    pub(super) fn of(event_type: &EventType) -> Self {
        let mut own = Self::of_properties(&event_type.properties);
        for (path, ItemList { required, properties }) in &event_type.items {
            own.shape.put(path, Arc::new(Slot::Items(Self::of_properties(properties))));
            own.required.extend(required.then(|| path.clone()));
        }
        own
    }

    fn of_properties(properties: &BTreeMap<Path, Property>) -> Self {
        let mut own = Self { shape: Shape::default(), required: Vec::new() };
        for (path, property) in properties {
            own.shape.put(path, Arc::new(Slot::One(property.clone())));
            own.required.extend(property.required.then(|| path.clone()));
        }
        own
    }
}

/// Where the check stands: a name, or the place of an item.
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

struct Check<'a> {
    around: Around,
    place: Vec<Step<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn object(&mut self, own: &Properties, members: &'a [(Arc<str>, Value)]) {
        for path in &own.required {
            if get(members, path).is_none_or(|value| *value == Value::Null) {
                let path = format!("{}{path}", self.prefix());
                let expected = "this property".to_owned();
                self.push(Problem { code: "property_missing", path, expected, found: None });
            }
        }
        self.members(&own.shape, members, self.around);
    }

    fn members(&mut self, shape: &Shape<Slot>, members: &'a [(Arc<str>, Value)], around: Around) {
        for (name, value) in members {
            if self.problems.len() >= DataModel::PROBLEMS_MAX {
                return;
            }
            self.place.push(Step::Name(name));
            match (shape.child(name), around) {
                (Some(child), _) => self.value(child, value, around),
                (None, Around::Event) => {
                    self.problem("property_unregistered", "a registered property".to_owned(), Some(value));
                }
                (None, Around::Object) => {}
            }
            self.place.pop();
        }
    }

    fn value(&mut self, shape: &Shape<Slot>, value: &'a Value, around: Around) {
        match shape.own() {
            // Whether null may stand here is a matter of what is required.
            _ if *value == Value::Null => {}
            Some(Slot::Items(items)) => self.items(items, value),
            Some(Slot::One(property)) if !property.r#type.holds(value) => {
                self.problem("property_type_mismatch", property.r#type.to_string(), Some(value));
            }
            Some(Slot::One(property)) => {
                if let Some(expected) = not_allowed(property.allowed.as_ref(), value) {
                    self.problem("property_not_allowed", expected, None);
                }
                self.members(shape, members(value), Around::Object);
            }
            None if matches!(value, Value::Object(_)) => self.members(shape, members(value), around),
            None => self.problem("property_type_mismatch", Type::Object.to_string(), Some(value)),
        }
    }

    fn items(&mut self, own: &Properties, value: &'a Value) {
        let Value::List(items) = value else {
            return self.problem("property_type_mismatch", "list of objects".to_owned(), Some(value));
        };
        for (at, item) in items.iter().enumerate() {
            self.place.push(Step::Item(at));
            match item {
                Value::Object(members) => self.object(own, members),
                other => self.problem("property_type_mismatch", Type::Object.to_string(), Some(other)),
            }
            self.place.pop();
        }
    }

    fn problem(&mut self, code: &'static str, expected: String, value: Option<&Value>) {
        let path = self.here();
        self.push(Problem { code, path, expected, found: value.map(Kind::of) });
    }

    fn push(&mut self, problem: Problem) {
        if self.problems.len() < DataModel::PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    fn here(&self) -> String {
        let mut text = String::new();
        for step in &self.place {
            match step {
                Step::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    // A name that is too long for a path is shown as far as it is one.
                    match Path::root(name) {
                        Ok(path) => text.push_str(path.as_str()),
                        Err(_) => text.extend(name.chars().take(50).chain("…".chars())),
                    }
                }
                Step::Item(at) => write!(text, "[{at}]").expect("writing to memory does not fail"),
            }
        }
        text
    }

    fn prefix(&self) -> String {
        let here = self.here();
        if here.is_empty() { here } else { format!("{here}.") }
    }
}

/// What stands around a property: an event or item, where everything has to be registered, or an object, where anything may
/// stand.
#[derive(Clone, Copy)]
enum Around {
    Event,
    Object,
}

fn get<'a>(members: &'a [(Arc<str>, Value)], path: &Path) -> Option<&'a Value> {
    let mut at: Option<&Value> = None;
    for segment in path.segments() {
        let members = at.map_or(members, self::members);
        let found = members.binary_search_by(|(name, _)| (**name).cmp(&*segment)).ok()?;
        at = Some(&members[found].1);
    }
    at
}
