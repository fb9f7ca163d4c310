//! Sources in the binary: rows of a real PostgreSQL and of files become profiles, and stay true to what is there.

mod harness;

use std::fmt::Write as _;
use std::path::Path;

use harness::postgres::{PASSWORD, Postgres};
use harness::{Client, Server, ask, put, refused};
use serde_json::{Value, json};

/// Refreshes a source, and answers what came of it.
fn refresh(client: &Client, name: &str, how: Value) -> Value {
    let job = client.post(&format!("/v1/sources/{name}:refresh"), how.to_string().as_bytes());
    let id = job["id"].as_str().expect("an id");
    client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
    let own = client.get(&format!("/v1/sources/{name}")).expect("the source");
    let run = own["runs"][0].clone();
    assert_eq!(run["id"], id, "{own}");
    run
}

fn counts(run: &Value) -> (Value, [u64; 5]) {
    let number = |name: &str| run[name].as_u64().unwrap_or_else(|| panic!("{name}: {run}"));
    (run["status"].clone(), ["read", "changed", "unchanged", "evicted", "refused"].map(number))
}

fn done(expected: [u64; 5]) -> (Value, [u64; 5]) {
    (json!("done"), expected)
}

fn profile(client: &Client, id: &str) -> Option<Value> {
    client.get(&format!("/v1/profiles/id/{id}"))
}

