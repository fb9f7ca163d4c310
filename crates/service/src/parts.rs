//! Parts of a profile for lists: what it is known by, the accounts that it belongs to, the people of an account, and places in lists that are made of one answer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::verdict::NamedIdentity;
use crate::read::find::{Found, not_found};
use crate::read::query::Lookup;
use crate::read::summary::{self, Summary, place};
use crate::stored::cursor::{self, CARRIED_BYTES_MAX, Purpose};
use crate::work::service::Service;

mod users;

pub use users::{ProfilePlace, USERS_MAX, UserPage};

/// Accounts of one page.
pub const ACCOUNTS_MAX: usize = 100;
/// Accounts that are looked up for one page, those that are gone among them; a page may be short and go on.
const LOOKED_UP_MAX: usize = 200;
/// Look-ups of which the first that finds somebody is taken.
const LOOKUPS_MAX: usize = 32;
/// Bytes that tell a question from others.
const QUESTION_BYTES: usize = 16;

/// A page of the accounts that a profile belongs to.
#[derive(Debug, Clone)]
pub struct AccountPage {
    /// The accounts, each once, by the smallest of the identities that the profile is said to belong to.
    pub accounts: Vec<Summary>,
    /// The identity behind which the next page begins; none on the last.
    pub next: Option<NamedIdentity>,
}

impl Service {
    /// What a profile is known by.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; what the store answers.
    pub async fn summary(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Summary, Error> {
        let configured = self.configured(workspace).await?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        summary::build(&found, &configured, self.now())
    }

    /// Which of these look-ups is the first that finds a profile.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `lookup_invalid`; what the store answers.
    pub async fn first_found(&self, workspace: WorkspaceId, lookups: &[Lookup]) -> Result<usize, Error> {
        if lookups.len() > LOOKUPS_MAX {
            let message = format!("at most {LOOKUPS_MAX} look-ups are expected");
            return Err(Error::new(ErrorKind::Invalid, "lookup_invalid", message));
        }
        let configured = self.configured(workspace).await?;
        let finder = self.finder(workspace, &configured.config);
        let first = finder.find_first(lookups).await?;
        first.map(|(at, _)| at).ok_or_else(not_found)
    }

    /// A page of the accounts that a profile is said to belong to and that are there, behind this identity of one.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `limit_invalid`; what the store answers.
    pub async fn accounts_of(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        after: Option<&NamedIdentity>,
        limit: usize,
    ) -> Result<AccountPage, Error> {
        if !(1..=ACCOUNTS_MAX).contains(&limit) {
            let message = format!("limit is expected to be 1 to {ACCOUNTS_MAX}");
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", message));
        }
        let configured = self.configured(workspace).await?;
        let config = &configured.config;
        let finder = self.finder(workspace, config);
        let found = finder.find(lookup).await?;
        let said = summary::accounts(&found, config);
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(place(after)));
        let (mut accounts, mut looked_up, mut last) = (Vec::new(), 0, None);
        for (identity, nodes) in said.range((from, Bound::Unbounded)) {
            if accounts.len() == limit || looked_up >= LOOKED_UP_MAX {
                return Ok(AccountPage { accounts, next: last });
            }
            last = Some(NamedIdentity { namespace: identity.0.clone(), value: identity.1.clone() });
            for node in nodes {
                looked_up += 1;
                let Some(account) = finder.by_node(*node).await? else { continue };
                if is_first(identity, &account, &said, config) {
                    accounts.push(summary::build(&account, &configured, self.now())?);
                }
                break;
            }
        }
        Ok(AccountPage { accounts, next: None })
    }

    /// A place in a list that is made of one answer, sealed as a cursor: it is good for this question in this workspace alone.
    ///
    /// # Errors
    /// `LimitExceeded` with `cursor_too_large` for a place that no cursor can carry.
    pub fn seal_place(&self, workspace: WorkspaceId, question: &[&str], at: &[u8]) -> Result<String, Error> {
        let carried = [&digest(question)[..], at].concat();
        if carried.len() > CARRIED_BYTES_MAX {
            let message = format!("a cursor carries at most {CARRIED_BYTES_MAX} bytes; ask for a larger page");
            return Err(Error::new(ErrorKind::LimitExceeded, "cursor_too_large", message));
        }
        Ok(self.cursors().seal(workspace, Purpose::Parts, &carried))
    }

    /// The place that a cursor of [`Self::seal_place`] carries.
    ///
    /// # Errors
    /// `Invalid` with `cursor_invalid` for whatever was not sealed for this question.
    pub fn open_place(&self, workspace: WorkspaceId, question: &[&str], cursor: &str) -> Result<Bytes, Error> {
        let carried = self.cursors().open_sealed(workspace, Purpose::Parts, cursor)?;
        let is_own = carried.starts_with(&digest(question));
        if is_own { Ok(carried.slice(QUESTION_BYTES..)) } else { Err(cursor::invalid()) }
    }
}

/// Whether an account that was found by this identity is not found by a smaller one as well.
fn is_first(
    identity: &(Arc<str>, Arc<str>),
    account: &Found,
    said: &BTreeMap<(Arc<str>, Arc<str>), Vec<NodeId>>,
    config: &Config,
) -> bool {
    let own =
        account.cluster.piece(account.node).map(|node| (place(&NamedIdentity::new(&node.identity, config)), node.id));
    let named = own.filter(|(own, node)| said.get(own).is_some_and(|nodes| nodes.contains(node)));
    named.map(|(own, _)| own).min().is_none_or(|first| first == *identity)
}

/// What tells a question from others.
fn digest(question: &[&str]) -> [u8; QUESTION_BYTES] {
    let mut hash = Sha256::new();
    for part in question {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut digest = [0; QUESTION_BYTES];
    digest.copy_from_slice(&hash.finalize()[..QUESTION_BYTES]);
    digest
}
