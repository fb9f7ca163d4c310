//! What is asked of the user ids that public keys send.

use super::super::*;
use crate::base::codec;
use crate::config::identity_tokens::{IdentityTokens, KEYS_MAX, Material, TokenKey, TokenMode};

const SECRET: &str = "a secret of no less than thirty-two bytes";

fn told(kid: &str) -> NewTokenKey {
    NewTokenKey::Told(TokenKey { kid: kid.into(), material: Material::secret(SECRET).expect("a secret") })
}

fn kept(kid: &str) -> NewTokenKey {
    NewTokenKey::Kept(kid.into())
}

#[test]
fn the_record_is_frozen_and_written_where_it_changes() {
    let before = StoredConfig::default();
    let after = set_identity_tokens(&before, TokenMode::Require, &[told("one"), told("two")]).expect("keys");
    codec::golden("config-tokens-1", &encode_tokens(after.tokens()));
    assert_eq!(decode_tokens(&encode_tokens(after.tokens())).expect("a row"), *after.tokens());
    let written = rows(&after, &before);
    assert_eq!(written.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Main, Part::Tokens]);
    assert_eq!(read(written.iter().map(|(part, bytes)| (*part, &**bytes))).expect("a configuration"), after);
    assert_eq!(Part::of_suffix(&[7]), Some(Part::Tokens));
    assert_eq!(*before.tokens(), IdentityTokens::default());
}

#[test]
fn a_secret_is_told_once_and_kept_by_its_name() {
    let one = set_identity_tokens(&StoredConfig::default(), TokenMode::Accept, &[told("one")]).expect("a key");
    let two = set_identity_tokens(&one, TokenMode::Require, &[kept("one"), told("two")]).expect("keys");
    assert_eq!(two.tokens().keys[0], one.tokens().keys[0]);
    let same = set_identity_tokens(&two, TokenMode::Require, &[kept("one"), kept("two")]).expect("keys");
    assert_eq!(same, two, "nothing is written");
    let check = |mode, keys: &[NewTokenKey], code| {
        assert_eq!(set_identity_tokens(&one, mode, keys).expect_err(code).code, code);
    };
    check(TokenMode::Accept, &[kept("two")], "token_key_invalid");
    check(TokenMode::Accept, &[kept("one"), told("one")], "token_key_invalid");
    check(TokenMode::Accept, &[], "token_keys_missing");
    check(TokenMode::Require, &[], "token_keys_missing");
    let many: Vec<NewTokenKey> = (0..=KEYS_MAX).map(|number| told(&number.to_string())).collect();
    check(TokenMode::Off, &many, "token_keys_full");
    let off = set_identity_tokens(&one, TokenMode::Off, &[]).expect("no keys");
    assert_eq!(*off.tokens(), IdentityTokens::default());
}