#[test]
fn a_table_becomes_profiles_that_stay_true_to_it() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = Server::start_with(folder.path(), &[("TESSERA_SECRET_CRM", PASSWORD)]);
    let client = server.client();
    postgres.sql(
        "create table customers (id text, email text, city varchar(20), ltv numeric(38, 2), vip boolean, seen timestamptz,
            at timestamp, birthday date, score double precision, tags text[], prefs jsonb, photo bytea);
         insert into customers select 'U-' || n, 'u' || n || '@shop.example', 'Lyon', n * 1.10, n % 2 = 0,
            '2026-01-31 10:00:00+01', '2026-01-31 10:00:00', '1990-02-03', n / 4.0, array['a', 'b \"c\"', null],
            '{\"size\": {\"shoe\": 38}}', '\\x00ff' from generate_series(1, 10) n;",
    );
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    let shown = put(
        &client,
        "/v1/connections/crm",
        json!({"kind": "postgres", "url": url, "password": {"env": "TESSERA_SECRET_CRM"}}),
    );
    assert_eq!(shown["password"], json!({"env": "TESSERA_SECRET_CRM"}));
    let (status, tested) = ask(&client, "POST", "/v1/connections/crm:test", Value::Null);
    assert_eq!((status, &tested), (200, &json!({"ok": true, "tables": ["customers"]})));
    let source = json!({
        "connection": "crm", "sql": "select * from customers -- all of them",
        "rows": "profiles", "primary": {"column": "id", "namespace": "user_id"}, "identifiers": {"email": "email"},
        "audiences": ["vip"], "evict_max_share": 0.2
    });
    let (status, preview) = ask(&client, "POST", "/v1/sources:preview", source.clone());
    assert_eq!(status, 200, "{preview}");
    let become_: Vec<&str> =
        preview["columns"].as_array().expect("columns").iter().filter_map(|own| own["becomes"].as_str()).collect();
    assert_eq!(&become_[..5], ["primary", "identifier", "attribute", "attribute", "audience"]);
    assert_eq!(become_[11], "nothing");
    assert_eq!(preview["rows"].as_array().map(Vec::len), Some(10));
    put(&client, "/v1/sources/customers", source.clone());

    assert_eq!(counts(&refresh(&client, "customers", json!({}))), done([10, 10, 0, 0, 0]));
    let two = profile(&client, "U-2").expect("a profile");
    for (name, value) in [
        ("email", json!("u2@shop.example")),
        ("city", json!("Lyon")),
        ("ltv", json!(2.2)),
        ("at", json!("2026-01-31T10:00:00")),
        ("birthday", json!("1990-02-03")),
        ("score", json!(0.5)),
        ("tags", json!(["a", "b \"c\"", null])),
        ("prefs", json!({"size": {"shoe": 38}})),
    ] {
        assert_eq!(two[name], value, "{name}: {two}");
    }
    assert!(two["seen"].to_string().contains("2026-01-31T09:00:00Z"), "{two}");
    harness::rules::until_active(&client, harness::rules::Rule::Segment, "vip");
    assert_eq!(profile(&client, "U-2").expect("a profile")["_audiences"]["vip"], true);
    assert_eq!(profile(&client, "U-3").expect("a profile")["_audiences"]["vip"], false);
    assert_eq!(counts(&refresh(&client, "customers", json!({}))), done([10, 0, 10, 0, 0]));

    // A row changes, one goes, one comes, one has no id, one comes twice, one holds what is no value.
    postgres.sql(
        "update customers set city = null, email = 'new@shop.example', vip = false where id = 'U-2';
         delete from customers where id = 'U-5';
         insert into customers (id, score, ltv) values ('U-11', 'NaN', 123456789012345678901234567890.12), (null, 1, 1), ('U-1', 1, 1);",
    );
    let run = refresh(&client, "customers", json!({}));
    assert_eq!(counts(&run), done([12, 2, 8, 1, 2]), "{run}");
    let verdicts: Vec<(&str, &Value)> = run["verdicts"]
        .as_array()
        .expect("verdicts")
        .iter()
        .filter_map(|own| Some((own["code"].as_str()?, &own["column"])))
        .collect();
    for expected in [
        ("row_primary_null", &Value::Null),
        ("row_duplicate", &Value::Null),
        ("value_not_finite", &json!("score")),
        ("number_out_of_range", &json!("ltv")),
        ("value_binary", &json!("photo")),
    ] {
        assert!(verdicts.contains(&expected), "{expected:?} {verdicts:?}");
    }
    assert_eq!(profile(&client, "U-5"), None, "what is no more is evicted in the same refresh");
    assert_eq!(client.get("/v1/profiles/identifier/email/u5%40shop.example"), None);
    let two = profile(&client, "U-2").expect("a profile");
    assert_eq!((&two["email"], &two["city"]), (&json!("new@shop.example"), &Value::Null), "{two}");
    assert_eq!(client.get("/v1/profiles/identifier/email/u2%40shop.example"), None, "an old address finds nobody");
    assert_eq!(two["_audiences"]["vip"], false);

    // What is held back: too many that are gone, no rows at all, other columns.
    postgres
        .sql("delete from customers where id in ('U-6', 'U-7', 'U-8') or id is null or city is null and id = 'U-1';");
    let run = refresh(&client, "customers", json!({}));
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("source_evicts_too_many")), "{run}");
    assert!(profile(&client, "U-6").is_some());
    let run = refresh(&client, "customers", json!({"evict_max_share": 0.5}));
    assert_eq!(counts(&run), done([7, 0, 7, 3, 0]), "{run}");
    assert_eq!(profile(&client, "U-6"), None);
    postgres.sql("create table kept as select * from customers; delete from customers;");
    let run = refresh(&client, "customers", json!({}));
    assert_eq!(run["error"]["code"], "source_empty", "{run}");
    postgres.sql("insert into customers select * from kept; alter table customers drop column city;");
    let run = refresh(&client, "customers", json!({}));
    assert_eq!(run["error"]["code"], "source_columns_changed", "{run}");
    assert_eq!(profile(&client, "U-3").expect("a profile")["city"], "Lyon", "nothing was written");
    put(&client, "/v1/sources/customers", source);
    assert_eq!(counts(&refresh(&client, "customers", json!({}))), done([7, 7, 0, 0, 0]));
    assert_eq!(profile(&client, "U-3").expect("a profile")["city"], Value::Null);

    // A source that is gone evicts nobody, and the next run ends right.
    postgres.end();
    let run = refresh(&client, "customers", json!({}));
    assert_eq!(run["error"]["code"], "connection_unreachable", "{run}");
    assert_eq!(
        refused(&client, "POST", "/v1/connections/crm:test", Value::Null),
        (503, "connection_unreachable".into())
    );
    assert!(profile(&client, "U-3").is_some());
    postgres.begin();
    assert_eq!(counts(&refresh(&client, "customers", json!({}))), done([7, 0, 7, 0, 0]));
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

