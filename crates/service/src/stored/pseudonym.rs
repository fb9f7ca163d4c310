//! Pseudonyms: an identity as one word that says nothing to others and that is the same whenever it is asked for.
//!
//! The word is the identity, encrypted under a nonce that is a keyed hash of it, so equal identities have equal words and nothing has to be
//! kept of them: whoever holds the word and the secret of the store has the identity. It is bound to its workspace.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::base::ids::WorkspaceId;
use crate::stored::cursor::hmac;

/// Bytes of a word that can be a pseudonym: an identity has at most 512, a name of a namespace 64.
const WORD_BYTES_MAX: usize = 1_024;
/// What stands between the name of a namespace and the value; no name has it.
const SEPARATOR: u8 = 0;

/// Makes pseudonyms, and reads them.
pub(crate) struct Pseudonyms {
    nonces: [u8; 32],
    key: LessSafeKey,
}

impl Pseudonyms {
    /// Under keys derived from this secret.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let key = hmac(secret, &[b"tessera pseudonym 1"]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("a hash has the bytes of a key");
        Self { nonces: hmac(secret, &[b"tessera pseudonym nonce 1"]), key: LessSafeKey::new(key) }
    }

    /// The word of an identity in a workspace.
    pub(crate) fn of(&self, workspace: WorkspaceId, namespace: &str, value: &str) -> String {
        let number = workspace.number().to_be_bytes();
        let mut content = [namespace.as_bytes(), &[SEPARATOR], value.as_bytes()].concat();
        let hash = hmac(&self.nonces, &[&number, &content]);
        let nonce: [u8; NONCE_LEN] = hash[..NONCE_LEN].try_into().expect("a hash has more bytes than a nonce");
        let sealed =
            self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(number), &mut content);
        sealed.expect("an identity is short enough to be sealed");
        URL_SAFE_NO_PAD.encode([&nonce[..], &content].concat())
    }

    /// The namespace and the value of a word; none for what is no word of this workspace.
    pub(crate) fn read(&self, workspace: WorkspaceId, word: &str) -> Option<(String, String)> {
        if word.len() > WORD_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(word).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let content = self.key.open_in_place(nonce, Aad::from(workspace.number().to_be_bytes()), &mut sealed).ok()?;
        let (namespace, value) = std::str::from_utf8(content).ok()?.split_once(char::from(SEPARATOR))?;
        Some((namespace.to_owned(), value.to_owned()))
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back_in_its_workspace_alone() {
        let (own, other) = (WorkspaceId::new(1), WorkspaceId::new(2));
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        for (namespace, value) in [("email", "ann@shop.example"), ("ecid", ""), ("crm_id", "ø\0x")] {
            let word = pseudonyms.of(own, namespace, value);
            assert_eq!(word, Pseudonyms::new(&[7; 32]).of(own, namespace, value), "the same whenever it is asked for");
            assert_eq!(pseudonyms.read(own, &word), Some((namespace.to_owned(), value.to_owned())));
            assert_ne!(word, pseudonyms.of(other, namespace, value));
            assert_eq!(pseudonyms.read(other, &word), None);
            assert_eq!(Pseudonyms::new(&[8; 32]).read(own, &word), None);
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{word}");
        }
        for word in ["", "x", "AAAA", "ann@shop.example", &"A".repeat(2_000)] {
            assert_eq!(pseudonyms.read(own, word), None, "{word}");
        }
    }
}
