//! The command line against a real server: load, keys, workspaces, backup and restore, settings.

mod harness;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use harness::{KEY, Server, run, run_ok, tessera, testdata};
use serde_json::Value;

#[test]
fn a_file_is_loaded_once_however_often_it_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let file = testdata("cdnow/CDNOW_sample.txt");
    let mapping = testdata("cdnow/mapping.toml");
    let arguments = [
        "load",
        "--url",
        server.url(),
        "--key",
        KEY,
        "--mapping",
        mapping.to_str().expect("UTF-8"),
        "--batch",
        "333",
        file.to_str().expect("UTF-8"),
    ];
    assert_eq!(run_ok(&arguments).trim(), "6919 accepted, 0 duplicate, 0 rejected");
    assert_eq!(run_ok(&arguments).trim(), "0 accepted, 6919 duplicate, 0 rejected");
}

#[test]
fn refused_rows_are_written_down_and_fail_the_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let (input, rejected) = (folder.path().join("in.csv"), folder.path().join("rejected.csv"));
    fs::write(&input, "id,when,n\na,2025-01-01,1\n,2025-01-01,1\nc,9999-01-01,1\nd,2025-01-01,x\n").expect("written");
    let output = tessera()
        .args([
            "load",
            "--url",
            server.url(),
            "--key",
            KEY,
            "--event",
            "Seen",
            "--user-id",
            "{id}",
            "--timestamp",
            "{when}",
        ])
        .args(["--time-format", "%Y-%m-%d", "--property", "n:number={n}", "--rejected"])
        .arg(&rejected)
        .arg(&input)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1 accepted, 0 duplicate, 3 rejected");
    let mut refused = rejected_rows(&rejected);
    refused.sort();
    let codes: Vec<_> =
        refused.iter().map(|row| (row[0].as_str(), row[1].as_str(), row[3].as_str(), row[4..].join(","))).collect();
    let expected = [
        ("3", "identity_missing", "", ",2025-01-01,1"),
        ("4", "time_in_future", "", "c,9999-01-01,1"),
        ("5", "value_invalid", "x", "d,2025-01-01,x"),
    ];
    assert_eq!(codes, expected.map(|(line, code, value, row)| (line, code, value, row.to_owned())));
    // Corrected where it lies, it is loaded as the file was.
    let corrected = fs::read_to_string(&rejected).expect("a file").replace(",,2025", ",b,2025").replace("9999", "2024");
    let corrected = corrected.replace("d,2025-01-01,x", "d,2025-01-01,4");
    fs::write(&rejected, corrected).expect("written");
    let again = tessera()
        .args([
            "load",
            "--url",
            server.url(),
            "--key",
            KEY,
            "--event",
            "Seen",
            "--user-id",
            "{id}",
            "--timestamp",
            "{when}",
        ])
        .args(["--time-format", "%Y-%m-%d", "--property", "n:number={n}"])
        .arg(&rejected)
        .output()
        .expect("the binary starts");
    assert_eq!(String::from_utf8_lossy(&again.stdout).trim(), "3 accepted, 0 duplicate, 0 rejected");
    assert!(again.status.success());
}

/// The rows of a file of refused ones, without its header.
fn rejected_rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).expect("a file of refused rows");
    reader.records().map(|row| row.expect("CSV").iter().map(str::to_owned).collect()).collect()
}

