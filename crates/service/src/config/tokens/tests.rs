use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::json;
use tessera_engine::time::Timestamp;

use super::made::{Pair, pair};
use super::*;
use crate::base::clock::parse_timestamp;
use crate::base::components::Random;
use crate::config::identity_tokens::PublicKey;
use crate::directory::Slug;

/// Made with `openssl`, for these tests alone.
const KEYS: [&str; 2] = [include_str!("tests/key-one.txt"), include_str!("tests/key-two.txt")];
/// The clock of these tests stands here.
const NOW: i64 = 1_769_860_800;

pub(crate) fn key(index: usize) -> SigningKey {
    let pkcs8 = STANDARD.decode(KEYS[index].replace('\n', "")).expect("base64");
    let pair_of = ring::signature::RsaKeyPair::from_pkcs8(&pkcs8).expect("a key pair");
    let numbers = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair_of.public());
    let public = PublicKey::of_numbers(&numbers.n, &numbers.e).expect("a public key");
    SigningKey::new(Pair { pkcs8, public }, now())
}

fn now() -> Timestamp {
    parse_timestamp("2026-01-31T12:00:00Z").expect("a time")
}

fn claims(value: Value) -> Map<String, Value> {
    let Value::Object(claims) = value else { panic!("an object") };
    claims
}

/// What a token of ours says, with some of it another.
fn said(more: Value) -> Map<String, Value> {
    let mut said = claims(json!({ "iss": "consumer", "exp": NOW + 300, "aud": "shop" }));
    for (name, value) in claims(more) {
        match value {
            Value::Null => said.remove(&name),
            value => said.insert(name, value),
        };
    }
    said
}

fn token(index: usize, more: Value) -> String {
    key(index).sign(&said(more)).expect("a token")
}

