//! A payload as rules see it. What a rule does not ask for is not read.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::value::RawValue;
use tessera_engine::rules::Seen;
use tessera_engine::value::{Decimal, Value};
use tessera_expr::ast::Name;
use tessera_expr::facts::look_into;

use crate::base::json::{DEPTH_MAX, Spelling, parse, read_value};
use crate::base::members::Members;
use crate::base::payload::Payload;

/// What shops call the lines of an order; the first that is a list is seen as `items` as well.
const ITEMS: [&str; 2] = ["items", "products"];

/// A payload, of which parts have been read.
struct Opened {
    bytes: Bytes,
    properties: Part,
    traits: Part,
    context: Part,
    computed: Part,
}

/// A member of a payload.
struct Part {
    at: Range<usize>,
    contents: OnceLock<Contents>,
}

enum Contents {
    Object(Vec<Member>),
    /// What is no object, or cannot be read.
    Other(Value),
}

/// A member of a part.
struct Member {
    name: String,
    at: Range<usize>,
    value: OnceLock<Value>,
}

/// Opens a payload. One that is not JSON has nothing in it.
pub(crate) fn open_payload(payload: &Bytes) -> Arc<dyn Seen> {
    let parts: Payload<'_> = serde_json::from_slice(payload).unwrap_or_default();
    let part =
        |raw: Option<&RawValue>| Part { at: raw.map_or(0..0, |raw| place(raw, payload)), contents: OnceLock::new() };
    let (properties, traits, context) = (part(parts.properties), part(parts.traits), part(parts.context));
    let computed = part(parts.computed);
    Arc::new(Opened { bytes: payload.clone(), properties, traits, context, computed })
}

/// Where a raw value lies in the bytes that it was read from.
fn place(raw: &RawValue, bytes: &[u8]) -> Range<usize> {
    let start = raw.get().as_ptr() as usize - bytes.as_ptr() as usize;
    start..start + raw.get().len()
}

impl Opened {
    fn part(&self, name: &str) -> Option<&Part> {
        let part = match name {
            "properties" => &self.properties,
            "traits" => &self.traits,
            "context" => &self.context,
            "computed" => &self.computed,
            _ => return None,
        };
        (!part.at.is_empty()).then_some(part)
    }

    fn contents<'s>(&'s self, part: &'s Part) -> &'s Contents {
        part.contents.get_or_init(|| {
            let json = self.bytes.get(part.at.clone()).unwrap_or_default();
            let object = std::str::from_utf8(json).ok().and_then(|json| Members::parse(json).ok());
            let Some(Members(object)) = object else { return Contents::Other(read(json).unwrap_or(Value::Null)) };
            let member = |(name, raw)| Member { name, at: place(raw, &self.bytes), value: OnceLock::new() };
            Contents::Object(object.into_iter().map(member).collect())
        })
    }

    fn value<'s>(&self, own: &'s Member) -> &'s Value {
        own.value.get_or_init(|| self.bytes.get(own.at.clone()).and_then(read).unwrap_or(Value::Null))
    }

    /// What stands at these names in a part, and how many of them led there.
    fn look(&self, part: &Part, names: &[Name]) -> (Value, usize) {
        match (self.contents(part), names.split_first()) {
            (Contents::Other(value), _) => (value.clone(), 0),
            (Contents::Object(members), None) => {
                let members = members.iter().map(|own| (own.name.as_str().into(), self.value(own).clone()));
                (Value::object(members.collect()), 0)
            }
            (Contents::Object(members), Some((name, rest))) => match find(members, name) {
                Some(own) => {
                    let (value, used) = look_into(self.value(own), rest);
                    (value, used + 1)
                }
                None => (Value::Null, 0),
            },
        }
    }

    fn items(&self) -> Option<Value> {
        let Contents::Object(members) = self.contents(self.part("properties")?) else { return None };
        let list = |name| find(members, name).map(|own| self.value(own)).filter(|own| matches!(own, Value::List(_)));
        ITEMS.into_iter().find_map(list).cloned()
    }
}

