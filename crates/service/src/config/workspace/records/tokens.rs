//! The row of identity tokens. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::config::identity_tokens::{IdentityTokens, Material, PublicKey, TokenKey, TokenMode};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct TokensRecord<'a> {
    mode: ModeRecord,
    #[serde(borrow)]
    keys: Vec<(&'a str, MaterialRecord<'a>)>,
}

#[derive(Serialize, Deserialize)]
enum ModeRecord {
    Off,
    Accept,
    Require,
}

#[derive(Serialize, Deserialize)]
enum MaterialRecord<'a> {
    Secret(#[serde(borrow)] &'a [u8]),
    Public(&'a str),
}

/// Writes the row.
#[must_use]
pub fn encode_tokens(tokens: &IdentityTokens) -> Bytes {
    let keys = tokens.keys.iter().map(|key| {
        let material = match &key.material {
            Material::Secret(secret) => MaterialRecord::Secret(secret),
            Material::Public(key) => MaterialRecord::Public(key.as_pem()),
        };
        (&*key.kid, material)
    });
    let mode = match tokens.mode {
        TokenMode::Off => ModeRecord::Off,
        TokenMode::Accept => ModeRecord::Accept,
        TokenMode::Require => ModeRecord::Require,
    };
    codec::encode(VERSION, &TokensRecord { mode, keys: keys.collect() })
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_tokens(bytes: &[u8]) -> Result<IdentityTokens, Error> {
    let TokensRecord { mode, keys } = codec::decode(VERSION, bytes)?;
    let key = |(kid, material): (&str, MaterialRecord<'_>)| {
        let material = match material {
            MaterialRecord::Secret(secret) => Material::Secret(secret.into()),
            MaterialRecord::Public(pem) => {
                Material::Public(PublicKey::parse(pem).map_err(|_| corrupt("key of identity tokens"))?)
            }
        };
        Ok(TokenKey { kid: kid.into(), material })
    };
    let mode = match mode {
        ModeRecord::Off => TokenMode::Off,
        ModeRecord::Accept => TokenMode::Accept,
        ModeRecord::Require => TokenMode::Require,
    };
    Ok(IdentityTokens { mode, keys: keys.into_iter().map(key).collect::<Result<_, Error>>()? })
}