/// A token with this header whose last part is what `sign` makes of the others.
fn forged(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let [header, said] =
        [header.to_string(), Value::Object(said(json!({}))).to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = format!("{header}.{said}");
    let tag = sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn hs256(secret: &[u8], signed: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed).as_ref().to_vec()
}

fn issuers(audiences: &[&str], keys: Vec<IssuerKey>) -> Issuers {
    let audiences: Vec<String> = audiences.iter().map(|audience| (*audience).to_owned()).collect();
    let issuer = Issuer::new(Slug::parse("one").expect("a name"), "consumer", &audiences, keys).expect("an issuer");
    Issuers { issuers: vec![issuer] }
}

fn named(kid: Option<&str>, index: usize) -> IssuerKey {
    IssuerKey::new(kid.map(Into::into), key(index).public)
}

/// What both the keys of a workspace and an issuer that has the same key make of a token.
fn check(token: &str, expected: Result<(), Fault>) {
    let own = SigningKeys { keys: vec![key(0)] };
    let got = own.verify(token, "consumer", now()).map(|_| ());
    assert_eq!(got, expected, "own: {token}");
    let got = issuers(&[], vec![named(None, 0)]).verify(token, now()).map(|_| ());
    assert_eq!(got, expected, "foreign: {token}");
}

#[test]
fn a_token_is_taken_of_the_key_that_signed_it() {
    let good = token(0, json!({ "email": "ann@shop.example" }));
    let header: Value = {
        let (header, _) = good.split_once('.').expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64")).expect("JSON")
    };
    assert_eq!(header, json!({ "typ": "JWT", "alg": "RS256", "kid": &*key(0).kid }));
    let own = SigningKeys { keys: vec![key(0)] };
    let said = own.verify(&good, "consumer", now()).expect("claims");
    assert_eq!((said.text("email"), said.get("exp")), (Some("ann@shop.example"), Some(&json!(NOW + 300))));
    assert_eq!(format!("{said:?} {:?}", key(0).private()), "Claims(***) ***");
    assert_eq!(own.verify(&good, "somebody", now()), Err(Fault::Issuer));
    let other = SigningKeys { keys: vec![key(1)] };
    assert_eq!(other.verify(&good, "consumer", now()), Err(Fault::Invalid));
    assert_eq!(SigningKeys::default().verify(&good, "consumer", now()), Err(Fault::Invalid));
    assert_eq!(Issuers::default().verify(&good, now()), Err(Fault::Issuer));
    assert_eq!(issuers(&[], vec![named(None, 1)]).verify(&good, now()), Err(Fault::Invalid));
}

#[test]
fn a_token_that_was_tampered_with_is_not_taken() {
    let good = token(0, json!({}));
    check(&good, Ok(()));
    let kid = key(0).kid;
    for alg in ["none", "None", "HS256", "RS512", "PS256", ""] {
        check(&forged(&json!({ "alg": alg, "kid": &*kid }), |_| Vec::new()), Err(Fault::Invalid));
    }
    // The public key is known to everybody: as a secret it is worth nothing.
    let public = key(0).public;
    for secret in [public.as_pem().as_bytes(), public.modulus(), &STANDARD.decode(pem(&public)).expect("base64")] {
        for alg in ["HS256", "RS256"] {
            let header = json!({ "alg": alg, "kid": &*kid });
            check(&forged(&header, |signed| hs256(secret, signed)), Err(Fault::Invalid));
        }
    }
    let (signed, tag) = good.rsplit_once('.').expect("three parts");
    let tag = URL_SAFE_NO_PAD.decode(tag).expect("base64");
    for at in [0, 1, 100, 255] {
        let mut tag = tag.clone();
        tag[at] ^= 1;
        check(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)), Err(Fault::Invalid));
    }
    let (header, _) = signed.split_once('.').expect("two parts");
    let other = URL_SAFE_NO_PAD.encode(Value::Object(said(json!({ "sub": "eve" }))).to_string());
    check(&format!("{header}.{other}.{}", URL_SAFE_NO_PAD.encode(&tag)), Err(Fault::Invalid));
    let key = key(0);
    let sign = |signed: &[u8]| key.tag(signed).expect("a signature");
    check(&forged(&json!({ "alg": "RS256" }), sign), Ok(()));
    check(&forged(&json!({ "alg": "RS256", "jku": "https://evil.example/keys" }), sign), Ok(()));
    check(&forged(&json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), sign), Err(Fault::Invalid));
    let twice = format!(r#"{{"iss":"consumer","exp":{0},"iss":"consumer"}}"#, NOW + 300);
    let twice = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
    check(&format!("{twice}.{}", URL_SAFE_NO_PAD.encode(sign(twice.as_bytes()))), Err(Fault::Invalid));
    for broken in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d"] {
        check(broken, Err(Fault::Invalid));
    }
}

