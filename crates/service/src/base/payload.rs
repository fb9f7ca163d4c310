//! The form of a call's payload on the timeline: what the doors that accept calls, those that show them, and the checks of the
//! data model agree on.
//!
//! Its members are kept as they came, byte for byte, unless one of them has to go.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_engine::rules::Written;
use tessera_engine::value::{Path, Value};
use tessera_expr::ast::Name;

use crate::base::json::write_value;
use crate::base::members::{Members, without};
use crate::base::wellknown::canonical;

/// A call's payload. A new member may be added; none is ever renamed, for payloads are stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Payload<'a> {
    /// What is said about the event.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<&'a RawValue>,
    /// What is said about the person or the account.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub traits: Option<&'a RawValue>,
    /// What is said about the device and the page; its member `traits` is about the person.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub context: Option<&'a RawValue>,
    /// Where else it is to go.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub integrations: Option<&'a RawValue>,
    /// What was computed of the event when it was taken in, by the name of the computed attribute. No door takes it from a caller.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<&'a RawValue>,
    /// Computed attributes of the event that came to nothing, each with the reason.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub uncomputed: Option<&'a RawValue>,
}

impl Payload<'_> {
    /// The payload as it is stored.
    ///
    /// # Panics
    /// Never: raw JSON serialises without fail.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("raw json serialises without fail").into()
    }
}

/// A stored payload without the attributes that are gone, under whatever name they were sent, and without the properties that
/// are; none when it stays as it is. A payload that cannot be read stays too: whoever shows it will say so.
pub(crate) fn strip(
    payload: &[u8],
    is_attribute_gone: &dyn Fn(&Path) -> bool,
    is_property_gone: &dyn Fn(&Path) -> bool,
) -> Option<Bytes> {
    let payload: Payload<'_> = serde_json::from_slice(payload).ok()?;
    let is_trait_gone = |path: &Path| is_attribute_gone(&canonical(path));
    let properties = payload.properties.and_then(|json| without(json, is_property_gone));
    let traits = payload.traits.and_then(|json| without(json, &is_trait_gone));
    let context = payload.context.and_then(|json| strip_context(json, &is_trait_gone));
    if properties.is_none() && traits.is_none() && context.is_none() {
        return None;
    }
    let stripped = Payload {
        properties: properties.as_deref().or(payload.properties),
        traits: traits.as_deref().or(payload.traits),
        context: context.as_deref().or(payload.context),
        ..payload
    };
    Some(stripped.to_bytes())
}

/// A payload with what was computed of its event. One that cannot be read stays as it is: whoever shows it will say so.
pub(crate) fn write_computed(payload: &Bytes, written: &[Written]) -> Bytes {
    let (values, reasons): (Vec<_>, Vec<_>) = written.iter().partition(|(_, came)| came.is_ok());
    let value = |(name, came): &Written| Some((name.clone(), came.clone().ok()?));
    let reason = |(name, came): &Written| Some((name.clone(), Value::text(came.as_ref().err()?.name())));
    let computed = raw_object(values.iter().filter_map(|own| value(own)).collect());
    let uncomputed = raw_object(reasons.iter().filter_map(|own| reason(own)).collect());
    let Ok(own) = serde_json::from_slice::<Payload<'_>>(payload) else { return payload.clone() };
    Payload { computed: computed.as_deref(), uncomputed: uncomputed.as_deref(), ..own }.to_bytes()
}

/// The members as an object; none where there are none.
fn raw_object(members: Vec<(Name, Value)>) -> Option<Box<RawValue>> {
    if members.is_empty() {
        return None;
    }
    let mut json = Vec::new();
    write_value(&Value::object(members), &mut json);
    String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok())
}

/// A payload without what was computed under names that are not for a reader; none when it stays as it is.
pub(crate) fn strip_computed(payload: &[u8], is_hidden: &dyn Fn(&str) -> bool) -> Option<Bytes> {
    let payload: Payload<'_> = serde_json::from_slice(payload).ok()?;
    let is_gone = |path: &Path| path.segments().next().is_some_and(|name| is_hidden(&name));
    let computed = payload.computed.and_then(|json| without(json, &is_gone));
    let uncomputed = payload.uncomputed.and_then(|json| without(json, &is_gone));
    if computed.is_none() && uncomputed.is_none() {
        return None;
    }
    let (computed, uncomputed) =
        (computed.as_deref().or(payload.computed), uncomputed.as_deref().or(payload.uncomputed));
    let kept = |part: Option<&RawValue>| part.is_some_and(|json| json.get() != "{}");
    let stripped = Payload {
        computed: computed.filter(|_| kept(computed)),
        uncomputed: uncomputed.filter(|_| kept(uncomputed)),
        ..payload
    };
    Some(stripped.to_bytes())
}

fn strip_context(json: &RawValue, is_gone: &dyn Fn(&Path) -> bool) -> Option<Box<RawValue>> {
    let mut members = Members::parse(json.get()).ok()?;
    let mut stripped = Vec::new();
    for (name, value) in &members.0 {
        stripped.push(if name == "traits" { without(value, is_gone) } else { None });
    }
    if stripped.iter().all(Option::is_none) {
        return None;
    }
    for ((_, value), stripped) in members.0.iter_mut().zip(&stripped) {
        *value = stripped.as_deref().unwrap_or(value);
    }
    Some(members.to_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_gone_from_traits_context_and_properties() {
        let check = |payload: &str, attributes: &[&str], properties: &[&str], expected: Option<&str>| {
            let stripped = strip(payload.as_bytes(), &|path| attributes.contains(&path.as_str()), &|path| {
                properties.contains(&path.as_str())
            });
            assert_eq!(stripped.as_deref().map(String::from_utf8_lossy).as_deref(), expected, "{payload}");
        };
        let payload = r#"{"properties":{"a":1,"b":2},"traits":{"firstName":"x","a":1},"context":{"ip":"i","traits":{"first_name":"y"}}}"#;
        check(payload, &["c"], &["c"], None);
        check(payload, &["properties", "context", "ip"], &["traits", "firstName"], None);
        let expected = r#"{"properties":{"b":2},"traits":{"firstName":"x","a":1},"context":{"ip":"i","traits":{"first_name":"y"}}}"#;
        check(payload, &[], &["a"], Some(expected));
        let expected = r#"{"properties":{"a":1,"b":2},"traits":{"a":1},"context":{"ip":"i","traits":{}}}"#;
        check(payload, &["first_name"], &[], Some(expected));
        check("{}", &["a"], &["a"], None);
        check("no json", &["a"], &["a"], None);
    }
}
