//! Changes of configuration, in order with the facts. One commit holds the change, the jobs that bring it to all records, and the answer to
//! the request that asks for it: none of them happens without the others.

use std::sync::Arc;

use tessera_store::{Commit, CommitError, Key};

use super::decide::PartError;
use super::guard::internal;
use super::state::State;
use super::work::{Answer, Changed, Configuring, Sweeps};
use crate::base::error::Error;
use crate::base::store_error::commit_failed;
use crate::config::configured::Configured;
use crate::config::workspace::{self as workspace_config, Part, StoredConfig};
use crate::jobs::Draft;
use crate::jobs::sweeps;
use crate::stored::audit::{self, Object, Pending, Written};
use crate::stored::idempotency::{self, Known};

/// What an entry of the audit log says of a change: the things that are another, and the jobs that began with it.
fn changed_things(before: &StoredConfig, changed: &Changed) -> Vec<Object> {
    let jobs = changed.made.iter().map(|job| Object::new("job", &job.id.to_string()));
    workspace_config::differences(before, &changed.config).into_iter().chain(jobs).collect()
}

impl State {
    /// Changes the configuration, unless its request was answered before.
    pub(super) async fn configure(
        &mut self,
        configuring: Configuring,
        audited: Option<&Arc<Pending>>,
    ) -> Result<Answer, Error> {
        let Configuring { change, sweeps, once } = configuring;
        self.ready().await?;
        let claim = match &once {
            None => None,
            Some(once) => match idempotency::look_up(&**self.store(), &once.request, self.now()).await? {
                Known::Answered(reply) => return Ok(Answer::Before(reply)),
                Known::New(claim) => Some((claim, once)),
            },
        };
        let present = self.configured().clone();
        let at = self.tick(self.clock());
        let stored = change(&present.stored, at)?;
        let next = if stored == *present.stored {
            None
        } else {
            Some(Configured::new(stored, None, &self.shared().settings)?)
        };
        let config = next.as_ref().map_or_else(|| present.stored.clone(), |next| next.stored.clone());

        // Nobody else makes jobs meanwhile, so that there is a place for these.
        let jobs = self.shared().jobs.clone();
        let _making = jobs.making().await;
        let (drafts, building) = match sweeps {
            Sweeps::Left => (Vec::new(), None),
            Sweeps::Ordered { by } => {
                let open = jobs.open(self.shared().workspace).await?;
                let by = by.map(|by| (by, present.stored.sweeps().number));
                let wanted = sweeps::wanted(&open, &config, self.shared().settings.without_rules, by);
                let mut drafts: Vec<Draft> = Vec::with_capacity(wanted.len());
                for new in &wanted {
                    drafts.push(jobs.draft(self.shared().workspace, new, &open, drafts.len()).await?);
                }
                let building = open.into_iter().chain(drafts.iter().map(|draft| draft.job().clone()));
                (drafts.clone(), sweeps::building(building, config.rules().generation()))
            }
        };
        let made = drafts.iter().map(|draft| draft.job().clone()).collect();
        let changed = Changed { config, made, building, members: self.all_counts().clone() };
        if next.is_none() && drafts.is_empty() && claim.is_none() {
            return Ok(Answer::Configured(Box::new(changed)));
        }

        let row = self.row_at(at);
        let mut commit = match &next {
            Some(next) => self.changes(&next.stored, &present),
            None => Commit::new(),
        };
        let noted = next.as_ref().map(|next| self.noted_under(&next.config));
        let room = commit.room;
        commit = noted.iter().fold(commit, |commit, noted| self.add_noted(commit, noted));
        commit = drafts.iter().fold(commit, |commit, draft| draft.write(commit));
        // Only an erasure is let through where other writes find no room.
        commit.room = room;
        if let Some((claim, once)) = &claim {
            commit = claim.answer(commit, &(once.render)(&changed)?, self.now());
        }
        let written = audited.and_then(|pending| Written::of(Some(pending), changed_things(&present.stored, &changed)));
        let commit = audit::with_row(self.add_row(commit, &row), written.as_ref());
        let version = match self.commit_surely(commit, &row).await {
            Ok(version) => version,
            Err(error) => {
                self.forget();
                return Err(match error {
                    PartError::Conflict => commit_failed(&CommitError::Conflict(Key::MIN)),
                    PartError::Failed(error) | PartError::TooLarge { error, .. } => error,
                    PartError::Broken { .. } | PartError::Unanswerable { .. } => internal(),
                });
            }
        };
        written.into_iter().for_each(Written::has_happened);
        self.keep_row(row, version);
        noted.into_iter().for_each(|noted| self.keep_noted(noted));
        if let Some(next) = next {
            self.keep_configured(next, version);
        }
        drafts.into_iter().for_each(|draft| drop(jobs.begin(draft)));
        Ok(Answer::Configured(Box::new(changed)))
    }

    /// The rows of what is another in this configuration.
    fn changes(&self, stored: &Arc<StoredConfig>, present: &Configured) -> Commit {
        let mut commit = Commit::new();
        for (part, bytes) in workspace_config::rows(stored, &present.stored) {
            let key = self.scope().config(part);
            if part == Part::Sweeps {
                // The erasure of a dataset is ordered here.
                commit = commit.with_reserve();
            }
            commit = match (part, present.version) {
                (Part::Main, Some(version)) => commit.replace(key, version, bytes),
                (Part::Main, None) => commit.create(key, bytes),
                // Nobody writes a part without the main row, whose version is asserted.
                (
                    Part::Policies
                    | Part::Model
                    | Part::Sweeps
                    | Part::Erasure
                    | Part::Rules
                    | Part::Spelling
                    | Part::Tokens
                    | Part::SigningKeys
                    | Part::Issuers
                    | Part::Documents
                    | Part::Objects
                    | Part::Planned,
                    _,
                ) => commit.put(key, bytes),
            };
        }
        commit
    }
}
