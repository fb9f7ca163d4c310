//! What is read as which JSON, on which lines, and what is refused.

use super::*;

#[test]
fn values_become_json_on_their_lines() {
    let cases = [
        ("a: 1.50\nb:\n  - x\n  - 'y: z'\n", vec!["{\"a\":1.50,\n\"b\":\n[\"x\",\n\"y: z\"]}"]),
        ("{\"a\": [1, null], \"b\": {}}", vec!["{\"a\":[1,null],\"b\":{}}"]),
        ("# a remark\n\nplan: {type: text}", vec!["\n\n{\"plan\":{\"type\":\"text\"}}"]),
        ("yes: no\non: 2026-01-01\n", vec!["{\"yes\":\"no\",\n\"on\":\"2026-01-01\"}"]),
        ("a: True\nb: ~\nc:\n", vec!["{\"a\":true,\n\"b\":null,\n\"c\":null}"]),
        (
            "b: 12345678901234567890.1\na: >\n  one\n  two",
            vec!["{\"b\":12345678901234567890.1,\n\"a\":\n\"one two\\n\"}"],
        ),
        ("a: 1\n---\n---\nb: \"007\"\n", vec!["{\"a\":1}", "\n\n\n{\"b\":\"007\"}"]),
        ("", vec![]),
        ("# nothing\n", vec![]),
    ];
    for (text, expected) in cases {
        let documents = read(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        let found: Vec<String> = documents.iter().map(Node::json).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_could_be_two_things_is_refused_with_its_line() {
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let cases = [
        ("a: 1\na: 2", 2, "`a` stands twice, first on line 1"),
        ("a:\n  b: &x 1\n  c: *x", 2, "anchors"),
        ("a: !!str 1", 1, "tags"),
        ("a: 0x1F", 1, "a number is written as in JSON"),
        ("a: 1\nb: 007", 2, "a text in quotes: 007"),
        ("a: .5", 1, "as in JSON"),
        ("a: -.inf", 1, "as in JSON"),
        ("? [a]\n: 1", 1, "plain text"),
        ("a: 'x", 1, "no YAML"),
        ("a: 1\n b: 2", 2, "no YAML"),
        (&deep, 1, "64 deep"),
    ];
    for (text, line, said) in cases {
        let wrong = read(text).expect_err(text);
        assert!(wrong.message.contains(said), "{text}: {wrong:?}");
        assert_eq!(wrong.line, line, "{text}: {wrong:?}");
    }
}
