//! The convention of stored records: one byte of version, then the postcard encoding of a mirror struct.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};

/// Writes a record of this version.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(version: u8, record: &T) -> Bytes {
    let start = vec![version];
    postcard::to_extend(record, start).expect("records hold only what postcard writes, and a vector grows").into()
}

/// Reads a record of this version.
///
/// # Errors
/// `Corrupt` with `record_corrupt`, or with `record_newer` for a version above the expected one.
pub fn decode<'a, T: Deserialize<'a>>(expected: u8, bytes: &'a [u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((version, rest)) if *version == expected => read_section(rest),
        Some((version, _)) if *version > expected => {
            let message = format!("a stored record is newer than this program version={version} expected={expected}");
            Err(Error::new(ErrorKind::Corrupt, "record_newer", message))
        }
        _ => Err(corrupt("version")),
    }
}

/// A part of a record, to stand in it as bytes.
#[must_use]
pub(crate) fn section<T: Serialize + ?Sized>(part: &T) -> Vec<u8> {
    postcard::to_extend(part, Vec::new()).expect("records hold only what postcard writes, and a vector grows")
}

/// Reads such a part.
///
/// # Errors
/// `Corrupt` with `record_corrupt`.
pub(crate) fn read_section<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(bytes) {
        Ok((part, [])) => Ok(part),
        Ok(_) => Err(corrupt("length")),
        Err(_) => Err(corrupt("encoding")),
    }
}

/// A record that cannot be what was written.
#[must_use]
pub fn corrupt(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, "record_corrupt", format!("a stored record is damaged what={what}"))
}

/// An instant of a record.
///
/// # Errors
/// `Corrupt` for one outside the years 1 to 9999.
pub fn instant(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_micros(micros).ok_or_else(|| corrupt("instant"))
}

/// The bytes that a golden file holds.
#[cfg(test)]
pub(crate) fn thawed(name: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.hex"));
    let text = std::fs::read_to_string(&path).expect("a golden file");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(pair).collect()
}

/// Compares a record with its golden file, which freezes it: `golden/<name>.hex`, lines of hexadecimal digits. A file that
/// is absent is written when `TESSERA_GOLDEN_WRITE` is set; none is ever changed.
#[cfg(test)]
pub(crate) fn golden(name: &str, record: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.hex"));
    let digits: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        digits.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("digits")).collect();
    let text = lines.join("\n") + "\n";
    match std::fs::read_to_string(&path) {
        Ok(frozen) => assert_eq!(frozen, text, "{} is frozen: a new shape is a new version", path.display()),
        Err(_) if std::env::var_os("TESSERA_GOLDEN_WRITE").is_some() => {
            std::fs::write(&path, text).expect("the golden folder can be written");
        }
        Err(error) => panic!("{}: {error}; set TESSERA_GOLDEN_WRITE to write it", path.display()),
    }
}

#[cfg(test)]
mod tests;
