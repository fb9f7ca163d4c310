//! Merge policies made ready to read under: each is compiled once, when the configuration that holds it is read or changed. And
//! the list of them, in pages.

use std::collections::BTreeMap;

use tessera_engine::policy::CompiledPolicy;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::config::workspace::{Policies, PolicyId, StoredPolicy};
use crate::directory::{LIST_MAX, ListPage, ListQuery};
use crate::stored::cursor::{self, Cursors, Purpose};

/// The merge policies of one configuration, compiled.
pub(crate) struct CompiledPolicies(BTreeMap<PolicyId, Chosen>);

/// The policy of a read.
pub(crate) struct Chosen {
    pub(crate) id: PolicyId,
    pub(crate) version: u64,
    pub(crate) compiled: CompiledPolicy,
}

impl CompiledPolicies {
    /// Linear in the rules and datasets of all of them.
    pub(crate) fn new(policies: &Policies) -> Self {
        let compiled = policies.iter().map(|policy| {
            let compiled = CompiledPolicy::new(policy.content.policy.clone());
            (policy.id.clone(), Chosen { id: policy.id.clone(), version: policy.version, compiled })
        });
        Self(compiled.collect())
    }

    /// The policy that a read asks for, or the default one of these policies, which they were compiled from.
    ///
    /// # Errors
    /// `Invalid` with `merge_policy_unknown`.
    pub(crate) fn asked(&self, policies: &Policies, id: Option<&str>) -> Result<&Chosen, Error> {
        let id = &policies.asked(id)?.id;
        Ok(self.0.get(id).expect("each policy of a configuration is compiled with it"))
    }
}

/// A page of these policies, by id. A cursor carries the id where the page before it ended.
///
/// # Errors
/// `Invalid` with `limit_invalid`, `cursor_invalid`.
pub(crate) fn page<'a>(
    policies: &'a Policies,
    workspace: WorkspaceId,
    query: &ListQuery,
    cursors: &Cursors,
) -> Result<ListPage<&'a StoredPolicy>, Error> {
    if !(1..=LIST_MAX).contains(&query.limit) {
        let message = format!("limit is expected to be 1 to {LIST_MAX}");
        return Err(Error::new(ErrorKind::Invalid, "limit_invalid", message));
    }
    let carried = query.cursor.as_deref().map(|sealed| cursors.open_sealed(workspace, Purpose::MergePolicies, sealed));
    let last = carried.transpose()?.unwrap_or_default();
    // No id is empty, so the first page begins after the empty text.
    let last = std::str::from_utf8(&last).map_err(|_| cursor::invalid())?;
    let mut rest = policies.after(last);
    let items: Vec<&StoredPolicy> = rest.by_ref().take(query.limit).collect();
    let ended = items.last().filter(|_| rest.next().is_some());
    let next_cursor = ended.map(|last| cursors.seal(workspace, Purpose::MergePolicies, last.id.as_str().as_bytes()));
    Ok(ListPage { items, next_cursor })
}
