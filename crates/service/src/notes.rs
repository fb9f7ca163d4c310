//! Notes: what a dialect keeps in a workspace that is no part of its configuration, such as how far a delivery is: JSON texts, by kind and name.
//!
//! A kind has so many notes at most. Whoever adds one says which of the others go for it, so nothing else has to trim them. Each change of a note is decided
//! on what stands there and asserts it; each that adds or removes one rewrites the row of its kind, so that no two do so without seeing each other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Key, KeyRange, ScanLimit, Versioned};

use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::{Family, KeyBuilder, Scope};
use crate::stored::row;
use crate::work::service::Service;

#[cfg(test)]
mod tests;

/// Bytes of one note.
pub const NOTE_BYTES_MAX: usize = 16 << 10;
/// Bytes of the name of a note.
const NAME_BYTES_MAX: usize = 200;
/// Times that a change is decided again after a conflict, or an answer that leaves it open.
const TRIES_MAX: usize = 16;
const VERSION: u8 = 1;

/// A kind of notes, and how many of them a workspace keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteKind {
    /// Its name: 1 to 255 bytes. It stands in keys, so it never changes.
    pub name: &'static str,
    /// How many there may be.
    pub max: usize,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name.
    pub name: String,
    /// When it was added.
    pub added_at: Timestamp,
    /// What it says.
    pub json: String,
}

#[derive(Serialize, Deserialize)]
struct NoteRecord<'a> {
    added_at: i64,
    json: &'a str,
}

impl Scope {
    /// The row of a kind, which says nothing; its notes stand behind it.
    fn notes(self, kind: &NoteKind) -> KeyBuilder {
        let length = u8::try_from(kind.name.len()).unwrap_or(u8::MAX);
        self.family(Family::Note).bytes(&[length]).bytes(kind.name.as_bytes())
    }

    fn note(self, kind: &NoteKind, name: &str) -> Key {
        self.notes(kind).bytes(&[0]).bytes(name.as_bytes()).key()
    }

    fn all_notes(self, kind: &NoteKind) -> KeyRange {
        self.notes(kind).bytes(&[0]).range()
    }
}

