//! The form of a call's payload on the timeline: what the doors that accept calls, those that show them, and the checks of the
//! data model agree on.
//!
//! Its members are kept as they came, byte for byte, unless one of them has to go.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_engine::id::NodeId;
use tessera_engine::rules::{BASIS_NAMED_MAX, Basis, Written};
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
    /// What of the profile `computed` rests on: it goes when that is erased. No door shows it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<&'a RawValue>,
}

/// The member of a payload that no door shows.
pub(crate) const RESTS_ON: &str = "rests_on";

/// Why a value that was written into an event is there no more.
const ERASED: &str = "erased";

/// What values that were written into an event rest on, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestsOn {
    /// The names of the values.
    values: Vec<String>,
    /// Nodes beside the event's owner; any where they are too many to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<String>>,
    /// Datasets, each with a named delivery if it was in one; any where they are too many to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<(String, Option<String>)>>,
}

impl RestsOn {
    /// Of values that are of their event alone.
    const NOTHING: Self = Self { values: Vec::new(), nodes: None, sources: None };

    fn of(basis: &Basis) -> Self {
        let few = |count: usize| count <= BASIS_NAMED_MAX;
        let source = |(dataset, batch): &(Arc<str>, Option<Arc<str>>)| {
            (dataset.to_string(), batch.as_deref().map(str::to_owned))
        };
        Self {
            values: basis.values.iter().map(ToString::to_string).collect(),
            nodes: few(basis.nodes.len()).then(|| basis.nodes.iter().map(ToString::to_string).collect()),
            sources: few(basis.sources.len()).then(|| basis.sources.iter().map(source).collect()),
        }
    }

    /// Whether it may rest on what a node said.
    pub(crate) fn has_node(&self, node: NodeId) -> bool {
        let named = node.to_string();
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(&named))
    }

    /// Whether it may rest on what one of these sources said.
    pub(crate) fn has_source(&self, is_it: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
        let sources = self.sources.as_ref();
        sources.is_none_or(|all| all.iter().any(|(dataset, batch)| is_it(dataset, batch.as_deref())))
    }
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
pub(crate) fn write_computed(payload: &Bytes, written: &[Written], basis: Option<&Basis>) -> Bytes {
    let (values, reasons): (Vec<_>, Vec<_>) = written.iter().partition(|(_, came)| came.is_ok());
    let value = |(name, came): &Written| Some((name.clone(), came.clone().ok()?));
    let reason = |(name, came): &Written| Some((name.clone(), Value::text(came.as_ref().err()?.name())));
    let computed = raw_object(values.iter().filter_map(|own| value(own)).collect());
    let uncomputed = raw_object(reasons.iter().filter_map(|own| reason(own)).collect());
    let rests_on = basis.map_or(RestsOn::NOTHING, RestsOn::of);
    let rests_on = computed.as_ref().and_then(|_| serde_json::value::to_raw_value(&rests_on).ok());
    let Ok(own) = serde_json::from_slice::<Payload<'_>>(payload) else { return payload.clone() };
    let (computed, uncomputed) = (computed.as_deref(), uncomputed.as_deref());
    Payload { computed, uncomputed, rests_on: rests_on.as_deref(), ..own }.to_bytes()
}

