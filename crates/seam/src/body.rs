//! Bodies: bounded while they come in and while they inflate, and read as JSON whatever they call themselves.

use std::io::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{IgnoredAny, Unexpected};
use serde_json::value::RawValue;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::Note;

use crate::answer::invalid;
use crate::app::App;
use crate::budget::{Charge, Share};
use crate::mend::{self, Flaw};

#[cfg(test)]
mod tests;

/// A whole body, inflated, with its bytes in the budget of the process.
pub struct Read {
    content: Vec<u8>,
    charge: Charge,
}

impl Read {
    /// What it says.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The same, counted as this one's.
    ///
    /// # Errors
    /// `bodies_full`.
    pub fn moved_to(self, share: Share) -> Result<Self, Error> {
        Ok(Self { charge: self.charge.moved_to(share)?, ..self })
    }

    /// Bytes that give back their part of the budget when the last of their clones goes.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Read {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

/// Reads a whole body, inflated, of somebody who has shown a key. Its bytes are in the budget until the last clone goes.
///
/// # Errors
/// `body_too_large`, `body_timeout`, `body_broken`, `bodies_full`, `content_encoding_invalid`.
pub async fn read(app: &App, share: Share, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let settings = &app.settings;
    let bounds = Bounds { bytes_max: settings.body_bytes_max, timeout: settings.body_timeout };
    Ok(read_within(bounds, app.bodies.charge(share), headers, body).await?.into_bytes())
}

/// Reads a whole body, inflated, in which the key is said to be. Only strangers' part of the budget is there for it.
///
/// # Errors
/// As [`read`].
pub async fn read_before_key(app: &App, bytes_max: usize, headers: &HeaderMap, body: Body) -> Result<Read, Error> {
    let bounds = Bounds { bytes_max, timeout: app.settings.keyless_body_timeout };
    read_within(bounds, app.bodies.charge(Share::Strangers), headers, body).await
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    bytes_max: usize,
    timeout: Duration,
}

async fn read_within(bounds: Bounds, charge: Charge, headers: &HeaderMap, body: Body) -> Result<Read, Error> {
    let bytes_max = bounds.bytes_max;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let taken = Taken { content: Vec::new(), charge, bytes_max, refused: None };
    let read = async { if is_gzip(headers)? { inflate(body, taken).await } else { collect(body, taken).await } };
    tokio::time::timeout(bounds.timeout, read).await.unwrap_or_else(|_| {
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

async fn collect(body: Body, mut taken: Taken) -> Result<Read, Error> {
    let mut frames = Frames(body);
    while let Some(frame) = frames.next().await? {
        taken.take(&frame)?;
    }
    Ok(taken.read())
}

async fn inflate(body: Body, taken: Taken) -> Result<Read, Error> {
    let mut frames = Frames(body);
    let bytes_max = taken.bytes_max;
    // What inflates to nothing could be sent without end; stored blocks add a little to what they hold.
    let packed_max = bytes_max + bytes_max / 8 + ROOM_BYTES;
    let mut packed = 0;
    let mut decoder = MultiGzDecoder::new(taken);
    while let Some(frame) = frames.next().await? {
        packed += frame.len();
        if packed > packed_max {
            return Err(too_large(bytes_max));
        }
        if decoder.write_all(&frame).is_err() {
            return Err(not_inflated(decoder.get_mut()));
        }
    }
    if decoder.try_finish().is_err() {
        return Err(not_inflated(decoder.get_mut()));
    }
    decoder.finish().map(Taken::read).map_err(|_| broken_gzip())
}

fn not_inflated(output: &mut Taken) -> Error {
    output.refused.take().unwrap_or_else(broken_gzip)
}

fn broken_gzip() -> Error {
    invalid("content_encoding_invalid", "the body is no whole gzip stream")
}

/// What has come of a body. Room for more is counted before it is made, so that a small body which inflates without end is cut
/// off at once.
struct Taken {
    content: Vec<u8>,
    charge: Charge,
    bytes_max: usize,
    /// Why no more is taken, where the decoder only knows that it is so.
    refused: Option<Error>,
}

/// Room that is made first; it doubles as more comes.
const ROOM_BYTES: usize = 4 << 10;

impl Taken {
    fn take(&mut self, more: &[u8]) -> Result<(), Error> {
        let needed = self.content.len() + more.len();
        if needed > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        if needed > self.content.capacity() {
            let room = needed.max(self.content.capacity() * 2).max(ROOM_BYTES).min(self.bytes_max.max(needed));
            self.charge.grow_to(room)?;
            self.content.reserve_exact(room - self.content.len());
        }
        self.content.extend_from_slice(more);
        Ok(())
    }

    fn read(self) -> Read {
        Read { content: self.content, charge: self.charge }
    }
}

impl std::io::Write for Taken {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        match self.take(more) {
            Ok(()) => Ok(more.len()),
            Err(error) => {
                self.refused = Some(error);
                Err(std::io::ErrorKind::QuotaExceeded.into())
            }
        }
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

/// A delivery as it is read: its text, mended where that was needed.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    text: &'a str,
    flaws: &'a [Flaw],
}

impl<'a> Sent<'a> {
    /// A text that is JSON.
    pub fn whole(text: &'a str) -> Self {
        Self { text, flaws: &[] }
    }

    /// The delivery as an object of this form.
    ///
    /// # Errors
    /// As [`json`].
    pub fn json<T: Deserialize<'a>>(self) -> Result<T, Error> {
        object(self.text).map_err(|error| json_error(&error))
    }

    /// The delivery as JSON of whatever form.
    ///
    /// # Errors
    /// `json_invalid`.
    pub fn raw(self) -> Result<&'a RawValue, Error> {
        serde_json::from_str(self.text).map_err(|error| json_error(&error))
    }

    /// All that was mended, where the delivery is one record.
    pub fn all_notes(self) -> Vec<Note> {
        self.flaws.iter().map(Flaw::note).collect()
    }

    /// What was mended in an event or record of the delivery; with the first one, what was mended around all of them.
    pub fn notes(self, items: &[&RawValue], index: usize) -> Vec<Note> {
        let Some(item) = items.get(index).filter(|_| !self.flaws.is_empty()) else { return Vec::new() };
        let place = |item: &RawValue| {
            let start = item.get().as_ptr() as usize - self.text.as_ptr() as usize;
            start..start + item.get().len()
        };
        let own = mend::within(self.flaws, &place(item));
        let mut notes: Vec<Note> = own.iter().map(Flaw::note).collect();
        if index == 0 {
            let (first, last) = (place(item).start, items.last().map_or(0, |last| place(last).end));
            let before = mend::within(self.flaws, &(0..first));
            let behind = mend::within(self.flaws, &(last..usize::MAX));
            notes.extend(before.iter().chain(behind).map(Flaw::note));
        }
        notes
    }
}

/// Reads a delivery. What is no JSON for the sake of single values is mended and read again; `read` is told what was done.
///
/// # Errors
/// `body_missing`, `utf8_invalid`, `json_invalid`, and what `read` answers.
pub fn delivery<T>(body: &[u8], read: impl Fn(Sent<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let strict = || text(body).and_then(|text| read(Sent::whole(text)));
    let first = (!mend::has_surrogates(body)).then(strict);
    let is_broken = |error: &Error| matches!(error.code, "json_invalid" | "utf8_invalid");
    match first {
        Some(Err(error)) if is_broken(&error) => {}
        Some(done) => return done,
        None => {}
    }
    match mend::mend(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)) {
        Some(mended) if !mended.flaws.is_empty() => read(Sent { text: &mended.text, flaws: &mended.flaws }),
        Some(_) | None => strict(),
    }
}

/// What some editors and languages write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The body as text, without a byte order mark.
///
/// # Errors
/// `body_missing`, `utf8_invalid`.
pub fn text(body: &[u8]) -> Result<&str, Error> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid("utf8_invalid", format!("the body is not utf-8 at byte {}", error.valid_up_to())))?;
    if text.trim_ascii().is_empty() { Err(invalid("body_missing", "the body is empty")) } else { Ok(text) }
}

