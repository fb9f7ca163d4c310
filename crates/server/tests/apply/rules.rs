//! `tessera apply` of computed attributes and segments.

use serde_json::{Value, json};

use super::harness::rules::{Rule, until_active};
use super::{Ended, World, apply, between};

/// Under a strict data model each is known only once it stands, so that the order in which they are written matters.
const MODEL: &str = "kind: data_model
spec: {mode: strict, attributes: {plan: {type: text}}}
---
kind: merge_policy
name: crm-first
spec: {name: CRM first, identity_graph: full, attribute_merge: {choose: newest}}
";

const RULES: &str = r#"kind: segment
name: buyers
spec:
  pql: >
    double   >= 4
  merge_policy: crm-first
---
kind: attribute
name: double
spec: {pql: orders * 2, description: " Twice ", time_zone: Europe/Paris}
---
kind: attribute
name: known
spec: {pql: inSegment("buyers") or not inSegment("buyers")}
---
kind: attribute
name: orders
spec: {pql: 'xEvent[eventType = "Order"].count()', status: active}
---
kind: segment
name: alt-gold
spec: {pql: plan="gold", status: draft, merge_policy: none-yet, of: accounts}
"#;

const TOLD: &str = r#"+ computed attribute orders: pql "xEvent[eventType = \"Order\"].count()"
+ computed attribute double: description Twice, pql "orders * 2", time_zone "Europe/Paris"
+ segment buyers: merge_policy crm-first, pql "double >= 4"
+ computed attribute known: pql "inSegment(\"buyers\") or not inSegment(\"buyers\")"
+ segment alt-gold: merge_policy none-yet, of accounts, pql "plan = \"gold\"", status draft"#;

/// What was complained of but for warnings: what these rules speak of nobody has sent.
fn unwarned(complained: &str) -> String {
    complained.lines().filter(|line| !line.starts_with("warning: ")).collect()
}

impl World {
    fn rules(&self) -> [Value; 2] {
        ["/v1/attributes", "/v1/segments"].map(|path| self.client.get(path).expect("a list")["items"].clone())
    }

    fn rule(&self, path: &str) -> Value {
        self.client.get(&format!("/v1/{path}")).expect("a rule")
    }

    /// Applies, which must succeed, and answers what was told.
    fn applied(&self, more: &[&str]) -> String {
        let Ended(code, told, complained) = self.apply(more);
        assert_eq!((code, unwarned(&complained).as_str()), (Some(0), ""), "{told}");
        told
    }

