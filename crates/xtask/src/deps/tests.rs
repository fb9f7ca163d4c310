use super::{Metadata, Rule, TABLE, check, read};

const RULES: &[Rule] = &[
    Rule { package: "a", may: &[], tests_may: &["b"], never: &["tokio"] },
    Rule { package: "b", may: &["a"], tests_may: &[], never: &[] },
];

fn faults(packages: &str) -> Vec<String> {
    let metadata: Metadata = serde_json::from_str(&format!(r#"{{"packages":{packages}}}"#)).expect("test data");
    check(&metadata, RULES)
}

#[test]
fn this_workspace_keeps_to_the_table() {
    let metadata = read().expect("cargo metadata");
    assert_eq!(check(&metadata, TABLE), Vec::<String>::new());
}

#[test]
fn listed_edges_pass() {
    let packages = r#"[{"name":"a","dependencies":[{"name":"b","kind":"dev","path":"/b"},{"name":"tokio","kind":"dev"}]},
                       {"name":"b","dependencies":[{"name":"a","kind":null,"path":"/a"},{"name":"bytes","kind":null}]}]"#;
    assert_eq!(faults(packages), Vec::<String>::new());
}

#[test]
fn other_edges_are_named() {
    let packages = r#"[{"name":"a","dependencies":[{"name":"b","kind":null,"path":"/b"},{"name":"tokio","kind":null}]},
                       {"name":"c","dependencies":[]}]"#;
    assert_eq!(
        faults(packages),
        ["a may not depend on b", "a must never know tokio", "c is not in the table of crates/xtask/src/deps.rs"]
    );
}
