//! Requests as distributed traces show them: one span for each, below the span of the caller where the header `traceparent` names it.
//!
//! Told are those whose caller wants it, those that failed by a fault of ours, and those that took long; a span for each request would cost more than
//! many of them.

use std::time::Duration;

use axum::http::HeaderMap;
use tessera_engine::time::Timestamp;

/// From here on a request took long.
const LONG: Duration = Duration::from_secs(1);

/// A request that was answered. It holds no value of a person: the path has the names of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace that it is part of.
    pub trace: [u8; 16],
    /// Its id in that trace.
    pub id: [u8; 8],
    /// The span of the caller, where it was named.
    pub parent: Option<[u8; 8]>,
    /// The method.
    pub method: &'static str,
    /// The path, with the names of its parameters.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
    /// Why it failed: one of the documented codes.
    pub code: Option<&'static str>,
    /// The id of the request.
    pub request_id: String,
    /// When it came.
    pub started: Timestamp,
    /// How long it took until the head of the answer was ready.
    pub took: Duration,
}

/// What the header `traceparent` says (W3C Trace Context, version 00).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace: [u8; 16],
    pub span: [u8; 8],
    /// Whether the caller records its own.
    pub(crate) is_sampled: bool,
}

impl Parent {
    /// Reads the header. One that is not as the standard says is as if it were not there.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let text = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version]: [u8; 1] = bytes_of(version)?;
        // Later versions may have more parts, and this one has none.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace, span): ([u8; 16], [u8; 8]) = (bytes_of(trace)?, bytes_of(span)?);
        let [flags]: [u8; 1] = bytes_of(flags)?;
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Bytes of lower-case hexadecimal digits.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.bytes().all(is_digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Whether a request is told: its caller wants it, it failed, or it took long.
pub(crate) fn is_told(parent: Option<Parent>, status: u16, took: Duration) -> bool {
    parent.is_some_and(|parent| parent.is_sampled) || status >= 500 || took >= LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_as_the_standard_says() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().expect("a header"));
            Parent::of(&headers)
        };
        for (text, is_sampled) in [
            (format!("00-{trace}-{span}-01"), Some(true)),
            (format!("00-{trace}-{span}-00"), Some(false)),
            (format!("00-{trace}-{span}-03"), Some(true)),
            (format!("cc-{trace}-{span}-01-what-the-future-says"), Some(true)),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{trace}-{span}"), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{trace}é-{span}-01"), None),
            (String::new(), None),
        ] {
            let found = read(&text);
            assert_eq!(found.map(|own| own.is_sampled), is_sampled, "{text}");
            if let Some(found) = found {
                assert_eq!((found.trace[0], found.span[0]), (0x0a, 0xb7));
            }
        }
    }

    #[test]
    fn what_failed_or_took_long_is_told_unasked() {
        let parent = |is_sampled| Some(Parent { trace: [1; 16], span: [1; 8], is_sampled });
        let (short, long) = (Duration::from_millis(3), Duration::from_secs(2));
        for (parent, status, took, expected) in [
            (None, 200, short, false),
            (None, 404, short, false),
            (None, 503, short, true),
            (None, 200, long, true),
            (parent(true), 200, short, true),
            (parent(false), 200, short, false),
            (parent(false), 500, short, true),
        ] {
            assert_eq!(is_told(parent, status, took), expected, "{parent:?} {status} {took:?}");
        }
    }
}