impl Service {
    /// The note of a kind and name, if there is one.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn note(&self, workspace: WorkspaceId, kind: &NoteKind, name: &str) -> Result<Option<Note>, Error> {
        let row = row::read(&**self.store(), Scope::new(workspace).note(kind, name)).await?;
        row.map(|row| decode(name, &row.value)).transpose()
    }

    /// All notes of a kind, the oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn notes(&self, workspace: WorkspaceId, kind: &NoteKind) -> Result<Vec<Note>, Error> {
        let (scope, mut notes) = (Scope::new(workspace), Vec::new());
        let all = scope.all_notes(kind);
        let head = scope.note(kind, "").as_bytes().len();
        let mut rest = Some(all);
        while let Some(range) = rest {
            let page = self.store().scan(&range, ScanLimit::rows(200), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let name = row.key.as_bytes().get(head..).and_then(|name| std::str::from_utf8(name).ok());
                notes.push(decode(name.ok_or_else(|| codec::corrupt("name of a note"))?, &row.value)?);
            }
            rest = page.next;
        }
        notes.sort_by(|one, other| (one.added_at, &one.name).cmp(&(other.added_at, &other.name)));
        Ok(notes)
    }

    /// Adds a note. Where there are as many as there may be, the oldest of those that `may_go` says may go does.
    ///
    /// # Errors
    /// What `check` says of those that are there; `Conflict` with `note_exists`; `LimitExceeded` with `notes_full`, `note_too_large`; `Invalid`
    /// with `note_name_invalid`; what the store answers.
    pub async fn add_note(
        &self,
        workspace: WorkspaceId,
        kind: &NoteKind,
        (name, json): (&str, &str),
        check: impl Fn(&[Note]) -> Result<(), Error>,
        may_go: impl Fn(&Note) -> bool,
    ) -> Result<(), Error> {
        check_size(name, json)?;
        let scope = Scope::new(workspace);
        let mut failed = CommitError::Conflict(Key::MIN);
        for _ in 0..TRIES_MAX {
            let head = row::read(&**self.store(), scope.notes(kind).key()).await?;
            let present = self.notes(workspace, kind).await?;
            if let Some(own) = present.iter().find(|own| own.name == name) {
                if matches!(failed, CommitError::Ambiguous) && own.json == json {
                    return Ok(());
                }
                return Err(Error::new(ErrorKind::Conflict, "note_exists", "there is one of this name"));
            }
            check(&present)?;
            let mut commit = headed(scope, kind, head).create(scope.note(kind, name), encode(self.now(), json));
            if present.len() >= kind.max {
                let surplus = present.len() + 1 - kind.max;
                let going: Vec<&Note> = present.iter().filter(|own| may_go(own)).take(surplus).collect();
                if going.len() < surplus {
                    let message = format!("the workspace keeps as many of these as it may max={}", kind.max);
                    return Err(Error::new(ErrorKind::LimitExceeded, "notes_full", message));
                }
                commit = going.into_iter().fold(commit, |commit, own| commit.delete(scope.note(kind, &own.name)));
            }
            match self.store().commit(commit).await {
                Ok(_) => return Ok(()),
                Err(error @ (CommitError::Conflict(_) | CommitError::Ambiguous)) => failed = error,
                Err(error) => return Err(commit_failed(&error)),
            }
        }
        Err(commit_failed(&failed))
    }

    /// Changes a note as is decided on what it says, and answers it as it is then; decided again where somebody else was faster. None if there is
    /// no such note. What is decided twice on what it has come to has to come to the same.
    ///
    /// # Errors
    /// What was decided; `LimitExceeded` with `note_too_large`; what the store answers.
    pub async fn change_note(
        &self,
        workspace: WorkspaceId,
        kind: &NoteKind,
        name: &str,
        decide: impl Fn(&Note) -> Result<String, Error>,
    ) -> Result<Option<Note>, Error> {
        let key = Scope::new(workspace).note(kind, name);
        let mut failed = CommitError::Conflict(Key::MIN);
        for _ in 0..TRIES_MAX {
            let Some(row) = row::read(&**self.store(), key.clone()).await? else { return Ok(None) };
            let present = decode(name, &row.value)?;
            let json = decide(&present)?;
            check_size(name, &json)?;
            if json == present.json {
                return Ok(Some(present));
            }
            let commit = Commit::new().replace(key.clone(), row.version, encode(present.added_at, &json));
            match self.store().commit(commit).await {
                Ok(_) => return Ok(Some(Note { json, ..present })),
                Err(error @ (CommitError::Conflict(_) | CommitError::Ambiguous)) => failed = error,
                Err(error) => return Err(commit_failed(&error)),
            }
        }
        Err(commit_failed(&failed))
    }

    /// Removes a note, and answers whether there was one.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn remove_note(&self, workspace: WorkspaceId, kind: &NoteKind, name: &str) -> Result<bool, Error> {
        let scope = Scope::new(workspace);
        let mut failed = CommitError::Conflict(Key::MIN);
        for _ in 0..TRIES_MAX {
            let head = row::read(&**self.store(), scope.notes(kind).key()).await?;
            if row::read(&**self.store(), scope.note(kind, name)).await?.is_none() {
                return Ok(matches!(failed, CommitError::Ambiguous));
            }
            match self.store().commit(headed(scope, kind, head).delete(scope.note(kind, name))).await {
                Ok(_) => return Ok(true),
                Err(error @ (CommitError::Conflict(_) | CommitError::Ambiguous)) => failed = error,
                Err(error) => return Err(commit_failed(&error)),
            }
        }
        Err(commit_failed(&failed))
    }
}

/// A commit that holds only if nobody has added or removed a note of the kind since its row was read.
fn headed(scope: Scope, kind: &NoteKind, head: Option<Versioned>) -> Commit {
    let key = scope.notes(kind).key();
    match head {
        Some(row) => Commit::new().replace(key, row.version, Bytes::new()),
        None => Commit::new().create(key, Bytes::new()),
    }
}

fn check_size(name: &str, json: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = format!("a name has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
        return Err(Error::new(ErrorKind::Invalid, "note_name_invalid", message));
    }
    if json.len() > NOTE_BYTES_MAX {
        let message = format!("it is larger than may be kept of one bytes={} bytes_max={NOTE_BYTES_MAX}", json.len());
        return Err(Error::new(ErrorKind::LimitExceeded, "note_too_large", message));
    }
    Ok(())
}

fn encode(added_at: Timestamp, json: &str) -> Bytes {
    codec::encode(VERSION, &NoteRecord { added_at: added_at.micros(), json })
}

fn decode(name: &str, bytes: &[u8]) -> Result<Note, Error> {
    let NoteRecord { added_at, json } = codec::decode(VERSION, bytes)?;
    Ok(Note { name: name.to_owned(), added_at: codec::instant(added_at)?, json: json.to_owned() })
}
