//! What the quarantine keeps of a refused event or record: a delivery of that one alone, with the class of the key that sent it,
//! so that its door reads it later as it did then, whatever has become of the key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_service::directory::Class;
use tessera_service::error::{Error, ErrorKind};

use crate::answer::to_json;

#[derive(Serialize)]
struct Written<'a, D> {
    key_class: KeyClass,
    delivery: &'a D,
}

#[derive(Deserialize)]
struct Read<'a> {
    key_class: KeyClass,
    #[serde(borrow)]
    delivery: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyClass {
    Public,
    Private,
}

/// The text to keep of a delivery.
pub(crate) fn write<D: Serialize>(class: Class, delivery: &D) -> Bytes {
    let key_class = match class {
        Class::Public => KeyClass::Public,
        Class::Private => KeyClass::Private,
    };
    to_json(&Written { key_class, delivery }).into()
}

/// The class of the key, and the delivery.
///
/// # Errors
/// `corrupt`: only [`write`] makes what is read here.
pub(crate) fn read(kept: &[u8]) -> Result<(Class, &str), Error> {
    let corrupt = |_| Error::new(ErrorKind::Corrupt, "corrupt", "what the quarantine kept cannot be read");
    let Read { key_class, delivery } = serde_json::from_slice(kept).map_err(corrupt)?;
    let class = match key_class {
        KeyClass::Public => Class::Public,
        KeyClass::Private => Class::Private,
    };
    Ok((class, delivery.get()))
}