#[test]
fn broken_rows_are_refused_and_those_after_them_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let csv = b"id,n\na,1\nb\nc,\xff\nd,4\n".as_slice();
    let lines = b"{\"id\":\"e\"}\n{\"id\":\n[1]\n\n\xff\n{\"id\":\"f\"}\n".as_slice();
    for (name, content, refused_lines) in [("in.csv", csv, vec![3, 4]), ("in.jsonl", lines, vec![2, 3, 5])] {
        let file = folder.path().join(name);
        fs::write(&file, content).expect("written");
        let target = ["load", "--url", server.url(), "--key", KEY, "--event", "Seen", "--user-id", "{id}"];
        let output = run(&[&target[..], &[file.to_str().expect("UTF-8")]].concat());
        assert!(!output.status.success());
        let counts = format!("2 accepted, 0 duplicate, {} rejected", refused_lines.len());
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), counts, "{name}");
        let ending = if name.ends_with("csv") { "csv" } else { "jsonl" };
        let refused = fs::read(folder.path().join(format!("{name}.rejected.{ending}"))).expect("beside the file");
        let refused = String::from_utf8_lossy(&refused);
        let line = |text: &str| match serde_json::from_str::<Value>(text) {
            Ok(row) => row["rejected"]["line"].as_u64(),
            Err(_) => text.split(',').next().and_then(|first| first.parse().ok()),
        };
        assert_eq!(refused.lines().filter_map(line).collect::<Vec<_>>(), refused_lines, "{refused}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// Loads this text under this name with these flags, or as standard input; the counts, and what was refused.
fn load(server: &Server, folder: &Path, name: &str, text: &str, flags: &[&str]) -> (String, Vec<Vec<String>>) {
    let file = folder.join(name);
    fs::write(&file, text).expect("written");
    let is_stdin = name == "-";
    let input = if is_stdin { Stdio::from(fs::File::open(&file).expect("written")) } else { Stdio::null() };
    let rejected = folder.join("rejected.csv");
    let _ = fs::remove_file(&rejected);
    let output = tessera()
        .args(["load", "--url", server.url(), "--key", KEY, "--rejected"])
        .arg(&rejected)
        .args(flags)
        .arg(if is_stdin { Path::new("-") } else { &file })
        .stdin(input)
        .output()
        .expect("the binary starts");
    let refused = if rejected.exists() { rejected_rows(&rejected) } else { Vec::new() };
    (String::from_utf8_lossy(&output.stdout).trim().to_owned() + &String::from_utf8_lossy(&output.stderr), refused)
}

fn counts(accepted: u64, duplicate: u64) -> String {
    format!("{accepted} accepted, {duplicate} duplicate, 0 rejected")
}

#[test]
fn times_that_are_none_refuse_their_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let text = "id,d\n1,n/a\n2,45321\n3,2026-02-30T00:00:00Z\n";
    let event = ["--event", "Seen", "--user-id", "{id}"];
    for flags in [["--property", "d:timestamp={d}"], ["--timestamp", "{d}"]] {
        let (told, refused) = load(&server, folder.path(), "in.csv", text, &[&event[..], &flags].concat());
        assert!(told.starts_with("0 accepted, 0 duplicate, 3 rejected"), "{told}");
        let rows: Vec<_> = refused.iter().map(|row| (row[0].as_str(), row[3].as_str())).collect();
        assert_eq!(rows, [("2", "n/a"), ("3", "45321"), ("4", "2026-02-30T00:00:00Z")]);
        assert!(refused.iter().all(|row| row[2].contains("ISO 8601") && row[2].contains("column d")));
        // Values stand in the file beside the operator's own, and nowhere else.
        assert!(!told.contains("45321"), "{told}");
    }
}

#[test]
fn what_a_file_says_anew_is_taken_and_what_it_said_before_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let client = server.client();
    let plan = |id: &str| {
        let profile = client.get(&format!("/v1/profiles/identifier/user_id/{id}")).expect("a profile");
        profile["plan"].as_str().expect("a plan").to_owned()
    };
    let record = ["--kind", "record", "--identity", "user_id={id}", "--property", "plan={plan}"];
    let load = |name: &str, text: &str, flags: &[&str]| load(&server, folder.path(), name, text, flags).0;
    // Day after day another export of one name; each is told twice.
    for (text, accepted, free_or_gold) in [
        ("id,plan\nD1,free\n", 1, "free"),
        ("id,plan\nD1,gold\nD2,free\n", 2, "gold"),
        ("id,plan\nD1,free\nD2,free\n", 2, "free"),
    ] {
        assert_eq!(load("crm.csv", text, &record), counts(accepted, 0), "{text}");
        assert_eq!(load("crm.csv", text, &record), counts(0, accepted), "{text}");
        assert_eq!(plan("D1"), free_or_gold);
    }
    // Rows with times of their own are the same facts in a file that has grown.
    let event = ["--event", "Bought", "--user-id", "{id}", "--timestamp", "{day}"];
    let first = "id,day\nD1,2026-01-01\nD1,2026-01-01\n";
    assert_eq!(load("orders.csv", first, &event), counts(2, 0));
    assert_eq!(load("orders.csv", &format!("{first}D1,2026-01-02\n"), &event), counts(1, 2));
    // Standard input has one name for all.
    let lines = [&event[..], &["--format", "jsonl"]].concat();
    for (id, accepted) in [("D3", 1), ("D4", 1), ("D3", 0)] {
        let text = format!("\u{feff}{{\"id\":\"{id}\",\"day\":\"2026-01-01\"}}\n");
        assert_eq!(load("-", &text, &lines), counts(accepted, 1 - accepted), "{id}");
    }
}

