//! What is kept of the slots of sources, and how one is made and taken away.

use tessera_connect::{Followed, Standing};
use tessera_store::{Commit, Store};

use crate::base::error::Error;
use crate::base::store_error::commit_failed;
use crate::config::sources::Source;
use crate::config::workspace::StoredConfig;
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::stored::sources::{Slot, decode_slot, encode_slot};
use crate::work::refresh::source_error;
use crate::work::refresh::turns::SourceKey;
use crate::work::service::Service;

/// What is kept of the slot of a source.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn read(store: &dyn Store, scope: Scope, number: u32) -> Result<Option<Slot>, Error> {
    row::read(store, scope.source_slot(number)).await?.map(|row| decode_slot(&row.value)).transpose()
}

/// Keeps it. Only whoever has the turn of the source may.
///
/// # Errors
/// What the store answers.
pub(crate) async fn write(service: &Service, (workspace, number): SourceKey, slot: &Slot) -> Result<(), Error> {
    let commit = Commit::new().put(Scope::new(workspace).source_slot(number), encode_slot(slot));
    service.store().commit(commit).await.map(drop).map_err(|error| commit_failed(&error))
}

/// Forgets it.
///
/// # Errors
/// What the store answers.
pub(crate) async fn forget(service: &Service, (workspace, number): SourceKey) -> Result<(), Error> {
    let commit = Commit::new().delete(Scope::new(workspace).source_slot(number));
    service.store().commit(commit).await.map(drop).map_err(|error| commit_failed(&error))
}

/// Whether a slot is that of a source.
pub(crate) fn is_of(slot: &Slot, source: &Source, followed: &Followed) -> bool {
    slot.connection == source.content.connection && slot.name == followed.slot
}

/// Whether the server still has all that has not been told. One that stands further on than it was moved has been made anew by somebody.
pub(crate) fn is_kept(slot: &Slot, standing: &Standing) -> bool {
    let position = |known: u64| standing.slot.is_some_and(|own| own.0 <= known);
    slot.table == standing.table && slot.position.is_some_and(position)
}

/// Has the server keep the changes that come from now on, where the source asks for them and it does not yet. Answers which slot it is; nothing where
/// there is none, which is told and keeps no refresh from its work.
///
/// # Errors
/// What the store answers.
pub(crate) async fn prepare(
    service: &Service,
    key: SourceKey,
    config: &StoredConfig,
    (name, source): (&str, &Source),
) -> Result<Option<u64>, Error> {
    let Some(followed) = source.followed(name) else { return Ok(None) };
    let known = read(&**service.store(), Scope::new(key.0), key.1).await?;
    match made(service, key, config, source, &followed, known).await {
        Ok(made) => Ok(Some(made)),
        Err(error) => {
            service.refreshes().standings.fail(key, &error);
            if let Some(slot) = read(&**service.store(), Scope::new(key.0), key.1).await? {
                write(service, key, &Slot { is_whole: false, trouble: Some(told(&error)), ..slot }).await?;
            }
            Ok(None)
        }
    }
}

async fn made(
    service: &Service,
    key: SourceKey,
    config: &StoredConfig,
    source: &Source,
    followed: &Followed,
    known: Option<Slot>,
) -> Result<u64, Error> {
    let connection = &source.content.connection;
    let mut changes = service.changes_of(config, connection, followed).await?;
    let standing = changes.look().await.map_err(source_error)?;
    if let Some(slot) = known.as_ref().filter(|slot| is_of(slot, source, followed) && is_kept(slot, &standing)) {
        return Ok(slot.made);
    }
    if let Some(other) = known.as_ref().filter(|slot| !is_of(slot, source, followed)) {
        remove(service, config, other).await?;
    }
    let before = known.unwrap_or_default();
    let mut slot = Slot {
        connection: connection.clone(),
        name: followed.slot.clone(),
        made: before.made + 1,
        table: standing.table,
        position: None,
        is_whole: false,
        unwanted_since: None,
        ..before
    };
    // Before it is there, so that one that nobody goes on with is taken away.
    write(service, key, &slot).await?;
    let position = changes.make().await.map_err(source_error)?;
    slot.position = Some(position.0);
    write(service, key, &slot).await?;
    Ok(slot.made)
}

/// A refresh that began behind the beginning of a slot has come to its end.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn caught_up(service: &Service, key: SourceKey, made: u64, held: Option<&Error>) -> Result<(), Error> {
    let known = read(&**service.store(), Scope::new(key.0), key.1).await?;
    let Some(slot) = known.filter(|slot| slot.made == made && slot.position.is_some()) else { return Ok(()) };
    write(service, key, &Slot { is_whole: true, trouble: held.map(told), ..slot }).await
}

/// Takes a slot away from its server.
///
/// # Errors
/// `NotFound` with `connection_not_found`; why the server does not.
pub(crate) async fn remove(service: &Service, config: &StoredConfig, slot: &Slot) -> Result<(), Error> {
    let name = slot.name.clone();
    let followed = Followed { table: name.clone(), key: String::new(), publication: String::new(), slot: name };
    let mut changes = service.changes_of(config, &slot.connection, &followed).await?;
    changes.remove().await.map_err(source_error)
}

/// What is told of an error.
pub(crate) fn told(error: &Error) -> (String, String) {
    (error.code.to_owned(), error.message.clone().into_owned())
}

#[cfg(test)]
mod tests {
    use tessera_connect::Position;

    use super::*;

    #[test]
    fn a_slot_that_has_lost_something_is_found_out() {
        let slot = Slot { table: 7, position: Some(100), ..Slot::default() };
        let check = |table: u32, at: Option<u64>, expected: bool| {
            let standing = Standing { slot: at.map(Position), end: Position(200), lag_bytes: 0, table };
            assert_eq!(is_kept(&slot, &standing), expected, "{table} {at:?}");
        };
        check(7, Some(100), true);
        check(7, Some(40), true);
        check(7, Some(101), false);
        check(7, None, false);
        check(8, Some(100), false);
        let standing = Standing { slot: Some(Position(1)), end: Position(2), lag_bytes: 0, table: 7 };
        assert!(!is_kept(&Slot { position: None, ..slot.clone() }, &standing));
    }
}