#[test]
fn what_a_database_cannot_answer_is_told_clearly() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server =
        Server::start_with(folder.path(), &[("TESSERA_SECRET_CRM", PASSWORD), ("TESSERA_SECRET_WRONG", "wrong")]);
    let client = server.client();
    postgres.sql("create table t (id int, v int); insert into t select n, n from generate_series(1, 2000) n;");
    let connect = |name: &str, url: String, password: &str| {
        put(
            &client,
            &format!("/v1/connections/{name}"),
            json!({"kind": "postgres", "url": url, "password": {"env": password}}),
        );
    };
    let host = format!("127.0.0.1:{}", postgres.port);
    connect("db", format!("postgres://tessera@{host}/postgres"), "TESSERA_SECRET_CRM");
    connect("wrong", format!("postgres://tessera@{host}/postgres"), "TESSERA_SECRET_WRONG");
    connect("unset", format!("postgres://tessera@{host}/postgres"), "TESSERA_SECRET_NONE");
    connect("other", format!("postgres://tessera@{host}/none"), "TESSERA_SECRET_CRM");
    connect("tls", format!("postgres://tessera@{host}/postgres?sslmode=require"), "TESSERA_SECRET_CRM");
    for (name, status, code) in [
        ("wrong", 400, "connection_unauthorized"),
        ("unset", 409, "secret_missing"),
        ("other", 400, "connection_database_unknown"),
        ("tls", 400, "connection_tls_failed"),
        ("none", 404, "connection_not_found"),
    ] {
        assert_eq!(
            refused(&client, "POST", &format!("/v1/connections/{name}:test"), Value::Null),
            (status, code.into())
        );
    }
    let columns: Vec<String> = (0..600).map(|at| format!("c{at} int")).collect();
    postgres.sql(&format!("create table wide ({});", columns.join(", ")));
    for (sql, code) in [
        ("select id, id from t", "source_columns_duplicate"),
        ("select * from none", "source_table_unknown"),
        ("nothing at all", "source_query_invalid"),
        ("select 1 as id; drop table t", "source_query_invalid"),
        ("insert into t values (1, 1) returning id", "source_query_invalid"),
        ("update t set v = 1", "source_columns_missing"),
        ("select id, 1 / (v - 1) as x from t", "source_query_failed"),
        ("select 'ann@shop'::text::regclass as id from t", "source_table_unknown"),
        ("select v from t", "source_column_unknown"),
        ("select '[]'::jsonb as id", "source_column_unfit"),
        ("select one.*, other.* from wide one, wide other", "source_too_many_columns"),
    ] {
        let source = json!({"connection": "db", "sql": sql, "primary": {"column": "id", "namespace": "user_id"}});
        let (_, answer) = ask(&client, "POST", "/v1/sources:preview", source);
        assert_eq!(answer["error"]["code"], code, "{sql}");
        assert!(!answer.to_string().contains("ann@"), "no value of a row is told: {answer}");
    }
    // One that fails half-way: what it wrote stays, nothing is taken back.
    let source =
        |sql: &str| json!({"connection": "db", "sql": sql, "primary": {"column": "id", "namespace": "user_id"}});
    put(&client, "/v1/sources/t", source("select * from t"));
    assert_eq!(counts(&refresh(&client, "t", json!({}))), done([2000, 2000, 0, 0, 0]));
    put(&client, "/v1/sources/t", source("select id, 1 / (1900 - id) as v from t where id <> 7"));
    let run = refresh(&client, "t", json!({}));
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("source_query_failed")), "{run}");
    assert!(run["changed"].as_u64() > Some(0) && profile(&client, "7").is_some(), "{run}");
    assert!(!run.to_string().contains("1900"), "no value of a row is told: {run}");
}

