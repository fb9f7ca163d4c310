//! The audit log as readers see it: the entries of an organization, newest first. `stored::audit` says what they are, `work::audited` what keeps
//! them.

use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Key, KeyRange, ScanLimit};

use crate::base::error::{Error, ErrorKind};
use crate::base::store_error::read_failed;
use crate::directory::{Caller, LIST_MAX, ListPage, OrganizationId, Permission, WorkspaceId};
use crate::stored::audit;
use crate::stored::cursor::{self, Purpose};
use crate::work::service::Service;

pub use crate::base::ids::KeyId;
pub use crate::stored::audit::{Action, Asked, Entry, OBJECTS_MAX, Object, Outcome, Pending, note_workspace};

/// Entries that one page looks at while it filters: a page may be short, or even empty, and still not be the last.
const LOOKED_AT_MAX: usize = 20_000;
/// Entries read in one go.
const ROWS: usize = 1_000;

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// At most so many, 1 to 1,000.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Only those of this key.
    pub key: Option<KeyId>,
    /// Only those of this action.
    pub action: Option<Action>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those about this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Only those from this instant on.
    pub from: Option<Timestamp>,
    /// Only those before this instant.
    pub to: Option<Timestamp>,
}

impl AuditQuery {
    fn includes(&self, entry: &Entry) -> bool {
        self.key.is_none_or(|key| key == entry.key)
            && self.action.is_none_or(|action| action == entry.action)
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
            && self.workspace.is_none_or(|workspace| entry.workspace == Some(workspace))
    }
}

impl Service {
    /// A page of the audit log of an organization, newest first. A key that does not hold all its workspaces sees what was about those that it
    /// holds.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`; what the store answers; `Corrupt`.
    pub async fn audit_log(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        query: &AuditQuery,
    ) -> Result<ListPage<Entry>, Error> {
        if !(1..=LIST_MAX).contains(&query.limit) {
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("limit is 1 to {LIST_MAX}")));
        }
        let all = audit::rows(organization, query.from, query.to);
        let range = match &query.cursor {
            None => all,
            Some(cursor) => self.behind(organization, cursor, all)?,
        };
        let operates = caller.permissions().contains(Permission::Operate);
        let sees_all = operates || (caller.organization() == organization && caller.holds_all());
        let is_seen = |entry: &Entry| sees_all || entry.workspace.is_some_and(|workspace| caller.holds(workspace));
        let (mut items, mut looked_at, mut rest) = (Vec::new(), 0, Some(range));
        while let Some(range) = rest.take() {
            let page = self.store().scan(&range, ScanLimit::rows(ROWS), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let rows = page.rows.len();
            for (at, row) in page.rows.into_iter().enumerate() {
                let (_, entry) = audit::decode(&row.key, &row.value)?;
                if query.includes(&entry) && is_seen(&entry) {
                    items.push(entry);
                }
                looked_at += 1;
                let is_full = items.len() == query.limit || looked_at == LOOKED_AT_MAX;
                if is_full && (at + 1 < rows || page.next.is_some()) {
                    let next_cursor =
                        Some(self.cursors().seal(WorkspaceId::SYSTEM, Purpose::Audit, row.key.as_bytes()));
                    return Ok(ListPage { items, next_cursor });
                }
            }
            rest = page.next;
            tokio::task::yield_now().await;
        }
        Ok(ListPage { items, next_cursor: None })
    }

    /// What is behind a cursor, of a list that is read backward.
    fn behind(&self, organization: OrganizationId, cursor: &str, all: KeyRange) -> Result<KeyRange, Error> {
        let carried = self.cursors().open_sealed(WorkspaceId::SYSTEM, Purpose::Audit, cursor)?;
        let key = Key::new(carried.to_vec());
        match audit::read_key(&key) {
            Some((own, _)) if own == organization => {
                let end = all.end.map_or(key.clone(), |end| end.min(key));
                Ok(KeyRange { end: Some(end), ..all })
            }
            _ => Err(cursor::invalid()),
        }
    }
}
