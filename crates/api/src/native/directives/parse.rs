//! From requests to orders.

use tessera_engine::id::DirectiveId;
use tessera_seam::answer::invalid;
use tessera_seam::extract::Query;
use tessera_service::Lookup;
use tessera_service::directives::{Order, SIDE_MAX};
use tessera_service::error::Error;
use tessera_service::verdict::NamedIdentity;

use super::wire::{self, Kind};

/// Reads an order.
///
/// # Errors
/// `directive_invalid`, naming the member that is missing, too many, or not of this type.
pub(super) fn order(wire: wire::Order) -> Result<Order, Error> {
    let wire::Order { kind, identities, merge, side, directive } = wire;
    let unexpected = [
        ("identities", identities.is_some(), matches!(kind, Kind::Join | Kind::Separate)),
        ("merge", merge.is_some(), kind == Kind::Separate),
        ("side", side.is_some(), kind == Kind::Separate),
        ("directive", directive.is_some(), matches!(kind, Kind::Undo | Kind::Lift)),
    ];
    if let Some((name, ..)) = unexpected.into_iter().find(|(_, is_there, fits)| *is_there && !fits) {
        return Err(wrong(format!("`{name}` does not belong to this type")));
    }
    match kind {
        Kind::Join => match <[wire::Identity; 2]>::try_from(identities.unwrap_or_default()) {
            Ok(both) => Ok(Order::Join(both.map(named))),
            Err(_) => Err(wrong("`identities` of a join are two".to_owned())),
        },
        Kind::Separate => match (identities, merge, side) {
            (Some(identities), None, None) if (1..=SIDE_MAX).contains(&identities.len()) => {
                Ok(Order::Separate(identities.into_iter().map(named).collect()))
            }
            (None, Some(merge), Some(side)) => {
                let Ok([one]) = <[wire::Identity; 1]>::try_from(side) else {
                    return Err(wrong("`side` is one identity of the side that is to be parted".to_owned()));
                };
                Ok(Order::SeparateMerge(id(&merge)?, named(one)))
            }
            _ => Err(wrong(format!("a separation has 1 to {SIDE_MAX} `identities`, or `merge` with `side`"))),
        },
        Kind::Undo => Ok(Order::Undo(ended(directive)?)),
        Kind::Lift => Ok(Order::Lift(ended(directive)?)),
    }
}

fn ended(directive: Option<String>) -> Result<DirectiveId, Error> {
    id(&directive.ok_or_else(|| wrong("`directive` is the id of the directive that ends".to_owned()))?)
}

/// Reads the id of a directive or merge.
///
/// # Errors
/// `directive_invalid`.
pub(super) fn id(text: &str) -> Result<DirectiveId, Error> {
    DirectiveId::parse(text).map_err(|_| wrong("the id of a directive or merge is 24 hexadecimal digits".to_owned()))
}

/// Reads a filter by type.
///
/// # Errors
/// `directive_invalid`.
pub(super) fn act(asked: Option<&str>) -> Result<Option<String>, Error> {
    const ACTS: [&str; 5] = ["join", "separate", "undo", "lift", "merge"];
    match asked {
        Some(text) if !ACTS.contains(&text) => Err(wrong(format!("`type` is one of {}", ACTS.join(", ")))),
        other => Ok(other.map(str::to_owned)),
    }
}

/// Reads a filter by profile.
///
/// # Errors
/// `directive_invalid`.
pub(super) fn profile(query: &Query) -> Result<Option<Lookup>, Error> {
    match (query.get("namespace"), query.get("value")) {
        (Some(namespace), Some(value)) => {
            Ok(Some(Lookup::Identity { namespace: namespace.to_owned(), value: value.to_owned() }))
        }
        (None, None) => Ok(None),
        _ => Err(wrong("`namespace` and `value` come together".to_owned())),
    }
}

fn named(wire: wire::Identity) -> NamedIdentity {
    NamedIdentity { namespace: wire.namespace.into(), value: wire.value.into() }
}

fn wrong(message: String) -> Error {
    invalid("directive_invalid", message)
}
