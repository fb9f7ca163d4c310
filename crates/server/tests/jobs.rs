//! `kill -9` in the middle of every kind of job: it goes on where it was, and ends right.
//!
//! `TESSERA_JOB_KILLS` says how many kills each job meets (5 if it is not set), `TESSERA_SEED` which sequence of choices.

mod harness;

use std::collections::BTreeSet;
use std::path::Path;

use harness::rules::{Rule, make, members, profiles};
use harness::{Client, Random, Server, run_ok};
use serde_json::{Value, json};

/// A kind of job, and what makes it a test. A new kind is a line in [`CASES`], or one for each thing that it does.
struct Case {
    kind: &'static str,
    /// Fills the workspace, with so much that the job takes many steps.
    prepare: fn(&Client),
    /// Asks for the job, and answers it.
    ask: fn(&Client) -> Value,
    /// Looks at the workspace and at the job once that is done.
    verify: fn(&Client, &Value),
}

const CASES: &[Case] = &[
    Case { kind: "check", prepare: people, ask: ask_check, verify: all_was_walked },
    Case { kind: "recluster", prepare: people, ask: ask_recluster, verify: all_fell_apart },
    Case { kind: "erase_source", prepare: people, ask: ask_erasure, verify: all_are_gone },
    Case { kind: "erase_profiles", prepare: people, ask: ask_profiles, verify: those_are_gone },
    Case { kind: "expire", prepare: people_of_old, ask: ask_expiry, verify: all_has_ended },
    Case { kind: "backfill", prepare: people_who_buy, ask: ask_attribute, verify: all_are_counted },
    Case { kind: "backfill", prepare: people_who_buy, ask: ask_segment, verify: all_buyers_are_members },
    Case { kind: "backup", prepare: people, ask: ask_backup, verify: all_is_in_the_file },
    Case { kind: "export", prepare: people_and_a_folder, ask: ask_export, verify: all_are_in_files },
    Case { kind: "export", prepare: people_and_a_folder, ask: ask_table, verify: all_are_in_files },
    Case { kind: "refresh", prepare: people_in_a_file, ask: ask_refresh, verify: all_were_read },
    Case { kind: "activate", prepare: people_and_a_folder, ask: ask_activation, verify: all_are_in_the_latest },
];

#[test]
fn every_kind_outlives_kills() {
    for case in CASES {
        outlive(case, Server::kill);
    }
}

#[test]
fn every_kind_outlives_clean_stops() {
    for case in CASES {
        let job = outlive(case, Server::stop);
        assert_eq!(job["attempts"], 0, "{}: a clean stop is no failure", case.kind);
    }
}

#[test]
fn every_kind_is_in_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let client = Server::start(folder.path());
    let (status, answer) = client.client().send("POST", "/v1/jobs", br#"{"kind":"none"}"#).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("job_kind_unknown")));
    let message = answer["error"]["message"].as_str().expect("a message");
    let (_, kinds) = message.split_once("there are ").expect("it names the kinds");
    let kinds: BTreeSet<&str> = kinds.split(", ").collect();
    assert_eq!(kinds, CASES.iter().map(|case| case.kind).collect());
}

#[test]
fn a_paused_job_stays_so_over_a_kill_and_its_watch_ends_with_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = server.client();
    people(&client);
    let paused = paused_check(&client);
    let path = format!("/v1/jobs/{}", paused["id"].as_str().expect("an id"));
    assert!(paused["progress"]["done"].as_u64() < Some(PEOPLE as u64), "{paused}");
    server.kill();
    let server = Server::start(folder.path());
    let mut events = server.client().listen(&format!("{path}/watch"));
    assert_eq!(events.next(), Some(paused));
    std::thread::scope(|scope| {
        scope.spawn(|| server.stop());
        // Not cut off, which would be an error, but ended.
        assert_eq!(events.next(), None);
    });
    let server = Server::start(folder.path());
    server.client().post(&format!("{path}/resume"), b"");
    let job = server.client().listen(&format!("{path}/watch")).last().expect("an event");
    assert_eq!(job["state"], "done", "{job}");
    all_was_walked(&server.client(), &job);
}