fn pem(public: &PublicKey) -> String {
    public.as_pem().lines().filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn a_token_holds_between_its_times() {
    check(&token(0, json!({ "exp": null })), Err(Fault::Invalid));
    check(&token(0, json!({ "exp": "1769861100" })), Err(Fault::Invalid));
    check(&token(0, json!({ "exp": true })), Err(Fault::Invalid));
    check(&token(0, json!({ "exp": NOW - 60 })), Err(Fault::Expired));
    check(&token(0, json!({ "nbf": NOW + 60 })), Ok(()));
    check(&token(0, json!({ "nbf": NOW + 61 })), Err(Fault::Early));
    check(&token(0, json!({ "nbf": "soon" })), Err(Fault::Invalid));
    check(&token(0, json!({ "exp": 1e300 })), Ok(()));
    // The clock of another issuer may be a minute behind ours; ours is our own.
    let late = token(0, json!({ "exp": NOW }));
    let own = SigningKeys { keys: vec![key(0)] };
    assert_eq!(own.verify(&late, "consumer", now()), Err(Fault::Expired));
    assert!(issuers(&[], vec![named(None, 0)]).verify(&late, now()).is_ok());
}

#[test]
fn a_token_has_a_bound() {
    let long = |bytes: usize| json!({ "text": "x".repeat(bytes) });
    check(&token(0, long(5_600)), Ok(()));
    let error = key(0).sign(&said(long(6_000))).expect_err("too large");
    assert_eq!(error.code, "token_too_large");
    let header = json!({ "alg": "RS256", "text": "x".repeat(8_192) });
    let key = key(0);
    check(&forged(&header, |signed| key.tag(signed).expect("a signature")), Err(Fault::Invalid));
}

#[test]
fn a_foreign_token_is_of_a_known_issuer_and_for_one_of_its_audiences() {
    let check = |audiences: &[&str], more: Value, expected: Result<(), Fault>| {
        let got = issuers(audiences, vec![named(None, 0)]).verify(&token(0, more.clone()), now()).map(|_| ());
        assert_eq!(got, expected, "{audiences:?} {more}");
    };
    check(&[], json!({ "iss": null }), Err(Fault::Invalid));
    check(&[], json!({ "iss": 7 }), Err(Fault::Invalid));
    check(&[], json!({ "iss": "Consumer" }), Err(Fault::Issuer));
    check(&[], json!({ "aud": null }), Ok(()));
    check(&["shop"], json!({}), Ok(()));
    check(&["app", "shop"], json!({}), Ok(()));
    check(&["shop"], json!({ "aud": ["app", "shop"] }), Ok(()));
    check(&["shop"], json!({ "aud": ["app"] }), Err(Fault::Audience));
    check(&["shop"], json!({ "aud": "sho" }), Err(Fault::Audience));
    check(&["shop"], json!({ "aud": { "shop": "shop" } }), Err(Fault::Audience));
    check(&["shop"], json!({ "aud": null }), Err(Fault::Audience));
}

#[test]
fn keys_of_an_issuer_are_told_apart_by_their_names() {
    let kids = [key(0).kid, key(1).kid];
    let both = issuers(&[], vec![named(Some(&kids[0]), 0), named(Some(&kids[1]), 1)]);
    assert!(both.verify(&token(0, json!({})), now()).is_ok() && both.verify(&token(1, json!({})), now()).is_ok());
    let crossed = issuers(&[], vec![named(Some(&kids[1]), 0), named(Some(&kids[0]), 1)]);
    assert_eq!(crossed.verify(&token(0, json!({})), now()), Err(Fault::Invalid));
    let unknown = issuers(&[], vec![named(Some("other"), 0)]);
    assert_eq!(unknown.verify(&token(0, json!({})), now()), Err(Fault::Invalid));
    let key = key(1);
    let nameless = forged(&json!({ "alg": "RS256" }), |signed| key.tag(signed).expect("a signature"));
    assert!(crossed.verify(&nameless, now()).is_ok());
}

fn jwk(index: usize, kid: &str) -> Value {
    let public = key(index).public;
    let [n, e] = [public.modulus(), public.exponent()].map(|number| URL_SAFE_NO_PAD.encode(number));
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e })
}

