//! The audit log: one row for each request that changed, read in bulk, exported or erased something, with who asked, what for and what became
//! of it. Rows are added and, when they are over their bounds, trimmed; nobody changes one.
//!
//! A request that is audited runs with a [`Pending`] of its row. Whoever commits what it asks for adds the row to that commit, so that the change and
//! its row are there together or not at all. What commits nothing, such as a read, has its row written when it is answered.

use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Key, KeyRange};

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::base::ids::{KeyId, OrganizationId, WorkspaceId};
use crate::base::lock::lock;
use crate::stored::keys::{Family, KeyBuilder, Scope};

/// Things that one entry names; further ones are counted.
pub const OBJECTS_MAX: usize = 20;
/// Characters of the name of a thing that are kept.
const NAME_CHARS_MAX: usize = 200;
/// What a row takes besides what it says.
pub(crate) const ROW_BYTES: usize = 32;
const VERSION: u8 = 1;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Changed the configuration of a workspace: rules, policies, namespaces, the data model, sources.
    Configure,
    /// Changed organizations, workspaces or keys, or what belongs to the host.
    Administer,
    /// Joined or separated people, or took that back.
    Direct,
    /// Erased.
    Erase,
    /// Suppressed an identity, or let it in again.
    Suppress,
    /// Took everything of a person, or everybody, out.
    Export,
    /// Read many people, or what was refused, at once.
    Read,
    /// Asked for a job, or steered one.
    Run,
}

impl Action {
    /// All of them, in the order of their numbers in stored rows, from 0.
    pub const ALL: [Self; 8] = [
        Self::Configure,
        Self::Administer,
        Self::Direct,
        Self::Erase,
        Self::Suppress,
        Self::Export,
        Self::Read,
        Self::Run,
    ];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Administer => "administer",
            Self::Direct => "direct",
            Self::Erase => "erase",
            Self::Suppress => "suppress",
            Self::Export => "export",
            Self::Read => "read",
            Self::Run => "run",
        }
    }

    /// The action of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The key may not do it.
    Refused,
    /// Some of it was done.
    InPart,
    /// It may have been done.
    Unknown,
    /// It failed by a fault of the server, or of its store.
    Failed,
}

impl Outcome {
    /// All of them, in the order of their numbers in stored rows, from 0.
    pub const ALL: [Self; 5] = [Self::Done, Self::Refused, Self::InPart, Self::Unknown, Self::Failed];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::InPart => "in_part",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }
}

/// A thing that an entry is about. It names what is configured, or an id of ours; never a value of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is: `segment`, `key`, `job`, …
    pub kind: String,
    /// Its name or id; none of what there is one of.
    pub name: Option<String>,
}

impl Object {
    /// A thing of this kind and name.
    #[must_use]
    pub fn new(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), name: Some(name.chars().take(NAME_CHARS_MAX).collect()) }
    }

    /// A thing of which a workspace has one.
    #[must_use]
    pub fn only(kind: &str) -> Self {
        Self { kind: kind.to_owned(), name: None }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the request came.
    pub at: Timestamp,
    /// The workspace that it was about; none for what belongs to the organization.
    pub workspace: Option<WorkspaceId>,
    /// The key that asked.
    pub key: KeyId,
    /// What the key was called then.
    pub key_name: String,
    /// What was done.
    pub action: Action,
    /// The door that it came by.
    pub door: String,
    /// Method and path, with the names of its parameters.
    pub operation: String,
    /// What it was about, the first [`OBJECTS_MAX`].
    pub objects: Vec<Object>,
    /// How many more things it was about.
    pub objects_more: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not done: one of the documented codes.
    pub code: Option<String>,
    /// The address at the other end of the connection.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    workspace: Option<u32>,
    key: [u8; 12],
    key_name: String,
    action: u8,
    door: String,
    operation: String,
    objects: Vec<Object>,
    objects_more: u32,
    outcome: u8,
    code: Option<String>,
    address: Option<IpAddr>,
    request_id: String,
}

fn number_of<T: PartialEq>(all: &[T], own: &T) -> u8 {
    let at = all.iter().position(|other| other == own).expect("each is in the list of all");
    u8::try_from(at).expect("there are few")
}

