use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sample<'a> {
    text: &'a str,
    numbers: Vec<u32>,
}

fn check(bytes: &[u8], expected: &Result<Sample<'_>, &'static str>) {
    let found = decode::<Sample<'_>>(2, bytes).map_err(|error| {
        assert_eq!(error.kind, ErrorKind::Corrupt);
        error.code
    });
    assert_eq!(&found, expected);
}

#[test]
fn a_record_is_read_whole_or_not_at_all() {
    check(&[2, 1, b'a', 1, 7], &Ok(Sample { text: "a", numbers: vec![7] }));
    check(&[2, 1, b'a', 1, 7, 0], &Err("record_corrupt"));
    check(&[2, 1, b'a', 1], &Err("record_corrupt"));
    check(&[2, 1, 0xff, 0], &Err("record_corrupt"));
    check(&[2], &Err("record_corrupt"));
    check(&[], &Err("record_corrupt"));
    check(&[1, 1, b'a', 1, 7], &Err("record_corrupt"));
    check(&[3, 1, b'a', 1, 7], &Err("record_newer"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(text in ".*", numbers in prop::collection::vec(any::<u32>(), 0..8), version: u8) {
        let bytes = encode(version, &Sample { text: &text, numbers: numbers.clone() });
        prop_assert_eq!(bytes[0], version);
        prop_assert_eq!(decode::<Sample<'_>>(version, &bytes).unwrap(), Sample { text: &text, numbers });
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode::<Sample<'_>>(2, &bytes);
    }
}
