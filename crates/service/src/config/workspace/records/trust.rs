//! The rows of signing keys and of token issuers. Version 1 of each. That of signing keys holds their private halves.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::codec::{self, corrupt, instant};
use crate::base::error::Error;
use crate::config::identity_tokens::PublicKey;
use crate::config::tokens::{Issuer, IssuerKey, Issuers, SigningKey, SigningKeys};
use crate::directory::Slug;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct SigningKeyRecord<'a> {
    public: &'a str,
    pkcs8: &'a [u8],
    made_at: i64,
    ends_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct IssuerRecord<'a> {
    name: &'a str,
    iss: &'a str,
    audiences: Vec<String>,
    #[serde(borrow)]
    keys: Vec<(Option<&'a str>, KeyRecord<'a>)>,
}

#[derive(Serialize, Deserialize)]
enum KeyRecord<'a> {
    /// RS256: the public key in PEM.
    Rs256(&'a str),
}

/// Writes the row of signing keys.
#[must_use]
pub fn encode_signing_keys(keys: &SigningKeys) -> Bytes {
    let record = |key: &'_ SigningKey| {
        let (made_at, ends_at) = (key.made_at.micros(), key.ends_at.map(|at| at.micros()));
        codec::section(&SigningKeyRecord { public: key.public.as_pem(), pkcs8: key.pkcs8(), made_at, ends_at })
    };
    codec::encode(VERSION, &keys.iter().map(record).collect::<Vec<_>>())
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_signing_keys(bytes: &[u8]) -> Result<SigningKeys, Error> {
    let sections: Vec<&[u8]> = codec::decode(VERSION, bytes)?;
    let key = |section: &[u8]| {
        let SigningKeyRecord { public, pkcs8, made_at, ends_at } = codec::read_section(section)?;
        let public = PublicKey::parse(public).map_err(|_| corrupt("signing key"))?;
        Ok(SigningKey::stored(pkcs8.into(), public, instant(made_at)?, ends_at.map(instant).transpose()?))
    };
    Ok(SigningKeys { keys: sections.into_iter().map(key).collect::<Result<_, Error>>()? })
}

/// Writes the row of token issuers.
#[must_use]
pub fn encode_issuers(issuers: &Issuers) -> Bytes {
    let record = |issuer: &'_ Issuer| {
        let key = |key: &IssuerKey| (key.kid().map(str::to_owned), key.public().as_pem().to_owned());
        let keys: Vec<_> = issuer.keys().iter().map(key).collect();
        codec::section(&IssuerRecord {
            name: issuer.name().as_str(),
            iss: issuer.iss(),
            audiences: issuer.audiences().iter().map(|audience| audience.to_string()).collect(),
            keys: keys.iter().map(|(kid, pem)| (kid.as_deref(), KeyRecord::Rs256(pem))).collect(),
        })
    };
    codec::encode(VERSION, &issuers.iter().map(record).collect::<Vec<_>>())
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_issuers(bytes: &[u8]) -> Result<Issuers, Error> {
    let sections: Vec<&[u8]> = codec::decode(VERSION, bytes)?;
    let damaged = |_| corrupt("token issuer");
    let key = |(kid, KeyRecord::Rs256(pem)): (Option<&str>, KeyRecord<'_>)| {
        Ok(IssuerKey::new(kid.map(Into::into), PublicKey::parse(pem).map_err(damaged)?))
    };
    let issuer = |section: &[u8]| {
        let IssuerRecord { name, iss, audiences, keys } = codec::read_section(section)?;
        let keys = keys.into_iter().map(key).collect::<Result<_, Error>>()?;
        Issuer::new(Slug::parse(name).map_err(damaged)?, iss, &audiences, keys).map_err(damaged)
    };
    Ok(Issuers { issuers: sections.into_iter().map(issuer).collect::<Result<_, Error>>()? })
}
