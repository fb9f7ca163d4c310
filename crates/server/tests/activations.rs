//! Activations in the binary: members of a segment stand in tables of a real PostgreSQL and in files, and stay true to what they are.

mod harness;

use std::collections::BTreeSet;

use harness::postgres::{PASSWORD, Postgres};
use harness::rules::{Rule, make, until_active};
use harness::{Client, Server, ask, put, refused};
use serde_json::{Value, json};

/// Runs an activation, and answers what came of it.
fn run(client: &Client, name: &str) -> Value {
    let job = client.post(&format!("/v1/activations/{name}:run"), b"");
    let id = job["id"].as_str().expect("an id");
    client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
    let own = client.get(&format!("/v1/activations/{name}")).expect("the activation");
    let run = own["runs"][0].clone();
    assert_eq!(run["id"], id, "{own}");
    run
}

/// What a run came to: its status, and rows that were read, written, left and removed.
fn counts(run: &Value) -> (Value, [u64; 4]) {
    let number = |name: &str| run[name].as_u64().unwrap_or_else(|| panic!("{name}: {run}"));
    (run["status"].clone(), ["read", "changed", "unchanged", "evicted"].map(number))
}

fn done(expected: [u64; 4]) -> (Value, [u64; 4]) {
    (json!("done"), expected)
}

fn code(run: &Value) -> &str {
    assert_eq!(run["status"], "failed", "{run}");
    run["error"]["code"].as_str().unwrap_or_default()
}

/// People `u0` to `u{count - 1}`, of whom every other one is lapsed.
fn people(client: &Client, count: usize) {
    for start in (0..count).step_by(2_500) {
        let record = |at: usize| {
            json!({
                "id": format!("r{at}"), "identities": [
                    {"namespace": "user_id", "value": format!("u{at}")},
                    {"namespace": "email", "value": format!("u{at}@shop.example")}
                ], "attributes": {
                    "lapsed": at.is_multiple_of(2), "spent": at as f64 / 4.0, "city": "Ly\ton\\\n", "tags": ["a", "b \"c\""], "address": {"zip": "69001"}
                }
            })
        };
        let records: Vec<Value> = (start..count.min(start + 2_500)).map(record).collect();
        let report = client.post("/v1/records", json!({"dataset": "crm", "records": records}).to_string().as_bytes());
        assert_eq!(report["accepted"], records.len(), "{report}");
    }
}

/// Says something else of one of them.
fn say(client: &Client, user: &str, attributes: Value) {
    let own = json!([{"namespace": "user_id", "value": user}]);
    let id = format!("{user}-{attributes}");
    let record = json!({"id": id, "identities": own, "attributes": attributes});
    let report = client.post("/v1/records", json!({"dataset": "crm", "records": [record]}).to_string().as_bytes());
    assert_eq!(report["accepted"], 1, "{report}");
}

fn connect(client: &Client, postgres: &Postgres) {
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    put(
        client,
        "/v1/connections/crm-db",
        json!({"kind": "postgres", "url": url, "password": {"env": "TESSERA_SECRET_CRM"}}),
    );
}

fn lapsed(client: &Client) {
    make(client, Rule::Segment, "lapsed", "lapsed = true");
    until_active(client, Rule::Segment, "lapsed");
}

fn start(folder: &std::path::Path) -> Server {
    Server::start_with(folder, &[("TESSERA_SECRET_CRM", PASSWORD)])
}

