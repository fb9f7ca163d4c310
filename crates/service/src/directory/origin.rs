//! Origins of pages: where a key that stands in a page may be used from.

use std::fmt;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind};

/// Origins that a key may be confined to.
pub const ORIGINS_MAX: usize = 100;
/// Bytes of an origin.
const BYTES_MAX: usize = 300;

/// The origin of a page, as browsers send it: `https://shop.example`, with a port where it is not the usual one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(Arc<str>);

impl Origin {
    /// Reads an origin. Letters are taken in either case.
    ///
    /// # Errors
    /// `Invalid` with `origin_invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || {
            let message =
                "an origin is a scheme, a host and perhaps a port, and nothing behind them: https://shop.example";
            Error::new(ErrorKind::Invalid, "origin_invalid", message)
        };
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).ok_or_else(invalid)?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let is_host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
        let fits = !host.is_empty()
            && lower.len() <= BYTES_MAX
            && host.bytes().all(is_host)
            && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if fits { Ok(Self(lower.into())) } else { Err(invalid()) }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a browser that sends this means it.
    #[must_use]
    pub fn is(&self, sent: &str) -> bool {
        self.0.eq_ignore_ascii_case(sent)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        let read = |text: &str| Origin::parse(text).map(|own| own.to_string()).map_err(|error| error.code);
        for (text, expected) in [
            ("https://shop.example", Ok("https://shop.example")),
            ("HTTPS://Shop.Example", Ok("https://shop.example")),
            ("http://localhost:3000", Ok("http://localhost:3000")),
            ("http://[::1]:3000", Ok("http://[::1]:3000")),
            ("https://shop.example/", Err("origin_invalid")),
            ("https://shop.example/path", Err("origin_invalid")),
            ("https://shop.example:0", Err("origin_invalid")),
            ("https://shop.example:http", Err("origin_invalid")),
            ("https://", Err("origin_invalid")),
            ("shop.example", Err("origin_invalid")),
            ("null", Err("origin_invalid")),
            ("*", Err("origin_invalid")),
        ] {
            assert_eq!(read(text), expected.map(str::to_owned), "{text}");
        }
        assert!(Origin::parse("https://shop.example").expect("an origin").is("https://SHOP.example"));
        assert!(!Origin::parse("https://shop.example").expect("an origin").is("http://shop.example"));
    }
}
