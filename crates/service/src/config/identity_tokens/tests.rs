use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::base::clock::parse_timestamp;

const SECRET: &str = "a secret of no less than thirty-two bytes";
const OTHER: &str = "another one, as long as it has to be here";

/// Made with `openssl`, for these tests alone.
const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApThFdHqiupeMQYFF5VOC
JKdxFMRALbPdqtQYnJ8S3N5vkmtc50+i8XBWvTAG8XEBRO9pwKjA8fgwWvv5LjfH
HnDaDaMTOuZidiTK5q+3anINhBzOIIhPBfnluouCaWmp3PUr6REeOK7NqEHUac45
9k6/myNFnIPM90tgWrr4+Qj1i4Kd0uFApP99ZLg+pVzJQbWWDQErr3rmqXGaUlOC
z+xlJ/EaJJ+J68MoeN3QdW0SrrCwID298rm7SswGcmOzl1PeMbExMQm+tRFOjzpp
P2TKXQnjzfST0rMSHFrQkkfSxCha24zIwkpQxwFP3wgKHpkALwy57ov78F9Mv02Y
bQIDAQAB
-----END PUBLIC KEY-----";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IndlYiJ9.eyJzdWIiOiI3MDAxIiwiZXhwIjoyMDAwMDAwMDAwfQ.j3jw5XTivEm76RObsxM5B_u_0U1JTdMVw-mmxr7bd3U0PkCNKFG_tGY1nk8bzp-52t279hQxRsJaXG_KWx_IRJQg4wh4_QR47uhVe8FLvfIbV7z0EYJqyI4GOfGzWdLZocuPqNBoKzsZsTFyBkx9HiDd8Y-2F9cBnQRW5ymdAMI4sEhAe7mahVOC9fqZ4pqGnsofQiPNtN5vkTvzd_9vEJgAUmk2tdTBgI0LzSU7qICzTMeS0YnPuzOC5kp2Y4Fc0yXRKLZBPYoVPWVwVW6BMfnwev8S5Y8ZF4oSzbQpwBhbiUPEzfjoNvzcw8eGDYfO6taTMhhKzJVGnjACbAOf1A";
const SMALL_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDMVV04299yy8/2wupHdT5LXMS4
khyG64jF/WIuP+uIc3Z9/6u5v2sUkiRs/hfDij58q8E68P5Y5Wa82u/+uraHs0Q3
u1xfManG16Aa9LnNeHoQutrpc44oADVBU/7/FwLzry2R+O6NBPLuFvTNM9ibGQ0C
vc5T+z883CV0J0jubwIDAQAB
-----END PUBLIC KEY-----";
const CURVE_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEd/+nc+H1ArXz82aFhJcNpvwXQGk7
ojwGEx0FL7ZtUlN4X9Q5/uiJUGaBmK8tHBI6CYMiOHYyyXKuRwZz9IdBTw==
-----END PUBLIC KEY-----";

fn hs256(kid: &str, secret: &str) -> TokenKey {
    TokenKey { kid: kid.into(), material: Material::secret(secret).expect("a secret") }
}

fn rs256(kid: &str) -> TokenKey {
    TokenKey { kid: kid.into(), material: Material::Public(PublicKey::parse(RSA_KEY).expect("a key")) }
}

fn tokens(keys: Vec<TokenKey>) -> IdentityTokens {
    IdentityTokens { mode: TokenMode::Require, keys }
}

/// A token with these parts, signed with this secret.
fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn at(text: &str) -> Timestamp {
    parse_timestamp(text).expect("a time")
}

fn check(tokens: &IdentityTokens, token: &str, expected: Result<&str, Fault>) {
    let got = tokens.verify(token, at("2026-01-31T12:00:00Z"));
    assert_eq!(got.as_deref().map_err(|fault| *fault), expected, "{token}");
}

const LATER: &str = r#"{"sub":"7001","exp":1769860801}"#;
const NOW: &str = r#"{"sub":"7001","exp":1769860800}"#;

