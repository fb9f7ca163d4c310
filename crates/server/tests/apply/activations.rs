//! Activations and control groups in files.

use serde_json::json;

use super::harness::{KEY, run_ok};
use super::{Ended, World};

#[test]
fn activations_and_control_groups_are_declared_and_removed() {
    let world = World::new();
    let document = "kind: activation
name: lapsed
spec: {connection: crm-db, segment: lapsed, table: public.lapsed, columns: [email], schedule: {every: 1h}}
---
kind: activation
name: files
spec: {connection: lake, path: lapsed, keep_runs: 3}
---
kind: connection
name: lake
spec: {kind: files, url: 'file:///lake'}
---
kind: source
name: people
spec: {connection: crm-db, table: people, primary: {column: id, namespace: user_id}, changes: {publication: tessera}}
---
kind: segment
name: lapsed
spec: {pql: lapsed = true, control_group: {share: 0.1, seed: spring}}
---
kind: connection
name: crm-db
spec: {kind: postgres, url: 'postgres://tessera@127.0.0.1:1/shop'}
";
    world.write("all.yaml", document);
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert!(told.contains("+ activation lapsed") && told.contains("+ segment lapsed"), "{told}");
    let shown = world.client.get("/v1/activations/files").expect("an activation");
    assert_eq!(
        (&shown["format"], &shown["compression"], &shown["rows"]),
        (&json!("parquet"), &json!("snappy"), &json!("full"))
    );
    let group = &world.client.get("/v1/segments/lapsed").expect("a segment")["control_group"];
    assert_eq!(*group, json!({"share": 0.1, "seed": "spring"}));
    let Ended(code, told, _) = world.apply(&["--dry-run", "--exit-code"]);
    assert_eq!(code, Some(0), "what stands as declared is no difference: {told}");
    world.write("all.yaml", &document.replace("share: 0.1", "share: 0.25").replace("every: 1h", "every: 2h"));
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert!(told.contains("~ activation lapsed") && told.contains("~ segment lapsed"), "{told}");
    assert_eq!(world.client.get("/v1/segments/lapsed").expect("a segment")["control_group"]["share"], 0.25);
    let dumped = run_ok(&["config", "dump", "--url", world.server.url(), "--key", KEY]);
    for part in [
        "publication: tessera",
        "keep_runs: 3",
        "kind: activation",
        "table: public.lapsed",
        "every: \"2h\"",
        "share: 0.25",
    ] {
        assert!(dumped.contains(part), "{part}: {dumped}");
    }
    world.write("all.yaml", "kind: segment\nname: other\nspec: {pql: lapsed = true}\n---\nkind: connection\nname: c\nspec: {kind: files, url: 'file:///x'}\n---\nkind: activation\nname: a\nspec: {connection: c, path: p}\n---\nkind: source\nname: others\nspec: {connection: c, table: t.csv, primary: {column: id, namespace: user_id}}\n");
    let Ended(code, told, complained) = world.apply(&["--prune"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert_eq!(world.client.get("/v1/activations/lapsed"), None, "{told}");
    assert_eq!(world.client.get("/v1/connections/crm-db"), None, "{told}");
}

/// What no server would take of what names others is said before anything is written, by a dry run as by what would write.
#[test]
fn what_names_others_is_checked_before_anything_is_written() {
    let world = World::new();
    let connections = "kind: connection
name: crm-db
spec: {kind: postgres, url: 'postgres://tessera@127.0.0.1:1/shop'}
---
kind: connection
name: lake
spec: {kind: files, url: 'file:///lake'}
";
    let segments = "---
kind: segment
name: lapsed
spec: {pql: lapsed = true}
---
kind: segment
name: other
spec: {pql: lapsed = false}
";
    let activation = |name: &str, spec: &str| format!("---\nkind: activation\nname: {name}\nspec: {{{spec}}}\n");
    let lapsed = activation("lapsed", "connection: crm-db, segment: lapsed, table: lapsed, columns: [email]");
    let check = |document: &str, arguments: &[&str], expected: &str| {
        world.write("all.yaml", document);
        for dry_run in [true, false] {
            let mut arguments = arguments.to_vec();
            arguments.extend(dry_run.then_some("--dry-run"));
            let Ended(code, told, complained) = world.apply(&arguments);
            assert_eq!(code, Some(2), "{document}{told}{complained}");
            assert!(complained.contains(expected), "{expected}: {complained}");
            assert!(complained.contains("nothing was written"), "{complained}");
        }
    };
    // On a server that has nothing.
    check(&lapsed, &[], "there is no connection crm-db, and no file declares it (connection_unknown)");
    let without = format!("{connections}{lapsed}");
    check(&without, &[], "there is no segment lapsed, or it is archived, and no file declares it (segment_not_found)");
    let draft = format!("{connections}{}{lapsed}", segments.replace("lapsed = true}", "lapsed = true, status: draft}"));
    check(&draft, &[], "the segment lapsed is a draft, and has no members (segment_not_live)");
    for (spec, expected) in [
        ("connection: lake, table: t, columns: [email]", "(connection_not_of_tables)"),
        ("connection: crm-db, path: p", "(connection_not_of_files)"),
        ("connection: lake, path: p, merge_policy: none", "there is no merge policy none"),
        ("connection: crm-db, table: public.lapsed, columns: [email]", "the activation lapsed writes there"),
    ] {
        check(&format!("{connections}{segments}{lapsed}{}", activation("wrong", spec)), &[], expected);
    }
    let source = "---\nkind: source\nname: people\nspec: {connection: none, table: t, primary: {column: id, namespace: user_id}}\n";
    check(&format!("{connections}{source}"), &[], "there is no connection none");

    // On one that has them.
    let whole = format!("{connections}{segments}{lapsed}");
    world.write("all.yaml", &whole);
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!(code, Some(0), "{told}{complained}");
    let other_kind = connections
        .replace("kind: postgres, url: 'postgres://tessera@127.0.0.1:1/shop'", "kind: files, url: 'file:///x'");
    check(&other_kind, &[], "it is that of activation lapsed, and stays of its kind");
    let one = "kind: connection\nname: lake\nspec: {kind: files, url: 'file:///lake'}\n";
    check(one, &["--prune"], "is that of activation lapsed and cannot be removed; declare it (connection_in_use)");
    let one = "kind: segment\nname: other\nspec: {pql: lapsed = false}\n";
    check(one, &["--prune"], "is that of activation lapsed and cannot be removed; declare it (rule_in_use)");

    // A dump of it is taken again, and another activation takes the place of one that goes.
    let dumped = run_ok(&["config", "dump", "--url", world.server.url(), "--key", KEY]);
    world.write("all.yaml", &dumped);
    let Ended(code, told, complained) = world.apply(&["--dry-run", "--exit-code"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    world.write("all.yaml", &whole.replace("kind: activation\nname: lapsed", "kind: activation\nname: earlier"));
    let Ended(code, told, complained) = world.apply(&["--prune"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert_eq!(world.client.get("/v1/activations/lapsed"), None, "{told}");
}
