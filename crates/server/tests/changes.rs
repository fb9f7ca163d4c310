//! Changes of tables in the binary: what is committed in a real PostgreSQL stands in profiles within seconds, without a refresh, and whatever
//! happens to either of them.

mod harness;

use std::time::Duration;

use harness::postgres::{PASSWORD, Postgres};
use harness::{Client, Server, ask, put, refused};
use serde_json::{Value, json};

/// Waits until something is so, and no longer than 30 seconds.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_500 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("not within 30 seconds: {what}");
}

/// Refreshes a source as soon as no other refresh of it goes on, and answers what came of it.
fn refresh(client: &Client, name: &str, how: Value) -> Value {
    let mut job = Value::Null;
    until("it is refreshed", || {
        let (status, answer) = ask(client, "POST", &format!("/v1/sources/{name}:refresh"), how.clone());
        assert!(status == 202 || status == 409 && answer["error"]["code"] == "source_refreshing", "{answer}");
        job = answer;
        status == 202
    });
    let id = job["id"].as_str().expect("an id");
    client.listen(&format!("/v1/jobs/{id}/watch")).last().expect("an event");
    let own = client.get(&format!("/v1/sources/{name}")).expect("the source");
    let runs = own["runs"].as_array().expect("runs");
    runs.iter().find(|run| run["id"] == id).unwrap_or_else(|| panic!("{own}")).clone()
}

fn counts(run: &Value) -> [u64; 5] {
    assert_eq!(run["status"], "done", "{run}");
    ["read", "changed", "unchanged", "evicted", "refused"].map(|name| run[name].as_u64().expect("a number"))
}

fn profile(client: &Client, id: &str) -> Option<Value> {
    client.get(&format!("/v1/profiles/id/{id}"))
}

fn changes(client: &Client, name: &str) -> Value {
    client.get(&format!("/v1/sources/{name}")).expect("the source")["changes"].clone()
}

fn until_following(client: &Client, name: &str) {
    until("its changes are followed", || changes(client, name)["status"] == "following");
}

/// A server, a PostgreSQL and a connection between them.
struct World {
    folder: tempfile::TempDir,
    postgres: Postgres,
}

impl World {
    fn start() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), postgres: Postgres::start() }
    }

    fn serve(&self) -> Server {
        Server::start_with(self.folder.path(), &[("TESSERA_SECRET_CRM", PASSWORD)])
    }

    fn connect(&self, client: &Client, user: &str) {
        let url = format!("postgres://{user}@127.0.0.1:{}/postgres", self.postgres.port);
        let connection = json!({"kind": "postgres", "url": url, "password": {"env": "TESSERA_SECRET_CRM"}});
        put(client, "/v1/connections/crm", connection);
    }

    fn check(&self) {
        harness::run_ok(&["check", "--data", self.folder.path().to_str().expect("a path in UTF-8")]);
    }

    fn slots(&self) -> String {
        self.postgres.query("select count(*) from pg_replication_slots").trim().to_owned()
    }
}

/// A transaction that stays open keeps the database's log for the slot, while its changes are followed.
#[test]
fn a_log_that_grows_for_a_slot_is_told() {
    let world = World::start();
    let postgres = &world.postgres;
    // A new file of the log is a hole then, and a gibibyte of them takes no room.
    postgres.end();
    postgres.set("wal_init_zero = off");
    postgres.begin();
    let server = world.serve();
    let client = server.client();
    world.connect(&client, "tessera");
    postgres.sql(
        "create table customers (id text primary key); create table others (id int); create publication tessera for table customers",
    );
    put(&client, "/v1/sources/customers", followed("customers", "id"));
    refresh(&client, "customers", json!({}));
    until_following(&client, "customers");
    let held = postgres.hold("begin; insert into others values (1);\n");
    let open = "select count(*) from pg_stat_activity where state = 'idle in transaction' and backend_xid is not null";
    until("the transaction is open", || postgres.query(open).trim() == "1");
    postgres.sql(&"select pg_logical_emit_message(false, 'x', 'y'); select pg_switch_wal();\n".repeat(65));
    postgres.sql("insert into customers values ('U-1')");
    until("it is told", || changes(&client, "customers")["error"]["code"] == "source_slot_lagging");
    until("changes are followed all the same", || profile(&client, "U-1").is_some());
    let shown = changes(&client, "customers");
    assert!(shown["lag_bytes"].as_u64() > Some(1 << 30), "{shown}");
    assert_eq!(shown["status"], "following", "{shown}");
    drop(held);
    server.stop();
}

