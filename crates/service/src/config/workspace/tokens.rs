//! What a workspace says of identity tokens.

use std::sync::Arc;

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::{IdentityTokens, KEYS_MAX, Material, TokenKey, TokenMode, invalid};

/// A key as it is set: a secret that stands already is not told again.
#[derive(Debug, Clone)]
pub enum NewTokenKey {
    /// This one.
    Told(TokenKey),
    /// The secret that stands under this name.
    Kept(Arc<str>),
}

/// The configuration with these keys and this mode; the same one where they are the same.
///
/// # Errors
/// `Invalid` with `token_key_invalid` for two keys of one name and a secret that is neither told nor there, with
/// `token_keys_missing` for a mode that looks at tokens and no key; `LimitExceeded` with `token_keys_full`, `config_too_large`.
pub fn set_identity_tokens(config: &StoredConfig, mode: TokenMode, new: &[NewTokenKey]) -> Result<StoredConfig, Error> {
    if new.len() > KEYS_MAX {
        let message = format!("a workspace has at most {KEYS_MAX} keys of identity tokens");
        return Err(Error::new(ErrorKind::LimitExceeded, "token_keys_full", message));
    }
    let mut keys: Vec<TokenKey> = Vec::with_capacity(new.len());
    for key in new {
        let key = match key {
            NewTokenKey::Told(key) => key.clone(),
            NewTokenKey::Kept(kid) => {
                let stands = |key: &&TokenKey| key.kid == *kid && matches!(key.material, Material::Secret(_));
                let kept = config.tokens.keys.iter().find(stands).cloned();
                kept.ok_or_else(|| invalid("a key of HS256 needs a secret, unless one stands under its kid"))?
            }
        };
        if keys.iter().any(|known| known.kid == key.kid) {
            return Err(invalid("two keys have the same kid"));
        }
        keys.push(key);
    }
    if mode != TokenMode::Off && keys.is_empty() {
        let message = "tokens are checked with a key: give at least one, or set the mode off";
        return Err(Error::new(ErrorKind::Invalid, "token_keys_missing", message));
    }
    let tokens = IdentityTokens { mode, keys };
    if config.tokens == tokens {
        return Ok(config.clone());
    }
    config.next(|next| next.tokens = tokens)
}
