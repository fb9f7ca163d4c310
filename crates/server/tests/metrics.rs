//! What `/metrics` says, and the table that says what it may.

use std::collections::{BTreeMap, BTreeSet};

use harness::Server;

mod harness;

/// Name and kind of each metric of the table in the guide.
fn table() -> BTreeMap<String, String> {
    let guide = include_str!("../../../docs/guide/operations.md");
    let table = guide.split("## Metrics").nth(1).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| `tessera_"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[test]
fn whatever_is_measured_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = server.client();
    client.post("/v1/track", br#"{"userId":"ann","event":"Seen"}"#);
    client.get("/v1/profiles/identifier/user_id/ann").expect("a profile");
    let told = client.send("POST", "/v1/segments", br#"{"name":"all","pql":"xEvent.count() > 0"}"#).expect("an answer");
    assert_eq!(told.0, 201);
    let (_, text) = client.send("GET", "/metrics", &[]).expect("an answer");
    let text = String::from_utf8(text).expect("text");
    let table = table();
    let (mut helped, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help");
            assert!(!help.is_empty());
            helped.insert(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert_eq!(table.get(name).map(String::as_str), Some(kind), "{name} stands in the guide as what it is");
            series.insert(name.to_owned());
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_known = table.contains_key(name) || base.is_some_and(|base| table.contains_key(base));
            assert!(is_known, "{name} stands in the guide");
        }
    }
    for name in &series {
        assert!(helped.contains(name), "{name} says what it is");
    }
    for name in
        ["tessera_build_info", "tessera_store_files_bytes", "tessera_store_tables", "tessera_workspace_profiles"]
    {
        assert!(series.contains(name), "{name}: {text}");
    }
    assert!(text.contains("tessera_workspace_profiles{workspace=\"default/default\"}"), "{text}");
    assert!(!text.contains("ann"), "no value of a person");
}

#[test]
fn operators_have_a_listener_of_their_own_if_they_ask_for_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|own| own.local_addr()).expect("a free port");
    let server = Server::start_with(folder.path(), &[("TESSERA_ADMIN_LISTEN", &free.to_string())]);
    let (public, admin) = (server.client(), server.client_at(&format!("http://{free}")));
    for path in ["/metrics", "/v1/admin/keys", "/v1/audit"] {
        assert_eq!(public.send("GET", path, &[]).expect("an answer").0, 404, "{path}");
        assert_eq!(admin.send("GET", path, &[]).expect("an answer").0, 200, "{path}");
    }
    for client in [&public, &admin] {
        assert_eq!(client.send("GET", "/healthz", &[]).expect("an answer").0, 200);
        assert_eq!(client.send("GET", "/v1/profiles", &[]).expect("an answer").0, 200);
    }
    server.stop();
}
