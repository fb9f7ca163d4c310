//! Answers that hold a secret: kept so that only who asked can read them.
//!
//! The secret of a key is in the answer that made it and nowhere else. Its answer is kept under a key that is derived from the secret of the
//! key that asked: the store has only hashes of those, so whoever reads the store reads no secret of it.

use bytes::Bytes;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use sha2::Digest as _;

use super::{IdempotencyKey, Reply};
use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::stored::cursor::hmac;

/// Seals and opens the bodies of answers of one caller under one `Idempotency-Key`.
#[derive(Clone)]
pub struct Sealer {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
}

impl Sealer {
    /// Of a caller with this secret. The nonce is drawn: two answers are never sealed under one.
    ///
    /// # Errors
    /// `Internal`, which does not happen.
    pub fn new(secret: &str, name: &IdempotencyKey, nonce: [u8; NONCE_LEN]) -> Result<Self, Error> {
        let own = sha2::Sha256::digest(secret.as_bytes()).into();
        let key = hmac(&own, &[b"tessera kept answer 1", secret.as_bytes(), b"\0", name.as_str().as_bytes()]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| internal())?;
        Ok(Self { key: LessSafeKey::new(key), nonce })
    }

    /// The body as it is kept.
    ///
    /// # Errors
    /// `Internal`, which does not happen.
    pub fn seal(&self, body: &[u8]) -> Result<Bytes, Error> {
        let mut sealed = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).map_err(|_| internal())?;
        Ok([&self.nonce[..], &sealed].concat().into())
    }

    /// The body of a kept answer.
    ///
    /// # Errors
    /// `Corrupt`: only the same caller has been let in, so it can read what was sealed for it.
    pub fn open(&self, reply: &Reply) -> Result<Bytes, Error> {
        let broken = || corrupt("sealed answer");
        let (nonce, sealed) = reply.body().split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut opened = sealed.to_vec();
        let body = self.key.open_in_place(nonce, Aad::empty(), &mut opened).map_err(|_| broken())?;
        Ok(Bytes::copy_from_slice(body))
    }
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "internal", "an answer cannot be sealed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str, name: &str) -> Sealer {
        Sealer::new(secret, &IdempotencyKey::parse(name).expect("a key"), [7; NONCE_LEN]).expect("a sealer")
    }

    #[test]
    fn only_who_asked_opens_an_answer() {
        let sealed = sealer("sk_live_one", "make").seal(b"a secret").expect("sealed");
        assert!(!sealed.windows(8).any(|part| part == b"a secret"), "nothing of it can be read");
        let reply = Reply::new(200, sealed).expect("a reply");
        let open = |secret, name| sealer(secret, name).open(&reply).map_err(|error| error.code);
        assert_eq!(open("sk_live_one", "make"), Ok(Bytes::from_static(b"a secret")));
        assert_eq!(open("sk_live_two", "make"), Err("record_corrupt"));
        assert_eq!(open("sk_live_one", "other"), Err("record_corrupt"));
        let short = Reply::new(200, Bytes::from_static(b"short")).expect("a reply");
        assert_eq!(sealer("sk_live_one", "make").open(&short).map_err(|error| error.code), Err("record_corrupt"));
    }
}
