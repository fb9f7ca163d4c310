//! Objects whose members are looked at, merged or taken away without decoding their values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use tessera_engine::value::Path;

/// The members of an object, in their order, values as they came.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// When the text is no object.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The value of a member; of several of one name the last.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// These members under those of an object laid over them: what both have, the upper one says.
    #[must_use]
    pub fn below(mut self, upper: &Members<'a>) -> Self {
        self.0.retain(|(name, _)| upper.get(name).is_none());
        self.0.extend(upper.0.iter().map(|(name, value)| (name.clone(), *value)));
        self
    }

    /// The object as JSON.
    ///
    /// # Panics
    /// Never: text keys and raw values serialise without fail.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("text keys and raw values serialise without fail")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The JSON without the members whose path is gone, at whatever depth; none when it is as it was. An item of a list stands at
/// the path of its list. The order and the spelling of what stays are kept. JSON that cannot be read is left alone.
pub(crate) fn without(json: &RawValue, is_gone: &dyn Fn(&Path) -> bool) -> Option<Box<RawValue>> {
    match strip(json, None, is_gone) {
        Cow::Borrowed(_) => None,
        Cow::Owned(stripped) => Some(stripped),
    }
}

fn strip<'a>(json: &'a RawValue, above: Option<&Path>, is_gone: &dyn Fn(&Path) -> bool) -> Cow<'a, RawValue> {
    match json.get().as_bytes().first() {
        Some(b'{') => strip_object(json, above, is_gone),
        Some(b'[') if above.is_some() => strip_list(json, above, is_gone),
        _ => Cow::Borrowed(json),
    }
}

fn strip_object<'a>(json: &'a RawValue, above: Option<&Path>, is_gone: &dyn Fn(&Path) -> bool) -> Cow<'a, RawValue> {
    let Ok(members) = Members::parse(json.get()) else { return Cow::Borrowed(json) };
    let mut kept: Vec<(String, Cow<'a, RawValue>)> = Vec::with_capacity(members.0.len());
    let mut is_changed = false;
    for (name, value) in members.0 {
        // What has no path was never an attribute or a registered property, nor is anything below it.
        let path = above.map_or_else(|| Path::root(&name), |above| above.child(&name));
        let value = match path {
            Ok(path) if is_gone(&path) => {
                is_changed = true;
                continue;
            }
            Ok(path) => strip(value, Some(&path), is_gone),
            Err(_) => Cow::Borrowed(value),
        };
        is_changed |= matches!(value, Cow::Owned(_));
        kept.push((name, value));
    }
    if !is_changed {
        return Cow::Borrowed(json);
    }
    Cow::Owned(Members(kept.iter().map(|(name, value)| (name.clone(), &**value)).collect()).to_raw())
}

fn strip_list<'a>(json: &'a RawValue, above: Option<&Path>, is_gone: &dyn Fn(&Path) -> bool) -> Cow<'a, RawValue> {
    let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(json.get()) else { return Cow::Borrowed(json) };
    let items: Vec<Cow<'a, RawValue>> = items.into_iter().map(|item| strip(item, above, is_gone)).collect();
    if items.iter().all(|item| matches!(item, Cow::Borrowed(_))) {
        return Cow::Borrowed(json);
    }
    let stripped = serde_json::value::to_raw_value(&items).expect("raw values serialise without fail");
    Cow::Owned(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_by_their_path_and_nothing_else_changes() {
        let check = |json: &str, gone: &[&str], expected: Option<&str>| {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            let stripped = without(raw, &|path| gone.contains(&path.as_str()));
            assert_eq!(stripped.as_ref().map(|raw| raw.get()), expected, "{json} without {gone:?}");
        };
        check(r#"{"b":1,"a":2}"#, &["c"], None);
        check(r#"{"b":1.50, "a":2}"#, &["a"], Some(r#"{"b":1.50}"#));
        check(r#"{"a":2,"a":3}"#, &["a"], Some("{}"));
        check(r#"{"o":{"x":1,"y":2},"z":[1, 2]}"#, &["o.x"], Some(r#"{"o":{"y":2},"z":[1, 2]}"#));
        check(r#"{"o":{"x":1}}"#, &["o"], Some("{}"));
        check(r#"{"o":{"x":1}}"#, &["x"], None);
        check(r#"{"o.x":1,"o":{"x":1}}"#, &[r"o\.x"], Some(r#"{"o":{"x":1}}"#));
        check(r#"{"l":[{"s":1,"p":2},{"p":3},4,[{"p":5}]]}"#, &["l.p"], Some(r#"{"l":[{"s":1},{},4,[{}]]}"#));
        check(r#"[{"a":1}]"#, &["a"], None);
        check("7", &["a"], None);
        let long = format!(r#"{{"{}":{{"a":1}},"a":1}}"#, "x".repeat(201));
        check(&long, &["a"], Some(&long.replace(r#","a":1"#, "")));
    }
}
