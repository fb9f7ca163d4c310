//! The binary on its store's bad days: damage is told and left alone, backups are made while it serves, files are its owner's.

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::{Client, Server, run, run_ok, tessera};
use serde_json::{Value, json};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn people(client: &Client, from: usize, to: usize) {
    let call = |at: usize| {
        let (user, id) = (format!("u{at}"), format!("m{at}"));
        json!({"type": "identify", "userId": user, "messageId": id, "traits": {"plan": "gold"}})
    };
    let calls: Vec<Value> = (from..to).map(call).collect();
    let report = client.post("/v1/batch", json!({ "batch": calls }).to_string().as_bytes());
    assert_eq!(report["accepted"], to - from, "{report}");
}

/// Every file and folder below this one.
fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("list").map(|entry| entry.expect("entry").path());
    entries.flat_map(|path| if path.is_dir() { [below(&path), vec![path]].concat() } else { vec![path] }).collect()
}

#[test]
fn a_damaged_journal_is_told_by_start_and_check_and_left_as_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let server = Server::start(&data);
    for at in 0..20 {
        people(&server.client(), at, at + 1);
    }
    server.kill();
    run_ok(&["check", "--data", text(&data)]);
    let journal = data.join("tree/0.jnl");
    let mut bytes = fs::read(&journal).expect("a journal");
    let written = bytes.iter().rposition(|byte| *byte != 0).expect("not empty");
    bytes[written / 2] ^= 1;
    fs::write(&journal, &bytes).expect("written");

    let checked = run(&["check", "--data", text(&data)]);
    assert!(!checked.status.success());
    let out = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(out.contains(text(&journal)) && out.contains(" offset=") && out.contains("lost="), "{out}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("tessera restore"));
    let started = tessera()
        .args(["serve", "--listen", "127.0.0.1:0", "--data", text(&data)])
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    assert!(!started.status.success());
    let error = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(error.contains(text(&journal)) && error.contains("tessera restore"), "{error}");
    assert!(fs::read(&journal).expect("a journal") == bytes, "a damaged journal was changed");
}

#[test]
fn a_backup_of_a_server_that_is_used_is_restored() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let server = Server::start(&data);
    let client = server.client();
    people(&client, 0, 1_000);
    let asked = client.post("/v1/admin/backups", br#"{"name":"monday.tessera"}"#);
    people(&client, 1_000, 2_000);
    let path = format!("/v1/jobs/{}/watch", asked["id"].as_str().expect("an id"));
    let job = client.listen(&path).last().expect("an event");
    assert_eq!((&job["state"], &job["result"]["name"]), (&json!("done"), &json!("monday.tessera")), "{job}");
    people(&client, 2_000, 2_100);
    server.stop();

    let (file, restored) = (data.join("backups/monday.tessera"), root.path().join("restored"));
    run_ok(&["restore", "--from", text(&file), "--data", text(&restored)]);
    run_ok(&["check", "--data", text(&restored)]);
    let server = Server::start(&restored);
    let profiles = server.client().get("/v1/admin/counts").expect("counts")["profiles"].as_u64().expect("a number");
    assert!((1_000..=2_000).contains(&profiles), "{profiles}");
    let (status, _) = server.client().send("GET", "/v1/profiles/identifier/user_id/u7", b"").expect("an answer");
    assert_eq!(status, 200);
    server.stop();
    for path in [below(&data), below(&restored), vec![data, restored]].concat() {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn metrics_tell_the_free_room_and_a_floor_above_it_refuses_writes() {
    let root = tempfile::tempdir().expect("a folder");
    let mut child = tessera()
        .args(["serve", "--listen", "127.0.0.1:0", "--free-bytes-min", "1000000GiB", "--data", text(root.path())])
        .env("TESSERA_BOOTSTRAP_KEY", harness::KEY)
        .stdin(Stdio::null())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .expect("the binary starts");
    // A new folder cannot even take its first key.
    child.make_ascii_lowercase();
    assert!(child.contains("disk"), "{child}");
    let server = Server::start(&root.path().join("other"));
    let (status, metrics) = server.client().send("GET", "/metrics", b"").expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert!(
        status == 200 && metrics.contains("tessera_store_free_bytes ") && metrics.contains("tessera_store_state{"),
        "{metrics}"
    );
    server.stop();
}
