//! What files and values come to, as data.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        if name.ends_with(".gz") {
            let file = std::fs::File::create(path).expect("a file");
            let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            writer.write_all(text.as_bytes()).and_then(|()| writer.finish().map(drop)).expect("it is written");
        } else {
            std::fs::write(path, text).expect("a file");
        }
    }
    folder
}

fn at_folder(folder: &Path) -> Connection {
    let url = format!("file://{}", folder.display());
    Connection::Files(Place::parse(&url, BTreeMap::new(), None).expect("a folder"))
}

async fn read(folder: &Path, table: &str, types: &[(&str, ColumnKind)]) -> Result<(Vec<Column>, Vec<Row>), Error> {
    let types = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let question = Question { query: Query::Table(table.to_owned()), types };
    let connection = at_folder(folder);
    let mut rows = Connectors::default().open(&connection, &question).await?;
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await? {
        assert!(!batch.is_empty() && batch.len() <= ROWS_AT_ONCE);
        all.extend(batch);
    }
    Ok((rows.columns().to_vec(), all))
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

/// Reads a file, and compares columns and rows, each on a line.
async fn check(name: &str, text: &str, types: &[(&str, ColumnKind)], expected: &[&str]) {
    let folder = folder(&[(name, text)]);
    let (columns, rows) = read(folder.path(), name, types).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let head: Vec<String> = columns.iter().map(|own| format!("{} {}", own.name, own.kind.name())).collect();
    let row = |row: &Row| row.iter().map(told).collect::<Vec<_>>().join(" | ");
    let lines: Vec<String> = std::iter::once(head.join(" | ")).chain(rows.iter().map(row)).collect();
    assert_eq!(lines, expected, "{text}");
}

#[tokio::test]
async fn a_column_of_csv_is_what_all_of_it_is() {
    let text = "\u{feff}id,n,zip,ok,note,none\n1,1.50,01000,true,a,\n2,-3,75001,false,\"b, \"\"c\"\"\",\n3,,x,,,\n";
    check(
        "a.csv",
        text,
        &[],
        &[
            "id number | n number | zip text | ok boolean | note text | none empty",
            "#1 | #1.50 | '01000' | true | 'a' | -",
            "#2 | #-3 | '75001' | false | 'b, \"c\"' | -",
            "#3 | - | 'x' | - | - | -",
        ],
    )
    .await;
    let numbers = "a\n007\n1e5\nNaN\n+1\n";
    check("b.csv", numbers, &[], &["a text", "'007'", "'1e5'", "'NaN'", "'+1'"]).await;
    let told = [("a", ColumnKind::Number)];
    let expected = ["a number", "#007", "#1e5", "!value_not_of_kind", "#+1"];
    check("b.csv", numbers, &told, &expected).await;
    let times = "at\n2026-01-31T10:00:00+01:00\nsoon\n";
    let told = [("at", ColumnKind::Timestamp)];
    check("c.csv", times, &told, &["at timestamp", "@2026-01-31T09:00:00Z", "!value_not_of_kind"]).await;
}

#[tokio::test]
async fn json_lines_have_the_members_of_all_of_them() {
    check(
        "a.jsonl",
        "{\"id\":\"1\",\"n\":12345678901234567890.5}\n\n{\"id\":\"2\",\"tags\":[\"a\"],\"n\":null,\"m\":1}\n{\"id\":\"3\",\"m\":\"x\"}",
        &[],
        &[
            "id text | n number | m json | tags json",
            "'1' | #12345678901234567890.5 | - | -",
            "'2' | - | 1 | [\"a\"]",
            "'3' | - | \"x\" | -",
        ],
    )
    .await;
}

#[tokio::test]
async fn files_of_one_pattern_are_one_table() {
    let files =
        [("a-1.csv", "id,v\n1,x\n"), ("a-2.csv.gz", "id,v\n2,y\n"), ("b.csv", "z\n1\n"), ("in/a-3.csv", "id,v\n3,z\n")];
    let folder = folder(&files);
    let (_, rows) = read(folder.path(), "a-*", &[]).await.expect("two files");
    assert_eq!(rows.iter().map(|row| told(&row[0])).collect::<Vec<_>>(), ["#1", "#2"]);
    let (_, rows) = read(folder.path(), "**/a-*", &[]).await.expect("three files");
    assert_eq!(rows.len(), 3);
    let connection = at_folder(folder.path());
    let tables = Connectors::default().test(&connection).await.expect("a folder");
    assert_eq!(tables, ["a-1.csv", "a-2.csv.gz", "b.csv", "in/a-3.csv"]);
    assert_eq!(read(folder.path(), "*.csv", &[]).await.expect_err("two tables").code, "source_columns_differ");
}

#[tokio::test]
async fn values_are_apart_by_what_the_header_has_between_its_names() {
    let two = ["id number | v text", "#1 | '2,5'"];
    for (name, text, expected) in [
        ("a.csv", "id;v\n1;2,5\n", &two[..]),
        ("a.csv", "\"id\";\"v\"\r\n1;\"2,5\"\r\n", &two),
        ("a.tsv", "id\tv\n1\t2,5\n", &two),
        ("a.csv", "id|v\n1|2,5\n", &two),
        ("a.csv", "\"id;x\",v\n1,\"2,5\"\n", &["id;x number | v text", "#1 | '2,5'"]),
        ("a.csv", "\"id,x\";v\n1;\"2,5\"\n", &["id,x number | v text", "#1 | '2,5'"]),
        ("a.csv", "id\n1\n", &["id number", "#1"]),
    ] {
        check(name, text, &[], expected).await;
    }
}

#[tokio::test]
async fn columns_are_known_by_their_names_in_whatever_order() {
    let files = [("a-1.csv", "id,v,w\n1,x,true\n"), ("a-2.csv", "w;id;v\nfalse;2;y\n"), ("b.csv", "id,v,v\n1,2,3\n")];
    let folder = folder(&files);
    let (columns, rows) = read(folder.path(), "a-*", &[]).await.expect("two files");
    let head: Vec<String> = columns.iter().map(|own| format!("{} {}", own.name, own.kind.name())).collect();
    assert_eq!(head, ["id number", "v text", "w boolean"]);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(told).collect()).collect();
    assert_eq!(rows, [["#1", "'x'", "true"], ["#2", "'y'", "false"]]);
    for other in ["w,id\ntrue,2\n", "w,id,v,x\ntrue,2,y,1\n", "w,id,u\ntrue,2,y\n", "w,id,id\ntrue,2,y\n"] {
        std::fs::write(folder.path().join("a-2.csv"), other).expect("a file");
        let refused = read(folder.path(), "a-*", &[]).await.expect_err(other);
        assert_eq!(refused.code, "source_columns_differ", "{other}");
    }
}

