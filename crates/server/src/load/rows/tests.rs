use super::{Cell, Place, Rows, Unread};
use crate::load::input;
use crate::load::layer::MappingLayer;
use crate::load::mapping::Mapping;

fn read(mapping: &str, input: impl AsRef<[u8]>, column: &str) -> Result<Vec<Option<String>>, String> {
    let layer: MappingLayer = toml::from_str(mapping).expect("test data");
    let mapping = Mapping::resolve(layer, MappingLayer::default(), "test").expect("test data");
    let text = input::text(input.as_ref(), mapping.encoding()).map_err(|error| format!("{error:#}"))?;
    let rows = Rows::new(&mapping, text).map_err(|error| format!("{error:#}"))?;
    rows.map(|row| match row {
        Ok(row) => Ok(row.cell(column).and_then(Cell::into_text).map(|text| text.into_owned())),
        Err(Unread::Row { place, reason, .. }) => Err(format!("row {}: {reason}", place.row)),
        Err(Unread::File(error)) => Err(format!("{error:#}")),
    })
    .collect()
}

const EVENT: &str = "event = \"E\"\nuser_id = \"{id}\"\n";

#[test]
fn each_format_gives_its_columns() {
    for (format, input, column, expected) in [
        ("format = \"csv\"", "id,n\n1,\"a,b\"\n2,\n", "n", vec![Some("a,b"), None]),
        ("format = \"csv\"\ndelimiter = \";\"", "id;n\n1;x\n", "n", vec![Some("x")]),
        ("format = \"csv\"\ncolumns = [\"id\", \"n\"]", "1,x\n", "n", vec![Some("x")]),
        ("format = \"blank\"\ncolumns = [\"id\", \"n\"]", "  1   x\n\n 2 y\n", "n", vec![Some("x"), Some("y")]),
        (
            "format = \"jsonl\"",
            "{\"id\":1,\"n\":1.50}\n{\"n\":null}\n{\"n\":\"\"}\n",
            "n",
            vec![Some("1.50"), None, None],
        ),
        ("format = \"jsonl\"", "{\"a\":{\"b\":{\"c\":\"deep\"}}}", "a.b.c", vec![Some("deep")]),
        ("format = \"jsonl\"", "{\"a.b\":\"flat\"}", "a.b", vec![Some("flat")]),
        ("format = \"jsonl\"", "\u{feff}{\"id\":1}\n{\"id\":2}\n", "id", vec![Some("1"), Some("2")]),
        ("format = \"csv\"", "\u{feff}id,n\n1,x\n", "id", vec![Some("1")]),
        ("format = \"csv\"", "\u{feff}\"id\",n\n1,x\n", "id", vec![Some("1")]),
        ("format = \"blank\"\ncolumns = [\"id\", \"n\"]", "\u{feff}1 x\n", "id", vec![Some("1")]),
        ("format = \"jsonl\"", "{}", "id", vec![None]),
        ("format = \"jsonl\"", "", "id", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|text| text.map(str::to_owned)).collect();
        assert_eq!(read(&format!("{EVENT}{format}"), input, column).expect(input), expected, "{input}");
    }
}

#[test]
fn broken_rows_are_named() {
    for (format, input, expected) in [
        ("format = \"csv\"", "id,n\n1,2\n1,2,3\n", "row 2: the row has 3 columns, not 2"),
        ("format = \"csv\"\ncolumns = [\"id\"]", "1,2\n", "row 1: the row has 2 columns, not 1"),
        ("format = \"csv\"", "other\n1\n", "no column id"),
        ("format = \"csv\"", "id,n,id\n1,2,3\n", "columns 1 and 3 are all named \"id\""),
        ("format = \"blank\"\ncolumns = [\"id\", \"n\"]", "1 2\n1 2 3\n", "row 2: the row has 3 columns, not 2"),
        ("format = \"blank\"\ncolumns = [\"id\", \"n\"]", "1\n", "row 1: the row has 1 columns, not 2"),
        ("format = \"jsonl\"", "{\"id\":1,\"n\":2,\"id\":3}\n", "row 1: member 3 is named \"id\", as one before it"),
        ("format = \"jsonl\"", "{\"id\":1}\n[1]\n", "row 2: this is no JSON object"),
        ("format = \"blank\"", "1 2\n", "name their columns"),
    ] {
        let error = read(&format!("{EVENT}{format}"), input, "id").expect_err(input);
        assert!(error.contains(expected), "{input}: {error}");
    }
}

