//! Databases by their own ADBC drivers, which `scripts/warehouse.sh` brings: SQLite's and DuckDB's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tessera_connect::{Adbc, Column, Connect as _, Connection, Connectors, Error, Place, Query, Question, Row, Value};

#[path = "../../server/tests/harness/warehouse.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod warehouse;

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn duckdb() -> String {
    text(&warehouse::driver("libduckdb.so"))
}

fn adbc(driver: String, options: &[(&str, &str)]) -> Connection {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Connection::Adbc(Adbc { driver, options })
}

fn in_duckdb() -> Connection {
    adbc(duckdb(), &[("entrypoint", "duckdb_adbc_init")])
}

/// A database of SQLite in a folder of its own.
fn in_sqlite(statements: &str) -> (TempDir, Connection) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    let database = rusqlite::Connection::open(&file).expect("a database");
    database.execute_batch(statements).expect("statements");
    let driver = text(&warehouse::driver("libadbc_driver_sqlite.so"));
    let connection = adbc(driver, &[("uri", &text(&file))]);
    (folder, connection)
}

async fn ask(connectors: &Connectors, connection: &Connection, query: Query) -> Result<(Vec<Column>, Vec<Row>), Error> {
    let question = Question { query, types: BTreeMap::new() };
    let mut rows = connectors.open(connection, &question).await?;
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await? {
        assert!(!batch.is_empty() && batch.len() <= tessera_connect::ROWS_AT_ONCE);
        all.extend(batch);
    }
    Ok((rows.columns().to_vec(), all))
}

async fn sql(connection: &Connection, sql: &str) -> Result<(Vec<Column>, Vec<Row>), Error> {
    ask(&Connectors::default(), connection, Query::Sql(sql.to_owned())).await
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Boolean(truth) => format!("{truth}"),
        Value::Number(text) => format!("#{text}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Timestamp(text) => format!("@{text}"),
        Value::Json(json) => json.to_string(),
        Value::Unfit(unfit) => format!("!{}", unfit.code()),
    }
}

#[tokio::test]
async fn every_type_of_duckdb_is_a_value_or_is_named() {
    let connection = in_duckdb();
    for (written, expected) in [
        ("true", "boolean true"),
        ("null", "number -"),
        ("127::tinyint", "number #127"),
        ("9223372036854775807::bigint", "number #9223372036854775807"),
        ("18446744073709551615::ubigint", "number #18446744073709551615"),
        ("99999999999999999999999999999999999999::decimal(38, 0)", "number #99999999999999999999999999999999999999"),
        ("-0.0000000001::decimal(38, 10)", "number #-0.0000000001"),
        ("12345678901234567890123456789.000000001::decimal(38, 9)", "number #12345678901234567890123456789.000000001"),
        ("1.5::decimal(4, 1)", "number #1.5"),
        ("0.1::double", "number #0.1"),
        ("0.1::float", "number #0.1"),
        ("'nan'::double", "number !value_not_finite"),
        ("'-infinity'::float", "number !value_not_finite"),
        ("'é'", "text 'é'"),
        ("'\\x00\\xff'::blob", "binary !value_binary"),
        ("date '2026-01-31'", "text '2026-01-31'"),
        ("date '20000-01-01'", "text !value_out_of_range"),
        ("time '10:00:00.25'", "text '10:00:00.25'"),
        ("timestamp '2026-01-31 10:00:00'", "text '2026-01-31T10:00:00'"),
        ("timestamptz '2026-01-31 10:00:00+01'", "timestamp @2026-01-31T09:00:00Z"),
        ("'2026-01-31 10:00:00.123456789'::timestamp_ns", "text '2026-01-31T10:00:00.123456789'"),
        ("interval '1 year 2 days 3.5 seconds'", "text 'P12M2DT3.5S'"),
        ("[1, null, 3]", "json [1,null,3]"),
        ("[[1.5], []]", "json [[1.5],[]]"),
        ("{'a': 1, 'b': {'c': [true]}}", "json {\"a\":1,\"b\":{\"c\":[true]}}"),
        ("map {'a': 1, 'b': 2}", "json {\"a\":1,\"b\":2}"),
        ("['nan'::double]", "json !value_not_finite"),
        ("'b'::enum('a', 'b')", "text 'b'"),
        ("'019a0f3e-5b2c-7d41-80a8-f5c2aabbccdd'::uuid", "text '019a0f3e-5b2c-7d41-80a8-f5c2aabbccdd'"),
    ] {
        let found = sql(&connection, &format!("select {written} as v")).await;
        let (columns, rows) = found.unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(format!("{} {}", columns[0].kind.name(), told(&rows[0][0])), expected, "{written} {columns:?}");
    }
}

