//! Changes of tables between refreshes: each source that asks for them is followed by a task of its own, which writes them as a refresh would.
//!
//! A slot of the database keeps the place. It is made before a refresh reads the table, and moved when what it told stands in profiles; so what
//! was told once comes again after a kill, and comes to the same. Whatever changes cannot tell for sure, a refresh decides: a slot that was lost, a
//! table that was emptied or has other columns, more rows that are gone than one refresh may take back. Until it has, the source says so.

use std::collections::HashMap;
use std::sync::Mutex;

use tessera_engine::time::Timestamp;

use crate::base::codec::instant;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::lock::lock;
use crate::config::sources::Source;
use crate::stored::keys::Scope;
use crate::work::refresh::turns::SourceKey;
use crate::work::service::Service;

mod applying;
mod followers;
mod following;
pub(crate) mod slots;

pub(crate) use followers::{Followers, Wanted};

/// Bytes of its log that a server may keep for a slot before that is told.
pub(crate) const LAG_BYTES_MAX: u64 = 1 << 30;

/// How the changes of a source stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesStatus {
    /// A refresh has to end first.
    Starting,
    /// They are written as they come.
    Following,
    /// Something was held back, or missed, which a refresh decides.
    Held,
    /// They cannot be followed at present; that is tried again.
    Failed,
}

impl ChangesStatus {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Following => "following",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// How the changes of a source stand, and what came of them.
#[derive(Debug)]
pub struct ChangesState {
    /// How they stand.
    pub status: ChangesStatus,
    /// The replication slot.
    pub slot: String,
    /// Bytes of its log that the server keeps for it, when it was last asked.
    pub lag_bytes: Option<u64>,
    /// Rows that were written or taken back.
    pub applied: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// When that was last.
    pub last_change_at: Option<Timestamp>,
    /// What is wrong: a code, and what to do.
    pub error: Option<(String, String)>,
}

/// What was last seen of the slots that are followed in this process.
#[derive(Default)]
pub(crate) struct Standings(Mutex<HashMap<SourceKey, Seen>>);

#[derive(Clone, Default)]
struct Seen {
    lag_bytes: Option<u64>,
    error: Option<(String, String)>,
}

impl Standings {
    /// The server has answered.
    pub(crate) fn see(&self, source: SourceKey, lag_bytes: u64) {
        let before = lock(&self.0).insert(source, Seen { lag_bytes: Some(lag_bytes), error: None });
        if lag_bytes > LAG_BYTES_MAX && before.and_then(|own| own.lag_bytes).is_none_or(|own| own <= LAG_BYTES_MAX) {
            tracing::warn!(lag_bytes, source = source.1, "a database keeps much of its log for changes of a source");
        }
    }

    /// Its changes cannot be followed.
    pub(crate) fn fail(&self, source: SourceKey, error: &Error) {
        let told = (error.code.to_owned(), error.message.clone().into_owned());
        let mut seen = lock(&self.0);
        let own = seen.entry(source).or_default();
        if own.error.as_ref().is_none_or(|(code, _)| *code != told.0) {
            tracing::warn!(code = error.code, source = source.1, "changes of a source cannot be followed");
        }
        own.error = Some(told);
    }

    /// It is followed no more.
    pub(crate) fn forget(&self, source: SourceKey) {
        lock(&self.0).remove(&source);
    }

    fn of(&self, source: SourceKey) -> Seen {
        lock(&self.0).get(&source).cloned().unwrap_or_default()
    }
}

/// How the changes of a source stand, where it asks for them.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn changes_state(
    service: &Service,
    workspace: WorkspaceId,
    name: &str,
    own: &Source,
) -> Result<Option<ChangesState>, Error> {
    let Some(followed) = own.followed(name) else { return Ok(None) };
    let known = slots::read(&**service.store(), Scope::new(workspace), own.number).await?;
    let known = known.filter(|slot| slot.name == followed.slot && slot.connection == own.content.connection);
    let seen = service.refreshes().standings.of((workspace, own.number));
    let known = known.unwrap_or_default();
    let lag_bytes = seen.lag_bytes;
    let lagging = || {
        let lag = lag_bytes.filter(|own| *own > LAG_BYTES_MAX)?;
        let message = format!(
            "the database keeps {lag} bytes of its log for the slot lag_bytes_max={LAG_BYTES_MAX}; look whether changes are followed at all, \
             and bound what it keeps with max_slot_wal_keep_size"
        );
        Some(("source_slot_lagging".to_owned(), message))
    };
    let status = match (&seen.error, &known.trouble) {
        (Some(_), _) => ChangesStatus::Failed,
        (None, Some((code, _))) if code == "source_slot_refused" => ChangesStatus::Failed,
        (None, Some(_)) => ChangesStatus::Held,
        (None, None) if known.is_whole => ChangesStatus::Following,
        (None, None) => ChangesStatus::Starting,
    };
    Ok(Some(ChangesState {
        status,
        slot: followed.slot,
        lag_bytes,
        applied: known.applied,
        refused: known.refused,
        last_change_at: known.last_change_at.map(instant).transpose()?,
        error: seen.error.or(known.trouble).or_else(lagging),
    }))
}
