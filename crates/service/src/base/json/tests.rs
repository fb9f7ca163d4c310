//! JSON in, JSON out.

use proptest::prelude::*;
use serde_json::json;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Tree;

use super::*;

fn object(text: &str) -> Map<String, Json> {
    serde_json::from_str(text).expect("an object")
}

fn text_of(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(value, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// The leaves as `path=json`, or the error as it prints.
fn leaves(text: &str, spelling: Spelling) -> Result<Vec<String>, String> {
    let leaves = whole(&object(text), spelling, Bounds { attributes_max: 4, depth_max: 4 });
    let print = |(path, value): &(Path, Value)| format!("{path}={}", text_of(value));
    leaves.map(|leaves| leaves.iter().map(print).collect()).map_err(|error| error.to_string())
}

/// The leaves where nothing was left out; otherwise the first that was.
fn whole(object: &Map<String, Json>, spelling: Spelling, bounds: Bounds) -> Result<Vec<(Path, Value)>, AttributeError> {
    let Flattened { leaves, left_out } = flatten(object, spelling, bounds)?;
    left_out.into_iter().next().map_or(Ok(leaves), Err)
}

#[test]
fn what_can_be_no_attribute_is_left_out_alone() {
    let long = "x".repeat(201);
    let text = format!(
        r#"{{"a":1e21,"b":{{"{long}":1,"c":2}},"d":{{"e":{{"f":{{"g":{{"h":1}}}}}}}},"i":[[[[1]]]],"j":true}}"#
    );
    let found =
        flatten(&object(&text), Spelling::Plain, Bounds { attributes_max: 4, depth_max: 4 }).expect("attributes");
    let leaves: Vec<&str> = found.leaves.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(leaves, ["b.c", "j"]);
    let left_out: Vec<String> = found.left_out.iter().map(ToString::to_string).collect();
    let expected = ["number out of range path=a", "name too long path=b", "too deep path=d.e.f.g", "too deep path=i"];
    assert_eq!(left_out, expected);
}

#[test]
fn objects_become_leaves() {
    for (text, expected) in [
        (r"{}", vec![]),
        (r#"{"a":1,"b":{"c":"x","d":{"e":null}}}"#, vec!["a=1", r#"b.c="x""#, "b.d.e=null"]),
        (r#"{"a":{},"b":[],"c":[{"d":{"e":1.50}}]}"#, vec!["a={}", "b=[]", r#"c=[{"d":{"e":1.5}}]"#]),
        (r#"{"a.b":{"c\\d":true},"":0}"#, vec!["=0", r"a\.b.c\\d=true"]),
        (r#"{"n":1e3,"m":0.30000000000000000444,"z":-0.0}"#, vec!["m=0.300000000000000004", "n=1000", "z=0"]),
        (r#"{"n":12345678901234567890}"#, vec!["n=12345678901234567890"]),
        (r#"{"a":{"b":{"c":{"d":{}}}}}"#, vec!["a.b.c.d={}"]),
        (r#"{"$set":[2,1]}"#, vec!["$set=[2,1]"]),
    ] {
        assert_eq!(leaves(text, Spelling::Plain), Ok(expected.into_iter().map(String::from).collect()), "{text}");
    }
}

#[test]
fn errors_say_where() {
    let long = "x".repeat(201);
    let deep = "[".repeat(4) + &"]".repeat(4);
    for (text, expected) in [
        (r#"{"a":{"b":1e21}}"#.to_owned(), "number out of range path=a.b"),
        (r#"{"a":[1,1e999]}"#.to_owned(), "number out of range path=a"),
        (r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#.to_owned(), "too many attributes path=e"),
        (format!(r#"{{"a":{{"{long}":1}}}}"#), "name too long path=a"),
        (format!(r#"{{"a":[{{"{long}":1}}]}}"#), "name too long path=a"),
        (format!(r#"{{"{long}":1}}"#), "name too long path="),
        (r#"{"a":{"b":{"c":{"d":{"e":1}}}}}"#.to_owned(), "too deep path=a.b.c.d"),
        (format!(r#"{{"a":{deep}}}"#), "too deep path=a"),
    ] {
        assert_eq!(leaves(&text, Spelling::Plain), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn native_spellings() {
    let one = |text: &str, spelling| {
        let leaves = whole(&object(text), spelling, Bounds::default());
        leaves.map(|mut leaves| leaves.remove(0).1).map_err(|error| error.reason)
    };
    let at = Timestamp::from_micros(1_795_302_000_000_000).expect("in range");
    let numbers = [1, 2].map(|number| Value::Number(Decimal::from_i64(number)));
    for (text, expected) in [
        (r#"{"a":{"$timestamp":"2026-11-21T23:00:00Z"}}"#, Ok(Value::Timestamp(at))),
        (r#"{"a":{"$set":[2,1,2]}}"#, Ok(Value::Set(Arc::from(numbers)))),
        (r#"{"a":[{"$timestamp":"2026-11-22T01:00:00+02:00"}]}"#, Ok(Value::List(Arc::from([Value::Timestamp(at)])))),
        (r#"{"a":{"$timestamp":"soon"}}"#, Err(Reason::NotATime)),
        (r#"{"a":{"$timestamp":5}}"#, Err(Reason::NotATime)),
        (r#"{"a":{"$set":5}}"#, Err(Reason::NotASet)),
        (r#"{"a":{"$set":5,"b":1}}"#, Ok(Value::Number(Decimal::from_i64(5)))),
    ] {
        let given = one(text, Spelling::Native);
        assert!(given == expected, "{text}");
    }
    assert!(one(r#"{"a":{"$timestamp":"soon"}}"#, Spelling::Plain) == Ok(Value::text("soon")));
}

#[test]
fn a_tree_is_written_in_the_order_of_names() {
    let mut tree = Tree::new();
    for (path, value) in [
        ("b.d", Value::Null),
        ("b.c", Value::set(vec![Value::text("y"), Value::text("x")])),
        ("a\\.", Value::Timestamp(Timestamp::from_micros(1_500_000).expect("in range"))),
        ("e", Value::object(Vec::new())),
    ] {
        tree.insert(&Path::parse(path).expect("a path"), value);
    }
    let mut out = Vec::new();
    write_tree(&tree, &mut out);
    let expected = r#"{"a.":"1970-01-01T00:00:01.5Z","b":{"c":["x","y"],"d":null},"e":{}}"#;
    assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::hash_map("[a-c.$\\\\]{0,3}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn members() -> impl Strategy<Value = Map<String, Json>> {
    proptest::collection::hash_map("[a-c.\\\\]{0,3}", any_json(), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

#[test]
fn operations_on_sets_become_leaves_of_their_own() {
    let leaf = |(path, value): &(Path, Value)| match path.split_member() {
        None => format!("{path}={}", text_of(value)),
        Some((set, member)) => format!("{set}~{}={}", text_of(&member), text_of(value)),
    };
    let check = |text: &str, expected: Result<&[&str], &str>| {
        let leaves = whole(&object(text), Spelling::Native, Bounds { attributes_max: 4, depth_max: 4 });
        let leaves =
            leaves.map(|leaves| leaves.iter().map(leaf).collect::<Vec<_>>()).map_err(|error| error.to_string());
        let expected = expected.map(|leaves| leaves.iter().map(|leaf| (*leaf).to_owned()).collect());
        assert_eq!(leaves, expected.map_err(str::to_owned), "{text}");
    };
    check(r#"{"a":{"$add":["x"]}}"#, Ok(&[r#"a~"x"="x""#]));
    check(r#"{"a":{"$add":[1,1.0,true]}}"#, Ok(&["a~true=true", "a~1=1"]));
    check(r#"{"a":{"$remove":["x"]}}"#, Ok(&[r#"a~"x"=null"#]));
    check(r#"{"a":{"$add":["x"],"$remove":["y"]}}"#, Ok(&[r#"a~"x"="x""#, r#"a~"y"=null"#]));
    check(r#"{"o":{"a":{"$add":["x"]},"b":1}}"#, Ok(&[r#"o.a~"x"="x""#, "o.b=1"]));
    check(r#"{"a":{"$add":[],"$remove":[]}}"#, Ok(&[]));
    check(r#"{"a":{"$unset":true}}"#, Ok(&["a=null"]));
    check(r#"{"a":[{"$add":["x"]}]}"#, Ok(&[r#"a=[{"$add":["x"]}]"#]));
    let time = r#"{"a":{"$add":[{"$timestamp":"2026-01-01T00:00:00Z"}]}}"#;
    check(time, Ok(&[r#"a~"2026-01-01T00:00:00Z"="2026-01-01T00:00:00Z""#]));
    let not = r#"not an operation: {"$add":[…],"$remove":[…]} with no value in both, or {"$unset":true} path=a"#;
    check(r#"{"a":{"$add":["x"],"$remove":["x"]}}"#, Err(not));
    check(r#"{"a":{"$add":["x"],"other":1}}"#, Err(not));
    check(r#"{"a":{"$add":["x"],"$unset":true}}"#, Err(not));
    check(r#"{"a":{"$add":"x"}}"#, Err(not));
    check(r#"{"a":{"$unset":false}}"#, Err(not));
    check(r#"{"a":{"$unset":1}}"#, Err(not));
    let member = "a member of a set is a text, a number, true or false, or an instant path=a";
    check(r#"{"a":{"$add":[null]}}"#, Err(member));
    check(r#"{"a":{"$add":[["x"]]}}"#, Err(member));
    check(r#"{"a":{"$remove":[{"x":1}]}}"#, Err(member));
    let long = format!(r#"{{"a":{{"$add":["{}"]}}}}"#, "x".repeat(501));
    check(&long, Err("a member of a set has at most 500 bytes, with the path of its set at most 1000 path=a"));
    check(r#"{"a":{"$add":[1,2,3]},"b":{"$remove":[4,5]}}"#, Err("too many attributes path=b"));
    check(r#"{"a":{"$add":[1e21]}}"#, Err("number out of range path=a"));
    let plain = leaves(r#"{"a":{"$add":["x"]}}"#, Spelling::Plain);
    assert_eq!(plain, Ok(vec![r#"a.$add=["x"]"#.to_owned()]), "an operation in our own words only");
}

proptest! {
    #[test]
    fn text_is_escaped_as_others_do(text in "(\\PC|[\\x00-\\x20\"\\\\\\x7f])*") {
        let expected = serde_json::to_string(&text).expect("a text");
        prop_assert_eq!(text_of(&Value::text(&text)), expected);
    }

    #[test]
    fn a_value_reads_back_what_it_writes(json in any_json()) {
        let value = read_value(&json, Spelling::Plain, 16).expect("within bounds");
        let written: Json = serde_json::from_str(&text_of(&value)).expect("JSON");
        prop_assert_eq!(written, json);
    }

    #[test]
    fn leaves_make_the_same_tree(object in members()) {
        let leaves = whole(&object, Spelling::Plain, Bounds::default()).expect("within bounds");
        let mut tree = Tree::new();
        for (path, value) in leaves {
            tree.insert(&path, value);
        }
        let mut out = Vec::new();
        write_tree(&tree, &mut out);
        let written: Json = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(written, Json::Object(object));
    }

    #[test]
    fn any_object_is_attributes_or_not(object in members(), depth_max in 0usize..6, attributes_max in 0usize..4) {
        let _ = flatten(&object, Spelling::Native, Bounds { attributes_max, depth_max });
    }
}
