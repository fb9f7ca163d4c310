//! From a filter of theirs to a condition of ours (spec/optimizely.md section 7): members become attributes, identities and what is computed.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value as Json;
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_engine::view::NODE_IDS;
use tessera_expr::ast::{Comparison, Expr, Function, Literal, Name, Node};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::plan::Aggregate;
use tessera_expr::problem::Place;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::value::{Tree, Value};
use tessera_service::error::Error;
use tessera_service::json::{Spelling, read_value};
use tessera_service::queries::Sorting;

use super::asked::{Asked, List};
use super::errors::invalid_filter;
use super::words::{self, DEVICES, EMAIL, PHONE, call, identities, path};

/// What members are in our words.
pub(super) trait Words {
    /// The value of what stands at these names.
    ///
    /// # Errors
    /// `filter_invalid` for what is no member, or cannot be asked for.
    fn value(&self, names: &[Name]) -> Result<Expr, Error>;

    /// What is sorted by: a value, and no list.
    ///
    /// # Errors
    /// `filter_invalid` for a list, and as [`Self::value`].
    fn sorted(&self, names: &[Name]) -> Result<Expr, Error> {
        let value = self.value(names)?;
        let is_list = matches!(&value.node, Node::List(_)) || matches!(names, [name] if &**name == "VisitorGroups");
        if is_list || value == identities(DEVICES) || value == identities(EMAIL) {
            return Err(invalid_filter("$orderBy", format!("{} is a list, and no value", shown(names))));
        }
        Ok(value)
    }

    /// That what stands at these names is this, or has it.
    ///
    /// # Errors
    /// As [`Self::value`].
    fn is(&self, names: &[Name], value: &Expr) -> Result<Expr, Error> {
        Ok(Expr::is_or_has(self.value(names)?, value.clone(), Place::Nowhere))
    }
}

/// The condition that a filter is.
///
/// # Errors
/// `filter_invalid`.
pub(super) fn translated(expr: &Expr, words: &dyn Words) -> Result<Expr, Error> {
    match &expr.node {
        Node::And(parts) => {
            let parts = parts.iter().map(|part| translated(part, words)).collect::<Result<_, _>>()?;
            Ok(Expr::and(parts, Place::Nowhere))
        }
        Node::Or(parts) => {
            let (mut all, mut rest) = (Vec::new(), &parts[..]);
            while let Some((first, others)) = rest.split_first() {
                if let Some((of, value)) = Expr::as_is_or_has(rest) {
                    all.push(words.is(names(of)?, value)?);
                    rest = &rest[2..];
                } else {
                    all.push(translated(first, words)?);
                    rest = others;
                }
            }
            Ok(Expr::or(all, Place::Nowhere))
        }
        Node::Not(inner) => Ok(Expr::new(Node::Not(Box::new(translated(inner, words)?)))),
        Node::Compare(comparison, of, value) => {
            Ok(Expr::new(Node::Compare(*comparison, Box::new(words.value(names(of)?)?), value.clone())))
        }
        Node::Call { function, arguments } => {
            let (of, rest) = arguments.split_first().ok_or_else(unknown)?;
            let names = names(of)?;
            // E-mail addresses are compared in the one spelling that they have here.
            let is_email = names.last().is_some_and(|name| &**name == "Email");
            let rest = rest.iter().map(|own| if is_email { in_small_letters(own) } else { own.clone() });
            Ok(call(*function, std::iter::once(words.value(names)?).chain(rest).collect()))
        }
        _ => Err(unknown()),
    }
}

fn names(of: &Expr) -> Result<&[Name], Error> {
    match &of.node {
        Node::Path { names, .. } => Ok(names),
        _ => Err(unknown()),
    }
}

fn unknown() -> Error {
    invalid_filter("$filter", "a member, an operator and a value are expected")
}

/// What is wrong with a member that is sorted by.
pub(super) fn of_order(error: &Error) -> Error {
    let message = error.message.strip_prefix("$filter: ").or(error.message.strip_prefix("$orderBy: "));
    invalid_filter("$orderBy", message.unwrap_or(&error.message))
}

