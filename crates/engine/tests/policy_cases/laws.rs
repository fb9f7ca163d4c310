//! Laws of merge policies, for any cells and any policy.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;

const DATASETS: [&str; 3] = ["crm", "web", "app"];
const PATHS: [&str; 6] = ["a", "a.b", "a.b.c", "a.b.e", "a.d", "e"];
const ROOTS: [&str; 2] = ["a", "e"];

/// Cells, one for each node, dataset and path. There are few times, so that ties are frequent.
fn cells() -> impl Strategy<Value = Vec<Said>> {
    let value = prop::sample::select(vec!["null", "{}", "1", "2", "'x'", "[1,2]", "[2,3]", "<3,1>", "true"]);
    let key = (1u8..4, prop::sample::select(&DATASETS[..]), prop::sample::select(&PATHS[..]));
    prop::collection::btree_map(key, (value, 0i64..6, 6i64..9), 0..24).prop_map(|cells| {
        let cell = |((node, dataset, own), (value, time, received)): ((u8, &'static str, &str), (&str, i64, i64))| {
            let (time, received_at) = (seconds(time), seconds(received));
            (
                node,
                dataset,
                Cell { path: path(own), value: super::value(value), time, received_at, batch: None, claimed: None },
            )
        };
        cells.into_iter().map(cell).collect()
    })
}

fn order() -> impl Strategy<Value = Vec<Arc<str>>> {
    (Just(DATASETS), 1usize..4).prop_flat_map(|(datasets, count)| {
        Just(datasets.to_vec())
            .prop_shuffle()
            .prop_map(move |datasets| datasets[..count].iter().map(|own| Arc::from(*own)).collect())
    })
}

pub(super) fn policies() -> impl Strategy<Value = MergePolicy> {
    let graph = prop::sample::select(vec![IdentityGraph::Full, IdentityGraph::None]);
    let merge = prop_oneof![Just(AttributeMerge::Newest), order().prop_map(AttributeMerge::Precedence)];
    let plain = [Rule::Newest, Rule::First, Rule::Min, Rule::Max, Rule::Union, Rule::MostFrequent];
    let rule = prop_oneof![3 => prop::sample::select(plain.to_vec()), 1 => order().prop_map(Rule::SourcePriority)];
    let rules = prop::collection::btree_map(prop::sample::select(&PATHS[..]), rule, 0..4);
    (graph, merge, rules).prop_map(|(graph, merge, rules)| {
        let takes_part = |own: &Arc<str>| match &merge {
            AttributeMerge::Newest => true,
            AttributeMerge::Precedence(listed) => listed.contains(own),
        };
        let rules = rules.into_iter().filter_map(|(own, rule)| match rule {
            Rule::SourcePriority(mut order) => {
                order.retain(takes_part);
                (!order.is_empty()).then(|| (path(own), Rule::SourcePriority(order)))
            }
            rule => Some((path(own), rule)),
        });
        let rules: Vec<_> = rules.collect();
        MergePolicy::new(graph, merge, rules).expect("a policy")
    })
}

/// The fold before there were policies: of each path the newest by time and bytes; above and below, the newer says, and what a value
/// has ended below it stays so.
fn newest_fold(cluster: &Cluster, node: NodeId) -> Tree {
    let mut best: BTreeMap<Path, &Cell> = BTreeMap::new();
    let all = || cluster.piece(node).flat_map(|node| &node.fragments).flat_map(|fragment| &fragment.cells);
    for cell in all() {
        let own = best.entry(cell.path.spoken_of().into_owned()).or_insert(cell);
        if (cell.time, &cell.value) > (own.time, &own.value) {
            *own = cell;
        }
    }
    let is_object = |cell: &Cell| matches!(cell.value, Value::Object(_));
    let mut tree = Tree::new();
    for (path, cell) in &best {
        let mut above = all().filter(|above| above.path.is_above(path));
        let mut below =
            best.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded)).filter(|(below, _)| path.is_above(below));
        let is_ended = above.any(|above| !is_object(above) && above.time >= cell.time)
            || !is_object(cell) && below.any(|(_, below)| below.time > cell.time);
        if cell.value != Value::Null && !is_ended {
            tree.insert(path, cell.value.clone());
        }
    }
    tree
}

