//! What merge policies choose: a table that can be read ([`table`]), and laws that hold for any cells and policy ([`laws`]).
//!
//! ```text
//! full newest; a: min; b: source crm,web        a policy: the graph, the merge, rules of attributes
//! none2 precedence crm,web                      without graph, node 2 is read; elsewhere node 1
//! 1.crm:a.b='x'@5                               node 1, dataset crm: an attribute, its value, its time
//! ```
//!
//! Nodes 1 and 2 are one profile, node 3 is in the same cluster but another profile. Values: `7`, `'x'`, `true`, `null`, `{}`,
//! `[1,2]` (a list), `<1,2>` (a set). `@~5` is a record without a time, received at 5. Blanks separate.

use std::sync::{Arc, LazyLock};

use tessera_engine::cluster::{Cell, Cluster, Node, Role};
use tessera_engine::config::{Config, Limits, NamespaceId};
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_engine::policy::{
    AttributeMerge, CompiledPolicy, DatasetList, Fate, IdentityGraph, InvalidPolicy, MergePolicy, Rule, explain,
    explain_all,
};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Tree, Value};
use tessera_engine::view::{Lens, Relevance, fold};

#[path = "policy_cases/laws.rs"]
mod laws;
#[path = "policy_cases/removal.rs"]
mod removal;
#[path = "policy_cases/sets.rs"]
mod sets;
#[path = "policy_cases/table.rs"]
mod table;

/// A cell, the number of its node, its dataset.
type Said = (u8, &'static str, Cell);

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("an instant")
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn node_id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 12])
}

/// The cluster of nodes 1, 2 and 3, with these cells.
fn cluster(said: impl IntoIterator<Item = Said>) -> Cluster {
    let node = |number: u8| {
        let identity = Identity { namespace: NamespaceId::new(number.into()), value: format!("v{number}").into() };
        Node::new(node_id(number), identity, seconds(0), Role::default())
    };
    let mut cluster = Cluster {
        nodes: (1..=3).map(node).collect(),
        links: Vec::new(),
        pieces: vec![0, 0, 2],
        swept: 0,
        updated_at: seconds(0),
        bytes: 0,
    };
    for (number, dataset, cell) in said {
        let node = cluster.node_mut(node_id(number)).expect("nodes 1 to 3");
        node.fragment(&dataset.into(), None).set(cell);
    }
    cluster
}

/// A policy, and the node that is read.
fn policy(text: &str) -> (CompiledPolicy, NodeId) {
    let mut parts = text.split(';').map(str::trim);
    let (graph, merge) = parts.next().and_then(|part| part.split_once(' ')).expect("a graph and a merge");
    let (graph, node) = match graph {
        "full" => (IdentityGraph::Full, 1),
        "full2" => (IdentityGraph::Full, 2),
        "none" => (IdentityGraph::None, 1),
        "none2" => (IdentityGraph::None, 2),
        other => panic!("no graph: {other}"),
    };
    let merge = match merge.split_once(' ') {
        None if merge == "newest" => AttributeMerge::Newest,
        Some(("precedence", order)) => AttributeMerge::Precedence(datasets(order)),
        _ => panic!("no merge: {merge}"),
    };
    let rules = parts.map(|part| {
        let (own, rule) = part.split_once(": ").expect("a path and a rule");
        (path(own), self::rule(rule))
    });
    let policy = MergePolicy::new(graph, merge, rules.collect::<Vec<_>>()).expect("a policy");
    (CompiledPolicy::new(policy), node_id(node))
}

fn rule(text: &str) -> Rule {
    match text {
        "newest" => Rule::Newest,
        "first" => Rule::First,
        "min" => Rule::Min,
        "max" => Rule::Max,
        "union" => Rule::Union,
        "frequent" => Rule::MostFrequent,
        other => Rule::SourcePriority(datasets(other.strip_prefix("source ").expect("a rule"))),
    }
}

