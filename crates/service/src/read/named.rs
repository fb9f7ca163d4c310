//! Identities that a condition names: whoever it holds of is found by looking them up, and nobody else has to be asked.

use std::sync::Arc;

use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::normalise::normalise;
use tessera_engine::view::RESERVED;
use tessera_expr::ast::{Comparison, Expr, Function, Literal, Name, Node};

/// Identities that are looked up for one condition, at most; where it names more, everybody is asked.
const IDENTITIES_MAX: usize = 1_000;

/// The identities one of which a profile must have for the condition to hold of it, where the condition says so in the open: in itself, in
/// one of the parts that all have to hold, or in each of several one of which has to. Values that can be no identity are left out.
pub(crate) fn identities(condition: &Expr, config: &Config) -> Option<Vec<Identity>> {
    let said = said(condition, config)?;
    if said.len() > IDENTITIES_MAX {
        return None;
    }
    let identity = |(name, value): &(&Name, Arc<str>)| {
        let namespace = config.by_name(name)?;
        Some(Identity { namespace: namespace.id, value: normalise(namespace, value).ok()? })
    };
    Some(said.iter().filter_map(identity).collect())
}

fn said<'e>(condition: &'e Expr, config: &Config) -> Option<Vec<(&'e Name, Arc<str>)>> {
    match &condition.node {
        Node::And(parts) => parts.iter().filter_map(|part| said(part, config)).min_by_key(Vec::len),
        Node::Or(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(|part| said(part, config)).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Node::Compare(Comparison::Equal, one, other) => {
            let (name, value) = match (namespace(one, config), namespace(other, config)) {
                (Some(name), None) => (name, constant(other)?),
                (None, Some(name)) => (name, constant(one)?),
                _ => return None,
            };
            Some(vec![(name, value)])
        }
        Node::Call { function: Function::In, arguments } => {
            let [subject, list] = &arguments[..] else { return None };
            let (name, Node::List(items)) = (namespace(subject, config)?, &list.node) else { return None };
            items.iter().map(|item| Some((name, constant(item)?))).collect()
        }
        _ => None,
    }
}

/// The namespace whose identifier of the profile is meant.
fn namespace<'e>(expr: &'e Expr, config: &Config) -> Option<&'e Name> {
    let Node::Path { of, names } = &expr.node else { return None };
    let ([name], Node::Context(0) | Node::Profile) = (&names[..], &of.node) else { return None };
    let is_shown = !RESERVED.contains(&&**name);
    config.by_name(name).filter(|_| is_shown).map(|_| name)
}

fn constant(expr: &Expr) -> Option<Arc<str>> {
    match &expr.node {
        Node::Literal(Literal::Text(text)) => Some(text.clone()),
        Node::Literal(Literal::Number(number)) => Some(number.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tessera_engine::config::{Limits, default_namespaces};
    use tessera_expr::pql;

    use super::*;

    fn check(condition: &str, expected: Option<&[&str]>) {
        let config = Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration");
        let found = identities(&pql::parse(condition).expect("a condition"), &config);
        let shown = |own: &Identity| format!("{}:{}", config.find(own.namespace).expect("known").name, own.value);
        let found = found.map(|all| all.iter().map(shown).collect::<Vec<_>>());
        assert_eq!(
            found.as_deref(),
            expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
            "{condition}"
        );
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
    }
}