    fn nothing_to_change(&self) {
        for arguments in [&[][..], &["--dry-run", "--exit-code"], &["--prune"]] {
            let told = self.applied(arguments);
            assert!(told.starts_with("nothing to change"), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn rules_are_shown_then_written_once_each_behind_what_it_names() {
    let world = World::new();
    world.write("model.yaml", MODEL).write("rules.yaml", RULES);
    for (arguments, code) in [(&["--dry-run"][..], 0), (&["--dry-run", "--exit-code"], 3)] {
        let Ended(ended, told, complained) = world.apply(arguments);
        assert_eq!((ended, unwarned(&complained).as_str()), (Some(code), ""));
        assert!(told.contains(TOLD) && told.ends_with("nothing was written"), "{told}");
        assert_eq!(world.rules(), [json!([]), json!([])]);
    }
    let told = world.applied(&[]);
    assert!(told.ends_with(&format!("{TOLD}\nwritten: 7 added, 1 changed, 0 removed")), "{told}");
    let double = world.rule("attributes/double");
    let expected = json!(["Twice", "orders * 2", "Europe/Paris", 1]);
    assert_eq!(json!([double["description"], double["pql"], double["time_zone"], double["version"]]), expected);
    let draft = world.rule("segments/alt-gold");
    assert_eq!((&draft["status"], &draft["pql"]), (&json!("draft"), &json!("plan = \"gold\"")));
    world.nothing_to_change();
    for (rule, name) in [(Rule::Attribute, "orders"), (Rule::Segment, "buyers"), (Rule::Attribute, "known")] {
        until_active(&world.client, rule, name);
    }
    world.nothing_to_change();
    assert_eq!(world.rule("attributes/double")["version"], json!(1));
}

#[test]
fn a_change_of_a_rule_is_compared_with_what_it_will_be() {
    let world = World::new();
    let one = |pql: &str, more: &str| format!("kind: attribute\nname: orders\nspec: {{pql: '{pql}'{more}}}\n");
    world.write("b.yaml", "kind: segment\nname: gold\nspec: {filter: plan eq 'gold'}\n");
    world.write("a.yaml", &one("1 + 1", ", status: draft"));
    let told = world.applied(&[]);
    assert!(
        told.contains("+ segment gold: pql \"plan = \\\"gold\\\" or plan.exists(this = \\\"gold\\\")\"\n"),
        "{told}"
    );
    world.write("a.yaml", &one("1 + 1", ""));
    let told = world.applied(&[]);
    assert_eq!(told, "~ computed attribute orders: status draft -> none\nwritten: 0 added, 1 changed, 0 removed");
    until_active(&world.client, Rule::Attribute, "orders");
    world.write("a.yaml", &one("1 + 2", ", description: More"));
    let told = world.applied(&[]);
    assert!(told.starts_with("~ computed attribute orders: description none -> More; pql \"1 + 1\" -> \"1 + 2\""));
    // Whether it is shown as it was, or is the new one already.
    world.nothing_to_change();
    assert_eq!(until_active(&world.client, Rule::Attribute, "orders")["version"], json!(3));
    world.nothing_to_change();

    world.write("a.yaml", &one("1 + 2", ", status: draft"));
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!((code, told.as_str()), (Some(2), ""));
    assert!(complained.contains("a.yaml:3: computed attribute orders: it runs, and cannot become a draft (rule_runs)"));

    // What is archived is not there, and comes back under its next version.
    world.client.send("DELETE", "/v1/attributes/orders", &[]).expect("an answer");
    world.write("a.yaml", &one("1 + 2", ""));
    assert!(world.applied(&[]).starts_with("+ computed attribute orders: pql \"1 + 2\"\nwritten: 1 added"));
    assert_eq!(world.rule("attributes/orders")["version"], json!(5));
    world.nothing_to_change();

    world.write("a.yaml", &one("1 + 3", ""));
    let client = world.server.client();
    let url = between(world.server.url(), "PUT /v1/attributes/orders", 1, move || {
        client.send("PUT", "/v1/attributes/orders", br#"{"pql":"7"}"#).expect("an answer");
    });
    let Ended(code, _, complained) = apply(&url, &world.folder.path().join("files"), &[]);
    assert!(code == Some(1) && complained.contains("(rule_changed)"), "{complained}");
    let Ended(code, told, _) = world.apply(&[]);
    assert!(code == Some(0) && told.contains("pql \"7\" -> \"1 + 3\""), "{told}");
}

#[test]
fn rules_that_no_file_names_are_archived_those_first_that_name_others() {
    let world = World::new();
    let rules = RULES.replace("merge_policy: none-yet", "merge_policy: null");
    world.write("model.yaml", MODEL).write("rules.yaml", &rules);
    world.applied(&[]);
    let one = "kind: attribute\nname: first\nspec: {pql: '1'}\n";
    world.write("rules.yaml", one);
    // Segments are not declared, so that they stay, and with them what they depend on.
    let Ended(code, told, complained) = world.apply(&["--prune"]);
    assert!(code == Some(1) && told.ends_with("- computed attribute orders"), "{told}");
    for expected in [
        "computed attribute double: the server answered 409: others depend on it: segment buyers (rule_in_use)",
        "apply again then",
        "written before that: computed attribute first, computed attribute known\n",
        "not written: computed attribute double, computed attribute orders",
    ] {
        assert!(complained.contains(expected), "{expected}: {complained}");
    }
    let policy = "kind: merge_policy\nname: other\nspec: {name: Other, identity_graph: full, attribute_merge: {choose: newest}}\n";
    world
        .write("model.yaml", policy)
        .write("rules.yaml", &format!("{one}---\nkind: segment\nname: all\nspec: {{pql: 'true'}}\n"));
    let told = world.applied(&["--prune"]);
    let expected = "- segment alt-gold
- segment buyers
- computed attribute double
- computed attribute orders
- merge_policy crm-first
written: 2 added, 0 changed, 5 removed";
    assert!(told.ends_with(expected), "{told}");
    let [attributes, segments] = world.rules();
    let archived = |of: &Value| -> Vec<Value> {
        let gone = of.as_array().expect("a list").iter().filter(|rule| rule["status"] == "archived");
        gone.map(|rule| rule["name"].clone()).collect()
    };
    assert_eq!(
        json!([archived(&attributes), archived(&segments)]),
        json!([["double", "known", "orders"], ["alt-gold", "buyers"]])
    );
    world.nothing_to_change();
}

#[test]
fn an_attribute_that_asks_about_a_segment_is_archived_before_it() {
    let world = World::new();
    let rules = "kind: segment
name: a
spec: {pql: b = true}
---
kind: attribute
name: b
spec: {pql: inSegment(\"c\")}
---
kind: segment
name: c
spec: {pql: d >= 1}
---
kind: attribute
name: d
spec: {pql: '1'}
";
    world.write("rules.yaml", rules);
    world.applied(&[]);
    let ours = "kind: segment\nname: z\nspec: {pql: 'true'}\n---\nkind: attribute\nname: z\nspec: {pql: '1'}\n";
    world.write("rules.yaml", ours);
    assert!(world.applied(&["--prune"]).ends_with("written: 2 added, 0 changed, 4 removed"));
    world.nothing_to_change();
}

#[test]
fn rules_that_are_wrong_are_told_by_line_and_nothing_is_written() {
    let world = World::new();
    world.client.post(
        "/v1/merge-policies",
        br#"{"id":"spare","name":"x","identity_graph":"full","attribute_merge":{"choose":"newest"}}"#,
    );
    let cases = [
        (
            "kind: segment\nname: s\nspec:\n  description: x\n  pql: 1 +\n",
            "5: segment s: pql: expression_syntax: expected",
        ),
        (
            "kind: attribute\nname: s\nspec:\n  pql: sum(1\n  time_zone: UTC\n",
            "4: computed attribute s: pql: expression_",
        ),
        (
            "kind: attribute\nname: s\nspec: {pql: '1', filter: a eq 1}",
            "3: computed attribute s: a rule stands in exactly one",
        ),
        ("kind: attribute\nname: s\nspec: {}", "3: computed attribute s: a rule stands in exactly one"),
        ("kind: attribute\nname: s\nspec:\n  pql: '1'\n  merge_policy: x", "5: computed attribute s: unknown member"),
        ("kind: segment\nname: s\nspec:\n  pql: 'true'\n  time_zone: Mars", "5: segment s: time_zone is expected"),
        (
            "kind: segment\nname: s\nspec:\n  pql: 'true'\n  status: archived",
            "5: segment s: unknown word, expected `draft`",
        ),
        ("kind: segment\nspec: {pql: 'true'}", "1: missing member `name` of kind segment"),
        (
            "kind: segment\nname: s\nspec: {pql: 'true', merge_policy: nowhere}",
            "3: segment s: there is no merge policy nowhere, and no file declares it",
        ),
        (
            "kind: segment\nname: s\nspec: {pql: inSegment(\"t\")}\n---\nkind: segment\nname: t\nspec: {pql: a > 1}\n---\nkind: attribute\nname: a\nspec: {pql: inSegment(\"s\")}\n",
            "11: a rule is expected not to depend on itself: computed attribute a -> segment s -> segment t -> computed attribute a (rule_cycle)",
        ),
    ];
    for (text, expected) in cases {
        // What is right beside it is not written either.
        world.write("a.yaml", text).write("b.yaml", "kind: attribute\nname: fine\nspec: {pql: '1'}\n");
        let Ended(code, told, complained) = world.apply(&[]);
        let place = format!("{}:{expected}", world.folder.path().join("files/a.yaml").display());
        assert!(complained.contains(&place), "{text}\nexpected {place}\nfound {complained}");
        assert_eq!((code, told.as_str()), (Some(2), ""), "{text}");
    }
    let policy = "kind: merge_policy\nname: other\nspec: {name: Other, identity_graph: full, attribute_merge: {choose: newest}}\n";
    world
        .write("a.yaml", &format!("{policy}---\nkind: segment\nname: s\nspec: {{pql: 'true', merge_policy: spare}}\n"));
    let Ended(code, _, complained) = world.apply(&["--prune"]);
    assert_eq!(code, Some(2));
    assert!(complained.contains("merge_policy spare: is that of segment s and cannot be removed"), "{complained}");
    assert_eq!(world.rules(), [json!([]), json!([])]);
}

/// What is probably misspelt is told when it is shown and when it is written; what the same files declare is known.
#[test]
fn what_rules_speak_of_and_nobody_has_sent_is_told() {
    let world = World::new();
    world.client.post("/v1/identify", br#"{"userId":"ann","traits":{"plan":"gold"}}"#);
    world.write(
        "rules.yaml",
        "kind: attribute\nname: orders\nspec: { pql: 'xEvent.count()' }\n---\nkind: segment\nname: buyers\nspec: { pql: 'orders > 1 and plna = \"gold\"' }\n---\n\
         kind: segment\nname: gold\nspec: { pql: 'plan = \"Gold\"' }\n",
    );
    let told = |arguments: &[&str]| {
        let Ended(code, _, complained) = world.apply(arguments);
        assert_eq!(code, Some(0), "{complained}");
        complained
    };
    for arguments in [&["--dry-run"][..], &[]] {
        let told = told(arguments);
        let [misspelt, letters] = &told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
        assert!(
            misspelt.starts_with("warning: segment buyers: attribute plna: ")
                && misspelt.ends_with("did you mean plan?"),
            "{told}"
        );
        assert!(letters.starts_with("warning: segment gold: letter_case plan: "), "{told}");
    }
    assert_eq!(told(&[]), "", "nothing is written, and nothing is told");

    // What the same files register is known, whether or not it is written yet; a flag that hides less than it seems to is told.
    let model = "kind: data_model\nspec:\n  attributes:\n    level: { type: text }\n    home.city: { type: text }\n    email: { type: text, private: true }\n  event_types:\n    Visited: { properties: { place: { type: text } } }\n";
    let segment = "---\nkind: segment\nname: visitors\nspec: { pql: 'level = \"a\" and home.city = \"x\" and xEvent[eventType = \"Visited\" and properties.place = \"y\"].count() > 0' }\n";
    world.write("model.yaml", &format!("{model}{segment}"));
    for arguments in [&["--dry-run"][..], &[]] {
        let told = told(arguments);
        assert!(told.starts_with("warning: email is a namespace too: ") && told.lines().count() == 1, "{told}");
    }
}
