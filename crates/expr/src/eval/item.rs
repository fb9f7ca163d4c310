//! What an expression gives while it is evaluated: a value, or something that is looked into only when somebody asks.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaluator, Result};
use crate::ast::Name;
use crate::calendar::{self, Interval};
use crate::limits::VALUE_MAX;
use crate::time::Timestamp;
use crate::value::{Decimal, Size, Tree, Value};

#[derive(Clone)]
pub(crate) enum Item<'f> {
    Value(Value),
    /// Attributes below a name.
    Tree(&'f Tree),
    /// An event by its number.
    Event(usize),
    /// A day.
    Day(Interval),
    List(Rc<[Item<'f>]>),
    Map(Rc<BTreeMap<Value, Item<'f>>>),
}

impl<'f> Item<'f> {
    pub(super) const NULL: Self = Self::Value(Value::Null);

    pub(super) const fn bool(truth: bool) -> Self {
        Self::Value(Value::Bool(truth))
    }

    pub(super) fn number(number: Option<Decimal>) -> Self {
        Self::Value(number.map_or(Value::Null, Value::Number))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::number(u64::try_from(count).ok().map(Decimal::from_u64))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    /// Its truth where a Boolean is asked for: that it is there; of a list, that something is in it.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Value(Value::Null) => false,
            Self::Value(Value::Bool(truth)) => *truth,
            Self::Value(Value::List(items) | Value::Set(items)) => !items.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Value(Value::Number(_) | Value::Text(_) | Value::Timestamp(_) | Value::Object(_))
            | Self::Tree(_)
            | Self::Event(_)
            | Self::Day(_)
            | Self::Map(_) => true,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Value(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// How much work it is to take it apart.
    fn len(&self) -> usize {
        match self {
            Self::Value(Value::List(items) | Value::Set(items)) => items.len(),
            Self::Value(Value::Object(members)) => members.len(),
            Self::Tree(Tree::Node(children)) => children.len(),
            Self::Value(_)
            | Self::Tree(Tree::Leaf(_))
            | Self::Event(_)
            | Self::Day(_)
            | Self::List(_)
            | Self::Map(_) => 0,
        }
    }

    /// Whether it is a map or an object.
    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Tree(Tree::Node(_)) | Self::Value(Value::Object(_)))
    }

    fn of(tree: &'f Tree) -> Self {
        match tree {
            Tree::Leaf(value) => Self::Value(value.clone()),
            Tree::Node(_) => Self::Tree(tree),
        }
    }
}

/// A map taken apart.
pub(super) type Entries<'f> = Rc<BTreeMap<Value, Item<'f>>>;

impl<'f> Evaluator<'f> {
    /// The items of a list. Nothing is an empty one.
    pub(super) fn items(&mut self, list: &Item<'f>) -> Result<Option<Rc<[Item<'f>]>>> {
        self.spend(list.len())?;
        Ok(match list {
            Item::Value(Value::Null) => Some(Rc::new([])),
            Item::Value(Value::List(items) | Value::Set(items)) => {
                Some(items.iter().cloned().map(Item::Value).collect())
            }
            Item::List(items) => Some(items.clone()),
            Item::Value(_) | Item::Tree(_) | Item::Event(_) | Item::Day(_) | Item::Map(_) => None,
        })
    }

    /// The keys and values of a map or an object.
    pub(super) fn entries(&mut self, map: &Item<'f>) -> Result<Option<Entries<'f>>> {
        self.spend(map.len())?;
        Ok(match map {
            Item::Map(map) => Some(map.clone()),
            Item::Tree(Tree::Node(children)) => {
                let entry = |(name, child): (&Name, &'f Tree)| (Value::Text(name.clone()), Item::of(child));
                Some(Rc::new(children.iter().map(entry).collect()))
            }
            Item::Value(Value::Object(members)) => {
                let entry = |(name, value): &(Name, Value)| (Value::Text(name.clone()), Item::Value(value.clone()));
                Some(Rc::new(members.iter().map(entry).collect()))
            }
            Item::Value(_) | Item::Tree(Tree::Leaf(_)) | Item::Event(_) | Item::Day(_) | Item::List(_) => None,
        })
    }

    /// What a function goes through one by one: the items of a list, or the values of a map.
    pub(super) fn members(&mut self, of: &Item<'f>) -> Result<Option<Rc<[Item<'f>]>>> {
        match self.items(of)? {
            Some(items) => Ok(Some(items)),
            None => {
                let Some(entries) = self.entries(of)? else { return Ok(None) };
                self.spend(entries.len())?;
                Ok(Some(entries.values().cloned().collect()))
            }
        }
    }

    /// What stands at these names below an item; through lists, of each item of theirs, without what is not there.
    pub(super) fn at(&mut self, of: Item<'f>, names: &'f [Name]) -> Result<Item<'f>> {
        let Some((name, rest)) = names.split_first() else { return Ok(of) };
        self.spend(1)?;
        match of {
            Item::Value(value) => Ok(Item::Value(self.value_at(&value, names)?)),
            Item::Tree(Tree::Leaf(value)) => Ok(Item::Value(self.value_at(value, names)?)),
            Item::Tree(Tree::Node(children)) => match children.get(name) {
                Some(child) => self.at(Item::of(child), rest),
                None => Ok(Item::NULL),
            },
            Item::Event(event) => self.event_at(event, names),
            Item::Day(_) => Ok(Item::NULL),
            Item::Map(map) => match map.get(&Value::Text(name.clone())) {
                Some(item) => self.at(item.clone(), rest),
                None => Ok(Item::NULL),
            },
            Item::List(items) => {
                self.spend(items.len())?;
                let mut found = Vec::new();
                for item in items.iter() {
                    match self.at(item.clone(), names)? {
                        Item::Value(Value::Null) => {}
                        Item::List(inner) => {
                            self.spend(inner.len())?;
                            found.extend(inner.iter().cloned());
                        }
                        Item::Value(Value::List(inner) | Value::Set(inner)) => {
                            self.spend(inner.len())?;
                            found.extend(inner.iter().cloned().map(Item::Value));
                        }
                        item => found.push(item),
                    }
                }
                Ok(Item::List(found.into()))
            }
        }
    }

    fn event_at(&mut self, event: usize, names: &'f [Name]) -> Result<Item<'f>> {
        match (&*names[0], &names[1..]) {
            ("timestamp", []) => Ok(Item::Value(Value::Timestamp(self.facts.event_time(event)))),
            ("eventType", []) => Ok(Item::Value(Value::Text(self.facts.event_name(event)))),
            ("timestamp" | "eventType", _) => Ok(Item::NULL),
            _ => {
                let (value, used) = self.event_value(event, names)?;
                let rest = names.get(used..).unwrap_or_default();
                Ok(Item::Value(self.value_at(&value, rest)?))
            }
        }
    }

    fn value_at(&mut self, value: &Value, names: &[Name]) -> Result<Value> {
        let Some((name, rest)) = names.split_first() else { return Ok(value.clone()) };
        self.spend(1)?;
        match value {
            Value::Object(members) => match members.binary_search_by(|(member, _)| member.cmp(name)) {
                Ok(at) => self.value_at(&members[at].1, rest),
                Err(_) => Ok(Value::Null),
            },
            Value::List(items) | Value::Set(items) => {
                self.spend(items.len())?;
                let mut found = Vec::new();
                for item in items.iter() {
                    match self.value_at(item, names)? {
                        Value::Null => {}
                        Value::List(inner) | Value::Set(inner) => {
                            self.spend(inner.len())?;
                            found.extend(inner.iter().cloned());
                        }
                        value => found.push(value),
                    }
                }
                Ok(Value::List(found.into()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Timestamp(_) => Ok(Value::Null),
        }
    }

    /// The value that an item stands for, with all that is below it: no larger than [`VALUE_MAX`].
    pub(crate) fn value(&mut self, item: &Item<'f>) -> Result<Value> {
        self.value_into(item, &mut Size::default())
    }

    /// The same of one of many, each of which may be as large; what they come to together is added up.
    pub(super) fn value_of_many(&mut self, item: &Item<'f>, all: &mut Size) -> Result<Value> {
        let mut size = Size::default();
        let value = self.value_into(item, &mut size)?;
        *all = *all + size;
        Ok(value)
    }

    /// The same of one of several, which together are no larger.
    pub(super) fn value_into(&mut self, item: &Item<'f>, size: &mut Size) -> Result<Value> {
        self.spend(1)?;
        Ok(match item {
            Item::Value(value) => {
                self.weigh_into(value, size)?;
                value.clone()
            }
            Item::Tree(tree) => self.tree_value(tree, size)?,
            Item::Event(event) => {
                let value = self.event_value(*event, &[])?.0;
                self.weigh_into(&value, size)?;
                value
            }
            Item::Day(day) => {
                size.add_one(24, VALUE_MAX)?;
                Value::Timestamp(day.start)
            }
            Item::List(items) => {
                size.add_one(2, VALUE_MAX)?;
                let items = items.iter().map(|item| self.value_into(item, size)).collect::<Result<Vec<_>>>()?;
                Value::List(items.into())
            }
            Item::Map(map) => {
                let mut members = Vec::with_capacity(map.len());
                size.add_one(2, VALUE_MAX)?;
                for (key, item) in map.iter() {
                    let name = key_text(key);
                    size.add_one(name.len(), VALUE_MAX)?;
                    members.push((name, self.value_into(item, size)?));
                }
                Value::object(members)
            }
        })
    }

    fn tree_value(&mut self, tree: &Tree, size: &mut Size) -> Result<Value> {
        self.spend(1)?;
        match tree {
            Tree::Leaf(value) => {
                self.weigh_into(value, size)?;
                Ok(value.clone())
            }
            Tree::Node(children) => {
                let mut members = Vec::with_capacity(children.len());
                size.add_one(2, VALUE_MAX)?;
                for (name, child) in children {
                    size.add_one(name.len(), VALUE_MAX)?;
                    members.push((name.clone(), self.tree_value(child, size)?));
                }
                Ok(Value::object(members))
            }
        }
    }

    /// The time that an item names: an instant, a day, a text of either, or milliseconds since 1970.
    pub(super) fn time(&self, item: &Item<'f>) -> Option<Interval> {
        match item {
            Item::Value(Value::Timestamp(at)) => Some(Interval::point(*at)),
            Item::Value(Value::Text(text)) => calendar::read(text, self.zone),
            Item::Value(Value::Number(millis)) => {
                let micros = millis.checked_mul(Decimal::from_i64(1_000))?.to_i64()?;
                Timestamp::from_micros(micros).map(Interval::point)
            }
            Item::Day(day) => Some(*day),
            Item::Value(_) | Item::Tree(_) | Item::Event(_) | Item::List(_) | Item::Map(_) => None,
        }
    }
}

/// The name that a key of a map has in an object.
pub(crate) fn key_text(key: &Value) -> Name {
    match key {
        Value::Text(text) => text.clone(),
        Value::Bool(truth) => if *truth { "true" } else { "false" }.into(),
        Value::Number(number) => number.to_string().into(),
        Value::Timestamp(at) => calendar::write(*at).into(),
        Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_) => "".into(),
    }
}
