//! What is wrong with a request as a message, before anybody asks what it wants.

use axum::extract::Request;
use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Version};
use tessera_service::error::Error;

use crate::answer::invalid;

/// Stands in the extensions of a request that is refused as it is.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) Error);

/// What became of the look at a head.
#[derive(Debug)]
pub(super) enum Head {
    /// It is a request.
    Sound,
    /// It is one, but where it ends was not looked at: nothing behind it is read.
    Last,
    /// It is none.
    Refused(Error),
}

/// Looks at the head of a request of HTTP/1, and at its text as it came, as far as that was seen.
///
/// The library takes the chunks where a length is announced as well, and forgets the length. A proxy before us may have taken the
/// length, and for it another request would begin elsewhere: so nothing of it is done.
pub(super) fn look<B>(request: &Request<B>, text: &[u8]) -> Head {
    let headers = request.headers();
    if let Some(error) = host(request.version(), headers) {
        return Head::Refused(error);
    }
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Head::Sound;
    }
    match has_length(text) {
        Some(false) => Head::Sound,
        None => Head::Last,
        Some(true) => {
            let message = "the request has both Content-Length and Transfer-Encoding; send one of them";
            Head::Refused(invalid("length_ambiguous", message))
        }
    }
}

fn host(version: Version, headers: &HeaderMap) -> Option<Error> {
    match headers.get_all(HOST).iter().count() {
        1 => None,
        0 if version < Version::HTTP_11 => None,
        0 => Some(invalid("host_missing", "a request of HTTP/1.1 needs the header Host")),
        _ => Some(invalid("host_missing", "the header Host stands more than once")),
    }
}

/// Whether a whole head announces a length; none where it is not whole.
fn has_length(text: &[u8]) -> Option<bool> {
    // The library skips empty lines before a request.
    let begin = text.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    for line in text[begin..].split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Some(false);
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            return Some(true);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<bool>) {
        assert_eq!(has_length(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn a_length_is_found_in_heads_of_every_form() {
        check("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", Some(false));
        check("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", Some(true));
        check("POST / HTTP/1.1\r\ncontent-length:3\r\nTransfer-Encoding: chunked\r\n\r\n", Some(true));
        check("\r\n\r\nPOST / HTTP/1.1\nCONTENT-LENGTH : 3\n\n", Some(true));
        check("POST / HTTP/1.1\r\nX: 1\r\n\r\ncontent-length: 3\r\n\r\n", Some(false));
        check("POST /content-length: HTTP/1.1\r\nX-Content-Length: 1\r\n\r\n", Some(false));
        check("POST / HTTP/1.1\r\nHost: x", None);
        check("", None);
    }
}
