//! A token in its compact form, read part by part: three texts in base64 with dots between them (RFC 7515, RFC 7519).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tessera_engine::time::Timestamp;

use crate::config::identity_tokens::Material;

/// Bytes of a token that is looked at, and of one that is made.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 << 10;
/// How far ahead of ours the clock of whoever made a token may be, where it says from when it holds.
const AHEAD_SECS: f64 = 60.0;

/// A token whose signature nobody has looked at.
pub(crate) struct Signed<'a> {
    header: Header,
    claims: &'a str,
    /// What the signature is of.
    signed: &'a str,
    tag: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that have to be understood; none is here.
    #[serde(default)]
    crit: Option<Value>,
}

impl<'a> Signed<'a> {
    /// Reads a token, if it is one.
    pub(crate) fn read(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = read(header)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        header.crit.is_none().then_some(Self { header, claims, signed, tag })
    }

    /// Whether one of these keys has signed it, by the key's algorithm. Where both have a name it is to be the same; without one every key
    /// of the algorithm may be it.
    pub(crate) fn is_by<'k>(&self, keys: impl IntoIterator<Item = (Option<&'k str>, &'k Material)>) -> bool {
        keys.into_iter().any(|(kid, material)| {
            let is_named = self.header.kid.as_deref().zip(kid).is_none_or(|(named, kid)| named == kid);
            is_named && material.algorithm() == self.header.alg && material.verifies(self.signed.as_bytes(), &self.tag)
        })
    }

    /// What it says.
    pub(crate) fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        read(self.claims)
    }
}

fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// How an instant stands to the times that a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It is between them.
    Now,
    /// It is after the end.
    NoLonger,
    /// It is before the beginning, by more than clocks may differ.
    NotYet,
}

/// How an instant stands to an end, which may be late by some seconds, and a beginning. None where these are no times.
pub(crate) fn holds(exp: &Value, nbf: Option<&Value>, now: Timestamp, late_secs: u32) -> Option<Holds> {
    let now_secs = now.micros() as f64 / 1e6;
    let end = seconds(exp)? + f64::from(late_secs);
    let begin = nbf.map_or(Some(f64::NEG_INFINITY), seconds)?;
    Some(match () {
        () if begin > now_secs + AHEAD_SECS => Holds::NotYet,
        () if end <= now_secs => Holds::NoLonger,
        () => Holds::Now,
    })
}

/// A time in seconds since 1970.
fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().filter(|seconds| seconds.is_finite())
}
