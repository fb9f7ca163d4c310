//! A public key of RSA, as people hand it over and as signatures are checked with it.

use std::sync::Arc;

use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

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

    /// The text that it was read from.
    #[must_use]
    pub fn as_pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn as_pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }
}

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The key inside the structure that names its algorithm (RFC 5280, 4.1.2.7 and RFC 8017, A.1.1).
fn rsa_key(der: &[u8]) -> Option<&[u8]> {
    let (info, rest) = element(der, SEQUENCE)?;
    let (algorithm, info) = element(info, SEQUENCE)?;
    let (identifier, _) = element(algorithm, IDENTIFIER)?;
    let (bits, behind) = element(info, BIT_STRING)?;
    let (unused, key) = bits.split_first()?;
    let (members, behind_key) = element(key, SEQUENCE)?;
    let (modulus, members) = element(members, INTEGER)?;
    let (exponent, members) = element(members, INTEGER)?;
    let modulus = modulus.iter().position(|byte| *byte != 0).map(|from| &modulus[from..])?;
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let is_whole = [rest, behind, behind_key, members].iter().all(|rest| rest.is_empty());
    let is_key = identifier == RSA && *unused == 0 && BITS.contains(&bits) && exponent.last()? & 1 == 1;
    (is_whole && is_key).then_some(key)
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
