use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{encoding, text, unpacked};

fn read(bytes: &[u8], said: Option<&str>) -> Result<(String, bool), String> {
    let said = said.map(|name| encoding(name).expect("an encoding"));
    let found = text(unpacked(bytes).map_err(|error| format!("{error:#}"))?, said);
    let mut found = found.map_err(|error| format!("{error:#}"))?;
    let mut all = Vec::new();
    found.reader.read_to_end(&mut all).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(all).map_err(|error| error.to_string())?, found.is_transcoded))
}

#[test]
fn packed_files_are_unpacked_by_how_they_begin() {
    let long = "id,n\n".repeat(100_000);
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let zstd = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".as_slice(), &zstd("b")].concat();
    for (bytes, expected) in [
        (gzip(&long), long.clone()),
        (zstd(&long), long.clone()),
        ([gzip("a"), gzip("b")].concat(), "ab".to_owned()),
        ([zstd("a"), skipped].concat(), "ab".to_owned()),
        (b"a".to_vec(), "a".to_owned()),
        (Vec::new(), String::new()),
    ] {
        assert_eq!(read(&bytes, None), Ok((expected, false)));
    }
    let broken = zstd(&long);
    assert!(read(&broken[..broken.len() / 2], None).is_err());
}

#[test]
fn encodings_are_told_by_a_mark_or_by_name() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    for (bytes, said, expected) in [
        ("é".as_bytes().to_vec(), None, ("é", false)),
        ("\u{feff}é".as_bytes().to_vec(), None, ("é", false)),
        (utf16("\u{feff}é€"), None, ("é€", true)),
        (be("\u{feff}é€"), None, ("é€", true)),
        (utf16("é€"), Some("utf-16le"), ("é€", true)),
        (b"\xe9\x80".to_vec(), Some("latin1"), ("é€", true)),
        // A mark wins: a file of refused rows is UTF-8, whatever the file that they are from.
        ("\u{feff}é".as_bytes().to_vec(), Some("latin1"), ("é", false)),
        (b"x".to_vec(), Some("utf-8"), ("x", false)),
    ] {
        assert_eq!(read(&bytes, said), Ok((expected.0.to_owned(), expected.1)), "{said:?}");
    }
    let unmarked = read(&utf16("id;n"), None).expect_err("no mark");
    assert!(unmarked.contains("--encoding utf-16le"), "{unmarked}");
    assert!(encoding("klingon").is_err());
}