#[test]
fn a_connection_is_encrypted_where_that_is_asked() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let secrets = tempfile::tempdir().expect("a folder");
    postgres.end();
    std::fs::write(secrets.path().join("ca.pem"), postgres.encrypt()).expect("a file");
    std::fs::write(secrets.path().join("password"), format!("{PASSWORD}\n")).expect("a file");
    postgres.begin();
    let server = Server::start_with(
        folder.path(),
        &[("TESSERA_SECRETS_DIR", secrets.path().to_str().expect("a path in UTF-8"))],
    );
    let client = server.client();
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    let connect = |name: &str, url: &str, ca: Value| {
        let body = json!({"kind": "postgres", "url": url, "password": {"file": "password"}, "ca": ca});
        let shown = put(&client, &format!("/v1/connections/{name}"), body);
        assert_eq!((&shown["ca"], &shown["password"]), (&ca, &json!({"file": "password"})));
    };
    let required = format!("{url}?sslmode=require");
    connect("known", &required, json!({"file": "ca.pem"}));
    connect("unknown", &required, Value::Null);
    connect("plain", &url, Value::Null);
    connect("other", &required.replace("127.0.0.1", "localhost"), json!({"file": "ca.pem"}));
    connect("none", &required, json!({"file": "password"}));
    let is_encrypted = |connection: &str| {
        let sql = "select 'x' as id, ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let source = json!({"connection": connection, "sql": sql, "primary": {"column": "id", "namespace": "user_id"}});
        ask(&client, "POST", "/v1/sources:preview", source).1["rows"][0]["ssl"].clone()
    };
    assert_eq!((is_encrypted("known"), is_encrypted("plain")), (json!(true), json!(false)));
    for (name, code) in
        [("unknown", "connection_tls_failed"), ("other", "connection_tls_failed"), ("none", "connection_ca_invalid")]
    {
        let found = refused(&client, "POST", &format!("/v1/connections/{name}:test"), Value::Null);
        assert_eq!(found, (400, code.to_owned()), "{name}");
    }
}

/// Writes so many people, but for those that are left out.
fn people(file: &Path, count: usize, without: &[usize], city: &str) {
    let mut text = String::from("id,email,city,zip,orders,vip\n");
    for at in (1..=count).filter(|at| !without.contains(at)) {
        writeln!(text, "F-{at},f{at}@shop.example,{city},{:05},{at},{}", at * 10, at % 2 == 0)
            .expect("a text takes everything");
    }
    std::fs::write(file, text).expect("a file");
}