#[tokio::test]
async fn what_is_no_table_is_told_clearly() {
    let long = format!("id,v\n1,\"{}\n", "x".repeat(ROW_BYTES_MAX * 2));
    let wide = (0..=COLUMNS_MAX).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    let line = format!("{{\"id\":\"{}\"}}", "x".repeat(ROW_BYTES_MAX));
    let files = [
        ("twice.csv", "id,id\n1,2\n"),
        ("uneven.csv", "id,v\n1\n"),
        ("empty.csv", ""),
        ("stray.csv", "id,v\n1,\"x\n2,y\n3,\"z\n"),
        ("unended.csv", "id,v\n1,\"x\n2,y\n"),
        ("no-name.csv", "id,\n1,2\n"),
        ("open.csv", &*long),
        ("wide.csv", &*wide),
        ("broken.jsonl", "{\"id\":1}\n[1]\n"),
        ("long.jsonl", &*line),
        ("damaged.csv.gz.csv", "\u{1}\n"),
        ("table.parquet", "PAR1"),
        ("table.xlsx", "PK"),
    ];
    let folder = folder(&files);
    std::fs::write(folder.path().join("latin.csv"), b"id\n\xe9\n").expect("a file");
    std::fs::write(folder.path().join("damaged.csv.gz"), b"\x1f\x8b\x08garbage").expect("a file");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out.csv")).expect("a link");
    for (table, code) in [
        ("twice.csv", "source_columns_duplicate"),
        ("uneven.csv", "source_file_invalid"),
        ("empty.csv", "source_file_invalid"),
        ("stray.csv", "source_file_invalid"),
        ("unended.csv", "source_file_invalid"),
        ("no-name.csv", "source_columns_duplicate"),
        ("open.csv", "source_row_too_large"),
        ("wide.csv", "source_too_many_columns"),
        ("broken.jsonl", "source_file_invalid"),
        ("long.jsonl", "source_row_too_large"),
        ("latin.csv", "source_file_invalid"),
        ("damaged.csv.gz", "source_lost"),
        ("table.parquet", "source_file_invalid"),
        ("table.xlsx", "source_format_unsupported"),
        ("none.csv", "source_table_unknown"),
        ("../none.csv", "source_table_invalid"),
        ("/etc/passwd", "source_table_invalid"),
        ("out.csv", "source_table_invalid"),
        ("[", "source_table_invalid"),
    ] {
        let error = read(folder.path(), table, &[]).await.expect_err(table);
        assert_eq!(error.code, code, "{table}: {error}");
    }
    let types = [("none", ColumnKind::Text)];
    assert_eq!(read(folder.path(), "uneven.csv", &types).await.expect_err("no column").code, "source_file_invalid");
    let gone = at_folder(&folder.path().join("gone"));
    assert_eq!(Connectors::default().test(&gone).await.expect_err("no folder").code, "connection_folder_missing");
    let sql = Question { query: Query::Sql("select 1".into()), types: BTreeMap::new() };
    let connection = at_folder(folder.path());
    assert_eq!(
        Connectors::default().open(&connection, &sql).await.err().map(|own| own.code),
        Some("source_sql_unsupported")
    );
}

