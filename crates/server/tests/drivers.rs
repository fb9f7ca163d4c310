//! Sources over databases that are asked by ADBC drivers, in the binary: SQLite's, PostgreSQL's, and DuckDB's over a folder.

mod harness;

use harness::postgres::{PASSWORD, Postgres};
use harness::{Client, Server, ask, put, warehouse};
use serde_json::{Value, json};

/// Refreshes a source: its status, and what was read, changed, unchanged and evicted.
fn refresh(client: &Client, name: &str) -> (String, [u64; 4]) {
    let job = client.post(&format!("/v1/sources/{name}:refresh"), b"{}");
    let id = job["id"].as_str().expect("an id");
    client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
    let run = client.get(&format!("/v1/sources/{name}")).expect("the source")["runs"][0].clone();
    let number = |name: &str| run[name].as_u64().unwrap_or_else(|| panic!("{name}: {run}"));
    assert_eq!(run["error"], Value::Null, "{run}");
    (run["status"].as_str().unwrap_or_default().to_owned(), ["read", "changed", "unchanged", "evicted"].map(number))
}

fn source(connection: &str, sql: &str) -> Value {
    json!({ "connection": connection, "sql": sql, "primary": { "column": "id", "namespace": "user_id" }, "evict_max_share": 0.5 })
}

#[test]
fn rows_of_a_driver_become_profiles_that_stay_true_to_them() {
    let (folder, files) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let file = files.path().join("shop.db");
    let database = rusqlite::Connection::open(&file).expect("a database");
    let rows = "create table customers (id text, city text, orders integer);
        insert into customers values ('D-1', 'Lyon', 3), ('D-2', 'Paris', 4), ('D-3', null, null);";
    database.execute_batch(rows).expect("statements");
    let server = Server::start(folder.path());
    let client = server.client();
    let driver = warehouse::driver("libadbc_driver_sqlite.so");
    let connection = json!({ "kind": "adbc", "driver": driver, "options": { "uri": file } });
    let shown = put(&client, "/v1/connections/shop", &connection);
    assert_eq!(
        (&shown["driver"], &shown["options"]["uri"], &shown["url"]),
        (&json!(driver), &json!(file), &Value::Null)
    );
    let (status, tested) = ask(&client, "POST", "/v1/connections/shop:test", &Value::Null);
    assert_eq!((status, &tested["tables"]), (200, &json!(["customers"])), "{tested}");
    put(&client, "/v1/sources/customers", source("shop", "select * from customers"));
    assert_eq!(refresh(&client, "customers"), ("done".into(), [3, 3, 0, 0]));
    let one = client.get("/v1/profiles/id/D-1").expect("a profile");
    assert_eq!((&one["city"], &one["orders"]), (&json!("Lyon"), &json!(3)), "{one}");
    database
        .execute_batch("delete from customers where id = 'D-3'; update customers set city = 'Nice' where id = 'D-1';")
        .expect("statements");
    assert_eq!(refresh(&client, "customers"), ("done".into(), [2, 1, 1, 1]));
    assert_eq!(client.get("/v1/profiles/id/D-3"), None);
    assert_eq!(client.get("/v1/profiles/id/D-1").expect("a profile")["city"], "Nice");
    server.stop();
    harness::run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

#[test]
fn postgresql_answers_by_its_driver_and_says_clearly_when_it_does_not() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), Postgres::start());
    let host = format!("127.0.0.1:{}/postgres", postgres.port);
    let encoded = PASSWORD.replace('@', "%40").replace('/', "%2F").replace(':', "%3A");
    let (right, wrong) = (format!("postgres://tessera:{encoded}@{host}"), format!("postgres://tessera:wrong@{host}"));
    let settings = [("TESSERA_SECRET_RIGHT", &*right), ("TESSERA_SECRET_WRONG", &*wrong)];
    let server = Server::start_with(folder.path(), &settings);
    let client = server.client();
    postgres.sql(
        "create table customers (id text, n bigint, seen timestamptz, tags text[], photo bytea, score double precision);
         insert into customers values ('P-1', 1, '2026-01-31 10:00:00+01', array['a', null], '\\x00ff', 0.5), ('P-2', 2, null, null, null, 'NaN');",
    );
    let driver = warehouse::driver("libadbc_driver_postgresql.so");
    let connection =
        |secret: &str| json!({ "kind": "adbc", "driver": driver, "options": { "uri": { "env": secret } } });
    put(&client, "/v1/connections/crm", connection("TESSERA_SECRET_RIGHT"));
    put(&client, "/v1/connections/wrong", connection("TESSERA_SECRET_WRONG"));
    let (status, tested) = ask(&client, "POST", "/v1/connections/crm:test", &Value::Null);
    assert_eq!((status, &tested["tables"]), (200, &json!(["customers"])), "{tested}");
    put(&client, "/v1/sources/customers", source("crm", "select * from customers -- all"));
    assert_eq!(refresh(&client, "customers"), ("done".into(), [2, 2, 0, 0]));
    let one = client.get("/v1/profiles/id/P-1").expect("a profile");
    assert_eq!((&one["n"], &one["tags"], &one["score"]), (&json!(1), &json!(["a", null]), &json!(0.5)), "{one}");
    assert!(one["seen"].to_string().contains("2026-01-31T09:00:00Z"), "{one}");
    assert_eq!(client.get("/v1/profiles/id/P-2").expect("a profile")["score"], Value::Null);
    let (_, refused) = ask(&client, "POST", "/v1/connections/wrong:test", &Value::Null);
    let code = refused["error"]["code"].as_str().unwrap_or_default();
    assert!(["connection_unauthorized", "connection_unreachable"].contains(&code), "{refused}");
    assert!(!refused.to_string().contains("wrong@"), "{refused}");
    for (sql, code) in [
        ("select * from none", "source_table_unknown"),
        ("choose 1", "source_query_invalid"),
        ("select 1 as id; drop table customers", "source_query_invalid"),
        ("delete from customers returning id", "source_query_invalid"),
        ("with gone as (delete from customers returning id) select * from gone", "source_query_invalid"),
        ("select id, id from customers", "source_columns_duplicate"),
    ] {
        let (_, answer) = ask(&client, "POST", "/v1/sources:preview", source("crm", sql));
        assert_eq!(answer["error"]["code"], code, "{sql}: {answer}");
    }
    postgres.end();
    let (status, lost) = ask(&client, "POST", "/v1/connections/crm:test", &Value::Null);
    assert_eq!((status, &lost["error"]["code"]), (503, &json!("connection_unreachable")), "{lost}");
    assert!(!lost.to_string().contains(&encoded), "{lost}");
}