/// Where each row stands, broken or not.
fn places(mapping: &str, input: &[u8]) -> Vec<(u64, u64)> {
    let layer: MappingLayer = toml::from_str(&format!("{EVENT}{mapping}")).expect("test data");
    let mapping = Mapping::resolve(layer, MappingLayer::default(), "test").expect("test data");
    let rows = Rows::new(&mapping, input::text(input, None).expect("text")).expect("a header");
    let place = |row: Result<super::Row, Unread>| match row {
        Ok(row) => row.place,
        Err(Unread::Row { place, .. }) => place,
        Err(Unread::File(error)) => panic!("{error:#}"),
    };
    rows.map(place).map(|Place { row, line }| (row, line)).collect()
}

#[test]
fn a_row_is_found_by_its_line() {
    let expected = [(1, 2), (2, 5), (3, 6), (4, 8)];
    for input in [
        "id,n\n1,2\n\n\n3,4\n\"x\ny\",5\n6,7",
        "id,n\n1,2\n\n\n3,4\n\"x\ny\",5\n6,7\n",
        "id,n\r\n1,2\r\n\r\n\r\n3,4\r\n\"x\r\ny\",5\r\n6,7\r\n",
        "id,n\r\n1,2\r\n\r\n\r\n3,4\r\n\"x\r\ny\",5\r\n6,7",
    ] {
        assert_eq!(places("", input.as_bytes()), expected, "{input:?}");
    }
    assert_eq!(places("columns = [\"id\", \"n\"]", b"1,2\n3,4\n"), [(1, 1), (2, 2)]);
    assert_eq!(places("format = \"jsonl\"", b"{\"id\":1}\n\n[]\n"), [(1, 1), (2, 3)]);
    assert_eq!(places("format = \"blank\"\ncolumns = [\"id\"]", b"1\n\n2\n"), [(1, 1), (2, 3)]);
}

#[test]
fn a_file_of_refused_rows_is_read_as_the_file_that_they_are_from() {
    let text = "rejected_line,rejected_code,rejected_expected,rejected_value,id,n\n7,time_invalid,a time,x,1,2\n";
    let id = || vec![Some("1".to_owned())];
    for mapping in ["", "columns = [\"id\", \"n\"]"] {
        assert_eq!(read(&format!("{EVENT}{mapping}"), text, "id"), Ok(id()), "{mapping}");
    }
    let lines = "{\"rejected\":{\"line\":7,\"code\":\"c\",\"expected\":\"e\"},\"id\":1}";
    let json = format!("{EVENT}format = \"jsonl\"");
    assert_eq!(read(&json, lines, "id"), Ok(id()));
    assert_eq!(read(&json, lines, "rejected"), Ok(vec![None]));
    // A member that somebody else called so is a value.
    assert_eq!(read(&json, "{\"rejected\":true,\"id\":1}", "rejected"), Ok(vec![Some("true".to_owned())]));
}

#[test]
fn a_quote_that_is_never_closed_does_not_take_the_file_into_memory() {
    let mut text = b"id,n\n1,\"".to_vec();
    text.resize(5 << 20, b'x');
    let error = read(EVENT, text, "id").expect_err("too long");
    assert!(error.contains("longer than 4194304 bytes"), "{error}");
}

#[test]
fn a_quote_that_is_no_pair_takes_its_own_line_and_no_other() {
    let rows = |text: &str| {
        let layer: MappingLayer = toml::from_str(EVENT).expect("test data");
        let mapping = Mapping::resolve(layer, MappingLayer::default(), "test").expect("test data");
        let rows = Rows::new(&mapping, input::text(text.as_bytes(), None).expect("text")).expect("a header");
        let told = |row: Result<super::Row, Unread>| match row {
            Ok(row) => Ok(row.place.line),
            Err(Unread::Row { place, raw: super::Raw::Columns(raw), .. }) => Err((
                place.line,
                raw.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join("|"),
            )),
            Err(other) => panic!("{other:?}"),
        };
        rows.map(told).collect::<Vec<_>>()
    };
    let stray = |line, text: &str| Err((line, text.to_owned()));
    let cases = [
        // The next stray quote would end the value, in the last column of a row that looks whole.
        ("id,n\n1,\"a\n2,b\n3,\"c\n4,d\n", vec![stray(2, "1|\"a"), Ok(3), stray(4, "3|\"c"), Ok(5)]),
        ("id,n\r\n1,\"a\r\n2,b\r\n", vec![stray(2, "1|\"a"), Ok(3)]),
        ("id,n\n1,\"a\" b\n2,\"b, \"\"c\"\"\"\n", vec![stray(2, "1|\"a\" b"), Ok(3)]),
        ("id,n\n1,a\"b\n2,\"x\ny\"\n3,\"", vec![Ok(2), Ok(3), stray(5, "3|\"")]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(text), expected, "{text:?}");
    }
}