#[test]
fn a_token_that_is_signed_and_holds_vouches_for_its_subject() {
    let own = tokens(vec![hs256("one", SECRET), rs256("web")]);
    let hs = |claims: &str| signed(r#"{"alg":"HS256"}"#, claims, SECRET.as_bytes());
    check(&own, &hs(LATER), Ok("7001"));
    check(&own, &hs(r#"{"sub":7001,"exp":1769860800.5,"nbf":1769860859}"#), Ok("7001"));
    check(&own, &hs(NOW), Err(Fault::Expired));
    check(&own, &hs(r#"{"sub":"7001"}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"sub":"7001","exp":"1769860801"}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"sub":"7001","exp":1769860801,"nbf":1769860861}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"sub":"7001","exp":1769860801,"nbf":"never"}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"exp":1769860801}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"sub":" ","exp":1769860801}"#), Err(Fault::Invalid));
    check(&own, &hs(r#"{"sub":"7001","sub":"7002","exp":1769860801}"#), Err(Fault::Invalid));
    check(&own, RSA_TOKEN, Ok("7001"));
    let (rest, _) = RSA_TOKEN.rsplit_once('.').expect("a token");
    check(&own, &format!("{rest}.AAAA"), Err(Fault::Invalid));
    for broken in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", &"a".repeat(9_000)] {
        check(&own, broken, Err(Fault::Invalid));
    }
}

#[test]
fn the_key_says_the_algorithm() {
    let own = tokens(vec![hs256("one", SECRET), rs256("web")]);
    let claims = URL_SAFE_NO_PAD.encode(LATER);
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{}"#] {
        let header = URL_SAFE_NO_PAD.encode(header);
        check(&own, &format!("{header}.{claims}."), Err(Fault::Invalid));
    }
    // The public key is known to everybody: signed with it as a secret, a token is worth nothing.
    let pkcs1 = PublicKey::parse(RSA_KEY).expect("a key");
    for secret in [RSA_KEY.as_bytes(), RSA_KEY.trim().as_bytes(), pkcs1.as_pkcs1()] {
        check(&own, &signed(r#"{"alg":"HS256","kid":"web"}"#, LATER, secret), Err(Fault::Invalid));
        check(&own, &signed(r#"{"alg":"RS256","kid":"web"}"#, LATER, secret), Err(Fault::Invalid));
        check(&own, &signed(r#"{"alg":"HS256"}"#, LATER, secret), Err(Fault::Invalid));
    }
    let hs512 = signed(r#"{"alg":"HS512"}"#, LATER, SECRET.as_bytes());
    check(&own, &hs512, Err(Fault::Invalid));
    let fetched = signed(r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#, LATER, OTHER.as_bytes());
    check(&own, &fetched, Err(Fault::Invalid));
    let critical = signed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, LATER, SECRET.as_bytes());
    check(&own, &critical, Err(Fault::Invalid));
    check(&tokens(vec![hs256("web", SECRET)]), RSA_TOKEN, Err(Fault::Invalid));
}

#[test]
fn keys_are_told_apart_by_their_names() {
    let both = tokens(vec![hs256("old", SECRET), hs256("new", OTHER)]);
    let named =
        |kid: &str, secret: &str| signed(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), LATER, secret.as_bytes());
    check(&both, &named("old", SECRET), Ok("7001"));
    check(&both, &named("new", OTHER), Ok("7001"));
    check(&both, &named("new", SECRET), Err(Fault::Invalid));
    check(&both, &named("third", SECRET), Err(Fault::Invalid));
    check(&both, &signed(r#"{"alg":"HS256"}"#, LATER, OTHER.as_bytes()), Ok("7001"));
    check(&tokens(Vec::new()), &named("old", SECRET), Err(Fault::Invalid));
}

#[test]
fn only_keys_that_are_long_enough_are_taken() {
    let code = |error: Error| error.code;
    assert_eq!(PublicKey::parse(SMALL_KEY).map_err(code), Err("token_key_invalid"));
    assert_eq!(PublicKey::parse(CURVE_KEY).map_err(code), Err("token_key_invalid"));
    assert_eq!(PublicKey::parse("no key").map_err(code), Err("token_key_invalid"));
    assert_eq!(PublicKey::parse(&RSA_KEY.replace("MIIB", "MIIA")).map_err(code), Err("token_key_invalid"));
    assert_eq!(Material::secret(&"x".repeat(31)).map_err(code), Err("token_key_invalid"));
    assert_eq!(Material::secret(&"x".repeat(1_025)).map_err(code), Err("token_key_invalid"));
    assert_eq!(format!("{:?}", hs256("one", SECRET)), "TokenKey { kid: \"one\", material: HS256(***) }");
}