#[test]
fn members_of_a_segment_stand_in_a_table() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, 3_001);
    lapsed(&client);
    connect(&client, &postgres);
    let activation = json!({
        "connection": "crm-db", "segment": "lapsed", "table": "public.lapsed", "rows": "full",
        "columns": ["user_id", "email", "spent", "lapsed", "city", "tags", "address.zip", "_entered_at", "nothing"]
    });
    let shown = put(&client, "/v1/activations/lapsed", activation.clone());
    assert_eq!((&shown["status"], &shown["next_run"], &shown["runs"]), (&json!("idle"), &Value::Null, &json!([])));

    // The table is made, with types that its values have.
    assert_eq!(counts(&run(&client, "lapsed")), done([1_501, 1_501, 0, 0]));
    let types = postgres.query("select column_name || ' ' || data_type from information_schema.columns where table_name = 'lapsed' order by ordinal_position");
    let expected = [
        "profile_id text",
        "user_id text",
        "email text",
        "spent numeric",
        "lapsed boolean",
        "city text",
        "tags jsonb",
        "address.zip text",
        "_entered_at timestamp with time zone",
        "nothing text",
    ];
    assert_eq!(types.lines().collect::<Vec<_>>(), expected);
    let two = postgres.query(
        "select email, spent, lapsed, city = E'Ly\\ton\\\\\\n', tags ->> 1, \"address.zip\", _entered_at <= now(), nothing is null from lapsed where user_id = 'u2'",
    );
    assert_eq!(two.trim_end(), "u2@shop.example|0.5|t|t|b \"c\"|69001|t|t");
    assert_eq!(postgres.query("select count(*), count(distinct profile_id) from lapsed").trim(), "1501|1501");

    // Somebody leaves, somebody comes, somebody changes; what others wrote into the table goes.
    say(&client, "u2", json!({"lapsed": false}));
    say(&client, "u3", json!({"lapsed": true}));
    say(&client, "u4", json!({"spent": 1_000.25}));
    postgres.sql("insert into lapsed (profile_id) values ('somebody'); create view readers as select * from lapsed");
    assert_eq!(counts(&run(&client, "lapsed")), done([1_501, 1_501, 0, 2]));
    let users = "select string_agg(user_id, ',' order by user_id) from lapsed where user_id in ('u2', 'u3', 'u4')";
    assert_eq!(postgres.query(users).trim(), "u3,u4");
    assert_eq!(postgres.query("select spent from readers where user_id = 'u4'").trim(), "1000.25", "the view stands");

    // Of changed rows only these are written.
    let mut changed = activation.clone();
    changed["rows"] = json!("changed");
    put(&client, "/v1/activations/lapsed", changed);
    postgres.sql(
        "create table writes (what text); create function note() returns trigger language plpgsql as
             $$ begin insert into writes values (tg_op); return coalesce(new, old); end $$;
         create trigger noted after insert or update or delete on lapsed for each row execute function note();",
    );
    assert_eq!(counts(&run(&client, "lapsed")), done([1_501, 0, 1_501, 0]));
    assert_eq!(postgres.query("select count(*) from writes").trim(), "0");
    say(&client, "u3", json!({"lapsed": false}));
    say(&client, "u4", json!({"tags": ["c"]}));
    say(&client, "u5", json!({"lapsed": true}));
    assert_eq!(counts(&run(&client, "lapsed")), done([1_501, 2, 1_499, 1]));
    let writes = postgres.query("select what || count(*) from writes group by what order by what");
    assert_eq!(writes.lines().collect::<Vec<_>>(), ["DELETE1", "INSERT1", "UPDATE1"]);

    // A server that is gone, and is there again.
    postgres.end();
    assert_eq!(code(&run(&client, "lapsed")), "connection_unreachable");
    postgres.begin();
    assert_eq!(counts(&run(&client, "lapsed")), done([1_501, 0, 1_501, 0]));
    let listed = client.get("/v1/activations").expect("all");
    assert_eq!(listed["items"][0]["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(refused(&client, "DELETE", "/v1/connections/crm-db", Value::Null), (409, "connection_in_use".into()));
    assert_eq!(ask(&client, "DELETE", "/v1/activations/lapsed", Value::Null).0, 204);
    assert_eq!(client.get("/v1/activations/lapsed"), None);
    assert_eq!(postgres.query("select count(*) from lapsed").trim(), "1501", "what it wrote stays");
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

#[test]
fn what_a_table_does_not_take_is_told_clearly_and_changes_nothing() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, 20);
    lapsed(&client);
    connect(&client, &postgres);
    postgres.sql(
        "create table own (profile_id text, spent numeric(4, 1), tags text[], address json, note text default 'kept');
         insert into own (profile_id) values ('before');
         create table narrow (profile_id text, city integer); insert into narrow values ('before', 1);
         create table lacking (profile_id text); insert into lacking values ('before');
         create table strict (profile_id text, spent numeric, needed text not null); insert into strict values ('before', 1, 'x');
         create table keyed (profile_id text, lapsed boolean unique); insert into keyed values ('before', true);
         create role poor login password 's@fe/in:URLs'; create table others (profile_id text, spent numeric); grant select on others to poor;",
    );
    let activate = |name: &str, connection: &str, columns: &[&str], rows: &str| {
        let own =
            json!({"connection": connection, "segment": "lapsed", "table": name, "columns": columns, "rows": rows});
        put(&client, &format!("/v1/activations/{name}"), own);
        run(&client, name)
    };
    let poor = format!("postgres://poor@127.0.0.1:{}/postgres", postgres.port);
    put(
        &client,
        "/v1/connections/poor",
        json!({"kind": "postgres", "url": poor, "password": {"env": "TESSERA_SECRET_CRM"}}),
    );
    // The types of a table that is there are its own.
    assert_eq!(counts(&activate("own", "crm-db", &["spent", "tags", "address"], "changed")), done([10, 10, 0, 1]));
    assert_eq!(counts(&run(&client, "own")), done([10, 0, 10, 0]), "rounded by its type, it is the same");
    let own = postgres.query("select spent, tags[2], address ->> 'zip', note from own order by spent limit 2");
    assert_eq!(own.lines().next(), Some("0.0|b \"c\"|69001|kept"));

    let run = activate("narrow", "crm-db", &["city"], "full");
    assert_eq!(code(&run), "activation_value_unfit");
    let message = run["error"]["message"].to_string();
    assert!(message.contains("the column city") && !message.contains("Ly"), "{message}");
    let run = activate("lacking", "crm-db", &["spent"], "full");
    assert_eq!(code(&run), "activation_table_invalid");
    assert!(run["error"]["message"].to_string().contains("spent"), "{run}");
    let run = activate("strict", "crm-db", &["spent"], "full");
    assert_eq!(code(&run), "activation_rows_refused");
    assert!(run["error"]["message"].to_string().contains("needed"), "{run}");
    for rows in ["full", "changed"] {
        let run = activate("keyed", "crm-db", &["lapsed"], rows);
        assert_eq!(code(&run), "activation_rows_refused");
        assert!(run["error"]["message"].to_string().contains("keyed_lapsed_key"), "{run}");
    }
    let run = activate("others", "poor", &["spent"], "full");
    assert_eq!(code(&run), "connection_unauthorized");
    assert_eq!(code(&activate("no_such.table", "crm-db", &["spent"], "full")), "activation_table_invalid");
    for table in ["narrow", "lacking", "strict", "keyed"] {
        let before = postgres.query(&format!("select string_agg(profile_id, ',') from {table}"));
        assert_eq!(before.trim(), "before", "{table} stands as it was");
    }

    // No key of a table that stands without one keeps anybody from standing there twice: then all is written anew that is of them.
    postgres.sql("create table twice (profile_id text, spent numeric)");
    assert_eq!(counts(&activate("twice", "crm-db", &["spent"], "changed")), done([10, 10, 0, 0]));
    postgres.sql(
        "insert into twice select * from twice order by spent limit 2; insert into twice values (null, 1), ('gone', 1), ('gone', 1)",
    );
    assert_eq!(counts(&crate::run(&client, "twice")), done([10, 2, 8, 3]));
    assert_eq!(postgres.query("select count(*), count(distinct profile_id) from twice").trim(), "10|10");
    assert_eq!(counts(&crate::run(&client, "twice")), done([10, 0, 10, 0]));
    // What a trigger says is not told: a value of a row may stand in it.
    postgres.sql(
        "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no %', new.spent; end $$;
         create trigger refused before insert on twice for each row execute function refuse(); delete from twice",
    );
    let run = crate::run(&client, "twice");
    assert_eq!(code(&run), "activation_table_invalid");
    assert!(!run["error"]["message"].to_string().contains("no "), "{run}");

    // What cannot be an activation.
    let long = "é".repeat(32);
    let lake = json!({"kind": "files", "url": "file:///lake"});
    put(&client, "/v1/connections/lake", lake.clone());
    let check = |change: Value, expected: (u16, &str)| {
        let mut own = json!({"connection": "crm-db", "segment": "lapsed", "table": "t", "columns": ["spent"]});
        for (name, value) in change.as_object().expect("members") {
            own[name] = value.clone();
        }
        let found = refused(&client, "PUT", "/v1/activations/wrong", own);
        assert_eq!((found.0, &*found.1), expected, "{change}");
    };
    check(json!({"path": "x"}), (400, "activation_invalid"));
    check(json!({"table": null}), (400, "activation_invalid"));
    check(json!({"columns": null}), (400, "activation_invalid"));
    check(json!({"columns": ["profile_id"]}), (400, "activation_invalid"));
    check(json!({"columns": ["a", "a"]}), (400, "activation_invalid"));
    check(json!({"rows": "some"}), (400, "activation_invalid"));
    check(json!({"format": "csv"}), (400, "activation_invalid"));
    check(json!({"table": null, "path": "../x"}), (400, "export_path_invalid"));
    check(json!({"table": "a.b.c.d"}), (400, "activation_invalid"));
    check(json!({"table": format!("crm.{long}")}), (400, "activation_invalid"));
    check(json!({"columns": [long]}), (400, "activation_invalid"));
    check(json!({"connection": "none"}), (400, "connection_unknown"));
    check(json!({"connection": "lake"}), (400, "connection_not_of_tables"));
    check(json!({"table": null, "path": "x"}), (400, "connection_not_of_files"));
    check(json!({"table": "public.own"}), (409, "activation_target_taken"));
    check(json!({"table": "others"}), (409, "activation_target_taken"));
    check(json!({"segment": "none"}), (404, "segment_not_found"));
    check(json!({"schedule": {"every": "1s"}}), (400, "schedule_invalid"));
    assert_eq!(refused(&client, "POST", "/v1/activations/none:run", Value::Null), (404, "activation_not_found".into()));
    let own = json!({"connection": "lake", "segment": "lapsed", "path": "out/lapsed"});
    assert_eq!(refused(&client, "PUT", "/v1/activations/a:b", own.clone()), (400, "activation_name_invalid".into()));
    put(&client, "/v1/activations/files", own.clone());
    for (name, path, expected) in
        [("above", "out", 409), ("below", "out/lapsed/x", 409), ("beside", "out/lapsed2", 200)]
    {
        let mut own = own.clone();
        own["path"] = json!(path);
        assert_eq!(ask(&client, "PUT", &format!("/v1/activations/{name}"), own).0, expected, "{path}");
    }

    // What others use stays of its kind, and leads where no two write to one place.
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    let crm = |url: &str| json!({"kind": "postgres", "url": url, "password": {"env": "TESSERA_SECRET_CRM"}});
    assert_eq!(refused(&client, "PUT", "/v1/connections/crm-db", lake), (409, "connection_in_use".into()));
    assert_eq!(refused(&client, "PUT", "/v1/connections/lake", crm(&url)), (409, "connection_in_use".into()));
    put(&client, "/v1/connections/elsewhere", crm("postgres://tessera@127.0.0.1:1/elsewhere"));
    let own = json!({"connection": "elsewhere", "segment": "lapsed", "table": "own", "columns": ["spent"]});
    put(&client, "/v1/activations/elsewhere", own);
    let found = refused(&client, "PUT", "/v1/connections/elsewhere", crm(&url));
    assert_eq!(found, (409, "activation_target_taken".into()));
    let source = json!({"connection": "crm-db", "table": long, "primary": {"column": "id", "namespace": "user_id"}});
    assert_eq!(refused(&client, "PUT", "/v1/sources/long", source), (400, "source_table_invalid".into()));

    // What an activation writes is not taken away under it.
    let (status, answer) = ask(&client, "DELETE", "/v1/segments/lapsed", Value::Null);
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("rule_in_use")), "{answer}");
    assert!(answer["error"]["message"].to_string().contains("activation own"), "{answer}");
    let policy = json!({"id": "crm", "name": "CRM", "identity_graph": "full", "attribute_merge": {"choose": "newest"}});
    assert_eq!(ask(&client, "POST", "/v1/merge-policies", policy).0, 200);
    let own = json!({"connection": "lake", "segment": "lapsed", "path": "policy", "merge_policy": "crm"});
    put(&client, "/v1/activations/policy", own);
    let found = refused(&client, "DELETE", "/v1/merge-policies/crm", Value::Null);
    assert_eq!(found, (409, "merge_policy_in_use".into()));
    server.stop();
}

