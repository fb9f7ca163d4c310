use super::{Cell, Rows, Unread};
use crate::load::mapping::{Mapping, MappingLayer};

fn read(mapping: &str, input: impl AsRef<[u8]>, column: &str) -> Result<Vec<Option<String>>, String> {
    let layer: MappingLayer = toml::from_str(mapping).expect("test data");
    let mapping = Mapping::resolve(layer, MappingLayer::default(), "test").expect("test data");
    let rows = Rows::new(&mapping, input.as_ref()).map_err(|error| format!("{error:#}"))?;
    rows.map(|row| match row {
        Ok(row) => Ok(row.cell(column).and_then(Cell::into_text).map(|text| text.into_owned())),
        Err(Unread::Row { number, reason }) => Err(format!("row {number}: {reason}")),
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
    let utf16 = read(&format!("{EVENT}format = \"jsonl\""), b"\xff\xfe{\0}\0", "id").expect_err("UTF-16");
    assert!(utf16.contains("save it as UTF-8"), "{utf16}");
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
