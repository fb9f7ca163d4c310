//! Bodies: bounded while they come in and while they inflate, and read as JSON whatever they call themselves.

use std::io::Write as _;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{IgnoredAny, Unexpected};
use serde_json::value::RawValue;
use tessera_service::error::{Error, ErrorKind};

use crate::answer::invalid;
use crate::settings::ApiSettings;

#[cfg(test)]
mod tests;

/// Reads a whole body, inflated.
///
/// # Errors
/// `body_too_large`, `body_timeout`, `body_broken`, `content_encoding_invalid`.
pub(crate) async fn read(settings: &ApiSettings, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let bytes_max = settings.body_bytes_max;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let read =
        async { if is_gzip(headers)? { inflate(body, bytes_max).await } else { collect(body, bytes_max).await } };
    tokio::time::timeout(settings.body_timeout, read).await.unwrap_or_else(|_| {
        let message = "the body did not arrive in time; nothing happened, send it again";
        Err(Error::new(ErrorKind::Unavailable, "body_timeout", message))
    })
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"identity" | b"") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(invalid("content_encoding_invalid", "the content encoding must be gzip or identity")),
    }
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Error> {
    let mut frames = Frames(body);
    let Some(first) = frames.next().await? else { return Ok(Bytes::new()) };
    let mut size = first.len();
    if size > bytes_max {
        return Err(too_large(bytes_max));
    }
    // Most bodies come in one frame, which is then taken as it is.
    let Some(second) = frames.next().await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(frame) = next {
        size += frame.len();
        if size > bytes_max {
            return Err(too_large(bytes_max));
        }
        whole.extend_from_slice(&frame);
        next = frames.next().await?;
    }
    Ok(whole.freeze())
}

async fn inflate(body: Body, bytes_max: usize) -> Result<Bytes, Error> {
    let mut frames = Frames(body);
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), bytes_max, is_full: false });
    while let Some(frame) = frames.next().await? {
        if decoder.write_all(&frame).is_err() {
            return Err(not_inflated(decoder.get_ref(), bytes_max));
        }
    }
    match decoder.try_finish() {
        Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().bytes).into()),
        Err(_) => Err(not_inflated(decoder.get_ref(), bytes_max)),
    }
}

fn not_inflated(output: &Bounded, bytes_max: usize) -> Error {
    if output.is_full {
        too_large(bytes_max)
    } else {
        invalid("content_encoding_invalid", "the body is no whole gzip stream")
    }
}

/// Takes up to a bound, so that a small body which inflates without end is cut off at once.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > self.bytes_max {
            self.is_full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Frames(Body);

impl Frames {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        use axum::body::HttpBody as _;
        loop {
            let frame = std::future::poll_fn(|ctx| std::pin::Pin::new(&mut self.0).poll_frame(ctx)).await;
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(invalid("body_broken", "the body ended before all of it had come")),
                Some(Ok(frame)) => {
                    // What is no data are trailers, which say nothing here.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

fn too_large(bytes_max: usize) -> Error {
    let message = format!("the body, inflated, has more than {bytes_max} bytes");
    Error::new(ErrorKind::LimitExceeded, "body_too_large", message)
}

/// The body as text.
///
/// # Errors
/// `body_missing`, `utf8_invalid`.
pub(crate) fn text(body: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid("utf8_invalid", format!("the body is not utf-8 at byte {}", error.valid_up_to())))?;
    if text.trim_ascii().is_empty() { Err(invalid("body_missing", "the body is empty")) } else { Ok(text) }
}

/// The body as an object of this form.
///
/// # Errors
/// `body_missing`, `utf8_invalid`, `json_invalid`, `body_invalid`.
pub(crate) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    object(text(body)?).map_err(|error| json_error(&error))
}

/// The body as JSON of whatever form.
///
/// # Errors
/// `body_missing`, `utf8_invalid`, `json_invalid`.
pub(crate) fn raw(body: &[u8]) -> Result<&RawValue, Error> {
    serde_json::from_str(text(body)?).map_err(|error| json_error(&error))
}

/// JSON as an object of this form. A list of the values of its members is none, though serde would take it.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    if json.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(json)?;
        return Err(serde::de::Error::invalid_type(Unexpected::Seq, &"an object"));
    }
    serde_json::from_str(json)
}

/// What is wrong with JSON, without the values that serde's own messages quote.
pub(crate) fn json_error(error: &serde_json::Error) -> Error {
    let place = match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    };
    if error.classify() == serde_json::error::Category::Data {
        invalid("body_invalid", format!("{}{place}", form_expected(error)))
    } else {
        invalid("json_invalid", format!("the body is no json{place}"))
    }
}

/// The part of serde's message that names our members, in the words of JSON; the rest quotes what was sent.
pub(crate) fn form_expected(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(head, _)| head);
    if let Some(member) = message.strip_prefix("missing field ") {
        return format!("missing member {member}");
    }
    if let Some(member) = message.strip_prefix("duplicate field ") {
        return format!("member {member} stands twice");
    }
    // The last of them is serde's own; one before it would be quoted from what was sent.
    match message.rfind("expected ") {
        Some(at) if message.starts_with("unknown field") => format!("unknown member, {}", &message[at..]),
        Some(at) if message.starts_with("unknown variant") => format!("unknown word, {}", &message[at..]),
        Some(at) if message.starts_with("invalid ") => format!("expected {}", in_json(&message[at + 9..])),
        _ => "the json is not of the form that is expected here".to_owned(),
    }
}

/// What serde calls by the names of Rust.
fn in_json(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        other => other,
    }
}