#[tokio::test]
async fn rows_come_in_batches_and_a_question_may_be_left() {
    let connection = in_duckdb();
    let (_, rows) = sql(&connection, "select n, n * 0.5 as half from range(25000) t(n)").await.expect("rows");
    assert_eq!((rows.len(), told(&rows[24_999][0])), (25_000, "#24999".into()));
    let question =
        Question { query: Query::Sql("select n from range(100000000000) t(n)".into()), types: BTreeMap::new() };
    let mut rows = Connectors::default().open(&connection, &question).await.expect("rows");
    assert!(rows.next().await.expect("a batch").is_some());
    drop(rows);
}

/// A question that takes too long ends with its bound, and the driver is told to end it.
#[tokio::test]
async fn a_question_that_takes_too_long_is_ended() {
    let (_folder, sqlite) = in_sqlite("create table t (id text);");
    let quick = Connectors { answer: Duration::from_millis(200), ..Connectors::default() };
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000000) select count(*) as n from n";
    let many = "select count(*) as n from range(100000) a, range(100000) b where a.range * b.range % 7 = 3";
    for (connection, statement) in [(&sqlite, endless), (&in_duckdb(), many)] {
        let error = ask(&quick, connection, Query::Sql(statement.into())).await.expect_err("it takes longer");
        assert_eq!(error.code, "source_timeout", "{error}");
    }
    assert_eq!(sql(&sqlite, "select 1 as n").await.expect("rows").1.len(), 1, "others are answered");
}