/// `kill -9` while rows are gathered, again and again: the table has the rows of before until a run comes to its end.
#[test]
fn a_run_that_is_killed_leaves_the_table_whole_and_the_next_ends_right() {
    const PEOPLE: usize = 10_000;
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, PEOPLE);
    connect(&client, &postgres);
    postgres.sql("create table everybody (profile_id text, spent numeric); insert into everybody values ('before', 1)");
    let own = json!({"connection": "crm-db", "table": "everybody", "columns": ["spent"]});
    put(&client, "/v1/activations/all", own);
    let job = client.post("/v1/activations/all:run", b"");
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let (mut server, mut met) = (Some(server), 0);
    for _ in 0..harness::number("TESSERA_JOB_KILLS", 3) {
        let own = server.take().unwrap_or_else(|| start(folder.path()));
        let mut events = own.client().listen(&format!("{path}/watch"));
        let first = events.find(|job| job["progress"]["done"].as_u64() > Some(0) || job["state"] == "done");
        met += u64::from(first.expect("an event")["state"] == "running");
        let seen = postgres.query("select count(*) from everybody").trim().to_owned();
        own.kill();
        assert!(seen == "1" || seen == PEOPLE.to_string(), "half of it was seen: {seen}");
    }
    assert!(met > 0, "the run was over before it could be killed");
    let server = start(folder.path());
    let job = server.client().listen(&format!("{path}/watch")).last().expect("an event");
    assert_eq!(job["state"], "done", "{job}");
    let count = postgres.query("select count(*), count(distinct profile_id), sum(spent)::float8 from everybody");
    let sum = (0..PEOPLE).map(|at| at as f64 / 4.0).sum::<f64>();
    assert_eq!(count.trim(), format!("{PEOPLE}|{PEOPLE}|{sum}"));
    let runs = server.client().get("/v1/activations/all").expect("the activation")["runs"].clone();
    assert_eq!((runs.as_array().map(Vec::len), &runs[0]["status"]), (Some(1), &json!("done")), "{runs}");
    server.stop();
}