/// The member of a name; of several the last one counts.
fn find<'m>(members: &'m [Member], name: &str) -> Option<&'m Member> {
    members.iter().rev().find(|own| own.name == name)
}

impl Seen for Opened {
    fn at(&self, names: &[Name]) -> (Value, usize) {
        let Some((first, rest)) = names.split_first() else { return (Value::Null, 0) };
        if **first == *"items" {
            return self.items().map_or((Value::Null, 0), |items| (items, 1));
        }
        let Some(part) = self.part(first) else { return (Value::Null, 0) };
        let (value, used) = self.look(part, rest);
        (value, used + 1)
    }

    fn members(&self) -> Vec<(Name, Value)> {
        let items = self.items().map(|items| (Name::from("items"), items));
        let whole = |name: &str| Some((name.into(), self.look(self.part(name)?, &[]).0));
        items.into_iter().chain(["properties", "traits", "context", "computed"].into_iter().filter_map(whole)).collect()
    }
}

/// Reads one value. What is most frequent is read straight.
fn read(json: &[u8]) -> Option<Value> {
    match json.first()? {
        b'-' | b'0'..=b'9' => Decimal::parse(std::str::from_utf8(json).ok()?).ok().map(Value::Number),
        b'"' if !json.contains(&b'\\') => {
            let text = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            Some(Value::text(std::str::from_utf8(text).ok()?))
        }
        _ => read_value(&parse(json)?, Spelling::Plain, DEPTH_MAX).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn names(path: &str) -> Vec<Name> {
        path.split('.').filter(|name| !name.is_empty()).map(Name::from).collect()
    }

    /// The payload read at once, by other means.
    fn whole(payload: &[u8]) -> Value {
        let json: Json = parse(payload).unwrap_or_default();
        let read = |json: &Json| read_value(json, Spelling::Plain, DEPTH_MAX).unwrap_or(Value::Null);
        let part = |name: &str| match json.get(name)? {
            Json::Null => None,
            Json::Object(members) => {
                Some(Value::object(members.iter().map(|(name, json)| (name.as_str().into(), read(json))).collect()))
            }
            other => Some(read(other)),
        };
        let properties = json.get("properties").and_then(Json::as_object);
        let list = |name| properties?.get(name).map(read).filter(|own| matches!(own, Value::List(_)));
        let items = ITEMS.into_iter().find_map(list).map(|items| (Name::from("items"), items));
        let parts = ["properties", "traits", "context"].into_iter().filter_map(|name| Some((name.into(), part(name)?)));
        Value::object(items.into_iter().chain(parts).collect())
    }

    fn json() -> impl Strategy<Value = String> {
        let names = ["a", "b", "items", "products", "\\u0061", "properties"];
        let leaves = ["1", "-2.50", "1e40", "\"x\"", "\"\\n\"", "true", "null", "[]", "{}", "[1,{\"a\":2}]"];
        proptest::sample::select(leaves.to_vec()).prop_map(str::to_owned).prop_recursive(3, 24, 5, move |inner| {
            let member = (proptest::sample::select(names.to_vec()), inner.clone());
            let members =
                proptest::collection::vec(member.prop_map(|(name, value)| format!("\"{name}\" : {value}")), 0..5);
            prop_oneof![
                3 => members.prop_map(|members| format!("{{{}}}", members.join(","))),
                1 => proptest::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_part_by_part_is_what_is_read_at_once(
            parts in proptest::collection::vec((proptest::sample::select(&["properties", "traits", "context", "x"][..]), json()), 0..4),
            path in proptest::collection::vec(proptest::sample::select(&["a", "b", "items", "products", "properties", "traits", "x"][..]), 1..4),
        ) {
            // Of a call no part comes twice.
            let parts: std::collections::BTreeMap<_, _> = parts.into_iter().collect();
            let members: Vec<_> = parts.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
            let payload = Bytes::from(format!("{{{}}}", members.join(",")));
            let path: Vec<Name> = path.into_iter().map(Name::from).collect();
            let (found, used) = open_payload(&payload).at(&path);
            let (expected, used_there) = look_into(&whole(&payload), &path);
            prop_assert_eq!(&found, &expected);
            prop_assert!(found == Value::Null || used == used_there);
            prop_assert_eq!(Value::object(open_payload(&payload).members()), whole(&payload));
        }
    }

    #[test]
    fn a_part_says_what_the_whole_says() {
        // What stands at the path, and how many names led there.
        let check = |payload: &str, path: &str, expected: &str, used: usize| {
            let payload = Bytes::copy_from_slice(payload.as_bytes());
            let expected =
                serde_json::from_str(expected).ok().and_then(|json| read_value(&json, Spelling::Plain, 99).ok());
            let names = names(path);
            let found = open_payload(&payload).at(&names);
            assert_eq!(Some(&found.0), expected.as_ref(), "{path} of {payload:?}");
            assert_eq!(found.1, used, "{path} of {payload:?}");
            assert_eq!(
                found.0 == Value::Null,
                look_into(&whole(&payload), &names).0 == Value::Null,
                "{path} of {payload:?}"
            );
            assert!(found.0 == Value::Null || found == look_into(&whole(&payload), &names), "{path} of {payload:?}");
        };
        let order = r#"{"properties":{"total":12.50,"n":-3e2,"s":"a","e":"\u0061\n","o":{"p":[{"q":1},{"q":2}]},"items":7,
            "products":[{"sku":"x"}],"total":13, "b" : true ,"z":null},"traits":{"plan":"pro"},"context":{"ip":"i"}}"#;
        check(order, "properties.total", "13", 2);
        check(order, "properties.n", "-300", 2);
        check(order, "properties.s", r#""a""#, 2);
        check(order, "properties.s.deeper", r#""a""#, 2);
        check(order, "properties.e", r#""a\n""#, 2);
        check(order, "properties.o.p", r#"[{"q":1},{"q":2}]"#, 3);
        check(order, "properties.o.p.q", r#"[{"q":1},{"q":2}]"#, 3);
        check(order, "properties.b", "true", 2);
        check(order, "properties.z", "null", 2);
        check(order, "properties.absent", "null", 1);
        check(order, "items", r#"[{"sku":"x"}]"#, 1);
        check(order, "items.sku", r#"[{"sku":"x"}]"#, 1);
        check(order, "traits", r#"{"plan":"pro"}"#, 1);
        check(order, "context.ip", r#""i""#, 2);
        check(order, "integrations", "null", 0);
        check(r#"{"properties":{"items":[1],"products":[2]}}"#, "items", "[1]", 1);
        check(r#"{"properties":[{"a":1}]}"#, "properties.a", r#"[{"a":1}]"#, 1);
        check(r#"{"properties":[{"a":1}]}"#, "items", "null", 0);
        check(r#"{"properties":7}"#, "properties", "7", 1);
        check("{}", "properties.a", "null", 0);
        check("no json", "properties.a", "null", 0);
        // What cannot be one of our values is null, and takes nothing else with it.
        let deep = format!(
            r#"{{"properties":{{"deep":{}1{},"huge":1e40,"a":2}}}}"#,
            "[".repeat(DEPTH_MAX + 1),
            "]".repeat(DEPTH_MAX + 1)
        );
        check(&deep, "properties.deep", "null", 2);
        check(&deep, "properties.huge", "null", 2);
        check(&deep, "properties", r#"{"a":2,"deep":null,"huge":null}"#, 1);
        // As deep as an event may be, each of them is read.
        let nested = format!("{}1{}", "{\"a\":".repeat(150), "}".repeat(150));
        let deep = Bytes::from(format!(r#"{{"properties":{{"deep":{nested},"a":2}}}}"#));
        let path = format!("properties.deep{}", ".a".repeat(150));
        assert_eq!(open_payload(&deep).at(&names(&path)), (Value::Number(Decimal::from_i64(1)), 152));
    }
}
