//! Bodies of every kind: plain, packed, broken, endless.

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::budget::{Budget, Counted};

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

const BOUNDS: Bounds = Bounds { bytes_max: 1_000, timeout: Duration::from_secs(30) };

fn encoded(encoding: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().expect("a header"))])
}

async fn check(encoding: &str, body: Vec<u8>, expected: Result<&[u8], &str>) {
    let budget = Budget::new(Counted::Bodies, 1 << 20);
    let got = read_within(BOUNDS, budget.charge(Share::Directory), &encoded(encoding), Body::from(body)).await;
    let got = got.map(Read::into_bytes);
    assert_eq!(got.as_deref().map_err(|error| error.code), expected, "{encoding}");
    drop(got);
    assert_eq!(budget.used(), 0, "{encoding}");
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
    // Members that inflate to nothing are not read without end.
    check("gzip", packed(b"").repeat(1_000), Err("body_too_large")).await;
}

#[tokio::test]
async fn a_body_is_in_the_budget_until_nobody_needs_it() {
    let budget = Budget::new(Counted::Bodies, 64 << 10);
    let bounds = Bounds { bytes_max: 32 << 10, ..BOUNDS };
    let read = async |encoding: &str, body: Vec<u8>| {
        let read = read_within(bounds, budget.charge(Share::Directory), &encoded(encoding), Body::from(body)).await;
        read.map(Read::into_bytes)
    };
    for (encoding, body) in [("identity", vec![b' '; 20 << 10]), ("gzip", packed(&[b' '; 20 << 10]))] {
        let whole = read(encoding, body).await.expect("a body");
        let held = budget.used();
        assert!((20 << 10..=32 << 10).contains(&held), "{encoding}: {held}");
        let part = whole.slice(..10);
        drop(whole);
        assert_eq!(budget.used(), held, "{encoding}: a part holds the whole");
        drop(part);
        assert_eq!(budget.used(), 0, "{encoding}");
    }
    // What others hold leaves no room, whether it comes plain or inflates to too much.
    let mut others = budget.charge(Share::Directory);
    others.grow_to(30 << 10).expect("room");
    for (encoding, body) in [("identity", vec![b' '; 20 << 10]), ("gzip", packed(&[b' '; 20 << 10]))] {
        assert_eq!(read(encoding, body).await.expect_err("no room").code, "bodies_full", "{encoding}");
        assert_eq!(budget.used(), 30 << 10, "{encoding}: a refused body holds nothing");
    }
    drop(others);
    assert_eq!(read("gzip", packed(&[b' '; 20 << 10])).await.expect("room again").len(), 20 << 10);
}

#[tokio::test]
async fn a_body_that_does_not_come_holds_nothing_for_long() {
    let budget = Budget::new(Counted::Bodies, 1 << 20);
    let bounds = Bounds { timeout: Duration::from_millis(10), ..BOUNDS };
    let never = Body::from_stream(futures_util::stream::once(std::future::pending::<Result<Bytes, std::io::Error>>()));
    let read = read_within(bounds, budget.charge(Share::Strangers), &HeaderMap::new(), never).await;
    assert_eq!(read.err().expect("no body").code, "body_timeout");
    assert_eq!(budget.used(), 0);
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
    // Names of members are told where they look like names.
    check(b"{\"cuont\":1}", "body_invalid", "unknown member `cuont`, expected `count` or `colour` at line 1");
    check(b"{\"ann secret@shop\":1}", "body_invalid", "unknown member, expected `count` or `colour` at line 1");
    let long = format!("{{\"{}secret\":1}}", "x".repeat(64));
    check(long.as_bytes(), "body_invalid", "unknown member, expected `count` or `colour` at line 1");
    check(b"{}", "body_invalid", "missing member `count`");
    check(b"{\"count\":\"\xff\"}", "utf8_invalid", "byte 10");
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    check(&deep, "body_invalid", "");
}
