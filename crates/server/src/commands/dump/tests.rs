use serde_json::json;

use super::yaml;

#[test]
fn a_document_reads_as_people_write_it() {
    let document = json!({
        "kind": "segment",
        "name": "loyal",
        "spec": {"pql": "a >= 2 and b = \"x\"", "of": "no", "list": ["a", "1"], "none": [], "empty": {}, "deep": [{"a": null}]}
    });
    let expected = r#"---
kind: segment
name: loyal
spec:
  deep:
    -
      a: null
  empty: {}
  list: [a, "1"]
  none: []
  of: "no"
  pql: "a >= 2 and b = \"x\""
"#;
    assert_eq!(yaml(&document), expected);
}