#[test]
fn columns_of_one_name_are_not_dropped_in_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let text = "id,plan,x,plan\na,free,1,gold\n";
    let load = |flags: &[&str]| load(&server, folder.path(), "in.csv", text, flags).0;
    let event = ["--event", "Seen", "--user-id", "{id}"];
    for more in [["--rest", "true"], ["--property", "plan={plan}"]] {
        let told = load(&[&event[..], &more].concat());
        assert!(told.contains("columns 2 and 4 are all named \"plan\"") && !told.contains("accepted,"), "{told}");
    }
    let told = load(&event);
    assert!(told.starts_with(&counts(1, 0)) && told.contains("columns 2 and 4"), "{told}");
}

#[test]
fn keys_and_workspaces_are_managed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let ask = |arguments: &[&str]| run_ok(&[arguments, &["--json", "--url", server.url(), "--key", KEY]].concat());
    ask(&["workspace", "create", "shop"]);
    assert!(ask(&["workspace", "list"]).contains("\"shop\""));
    let made = ask(&[
        "key",
        "create",
        "--name",
        "site",
        "--class",
        "public",
        "--permissions",
        "ingest",
        "--workspaces",
        "shop",
    ]);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let id = made["id"].as_str().or_else(|| made["key"]["id"].as_str()).expect("an id").to_owned();
    assert!(ask(&["key", "list"]).contains(&id));
    ask(&["key", "rotate", &id, "--grace-secs", "60"]);
    ask(&["key", "revoke", &id]);
    let wrong = run(&["key", "list", "--url", server.url(), "--key", "sk_live_wrong"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("401"));
}

#[test]
fn a_backup_restores_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let server = Server::start(&folder.path().join("data"));
    let event = br#"{"batch":[{"type":"identify","userId":"u1","messageId":"m1","traits":{"plan":"gold"}}]}"#;
    server.client().post("/v1/batch", event);
    let before = server.client().get("/v1/profiles/identifier/user_id/u1").expect("a profile");
    let busy = run(&["check", "--data", &path("data")]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use"));
    server.stop();
    run_ok(&["backup", "--data", &path("data"), "--to", &path("backup")]);
    run_ok(&["restore", "--from", &path("backup"), "--data", &path("again")]);
    run_ok(&["check", "--data", &path("again")]);
    let server = Server::start(&folder.path().join("again"));
    assert_eq!(server.client().get("/v1/profiles/identifier/user_id/u1").expect("a profile"), before);
    fs::create_dir(path("empty")).expect("a folder");
    for (arguments, expected) in [
        (["backup", "--data", &path("nowhere"), "--to", &path("b2")], "there is no data folder"),
        (["backup", "--data", &path("empty"), "--to", &path("b2")], "there is no data folder"),
        (["backup", "--data", &path("data"), "--to", &path("backup")], "exists already"),
        (["restore", "--from", &path("backup"), "--data", &path("data")], "exists already"),
    ] {
        let output = run(&arguments);
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{arguments:?}");
        assert!(!output.status.success());
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tessera.toml");
    fs::write(&file, "listen = \"127.0.0.1:1\"\ndata = \"from-file\"\nlog_level = \"error\"\n").expect("written");
    let output = tessera()
        .args(["serve", "--print-settings", "--listen", "127.0.0.1:3", "--config"])
        .arg(&file)
        .env("TESSERA_LISTEN", "127.0.0.1:2")
        .env("TESSERA_DATA", "from-environment")
        .output()
        .expect("the binary starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in ["listen = \"127.0.0.1:3\"", "data = \"from-environment\"", "log_level = \"error\"", "256MiB"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn settings_that_are_not_known_stop_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tessera.toml");
    fs::write(&file, "lisen = \"127.0.0.1:1\"\n").expect("written");
    let output = run(&["serve", "--config", file.to_str().expect("UTF-8")]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("unknown field `lisen`"), "{error}");
}
