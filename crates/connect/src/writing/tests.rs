//! What is written is what is read, in every format.

use serde_json::json;

use super::*;
use crate::{ColumnKind, Connect as _, Connection, Connectors, Query, Question, Value};

fn fields() -> Vec<Field> {
    let kinds = [
        ("name", FieldKind::Text),
        ("vip", FieldKind::Boolean),
        ("n", FieldKind::Integer),
        ("spent", FieldKind::Decimal(18)),
        ("at", FieldKind::Timestamp),
        ("day", FieldKind::Date),
        ("tags", FieldKind::Json),
    ];
    kinds.into_iter().map(|(name, kind)| Field { name: name.to_owned(), kind }).collect()
}

fn rows() -> Vec<Row> {
    let number = |own: &str| Value::Number(own.to_owned());
    let text = |own: &str| Value::Text(own.to_owned());
    vec![
        vec![
            text("a \"b\", c\nd"),
            Value::Boolean(true),
            number("-9223372036854775808"),
            number("17000000000000000000.000000000000000001"),
            Value::Timestamp("2026-01-31T10:00:00.000001Z".to_owned()),
            text("1969-12-31"),
            Value::Json(json!({"a": [1, null]})),
        ],
        vec![Value::Null; 7],
        vec![
            text("é"),
            Value::Boolean(false),
            number("0"),
            number("-0.5"),
            Value::Null,
            text("2026-02-28"),
            Value::Json(json!("x")),
        ],
    ]
}

async fn read_back(format: FileFormat, compression: Compression) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut encoder = Encoder::new(format, compression, &fields()).expect("an encoder");
    let mut bytes = Vec::new();
    for row in rows() {
        encoder.rows(&[row]).expect("a row");
        bytes.extend(encoder.take());
    }
    bytes.extend(encoder.finish().expect("a file"));
    if compression == Compression::Zstd && format == FileFormat::Csv {
        bytes = zstd::decode_all(&bytes[..]).expect("zstd");
    }
    let name = format!("t.{}", format.ending(compression).trim_end_matches(".zst"));
    std::fs::write(folder.path().join(&name), bytes).expect("a file");
    let types = [
        ("name", ColumnKind::Text),
        ("n", ColumnKind::Number),
        ("spent", ColumnKind::Number),
        ("at", ColumnKind::Timestamp),
        ("tags", ColumnKind::Json),
    ];
    let types = types.into_iter().map(|(name, kind)| (name.to_owned(), kind));
    let types = if format == FileFormat::Csv { types.collect() } else { std::collections::BTreeMap::new() };
    let question = Question { query: Query::Table(name), types };
    let connection = Connection::Files(crate::Place::Folder(folder.path().to_owned()));
    let mut opened = Connectors::default().open(&connection, &question).await.expect("the file opens");
    opened.next().await.expect("rows").expect("a batch")
}

#[tokio::test]
async fn tables_are_read_back_as_they_were_written() {
    for (format, compression) in [
        (FileFormat::Csv, Compression::None),
        (FileFormat::Csv, Compression::Gzip),
        (FileFormat::Csv, Compression::Zstd),
        (FileFormat::Parquet, Compression::None),
        (FileFormat::Parquet, Compression::Gzip),
        (FileFormat::Parquet, Compression::Zstd),
        (FileFormat::Parquet, Compression::Snappy),
    ] {
        let mut expected = rows();
        if format == FileFormat::Parquet {
            // All decimals of a column have as many places, and JSON is text there.
            expected[2][3] = Value::Number(format!("-0.5{}", "0".repeat(17)));
            for row in &mut expected {
                if let Value::Json(own) = &row[6] {
                    row[6] = Value::Text(own.to_string());
                }
            }
        }
        assert_eq!(read_back(format, compression).await, expected, "{} {}", format.name(), compression.name());
    }
}

