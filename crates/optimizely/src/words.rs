//! Which member of a profile and of an event is which attribute, identity and event of ours (spec/optimizely.md sections 4, 8.1, 9).

use std::sync::{Arc, LazyLock};

use tessera_engine::value::Path;
use tessera_engine::view::IDENTITIES;
use tessera_expr::ast::{Arithmetic, Comparison, Expr, Function, Literal, Name, Node};
use tessera_expr::problem::Place;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::value::Decimal;

/// The namespace of device ids.
pub(super) const DEVICES: &str = "anonymous_id";
/// The namespace of e-mail addresses.
pub(super) const EMAIL: &str = "email";
/// The namespace of phone numbers.
pub(super) const PHONE: &str = "phone";
/// Minutes after which another event begins a visit (section 4).
const VISIT_MINUTES: i64 = 15;

/// Members at the top of a profile that are attributes.
pub(super) const MEMBERS: [(&str, &str); 3] =
    [("Name", "name"), ("ProfileManager", "profile_manager"), ("VisitorGroups", "visitor_groups")];

/// Keys of `Info`, and the attributes that they are. Another key is an attribute below `info`.
pub(super) const INFO: [(&str, &str); 13] = [
    ("Picture", "avatar"),
    ("Website", "website"),
    ("StreetAddress", "address.street"),
    ("Phone", PHONE),
    ("Mobile", "mobile"),
    ("City", "address.city"),
    ("State", "address.state"),
    ("ZipCode", "address.postal_code"),
    ("JobTitle", "title"),
    ("Company", "company"),
    ("Country", "address.country"),
    ("InferredCountry", "inferred_country"),
    ("Email", EMAIL),
];

/// Attributes of what was written of visits: up to which instant the number counts, and the number.
pub(super) const FIRST_SEEN: &str = "first_seen";
pub(super) const LAST_SEEN: &str = "last_seen";
pub(super) const VISITS: &str = "visits";
pub(super) const VISITS_UNTIL: &str = "visits_until";
/// Where keys of `Info` stand that have no attribute of their own.
pub(super) const OTHER_INFO: &str = "info";
/// Where members of `Payload` stand whose names are those of other members.
pub(super) const OTHER_PAYLOAD: &str = "payload";

/// Attributes that are no part of `Payload`, by their paths.
pub(super) fn is_own(path: &str) -> bool {
    let tables = MEMBERS.iter().chain(&INFO).map(|(_, own)| *own);
    tables.chain([FIRST_SEEN, LAST_SEEN, VISITS, VISITS_UNTIL]).any(|own| own == path)
}

/// The attribute of a key of `Info`.
pub(super) fn info(key: &str) -> Option<Path> {
    match INFO.iter().find(|(own, _)| *own == key) {
        Some((_, path)) => Path::parse(path).ok(),
        None => Path::from_segments([OTHER_INFO, key]).ok(),
    }
}

/// The attribute of what stands at these names in `Payload`. What other members own, and all below names that answers need for themselves, stands
/// elsewhere.
pub(super) fn payload(names: &[Name]) -> Option<Path> {
    let plain = Path::from_segments(names.iter().map(|name| &**name)).ok()?;
    let is_reserved =
        |root: &str| tessera_engine::view::RESERVED.contains(&root) || [OTHER_INFO, OTHER_PAYLOAD].contains(&root);
    let collides = is_own(plain.as_str()) || names.first().is_some_and(|root| is_reserved(root) || is_identity(root));
    if !collides {
        return Some(plain);
    }
    Path::from_segments([OTHER_PAYLOAD].into_iter().chain(names.iter().map(|name| &**name))).ok()
}

/// Whether a name is that of identities, in every workspace.
fn is_identity(name: &str) -> bool {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let all = tessera_engine::config::default_namespaces();
        all.iter().map(|own| own.name.as_str().to_owned()).collect()
    });
    NAMES.iter().any(|own| own == name)
}

/// What stands at these names of what is spoken of.
pub(super) fn path(names: &[&str]) -> Expr {
    let names = names.iter().map(|name| Name::from(*name)).collect();
    Expr::new(Node::Path { of: Box::new(Expr::new(Node::Context(0))), names })
}