fn followed(table: &str, key: &str) -> Value {
    json!({"connection": "crm", "table": table, "primary": {"column": key, "namespace": "user_id"}, "changes": {"publication": "tessera"}})
}

#[test]
fn what_is_committed_stands_in_profiles_without_a_refresh() {
    let world = World::start();
    let (postgres, server) = (&world.postgres, world.serve());
    let client = server.client();
    world.connect(&client, "tessera");
    postgres.sql(
        "create table customers (id text primary key, email text, vip boolean, city text, note text);
         alter table customers alter column note set storage external;
         insert into customers select 'U-' || n, 'u' || n || '@shop.example', n % 2 = 0, 'Lyon', repeat('x', 9000) from generate_series(1, 20) n;
         create table others (id int primary key);
         create publication tessera for table customers, others;",
    );
    let mut source = followed("customers", "id");
    source["identifiers"] = json!({"email": "email"});
    source["audiences"] = json!(["vip"]);
    let (status, preview) = ask(&client, "POST", "/v1/sources:preview", source.clone());
    assert_eq!((status, preview["columns"].as_array().map(Vec::len)), (200, Some(5)), "{preview}");
    let shown = put(&client, "/v1/sources/customers", source.clone());
    assert_eq!(
        (&shown["changes"]["status"], &shown["changes"]["publication"]),
        (&json!("starting"), &json!("tessera"))
    );
    assert_eq!(world.slots(), "0", "there is none before a refresh");
    assert_eq!(counts(&refresh(&client, "customers", json!({}))), [20, 20, 0, 0, 0]);
    until_following(&client, "customers");
    assert_eq!(world.slots(), "1");

    // One that comes, one that changes, one that goes, one that gets another key, one whose long text is not told.
    postgres.sql(
        "insert into customers values ('U-21', 'u21@shop.example', true, 'Paris', 'short');
         update customers set city = null, email = 'new@shop.example', vip = false where id = 'U-2';
         delete from customers where id = 'U-3';
         update customers set id = 'U-40' where id = 'U-4';
         update customers set city = 'Nice' where id = 'U-5';
         insert into others select generate_series(1, 5000);",
    );
    // What goes is taken away behind what is written.
    until("the last change is there, and who is gone is gone", || {
        let is_nice = profile(&client, "U-5").is_some_and(|own| own["city"] == "Nice");
        is_nice && ["U-3", "U-4"].iter().all(|id| profile(&client, id).is_none())
    });
    let five = profile(&client, "U-5").expect("a profile");
    assert_eq!(five["note"].as_str().map(str::len), Some(9_000), "what was not told stays");
    assert_eq!(profile(&client, "U-21").expect("a profile")["email"], "u21@shop.example");
    let two = profile(&client, "U-2").expect("a profile");
    assert_eq!(
        (&two["email"], &two["city"], &two["_audiences"]["vip"]),
        (&json!("new@shop.example"), &Value::Null, &json!(false))
    );
    assert_eq!(client.get("/v1/profiles/identifier/email/u2%40shop.example"), None);
    assert_eq!((profile(&client, "U-3"), profile(&client, "U-4")), (None, None));
    assert_eq!(profile(&client, "U-40").expect("a profile")["email"], "u4@shop.example");
    until("all of it is counted", || changes(&client, "customers")["applied"] == 6);
    let stand = changes(&client, "customers");
    assert_eq!(
        (&stand["applied"], &stand["refused"], &stand["error"]),
        (&json!(6), &json!(0), &Value::Null),
        "{stand}"
    );
    assert!(stand["last_change_at"].is_string() && stand["lag_bytes"].is_u64(), "{stand}");
    // The next refresh takes all of it for what it was.
    assert_eq!(counts(&refresh(&client, "customers", json!({}))), [20, 0, 20, 0, 0]);

    // What is rolled back is never told; a row that comes and goes at once leaves nothing.
    postgres.sql(
        "begin; update customers set city = 'never'; rollback;
         begin; insert into customers (id) values ('U-99'); update customers set city = 'x' where id = 'U-99'; delete from customers where id = 'U-99'; commit;
         update customers set city = 'Metz' where id = 'U-6';",
    );
    until("it is there", || profile(&client, "U-6").is_some_and(|own| own["city"] == "Metz"));
    assert_eq!(
        (profile(&client, "U-99"), profile(&client, "U-7").expect("a profile")["city"].clone()),
        (None, json!("Lyon"))
    );

    // A slot goes with its source, and with what asks for it.
    source.as_object_mut().expect("an object").remove("changes");
    put(&client, "/v1/sources/customers", source.clone());
    until("its slot is gone", || world.slots() == "0");
    assert_eq!(changes(&client, "customers"), Value::Null);
    source["changes"] = json!({"publication": "tessera"});
    put(&client, "/v1/sources/customers", source);
    until_following(&client, "customers");
    assert_eq!(ask(&client, "DELETE", "/v1/sources/customers", Value::Null).0, 204);
    until("its slot is gone", || world.slots() == "0");
    assert!(profile(&client, "U-6").is_some(), "what it said stays");
    server.stop();
    world.check();
}