/// Whoever reads the table meanwhile sees all rows of one run.
#[test]
fn a_reader_sees_the_rows_of_one_run() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, 2_000);
    connect(&client, &postgres);
    for rows in ["full", "changed"] {
        let own = json!({"connection": "crm-db", "table": "seen", "columns": ["turn"], "rows": rows});
        put(&client, "/v1/activations/seen", own);
        for turn in 0..3 {
            let user = |at: usize| json!([{"namespace": "user_id", "value": format!("u{at}")}]);
            let record = |at: usize| json!({"id": format!("{rows}-{turn}-{at}"), "identities": user(at), "attributes": {"turn": format!("{rows}{turn}")}});
            let records: Vec<Value> = (0..2_000).map(record).collect();
            client.post("/v1/records", json!({"dataset": "crm", "records": records}).to_string().as_bytes());
            let job = client.post("/v1/activations/seen:run", b"");
            let id = job["id"].as_str().expect("an id");
            let mut seen = BTreeSet::new();
            for event in client.listen(&format!("/v1/jobs/{id}/watch")) {
                let exists = postgres.query("select to_regclass('seen') is not null").trim() == "t";
                if exists {
                    seen.insert(postgres.query("select min(turn), max(turn), count(*) from seen").trim().to_owned());
                }
                if event["state"] == "done" {
                    break;
                }
            }
            for seen in seen {
                let parts: Vec<&str> = seen.split('|').collect();
                assert!(parts[0] == parts[1] && parts[2] == "2000", "{seen}");
            }
            let now = postgres.query("select min(turn), count(*) from seen");
            assert_eq!(now.trim(), format!("{rows}{turn}|2000"));
        }
    }
    server.stop();
}