#[test]
fn sql_over_a_folder_takes_an_engine_that_the_operator_named() {
    let (folder, files) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    std::fs::write(files.path().join("people.csv"), "id,city\nS-1,Lyon\nS-2,Paris\n").expect("a file");
    std::fs::write(files.path().join("orders.csv"), "of,total\nS-1,10\nS-1,5\n").expect("a file");
    let at = files.path().canonicalize().expect("a path");
    let at = at.to_str().expect("a path in UTF-8");
    let sql = format!(
        "select p.*, (select sum(total) from '{at}/orders.csv' where of = p.id) as total from '{at}/people.csv' p"
    );
    let connection = json!({ "kind": "files", "url": format!("file://{at}") });
    {
        let server = Server::start(folder.path());
        put(&server.client(), "/v1/connections/files", &connection);
        let (_, answer) = ask(&server.client(), "POST", "/v1/sources:preview", source("files", &sql));
        assert_eq!(answer["error"]["code"], "source_sql_unsupported", "{answer}");
        server.stop();
    }
    let library = warehouse::driver("libduckdb.so");
    let server = Server::start_with(folder.path(), &[("TESSERA_DUCKDB_DRIVER", library.to_str().expect("a path"))]);
    let client = server.client();
    put(&client, "/v1/sources/people", source("files", &sql));
    assert_eq!(refresh(&client, "people"), ("done".into(), [2, 2, 0, 0]));
    assert_eq!(client.get("/v1/profiles/id/S-1").expect("a profile")["total"], 15);
    let outside = source("files", "select content as id from read_text('/etc/passwd')");
    let (_, answer) = ask(&client, "POST", "/v1/sources:preview", &outside);
    assert_eq!(answer["error"]["code"], "source_query_invalid", "{answer}");
    server.stop();
}