#[test]
fn values_are_those_of_a_refresh_and_each_type_is_followed() {
    let world = World::start();
    let (postgres, server) = (&world.postgres, world.serve());
    let client = server.client();
    world.connect(&client, "tessera");
    let columns = "n numeric(38, 4), f double precision, t timestamptz, l timestamp, d date, b boolean, y bytea, a text[], i int[], j jsonb, u uuid, v interval";
    postgres.sql(&format!(
        "create type mood as enum ('good', 'bad');
         create table types (id bigint primary key, {columns}, m mood);
         create table events (id uuid, of bigint, name text, at timestamptz, total numeric);
         alter table events replica identity full;
         create publication tessera for table types, events;
         alter database postgres set timezone to 'Asia/Tokyo'; alter database postgres set datestyle to 'German, DMY';"
    ));
    put(&client, "/v1/sources/types", followed("types", "id"));
    let mut events = followed("events", "of");
    events["evict_max_share"] = json!(1.0);
    events["rows"] = json!("events");
    events["event"] = json!({"name": "name", "time": "at", "id": "id"});
    put(&client, "/v1/sources/events", events);
    for name in ["types", "events"] {
        assert_eq!(counts(&refresh(&client, name, json!({}))), [0; 5]);
        until_following(&client, name);
    }
    let values = [
        "12345678901234567890.1200, 0.1, '2026-01-31 10:00:00.25+01', '2026-01-31 10:00:00', '1990-02-03', true, '\\x00ff', array['a', 'b \"c\"', null], '{{1},{2}}', '{\"a\": {\"b\": [1, null]}}', '019a0f3e-5b2c-7d41-80a8-f5c2aabbccdd', '1 day 2 hours', 'good'",
        "'NaN', 'Infinity', 'infinity', '0044-03-15 BC', '20000-01-01', false, '', '{}', '[0:1]={1,2}', '[]', null, null, 'bad'",
        "null, null, null, null, null, null, null, null, null, null, null, null, null",
    ];
    for (at, row) in values.iter().enumerate() {
        postgres.sql(&format!("insert into types values ({}, {row})", at + 1));
    }
    postgres.sql(
        "insert into events values ('019a0f3e-5b2c-7d41-80a8-f5c2aabbccd1', 1, 'bought', '2026-01-31 10:00:00+00', 10.50),
             ('019a0f3e-5b2c-7d41-80a8-f5c2aabbccd2', 1, 'bought', '2026-01-31 11:00:00+00', 4.5);",
    );
    let timeline = || client.get("/v1/profiles/id/1/events").map_or_else(String::new, |own| own.to_string());
    until("all rows are there", || profile(&client, "3").is_some() && timeline().contains("4.5"));
    let one = profile(&client, "1").expect("a profile");
    assert_eq!(
        (&one["f"], &one["a"], &one["m"]),
        (&json!(0.1), &json!(["a", "b \"c\"", null]), &json!("good")),
        "{one}"
    );
    assert!(one["t"].to_string().contains("2026-01-31T09:00:00.25"), "{one}");
    // Of each row all that it says has the hash that a refresh gives it.
    assert_eq!(counts(&refresh(&client, "types", json!({}))), [3, 0, 3, 0, 0]);
    assert_eq!(counts(&refresh(&client, "events", json!({}))), [2, 0, 2, 0, 0]);
    postgres.sql("update events set total = 5.5 where total = 4.5; delete from events where total = 10.50;");
    until("events change and go", || timeline().contains("5.5") && !timeline().contains("10.5"));
    assert!(!timeline().contains("4.5"));
    assert_eq!(counts(&refresh(&client, "events", json!({}))), [1, 0, 1, 0, 0]);
    server.stop();
    world.check();
}