#[tokio::test]
async fn tables_of_sqlite_are_listed_and_read() {
    let statements = "create table customers (id text, n integer, score real, photo blob, note text);
        insert into customers values ('a', 9223372036854775807, 0.5, x'00ff', 'x'), ('b', null, null, null, null);
        create view \"with space\" as select id from customers;";
    let (_folder, connection) = in_sqlite(statements);
    let tables = Connectors::default().test(&connection).await.expect("it answers");
    assert_eq!(tables, ["customers", "with space"]);
    let found = ask(&Connectors::default(), &connection, Query::Table("customers".into())).await;
    let (columns, rows) = found.expect("rows");
    let kinds: Vec<&str> = columns.iter().map(|own| own.kind.name()).collect();
    assert_eq!(kinds, ["text", "number", "number", "binary", "text"]);
    let row = |at: usize| rows[at].iter().map(told).collect::<Vec<_>>().join(" | ");
    assert_eq!(row(0), "'a' | #9223372036854775807 | #0.5 | !value_binary | 'x'");
    assert_eq!(row(1), "'b' | - | - | - | -");
    let (_, rows) =
        sql(&connection, "with t as (select id from customers) select * from t where id = 'a'; ").await.expect("rows");
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn what_a_driver_cannot_answer_is_told_clearly() {
    let (_folder, sqlite) = in_sqlite("create table t (id text); insert into t values ('keep');");
    let duck = in_duckdb();
    let wide: Vec<String> = (0..10_000).map(|at| format!("{at} as c{at}")).collect();
    let wide = format!("select {}", wide.join(", "));
    for (connection, statement, code) in [
        (&sqlite, "select * from none", "source_query_invalid"),
        (&sqlite, "nothing at all", "source_query_invalid"),
        (&sqlite, "select 1 as id; drop table t", "source_query_invalid"),
        (&sqlite, "delete from t", "source_query_invalid"),
        (&sqlite, "delete from t returning id", "source_query_invalid"),
        (&duck, "select * from none", "source_query_invalid"),
        (&duck, "choose 1", "source_query_invalid"),
        (&duck, "copy (select 1) to '/tmp/never'", "source_query_invalid"),
        (&duck, &*wide, "source_too_many_columns"),
        (&duck, "select v::integer as v from (values ('1'), ('secret value')) t(v)", "source_query_failed"),
        (&duck, "select repeat('x', 2000000) as v", "source_row_too_large"),
    ] {
        let statement_shown = &statement[..statement.len().min(60)];
        let error = sql(connection, statement).await.expect_err(statement_shown);
        assert_eq!(error.code, code, "{statement_shown}: {error}");
        assert!(!error.message.contains("secret value"), "no value of a row is told: {error}");
    }
    assert_eq!(sql(&sqlite, "select id from t").await.expect("rows").1.len(), 1, "nothing was deleted");
    let driver = duckdb();
    for (connection, code) in [
        (adbc("/nowhere/driver.so".into(), &[]), "connection_driver_missing"),
        (adbc("no_such_driver_of_anybody".into(), &[]), "connection_driver_missing"),
        (adbc("relative/driver.so".into(), &[]), "connection_driver_missing"),
        (adbc(driver.clone(), &[("entrypoint", "no_such_function")]), "connection_driver_missing"),
        (
            adbc(driver.clone(), &[("entrypoint", "duckdb_adbc_init"), ("no_such_option", "hunter2")]),
            "connection_invalid",
        ),
        (adbc(driver, &[("entrypoint", "duckdb_adbc_init"), ("path", "/nowhere/at/all.db")]), "connection_invalid"),
    ] {
        let error = Connectors::default().test(&connection).await.expect_err(code);
        assert_eq!(error.code, code, "{error}");
        assert!(!format!("{connection:?}").contains("hunter2"), "secrets are in no log");
    }
}

#[tokio::test]
async fn sql_over_a_folder_reads_the_folder_and_nothing_else() {
    let (folder, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    fs::write(folder.path().join("people-1.csv"), "id,city\n1,Lyon\n2,Paris\n").expect("a file");
    fs::write(folder.path().join("orders.jsonl"), "{\"of\":1,\"total\":10.5}\n{\"of\":1,\"total\":4.5}\n")
        .expect("a file");
    fs::write(outside.path().join("secret.csv"), "id\n1\n").expect("a file");
    let url = format!("file://{}", folder.path().display());
    let connection = Connection::Files(Place::parse(&url, BTreeMap::new(), None).expect("a folder"));
    let with = Connectors { duckdb: Some(duckdb()), ..Connectors::default() };
    let at = folder.path().canonicalize().expect("a path");
    let at = at.display();
    let joined = format!(
        "select p.id, p.city, sum(o.total) as total from '{at}/people-*.csv' p left join read_json('{at}/orders.jsonl') o on o.of = p.id \
         group by all order by 1 -- all"
    );
    let (columns, mut rows) = ask(&with, &connection, Query::Sql(joined.clone())).await.expect("rows");
    assert_eq!(columns.iter().map(|own| &*own.name).collect::<Vec<_>>(), ["id", "city", "total"]);
    rows.sort_by_key(|row| told(&row[0]));
    let row = |at: usize| rows[at].iter().map(told).collect::<Vec<_>>().join(" | ");
    assert_eq!((row(0), row(1)), ("#1 | 'Lyon' | #15".into(), "#2 | 'Paris' | -".into()));
    for statement in [
        format!("select * from '{}/secret.csv'", outside.path().display()),
        format!("select * from '{at}/../{}/secret.csv'", outside.path().file_name().expect("a name").to_string_lossy()),
        "select * from read_text('/etc/passwd')".to_owned(),
        format!("copy (select 1) to '{at}/written.csv'"),
        format!("select 1); copy (select 1) to '{at}/written.csv'; select * from (select 1"),
        "select 1); set enable_external_access = true; select * from (select 1".to_owned(),
        "select 1); attach '/tmp/x.db'; select * from (select 1".to_owned(),
    ] {
        let error = ask(&with, &connection, Query::Sql(statement.clone())).await.expect_err(&statement);
        assert!(["source_query_invalid", "source_query_failed"].contains(&error.code), "{statement}: {error}");
    }
    assert!(!folder.path().join("written.csv").exists());
    let without = ask(&Connectors::default(), &connection, Query::Sql(joined)).await.expect_err("no engine");
    assert_eq!(without.code, "source_sql_unsupported");
}