#[test]
fn lines_are_packed_and_unpacked() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut encoder = Encoder::new(FileFormat::JsonLines, compression, &[]).expect("an encoder");
        let mut bytes = Vec::new();
        for at in 0..1_000 {
            encoder.lines(format!("{{\"at\":{at}}}\n").as_bytes()).expect("a line");
            bytes.extend(encoder.take());
        }
        bytes.extend(encoder.finish().expect("the end"));
        let mut text = String::new();
        let mut reader: Box<dyn std::io::Read> = match compression {
            Compression::Gzip => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(&bytes[..]).expect("zstd")),
            Compression::None | Compression::Snappy => Box::new(&bytes[..]),
        };
        reader.read_to_string(&mut text).expect("text");
        assert_eq!((text.lines().count(), text.lines().last()), (1_000, Some("{\"at\":999}")));
        assert!(encoder_refuses_rows(compression));
    }
    assert_eq!(Compression::parse("snappy", FileFormat::Csv), None);
}

fn encoder_refuses_rows(compression: Compression) -> bool {
    let mut encoder = Encoder::new(FileFormat::JsonLines, compression, &[]).expect("an encoder");
    encoder.rows(&rows()).is_err_and(|error| error.code == "export_value_unfit")
}

#[test]
fn an_empty_text_is_told_from_none() {
    let fields = [
        Field { name: "a,b".to_owned(), kind: FieldKind::Text },
        Field { name: "c".to_owned(), kind: FieldKind::Text },
    ];
    let mut encoder = Encoder::new(FileFormat::Csv, Compression::None, &fields).expect("an encoder");
    encoder
        .rows(&[vec![Value::Text(String::new()), Value::Null], vec![Value::Null, Value::Text(" x".to_owned())]])
        .expect("rows");
    assert_eq!(encoder.finish().expect("the end"), b"\"a,b\",c\r\n\"\",\r\n,\" x\"\r\n");
    let none = Encoder::new(FileFormat::Csv, Compression::None, &[]).expect("an encoder");
    assert_eq!(none.finish().expect("the end"), b"", "nobody and nothing is no line");
}

#[test]
fn numbers_are_units_of_a_power_of_ten() {
    let check = |text: &str, expected: Option<(u8, u8, Option<i64>)>| {
        let found = Digits::parse(text).map(|own| (own.whole_digits(), own.scale(), own.integer()));
        assert_eq!(found, expected, "{text}");
    };
    check("0", Some((0, 0, Some(0))));
    check("-0.00", Some((0, 0, Some(0))));
    check("41.50", Some((2, 1, None)));
    check("1e3", Some((4, 0, Some(1_000))));
    check("15e-1", Some((1, 1, None)));
    check("9223372036854775808", Some((19, 0, None)));
    check("0.001", Some((0, 3, None)));
    check("1e39", None);
    check("1e-39", None);
    check(&"9".repeat(38), Some((38, 0, None)));
    check(&"9".repeat(39), None);
    for text in ["", "-", ".5", "1x", "1e", "--1", "1e99999999999"] {
        check(text, None);
    }
    assert_eq!(Digits::parse("1.5").and_then(|own| own.units_of(3)), Some(1_500));
    assert_eq!(Digits::parse("1.5").and_then(|own| own.units_of(0)), None);
    assert_eq!(Digits::parse(&"9".repeat(38)).and_then(|own| own.units_of(1)), None);
}

#[test]
fn a_value_of_another_kind_is_refused() {
    let bad = [
        (FieldKind::Boolean, Value::Text("true".into())),
        (FieldKind::Integer, Value::Number("1.5".into())),
        (FieldKind::Decimal(1), Value::Number("1.25".into())),
        (FieldKind::Text, Value::Boolean(true)),
        (FieldKind::Timestamp, Value::Timestamp("yesterday".into())),
        (FieldKind::Date, Value::Text("2026-02-30".into())),
    ];
    for (kind, value) in bad {
        let fields = [Field { name: "x".to_owned(), kind }];
        let mut encoder = Encoder::new(FileFormat::Parquet, Compression::None, &fields).expect("an encoder");
        let error = encoder.rows(&[vec![value]]).expect_err("a misfit");
        assert_eq!(error.code, "export_value_unfit", "{}", kind.name());
    }
    let none = Encoder::new(FileFormat::Parquet, Compression::None, &[]).err().expect("no columns");
    assert_eq!(none.code, "export_columns_invalid");
}