#[test]
fn kills_and_outages_lose_nothing() {
    let world = World::start();
    let (postgres, server) = (&world.postgres, world.serve());
    let client = server.client();
    world.connect(&client, "tessera");
    postgres.sql(
        "create table people (id int primary key, v int); insert into people select n, 0 from generate_series(1, 3000) n;
         create publication tessera for all tables;",
    );
    let mut source = followed("people", "id");
    source["evict_max_share"] = json!(1.0);
    put(&client, "/v1/sources/people", source);
    assert_eq!(counts(&refresh(&client, "people", json!({}))), [3_000, 3_000, 0, 0, 0]);
    until_following(&client, "people");
    // One transaction that is larger than what is asked for at once, many small ones beside it, and kills in the middle of them.
    let mut server = server;
    for round in 1..=3 {
        let small: Vec<String> =
            (1..=50).map(|at| format!("update people set v = {round} where id = {};", at * 7)).collect();
        postgres.sql(&format!(
            "update people set v = {round}; delete from people where id = {round} + 1000; {}",
            small.join(" ")
        ));
        let client = server.client();
        until("some of it is there", || profile(&client, "1").is_some_and(|own| own["v"] == round));
        server.kill();
        server = world.serve();
    }
    let client = server.client();
    until("all of it is there", || {
        profile(&client, "3000").is_some_and(|own| own["v"] == 3) && profile(&client, "1003").is_none()
    });
    until_following(&client, "people");
    assert_eq!(counts(&refresh(&client, "people", json!({}))), [2_997, 0, 2_997, 0, 0]);

    // A database that is gone, and is there again with what was committed meanwhile.
    postgres.end();
    until("that is told", || {
        changes(&client, "people")["error"]["code"] == "connection_unreachable"
            || changes(&client, "people")["error"]["code"] == "source_lost"
    });
    assert_eq!(changes(&client, "people")["status"], "failed");
    assert!(profile(&client, "1").is_some());
    postgres.begin();
    postgres.sql("update people set v = 7 where id = 1;");
    until("it is there", || profile(&client, "1").is_some_and(|own| own["v"] == 7));
    let runs = client.get("/v1/sources/people").expect("the source")["runs"].clone();
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "no refresh was needed: {runs}");

    // A slot that somebody drops, while something changes and somebody goes: a whole refresh brings it.
    let slot = changes(&client, "people")["slot"].as_str().expect("a name").to_owned();
    let drop = format!(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}' and active_pid is not null;
         select pg_drop_replication_slot('{slot}'); update people set v = 8 where id = 2; delete from people where id = 5;"
    );
    until("the slot is dropped", || postgres.tries(&drop));
    until("it is there", || profile(&client, "2").is_some_and(|own| own["v"] == 8) && profile(&client, "5").is_none());
    until_following(&client, "people");
    let runs = client.get("/v1/sources/people").expect("the source")["runs"].clone();
    assert_eq!(runs.as_array().map(Vec::len), Some(3), "{runs}");
    // One that was moved by somebody else has lost something as well.
    postgres.sql("update people set v = 9 where id = 6;");
    until("the slot is moved", || {
        postgres.tries(&format!("select pg_replication_slot_advance('{slot}', pg_current_wal_lsn());"))
    });
    until("it is there", || profile(&client, "6").is_some_and(|own| own["v"] == 9));
    server.stop();
    world.check();
}

