//! Events that come as a picture's address: `data=<JSON, in base64 or as it is>`, or plain `userId=…&event=…&properties.price=…`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);

/// How deep dotted names may nest what they make.
const DOTS_MAX: usize = 8;

/// The event that a query carries, as JSON; none if `data` cannot be read.
pub(super) fn event(query: &[(String, String)]) -> Option<Vec<u8>> {
    match query.iter().find(|(name, _)| name == "data") {
        Some((_, data)) => decode(data),
        None => serde_json::to_vec(&plain(query)).ok(),
    }
}

fn decode(data: &str) -> Option<Vec<u8>> {
    let data = data.trim();
    // No base64 begins so.
    if data.starts_with('{') {
        return Some(data.as_bytes().to_vec());
    }
    // Senders that forget to escape `+` have it read as a blank.
    let data = data.replace(' ', "+");
    STANDARD.decode(&data).or_else(|_| URL_SAFE.decode(&data)).ok()
}

/// Dotted names nest: `properties.price=5` is `{"properties":{"price":"5"}}`.
fn plain(query: &[(String, String)]) -> Value {
    let mut event = Map::new();
    for (name, value) in query.iter().filter(|(name, _)| name != "writeKey") {
        let mut segments: Vec<&str> = name.splitn(DOTS_MAX, '.').collect();
        let Some(last) = segments.pop() else { continue };
        let object = segments.into_iter().try_fold(&mut event, |object, segment| {
            object.entry(segment).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
        });
        // `a=1&a.b=2` contradicts itself; the first one stays.
        if let Some(object) = object {
            object.entry(last).or_insert_with(|| Value::String(value.clone()));
        }
    }
    Value::Object(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], expected: Option<&str>) {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let got = event(&query).map(|json| String::from_utf8(json).expect("json is text"));
        assert_eq!(got.as_deref(), expected, "{query:?}");
    }

    #[test]
    fn pixels_carry_events_in_both_forms() {
        check(&[("data", "eyJhIjoxfQ==")], Some("{\"a\":1}"));
        check(&[("data", "eyJhIjoxfQ")], Some("{\"a\":1}"));
        check(&[("data", "eyJhIjoiPj4 In0=")], Some("{\"a\":\">>>\"}"));
        check(&[("data", "eyJhIjoiPj4-In0")], Some("{\"a\":\">>>\"}"));
        check(&[("data", "{\"a\": \"b + c\"}")], Some("{\"a\": \"b + c\"}"));
        check(&[("data", " {\"a\":\"50%\"}\n")], Some("{\"a\":\"50%\"}"));
        check(&[("data", "%%%")], None);
        check(
            &[("userId", "u1"), ("properties.price", "5"), ("properties.tax", "1"), ("writeKey", "secret")],
            Some("{\"properties\":{\"price\":\"5\",\"tax\":\"1\"},\"userId\":\"u1\"}"),
        );
        check(&[("a", "1"), ("a.b", "2")], Some("{\"a\":\"1\"}"));
        check(&[], Some("{}"));
    }
}
