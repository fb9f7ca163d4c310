//! How a key pair is made. It takes a thread for tens of milliseconds, and up to seconds for 4,096 bits.

use std::convert::Infallible;

use rsa::pkcs8::EncodePrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;

use crate::base::components::Random;
use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::PublicKey;

/// Bits of a key that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bits {
    /// 2,048.
    #[default]
    Least,
    /// 4,096.
    Most,
}

impl Bits {
    /// As many.
    ///
    /// # Errors
    /// `Invalid` with `signing_key_bits_invalid`.
    pub fn parse(bits: u32) -> Result<Self, Error> {
        match bits {
            2_048 => Ok(Self::Least),
            4_096 => Ok(Self::Most),
            _ => {
                let message = "a signing key has 2048 or 4096 bits";
                Err(Error::new(ErrorKind::Invalid, "signing_key_bits_invalid", message))
            }
        }
    }

    const fn count(self) -> usize {
        match self {
            Self::Least => 2_048,
            Self::Most => 4_096,
        }
    }
}

/// A key pair.
pub(crate) struct Pair {
    /// Both halves, in the form of RFC 5208.
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) public: PublicKey,
}

/// Makes a key pair of random bits.
///
/// # Errors
/// `Internal`: no bits lead there.
pub(crate) fn pair(bits: Bits, random: &Random) -> Result<Pair, Error> {
    let failed = || Error::new(ErrorKind::Internal, "internal", "a signing key could not be made");
    let key = rsa::PrivateKey::new(&mut Drawn(random), bits.count()).map_err(|_| failed())?;
    let pkcs8 = key.to_pkcs8_der().map_err(|_| failed())?;
    let [n, e] = [key.n().as_ref().to_be_bytes_trimmed_vartime(), key.e().to_be_bytes_trimmed_vartime()];
    Ok(Pair { pkcs8: pkcs8.as_bytes().to_vec(), public: PublicKey::of_numbers(&n, &e)? })
}

/// The random bits that the service is given, as whoever makes keys takes them.
struct Drawn<'a>(&'a Random);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}