/// The body as an object of this form.
///
/// # Errors
/// `body_missing`, `utf8_invalid`, `json_invalid`, `body_invalid`.
pub fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    object(text(body)?).map_err(|error| json_error(&error))
}

/// JSON as an object of this form. A list of the values of its members is none, though serde would take it.
pub fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    if json.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(json)?;
        return Err(serde::de::Error::invalid_type(Unexpected::Seq, &"an object"));
    }
    serde_json::from_str(json)
}

/// What is wrong with JSON, without the values that serde's own messages quote.
pub fn json_error(error: &serde_json::Error) -> Error {
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
pub fn form_expected(error: &serde_json::Error) -> String {
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
        Some(at) if message.starts_with("unknown field") => {
            let (head, expected) = message.split_at(at);
            format!("unknown member{}, {expected}", unknown_member(head))
        }
        Some(at) if message.starts_with("unknown variant") => format!("unknown word, {}", &message[at..]),
        Some(at) if message.starts_with("invalid ") => format!("expected {}", in_json(&message[at + 9..])),
        _ => "the json is not of the form that is expected here".to_owned(),
    }
}

/// The name of a member that nobody reads, where it is one: what is long or of other characters is not a name that was misspelt.
fn unknown_member(head: &str) -> String {
    /// Names of members are shorter.
    const NAME_BYTES_MAX: usize = 64;
    let name = head.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix("`, "));
    let is_name = |name: &&str| {
        name.len() <= NAME_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$:".contains(&byte))
    };
    name.filter(is_name).map(|name| format!(" `{name}`")).unwrap_or_default()
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