/// A database that does not come to an answer: the refresh ends within its bound, says so, and evicts nobody.
#[test]
fn a_source_that_hangs_ends_within_its_bound() {
    let (folder, files, postgres) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"), Postgres::start());
    let file = files.path().join("shop.db");
    let database = rusqlite::Connection::open(&file).expect("a database");
    database.execute_batch("create table t (id text); insert into t values ('H-1'), ('H-2');").expect("statements");
    postgres.sql("create table t (id text); insert into t values ('P-1'), ('P-2');");
    let settings = [("TESSERA_SECRET_CRM", PASSWORD), ("TESSERA_SOURCE_ANSWER_SECS", "1")];
    let server = Server::start_with(folder.path(), &settings);
    let client = server.client();
    let driver = warehouse::driver("libadbc_driver_sqlite.so");
    put(&client, "/v1/connections/lite", json!({ "kind": "adbc", "driver": driver, "options": { "uri": file } }));
    let url = format!("postgres://tessera@127.0.0.1:{}/postgres", postgres.port);
    let connection = json!({ "kind": "postgres", "url": url, "password": { "env": "TESSERA_SECRET_CRM" } });
    put(&client, "/v1/connections/crm", connection);
    let endless = "select id from t where (with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000000) \
                   select count(*) from n) > 0";
    for (connection, person, hanging) in
        [("lite", "H-1", endless), ("crm", "P-1", "select id from t where pg_sleep(20) is not null")]
    {
        put(&client, "/v1/sources/t", source(connection, "select id from t"));
        assert_eq!(refresh(&client, "t").0, "done");
        let mut slow = source(connection, hanging);
        slow["evict_max_share"] = json!(1.0);
        put(&client, "/v1/sources/t", &slow);
        let job = client.post("/v1/sources/t:refresh", b"{}");
        let id = job["id"].as_str().expect("an id");
        client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
        let run = client.get("/v1/sources/t").expect("the source")["runs"][0].clone();
        assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("source_timeout")), "{run}");
        assert!(client.get(&format!("/v1/profiles/id/{person}")).is_some(), "nobody was evicted");
        let (status, _) = ask(&client, "DELETE", "/v1/sources/t", &Value::Null);
        assert_eq!(status, 204);
    }
    server.stop();
}

/// Snowflake's own driver, against what its emulator knows of it. Listing tables is more than that does.
#[test]
fn snowflakes_driver_brings_rows() {
    let (folder, mut snowflake) = (tempfile::tempdir().expect("a folder"), warehouse::Snowflake::start());
    snowflake.sql("create or replace table customers (id text, city text, ltv number(38, 2), score float, vip boolean, born date, seen timestamp_tz)");
    snowflake.sql(
        "insert into customers values ('W-1', 'Lyon', 12345678901234567890.50, 0.5, true, '2026-01-31', '2026-01-31 09:00:00+00'),
             ('W-2', null, null, null, null, null, '2026-01-31 09:00:00+00'), ('W-3', 'x', 1, 1, false, '2026-01-31', '2026-01-31 09:00:00+00')",
    );
    let server = Server::start_with(folder.path(), &[("TESSERA_SECRET_SNOW", "p")]);
    let client = server.client();
    let driver = warehouse::driver("libadbc_driver_snowflake.so");
    let connection = json!({ "kind": "adbc", "driver": driver, "options": snowflake.options("TESSERA_SECRET_SNOW") });
    put(&client, "/v1/connections/snow", connection);
    let mut source = source("snow", "select * from customers");
    source["primary"]["column"] = json!("ID");
    put(&client, "/v1/sources/customers", &source);
    assert_eq!(refresh(&client, "customers"), ("done".into(), [3, 3, 0, 0]));
    let one = client.get("/v1/profiles/id/W-1").expect("a profile");
    let shown = ["CITY", "SCORE", "VIP", "BORN"].map(|name| one[name].clone());
    assert_eq!(shown, [json!("Lyon"), json!(0.5), json!(true), json!("2026-01-31")], "{one}");
    assert!(one["LTV"].to_string().starts_with("12345678901234567890.5"), "{one}");
    assert!(one["SEEN"].to_string().contains("2026-01-31T09:00:00Z"), "{one}");
    let two = client.get("/v1/profiles/id/W-2").expect("a profile");
    assert_eq!((&two["CITY"], &two["LTV"], &two["BORN"]), (&Value::Null, &Value::Null, &Value::Null), "{two}");
    snowflake.sql("delete from customers where id = 'W-3'");
    snowflake.sql("update customers set city = 'Nice' where id = 'W-2'");
    assert_eq!(refresh(&client, "customers"), ("done".into(), [2, 1, 1, 1]));
    assert_eq!(client.get("/v1/profiles/id/W-3"), None);
    // What it cannot answer is told.
    source["sql"] = json!("select id from nowhere");
    let (status, answer) = ask(&client, "POST", "/v1/sources:preview", &source);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("source_table_unknown")), "{answer}");
    server.stop();
}