fn no_member(names: &[Name], known: &str) -> Error {
    invalid_filter("$filter", format!("{} is no member that can be asked for; {known}", shown(names)))
}

/// Names as they were written, those that are very long cut.
fn shown(names: &[Name]) -> String {
    names.join(".").chars().take(100).collect()
}

fn in_small_letters(value: &Expr) -> Expr {
    match &value.node {
        Node::Literal(Literal::Text(text)) => Expr::text(&text.to_lowercase()),
        _ => value.clone(),
    }
}

/// Values that a filter compares e-mail addresses with.
pub(super) fn emails(expr: &Expr, member: &[&str]) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![expr]);
    while let Some(expr) = open.pop() {
        match &expr.node {
            Node::And(parts) | Node::Or(parts) => open.extend(parts),
            Node::Not(inner) => open.push(inner),
            Node::Compare(_, of, value) => {
                let is_email = names(of).is_ok_and(|names| names.iter().map(|name| &**name).eq(member.iter().copied()));
                if let Node::Literal(Literal::Text(text)) = &value.node
                    && is_email
                {
                    found.push(text.to_string());
                }
            }
            _ => {}
        }
    }
    found
}

/// A value in the spelling that e-mail addresses have here.
pub(super) fn respelled(value: &Expr, emails: &HashMap<String, String>) -> Expr {
    match &value.node {
        Node::Literal(Literal::Text(text)) => emails.get(&**text).map_or_else(|| value.clone(), |own| Expr::text(own)),
        _ => value.clone(),
    }
}

/// Whether a filter may hold in a scope, as far as it says so in the open.
pub(super) fn may_hold(filter: &Expr, scope: &str) -> bool {
    match &filter.node {
        Node::And(parts) => parts.iter().all(|part| may_hold(part, scope)),
        Node::Or(parts) => {
            let mut rest = &parts[..];
            while let Some((first, others)) = rest.split_first() {
                if let Some((of, value)) = Expr::as_is_or_has(rest) {
                    if !is_scope(of) || is_named(value, scope) {
                        return true;
                    }
                    rest = &rest[2..];
                } else {
                    if may_hold(first, scope) {
                        return true;
                    }
                    rest = others;
                }
            }
            false
        }
        _ => true,
    }
}

fn is_scope(of: &Expr) -> bool {
    matches!(&of.node, Node::Path { names, .. } if names.len() == 1 && &*names[0] == "Scope")
}

/// Members of profiles.
pub(super) struct OfProfiles<'a> {
    /// The scope that is asked.
    pub(super) scope: &'a str,
    /// E-mail addresses that the filter names, as they are spelled here.
    pub(super) emails: &'a HashMap<String, String>,
}

const PROFILE_MEMBERS: &str = "ProfileId, DeviceIds, Name, Scope, ProfileManager, FirstSeen, LastSeen, Visits, VisitorGroups, \
                               ContactInformation, Info.… and Payload.… are, in this case of letters";

