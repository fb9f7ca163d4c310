//! Sources over files of an object store, in the binary.

mod harness;

use std::fmt::Write as _;
use std::io::Write as _;

use harness::warehouse::ObjectStore;
use harness::{Client, Server, ask, put};
use serde_json::{Value, json};

/// Refreshes a source: its status, what was read, changed, unchanged and evicted, and the code of its error.
fn refresh(client: &Client, name: &str) -> (String, [u64; 4], Value) {
    let job = client.post(&format!("/v1/sources/{name}:refresh"), b"{}");
    let id = job["id"].as_str().expect("an id");
    client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
    let run = client.get(&format!("/v1/sources/{name}")).expect("the source")["runs"][0].clone();
    let number = |name: &str| run[name].as_u64().unwrap_or_else(|| panic!("{name}: {run}"));
    let counts = ["read", "changed", "unchanged", "evicted"].map(number);
    (run["status"].as_str().unwrap_or_default().to_owned(), counts, run["error"]["code"].clone())
}

fn people(count: usize, without: usize, note: &str) -> Vec<u8> {
    let mut text = String::from("id,email,note\n");
    for at in (1..=count).filter(|at| *at != without) {
        writeln!(text, "O-{at},o{at}@shop.example,{note}-{at}").expect("a text takes everything");
    }
    text.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).expect("it is written");
    writer.finish().expect("it is written")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A server that knows the keys of an object store by reference.
fn server(folder: &std::path::Path, store: &ObjectStore) -> Server {
    let options = store.options();
    let own = |name: &str| options[name].as_str().expect("a text").to_owned();
    let (secret, wrong) = (own("secret_access_key"), "wrong".to_owned());
    Server::start_with(folder, &[("TESSERA_SECRET_S3", &secret), ("TESSERA_SECRET_WRONG", &wrong)])
}

fn connection(store: &ObjectStore, url: &str, secret: &str) -> Value {
    let mut options = store.options();
    options["secret_access_key"] = json!({ "env": secret });
    json!({ "kind": "files", "url": url, "options": options })
}

