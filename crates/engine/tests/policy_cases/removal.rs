//! What stands in an object's place ends what was below it for good, whatever comes afterwards and in whatever order all of it comes.

use super::*;

fn permutations(items: &[Said]) -> Vec<Vec<Said>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let with_first = |rest: Vec<Said>| {
        (0..=rest.len()).map(move |at| {
            let mut all = rest.clone();
            all.insert(at, first.clone());
            all
        })
    };
    permutations(rest).into_iter().flat_map(with_first).collect()
}

fn check(policies: &[&str], cells: &str, expected: &str) {
    let cells: Vec<Said> = cells.split_whitespace().map(said).collect();
    for text in policies {
        let (policy, node) = policy(text);
        for order in permutations(&cells) {
            let cluster = cluster(order.clone());
            let tree = view(&cluster, node, &policy);
            assert_eq!(show(&tree), expected, "{text}: {order:?}");
            assert_eq!(explained(&cluster, node, &policy, &["a"]), tree, "{text}: {order:?}");
        }
    }
}

#[test]
fn an_object_that_begins_again_brings_nothing_back() {
    let all = [
        "full newest",
        "full precedence crm,web",
        "full newest; a: source crm,web",
        "full precedence web,crm; a: newest",
        "none newest",
    ];
    for (cells, expected) in [
        ("1.crm:a.c='A'@1 1.crm:a=null@2 1.crm:a.z=1@3", "{a:{z:1}}"),
        ("1.crm:a.c='A'@1 1.crm:a=null@2 1.crm:a={}@3", "{a:{}}"),
        ("1.crm:a.c='A'@1 1.crm:a='x'@2 1.crm:a={}@3", "{a:{}}"),
        ("1.crm:a.c='A'@1 1.crm:a=[1]@2 1.crm:a={}@3 1.crm:a.z=1@4", "{a:{z:1}}"),
        ("1.crm:a.c='A'@1 1.crm:a={}@2 1.crm:a.z=1@3", "{a:{c:'A' z:1}}"),
        ("1.crm:a.c='A'@1 1.crm:a={}@2 1.crm:a=null@3", "{}"),
        ("1.crm:a.c='A'@1 1.crm:a=null@2 1.crm:a={}@3 1.crm:a.c=null@4", "{a:{}}"),
        ("1.crm:a.b.c=1@1 1.crm:a.b=null@2 1.crm:a.b={}@3", "{a:{b:{}}}"),
        ("1.crm:a.b.c=1@1 1.crm:a=null@2 1.crm:a.b={}@3", "{a:{b:{}}}"),
        ("1.crm:a.b.c=1@1 1.crm:a='x'@2 1.crm:a.d=1@3 1.crm:a.b={}@4", "{a:{b:{} d:1}}"),
        ("1.crm:a.b.c=1@3 1.crm:a=null@2 1.crm:a={}@4", "{a:{b:{c:1}}}"),
    ] {
        check(&all, cells, expected);
    }
    // Whoever says it, of whichever identity.
    for cells in [
        "1.crm:a.c='A'@1 2.web:a=null@2 1.crm:a={}@3",
        "1.crm:a.c='A'@1 1.crm:a='x'@2 2.crm:a={}@3",
        "2.app:a.c='A'@1 1.crm:a=null@2 1.web:a={}@3",
    ] {
        check(&["full newest", "full newest; a: newest"], cells, "{a:{}}");
    }
    // A rank stands above time: what a lower dataset removes is not a higher one's.
    check(&["full precedence crm,web"], "1.crm:a.c='A'@1 1.web:a=null@2 1.crm:a={}@3", "{a:{c:'A'}}");
    check(&["full precedence crm,web"], "1.web:a.c='A'@1 1.crm:a=null@2 1.web:a={}@3", "{}");
}