/// By its schedule, to files: each run has a folder, and the last one that is whole is named.
#[test]
fn a_schedule_writes_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = tempfile::tempdir().expect("a folder");
    let server = start(folder.path());
    let client = server.client();
    people(&client, 100);
    lapsed(&client);
    let url = format!("file://{}", lake.path().display());
    put(&client, "/v1/connections/lake", json!({"kind": "files", "url": url}));
    let activation = |format: &str, columns: Value| {
        json!({
            "connection": "lake", "segment": "lapsed", "path": format!("out/{format}/"), "format": format, "columns": columns,
            "schedule": {"every": "1h"}
        })
    };
    for (format, columns) in
        [("csv", json!(["email", "spent"])), ("jsonl", Value::Null), ("parquet", json!(["email", "_entered_at"]))]
    {
        let shown = put(&client, &format!("/v1/activations/{format}"), activation(format, columns));
        assert_eq!(shown["path"], format!("out/{format}"));
        // It is due at once. Whoever asks while its first run goes on is answered that one.
        let (status, job) = ask(&client, "POST", &format!("/v1/activations/{format}:run"), Value::Null);
        assert!(status == 202, "{job}");
        let id = job["id"].as_str().expect("an id");
        client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
        let own = client.get(&format!("/v1/activations/{format}")).expect("the activation");
        assert_eq!(counts(&own["runs"][0]), done([50, 50, 0, 0]), "{own}");
        assert!(own["next_run"].as_str() > own["runs"][0]["started_at"].as_str(), "{own}");
        let home = lake.path().join("out").join(format);
        let read = |path: &str| std::fs::read(home.join(path)).unwrap_or_else(|_| panic!("{path} is missing"));
        let latest: Value = serde_json::from_slice(&read("latest.json")).expect("JSON");
        let run = latest["folder"].as_str().expect("a folder");
        assert_eq!((&latest["rows"], run.starts_with("run=")), (&json!(50), true));
        let manifest: Value = serde_json::from_slice(&read(&format!("{run}/manifest.json"))).expect("JSON");
        assert_eq!((&manifest["rows"], &manifest["segment"]), (&json!(50), &json!("lapsed")));
        let file = read(&format!("{run}/part-00001.{format}"));
        match format {
            "csv" => assert!(
                file.starts_with(b"profile_id,email,spent\r\n") && file.split(|own| *own == b'\n').count() == 52
            ),
            "jsonl" => assert_eq!(file.split(|own| *own == b'\n').count(), 51),
            _ => assert!(file.starts_with(b"PAR1")),
        }
    }
    server.stop();
}