/// A payload without the values that were written into it and rest on what was erased, which are named among those that came to nothing; none
/// when it stays as it is. Of values that were written before it was kept what they rest on, each may.
pub(crate) fn take_out_written(payload: &[u8], is_erased: &dyn Fn(&RestsOn) -> bool) -> Option<Bytes> {
    let own: Payload<'_> = serde_json::from_slice(payload).ok()?;
    let mut computed = Members::parse(own.computed?.get()).ok()?;
    let rests_on = match own.rests_on {
        Some(json) => serde_json::from_str::<RestsOn>(json.get()).ok()?,
        None => {
            RestsOn { values: computed.0.iter().map(|(name, _)| name.clone()).collect(), nodes: None, sources: None }
        }
    };
    if rests_on.values.is_empty() || !is_erased(&rests_on) {
        return None;
    }
    let reason = serde_json::value::to_raw_value(ERASED).ok()?;
    let mut uncomputed = own.uncomputed.map_or(Ok(Members(Vec::new())), |json| Members::parse(json.get())).ok()?;
    uncomputed.0.extend(rests_on.values.iter().map(|name| (name.clone(), &*reason)));
    computed.0.retain(|(name, _)| !rests_on.values.contains(name));
    let computed = (!computed.0.is_empty()).then(|| computed.to_raw());
    let rests_on = serde_json::value::to_raw_value(&RestsOn::NOTHING).ok().filter(|_| computed.is_some());
    let (computed, uncomputed) = (computed.as_deref(), Some(uncomputed.to_raw()));
    let left = Payload { computed, uncomputed: uncomputed.as_deref(), rests_on: rests_on.as_deref(), ..own };
    Some(left.to_bytes())
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
    use tessera_expr::ast::Name;

    use super::*;

    #[test]
    fn values_go_with_what_they_rest_on() {
        let (one, other) = (NodeId::from_bytes([1; 12]), NodeId::from_bytes([2; 12]));
        let basis = |nodes: Vec<NodeId>| Basis {
            values: vec![Name::from("b")],
            nodes,
            sources: vec![("crm".into(), Some("may".into())), ("web".into(), None)],
        };
        let written: Vec<Written> = vec![("a".into(), Ok(Value::text("x"))), ("b".into(), Ok(Value::text("y")))];
        let stored =
            write_computed(&Bytes::from_static(br#"{"properties":{"n":1}}"#), &written, Some(&basis(vec![one])));
        let without = |stored: &[u8], is_erased: &dyn Fn(&RestsOn) -> bool| {
            take_out_written(stored, is_erased).map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
        };
        let rest =
            r#"{"properties":{"n":1},"computed":{"a":"x"},"uncomputed":{"b":"erased"},"rests_on":{"values":[]}}"#;
        let of = |dataset: &'static str, batch: Option<&'static str>| {
            move |own: &RestsOn| {
                own.has_source(&|said, of| said == dataset && batch.is_none_or(|batch| of == Some(batch)))
            }
        };
        assert_eq!(without(&stored, &|own| own.has_node(one)).as_deref(), Some(rest));
        assert_eq!(without(&stored, &|own| own.has_node(other)), None);
        assert_eq!(without(&stored, &of("crm", None)).as_deref(), Some(rest));
        assert_eq!(without(&stored, &of("crm", Some("may"))).as_deref(), Some(rest));
        assert_eq!(without(&stored, &of("crm", Some("june"))), None);
        assert_eq!(without(&stored, &of("web", Some("may"))), None);
        assert_eq!(without(&stored, &of("erp", None)), None);
        // What has gone once stays as it is.
        assert_eq!(without(rest.as_bytes(), &|own| own.has_node(one)).as_deref(), None);
        // Too many to be named, and values of before: each may rest on anything.
        let many = (0..=BASIS_NAMED_MAX).map(|at| NodeId::from_bytes([u8::try_from(at).expect("few"); 12])).collect();
        let many = write_computed(&Bytes::from_static(b"{}"), &written, Some(&basis(many)));
        let named = r#"{"computed":{"a":"x"},"uncomputed":{"b":"erased"},"rests_on":{"values":[]}}"#;
        assert_eq!(without(&many, &|own| own.has_node(NodeId::from_bytes([0xee; 12]))).as_deref(), Some(named));
        let before = br#"{"computed":{"a":"x"},"uncomputed":{"c":"over_budget"}}"#;
        let expected = r#"{"uncomputed":{"c":"over_budget","a":"erased"}}"#;
        assert_eq!(without(before, &|own| own.has_node(one)).as_deref(), Some(expected));
        // A value of the event alone rests on nothing else.
        let alone = write_computed(&Bytes::from_static(b"{}"), &written, None);
        assert!(without(&alone, &|_| true).is_none() && without(b"{}", &|_| true).is_none());
    }

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
