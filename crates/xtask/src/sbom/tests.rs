use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{checksums, document, made};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// What the specification requires of a document: its own members, types and names of components, references that are unique and lead somewhere.
fn check(bom: &Value) {
    assert_eq!(text(bom, "bomFormat"), "CycloneDX");
    assert_eq!(text(bom, "specVersion"), "1.5");
    assert!(bom["version"].as_u64().is_some_and(|version| version >= 1));
    assert_eq!(text(bom, "$schema"), "http://cyclonedx.org/schema/bom-1.5.schema.json");
    let members: BTreeSet<&str> = bom.as_object().expect("an object").keys().map(String::as_str).collect();
    let allowed =
        BTreeSet::from(["$schema", "bomFormat", "specVersion", "version", "metadata", "components", "dependencies"]);
    assert_eq!(members, allowed);
    let mut references = BTreeSet::new();
    let components = bom["components"].as_array().expect("a list");
    for component in components.iter().chain([&bom["metadata"]["component"]]) {
        assert!(["library", "application"].contains(&text(component, "type")), "{component}");
        assert!(!text(component, "name").is_empty() && !text(component, "version").is_empty());
        assert!(text(component, "purl").starts_with("pkg:cargo/"), "{component}");
        assert!(references.insert(text(component, "bom-ref")), "{component} is there twice");
        for hash in component["hashes"].as_array().into_iter().flatten() {
            let content = text(hash, "content");
            assert_eq!(text(hash, "alg"), "SHA-256");
            assert!(content.len() == 64 && content.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        }
        for licence in component["licenses"].as_array().into_iter().flatten() {
            assert!(!text(licence, "expression").is_empty(), "{component}");
        }
        for reference in component["externalReferences"].as_array().into_iter().flatten() {
            assert!(text(reference, "type") == "vcs" && !text(reference, "url").is_empty());
        }
    }
    let mut told = BTreeSet::new();
    for one in bom["dependencies"].as_array().expect("a list") {
        assert!(told.insert(text(one, "ref")), "{one} is there twice");
        let on: Vec<&str> = one["dependsOn"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(on.iter().all(|own| references.contains(own)), "{one}");
        assert_eq!(on.iter().collect::<BTreeSet<_>>().len(), on.len(), "{one}");
    }
    assert_eq!(told, references);
}

#[test]
fn the_list_of_this_workspace_is_whole() {
    let bom = made().expect("a list");
    check(&bom);
    assert_eq!(made().expect("a list"), bom, "the same of the same");
    let components = bom["components"].as_array().expect("a list");
    let of = |name: &str| components.iter().find(|one| one["name"] == name);
    assert_eq!(bom["metadata"]["component"]["name"], "tessera-server");
    assert!(of("tessera-engine").is_some() && of("tokio").is_some() && components.len() > 100);
    assert!(of("tempfile").is_some(), "the binary itself uses it");
    for name in ["xtask", "rusqlite", "proptest"] {
        assert!(of(name).is_none(), "{name} is no part of the binary");
    }
    for one in components {
        let is_own = text(one, "name").starts_with("tessera-");
        assert_eq!(one.get("hashes").is_some(), !is_own, "{one}");
        assert!(one.get("licenses").is_some(), "{one}");
    }
}

#[test]
fn what_only_tests_use_is_left_out() {
    let package = |id: &str, name: &str| json!({ "id": id, "name": name, "version": "1.0.0+b", "license": "MIT/Apache-2.0", "source": null, "repository": null });
    let on = |id: &str, kind: Value| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
    let metadata = json!({
        "packages": [package("s", "tessera-server"), package("a", "a"), package("b", "b"), package("t", "t")],
        "resolve": { "nodes": [
            { "id": "s", "deps": [on("a", Value::Null), on("t", json!("dev"))] },
            { "id": "a", "deps": [on("b", json!("build"))] },
            { "id": "b", "deps": [] },
            { "id": "t", "deps": [] },
        ] },
    });
    let metadata = serde_json::from_value(metadata).expect("test data");
    let bom = document(&metadata, &BTreeMap::new()).expect("a list");
    check(&bom);
    let names: Vec<&str> = bom["components"].as_array().expect("a list").iter().map(|one| text(one, "name")).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(bom["components"][0]["purl"], "pkg:cargo/a@1.0.0%2Bb");
    assert_eq!(bom["components"][0]["licenses"], json!([{ "expression": "MIT OR Apache-2.0" }]));
    assert_eq!(
        bom["dependencies"][0],
        json!({ "ref": "pkg:cargo/a@1.0.0%2Bb", "dependsOn": ["pkg:cargo/b@1.0.0%2Bb"] })
    );
}

#[test]
fn checksums_are_those_of_the_lock_file() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n[[package]]\nname = \"own\"\nversion = \"1.0.0\"\n";
    let found = checksums(lock);
    assert_eq!(found, BTreeMap::from([(("a".to_owned(), "1.0.0".to_owned()), "ab".to_owned())]));
}