/// What stands at an attribute's path.
pub(super) fn at(own: &Path) -> Expr {
    let names: Vec<_> = own.segments().collect();
    path(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// The identities of a namespace.
pub(super) fn identities(namespace: &str) -> Expr {
    path(&[IDENTITIES, namespace])
}

pub(super) fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::new(Node::Call { function, arguments })
}

pub(super) fn compare(comparison: Comparison, one: Expr, other: Expr) -> Expr {
    Expr::new(Node::Compare(comparison, Box::new(one), Box::new(other)))
}

pub(super) fn either(test: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::new(Node::If { test: Box::new(test), then: Box::new(then), otherwise: Box::new(otherwise) })
}

pub(super) fn number(number: i64) -> Expr {
    Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(number))))
}

pub(super) fn is_null(of: Expr) -> Expr {
    call(Function::IsNull, vec![of])
}

pub(super) fn is_there(of: Expr) -> Expr {
    call(Function::IsNotNull, vec![of])
}

/// The written instant or that of an event, whichever comes first in this comparison.
fn seen(written: &str, comparison: Comparison, function: Function) -> Expr {
    let (own, of_event) = (path(&[written]), call(function, vec![Expr::new(Node::Events), path(&["timestamp"])]));
    let is_first = compare(comparison, own.clone(), of_event.clone());
    let own_first = Expr::or(vec![is_null(of_event.clone()), is_first], Place::Nowhere);
    either(is_null(own.clone()), of_event, either(own_first, own, path_of_events(function)))
}

fn path_of_events(function: Function) -> Expr {
    call(function, vec![Expr::new(Node::Events), path(&["timestamp"])])
}

/// The first instant: what was written, or the first event.
pub(super) fn first_seen() -> Expr {
    seen(FIRST_SEEN, Comparison::Less, Function::Min)
}

/// The last instant: what was written, or the last event.
pub(super) fn last_seen() -> Expr {
    seen(LAST_SEEN, Comparison::Greater, Function::Max)
}

/// How many visits there were: those that were written, and those of events from then on. A visit that goes on at the instant up to which they
/// were written is counted there.
pub(super) fn visits() -> Expr {
    let minutes = || number(VISIT_MINUTES);
    let all = call(Function::Visits, vec![Expr::new(Node::Events), minutes()]);
    // Inside the filter the event is spoken of, so the instant has a name.
    let name = || Name::from("until");
    let until = || Expr::new(Node::Variable(name()));
    let filtered = |comparison| {
        let condition = Box::new(compare(comparison, path(&["timestamp"]), until()));
        Expr::new(Node::Filter { list: Box::new(Expr::new(Node::Events)), condition })
    };
    let later = call(Function::Visits, vec![filtered(Comparison::GreaterEqual), minutes()]);
    let goes_on = compare(Comparison::Greater, call(Function::Count, vec![filtered(Comparison::Equal)]), number(0));
    let add = |kind, one, other| Expr::new(Node::Arithmetic(kind, Box::new(one), Box::new(other)));
    let later = add(Arithmetic::Subtract, later, either(goes_on, number(1), number(0)));
    let written = add(Arithmetic::Add, path(&[VISITS]), later);
    let body = Box::new(either(is_null(path(&[VISITS])), all, written));
    Expr::new(Node::Let { name: name(), value: Box::new(path(&[VISITS_UNTIL])), body })
}

/// Who can be reached how, and whether somebody is known (section 4).
pub(super) fn contact_information() -> Expr {
    let nothing = || Expr::new(Node::Literal(Literal::Null));
    let reached = Expr::or(vec![is_there(path(&["phone"])), is_there(path(&["mobile"]))], Place::Nowhere);
    Expr::new(Node::List(vec![
        either(is_there(path(&[EMAIL])), Expr::text("Mailable"), nothing()),
        either(reached, Expr::text("Callable"), nothing()),
        either(is_there(path(&["name"])), Expr::text("Known"), Expr::text("Anonymous")),
    ]))
}

/// What is computed for each profile that is shown: when it was first and last seen, and its visits.
pub(super) fn computed() -> Arc<[Arc<Rule>]> {
    static RULES: LazyLock<Arc<[Arc<Rule>]>> = LazyLock::new(|| {
        let rule = |expr| Arc::new(Rule::compile(expr, Purpose::Value).expect("these are rules"));
        [first_seen(), last_seen(), visits()].map(rule).into()
    });
    RULES.clone()
}
