//! Where clients reach the server.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// An address as in `https://profiles.shop.example`, perhaps with a path before ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: &'static str,
    rest: String,
}

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected http:// or https:// with a host, perhaps a port and a path, and nothing behind it")]
pub struct PublicUrlError;

impl PublicUrl {
    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Host, port and path, without a slash at the end.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError)?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            _ => return Err(PublicUrlError),
        };
        let host = uri.authority().map(|authority| authority.as_str()).filter(|host| is_host(host));
        let host = host.ok_or(PublicUrlError)?;
        if uri.query().is_some() || text.contains('#') {
            return Err(PublicUrlError);
        }
        Ok(Self { scheme, rest: format!("{host}{}", uri.path().trim_end_matches('/')) })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.rest)
    }
}

/// Whether a text is a host, perhaps with a port: a name, an address, or an address of IPv6 in brackets.
pub fn is_host(text: &str) -> bool {
    let (name, rest) = match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, rest)) => (address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')), rest),
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            (end > 0 && text[..end].bytes().all(is_name), &text[end..])
        }
    };
    let port = rest.strip_prefix(':');
    name && text.len() <= 255 && (rest.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str)>) {
        let url = text.parse::<PublicUrl>().ok();
        assert_eq!(url.as_ref().map(|url| (url.scheme(), url.rest())), expected, "{text}");
    }

    #[test]
    fn addresses_are_read_and_others_refused() {
        check("https://profiles.shop.example", Some(("https", "profiles.shop.example")));
        check("https://profiles.shop.example/", Some(("https", "profiles.shop.example")));
        check("http://10.0.0.1:8640/cdp/", Some(("http", "10.0.0.1:8640/cdp")));
        check("https://[::1]:8640", Some(("https", "[::1]:8640")));
        check("profiles.shop.example", None);
        check("ftp://profiles.shop.example", None);
        check("https://", None);
        check("https://user@shop.example", None);
        check("https://shop.example/?a=b", None);
        check("https://shop.example/#a", None);
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for host in ["a", "shop.example", "shop.example:80", "127.0.0.1:8640", "[::1]", "[::1]:80"] {
            assert!(is_host(host), "{host}");
        }
        for other in
            ["", ":80", "a:b", "a/b", "a b", "a\"b", "user@a", "[::1", "[::1]x", "a:80:80", "<script>", "a:99999"]
        {
            assert!(!is_host(other), "{other}");
        }
    }
}