#[tokio::test]
async fn urls_of_no_server_are_told_clearly() {
    for (url, code) in [
        ("postgres://", "connection_url_invalid"),
        ("nonsense", "connection_url_invalid"),
        ("postgres://a@127.0.0.1:1/db?sslmode=require", "connection_unreachable"),
        ("postgres://a@127.0.0.1:1/db", "connection_unreachable"),
    ] {
        let connection = Connection::Postgres { url: url.into(), password: None, ca: None };
        assert_eq!(Connectors::default().test(&connection).await.expect_err(url).code, code, "{url}");
        assert!(!format!("{connection:?}").contains("127"), "secrets are in no log");
    }
    let url = "postgres://a@127.0.0.1:1/db?sslmode=require".to_owned();
    let connection = Connection::Postgres { url, password: None, ca: Some("no PEM".into()) };
    assert_eq!(Connectors::default().test(&connection).await.expect_err("no authority").code, "connection_ca_invalid");
    assert_eq!(told(&Value::Json(json!(null))), "null");
}

mod parquet {
    use std::sync::Arc;

    use ::parquet::arrow::ArrowWriter;
    use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use ::parquet::file::properties::WriterProperties;
    use arrow_array::builder::{Int32Builder, ListBuilder};
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
        StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    };

    use super::*;

    fn batch() -> RecordBatch {
        let mut lists = ListBuilder::new(Int32Builder::new());
        lists.append_value([Some(1), None]);
        lists.append_null();
        let decimal = Decimal128Array::from(vec![Some(-5), Some(12_345)]).with_precision_and_scale(38, 2);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(vec!["a", "b"]))),
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("score", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("ltv", Arc::new(decimal.expect("a decimal"))),
            ("vip", Arc::new(BooleanArray::from(vec![true, false]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_500_000, 0]).with_timezone("+00:00"))),
            ("local", Arc::new(TimestampMillisecondArray::from(vec![1_500, 0]))),
            ("day", Arc::new(Date32Array::from(vec![19_000, -719_528]))),
            ("photo", Arc::new(BinaryArray::from(vec![&b"x"[..], b"y"]))),
            ("tags", Arc::new(lists.finish())),
        ];
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    fn write(path: &Path, batch: &RecordBatch, compression: Compression) {
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = std::fs::File::create(path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(batch).and_then(|()| writer.close().map(drop)).expect("it is written");
    }

    #[tokio::test]
    async fn columns_of_parquet_are_known_by_their_names_in_whatever_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let (all, turned): (_, Vec<usize>) = (batch(), (0..batch().num_columns()).rev().collect());
        write(&folder.path().join("1.parquet"), &all, Compression::SNAPPY);
        write(&folder.path().join("2.parquet"), &all.project(&turned).expect("columns"), Compression::SNAPPY);
        let (_, rows) = read(folder.path(), "*.parquet", &[]).await.expect("two files");
        let told: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(told).collect()).collect();
        assert_eq!((told.len(), &told[..2]), (4, &told[2..]));
        write(&folder.path().join("2.parquet"), &all.project(&[0, 1]).expect("columns"), Compression::SNAPPY);
        assert_eq!(read(folder.path(), "*.parquet", &[]).await.expect_err("others").code, "source_columns_differ");
    }

    #[tokio::test]
    async fn parquet_has_types_of_its_own() {
        let packed = [
            Compression::UNCOMPRESSED,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ];
        for packed in packed {
            let folder = tempfile::tempdir().expect("a folder");
            write(&folder.path().join("people.parquet"), &batch(), packed);
            assert_eq!(read(folder.path(), "*.parquet", &[]).await.expect("a file").1.len(), 2, "{packed}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder.path().join("people.parquet"), &batch(), Compression::SNAPPY);
        let (columns, rows) = read(folder.path(), "*.parquet", &[]).await.expect("a file");
        let kinds: Vec<&str> = columns.iter().map(|column| column.kind.name()).collect();
        let expected = ["text", "number", "number", "number", "boolean", "timestamp", "text", "text", "binary", "json"];
        assert_eq!(kinds, expected);
        let row = |at: usize| rows[at].iter().map(told).collect::<Vec<_>>().join(" | ");
        let first = "'a' | #9223372036854775807 | #0.5 | #-0.05 | true | @1970-01-01T00:00:01.5Z | '1970-01-01T00:00:01.5' | \
                     '2022-01-08' | !value_binary | [1,null]";
        assert_eq!(row(0), first);
        let second = "'b' | - | !value_not_finite | #123.45 | false | @1970-01-01T00:00:00Z | '1970-01-01T00:00:00' | \
                      !value_out_of_range | !value_binary | -";
        assert_eq!(row(1), second);
        let types = [("id", ColumnKind::Text)];
        assert_eq!(read(folder.path(), "*.parquet", &types).await.expect_err("types").code, "source_column_unfit");
    }
}
