//! Rows of CSV, and quotes in them that are no pairs.

use std::io::Read;

use tessera_connect::quoted::{Found, Quoted};

/// Gives one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

fn rows(text: &str, bytes_max: usize) -> Vec<String> {
    let read = |input: Box<dyn Read + '_>| {
        let mut rows = Quoted::new(input, b',', bytes_max);
        let mut told = Vec::new();
        loop {
            match rows.read() {
                Ok(None) => return told,
                Ok(Some(Found { line, values, fault })) => {
                    let values: Vec<_> = values.iter().map(String::from_utf8_lossy).collect();
                    let fault = fault.map_or_else(String::new, |fault| format!(" {fault:?}"));
                    told.push(format!("{line}: {}{fault}", values.join("|")));
                }
                Err(error) => {
                    told.push(format!("{error:?}"));
                    return told;
                }
            }
        }
    };
    let told = read(Box::new(text.as_bytes()));
    assert_eq!(read(Box::new(Slow(text.as_bytes()))), told, "{text:?}");
    told
}

#[test]
fn rows_are_told_with_their_lines() {
    for (text, expected) in [
        ("", vec![]),
        ("\n\n", vec![]),
        ("a,b\n1,2\n", vec!["1: a|b", "2: 1|2"]),
        ("a,b\n1,2", vec!["1: a|b", "2: 1|2"]),
        ("a\r\n\r\nb\rc\n\r\nd", vec!["1: a", "3: b", "4: c", "6: d"]),
        (",\n,", vec!["1: |", "2: |"]),
        ("\u{feff}\"a\",b\n", vec!["1: a|b"]),
        ("\"a,\"\"b\"\"\n,c\",d\nx", vec!["1: a,\"b\"\n,c|d", "3: x"]),
        ("a\"b\",\"\"\n", vec!["1: a\"b\"|"]),
    ] {
        assert_eq!(rows(text, 100), expected, "{text:?}");
    }
}

#[test]
fn a_quote_that_is_no_pair_is_a_fault_of_its_line() {
    for (text, expected) in [
        ("\"a\"b\nc\n", vec!["1: \"a\"b Astray(1)", "2: c"]),
        ("1,\"a\n2,b\n\n3,\"c\n4,d", vec!["1: 1|\"a Astray(4)", "2: 2|b", "4: 3|\"c Open", "5: 4|d"]),
        ("x\n\n1,\"", vec!["1: x", "3: 1|\" Open"]),
        ("1,\"a\r\n2,b\r\n", vec!["1: 1|\"a Open", "2: 2|b"]),
        ("\"a\"\"b\n", vec!["1: \"a\"\"b Open"]),
    ] {
        assert_eq!(rows(text, 100), expected, "{text:?}");
    }
}

#[test]
fn a_row_has_no_more_bytes_than_it_may() {
    assert_eq!(rows("abcd\nabcde\nf", 5), ["1: abcd", "2: abcde", "3: f"]);
    assert_eq!(rows("abcde\nabcdef\nf", 5), ["1: abcde", "TooLarge"]);
    assert_eq!(rows("\"a\nbcdefgh\"\nf", 5), ["1: \"a Endless", "TooLarge"]);
    assert_eq!(rows("\"a\nbcd\nfgh\nxyz", 5), ["1: \"a Endless", "2: bcd", "3: fgh", "4: xyz"]);
    assert_eq!(rows("\"abcdefgh", 5), ["TooLarge"]);
}

/// What the `csv` crate makes of texts without such faults is what this makes of them.
#[test]
fn rows_are_those_of_another_reader() {
    let parts = ["a", ",", "\"x,y\"", "\"\"", "\n", "\r\n", "\"p\nq\"", "\"\"\"z\"\"\"", " ", "ä"];
    for first in parts {
        for second in parts {
            for third in parts {
                for fourth in parts {
                    let text = [first, second, third, fourth].concat();
                    let mut quoted = Quoted::new(text.as_bytes(), b',', 100);
                    let mut builder = csv::ReaderBuilder::new();
                    let mut other = builder.has_headers(false).flexible(true).from_reader(text.as_bytes());
                    for record in other.byte_records() {
                        let found = quoted.read().expect("a text").expect("as many rows");
                        if found.fault.is_some() {
                            break;
                        }
                        assert_eq!(found.values, record.expect("a record"), "{text:?}");
                    }
                }
            }
        }
    }
}