fn datasets(text: &str) -> Vec<Arc<str>> {
    text.split(',').map(Into::into).collect()
}

fn said(text: &str) -> Said {
    let (who, what) = text.split_once(':').expect("who:what");
    let (node, dataset) = who.split_once('.').expect("node.dataset");
    let dataset = ["crm", "web", "app"].into_iter().find(|own| *own == dataset).expect("one of three datasets");
    let (own, value) = what.split_once('=').expect("path=value");
    let (value, time) = value.rsplit_once('@').expect("value@time");
    let (time, received) = match time.strip_prefix('~') {
        Some(received) => (received, 0),
        None => (time, 100),
    };
    let time: i64 = time.parse().expect("seconds");
    let cell = Cell {
        path: path(own),
        value: self::value(value),
        time: seconds(time),
        received_at: seconds(time + received),
        batch: None,
        claimed: None,
    };
    (node.parse().expect("a node"), dataset, cell)
}

fn value(text: &str) -> Value {
    let items = |open, close| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        Some(inner.split(',').filter(|item| !item.is_empty()).map(value).collect::<Vec<_>>())
    };
    match text {
        "null" => return Value::Null,
        "{}" => return Value::object(Vec::new()),
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Some(items) = items('[', ']') {
        return Value::List(items.into());
    }
    if let Some(items) = items('<', '>') {
        return Value::set(items);
    }
    match text.strip_prefix('\'') {
        Some(text) => Value::text(text.trim_end_matches('\'')),
        None => Value::Number(Decimal::parse(text).expect("a number")),
    }
}

fn show(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(value) => show_value(value),
        Tree::Node(members) => {
            let members: Vec<String> = members.iter().map(|(name, below)| format!("{name}:{}", show(below))).collect();
            format!("{{{}}}", members.join(" "))
        }
    }
}

fn show_value(value: &Value) -> String {
    let items = |items: &[Value]| items.iter().map(show_value).collect::<Vec<_>>().join(",");
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Timestamp(time) => format!("t{}", time.micros()),
        Value::List(list) => format!("[{}]", items(list)),
        Value::Set(set) => format!("<{}>", items(set)),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}:{}", show_value(value))).collect();
            format!("{{{}}}", members.join(" "))
        }
    }
}

/// What a fold under this policy looks through.
fn lens(policy: &CompiledPolicy) -> Lens<'_> {
    static CONFIG: LazyLock<Config> =
        LazyLock::new(|| Config::new(1, Vec::new(), None, Limits::default()).expect("a configuration"));
    Lens { policy, config: &CONFIG, now: seconds(1_000_000), relevance: Relevance::Any }
}

fn view(cluster: &Cluster, node: NodeId, policy: &CompiledPolicy) -> Tree {
    Tree::Node(fold(cluster, node, &lens(policy)).expect("the node is there").attributes)
}

/// What stands at each root, put together from explanations alone: those of the roots, which are the one of all in parts.
fn explained(cluster: &Cluster, node: NodeId, policy: &CompiledPolicy, roots: &[&str]) -> Tree {
    let mut tree = Tree::new();
    let of_roots: Vec<_> =
        roots.iter().flat_map(|root| explain(cluster, node, &lens(policy), &path(root)).attributes).collect();
    assert_eq!(of_roots, explain_all(cluster, node, &lens(policy)).attributes);
    for attribute in of_roots {
        if let Fate::Stands { value, .. } = attribute.fate {
            tree.insert(&attribute.path, value);
        }
    }
    tree
}

