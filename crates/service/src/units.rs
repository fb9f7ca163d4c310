//! Profiles as a merge policy of the caller's choice sees them, and the words that stand for identities.

use bytes::Bytes;
use tessera_engine::model::Flags;
use tessera_engine::normalise::normalise;
use tessera_engine::time::Timestamp;

use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::verdict::NamedIdentity;
use crate::config::workspace::StoredConfig;
use crate::read::find::unknown_namespace;
use crate::read::query::{Lookup, Rendered};
use crate::read::ruled::Tries;
use crate::read::unit::{self, UnitProfile, UnitQuery};
use crate::read::views::unit_key;
use crate::work::service::Service;

impl Service {
    /// The unit that a look-up finds, under a merge policy: the profile with its identity graph, or the one identity without.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `merge_policy_unknown`; `LimitExceeded` with
    /// `profile_too_large` above 1 MB of JSON; `Unavailable` with `rules_busy`, `rules_late`; what the store answers.
    pub async fn unit(&self, workspace: WorkspaceId, lookup: &Lookup, query: &UnitQuery) -> Result<UnitProfile, Error> {
        let mut tries = Tries::default();
        loop {
            let configured = self.running(workspace).shared.configured().await?;
            let found = self.finder(workspace, &configured.config).find(lookup).await?;
            let answer = unit::read(self.asker(workspace), &configured, &found, query, self.now()).await;
            if !tries.goes_on(&answer) {
                return answer;
            }
        }
    }

    /// What [`Self::unit_shown`] has kept of a unit in the form of this shape, if it still holds.
    pub fn unit_kept(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        (visibility, shape): (Flags, &[u8]),
    ) -> Option<Bytes> {
        let key = unit_key(workspace, lookup, visibility, shape);
        self.views.find(&key, &self.epochs, || self.now()).map(|rendered| rendered.json)
    }

    /// A unit in a form that its reader makes of it and that is kept until the profile or the configuration changes, or until the instant that
    /// comes with it: `shape` is what tells this form from every other, and all that it is made of beside the unit, its merge policy included.
    ///
    /// # Errors
    /// As [`Self::unit`]; what makes the form.
    pub async fn unit_shown(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        (query, shape): (&UnitQuery, &[u8]),
        show: impl Fn(&UnitProfile) -> Result<(Vec<u8>, Option<Timestamp>), Error>,
    ) -> Result<Bytes, Error> {
        let key = unit_key(workspace, lookup, query.visibility, shape);
        let mut tries = Tries::default();
        loop {
            // Before the configuration: what is made under one that changes meanwhile is not kept as that of the next.
            let since = self.epochs.of_all();
            let configured = self.running(workspace).shared.configured().await?;
            let found = self.finder(workspace, &configured.config).find(lookup).await?;
            let answer = unit::read(self.asker(workspace), &configured, &found, query, self.now()).await;
            if tries.goes_on(&answer) {
                continue;
            }
            let unit = answer?;
            let (json, until) = show(&unit)?;
            let json = Bytes::from(json);
            let rendered = Rendered { json: json.clone(), etag: "".into() };
            let until = until.into_iter().chain(unit.valid_until).min();
            self.views.keep(&key, found.epoch.since(since), until, &rendered);
            return Ok(json);
        }
    }

    /// The word that stands for an identity in a workspace, the same for all spellings that its namespace takes for one, and for good.
    ///
    /// # Errors
    /// `Invalid` with `namespace_unknown`; what the store answers.
    pub async fn pseudonym(&self, workspace: WorkspaceId, namespace: &str, value: &str) -> Result<String, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let own = configured.config.by_name(namespace).ok_or_else(|| unknown_namespace(&configured.config))?;
        let spelled = normalise(own, value).ok();
        Ok(self.pseudonyms().of(workspace, own.name.as_str(), spelled.as_deref().unwrap_or(value)))
    }

    /// The words of identities in their one spelling, as reads tell of them.
    #[must_use]
    pub fn pseudonym_of(&self, workspace: WorkspaceId, identity: &NamedIdentity) -> String {
        self.pseudonyms().of(workspace, &identity.namespace, &identity.value)
    }

    /// The identity that a word stands for; none for what is no word of this workspace, or of a namespace that is no more.
    #[must_use]
    pub fn identity_behind(&self, workspace: WorkspaceId, config: &StoredConfig, word: &str) -> Option<NamedIdentity> {
        let (namespace, value) = self.pseudonyms().read(workspace, word)?;
        config.namespace(&namespace).ok()?;
        Some(NamedIdentity { namespace: namespace.into(), value: value.into() })
    }
}
