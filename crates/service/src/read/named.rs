//! Identities that a condition names: whoever it holds of is found by looking them up, and nobody else has to be asked.

use std::sync::Arc;

use tessera_engine::config::{Config, Kind};
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_engine::normalise::normalise;
use tessera_engine::view::{IDENTITIES, NODE_IDS, RESERVED};
use tessera_expr::ast::{Comparison, Expr, Function, Literal, Name, Node};
use tessera_expr::calendar::names_time;

use crate::stored::unclaimed::{Fit, Unclaimed};

/// Identities that are looked up for one condition, at most; where it names more, everybody is asked.
const IDENTITIES_MAX: usize = 1_000;

/// Who is named: an identity, or a node by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// An identity.
    Identity(Identity),
    /// A node.
    Node(NodeId),
}

/// What a condition speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaks<'a> {
    /// Of a profile of this kind, which shows one identifier of each namespace, or an attribute of that name that nobody claimed.
    OfProfiles(Kind, &'a Unclaimed),
    /// Of an event.
    OfEvents,
}

/// Those one of whom a profile or an event must name for the condition to hold of it, where the condition says so in the open: in itself, in
/// one of the parts that all have to hold, or in each of several one of which has to. Values that can be no identity are left out. What a
/// profile may show without an identity of it names nobody.
pub(crate) fn identities(condition: &Expr, config: &Config, speaks: Speaks<'_>) -> Option<Vec<Named>> {
    let said = said(condition, (config, speaks))?;
    if said.len() > IDENTITIES_MAX {
        return None;
    }
    let named = |(name, value): &(&Name, Arc<str>)| {
        if ***name == *NODE_IDS {
            return NodeId::parse(value).ok().map(Named::Node);
        }
        let namespace = config.by_name(name)?;
        Some(Named::Identity(Identity { namespace: namespace.id, value: normalise(namespace, value).ok()? }))
    };
    Some(said.iter().filter_map(named).collect())
}

/// Whether a condition names somebody in the open, as [`identities`] finds them, however many.
pub(crate) fn names_identities(condition: &Expr, config: &Config, speaks: Speaks<'_>) -> bool {
    said(condition, (config, speaks)).is_some()
}

