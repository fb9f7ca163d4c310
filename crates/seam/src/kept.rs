//! What the quarantine keeps of a refused event or record: a delivery of that one alone, with what its key was when it was sent,
//! so that its door reads it later as it did then, whatever has become of the key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_service::directory::{Class, SERVERS};
use tessera_service::error::{Error, ErrorKind};

use crate::answer::to_json;

/// Who sent what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender<'a> {
    /// The class of the key.
    pub class: Class,
    /// The dataset of the key.
    pub dataset: &'a str,
    /// Whether a token vouched for the user id; the token itself is not kept.
    pub vouched: bool,
}

#[derive(Serialize)]
struct Written<'a, D> {
    key_class: KeyClass,
    dataset: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    vouched: bool,
    delivery: &'a D,
}

#[derive(Deserialize)]
struct Read<'a> {
    key_class: KeyClass,
    /// What was kept before keys had datasets of their own came from one that sent to that of servers.
    #[serde(borrow, default)]
    dataset: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    vouched: bool,
    #[serde(borrow)]
    delivery: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyClass {
    Public,
    Private,
}

/// A delivery that was kept.
pub struct Kept<'a> {
    /// The class of the key.
    pub class: Class,
    /// The dataset of the key.
    pub dataset: std::borrow::Cow<'a, str>,
    /// Whether a token had vouched for the user id.
    pub vouched: bool,
    /// What was sent.
    pub delivery: &'a str,
}

/// The text to keep of a delivery.
pub fn write<D: Serialize>(sender: Sender<'_>, delivery: &D) -> Bytes {
    let key_class = match sender.class {
        Class::Public => KeyClass::Public,
        Class::Private => KeyClass::Private,
    };
    to_json(&Written { key_class, dataset: sender.dataset, vouched: sender.vouched, delivery }).into()
}

/// Reads what was kept.
///
/// # Errors
/// `corrupt`: only [`write`] makes what is read here.
pub fn read(kept: &[u8]) -> Result<Kept<'_>, Error> {
    let corrupt = |_| Error::new(ErrorKind::Corrupt, "corrupt", "what the quarantine kept cannot be read");
    let Read { key_class, dataset, vouched, delivery } = serde_json::from_slice(kept).map_err(corrupt)?;
    let class = match key_class {
        KeyClass::Public => Class::Public,
        KeyClass::Private => Class::Private,
    };
    Ok(Kept { class, dataset: dataset.unwrap_or(SERVERS.into()), vouched, delivery: delivery.get() })
}