/// The value of an entry's row.
pub(crate) fn encode(entry: &Entry) -> Bytes {
    let record = Record {
        workspace: entry.workspace.map(WorkspaceId::number),
        key: *entry.key.as_bytes(),
        key_name: entry.key_name.clone(),
        action: number_of(&Action::ALL, &entry.action),
        door: entry.door.clone(),
        operation: entry.operation.clone(),
        objects: entry.objects.clone(),
        objects_more: entry.objects_more,
        outcome: number_of(&Outcome::ALL, &entry.outcome),
        code: entry.code.clone(),
        address: entry.address,
        request_id: entry.request_id.clone(),
    };
    codec::encode(VERSION, &record)
}

/// Reads a row of the log: whose it is, and what it says.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(key: &Key, value: &[u8]) -> Result<(OrganizationId, Entry), Error> {
    let (organization, at) = read_key(key).ok_or_else(|| corrupt("key of an entry of the audit log"))?;
    let record: Record = codec::decode(VERSION, value)?;
    let entry = Entry {
        at,
        workspace: record.workspace.filter(|number| *number != 0).map(WorkspaceId::new),
        key: KeyId::from_bytes(record.key),
        key_name: record.key_name,
        action: *Action::ALL.get(usize::from(record.action)).ok_or_else(|| corrupt("action"))?,
        door: record.door,
        operation: record.operation,
        objects: record.objects,
        objects_more: record.objects_more,
        outcome: *Outcome::ALL.get(usize::from(record.outcome)).ok_or_else(|| corrupt("outcome"))?,
        code: record.code,
        address: record.address,
        request_id: record.request_id,
    };
    Ok((organization, entry))
}

fn row_key(organization: OrganizationId, at: Timestamp, mark: [u8; 8]) -> Key {
    begin(organization).time(at).bytes(&mark).key()
}

fn begin(organization: OrganizationId) -> KeyBuilder {
    Scope::system().family(Family::Audit).u32(organization.number())
}

/// Whose entry stands under this key, and when it was made.
pub(crate) fn read_key(key: &Key) -> Option<(OrganizationId, Timestamp)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (organization, rest) = rest.split_first_chunk::<4>()?;
    let (at, mark) = rest.split_first_chunk::<8>()?;
    let organization = std::num::NonZeroU32::new(u32::from_be_bytes(*organization))?;
    let micros = (u64::from_be_bytes(*at) ^ (1 << 63)).cast_signed();
    let at = Timestamp::from_micros(micros).filter(|_| mark.len() == 8)?;
    Some((OrganizationId::new(organization.get()), at))
}

/// The entries of an organization from an instant on, and before another one.
pub(crate) fn rows(organization: OrganizationId, from: Option<Timestamp>, to: Option<Timestamp>) -> KeyRange {
    let all = begin(organization).range();
    let start = from.map_or(all.start, |from| begin(organization).time(from).key());
    let end = to.map_or(all.end, |to| Some(begin(organization).time(to).key()));
    KeyRange { start, end }
}

/// The entry of a request that is under way.
pub struct Pending {
    at: Timestamp,
    mark: [u8; 8],
    /// Bytes of rows that were written.
    came: Arc<AtomicU64>,
    asked: Asked,
    noted: Mutex<Noted>,
}

/// What is known of a request before its work begins.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is to be done.
    pub action: Action,
    /// The door that it came by.
    pub door: &'static str,
    /// Method and path, with the names of its parameters.
    pub operation: String,
    /// What its path names.
    pub objects: Vec<Object>,
    /// The address at the other end of the connection.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: String,
}

/// What is learned of a request while it is worked on.
#[derive(Default)]
struct Noted {
    actor: Option<(OrganizationId, KeyId, String)>,
    workspace: Option<WorkspaceId>,
    objects: Vec<Object>,
    objects_more: u32,
    /// The row that a commit of its work has written.
    written: Option<Bytes>,
}

impl Noted {
    fn add(&mut self, object: Object) {
        if self.objects.contains(&object) {
            return;
        }
        if self.objects.len() < OBJECTS_MAX {
            self.objects.push(object);
        } else {
            self.objects_more += 1;
        }
    }
}

tokio::task_local! {
    static CURRENT: Arc<Pending>;
}