#[test]
fn files_become_profiles_that_outlive_kills() {
    let (folder, files) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let server = Server::start(folder.path());
    let client = server.client();
    people(&files.path().join("people-1.csv"), 3_000, &[], "Lyon");
    put(
        &client,
        "/v1/connections/files",
        json!({"kind": "files", "url": format!("file://{}", files.path().display())}),
    );
    let (_, tested) = ask(&client, "POST", "/v1/connections/files:test", Value::Null);
    assert_eq!(tested["tables"], json!(["people-1.csv"]));
    let source = json!({
        "connection": "files", "table": "people-*.csv", "primary": {"column": "id", "namespace": "user_id"},
        "identifiers": {"email": "email"}, "audiences": ["vip"], "types": {"zip": "text"}
    });
    put(&client, "/v1/sources/people", source.clone());
    assert_eq!(counts(&refresh(&client, "people", json!({}))), done([3000, 3000, 0, 0, 0]));
    let one = profile(&client, "F-1").expect("a profile");
    assert_eq!((&one["zip"], &one["orders"], &one["city"]), (&json!("00010"), &json!(1), &json!("Lyon")), "{one}");

    // What another source says of the same people stays.
    let record = json!({"dataset": "web", "records": [
        {"id": "r1", "identities": [{"namespace": "user_id", "value": "F-2"}], "attributes": {"plan": "gold"}}]});
    client.post("/v1/records", record.to_string().as_bytes());
    people(&files.path().join("people-1.csv"), 3_000, &[1, 2], "Paris");
    let job = client.post("/v1/sources/people:refresh", b"{}");
    let again = refused(&client, "POST", "/v1/sources/people:refresh", json!({}));
    assert!(again == (409, "source_refreshing".into()) || again.0 == 202, "{again:?}");
    server.kill();
    let server = Server::start(folder.path());
    let client = server.client();
    let path = format!("/v1/jobs/{}/watch", job["id"].as_str().expect("an id"));
    let job = client.listen(&path).last().expect("an event");
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(profile(&client, "F-1"), None);
    let two = profile(&client, "F-2").expect("what others say stays");
    assert_eq!((&two["plan"], &two["city"], &two["email"]), (&json!("gold"), &Value::Null, &Value::Null), "{two}");
    assert_eq!(profile(&client, "F-3000").expect("a profile")["city"], "Paris");

    // A deleted source is refreshed no more; what it said stays until its dataset is erased.
    let (status, _) = ask(&client, "DELETE", "/v1/connections/files", Value::Null);
    assert_eq!(status, 409);
    assert_eq!(ask(&client, "DELETE", "/v1/sources/people", Value::Null).0, 204);
    assert_eq!(ask(&client, "DELETE", "/v1/connections/files", Value::Null).0, 204);
    assert!(profile(&client, "F-3").is_some());
    assert_eq!(refused(&client, "POST", "/v1/sources/people:refresh", json!({})), (404, "source_not_found".into()));
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

#[test]
fn rows_that_are_events_come_change_and_go() {
    let (folder, files) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let server = Server::start(folder.path());
    let client = server.client();
    let file = files.path().join("orders.jsonl");
    let write = |lines: &[Value]| {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(&file, text.join("\n")).expect("a file");
    };
    let order = |id: &str, of: &str, total: f64| json!({"id": id, "of": of, "at": "2026-01-31T10:00:00Z", "total": total, "lines": [{"sku": "a"}]});
    let mut orders = vec![order("o1", "E-1", 10.5), order("o2", "E-1", 4.5), order("o3", "E-2", 7.0)];
    write(&orders);
    put(
        &client,
        "/v1/connections/files",
        json!({"kind": "files", "url": format!("file://{}", files.path().display())}),
    );
    harness::rules::make(
        &client,
        harness::rules::Rule::Attribute,
        "revenue",
        r#"xEvent[eventType = "Order Completed"].sum(properties.total)"#,
    );
    harness::rules::until_active(&client, harness::rules::Rule::Attribute, "revenue");
    let source = json!({
        "connection": "files", "table": "orders.jsonl", "rows": "events", "primary": {"column": "of", "namespace": "user_id"},
        "event": {"name": "Order Completed", "time": "at", "id": "id"}, "evict_max_share": 0.5
    });
    put(&client, "/v1/sources/orders", source);
    assert_eq!(counts(&refresh(&client, "orders", json!({}))), done([3, 3, 0, 0, 0]));
    let revenue = |id: &str| profile(&client, id).map(|own| own["revenue"].clone());
    assert_eq!(revenue("E-1"), Some(json!(15)));
    let events = |id: &str| client.get(&format!("/v1/profiles/id/{id}/events")).expect("a timeline")["events"].clone();
    assert_eq!(events("E-1").as_array().map(Vec::len), Some(2));

    // One changes, one moves to somebody else, one goes, one has no time, one no id.
    orders[0] = order("o1", "E-1", 20.0);
    orders[1] = order("o2", "E-2", 4.5);
    orders.remove(2);
    orders.push(json!({"id": "o4", "of": "E-1", "at": "soon"}));
    orders.push(json!({"of": "E-1", "at": "2026-01-31T10:00:00Z"}));
    write(&orders);
    let run = refresh(&client, "orders", json!({}));
    assert_eq!(counts(&run), done([4, 2, 0, 1, 2]), "{run}");
    assert_eq!((revenue("E-1"), revenue("E-2")), (Some(json!(20)), Some(json!(4.5))));
    assert_eq!(events("E-1").as_array().map(Vec::len), Some(1));
    write(&orders[..1]);
    assert_eq!(counts(&refresh(&client, "orders", json!({}))), done([1, 0, 1, 1, 0]));
    assert_eq!(revenue("E-2"), None, "who had no other event is nobody");
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

#[test]
fn a_password_is_sealed_and_shown_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n").expect("a file");
    let data = folder.path().join("data");
    let connection = json!({"kind": "postgres", "url": "postgres://ann:hunter2-is-secret@127.0.0.1:1/db"});
    {
        let server = Server::start(&data);
        let found = refused(&server.client(), "PUT", "/v1/connections/crm", connection.clone());
        assert_eq!(found, (409, "secrets_key_missing".into()));
        server.stop();
    }
    let server = Server::start_with(&data, &[("TESSERA_SECRETS_KEY_FILE", key.to_str().expect("a path in UTF-8"))]);
    let shown = put(&server.client(), "/v1/connections/crm", connection);
    assert_eq!(shown["url"], "postgres://ann@127.0.0.1:1/db");
    assert_eq!(shown["password"], "***");
    let (_, listed) = ask(&server.client(), "GET", "/v1/connections", Value::Null);
    assert!(!listed.to_string().contains("hunter2"), "{listed}");
    assert_eq!(
        refused(&server.client(), "POST", "/v1/connections/crm:test", Value::Null),
        (503, "connection_unreachable".into())
    );
    server.stop();
    let mut files = vec![data];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            assert!(!bytes.windows(7).any(|own| own == b"hunter2"), "{} holds the password", path.display());
        }
    }
}

