//! Files of an object store that speaks as Amazon S3 does and checks signatures, which `scripts/warehouse.sh` brings.

use std::collections::BTreeMap;
use std::io::Write as _;

use tessera_connect::{Connect as _, Connection, Connectors, Error, Place, Query, Question, Row, Value};

#[path = "../../server/tests/harness/warehouse.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod warehouse;

use warehouse::ObjectStore;

fn connection(store: &ObjectStore, url: &str, changed: &[(&str, &str)]) -> Connection {
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in store.options().as_object().expect("options") {
        options.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    options.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Connection::Files(Place::parse(url, options, None).expect("a place"))
}

async fn read(connection: &Connection, table: &str) -> Result<Vec<Row>, Error> {
    let question = Question { query: Query::Table(table.to_owned()), types: BTreeMap::new() };
    let mut rows = Connectors::default().open(connection, &question).await?;
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await? {
        all.extend(batch);
    }
    Ok(all)
}

fn first(row: &Row) -> String {
    match &row[0] {
        Value::Text(text) | Value::Number(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text.as_bytes()).expect("it is written");
    writer.finish().expect("it is written")
}

#[tokio::test]
async fn objects_are_read_as_files_are() {
    let mut store = ObjectStore::start();
    store.bucket("exports");
    // Above the size of a piece, so that it is read in several.
    let wide = "x".repeat(1_000);
    let rows: String = (0..9_000).map(|at| format!("O-{at:05},{wide}\n")).collect();
    let one = format!("id,note\n{rows}");
    store.put("exports", "crm/2026/a.csv", one.as_bytes());
    store.put("exports", "crm/2026/b.csv.gz", &gzip("id,note\nG-1,gz\n"));
    let packed =
        ruzstd::encoding::compress_to_vec("id,note\nZ-1,zst\n".as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    store.put("exports", "crm/2026/c.csv.zst", &[&packed[..], &packed[..]].concat()[..packed.len()]);
    store.put("exports", "crm/lines.jsonl", b"{\"id\":\"J-1\"}\n");
    store.put("exports", "crm/readme.txt", b"not a table");
    store.put("exports", "crm-old/a.csv", b"id,note\nOLD,\n");
    let crm = connection(&store, "s3://exports/crm", &[]);
    let tables = Connectors::default().test(&crm).await.expect("it answers");
    assert_eq!(tables, ["2026/a.csv", "2026/b.csv.gz", "2026/c.csv.zst", "lines.jsonl"]);
    let rows = read(&crm, "2026/*").await.expect("rows");
    assert_eq!((rows.len(), first(&rows[8_999])), (9_002, "O-08999".to_owned()));
    assert_eq!((first(&rows[9_000]), first(&rows[9_001])), ("G-1".to_owned(), "Z-1".to_owned()));
    assert_eq!(read(&crm, "**/b.csv.gz").await.expect("rows").len(), 1);
    assert_eq!(first(&read(&crm, "lines.jsonl").await.expect("rows")[0]), "J-1");
    let all = connection(&store, "s3://exports", &[]);
    assert_eq!(read(&all, "crm-old/a.csv").await.expect("rows").len(), 1);
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_ends_the_reading() {
    let mut store = ObjectStore::start();
    store.bucket("exports");
    let wide = "x".repeat(1_000);
    let text = |note: &str| {
        let rows: String = (0..40_000).map(|at| format!("{at},{note},{wide}\n")).collect();
        format!("id,note,wide\n{rows}")
    };
    store.put("exports", "a.csv", text("before").as_bytes());
    let all = connection(&store, "s3://exports", &[]);
    let question = Question { query: Query::Table("a.csv".to_owned()), types: BTreeMap::new() };
    let mut rows = Connectors::default().open(&all, &question).await.expect("rows");
    assert!(rows.next().await.expect("a batch").is_some());
    store.put("exports", "a.csv", text("behind").as_bytes());
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("two files were read as one"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, "source_lost", "{error}");
}

#[tokio::test]
async fn what_an_object_store_does_not_answer_is_told_clearly() {
    let mut store = ObjectStore::start();
    store.bucket("exports");
    store.put("exports", "a.csv", b"id\n1\n");
    store.put("exports", "broken.csv.gz", b"\x1f\x8b\x08garbage");
    store.put("exports", "broken.csv.zst", b"\x28\xb5\x2f\xfdgarbage");
    store.put("exports", "empty.csv", b"");
    let https = store.options()["endpoint"].as_str().expect("a text").replace("http", "https");
    for (changed, url, code) in [
        (("secret_access_key", "wrong"), "s3://exports", "connection_unauthorized"),
        (("access_key_id", "nobody"), "s3://exports", "connection_unauthorized"),
        (("endpoint", "http://127.0.0.1:1"), "s3://exports", "connection_unreachable"),
        (("endpoint", &https), "s3://exports", "connection_tls_failed"),
        (("region", "us-east-1"), "s3://not-there", "connection_folder_missing"),
    ] {
        let connection = connection(&store, url, &[changed]);
        let error = Connectors::default().test(&connection).await.expect_err(code);
        assert_eq!(error.code, code, "{changed:?}: {error}");
        assert!(
            !error.message.contains("wrong") && !error.message.contains("<"),
            "words of the store stay there: {error}"
        );
    }
    let all = connection(&store, "s3://exports", &[]);
    for (table, code) in [
        ("none.csv", "source_table_unknown"),
        ("none-*.csv", "source_table_unknown"),
        ("a.txt", "source_table_unknown"),
        ("../a.csv", "source_table_invalid"),
        ("[", "source_table_invalid"),
        ("broken.csv.gz", "source_lost"),
        ("broken.csv.zst", "source_lost"),
        ("empty.csv", "source_file_invalid"),
    ] {
        assert_eq!(read(&all, table).await.expect_err(table).code, code, "{table}");
    }
}