impl Words for OfProfiles<'_> {
    fn value(&self, names: &[Name]) -> Result<Expr, Error> {
        let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
        let none = || no_member(names, PROFILE_MEMBERS);
        if let [name] = texts[..]
            && let Some((_, own)) = words::MEMBERS.iter().find(|(member, _)| *member == name)
        {
            return Ok(path(&[own]));
        }
        match texts[..] {
            ["DeviceIds"] => Ok(identities(DEVICES)),
            ["Scope"] => Ok(Expr::text(self.scope)),
            ["FirstSeen"] => Ok(words::first_seen()),
            ["LastSeen"] => Ok(words::last_seen()),
            ["Visits"] => Ok(words::visits()),
            ["ContactInformation"] => Ok(words::contact_information()),
            ["Info", key] => words::info(key).map(|own| words::at(&own)).ok_or_else(none),
            ["Payload", _, ..] => words::payload(&names[1..]).map(|own| words::at(&own)).ok_or_else(none),
            _ => Err(none()),
        }
    }

    fn is(&self, names: &[Name], value: &Expr) -> Result<Expr, Error> {
        let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
        match texts[..] {
            ["ProfileId"] => {
                let Node::Literal(Literal::Text(id)) = &value.node else { return Ok(truth(false)) };
                Ok(has_id(id))
            }
            // What a bare word of digits means is a text here.
            ["DeviceIds"] => Ok(has(identities(DEVICES), as_text(value))),
            ["ContactInformation"] => Ok(has(words::contact_information(), as_text(value))),
            ["Scope"] => Ok(truth(is_named(value, self.scope))),
            // What is shown may be an attribute that nobody is found by, so it is no look-up.
            ["Info", "Phone"] => Ok(call(Function::Equals, vec![path(&[PHONE]), as_text(value)])),
            ["Info", "Email"] => {
                // A profile may hold more addresses than the one that it shows, after a merge for example, and each of them finds it.
                let value = respelled(value, self.emails);
                let shown = Expr::is_or_has(path(&[EMAIL]), value.clone(), Place::Nowhere);
                Ok(Expr::or(vec![has(identities(EMAIL), value), shown], Place::Nowhere))
            }
            _ => Ok(Expr::is_or_has(self.value(names)?, value.clone(), Place::Nowhere)),
        }
    }
}

/// Whether a value is the name of a scope, in letters of any case.
fn is_named(value: &Expr, scope: &str) -> bool {
    matches!(&as_text(value).node, Node::Literal(Literal::Text(text)) if text.eq_ignore_ascii_case(scope))
}

pub(super) fn truth(truth: bool) -> Expr {
    Expr::new(Node::Literal(Literal::Bool(truth)))
}

/// That a list has a value.
fn has(list: Expr, value: Expr) -> Expr {
    call(Function::Includes, vec![list, value])
}

pub(super) fn as_text(value: &Expr) -> Expr {
    match &value.node {
        Node::Literal(Literal::Number(number)) => Expr::text(&number.to_string()),
        _ => value.clone(),
    }
}

/// That a profile has this id: that of a document, or of a node.
pub(super) fn has_id(id: &str) -> Expr {
    let id = super::render::plain_id(id);
    let named = has(identities("profile"), Expr::text(&id));
    match NodeId::from_uuid(&id) {
        None => named,
        Some(node) => Expr::or(vec![named, has(identities(NODE_IDS), Expr::text(&node.to_string()))], Place::Nowhere),
    }
}

/// Members of events.
#[derive(Clone, Copy)]
pub(super) struct OfEvents<'a> {
    pub(super) scope: &'a str,
    pub(super) emails: &'a HashMap<String, String>,
}

const EVENT_MEMBERS: &str = "TrackId, DeviceId, EventType, Value, PageUri, PageTitle, RemoteAddress, EventTime, CountryCode, Scope, User.Name, \
                             User.Email, User.Info.… and Payload.… are, in this case of letters";

