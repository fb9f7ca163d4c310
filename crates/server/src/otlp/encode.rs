//! The JSON form of OTLP 1: ids in hexadecimal digits, numbers of 64 bits as texts, enums as numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tessera_api::Span;

/// Whoever sends.
pub(super) fn resource(version: &str, instance: &[u8; 16]) -> Value {
    json!({ "attributes": [
        text("service.name", "tessera"),
        text("service.version", version),
        text("service.instance.id", &hex(instance)),
    ] })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}

fn scope() -> Value {
    json!({ "name": "tessera", "version": env!("CARGO_PKG_VERSION") })
}

/// A server's span is of this kind.
const KIND_SERVER: u8 = 2;
const STATUS_ERROR: u8 = 2;

/// The body of a request to `/v1/traces`.
pub(super) fn spans(resource: &Value, spans: &[Span]) -> Value {
    let all: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope(), "spans": all }] }] })
}

fn span(own: &Span) -> Value {
    let start = u64::try_from(own.started.micros()).unwrap_or(0).saturating_mul(1_000);
    let end = start.saturating_add(u64::try_from(own.took.as_nanos()).unwrap_or(u64::MAX));
    let mut attributes = vec![
        text("http.request.method", own.method),
        text("http.route", &own.route),
        json!({ "key": "http.response.status_code", "value": { "intValue": own.status.to_string() } }),
        text("tessera.request_id", &own.request_id),
    ];
    attributes.extend(own.code.map(|code| text("error.type", code)));
    let mut span = json!({
        "traceId": hex(&own.trace), "spanId": hex(&own.id), "name": format!("{} {}", own.method, own.route),
        "kind": KIND_SERVER, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
        "attributes": attributes
    });
    if let Some(parent) = &own.parent {
        span["parentSpanId"] = hex(parent).into();
    }
    // A client's fault is none of the server's span.
    if own.status >= 500 {
        span["status"] = json!({ "code": STATUS_ERROR });
    }
    span
}

/// Sums since the beginning.
const CUMULATIVE: u8 = 2;

/// What is put together of a metric.
#[derive(Default)]
struct Found {
    kind: String,
    help: String,
    points: Vec<Value>,
    /// Of a histogram, by its labels.
    buckets: BTreeMap<String, Buckets>,
}

#[derive(Default)]
struct Buckets {
    attributes: Vec<Value>,
    /// Upper bounds, and how many lie below each; the last is without bound.
    below: Vec<(Option<f64>, u64)>,
    sum: f64,
    count: u64,
}

/// The body of a request to `/v1/metrics`, of the text that `/metrics` answers.
pub(super) fn metrics(resource: &Value, text: &str, (began, now): (u64, u64)) -> Value {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help.clone_into(&mut all.entry(name.to_owned()).or_default().help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
        } else if let Some((name, labels, value)) = sample(line) {
            add(&mut all, name, labels, value, (began, now));
        }
    }
    let told = all.into_iter().filter_map(|(name, found)| metric(&name, found, (began, now)));
    let told: Vec<Value> = told.collect();
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "scope": scope(), "metrics": told }] }] })
}

/// Names and values of labels, in the order of the line.
type Labels = Vec<(String, String)>;

/// Name, labels and value of a line.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    if line.starts_with('#') || line.is_empty() {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else { return Some((head, Vec::new(), value)) };
    Some((name, labels_of(labels.strip_suffix('}')?)?, value))
}

/// Labels as they are written: `name="value"`, with `\\`, `\"` and `\n` in values.
fn labels_of(text: &str) -> Option<Labels> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, more) = rest.split_once("=\"")?;
        let (mut value, mut letters) = (String::new(), more.char_indices());
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        rest = more[end + 1..].trim_start_matches(',');
    }
    Some(labels)
}

fn add(all: &mut BTreeMap<String, Found>, name: &str, mut labels: Labels, value: f64, (began, now): (u64, u64)) {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| Some((name.strip_suffix(end)?, *end)));
    let of_histogram = base.filter(|(base, _)| all.get(*base).is_some_and(|own| own.kind == "histogram"));
    let Some((base, part)) = of_histogram else {
        let Some(found) = all.get_mut(name) else { return };
        let attributes: Vec<Value> = labels.iter().map(|(name, value)| text(name, value)).collect();
        let mut point = json!({ "attributes": attributes, "timeUnixNano": now.to_string(), "asDouble": value });
        if found.kind == "counter" {
            point["startTimeUnixNano"] = began.to_string().into();
        }
        found.points.push(point);
        return;
    };
    let bound = labels.iter().position(|(name, _)| name == "le").map(|at| labels.remove(at).1);
    let Some(found) = all.get_mut(base) else { return };
    let own = found.buckets.entry(format!("{labels:?}")).or_default();
    if own.attributes.is_empty() {
        own.attributes = labels.iter().map(|(name, value)| text(name, value)).collect();
    }
    match (part, bound) {
        ("_bucket", Some(bound)) => {
            own.below.push((bound.parse().ok().filter(|own: &f64| own.is_finite()), value as u64));
        }
        ("_sum", _) => own.sum = value,
        _ => own.count = value as u64,
    }
}

fn metric(name: &str, found: Found, (began, now): (u64, u64)) -> Option<Value> {
    let mut told = json!({ "name": name, "description": found.help });
    match &*found.kind {
        "counter" => {
            told["sum"] =
                json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": found.points });
        }
        "gauge" => told["gauge"] = json!({ "dataPoints": found.points }),
        "histogram" => {
            let points: Vec<Value> = found.buckets.into_values().map(|own| bucketed(own, (began, now))).collect();
            told["histogram"] = json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points });
        }
        _ => return None,
    }
    Some(told)
}

fn bucketed(own: Buckets, (began, now): (u64, u64)) -> Value {
    let (mut before, mut counts, mut bounds) = (0, Vec::new(), Vec::new());
    for (bound, below) in own.below {
        // Ours count all below a bound, theirs those between two.
        counts.push(below.saturating_sub(before).to_string());
        before = below;
        bounds.extend(bound);
    }
    json!({
        "attributes": own.attributes, "startTimeUnixNano": began.to_string(), "timeUnixNano": now.to_string(),
        "count": own.count.to_string(), "sum": own.sum, "bucketCounts": counts, "explicitBounds": bounds
    })
}

#[cfg(test)]
mod tests;