impl Pending {
    /// The entry of a request that came now; the bits tell it from others of the same instant. What is written of it is counted.
    pub(crate) fn new(asked: Asked, (at, mark): (Timestamp, [u8; 8]), came: Arc<AtomicU64>) -> Arc<Self> {
        let mut noted = Noted::default();
        asked.objects.iter().cloned().for_each(|object| noted.add(object));
        Arc::new(Self { at, mark, came, asked, noted: Mutex::new(noted) })
    }

    /// Does the work of the request.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The key that asked, once it was shown.
    pub(crate) fn key(&self) -> Option<KeyId> {
        lock(&self.noted).actor.as_ref().map(|(_, key, _)| *key)
    }

    /// Whether a commit of the work holds the row.
    pub(crate) fn is_committed(&self) -> bool {
        lock(&self.noted).written.is_some()
    }

    /// The row with this outcome, where it is known who asked.
    fn row(&self, more: &[Object], outcome: Outcome, code: Option<&str>) -> Option<(Key, Bytes)> {
        let noted = lock(&self.noted);
        let (organization, key, key_name) = noted.actor.clone()?;
        let mut all = Noted { objects: noted.objects.clone(), objects_more: noted.objects_more, ..Noted::default() };
        more.iter().cloned().for_each(|object| all.add(object));
        let entry = Entry {
            at: self.at,
            workspace: noted.workspace,
            key,
            key_name,
            action: self.asked.action,
            door: self.asked.door.to_owned(),
            operation: self.asked.operation.clone(),
            objects: all.objects,
            objects_more: all.objects_more,
            outcome,
            code: code.map(str::to_owned),
            address: self.asked.address,
            request_id: self.asked.request_id.clone(),
        };
        Some((row_key(organization, self.at, self.mark), encode(&entry)))
    }

    /// The row as it stands in the commit of the work, with what this commit is about beside what is known already.
    pub(crate) fn row_of_work(&self, more: &[Object]) -> Option<(Key, Bytes)> {
        self.row(more, Outcome::Done, None)
    }

    /// The row that is still to be written, now that the outcome is known; none where it stands so already.
    pub(crate) fn row_at_end(&self, outcome: Outcome, code: Option<&str>) -> Option<(Key, Bytes)> {
        let (key, row) = self.row(&[], outcome, code)?;
        (lock(&self.noted).written.as_ref() != Some(&row)).then_some((key, row))
    }

    /// A commit with this row has happened, which was about these things as well.
    pub(crate) fn has_committed(&self, more: &[Object], row: Bytes) {
        self.came.fetch_add((row.len() + ROW_BYTES) as u64, Ordering::Relaxed);
        let mut noted = lock(&self.noted);
        more.iter().cloned().for_each(|object| noted.add(object));
        noted.written = Some(row);
    }
}

/// The entry of the request that this task works on, where it is audited.
pub(crate) fn current() -> Option<Arc<Pending>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Takes note of who asks.
pub(crate) fn note_actor(organization: OrganizationId, key: KeyId, name: &str) {
    if let Some(pending) = current() {
        lock(&pending.noted).actor = Some((organization, key, name.to_owned()));
    }
}

/// Takes note of the workspace that a request is about.
pub fn note_workspace(workspace: WorkspaceId) {
    if let Some(pending) = current() {
        lock(&pending.noted).workspace = Some(workspace);
    }
}

/// What goes into the commit of a request's work: its row, and what to do once it has happened.
#[must_use]
pub(crate) struct Written {
    pending: Arc<Pending>,
    objects: Vec<Object>,
    key: Key,
    row: Bytes,
}

impl Written {
    /// The row of the entry, if the request is audited, for a commit that is about these things.
    pub(crate) fn of(pending: Option<&Arc<Pending>>, objects: Vec<Object>) -> Option<Self> {
        let pending = pending?.clone();
        let (key, row) = pending.row_of_work(&objects)?;
        Some(Self { pending, objects, key, row })
    }

    /// The row of the request that this task works on, for a commit that is about these things.
    pub(crate) fn now(objects: Vec<Object>) -> Option<Self> {
        Self::of(current().as_ref(), objects)
    }

    /// The commit has happened.
    pub(crate) fn has_happened(self) {
        self.pending.has_committed(&self.objects, self.row);
    }
}

/// The commit with the row of whoever asked for it.
pub(crate) fn with_row(mut commit: Commit, written: Option<&Written>) -> Commit {
    commit.put.extend(written.map(|own| (own.key.clone(), own.row.clone())));
    commit
}

#[cfg(test)]
mod tests;