impl Words for OfEvents<'_> {
    fn value(&self, names: &[Name]) -> Result<Expr, Error> {
        let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
        let none = || no_member(names, EVENT_MEMBERS);
        match texts[..] {
            ["TrackId"] => Ok(path(&["_id"])),
            ["DeviceId"] => Ok(identities(DEVICES)),
            ["EventType"] => Ok(path(&["eventType"])),
            ["EventTime"] => Ok(path(&["timestamp"])),
            ["Value"] => Ok(path(&["context", "description"])),
            ["PageUri"] => Ok(path(&["context", "page", "url"])),
            ["PageTitle"] => Ok(path(&["context", "page", "title"])),
            ["RemoteAddress"] => Ok(path(&["context", "ip"])),
            ["CountryCode"] => Ok(path(&["context", "location", "country_code"])),
            ["Scope"] => Ok(Expr::text(self.scope)),
            ["User", "Name"] => Ok(path(&["traits", "name"])),
            ["User", "Email"] | ["User", "Info", "Email"] => Ok(identities(EMAIL)),
            ["User", "Info", key] => {
                let own = words::info(key).ok_or_else(none)?;
                let names: Vec<_> = own.segments().collect();
                let names = std::iter::once("traits").chain(names.iter().map(AsRef::as_ref)).collect::<Vec<_>>();
                Ok(path(&names))
            }
            ["Payload", ref rest @ ..] if !rest.is_empty() => {
                Ok(path(&std::iter::once("properties").chain(rest.iter().copied()).collect::<Vec<_>>()))
            }
            _ => Err(none()),
        }
    }

    /// Of the identities of an event the first one.
    fn sorted(&self, names: &[Name]) -> Result<Expr, Error> {
        let value = self.value(names)?;
        let is_list = value == identities(DEVICES) || value == identities(EMAIL);
        Ok(if is_list { call(Function::Head, vec![value]) } else { value })
    }

    fn is(&self, names: &[Name], value: &Expr) -> Result<Expr, Error> {
        let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
        match texts[..] {
            ["DeviceId"] => Ok(has(identities(DEVICES), as_text(value))),
            ["Scope"] => Ok(truth(is_named(value, self.scope))),
            ["User", "Email"] | ["User", "Info", "Email"] => Ok(has(identities(EMAIL), respelled(value, self.emails))),
            ["TrackId" | "EventType"] => Ok(Expr::is_or_has(self.value(names)?, as_text(value), Place::Nowhere)),
            _ => Ok(Expr::is_or_has(self.value(names)?, value.clone(), Place::Nowhere)),
        }
    }
}

/// A list of a workspace's own, such as its segments: filtered and sorted as it is shown.
///
/// # Errors
/// `filter_invalid` for a filter that cannot be asked.
pub(super) fn shown_list(items: Vec<Json>, asked: &Asked, now: Timestamp) -> Result<List, Error> {
    let rule = asked.filter.as_ref().map(|filter| Rule::compile(filter.clone(), Purpose::Condition));
    let rule = rule.transpose().map_err(|problem| invalid_filter("$filter", problem.expected))?;
    let zone = Zone::utc();
    let frame = Frame { now, zone: &zone, steps_max: STEPS_MAX };
    let mut found = Vec::new();
    for item in items {
        let one = One::of(&item);
        let holds = rule.as_ref().map(|rule| rule.evaluate(&one, &frame));
        match holds {
            Some(Err(_)) => return Err(invalid_filter("$filter", "it takes more steps than a filter may")),
            Some(Ok(answer)) if answer.value != Value::Bool(true) => {}
            Some(Ok(_)) | None => found.push(item),
        }
    }
    sort_shown(&mut found, &asked.order_by);
    let total = found.len() as u64;
    let items = found.into_iter().skip(asked.skip).take(asked.top).collect();
    Ok(List::new(total, items))
}

