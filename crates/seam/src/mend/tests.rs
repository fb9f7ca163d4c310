//! What is almost JSON becomes JSON; what is not stays as it is.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

/// The mended text, and each flaw as `path what`.
fn check(sent: &[u8], expected: Option<(&str, &[&str])>) {
    let mended = mend(sent);
    let told =
        |mended: &Mended| mended.flaws.iter().map(|flaw| format!("{} {:?}", flaw.path, flaw.wrong)).collect::<Vec<_>>();
    let shown = mended.as_ref().map(|mended| (mended.text.as_str(), told(mended)));
    let expected = expected.map(|(text, flaws)| (text, flaws.iter().map(|&flaw| flaw.to_owned()).collect()));
    assert_eq!(shown, expected, "{:?}", String::from_utf8_lossy(sent));
    if let Some(Mended { text, .. }) = mended {
        serde_json::from_str::<Json>(&text).expect("mended text is JSON");
    }
}

#[test]
fn values_are_mended_and_structure_is_not() {
    for (sent, text, flaws) in [
        (r#"{"a":NaN}"#, "{}", &["a NotANumber"][..]),
        (r#"{"a":NaN,"b":1}"#, r#"{"b":1}"#, &["a NotANumber"]),
        (r#"{"b":1 , "a" : -Infinity }"#, r#"{"b":1}"#, &["a NotANumber"]),
        (r#"[1,inf,-nan]"#, "[1,null,null]", &[" NotANumber", " NotANumber"]),
        (r#"{"p":{"q":{"r":NaN}},"s":2}"#, r#"{"p":{},"s":2}"#, &["p.q.r NotANumber"]),
        (r#"{"p":{"q":[{"r":NaN}]}}"#, r#"{"p":{"q":[{}]}}"#, &["p.q.r NotANumber"]),
        (r#"{"p":{"$timestamp":NaN,"x":1},"s":2}"#, r#"{"p":{"x":1},"s":2}"#, &["p.$timestamp NotANumber"]),
        (
            r#"{"p":{"s":{"$add":["x",NaN]},"t":{"$add":[NaN]}}}"#,
            r#"{"p":{"s":{"$add":["x"]}}}"#,
            &["p.s.$add NotANumber", "p.t.$add NotANumber"],
        ),
        (r#"{"batch":[{"a":1},{"b":{"c":NaN}}]}"#, r#"{"batch":[{"a":1},{"b":{}}]}"#, &["b.c NotANumber"]),
        ("{\"a\":\"NaN, \\\"Infinity\"}", "{\"a\":\"NaN, \\\"Infinity\"}", &[]),
        (r#"{"a":"\ud800"}"#, "{\"a\":\"\u{fffd}\"}", &["a NotUnicode"]),
        (r#"{"a":"\udc00x\uD83D\ude00"}"#, "{\"a\":\"\u{fffd}x\\uD83D\\ude00\"}", &["a NotUnicode"]),
        (r#"{"a":"\ud800\u0041"}"#, "{\"a\":\"\u{fffd}\\u0041\"}", &["a NotUnicode"]),
        (r#"{"\ud800":1}"#, "{\"\u{fffd}\":1}", &["\u{fffd} NotUnicode"]),
        ("{\"a\":\"x\ny\"}", r#"{"a":"x\u000ay"}"#, &["a Control"]),
        (r#"{"a":1e99,"b":[]}"#, r#"{"a":1e99,"b":[]}"#, &[]),
        ("  7 ", "7", &[]),
    ] {
        check(sent.as_bytes(), Some((text, flaws)));
    }
    check(b"{\"a\":\"caf\xe9\",\"b\":1}", Some(("{\"a\":\"caf\u{fffd}\",\"b\":1}", &["a NotUnicode"])));
    for broken in [
        "",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "[1 2]",
        "{\"a\":1]",
        "{\"a\" 1}",
        "[tru]",
        "[01]",
        "[NaNs]",
        "\"x",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "{a:1}",
        "[1]]",
        "{\"a\":undefined}",
        "nul",
        "[NaN",
    ] {
        check(broken.as_bytes(), None);
    }
    check("[".repeat(DEPTH_MAX + 1).as_bytes(), None);
}

#[test]
fn flaws_are_told_by_the_item_they_are_in() {
    let sent = r#"{"batch":[{"a":NaN},{"b":1},{"c":[Infinity],"d":{"e":"\ud800"}},NaN],"sentAt":NaN}"#;
    let Mended { text, flaws } = mend(sent.as_bytes()).expect("mended");
    let items = [r#"{}"#, r#"{"b":1}"#, "{\"c\":[null],\"d\":{\"e\":\"\u{fffd}\"}}", "null"];
    let paths = [&["a"][..], &[], &["c", "d.e"], &[""]];
    for (item, paths) in items.iter().zip(paths) {
        let start = text.rfind(item).expect("the item");
        let found = within(&flaws, &(start..start + item.len()));
        assert_eq!(found.iter().map(|flaw| &*flaw.path).collect::<Vec<_>>(), paths, "{item}");
    }
    assert_eq!(flaws.last().map(|flaw| &*flaw.path), Some("sentAt"));
    let many = format!(r#"{{"batch":[[{}1],{{"x":NaN}}]}}"#, "NaN,".repeat(50));
    let flaws = mend(many.as_bytes()).expect("mended").flaws;
    assert_eq!(flaws.len(), FLAWS_TOLD_MAX + 2);
    assert_eq!(flaws.iter().filter(|flaw| flaw.wrong == Wrong::More).count(), 1);
}

#[test]
fn great_numbers_are_left_out() {
    for (json, expected) in [
        (r#"{"v":1000000000000000000000,"w":1}"#, Some((r#"{"w":1}"#, "p.v"))),
        (r#"{"v":1e21}"#, Some(("{}", "p.v"))),
        (r#"{"o":{"v":-1e400},"w":true}"#, Some((r#"{"w":true}"#, "p.o.v"))),
        (r#"{"l":[1,1e21]}"#, Some((r#"{"l":[1,null]}"#, "p.l"))),
        (r#"{"v":1e20,"t":"1e99","n":100000000000000000000}"#, None),
        (r#"{"externalIds":[{"id":1000000000000000000000}]}"#, None),
        ("{}", None),
    ] {
        let raw: Box<RawValue> = serde_json::from_str(json).expect("JSON");
        let found = without_great_numbers(&raw, "p");
        let shown = found.as_ref().map(|(json, flaws)| (json.get(), &*flaws[0].path));
        assert_eq!(shown, expected, "{json}");
    }
}

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i32>().prop_map(Json::from),
        ".{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::hash_map(".{0,3}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_left_as_it_is(tree in tree()) {
        let text = serde_json::to_string(&tree).expect("JSON");
        let mended = mend(text.as_bytes()).expect("JSON needs no mending");
        prop_assert_eq!(mended, Mended { text, flaws: Vec::new() });
    }

    #[test]
    fn what_comes_out_is_json(sent in proptest::collection::vec(
        proptest::sample::select(&b"{}[]:,\"\\ud8c01NaInfty-+ \n\xe9e.0"[..]), 0..40,
    )) {
        if let Some(Mended { text, .. }) = mend(&sent) {
            prop_assert!(serde_json::from_str::<Json>(&text).is_ok(), "{text:?}");
        }
    }
}
