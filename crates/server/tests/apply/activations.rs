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
spec: {connection: crm-db, path: lapsed, keep_runs: 3}
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