/// A share of the members is left out of what goes out, is marked where it is read, and is what a database computes.
#[test]
fn controls_are_left_out_and_marked() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, 2_000);
    lapsed(&client);
    connect(&client, &postgres);
    let own = json!({"connection": "crm-db", "segment": "lapsed", "table": "treated", "columns": ["user_id"], "rows": "changed"});
    put(&client, "/v1/activations/treated", own);
    assert_eq!(counts(&run(&client, "treated")), done([1_000, 1_000, 0, 0]));
    let before = client.get("/v1/segments/lapsed").expect("the segment");
    let group = |share: f64| {
        let body = json!({"control_group": {"share": share, "seed": "spring"}});
        let (status, answer) = ask(&client, "PATCH", "/v1/segments/lapsed", body);
        assert_eq!((status, &answer["status"]), (200, &json!("active")), "nobody is evaluated anew: {answer}");
        answer
    };
    let after = group(0.1);
    assert_eq!(after["version"].as_u64(), before["version"].as_u64().map(|version| version + 1));

    // Lists mark them, and a database finds the same by the formula of the guide.
    let list =
        |format: &str| client.get_bytes(&format!("/v1/segments/lapsed/members?format={format}")).expect("members");
    let lines = String::from_utf8(list("jsonl")).expect("UTF-8");
    let members: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let controls = |members: &[Value]| -> BTreeSet<String> {
        let held = members.iter().filter(|own| own["control"] == true);
        held.map(|own| own["profile_id"].as_str().expect("an id").to_owned()).collect()
    };
    let held = controls(&members);
    assert!((60..140).contains(&held.len()) && members.len() == 1_000, "{}", held.len());
    let csv = String::from_utf8(list("csv")).expect("UTF-8");
    assert!(csv.starts_with("id,profile_id,entered_at,control\n"), "{}", &csv[..80]);
    assert_eq!(csv.lines().filter(|line| line.ends_with(",true")).count(), held.len());
    let guide = include_str!("../../../docs/guide/warehouse.md");
    let formula = guide.split("```sql\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("the formula");
    let formula = formula.lines().last().and_then(|line| line.strip_prefix("select ")).expect("a select");
    let rows: Vec<String> =
        members.iter().map(|own| format!("('{}', {})", own["id"].as_str().expect("an id"), own["control"])).collect();
    let asked = format!(
        "select count(*) from (values {}) as members (id, control) where control <> ({formula})",
        rows.join(", ")
    );
    assert_eq!(postgres.query(&asked).trim(), "0", "the database says the same");

    // What goes out has the others, and a greater share holds the smaller one.
    let count = held.len() as u64;
    let left_out =
        |rows: u64| json!([{"code": "member_in_control_group", "column": null, "refused": false, "rows": rows}]);
    let treated = run(&client, "treated");
    assert_eq!(counts(&treated), done([1_000 - count, 0, 1_000 - count, count]));
    assert_eq!(treated["verdicts"], left_out(count));
    let lake = tempfile::tempdir().expect("a folder");
    put(&client, "/v1/connections/lake", json!({"kind": "files", "url": format!("file://{}", lake.path().display())}));
    for format in ["csv", "parquet"] {
        let own = json!({"connection": "lake", "segment": "lapsed", "path": format, "format": format});
        put(&client, "/v1/activations/files", own);
        let treated = run(&client, "files");
        assert_eq!(counts(&treated), done([1_000 - count, 1_000 - count, 0, 0]));
        assert_eq!(treated["verdicts"], left_out(count), "{format}");
    }
    let treated = postgres.query("select profile_id from treated");
    assert!(treated.lines().all(|id| !held.contains(id)));
    let export = json!({"of": "members", "segment": "lapsed", "format": "csv", "fields": ["profile_id", "_control"]});
    let (status, csv) = client.send("POST", "/v1/exports", export.to_string().as_bytes()).expect("an answer");
    let csv = String::from_utf8(csv).expect("UTF-8");
    assert_eq!((status, csv.lines().filter(|line| line.ends_with(",true")).count()), (200, held.len()));
    assert_eq!(csv.lines().count(), 1_001, "an export of members has all");
    let one = held.first().expect("a control");
    let profile = client.get(&format!("/v1/profiles/id/{one}")).expect("a profile");
    assert_eq!((&profile["_control_groups"], &profile["_audiences"]["lapsed"]), (&json!(["lapsed"]), &json!(true)));
    group(0.3);
    let page = client.get("/v1/segments/lapsed/members?limit=1000").expect("a page");
    let more = controls(page["members"].as_array().expect("members"));
    assert!(more.len() > held.len() && held.is_subset(&more));
    let profile =
        client.get(&format!("/v1/profiles/id/{}", treated.lines().find(|id| !more.contains(*id)).expect("one")));
    assert_eq!(profile.expect("a profile").get("_control_groups"), None);

    // Without one everybody goes out again.
    let (status, answer) = ask(&client, "PATCH", "/v1/segments/lapsed", json!({"control_group": null}));
    assert_eq!((status, answer.get("control_group")), (200, None));
    assert_eq!(counts(&run(&client, "treated")), done([1_000, count, 1_000 - count, 0]));
    server.stop();
}

