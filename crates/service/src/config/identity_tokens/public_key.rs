//! A public key of RSA, as people hand it over and as signatures are checked with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::invalid;
use crate::base::error::Error;

/// Bytes of the text of a key.
const PEM_BYTES_MAX: usize = 8 << 10;
/// Bits of its modulus.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// A public key of RSA with 2,048 to 8,192 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pem: Arc<str>,
    /// Its place and length in the text, decoded.
    pkcs1: Arc<[u8]>,
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`, as `openssl rsa -pubout` writes it.
    ///
    /// # Errors
    /// `Invalid` with `token_key_invalid`.
    pub fn parse(pem: &str) -> Result<Self, Error> {
        let pem = pem.trim();
        let expected = || invalid("public_key must be a public key of RSA in PEM, with 2048 to 8192 bits");
        if pem.len() > PEM_BYTES_MAX {
            return Err(expected());
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| expected())?;
        let pkcs1 = rsa_key(&der).ok_or_else(expected)?;
        Ok(Self { pem: pem.into(), pkcs1: pkcs1.into() })
    }

    /// The key of these two numbers, as bytes with the highest first.
    ///
    /// # Errors
    /// `Invalid` with `token_key_invalid`.
    pub(crate) fn of_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let key = written(SEQUENCE, &[number(modulus), number(exponent)].concat());
        let algorithm = written(SEQUENCE, &[written(IDENTIFIER, RSA), written(NULL, &[])].concat());
        let bits = written(BIT_STRING, &[&[0], &key[..]].concat());
        let text = STANDARD.encode(written(SEQUENCE, &[algorithm, bits].concat()));
        let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let lines = lines.fold(String::new(), |lines, line| lines + &line + "\n");
        Self::parse(&format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----"))
    }

    /// Its modulus, as bytes with the highest first.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        self.numbers().0
    }

    /// Its exponent, as bytes with the highest first.
    #[must_use]
    pub fn exponent(&self) -> &[u8] {
        self.numbers().1
    }

    /// How many bits its modulus has.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(self.modulus())
    }

    /// The hash that tells it from all others (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let [e, n] = [self.exponent(), self.modulus()].map(|number| URL_SAFE_NO_PAD.encode(number));
        let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }

    fn numbers(&self) -> (&[u8], &[u8]) {
        numbers(&self.pkcs1).expect("a key was read before it was kept")
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn as_pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }
}

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The key inside the structure that names its algorithm (RFC 5280, 4.1.2.7 and RFC 8017, A.1.1).
fn rsa_key(der: &[u8]) -> Option<&[u8]> {
    let (info, rest) = element(der, SEQUENCE)?;
    let (algorithm, info) = element(info, SEQUENCE)?;
    let (identifier, _) = element(algorithm, IDENTIFIER)?;
    let (key, behind) = element(info, BIT_STRING)?;
    let (unused, key) = key.split_first()?;
    let (modulus, exponent) = numbers(key)?;
    let is_whole = rest.is_empty() && behind.is_empty();
    let is_key = identifier == RSA && *unused == 0 && BITS.contains(&bits(modulus)) && exponent.last()? & 1 == 1;
    (is_whole && is_key).then_some(key)
}

/// Modulus and exponent of a key (RFC 8017, A.1.1), without zeros in front.
fn numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (members, behind) = element(key, SEQUENCE)?;
    let (modulus, members) = element(members, INTEGER)?;
    let (exponent, members) = element(members, INTEGER)?;
    let is_whole = behind.is_empty() && members.is_empty();
    is_whole.then_some((without_zeros(modulus), without_zeros(exponent)))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn bits(modulus: &[u8]) -> usize {
    modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize)
}

/// The content of the element of this tag that the bytes begin with, and what stands behind it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    if *first != tag {
        return None;
    }
    rest.split_at_checked(length)
}

/// An element with this tag and content.
fn written(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let mut element = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        // What is longer than two bytes can say is too long for a key, and refused when it is read.
        _ => vec![tag, 0x82, high, low],
    };
    element.extend_from_slice(content);
    element
}

/// A number above zero: a highest bit that is set would say that it is below.
fn number(bytes: &[u8]) -> Vec<u8> {
    let bytes = without_zeros(bytes);
    let sign: &[u8] = if bytes.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    written(INTEGER, &[sign, bytes].concat())
}
