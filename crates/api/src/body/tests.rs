//! Bodies of every kind: plain, packed, broken, endless.

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

async fn check(encoding: &str, body: Vec<u8>, expected: Result<&[u8], &str>) {
    let settings = ApiSettings { body_bytes_max: 1_000, ..ApiSettings::default() };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, encoding.parse().expect("a header"));
    let got = read(&settings, &headers, Body::from(body)).await;
    assert_eq!(got.as_deref().map_err(|error| error.code), expected, "{encoding}");
}

#[tokio::test]
async fn bodies_are_bounded_and_inflated() {
    check("identity", b"{}".to_vec(), Ok(b"{}")).await;
    check("gzip", packed(b"{}"), Ok(b"{}")).await;
    check("GZIP", packed(b""), Ok(b"")).await;
    check("gzip", [packed(b"{"), packed(b"}")].concat(), Ok(b"{}")).await;
    check("identity", vec![b' '; 1_000], Ok(&[b' '; 1_000])).await;
    check("identity", vec![b' '; 1_001], Err("body_too_large")).await;
    check("gzip", packed(&[b' '; 1_001]), Err("body_too_large")).await;
    check("gzip", packed(&vec![b' '; 100_000_000]), Err("body_too_large")).await;
    check("gzip", b"{}".to_vec(), Err("content_encoding_invalid")).await;
    let whole = packed(b"{\"a\":\"some text that is long enough\"}");
    check("gzip", whole[..whole.len() - 9].to_vec(), Err("content_encoding_invalid")).await;
    check("br", b"{}".to_vec(), Err("content_encoding_invalid")).await;
}

#[test]
fn json_errors_say_where_but_not_what() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form matters")]
    struct Form {
        count: u32,
        #[serde(default)]
        colour: Option<Colour>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        Green,
    }
    let check = |body: &[u8], code: &str, part: &str| {
        let error = json::<Form>(body).expect_err("a wrong body");
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(part) && !error.message.contains("secret"), "{error}");
    };
    check(b"", "body_missing", "");
    check(b" \n", "body_missing", "");
    check(b"{\"count\":1", "json_invalid", "line 1 column 10");
    check(b"{\"count\":\"secret\"}", "body_invalid", "expected a whole number from 0 to 4294967295 at line 1");
    check(b"{\"count\":\"expected secret\"}", "body_invalid", "expected a whole number from 0 to 4294967295 at line 1");
    check(b"{\"colour\":\"expected secret\"}", "body_invalid", "unknown word, expected `red` or `green` at line 1");
    check(b"[1]", "body_invalid", "expected an object");
    check(b" [7,8]", "body_invalid", "expected an object");
    check(b"null", "body_invalid", "expected an object at line 1 column 4");
    check(b"[1,", "json_invalid", "line 1 column 3");
    check(b"{\"count\":1,\"count\":2}", "body_invalid", "member `count` stands twice at line 1");
    check(b"{\"secret\":1}", "body_invalid", "expected `count`");
    check(b"{}", "body_invalid", "missing member `count`");
    check(b"{\"count\":\"\xff\"}", "utf8_invalid", "byte 10");
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    check(&deep, "body_invalid", "");
}