#[test]
fn keys_are_read_from_a_document() {
    let other = json!({ "kty": "EC", "crv": "P-256", "kid": "three", "x": "?", "y": "?" });
    let mut encrypts = jwk(0, "four");
    encrypts["use"] = "enc".into();
    let mut stronger = jwk(0, "five");
    stronger["alg"] = "RS512".into();
    let document = json!({ "keys": [jwk(0, "one"), other, encrypts, stronger, jwk(1, "two")] });
    let keys = jwks::keys(&document).expect("keys");
    assert_eq!(keys, [named(Some("one"), 0), named(Some("two"), 1)]);
    assert!(key(0).public.as_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(PublicKey::parse(key(0).public.as_pem()).expect("a key"), key(0).public);
    let check = |document: Value, expected: &str| {
        let error = jwks::keys(&document).expect_err(expected);
        assert_eq!(error.code, "token_jwks_invalid");
        assert!(error.message.contains(expected), "{} {expected}", error.message);
    };
    let with = |name: &str, value: Value| {
        let mut key = jwk(0, "one");
        key[name] = value;
        json!({ "keys": [key] })
    };
    check(json!({ "keys": {} }), "a list of keys");
    check(json!([]), "a list of keys");
    check(json!({ "keys": [] }), "no key");
    check(json!({ "keys": ["?"] }), "no object");
    check(json!({ "keys": vec![json!({}); 101] }), "more than 100");
    check(with("kty", "oct".into()), "no key");
    check(with("use", "enc".into()), "no key");
    check(with("d", "AQ".into()), "private key");
    check(with("kid", 7.into()), "kid");
    check(with("n", "AQAB".into()), "2048");
    check(with("n", "".into()), "2048");
    check(with("n", URL_SAFE_NO_PAD.encode(vec![0xff; 70_000]).into()), "2048");
    check(with("n", "+/".into()), "base64url");
    check(with("e", Value::Null), "base64url");
    check(with("e", "".into()), "2048");
    check(with("e", "Ag".into()), "2048");
}

#[test]
fn an_issuer_is_checked_when_it_is_set() {
    let check = |iss: &str, audiences: &[&str], keys: Vec<IssuerKey>| {
        let audiences: Vec<String> = audiences.iter().map(|audience| (*audience).to_owned()).collect();
        let error = Issuer::new(Slug::parse("one").expect("a name"), iss, &audiences, keys).expect_err("refused");
        assert_eq!(error.code, "token_issuer_invalid");
    };
    check("", &[], vec![named(None, 0)]);
    check("a\nb", &[], vec![named(None, 0)]);
    check(&"x".repeat(501), &[], vec![named(None, 0)]);
    check("consumer", &[""], vec![named(None, 0)]);
    check("consumer", &["a"; 11], vec![named(None, 0)]);
    check("consumer", &[], Vec::new());
    check("consumer", &[], vec![named(Some("a"), 0); 11]);
    check("consumer", &[], vec![named(Some("a"), 0), named(Some("a"), 1)]);
    check("consumer", &[], vec![named(None, 0), named(None, 0)]);
    check("consumer", &[], vec![named(Some(""), 0)]);
}

#[test]
fn halves_of_two_keys_are_told() {
    let of = |pkcs8: &[u8]| SigningKey::stored(pkcs8.into(), key(0).public, now(), None);
    assert!(of(key(0).pkcs8()).is_whole());
    assert!(!of(key(1).pkcs8()).is_whole());
    assert!(!of(b"no key").is_whole());
    assert_eq!(of(b"no key").sign(&said(json!({}))).expect_err("no key").code, "record_corrupt");
}

#[test]
fn a_pair_is_made_of_the_bits_that_are_given() {
    let random = |seed: u64| -> Random {
        let state = std::sync::atomic::AtomicU64::new(seed);
        Arc::new(move |bytes| {
            for byte in bytes {
                let step = 6_364_136_223_846_793_005;
                let next = state.fetch_add(step, std::sync::atomic::Ordering::Relaxed);
                *byte = (next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            }
        })
    };
    let [one, same, other] = [1, 1, 2].map(|seed| pair(Bits::Least, &random(seed)).expect("a pair"));
    assert_eq!((one.public.bits(), one.public.exponent()), (2_048, &[1, 0, 1][..]));
    assert_eq!(one.pkcs8, same.pkcs8);
    assert_ne!(one.public, other.public);
    let key = SigningKey::new(one, now());
    let token = key.sign(&said(json!({}))).expect("a token");
    assert!(SigningKeys { keys: vec![key] }.verify(&token, "consumer", now()).is_ok());
    let codes = [1_024, 3_072, 8_192].map(|bits| Bits::parse(bits).expect_err("refused").code);
    assert_eq!(codes, ["signing_key_bits_invalid"; 3]);
}