#[test]
fn the_command_line_asks_watches_and_steers() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    people(&server.client());
    let run = |arguments: &[&str]| {
        let mut command = harness::tessera();
        command
            .arg("job")
            .args(arguments)
            .arg("--json")
            .env("TESSERA_URL", server.url())
            .env("TESSERA_KEY", harness::KEY);
        let output = command.output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    let (is_done, out, error) = run(&["start", "check"]);
    assert!(is_done, "{error}");
    let (is_done, out, error) = run(&["watch", json(&out)["id"].as_str().expect("an id")]);
    assert!(is_done, "{error}");
    let first = json(out.lines().last().expect("a line"));
    assert_eq!(first["state"], "done");

    let (one, other) = (paused_check(&server.client()), paused_check(&server.client()));
    let id = |job: &Value| job["id"].as_str().expect("an id").to_owned();
    let (one, other) = (id(&one), id(&other));
    let (_, out, _) = run(&["pause", &one]);
    assert_eq!(json(&out)["state"], "paused", "{out}");
    let (_, out, _) = run(&["resume", &one]);
    assert!(["queued", "running"].contains(&json(&out)["state"].as_str().expect("a state")), "{out}");
    assert!(run(&["watch", &one]).0);
    let (is_done, _, error) = run(&["cancel", &one]);
    assert!(!is_done && error.contains("job_ended"), "{error}");
    assert!(run(&["cancel", &other]).0);
    assert!(!run(&["watch", &other]).0, "a job that was cancelled is no success");
    let ids = |arguments: &[&str]| {
        let (is_done, out, error) = run(arguments);
        assert!(is_done, "{error}");
        out.lines().map(|line| id(&json(line))).collect::<Vec<_>>()
    };
    assert!(ids(&["list"]).contains(&other));
    let done = ids(&["list", "--state", "done", "--kind", "check"]);
    assert!(done.contains(&one) && !done.contains(&other) && done.last() == Some(&id(&first)), "{done:?}");
    assert!(ids(&["list", "--kind", "export"]).is_empty());
    let (is_done, _, error) = run(&["start", "check", "--parameters", r#"{"deep":true}"#]);
    assert!(!is_done && error.contains("job_parameters_invalid"), "{error}");
    let (is_done, _, error) = run(&["watch", "019a0f3e5b2c7d41e0a8f5c2"]);
    assert!(!is_done && error.contains("job_not_found"), "{error}");
}

/// Ends the server again and again while the job does its steps; answers the job as it ended.
fn outlive(case: &Case, end: fn(Server)) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random::new(harness::number("TESSERA_SEED", 7));
    let server = Server::start(folder.path());
    (case.prepare)(&server.client());
    let asked = (case.ask)(&server.client());
    assert_eq!(asked["kind"], case.kind);
    let path = format!("/v1/jobs/{}", asked["id"].as_str().expect("an id"));
    let mut running = Some(server);
    let (mut done, mut met) = (0, 0);
    for _ in 0..harness::number("TESSERA_JOB_KILLS", 5) {
        let server = running.take().unwrap_or_else(|| Server::start(folder.path()));
        let steps = usize::try_from(random.below(3)).expect("a small number") + 1;
        let last = watch(&server.client(), &path, done, steps);
        done = last["progress"]["done"].as_u64().expect("a number");
        met += u64::from(last["state"] == "running");
        end(server);
    }
    assert!(met > 0, "{}: the job was over before its server could be ended", case.kind);
    let server = Server::start(folder.path());
    let job = server.client().listen(&format!("{path}/watch")).last().expect("an event");
    assert_eq!(job["state"], "done", "{}: {job}", case.kind);
    (case.verify)(&server.client(), &job);
    server.stop();
    check(folder.path());
    job
}

/// Watches a job until it has come on so many times; answers it as it was then. What was seen once is never taken back.
fn watch(client: &Client, path: &str, mut done: u64, mut steps: usize) -> Value {
    let mut last = Value::Null;
    for job in client.listen(&format!("{path}/watch")) {
        let now = job["progress"]["done"].as_u64().expect("a number");
        assert!(now >= done, "it went back from {done}: {job}");
        steps -= usize::from(now > done);
        (done, last) = (now, job);
        if steps == 0 {
            break;
        }
    }
    last
}

fn check(data: &Path) {
    run_ok(&["check", "--data", data.to_str().expect("a path in UTF-8")]);
}

const PEOPLE: usize = 10_000;

/// Many people, and a folder that files are written to.
fn people_and_a_folder(client: &Client) {
    people(client);
    let folder = tempfile::Builder::new().prefix("tessera-exports-").tempdir().expect("a folder").keep();
    let connection = json!({"kind": "files", "url": format!("file://{}", folder.display())});
    let (status, answer) =
        client.send("PUT", "/v1/connections/lake", connection.to_string().as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
}

fn export_in(client: &Client, format: &str) -> Value {
    let to = json!({"connection": "lake", "path": "exports/2026"});
    let asked = json!({"of": "profiles", "format": format, "file_rows": 1_000, "to": to});
    client.post("/v1/exports", asked.to_string().as_bytes())
}

fn ask_export(client: &Client) -> Value {
    export_in(client, "jsonl")
}

/// A table is looked through for its columns first.
fn ask_table(client: &Client) -> Value {
    export_in(client, "csv")
}

/// To files; `activations.rs` has a table.
fn ask_activation(client: &Client) -> Value {
    let asked = json!({"connection": "lake", "path": "everybody", "format": "csv", "columns": ["email", "number"]});
    let (status, answer) =
        client.send("PUT", "/v1/activations/everybody", asked.to_string().as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    client.post("/v1/activations/everybody:run", b"")
}

/// The run that is named as the last is whole.
fn all_are_in_the_latest(client: &Client, job: &Value) {
    let folder = lake(client);
    let latest = std::fs::read(Path::new(&folder).join("everybody/latest.json")).expect("a file");
    let latest: Value = serde_json::from_slice(&latest).expect("JSON");
    assert_eq!((&latest["run"], &latest["rows"]), (&job["id"], &json!(PEOPLE)), "{job}");
    let own = client.get("/v1/activations/everybody").expect("the activation");
    assert_eq!((&own["runs"][0]["status"], &own["runs"][0]["read"]), (&json!("done"), &json!(PEOPLE)), "{own}");
    let run = latest["folder"].as_str().expect("a folder");
    all_are_below(&folder, &format!("everybody/{run}"), job);
}

fn lake(client: &Client) -> String {
    let folder = client.get("/v1/connections/lake").expect("the connection");
    folder["url"].as_str().and_then(|url| url.strip_prefix("file://")).expect("a folder").to_owned()
}

fn all_are_in_files(client: &Client, job: &Value) {
    all_are_below(&lake(client), "exports/2026", job);
}

/// Everybody stands once in the files that the manifest lists, and there is nothing else.
fn all_are_below(folder: &str, path: &str, job: &Value) {
    let home = Path::new(folder).join(path);
    let read = |name: &str| std::fs::read_to_string(home.join(name)).expect("a file");
    let manifest: Value = serde_json::from_str(&read("manifest.json")).expect("JSON");
    let (mut users, mut rows, mut names) = (BTreeSet::new(), 0, BTreeSet::from(["manifest.json".to_owned()]));
    for file in manifest["files"].as_array().expect("files") {
        let name = file["name"].as_str().expect("a name");
        let text = read(name);
        let lines = text.lines().skip(usize::from(name.ends_with(".csv")));
        for line in lines {
            let from = line.find("@shop.example").expect("an address");
            let start = line[..from].rfind(|letter: char| !letter.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
            users.insert(line[start..from].to_owned());
            rows += 1;
        }
        names.insert(name.to_owned());
    }
    assert_eq!((rows, users.len(), &manifest["rows"]), (PEOPLE, PEOPLE, &json!(PEOPLE)), "{job} {manifest}");
    let found: BTreeSet<String> = std::fs::read_dir(&home)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, names);
    std::fs::remove_dir_all(folder).expect("the folder goes");
}

/// A source over a file of many people.
fn people_in_a_file(client: &Client) {
    let folder = tempfile::Builder::new().prefix("tessera-people-").tempdir().expect("a folder").keep();
    let mut text = String::from("id,city\n");
    (0..4 * PEOPLE).for_each(|at| text += &format!("u{at},Lyon\n"));
    std::fs::write(folder.join("people.csv"), text).expect("a file");
    let put = |path: &str, body: Value| {
        let (status, answer) = client.send("PUT", path, body.to_string().as_bytes()).expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    };
    put("/v1/connections/files", json!({"kind": "files", "url": format!("file://{}", folder.display())}));
    let primary = json!({"column": "id", "namespace": "user_id"});
    put("/v1/sources/people", json!({"connection": "files", "table": "people.csv", "primary": primary}));
}

fn ask_refresh(client: &Client) -> Value {
    client.post("/v1/sources/people:refresh", b"{}")
}

/// However often it began anew, every row was read, and what was written before was not written again.
fn all_were_read(client: &Client, job: &Value) {
    let result = &job["result"];
    assert_eq!(result["read"], 4 * PEOPLE, "{job}");
    let sum = result["changed"].as_u64().expect("a number") + result["unchanged"].as_u64().expect("a number");
    assert_eq!(sum, 4 * PEOPLE as u64, "{job}");
    for at in [0, PEOPLE, 4 * PEOPLE - 1] {
        let profile = client.get(&format!("/v1/profiles/id/u{at}")).expect("a profile");
        assert_eq!(profile["city"], "Lyon");
    }
    let own = client.get("/v1/sources/people").expect("the source");
    assert_eq!(own["runs"][0]["status"], "done", "{own}");
    let folder = client.get("/v1/connections/files").expect("the connection");
    let folder = folder["url"].as_str().and_then(|url| url.strip_prefix("file://")).expect("a folder").to_owned();
    std::fs::remove_dir_all(folder).expect("the folder goes");
}

/// Many people of one record each.
fn people(client: &Client) {
    for start in (0..PEOPLE).step_by(2_500) {
        let record = |at: usize| {
            json!({
                "id": format!("r{at}"), "identities": [
                    {"namespace": "user_id", "value": format!("u{at}")},
                    {"namespace": "email", "value": format!("u{at}@shop.example")}
                ], "attributes": {"city": "Lyon", "number": at}
            })
        };
        let records: Vec<Value> = (start..start + 2_500).map(record).collect();
        let report = client.post("/v1/records", json!({"dataset": "crm", "records": records}).to_string().as_bytes());
        assert_eq!(report["accepted"], 2_500, "{report}");
    }
}

/// People who were last heard of a year ago, each by two events and a record.
fn people_of_old(client: &Client) {
    people(client);
    let time = "2024-05-01T10:00:00Z";
    for start in (0..PEOPLE).step_by(500) {
        let call = |at: usize| {
            let (user, id) = (format!("u{}", at / 2), format!("m{start}-{at}"));
            let event = if at.is_multiple_of(2) { "Viewed" } else { "Bought" };
            json!({"type": "track", "userId": user, "messageId": id, "event": event, "timestamp": time})
        };
        let calls: Vec<Value> = (2 * start..2 * (start + 500)).map(call).collect();
        let report = client.post("/v1/batch", json!({ "batch": calls }).to_string().as_bytes());
        assert_eq!(report["accepted"], 1_000, "{report}");
    }
    let record = |at: usize| {
        let user = json!([{"namespace": "user_id", "value": format!("u{at}")}]);
        json!({"id": format!("o{at}"), "identities": user, "attributes": {"plan": "gold"}, "time": time})
    };
    let records: Vec<Value> = (0..PEOPLE).step_by(10).map(record).collect();
    let report = client.post("/v1/records", json!({"dataset": "crm", "records": records}).to_string().as_bytes());
    assert_eq!(report["accepted"], PEOPLE / 10, "{report}");
}

/// Keeps one attribute and one type of events for a month.
fn ask_expiry(client: &Client) -> Value {
    let put = |path: &str, body: Value| {
        let (status, answer) = client.send("PUT", path, body.to_string().as_bytes()).expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    };
    put("/v1/data-model/attributes/plan", json!({"type": "text", "retention": "30d"}));
    put("/v1/data-model/event-types/Viewed", json!({"retention": "30d"}));
    client.post("/v1/jobs", br#"{"kind":"expire"}"#)
}

fn all_has_ended(client: &Client, job: &Value) {
    let counts = client.get("/v1/admin/counts").expect("counts");
    assert_eq!(counts["events"], json!(PEOPLE), "{job} {counts}");
    let again = client.post("/v1/jobs", br#"{"kind":"expire"}"#);
    let path = format!("/v1/jobs/{}", again["id"].as_str().expect("an id"));
    let again = client.listen(&format!("{path}/watch")).last().expect("an event");
    assert_eq!(again["result"], json!({"records": 0, "events": 0}), "nothing was left out");
}

/// People of whom each has bought so many times as [`bought`] says.
fn people_who_buy(client: &Client) {
    people(client);
    let time = "2024-05-01T10:00:00Z";
    let call = |user: usize, at: usize| {
        let (id, user) = (format!("b{user}-{at}"), format!("u{user}"));
        json!({"type": "track", "userId": user, "messageId": id, "event": "Bought", "timestamp": time})
    };
    for start in (0..PEOPLE).step_by(1_000) {
        let calls = (start..start + 1_000).flat_map(|user| (0..bought(user)).map(move |at| call(user, at)));
        let calls: Vec<Value> = calls.collect();
        let report = client.post("/v1/batch", json!({ "batch": calls }).to_string().as_bytes());
        assert_eq!(report["accepted"], calls.len(), "{report}");
    }
}

fn bought(user: usize) -> usize {
    user % 3
}

fn ask_backup(client: &Client) -> Value {
    client.post("/v1/admin/backups", br#"{"name":"all.tessera"}"#)
}

fn all_is_in_the_file(client: &Client, job: &Value) {
    let (rows, feed_rows) = (job["result"]["rows"].as_u64(), job["result"]["feed_rows"].as_u64());
    assert!(rows > Some(2 * PEOPLE as u64) && feed_rows > Some(0), "{job}");
    let body = br#"{"name":"all.tessera"}"#;
    let (status, answer) = client.send("POST", "/v1/admin/backups", body).expect("an answer");
    assert_eq!(status, 409, "{}", String::from_utf8_lossy(&answer));
}

const COUNT: &str = "xEvent[eventType = \"Bought\"].count()";

fn ask_attribute(client: &Client) -> Value {
    job_of(client, &make(client, Rule::Attribute, "bought", COUNT))
}

fn ask_segment(client: &Client) -> Value {
    job_of(client, &make(client, Rule::Segment, "buyers", &format!("{COUNT} >= 2")))
}

/// The job that brings a new rule to everybody.
fn job_of(client: &Client, made: &Value) -> Value {
    let job = made["building"]["job"].as_str().expect("a job");
    client.get(&format!("/v1/jobs/{job}")).expect("the job")
}

fn all_are_counted(client: &Client, job: &Value) {
    assert_eq!(job["progress"]["done"], json!(PEOPLE), "{job}");
    assert_eq!(client.get("/v1/attributes/bought").expect("an attribute")["status"], "active");
    for (at, profile) in everybody(client).iter().enumerate() {
        assert_eq!(profile["bought"], json!(bought(at)), "{profile}");
    }
}

fn all_buyers_are_members(client: &Client, job: &Value) {
    assert_eq!(job["progress"]["done"], json!(PEOPLE), "{job}");
    let everybody = everybody(client);
    let buyers = everybody.iter().enumerate().filter(|(at, _)| bought(*at) >= 2);
    let buyers: BTreeSet<&str> = buyers.map(|(_, own)| own["profile_id"].as_str().expect("an id")).collect();
    let segment = client.get("/v1/segments/buyers").expect("a segment");
    assert_eq!((&segment["status"], &segment["count"]), (&json!("active"), &json!(buyers.len())), "{segment}");
    let members = members(client, "buyers");
    assert_eq!(members.keys().map(String::as_str).collect::<BTreeSet<_>>(), buyers);
}

/// The profile of each, by number.
fn everybody(client: &Client) -> Vec<Value> {
    let users: Vec<String> = (0..PEOPLE).map(|at| format!("u{at}")).collect();
    let mut read = profiles(client, &users.iter().map(String::as_str).collect::<Vec<_>>());
    users.iter().filter_map(|user| read.remove(&**user)).collect()
}

fn ask_check(client: &Client) -> Value {
    client.post("/v1/jobs", br#"{"kind":"check"}"#)
}

/// A check that is paused in the middle. On a machine that lets this test wait, one may be over before it can be paused.
fn paused_check(client: &Client) -> Value {
    let paused = || {
        let path = format!("/v1/jobs/{}", ask_check(client)["id"].as_str().expect("an id"));
        let _ = client.send("POST", &format!("{path}/pause"), b"").expect("an answer");
        client.listen(&format!("{path}/watch")).find(|job| job["state"] == "paused" || job["state"] == "done")
    };
    (0..50).filter_map(|_| paused()).find(|job| job["state"] == "paused").expect("one of many can be paused")
}

/// Blocks what holds everybody together: each address is nobody's afterwards.
fn ask_recluster(client: &Client) -> Value {
    let rules = json!({ "priority": 800, "limit": 5, "blocked_patterns": [".*@shop[.]example"] });
    let (status, answer) =
        client.send("PUT", "/v1/admin/namespaces/email", rules.to_string().as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let jobs = client.get("/v1/jobs?kind=recluster").expect("jobs");
    jobs["items"][0].clone()
}

fn all_fell_apart(client: &Client, job: &Value) {
    let counts = client.get("/v1/admin/counts").expect("counts");
    assert_eq!(counts["profiles"], json!(PEOPLE), "{job} {counts}");
    assert_eq!(counts["identities"], json!(2 * PEOPLE), "{counts}");
    for at in (0..PEOPLE).step_by(97) {
        let path = format!("/v1/profiles/identifier/email/u{at}%40shop.example");
        assert_eq!(client.send("GET", &path, b"").expect("an answer").0, 404, "{path}");
    }
}

fn ask_erasure(client: &Client) -> Value {
    client.post("/v1/erasures", br#"{"dataset":"crm"}"#)
}

/// Half of them, one of each two.
fn ask_profiles(client: &Client) -> Value {
    let identities: Vec<Value> =
        (0..PEOPLE).step_by(2).map(|at| json!({"namespace": "user_id", "value": format!("u{at}")})).collect();
    assert!(identities.len() <= 5_000, "one job erases no more");
    client.post("/v1/profiles:erase", json!({"identities": identities}).to_string().as_bytes())
}

/// Each of them and nobody else.
fn those_are_gone(client: &Client, job: &Value) {
    let counts = client.get("/v1/admin/counts").expect("counts");
    assert_eq!(counts["profiles"], json!(PEOPLE / 2), "{job} {counts}");
    assert_eq!(job["progress"]["done"], json!(PEOPLE.div_ceil(2)), "{job}");
    for at in 0..PEOPLE {
        let (status, _) =
            client.send("GET", &format!("/v1/profiles/identifier/user_id/u{at}"), b"").expect("an answer");
        assert_eq!(status, if at % 2 == 0 { 404 } else { 200 }, "u{at}");
    }
}

fn all_are_gone(client: &Client, job: &Value) {
    let counts = client.get("/v1/admin/counts").expect("counts");
    for name in ["profiles", "identities", "events", "facts"] {
        assert_eq!(counts[name], json!(0), "{job} {counts}");
    }
}

/// Nothing was left out and nothing counted twice.
fn all_was_walked(client: &Client, job: &Value) {
    let counts = client.get("/v1/admin/counts").expect("counts");
    let result = &job["result"];
    for name in ["profiles", "identities", "events", "facts"] {
        assert_eq!(result[name], counts[name], "{name}: {job}");
    }
    assert_eq!((&result["records"], &result["faults"]), (&json!(PEOPLE), &json!(0)), "{job}");
    assert_eq!(job["progress"]["done"], json!(PEOPLE), "{job}");
}