#[test]
fn objects_become_profiles_that_stay_true_to_them() {
    let (folder, mut store) = (tempfile::tempdir().expect("a folder"), ObjectStore::start());
    store.bucket("exports");
    // Above the size of a piece, so that it is read in several.
    let note = "x".repeat(1_000);
    store.put("exports", "crm/2026/people-1.csv", &people(6_000, 0, &note));
    store.put("exports", "crm/2026/people-2.csv.gz", &gzip(b"id,email,note\nG-1,g1@shop.example,gz\n"));
    store.put("exports", "crm/2026/people-3.csv.zst", &zstd(b"id,email,note\nZ-1,z1@shop.example,zst\n"));
    store.put("exports", "crm/2026/readme.txt", b"not a table");
    store.put("exports", "crm-old/people-9.csv", b"id,email,note\nOLD,,\n");
    let server = server(folder.path(), &store);
    let client = server.client();

    let shown = put(&client, "/v1/connections/lake", connection(&store, "s3://exports/crm", "TESSERA_SECRET_S3"));
    assert_eq!(shown["options"]["secret_access_key"], json!({ "env": "TESSERA_SECRET_S3" }));
    assert_eq!(shown["options"]["allow_http"], true);
    let (status, tested) = ask(&client, "POST", "/v1/connections/lake:test", &Value::Null);
    let tables = json!(["2026/people-1.csv", "2026/people-2.csv.gz", "2026/people-3.csv.zst"]);
    assert_eq!((status, &tested["tables"]), (200, &tables), "{tested}");

    let source = |table: &str| {
        json!({ "connection": "lake", "table": table, "primary": { "column": "id", "namespace": "user_id" },
                "identifiers": { "email": "email" } })
    };
    put(&client, "/v1/sources/people", source("*/people-*"));
    assert_eq!(refresh(&client, "people"), ("done".into(), [6_002, 6_002, 0, 0], Value::Null));
    for (id, email) in [("O-6000", "o6000@shop.example"), ("G-1", "g1@shop.example"), ("Z-1", "z1@shop.example")] {
        let profile = client.get(&format!("/v1/profiles/id/{id}")).expect("a profile");
        assert_eq!(profile["email"], email, "{profile}");
    }
    assert_eq!(client.get("/v1/profiles/id/OLD"), None, "what only begins with the same letters is another path");

    store.put("exports", "crm/2026/people-1.csv", &people(6_000, 17, &note));
    store.delete("exports", "crm/2026/people-3.csv.zst");
    assert_eq!(refresh(&client, "people"), ("done".into(), [6_000, 0, 6_000, 2], Value::Null));
    assert_eq!(client.get("/v1/profiles/id/O-17"), None);
    assert_eq!(client.get("/v1/profiles/id/Z-1"), None);

    // One file by its path, JSON lines.
    store.put("exports", "crm/one.jsonl", b"{\"id\":\"J-1\",\"prefs\":{\"shoe\":38}}\n");
    put(&client, "/v1/sources/one", source_without_email("one.jsonl"));
    assert_eq!(refresh(&client, "one").1, [1, 1, 0, 0]);
    assert_eq!(client.get("/v1/profiles/id/J-1").expect("a profile")["prefs"], json!({ "shoe": 38 }));
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

fn source_without_email(table: &str) -> Value {
    json!({ "connection": "lake", "table": table, "primary": { "column": "id", "namespace": "user_id" } })
}

#[test]
fn what_an_object_store_cannot_answer_is_told_clearly() {
    let (folder, mut store) = (tempfile::tempdir().expect("a folder"), ObjectStore::start());
    store.bucket("exports");
    store.put("exports", "people.csv", b"id\n1\n");
    store.put("exports", "broken.csv.gz", b"\x1f\x8b\x08garbage");
    store.put("exports", "broken.csv.zst", b"\x28\xb5\x2f\xfdgarbage");
    store.put("exports", "empty.csv", b"");
    let server = server(folder.path(), &store);
    let client = server.client();
    let mut unknown = connection(&store, "s3://exports", "TESSERA_SECRET_S3");
    unknown["options"]["access_key_id"] = "nobody".into();
    let mut gone = connection(&store, "s3://exports", "TESSERA_SECRET_S3");
    gone["options"]["endpoint"] = "http://127.0.0.1:1".into();
    let mut tls = connection(&store, "s3://exports", "TESSERA_SECRET_S3");
    tls["options"]["endpoint"] = store.options()["endpoint"].as_str().expect("a text").replace("http", "https").into();
    let secret = "TESSERA_SECRET_S3";
    for (name, connection, status, code) in [
        ("wrong", connection(&store, "s3://exports", "TESSERA_SECRET_WRONG"), 400, "connection_unauthorized"),
        ("unset", connection(&store, "s3://exports", "TESSERA_SECRET_NONE"), 409, "secret_missing"),
        ("unknown", unknown, 400, "connection_unauthorized"),
        ("no-bucket", connection(&store, "s3://not-there", secret), 400, "connection_folder_missing"),
        ("gone", gone, 503, "connection_unreachable"),
        ("tls", tls, 400, "connection_tls_failed"),
    ] {
        put(&client, &format!("/v1/connections/{name}"), &connection);
        let (found, answer) = ask(&client, "POST", &format!("/v1/connections/{name}:test"), &Value::Null);
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{name}: {answer}");
        assert!(!answer.to_string().contains("Signature"), "words of the store are not handed on: {answer}");
    }
    put(&client, "/v1/connections/lake", connection(&store, "s3://exports", secret));
    for (table, code) in [
        ("none.csv", "source_table_unknown"),
        ("none-*.csv", "source_table_unknown"),
        ("../people.csv", "source_table_invalid"),
        ("/people.csv", "source_table_invalid"),
        ("[", "source_table_invalid"),
        ("people.xlsx", "source_table_unknown"),
        ("broken.csv.gz", "source_lost"),
        ("broken.csv.zst", "source_lost"),
        ("empty.csv", "source_columns_missing"),
    ] {
        let (_, answer) = ask(&client, "POST", "/v1/sources:preview", source_without_email(table));
        assert_eq!(answer["error"]["code"], code, "{table}: {answer}");
    }
}