#[test]
fn what_changes_cannot_tell_a_refresh_decides() {
    let world = World::start();
    let (postgres, server) = (&world.postgres, world.serve());
    let client = server.client();
    world.connect(&client, "tessera");
    postgres.sql(
        "create table people (id int primary key, v int); insert into people select n, 0 from generate_series(1, 100) n;
         create publication tessera for table people;",
    );
    put(&client, "/v1/sources/people", followed("people", "id"));
    assert_eq!(counts(&refresh(&client, "people", json!({}))), [100, 100, 0, 0, 0]);
    until_following(&client, "people");
    // More than may go at once.
    postgres.sql("delete from people where id <= 30; update people set v = 1 where id = 31;");
    until("it is held", || changes(&client, "people")["error"]["code"] == "source_evicts_too_many");
    assert_eq!(changes(&client, "people")["status"], "held");
    until("what else changed is there", || profile(&client, "31").is_some_and(|own| own["v"] == 1));
    assert!(profile(&client, "1").is_some());
    let last = || client.get("/v1/sources/people").expect("the source")["runs"][0].clone();
    until("a refresh has looked", || last()["error"]["code"] == "source_evicts_too_many");
    assert_eq!(counts(&refresh(&client, "people", json!({"evict_max_share": 0.5}))), [70, 0, 70, 30, 0]);
    until_following(&client, "people");
    assert_eq!(profile(&client, "1"), None);

    // A table that is emptied and filled again in one transaction: nobody is missed, and only who is gone goes.
    postgres.sql("create table kept as select * from people where id <> 100; begin; truncate people; insert into people select * from kept; update people set v = 2 where id = 99; commit;");
    until("a refresh has decided", || profile(&client, "100").is_none());
    assert_eq!(profile(&client, "99").expect("a profile")["v"], 2);
    until_following(&client, "people");
    postgres.sql("truncate people;");
    until("it is told", || {
        let code = changes(&client, "people")["error"]["code"].clone();
        // The second is what the refresh says that was asked to decide.
        code == "source_table_emptied" || code == "source_empty"
    });
    until("it is held", || last()["error"]["code"] == "source_empty");
    until("it is told", || changes(&client, "people")["status"] == "held");
    assert!(profile(&client, "99").is_some(), "nothing was taken back");
    postgres.sql("insert into people select * from kept;");
    assert_eq!(refresh(&client, "people", json!({}))["status"], "done");
    until_following(&client, "people");

    // A column more: a refresh writes it, and changes go on. A column less waits until the source is set again.
    postgres.sql("alter table people add column city text; update people set city = 'Lyon' where id = 50;");
    until("it is there", || profile(&client, "50").is_some_and(|own| own["city"] == "Lyon"));
    postgres.sql("update people set city = 'Nice' where id = 51;");
    until("it is there", || profile(&client, "51").is_some_and(|own| own["city"] == "Nice"));
    let runs = client.get("/v1/sources/people").expect("the source")["runs"].as_array().map(Vec::len);
    refresh(&client, "people", json!({}));
    until_following(&client, "people");
    postgres.sql("alter table people drop column v; update people set city = 'Metz' where id = 52;");
    until("it is told", || changes(&client, "people")["error"]["code"] == "source_columns_changed");
    assert!(profile(&client, "52").is_some_and(|own| own["v"] == 0 && own["city"] != "Metz"), "nothing was written");
    put(&client, "/v1/sources/people", followed("people", "id"));
    refresh(&client, "people", json!({}));
    until("it is there", || profile(&client, "52").is_some_and(|own| own["city"] == "Metz" && own["v"] == Value::Null));
    assert!(runs.is_some());

    // A table that is another one of the same name.
    until_following(&client, "people");
    postgres.sql(
        "drop table people; create table people (id int primary key, city text); insert into people select n, 'Brest' from generate_series(32, 99) n;
         alter publication tessera add table people;",
    );
    until("it is there", || profile(&client, "60").is_some_and(|own| own["city"] == "Brest"));
    until_following(&client, "people");
    server.stop();
    world.check();
}