/// The example of a warehouse, twice: the second time nothing has changed.
#[test]
fn the_example_of_a_warehouse_does_what_it_says() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = Server::start_with(folder.path(), &[("TESSERA_SECRET_SHOP", PASSWORD)]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sql/customers.sh");
    for counts in ["\"read\":2 \"changed\":2 \"unchanged\":0", "\"read\":2 \"changed\":0 \"unchanged\":2"] {
        let output = std::process::Command::new("bash")
            .arg(&example)
            .env("PATH", postgres.path())
            .envs([("TESSERA_URL", server.url()), ("TESSERA_KEY", harness::KEY), ("PGPASSWORD", PASSWORD)])
            .env("DATABASE_URL", format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port))
            .output()
            .expect("bash is there");
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{error}");
        let profile = "a row as a profile: \"user_id\":\"sql-1\" \"city\":\"Lyon\" \"lifetime_value\":512.3";
        assert!(out.contains(counts) && out.contains(profile), "{out}");
    }
}

/// What the guide to warehouses says, pasted beside the database that it speaks of.
#[test]
fn the_guide_to_warehouses_works_when_pasted() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let server = Server::start_with(folder.path(), &[("TESSERA_SECRET_CRM", PASSWORD)]);
    postgres.sql(
        "create table customers (customer_id text, email text, city text, ltv numeric, high_spenders boolean);
         insert into customers values ('U-20417', 'ann@shop.example', 'Lyon', 512.30, true)",
    );
    let guide = include_str!("../../../docs/guide/warehouse.md");
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end"));
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    let pasted = blocks.collect::<Vec<_>>().join("\n").replace("postgres://tessera@db.internal:5432/shop", &url);
    let lake = tempfile::tempdir().expect("a folder");
    let pasted = pasted.replace("/var/data/lake", lake.path().to_str().expect("UTF-8"));
    let script = format!("set -euo pipefail\ncurl() {{ command curl -sS --fail-with-body \"$@\" && echo; }}\n{pasted}");
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(lake.path())
        .envs([("URL", server.url()), ("KEY", harness::KEY)])
        .output()
        .expect("bash is there");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    for part in ["\"ok\":true,\"tables\":[\"customers\"]", "\"read\":1", "\"user_id\":\"U-20417\"", "\"ltv\":512.3"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}