/// Sorts what is shown by its members; what has none of them stands last.
pub(super) fn sort_shown(items: &mut Vec<Json>, order_by: &[(Vec<Name>, Sorting)]) {
    if order_by.is_empty() {
        return;
    }
    let keys = |item: &Json| {
        let one = tree(item);
        order_by.iter().map(|(names, _)| at(&one, names)).collect::<Vec<_>>()
    };
    let mut keyed: Vec<(Vec<Value>, Json)> = items.drain(..).map(|item| (keys(&item), item)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let orders = one.iter().zip(other).zip(order_by).map(|((one, other), (_, sorting))| {
            let missing = (*one == Value::Null).cmp(&(*other == Value::Null));
            missing.then_with(|| match sorting {
                Sorting::Ascending => one.cmp(other),
                Sorting::Descending => other.cmp(one),
            })
        });
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

/// What stands at these names.
fn at(tree: &Tree, names: &[Name]) -> Value {
    match (tree, names) {
        (Tree::Leaf(value), []) => value.clone(),
        (Tree::Node(members), [first, rest @ ..]) => members.get(first).map_or(Value::Null, |own| at(own, rest)),
        (Tree::Leaf(_) | Tree::Node(_), _) => Value::Null,
    }
}

/// One item of a list, as its filter sees it.
pub(super) struct One(pub(super) Tree);

impl One {
    fn of(item: &Json) -> Self {
        Self(tree(item))
    }
}

pub(super) fn tree(json: &Json) -> Tree {
    match json {
        Json::Object(members) => {
            Tree::Node(members.iter().map(|(name, own)| (name.as_str().into(), tree(own))).collect())
        }
        other => Tree::Leaf(read_value(other, Spelling::Plain, 64).unwrap_or(Value::Null)),
    }
}

impl Facts for One {
    fn attributes(&self) -> &Tree {
        &self.0
    }

    fn event_count(&self) -> usize {
        0
    }

    fn event_time(&self, _: usize) -> Timestamp {
        Timestamp::MIN
    }

    fn event_name(&self, _: usize) -> Name {
        "".into()
    }

    fn event_value(&self, _: usize, names: &[Name]) -> (Value, usize) {
        (Value::Null, names.len())
    }

    fn membership(&self, _: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }
}

/// The filter that a condition of ours is, where it can be said in one: members take the place of attributes again.
pub(super) fn printed(expr: &Expr) -> Option<String> {
    tessera_expr::filter::print(&member_of(expr)?)
}

fn member_of(expr: &Expr) -> Option<Expr> {
    match &expr.node {
        Node::And(parts) => Some(Expr::and(parts.iter().map(member_of).collect::<Option<_>>()?, Place::Nowhere)),
        Node::Or(parts) => {
            let (mut all, mut rest) = (Vec::new(), &parts[..]);
            while let Some((first, others)) = rest.split_first() {
                if let Some((of, value)) = Expr::as_is_or_has(rest) {
                    all.push(Expr::is_or_has(member_path(of)?, value.clone(), Place::Nowhere));
                    rest = &rest[2..];
                } else {
                    all.push(member_of(first)?);
                    rest = others;
                }
            }
            Some(Expr::or(all, Place::Nowhere))
        }
        Node::Not(inner) => Some(Expr::new(Node::Not(Box::new(member_of(inner)?)))),
        Node::Compare(Comparison::Equal, of, value) => {
            Some(Expr::is_or_has(member_path(of)?, (**value).clone(), Place::Nowhere))
        }
        Node::Compare(comparison, of, value) => {
            Some(Expr::new(Node::Compare(*comparison, Box::new(member_path(of)?), value.clone())))
        }
        Node::Call { function: Function::Includes, arguments } => {
            let [of, value] = &arguments[..] else { return None };
            Some(Expr::is_or_has(member_path(of)?, value.clone(), Place::Nowhere))
        }
        Node::Call { function, arguments } => {
            let (of, rest) = arguments.split_first()?;
            Some(call(*function, std::iter::once(member_path(of)?).chain(rest.iter().cloned()).collect()))
        }
        _ => None,
    }
}

fn member_path(of: &Expr) -> Option<Expr> {
    if *of == identities(DEVICES) {
        return Some(path(&["DeviceIds"]));
    }
    for (member, own) in
        [("FirstSeen", words::first_seen()), ("LastSeen", words::last_seen()), ("Visits", words::visits())]
    {
        if *of == own {
            return Some(path(&[member]));
        }
    }
    let Node::Path { of: context, names } = &of.node else { return None };
    if !matches!(context.node, Node::Context(0) | Node::Profile) {
        return None;
    }
    let joined = names.join(".");
    if let Some((member, _)) = words::MEMBERS.iter().find(|(_, own)| **own == *joined) {
        return Some(path(&[member]));
    }
    if let Some((key, _)) = words::INFO.iter().find(|(_, own)| **own == *joined) {
        return Some(path(&["Info", key]));
    }
    // What stands elsewhere only because another member has its name cannot be asked for by its own name either.
    let own = words::payload(names)?;
    let is_plain = own.segments().map(|name| Name::from(&*name)).eq(names.iter().cloned());
    let names = std::iter::once("Payload").chain(names.iter().map(|name| &**name)).collect::<Vec<_>>();
    is_plain.then(|| path(&names))
}