/// What a key may not see is in nothing that it has written, and no key leads what it may not see elsewhere.
#[test]
fn nobody_writes_out_what_they_may_not_see() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = start(folder.path());
    let client = server.client();
    people(&client, 10);
    put(&client, "/v1/data-model/attributes/spent", json!({"type": "number", "private": true}));
    connect(&client, &postgres);
    let key = |permissions: &[&str]| {
        let body = json!({"name": permissions.join(" "), "class": "private", "permissions": permissions});
        let (status, answer) = ask(&client, "POST", "/v1/admin/keys", body);
        assert!(matches!(status, 200 | 201), "{answer}");
        format!("Bearer {}", answer["secret"].as_str().expect("a secret"))
    };
    let answered = |key: &str, method: &str, path: &str, body: Value| {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut command = ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.url()));
        command = command.header("authorization", key).header("content-type", "application/json");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.run(command.body(body).expect("a request")).expect("an answer");
        let text = response.body_mut().read_to_string().expect("a text");
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        (response.status().as_u16(), answer)
    };
    let whole = |key: &str, method: &str, path: &str, body: Value| answered(key, method, path, body).1;
    let by = |key: &str, method: &str, path: &str, body: Value| {
        let (status, answer) = answered(key, method, path, body);
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let (configures, exports) = (key(&["read", "configure"]), key(&["read", "configure", "export"]));
    let own = json!({"connection": "crm-db", "table": "out", "columns": ["user_id", "spent"]});
    assert_eq!(by(&configures, "PUT", "/v1/activations/out", own.clone()), (403, "permission_missing".into()));
    assert_eq!(by(&exports, "PUT", "/v1/activations/out", own.clone()).0, 200);
    assert_eq!(by(&configures, "POST", "/v1/activations/out:run", Value::Null), (403, "permission_missing".into()));
    // Whoever has it run, it writes what the key sees that set it.
    assert_eq!(counts(&run(&client, "out")), done([10, 10, 0, 0]));
    assert_eq!(postgres.query("select count(user_id), count(spent) from out").trim(), "10|0");
    postgres.sql("drop table out");
    put(&client, "/v1/activations/out", own);
    assert_eq!(counts(&run(&client, "out")), done([10, 10, 0, 0]));
    assert_eq!(postgres.query("select count(user_id), count(spent) from out").trim(), "10|10");
    assert_eq!(by(&exports, "POST", "/v1/activations/out:run", Value::Null), (403, "activation_sees_more".into()));
    let elsewhere = json!({"kind": "postgres", "url": "postgres://tessera@127.0.0.1:1/elsewhere"});
    assert_eq!(by(&exports, "PUT", "/v1/connections/crm-db", elsewhere), (403, "activation_sees_more".into()));

    // What was written out is not read back by whoever may not see it, neither as rows nor as other attributes.
    let back =
        json!({"connection": "crm-db", "table": "out", "primary": {"column": "user_id", "namespace": "user_id"}});
    let preview = |key: &str| by(key, "POST", "/v1/sources:preview", back.clone());
    assert_eq!(preview(&key(&["configure"])), (403, "permission_missing".into()));
    assert_eq!(preview(&configures), (403, "permission_missing".into()));
    assert_eq!(preview(&exports), (403, "raw_hidden".into()));
    assert_eq!(preview(&key(&["configure", "export", "read_private"])), (200, String::new()));
    assert_eq!(by(&exports, "PUT", "/v1/sources/back", back.clone()), (403, "activation_sees_more".into()));
    assert_eq!(by(&key(&["configure", "read_private"]), "PUT", "/v1/sources/back", back).0, 200);

    // What names what a key may not see is as if it were not there.
    make(&client, Rule::Segment, "rich", "spent > 1");
    make(&client, Rule::Attribute, "twice", "spent * 2");
    until_active(&client, Rule::Segment, "rich");
    until_active(&client, Rule::Attribute, "twice");
    let activation = |segment: Value, columns: Value, table: &str| json!({"connection": "crm-db", "segment": segment, "columns": columns, "table": table});
    put(&client, "/v1/activations/rich", activation(json!("rich"), json!(["user_id"]), "rich"));
    put(&client, "/v1/activations/twice", activation(Value::Null, json!(["user_id", "twice"]), "twice"));
    for name in ["rich", "twice"] {
        let path = format!("/v1/activations/{name}");
        let not_there = (404, "activation_not_found".to_owned());
        assert_eq!(by(&exports, "GET", &path, Value::Null), not_there);
        assert_eq!(by(&exports, "POST", &format!("{path}:run"), Value::Null), not_there);
        assert_eq!(by(&exports, "DELETE", &path, Value::Null), not_there);
        let other = activation(Value::Null, json!(["user_id"]), "other");
        assert_eq!(by(&exports, "PUT", &path, other), not_there);
        let same = activation(Value::Null, json!(["user_id"]), name);
        let taken = (409, "activation_target_taken".to_owned());
        assert_eq!(by(&exports, "PUT", "/v1/activations/third", same), taken);
    }
    let listed = client.get("/v1/activations").expect("all");
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3), "who may see them is shown them");
    let listed = whole(&exports, "GET", "/v1/activations", Value::Null);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    for pql in ["spent > 1", "twice > 1", "inSegment(\"rich\")"] {
        let asked = json!({"pql": pql, "purpose": "condition", "profile": {"namespace": "user_id", "value": "u8"}});
        let found = by(&exports, "POST", "/v1/rules:evaluate", asked.clone());
        assert_eq!(found, (403, "rule_reads_hidden".into()), "{pql}");
        assert_eq!(client.post("/v1/rules:evaluate", asked.to_string().as_bytes())["value"], true, "{pql}");
    }

    // What was refused is kept as it came, private or not.
    client.send("POST", "/v1/batch", br#"{"batch":[{"type":"track","userId":"u1"}]}"#).expect("an answer");
    let entry = client.get("/v1/admin/quarantine").expect("the quarantine")["items"][0]["id"].clone();
    let entry = format!("/v1/admin/quarantine/{}", entry.as_str().expect("an id"));
    assert_eq!(by(&exports, "GET", &entry, Value::Null), (403, "raw_hidden".into()));
    assert_eq!(by(&key(&["configure", "export", "read_private"]), "GET", &entry, Value::Null).0, 200);
    server.stop();
}