/// What one attribute with nothing above or below it holds: each rule as its documentation says it, by comparing all with all.
fn naive(policy: &MergePolicy, cells: &[(&str, &Cell)]) -> Value {
    let listed = |order: &[Arc<str>], dataset: &str| order.iter().position(|own| &**own == dataset);
    let newest = |cells: &[(&str, &Cell)]| {
        let newest = cells.iter().map(|(_, cell)| (cell.time, cell.value.clone())).max();
        newest.map_or(Value::Null, |(_, value)| value)
    };
    let ranked = |order: &[Arc<str>]| {
        let rank = |dataset: &str| listed(order, dataset).unwrap_or(order.len());
        let best = cells.iter().map(|(dataset, _)| rank(dataset)).min();
        let of_best = cells.iter().filter(|(dataset, _)| Some(rank(dataset)) == best).copied();
        newest(&of_best.collect::<Vec<_>>())
    };
    let nulls: Vec<_> = cells.iter().filter(|(_, cell)| cell.value == Value::Null).map(|(_, cell)| cell.time).collect();
    let left = cells.iter().map(|(_, cell)| *cell).filter(|cell| cell.value != Value::Null);
    let left: Vec<&Cell> = left.filter(|cell| nulls.iter().all(|null| *null <= cell.time)).collect();
    let values = || left.iter().map(|cell| cell.value.clone());
    match policy.rules().get(&path("e")) {
        None => match policy.merge() {
            AttributeMerge::Newest => newest(cells),
            AttributeMerge::Precedence(order) => ranked(order),
        },
        Some(Rule::Newest) => newest(cells),
        Some(Rule::SourcePriority(order)) => ranked(order),
        Some(Rule::Min) => values().min().unwrap_or(Value::Null),
        Some(Rule::Max) => values().max().unwrap_or(Value::Null),
        Some(Rule::First) => {
            let oldest = left.iter().map(|cell| cell.time).min();
            let of_then = left.iter().filter(|cell| Some(cell.time) == oldest);
            of_then.map(|cell| cell.value.clone()).max().unwrap_or(Value::Null)
        }
        Some(Rule::MostFrequent) => {
            let of = |value: &Value| left.iter().filter(|cell| cell.value == *value).collect::<Vec<_>>();
            let key = |value: &Value| (of(value).len(), of(value).iter().map(|cell| cell.time).max(), value.clone());
            values().max_by_key(key).unwrap_or(Value::Null)
        }
        Some(Rule::Union) => {
            if left.is_empty() {
                return Value::Null;
            }
            let members = |cell: &&Cell| match &cell.value {
                Value::List(items) | Value::Set(items) => items.to_vec(),
                Value::Object(_) => Vec::new(),
                one => vec![one.clone()],
            };
            let all = || left.iter().filter(|cell| !matches!(cell.value, Value::Object(_)));
            if all().count() == 0 {
                return Value::object(Vec::new());
            }
            if !all().all(|cell| matches!(cell.value, Value::List(_))) {
                return Value::set(left.iter().flat_map(members).collect());
            }
            let mut oldest_first = left.clone();
            oldest_first.sort_by_key(|cell| (cell.time, cell.value.clone()));
            let mut list: Vec<Value> = Vec::new();
            for member in oldest_first.iter().flat_map(members) {
                if !list.contains(&member) {
                    list.push(member);
                }
            }
            Value::List(list.into())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn policy_default_is_the_newest_of_each(cells in cells()) {
        let cluster = cluster(cells);
        for node in [1, 2, 3].map(node_id) {
            prop_assert_eq!(view(&cluster, node, CompiledPolicy::by_default()), newest_fold(&cluster, node));
        }
    }

    #[test]
    fn policy_does_not_look_at_the_order_of_cells(
        (cells, shuffled) in cells().prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle())),
        policy in policies(),
    ) {
        let policy = CompiledPolicy::new(policy);
        let (one, other) = (cluster(cells), cluster(shuffled));
        for node in [1, 2, 3].map(node_id) {
            prop_assert_eq!(view(&one, node, &policy), view(&other, node, &policy));
            for root in ROOTS.map(path) {
                prop_assert_eq!(explain(&one, node, &lens(&policy), &root), explain(&other, node, &lens(&policy), &root));
            }
        }
    }

    /// Nodes are kept by their ids; which node has which id changes nothing in what the profile holds.
    #[test]
    fn policy_does_not_look_at_the_order_of_nodes(cells in cells(), policy in policies()) {
        let policy = CompiledPolicy::new(policy);
        let swapped = cells.iter().cloned().map(|(node, dataset, cell)| match node {
            1 | 2 => (3 - node, dataset, cell),
            other => (other, dataset, cell),
        });
        let (one, other) = (cluster(cells.clone()), cluster(swapped));
        prop_assert_eq!(view(&one, node_id(1), &policy), view(&other, node_id(2), &policy));
    }

    #[test]
    fn policy_of_one_dataset_is_newest(cells in cells(), order in Just(DATASETS.to_vec()).prop_shuffle()) {
        let cluster = cluster(cells.into_iter().filter(|(_, dataset, _)| *dataset == "web"));
        let order = order.into_iter().map(Arc::from).collect();
        let policy = MergePolicy::new(IdentityGraph::Full, AttributeMerge::Precedence(order), []).expect("a policy");
        let policy = CompiledPolicy::new(policy);
        prop_assert_eq!(view(&cluster, node_id(1), &policy), view(&cluster, node_id(1), CompiledPolicy::by_default()));
    }

    #[test]
    fn policy_explained_is_policy_folded(cells in cells(), policy in policies()) {
        let policy = CompiledPolicy::new(policy);
        let cluster = cluster(cells);
        for node in [1, 2, 3].map(node_id) {
            // An empty object with values below it is told as filled; both ways it is a node of the tree.
            let folded = view(&cluster, node, &policy);
            prop_assert_eq!(show(&folded), show(&explained(&cluster, node, &policy, &ROOTS)));
        }
    }

    #[test]
    fn policy_without_what_takes_no_part_is_the_same(cells in cells(), policy in policies()) {
        let takes_part = |dataset: &str| match policy.merge() {
            AttributeMerge::Newest => true,
            AttributeMerge::Precedence(listed) => listed.iter().any(|own| &**own == dataset),
        };
        let is_read = |node: u8| match policy.graph() {
            IdentityGraph::Full => node < 3,
            IdentityGraph::None => node == 1,
        };
        let less: Vec<_> =
            cells.iter().filter(|(node, dataset, _)| takes_part(dataset) && is_read(*node)).cloned().collect();
        let policy = CompiledPolicy::new(policy);
        prop_assert_eq!(view(&cluster(cells), node_id(1), &policy), view(&cluster(less), node_id(1), &policy));
    }

    /// However rules are nested, values above and below never end each other all.
    #[test]
    fn policy_leaves_something_of_values(cells in cells(), policy in policies()) {
        let policy = CompiledPolicy::new(policy);
        let cluster = cluster(cells.into_iter().filter(|(_, _, cell)| cell.value != Value::Null));
        for root in ROOTS.map(path) {
            let explanation = explain(&cluster, node_id(1), &lens(&policy), &root);
            let takes_part = explanation.attributes.iter().any(|own| own.fate != Fate::NotListed);
            let stands = explanation.attributes.iter().any(|own| matches!(own.fate, Fate::Stands { .. }));
            prop_assert_eq!(stands, takes_part);
        }
    }

    #[test]
    fn policy_of_a_flat_attribute_is_what_the_naive_reading_says(cells in cells(), policy in policies()) {
        let is_read = |said: &&Said| {
            let of_unit = match policy.graph() {
                IdentityGraph::Full => said.0 < 3,
                IdentityGraph::None => said.0 == 1,
            };
            let takes_part = match policy.merge() {
                AttributeMerge::Newest => true,
                AttributeMerge::Precedence(listed) => listed.iter().any(|own| **own == *said.1),
            };
            of_unit && takes_part
        };
        // All speak of one attribute; of several cells of a node and dataset the first counts.
        let mut flat: BTreeMap<(u8, &str), Said> = BTreeMap::new();
        for (node, dataset, cell) in cells {
            flat.entry((node, dataset)).or_insert((node, dataset, Cell { path: path("e"), ..cell }));
        }
        let flat: Vec<Said> = flat.into_values().collect();
        let read: Vec<(&str, &Cell)> = flat.iter().filter(is_read).map(|said| (said.1, &said.2)).collect();
        let expected = naive(&policy, &read);
        let policy = CompiledPolicy::new(policy);
        let folded = view(&cluster(flat.clone()), node_id(1), &policy);
        let Tree::Node(members) = &folded else { panic!("a view is a node") };
        let got = members.get("e").map_or("null".into(), show);
        prop_assert_eq!(got, show_value(&expected));
    }
}
