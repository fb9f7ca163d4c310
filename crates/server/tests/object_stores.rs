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
        ("empty.csv", "source_file_invalid"),
    ] {
        let (_, answer) = ask(&client, "POST", "/v1/sources:preview", source_without_email(table));
        assert_eq!(answer["error"]["code"], code, "{table}: {answer}");
    }
}

/// So many people, all of whom say the same.
fn say(client: &Client, count: usize, city: &str) {
    for start in (0..count).step_by(2_500) {
        let record = |at: usize| {
            let own = json!([{ "namespace": "user_id", "value": format!("u{at}") }]);
            json!({ "id": format!("r{at}-{city}"), "identities": own, "attributes": { "city": city, "at": at } })
        };
        let records: Vec<Value> = (start..count.min(start + 2_500)).map(record).collect();
        let report = client.post("/v1/records", json!({ "dataset": "crm", "records": records }).to_string().as_bytes());
        assert_eq!(report["accepted"], records.len(), "{report}");
    }
}

/// The folders of runs in a bucket, by whether they are whole, and the one that `latest.json` names.
fn folders(store: &mut ObjectStore) -> (Vec<String>, Vec<String>, String) {
    let keys = store.keys("lake");
    let below = |key: &String| {
        key.strip_prefix("out/people/").and_then(|rest| rest.split_once('/')).map(|own| own.0.to_owned())
    };
    let mut all: Vec<String> = keys.iter().filter_map(below).collect();
    all.dedup();
    let is_whole = |folder: &String| keys.contains(&format!("out/people/{folder}/manifest.json"));
    let (whole, rest) = all.into_iter().partition(is_whole);
    let latest: Value = serde_json::from_str(&store.text("lake", "out/people/latest.json")).expect("JSON");
    (whole, rest, latest["folder"].as_str().expect("a folder").to_owned())
}

/// Runs of an activation stand in a bucket whole or not at all, whenever the server is killed, and old ones go.
#[test]
fn activations_stand_in_a_bucket_and_old_runs_go() {
    const PEOPLE: usize = 10_000;
    let (folder, mut store) = (tempfile::tempdir().expect("a folder"), ObjectStore::start());
    store.bucket("lake");
    let own = server(folder.path(), &store);
    let client = own.client();
    say(&client, PEOPLE, "Lyon");
    put(&client, "/v1/connections/lake", connection(&store, "s3://lake/out", "TESSERA_SECRET_S3"));
    let activation = |keep: Value| json!({ "connection": "lake", "path": "people", "format": "jsonl", "columns": ["city", "at"], "keep_runs": keep });
    assert_eq!(put(&client, "/v1/activations/people", activation(Value::Null))["keep_runs"], 10);
    for keep in [json!(1), json!(51)] {
        let (status, answer) = ask(&client, "PUT", "/v1/activations/people", activation(keep));
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("activation_invalid")));
    }
    put(&client, "/v1/activations/people", activation(json!(2)));
    store.put("lake", "out/people/run=somebodys/manifest.json", b"{}");
    let begin =
        |client: &Client| client.post("/v1/activations/people:run", b"")["id"].as_str().expect("an id").to_owned();
    let end = |client: &Client, id: &str| client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");

    // Killed in the middle, again and again: nothing of it is taken for whole, and it ends right.
    let id = begin(&client);
    let (mut running, mut met) = (Some(own), 0);
    for _ in 0..harness::number("TESSERA_JOB_KILLS", 3) {
        let own = running.take().unwrap_or_else(|| server(folder.path(), &store));
        let mut events = own.client().listen(&format!("/v1/jobs/{id}/watch"));
        let first = events.find(|job| job["progress"]["done"].as_u64() > Some(0) || job["state"] == "done");
        let is_over = first.expect("an event")["state"] == "done";
        met += u64::from(!is_over);
        own.kill();
        let has_latest = store.keys("lake").contains(&"out/people/latest.json".to_owned());
        assert!(!has_latest || folders(&mut store).0.contains(&format!("run={id}")), "what is named is whole");
    }
    assert!(met > 0, "the run was over before it could be killed");
    let own = server(folder.path(), &store);
    let client = own.client();
    assert_eq!(end(&client, &id)["state"], "done");
    let (_, _, latest) = folders(&mut store);
    assert_eq!(latest, format!("run={id}"));
    let lines = store.text("lake", &format!("out/people/{latest}/part-00001.jsonl"));
    assert_eq!((lines.lines().count(), lines.matches("Lyon").count()), (PEOPLE, PEOPLE));

    // One that is given up leaves a folder without a manifest, and goes with the next that is whole.
    let given_up = begin(&client);
    let mut events = client.listen(&format!("/v1/jobs/{given_up}/watch"));
    events.find(|job| job["progress"]["done"].as_u64() > Some(0) || job["state"] == "done").expect("an event");
    ask(&client, "POST", &format!("/v1/jobs/{given_up}/cancel"), &Value::Null);
    let given_up_as = end(&client, &given_up)["state"].clone();
    let mut runs = vec![latest];
    if given_up_as == "done" {
        runs.push(format!("run={given_up}"));
    } else {
        store.put("lake", &format!("out/people/run={given_up}/part-00001.jsonl"), b"half");
    }
    for city in ["Paris", "Nice"] {
        say(&client, 100, city);
        let id = begin(&client);
        assert_eq!(end(&client, &id)["state"], "done");
        runs.push(format!("run={id}"));
        let (whole, rest, latest) = folders(&mut store);
        assert_eq!(latest, format!("run={id}"));
        let mut expected: Vec<String> = runs[runs.len() - 2..].to_vec();
        expected.push("run=somebodys".into());
        assert_eq!((whole, rest), (expected, Vec::<String>::new()), "two stay, and what is somebody's");
    }
    own.stop();
}
