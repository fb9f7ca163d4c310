//! The keys that a workspace signs with, and the issuers whose tokens it takes.

use super::super::*;
use crate::base::clock::parse_timestamp;
use crate::base::codec;
use crate::config::tokens::tests::key;
use crate::config::tokens::{Issuer, IssuerKey, SIGNING_KEYS_MAX};
use crate::directory::Slug;
use tessera_engine::time::Timestamp;

fn at(secs: i64) -> Timestamp {
    parse_timestamp("2026-01-31T12:00:00Z").expect("a time").plus_micros(secs * 1_000_000)
}

fn rotated(config: &StoredConfig, index: usize, overlap_secs: u32, secs: i64) -> StoredConfig {
    add_signing_key(config, key(index), overlap_secs, at(secs)).expect("a key")
}

/// When the keys end, in seconds; the last one does not.
fn ends(config: &StoredConfig) -> Vec<Option<i64>> {
    let secs = |end: Timestamp| (end.micros() - at(0).micros()) / 1_000_000;
    config.signing_keys().iter().map(|key| key.ends_at.map(secs)).collect()
}

fn issuer(name: &str, iss: &str) -> Issuer {
    let keys = vec![IssuerKey::new(Some("one".into()), key(0).public), IssuerKey::new(None, key(1).public)];
    Issuer::new(Slug::parse(name).expect("a name"), iss, &["shop".to_owned()], keys).expect("an issuer")
}

#[test]
fn the_records_are_frozen_and_written_where_they_change() {
    let before = StoredConfig::default();
    let keys = rotated(&rotated(&before, 0, OVERLAP_SECS, 0), 1, OVERLAP_SECS, 60);
    let after = put_token_issuer(&keys, issuer("one", "verification-service")).expect("an issuer");
    codec::golden("config-signing-keys-1", &encode_signing_keys(after.signing_keys()));
    codec::golden("config-issuers-1", &encode_issuers(after.issuers()));
    let written = rows(&after, &before);
    let parts: Vec<Part> = written.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, [Part::Main, Part::SigningKeys, Part::Issuers]);
    assert_eq!(read(written.iter().map(|(part, bytes)| (*part, &**bytes))).expect("a configuration"), after);
    assert_eq!([Part::of_suffix(&[8]), Part::of_suffix(&[9])], [Some(Part::SigningKeys), Some(Part::Issuers)]);
    assert!(decode_signing_keys(&[1, 1, 0]).is_err() && decode_issuers(&[1, 1, 0]).is_err());
    assert!(!format!("{after:?}").contains("pkcs8"));
}

#[test]
fn a_key_that_was_replaced_ends_after_the_overlap() {
    let one = rotated(&StoredConfig::default(), 0, 0, 0);
    assert_eq!(ends(&one), [None]);
    let two = rotated(&one, 1, 100, 10);
    assert_eq!(ends(&two), [Some(110), None]);
    assert_eq!(two.signing_keys().verifying(at(109)).count(), 2);
    assert_eq!(two.signing_keys().verifying(at(110)).count(), 1);
    assert_eq!(without_ended_keys(&two, at(109)).expect("the same"), two);
    assert_eq!(ends(&without_ended_keys(&two, at(110)).expect("one key")), [None]);
    // Another one can shorten what is left of those before, not lengthen it.
    assert_eq!(ends(&rotated(&two, 0, 200, 20)), [Some(110), Some(220), None]);
    assert_eq!(ends(&rotated(&two, 0, 50, 20)), [Some(70), Some(70), None]);
    assert_eq!(ends(&rotated(&two, 0, 0, 20)), [None]);
    assert_eq!(ends(&rotated(&two, 0, 200, 120)), [Some(320), None]);
    let error = add_signing_key(&two, key(0), OVERLAP_SECS_MAX + 1, at(20)).expect_err("too long");
    assert_eq!(error.code, "signing_overlap_invalid");
}

#[test]
fn few_keys_are_kept() {
    let full = (0..SIGNING_KEYS_MAX).fold(StoredConfig::default(), |config, index| rotated(&config, index % 2, 100, 0));
    assert_eq!(add_signing_key(&full, key(0), 100, at(99)).expect_err("full").code, "signing_keys_full");
    assert_eq!(ends(&rotated(&full, 0, 100, 100)), [Some(200), None]);
    assert_eq!(ends(&rotated(&full, 0, 0, 50)), [None]);
    let first = with_first_signing_key(&StoredConfig::default(), key(0)).expect("a key");
    assert_eq!(with_first_signing_key(&first, key(1)).expect("the same"), first);
}

#[test]
fn issuers_are_set_by_name_and_told_apart_by_iss() {
    let one = put_token_issuer(&StoredConfig::default(), issuer("b", "b.example")).expect("an issuer");
    let two = put_token_issuer(&one, issuer("a", "a.example")).expect("an issuer");
    let names: Vec<&str> = two.issuers().iter().map(|issuer| issuer.name().as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(put_token_issuer(&two, issuer("a", "a.example")).expect("the same"), two);
    let moved = put_token_issuer(&two, issuer("a", "c.example")).expect("another iss");
    assert_eq!(moved.issuers().find("a").expect("an issuer").iss(), "c.example");
    assert_eq!(put_token_issuer(&two, issuer("c", "a.example")).expect_err("taken").code, "token_issuer_taken");
    assert_eq!(delete_token_issuer(&two, "c").expect_err("none").code, "token_issuer_not_found");
    assert_eq!(delete_token_issuer(&two, "a").expect("one less").issuers(), one.issuers());
    let full = (0..20).fold(StoredConfig::default(), |config, number| {
        put_token_issuer(&config, issuer(&format!("i{number}"), &format!("{number}.example"))).expect("an issuer")
    });
    assert_eq!(put_token_issuer(&full, issuer("more", "more")).expect_err("full").code, "token_issuers_full");
    assert!(put_token_issuer(&full, issuer("i7", "more")).is_ok());
}