/// A fate in one word.
fn why(fate: &Fate) -> String {
    match fate {
        Fate::Stands { reason, .. } => format!("{reason:?}"),
        Fate::Filled => "Filled".into(),
        Fate::Removed { reason } => format!("Removed({reason:?})"),
        Fate::Ended { by, .. } => format!("Ended({by})"),
        Fate::NotListed => "NotListed".into(),
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
    let many = |count: usize| (0..count).map(|at| format!("d{at}").into()).collect::<Vec<Arc<str>>>();
    let merge = |order| MergePolicy::new(IdentityGraph::Full, AttributeMerge::Precedence(order), []);
    let own = DatasetList::Precedence;
    assert_eq!(merge(Vec::new()), Err(InvalidPolicy::NoDatasets(own.clone())));
    let twice = InvalidPolicy::DuplicateDataset { list: own.clone(), dataset: "crm".into() };
    assert_eq!(merge(list(&["crm", "web", "crm"])), Err(twice));
    assert_eq!(merge(many(101)), Err(InvalidPolicy::TooManyDatasets { list: own, datasets: 101 }));
    assert!(merge(many(100)).is_ok());

    let rules = |rules: Vec<(Path, Rule)>| {
        MergePolicy::new(IdentityGraph::None, AttributeMerge::Precedence(list(&["crm"])), rules)
    };
    let source = |names| Rule::SourcePriority(list(names));
    let takes_no_part = InvalidPolicy::TakesNoPart { path: path("a"), dataset: "web".into() };
    assert_eq!(rules(vec![(path("a"), source(&["crm", "web"]))]), Err(takes_no_part));
    assert_eq!(rules(vec![(path("a"), source(&[]))]), Err(InvalidPolicy::NoDatasets(DatasetList::OfRule(path("a")))));
    let twice = vec![(path("a"), Rule::Min), (path("a"), Rule::Max)];
    assert_eq!(rules(twice), Err(InvalidPolicy::DuplicateRule(path("a"))));
    let named = |count: usize| (0..count).map(|at| (path(&format!("a{at}")), Rule::Min)).collect::<Vec<_>>();
    assert_eq!(rules(named(201)), Err(InvalidPolicy::TooManyRules(201)));
    assert!(rules(named(200)).is_ok());
}

#[test]
fn a_fold_without_graph_is_of_one_node_and_shows_its_identifiers_alone() {
    let cluster = cluster(["1.crm:a=1@1", "2.crm:b=2@2"].map(said));
    let of = |text| {
        let (policy, node) = policy(text);
        let view = fold(&cluster, node, &lens(&policy)).expect("the node is there");
        let identifiers: Vec<u16> = view.identifiers.iter().map(|(namespace, _)| namespace.number()).collect();
        (view.profile_id, identifiers, show(&Tree::Node(view.attributes)))
    };
    assert_eq!(of("full2 newest"), (node_id(1), vec![1, 2], "{a:1 b:2}".into()));
    assert_eq!(of("none2 newest"), (node_id(2), vec![2], "{b:2}".into()));
    assert_eq!(of("none newest"), (node_id(1), vec![1], "{a:1}".into()));
    assert!(fold(&cluster, node_id(9), &lens(CompiledPolicy::by_default())).is_none());
}

#[test]
fn explain_names_every_contender_and_what_it_came_to() {
    let cluster = cluster(["1.crm:a=3@1", "2.crm:a=9@4", "1.web:a=5@3", "2.web:a=null@2", "1.app:a=1@9"].map(said));
    let (policy, node) = policy("full precedence crm,web; a: min");
    let explanation = explain(&cluster, node, &lens(&policy), &path("a"));
    let [attribute] = &explanation.attributes[..] else { panic!("one attribute") };
    let lines = attribute.contenders.iter().map(|own| {
        let (time, received) = (own.time.micros() / 1_000_000, own.received_at.micros() / 1_000_000);
        format!(
            "{} {} {} @{time} ~{received} {:?}",
            own.node.as_bytes()[0],
            own.dataset,
            show_value(&own.value),
            own.part
        )
    });
    let expected = [
        "1 app 1 @9 ~109 NotListed",
        "2 crm 9 @4 ~104 Lost",
        "1 web 5 @3 ~103 Won",
        "2 web null @2 ~102 Lost",
        "1 crm 3 @1 ~101 Removed",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert_eq!(why(&attribute.fate), "Min");
}