fn said<'e>(condition: &'e Expr, known: (&Config, Speaks<'_>)) -> Option<Vec<(&'e Name, Arc<str>)>> {
    match &condition.node {
        Node::And(parts) => parts.iter().filter_map(|part| said(part, known)).min_by_key(Vec::len),
        Node::Or(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(|part| said(part, known)).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Node::Compare(Comparison::Equal, one, other) => {
            let (namespace, value) = match (namespace(one, known), namespace(other, known)) {
                (Some(namespace), None) => (namespace, constant(other)?),
                (None, Some(namespace)) => (namespace, constant(one)?),
                _ => return None,
            };
            Some(vec![namespace.of(value, known)?])
        }
        Node::Call { function: Function::In, arguments } => {
            let [subject, list] = &arguments[..] else { return None };
            if let Some(name) = listed(list, known.0) {
                return Some(vec![(name, constant(subject)?)]);
            }
            let (namespace, Node::List(items)) = (namespace(subject, known)?, &list.node) else { return None };
            items.iter().map(|item| namespace.of(constant(item)?, known)).collect()
        }
        Node::Call { function: Function::Includes, arguments } => {
            let [list, subject] = &arguments[..] else { return None };
            Some(vec![(listed(list, known.0)?, constant(subject)?)])
        }
        Node::Call { function: Function::Exists, arguments } => {
            let [list, body] = &arguments[..] else { return None };
            let (name, Node::Compare(Comparison::Equal, one, other)) = (listed(list, known.0)?, &body.node) else {
                return None;
            };
            let value = match (&one.node, &other.node) {
                (Node::Context(0), _) => constant(other)?,
                (_, Node::Context(0)) => constant(one)?,
                _ => return None,
            };
            Some(vec![(name, value)])
        }
        _ => None,
    }
}

/// Identities of a namespace that a condition speaks of.
#[derive(Clone, Copy)]
enum Spoken<'e> {
    /// All that a profile has.
    All(&'e Name),
    /// The one that it shows under this name.
    Shown(&'e Name),
}

impl<'e> Spoken<'e> {
    /// The identity of this value; none where a profile may show it without one.
    fn of(self, value: Arc<str>, (config, speaks): (&Config, Speaks<'_>)) -> Option<(&'e Name, Arc<str>)> {
        let name = match (self, speaks) {
            (Self::All(name), _) | (Self::Shown(name), Speaks::OfEvents) => name,
            (Self::Shown(name), Speaks::OfProfiles(kind, unclaimed)) => {
                let namespace = config.by_name(name)?;
                let fit = normalise(namespace, &value).map_or(Fit::Never, |_| Fit::Identity);
                if unclaimed.may_stand(namespace.id, kind, fit) {
                    return None;
                }
                name
            }
        };
        Some((name, value))
    }
}

/// The namespace whose identifier is meant: that which a profile shows, or all.
fn namespace<'e>(expr: &'e Expr, (config, speaks): (&Config, Speaks<'_>)) -> Option<Spoken<'e>> {
    if let Some(name) = listed(expr, config) {
        return Some(Spoken::All(name));
    }
    let Node::Path { of, names } = &expr.node else { return None };
    let ([name], Node::Context(0) | Node::Profile) = (&names[..], &of.node) else { return None };
    let is_shown = matches!(speaks, Speaks::OfProfiles(..)) && !RESERVED.contains(&&**name);
    config.by_name(name).filter(|_| is_shown).map(|_| Spoken::Shown(name))
}

/// The namespace all identities of which are meant, or the name of the ids of nodes.
fn listed<'e>(expr: &'e Expr, config: &Config) -> Option<&'e Name> {
    let Node::Path { of, names } = &expr.node else { return None };
    let ([all, name], Node::Context(0) | Node::Profile) = (&names[..], &of.node) else { return None };
    let is_known = **all == *IDENTITIES && (**name == *NODE_IDS || config.by_name(name).is_some());
    is_known.then_some(name)
}

/// What is written out. An instant has many spellings that are equal, so it names nobody.
fn constant(expr: &Expr) -> Option<Arc<str>> {
    match &expr.node {
        Node::Literal(Literal::Text(text)) => (!names_time(text)).then(|| text.clone()),
        Node::Literal(Literal::Number(number)) => Some(number.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tessera_engine::config::{Limits, default_namespaces};
    use tessera_engine::value::Value;
    use tessera_expr::pql;

    use super::*;

    fn check(condition: &str, expected: Option<&[&str]>) {
        let config = Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration");
        check_beside(condition, &config, &Unclaimed::none(&config), expected);
    }

    fn check_beside(condition: &str, config: &Config, unclaimed: &Unclaimed, expected: Option<&[&str]>) {
        let speaks = Speaks::OfProfiles(Kind::Person, unclaimed);
        let found = identities(&pql::parse(condition).expect("a condition"), config, speaks);
        let shown = |own: &Named| match own {
            Named::Identity(own) => format!("{}:{}", config.find(own.namespace).expect("known").name, own.value),
            Named::Node(id) => id.to_string(),
        };
        let found = found.map(|all| all.iter().map(shown).collect::<Vec<_>>());
        assert_eq!(
            found.as_deref(),
            expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
            "{condition}"
        );
    }

    #[test]
    fn what_a_profile_may_show_without_an_identity_of_it_names_nobody() {
        let config = Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration");
        let known = |names: &[(&str, &str)]| {
            let mut unclaimed = Unclaimed::none(&config);
            for (name, value) in names {
                unclaimed.stands(config.by_name(name).expect("a namespace"), Kind::Person, &Value::text(value));
            }
            unclaimed
        };
        let (address, other) = ("email = \"a@b.example\"", "email = \"no address\"");
        check_beside(address, &config, &known(&[]), Some(&["email:a@b.example"]));
        check_beside(other, &config, &known(&[]), Some(&[]));
        // What can be no identity makes no look-up of one that can slow.
        let unfit = known(&[("email", "another")]);
        check_beside(address, &config, &unfit, Some(&["email:a@b.example"]));
        check_beside(other, &config, &unfit, None);
        let fit = known(&[("email", "c@d.example")]);
        check_beside(address, &config, &fit, None);
        check_beside(other, &config, &fit, Some(&[]));
        check_beside("email = \"a@b.example\" and user_id = \"7\"", &config, &fit, Some(&["user_id:7"]));
        check_beside("\"a@b.example\" in _identities.email", &config, &fit, Some(&["email:a@b.example"]));
        check_beside("email in [\"a@b.example\", \"no address\"]", &config, &unfit, None);
        check_beside("user_id = \"7\"", &config, &fit, Some(&["user_id:7"]));
        check_beside(address, &config, &Unclaimed::default(), None);
    }

    #[test]
    fn what_names_identities_in_the_open_is_found() {
        check("email = \"Ann@Shop.example\"", Some(&["email:ann@shop.example"]));
        check("\"ann@shop.example\" = email", Some(&["email:ann@shop.example"]));
        check("city = \"Lyon\" and user_id = 7001", Some(&["user_id:7001"]));
        check("user_id in [\"a\", \"b\"] and email = \"a@b.example\"", Some(&["email:a@b.example"]));
        check("user_id in [\"a\", \"b\"]", Some(&["user_id:a", "user_id:b"]));
        check("email = \"a@b.example\" or user_id = \"a\"", Some(&["email:a@b.example", "user_id:a"]));
        check("email = \"no address\"", Some(&[]));
        check("email = \"a@b.example\" or city = \"Lyon\"", None);
        check("not (email = \"a@b.example\")", None);
        check("email != \"a@b.example\"", None);
        check("email = city", None);
        check("home.email = \"a@b.example\"", None);
        check("city = \"Lyon\"", None);
        check("email.startsWith(\"ann\")", None);
        check("\"d1\" in _identities.anonymous_id", Some(&["anonymous_id:d1"]));
        check("_identities.anonymous_id.includes(\"d1\")", Some(&["anonymous_id:d1"]));
        check(
            "_identities.anonymous_id.exists(this = \"d1\") or email = \"a@b.example\"",
            Some(&["anonymous_id:d1", "email:a@b.example"]),
        );
        check("_identities._id.includes(\"019a0f3e5b2c7d41e0a8f5c2\")", Some(&["019a0f3e5b2c7d41e0a8f5c2"]));
        check("_identities.other.includes(\"d1\")", None);
        check("not (\"d1\" in _identities.anonymous_id)", None);
    }
}