#[test]
fn what_cannot_be_followed_is_told_clearly() {
    let world = World::start();
    let (postgres, server) = (&world.postgres, world.serve());
    let client = server.client();
    postgres.set("max_replication_slots = 1");
    postgres.end();
    postgres.begin();
    world.connect(&client, "tessera");
    postgres.sql(
        "create table t (id text primary key, v int); create table bare (id text, v int); create table parted (id int primary key) partition by range (id);
         create view seen as select * from t; create table keyed (id int primary key, email text); create table parent (id int primary key);
         create table child () inherits (parent);
         create publication tessera for table t, bare, keyed, parent; create publication part for table t with (publish = 'insert'); create publication none;
         create publication filtered for table t where (id <> 'x');
         create role poor login password 's@fe/in:URLs'; grant select on t to poor; insert into t values ('a', 1);",
    );
    let preview = |source: Value| refused(&client, "POST", "/v1/sources:preview", source);
    let with = |table: &str, publication: &str| {
        let mut source = followed(table, if table == "keyed" { "email" } else { "id" });
        source["changes"]["publication"] = json!(publication);
        source
    };
    for (source, code) in [
        (with("t", "nobody"), "source_publication_unfit"),
        (with("t", "none"), "source_publication_unfit"),
        (with("t", "part"), "source_publication_unfit"),
        (with("t", "filtered"), "source_publication_unfit"),
        (with("bare", "tessera"), "source_replica_identity_missing"),
        (with("keyed", "tessera"), "source_replica_identity_missing"),
        (with("parted", "tessera"), "source_changes_unsupported"),
        (with("parent", "tessera"), "source_changes_unsupported"),
        (with("seen", "tessera"), "source_changes_unsupported"),
    ] {
        assert_eq!(preview(source.clone()), (400, code.into()), "{source}");
    }
    // What can be told without the database is told when the source is set.
    let mut asked = with("t", "tessera");
    asked["sql"] = json!("select * from t");
    asked.as_object_mut().expect("an object").remove("table");
    assert_eq!(refused(&client, "PUT", "/v1/sources/t", asked), (400, "source_changes_unsupported".into()));
    let mut named = with("t", "tessera");
    named["changes"]["slot"] = json!("mine");
    assert_eq!(refused(&client, "PUT", "/v1/sources/t", named), (400, "source_invalid".into()));
    assert_eq!(refused(&client, "PUT", "/v1/sources/t", with("t", "")), (400, "source_invalid".into()));
    put(
        &client,
        "/v1/connections/files",
        json!({"kind": "files", "url": format!("file://{}", world.folder.path().display())}),
    );
    let mut files = with("t.csv", "tessera");
    files["connection"] = json!("files");
    assert_eq!(refused(&client, "PUT", "/v1/sources/t", files), (400, "source_changes_unsupported".into()));

    // A refresh does its work all the same, and the source says what is missing, until it is there.
    let told = |code: &str| until(code, || changes(&client, "t")["error"]["code"] == code);
    world.connect(&client, "poor");
    put(&client, "/v1/sources/t", with("t", "tessera"));
    assert_eq!(counts(&refresh(&client, "t", json!({}))), [1, 1, 0, 0, 0]);
    told("source_slot_refused");
    assert_eq!(changes(&client, "t")["status"], "failed");
    postgres.sql("alter role poor replication; select pg_create_physical_replication_slot('taken');");
    assert_eq!(counts(&refresh(&client, "t", json!({}))), [1, 0, 1, 0, 0]);
    told("source_slot_refused");
    postgres.sql("select pg_drop_replication_slot('taken'); update t set v = 2;");
    refresh(&client, "t", json!({}));
    until_following(&client, "t");
    assert_eq!(profile(&client, "a").expect("a profile")["v"], 2);

    // A publication that loses the table, and a server that keeps no log for it: what is missed is brought by a refresh.
    postgres.sql("alter publication tessera drop table t; update t set v = 3;");
    told("source_publication_unfit");
    postgres.sql("alter publication tessera add table t; update t set v = 4;");
    until("it is there", || profile(&client, "a").is_some_and(|own| own["v"] == 4));
    until_following(&client, "t");
    assert_eq!(ask(&client, "DELETE", "/v1/sources/t", Value::Null).0, 204);
    until("its slot is gone", || world.slots() == "0");
    postgres.set("wal_level = replica");
    postgres.end();
    postgres.begin();
    assert_eq!(preview(with("t", "tessera")), (400, "source_changes_unsupported".into()));
    server.stop();
    world.check();
}
