//! Profiles as documents: what an API keeps as one profile of its own is found by the identities that it names, written whole or in part,
//! and read field by field, each with its time.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tessera_engine::decide::{Documented, Touch};
use tessera_engine::document::{DocumentWrite, documents};
use tessera_engine::fact::{Claim, Identity};
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::normalise::normalise;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::verdict::{NamedIdentity, Note, Verdict, held_note};
use crate::config::admission::Admission;
use crate::config::configured::Configured;
use crate::config::workspace::StoredConfig;
use crate::directory::Class;
use crate::read::document::{self, DocumentProfile, DocumentQuery};
use crate::read::find::{Found, not_found, unknown_namespace};
use crate::read::query::{Lookup, Rendered};
use crate::read::ruled::Tries;
use crate::read::views::document_key;
use crate::stored::idempotency::{Given, Once};
use crate::work::service::Service;
use crate::write::lane::{Answering, Done, Item, Origin, Work, Writing, WrittenDocument, mismatch};

/// What the write of a document came to.
#[derive(Debug, Clone)]
pub struct DocumentOutcome {
    /// The document: the id of its node.
    pub id: NodeId,
    /// Whether it was made by this.
    pub is_new: bool,
    /// Identities that it named and that another document holds, from which it stays apart.
    pub left_out: Vec<NamedIdentity>,
    /// Identities that it let go of: they are found by themselves from now on, with the facts of their own.
    pub released: Vec<NamedIdentity>,
    /// What of it did not take effect, or does not fit.
    pub notes: Vec<Note>,
    /// The profile as the commit of the write left it.
    left: Option<Found>,
}

impl Service {
    /// Writes a document: finds it by the identities that it names, or makes it, lets go of those that it no longer names, and says what it
    /// says, in one commit.
    ///
    /// # Errors
    /// `Invalid` with the code of what is wrong, as of a fact; `NotFound` with `document_not_found`; `Conflict` with `document_taken`
    /// where others hold identities that are unique to one, naming their namespaces, with `fact_duplicate` and `fact_differs` where something
    /// was said before under the id of the fact; what the store answers.
    pub async fn put_document(
        &self,
        workspace: WorkspaceId,
        write: DocumentWrite,
        notes: Vec<Note>,
        (door, key): (&'static str, KeyId),
        once: Option<Once<DocumentOutcome>>,
    ) -> Result<Given<DocumentOutcome>, Error> {
        let running = self.running(workspace);
        let configured = running.shared.configured().await?;
        let mut write = write;
        let admission = Admission::of(&mut write.fact, notes, &configured.stored)
            .map_err(|rejection| Error::new(ErrorKind::Invalid, rejection.code, rejection.message))?;
        running.shared.learned.see([&*write.fact].into_iter(), &configured.stored.model().model, self.now());
        let class = self.directory.snapshot().class_of(key).unwrap_or(Class::Private);
        let once = once.map(|Once { request, render }| {
            let configured = configured.clone();
            // What failed is no answer to keep: the same call may go well.
            let render = move |done: &[Done]| outcome(done.first()?.clone(), &configured).ok().map(|own| render(&own));
            Answering { request, render: Box::new(render) }
        });
        let items = vec![Item::Document(Box::new(Writing { write, admission }))];
        let origin = Origin { door, key, class, again: None };
        match running.lane.submit(Work::Items { items, origin, once }).await?.into_items()? {
            Given::Now(mut done) => outcome(done.pop().ok_or_else(mismatch)?, &configured).map(Given::Now),
            Given::Before(reply) => Ok(Given::Before(reply)),
        }
    }

    /// Makes a document of the profile that these identities find, as this write says, unless it has one: then nothing is done.
    ///
    /// # Errors
    /// As [`Self::put_document`].
    pub async fn ensure_document(
        &self,
        workspace: WorkspaceId,
        write: DocumentWrite,
        by: (&'static str, KeyId),
    ) -> Result<(), Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let finder = self.finder(workspace, &configured.config);
        let lookup =
            |claim: &Claim| Lookup::Identity { namespace: claim.namespace.to_string(), value: claim.value.to_string() };
        let lookups: Vec<Lookup> = write.fact.claims.iter().map(lookup).collect();
        let first = finder.find_first(&lookups).await?;
        if first.is_some_and(|(_, found)| !documents(&found.cluster, found.node, &configured.config).is_empty()) {
            return Ok(());
        }
        self.put_document(workspace, write, Vec::new(), by, None).await.map(drop)
    }

    /// Marks a profile as used now, and brings its memberships to now.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; what the store answers.
    pub async fn touch_profile(&self, workspace: WorkspaceId, node: NodeId, key: KeyId) -> Result<(), Error> {
        let origin = Origin { door: "touch", key, class: Class::Private, again: None };
        let items = vec![Item::command(Touch(node))];
        let answer = self.running(workspace).lane.submit(Work::Items { items, origin, once: None }).await?;
        match answer.into_items()?.now()?.pop() {
            Some(Done::Touched) => Ok(()),
            Some(Done::NotFound) => Err(not_found()),
            Some(Done::Failed(error)) => Err(error),
            _ => Err(mismatch()),
        }
    }

    /// The profile that the first of these look-ups finds, those that decide first at the front.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; what the store answers.
    pub async fn find_document(&self, workspace: WorkspaceId, lookups: &[Lookup]) -> Result<NodeId, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let finder = self.finder(workspace, &configured.config);
        let first = finder.find_first(lookups).await?;
        first.and_then(|(_, found)| document::id_of(&found, &configured)).ok_or_else(not_found)
    }

    /// A value in the one spelling of a namespace; none where it is no value of it.
    ///
    /// # Errors
    /// `Invalid` with `namespace_unknown`; what the store answers.
    pub async fn normalised(
        &self,
        workspace: WorkspaceId,
        namespace: &str,
        value: &str,
    ) -> Result<Option<Arc<str>>, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let config = &configured.config;
        let namespace = config.by_name(namespace).ok_or_else(|| unknown_namespace(config))?;
        Ok(normalise(namespace, value).ok())
    }

    /// A profile as a document, in a form that its reader makes of it and that is kept until the profile or the configuration changes: `shape` is
    /// what tells this form from every other, and all that it is made of beside the profile and the configuration. The values that the query asks
    /// for belong to the form.
    ///
    /// # Errors
    /// As [`Self::document`]; what `show` answers.
    pub async fn document_shown(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        (query, shape): (&DocumentQuery, &[u8]),
        show: impl Fn(&DocumentProfile, &StoredConfig) -> Result<Vec<u8>, Error>,
    ) -> Result<Rendered, Error> {
        let key = document_key(workspace, lookup, query, shape);
        if let Some(rendered) = self.views.find(&key, &self.epochs, || self.now()) {
            return Ok(rendered);
        }
        self.show_document(workspace, (&key, lookup), None, query, show).await
    }

    /// The same of a document that was written just now, as its commit left it: nothing of it is read again. Whoever has written or deleted it
    /// since does not show.
    ///
    /// # Errors
    /// As [`Self::document_shown`].
    pub async fn document_written(
        &self,
        workspace: WorkspaceId,
        written: DocumentOutcome,
        (query, shape): (&DocumentQuery, &[u8]),
        show: impl Fn(&DocumentProfile, &StoredConfig) -> Result<Vec<u8>, Error>,
    ) -> Result<Rendered, Error> {
        let lookup = Lookup::Node(written.id);
        let key = document_key(workspace, &lookup, query, shape);
        self.show_document(workspace, (&key, &lookup), written.left, query, show).await
    }

    /// Makes a form of a profile that is at hand, or else is looked up, and keeps it.
    async fn show_document(
        &self,
        workspace: WorkspaceId,
        (key, lookup): (&[u8], &Lookup),
        mut at_hand: Option<Found>,
        query: &DocumentQuery,
        show: impl Fn(&DocumentProfile, &StoredConfig) -> Result<Vec<u8>, Error>,
    ) -> Result<Rendered, Error> {
        let mut tries = Tries::default();
        loop {
            // Before the configuration: what is made under one that changes meanwhile is not kept as that of the next.
            let since = self.epochs.of_all();
            let configured = self.running(workspace).shared.configured().await?;
            let found = match at_hand.take() {
                Some(found) => found,
                None => self.finder(workspace, &configured.config).find(lookup).await?,
            };
            let answer = document::read(self.asker(workspace), &configured, &found, query, self.now()).await;
            if tries.goes_on(&answer) {
                continue;
            }
            let document = answer?;
            let json = Bytes::from(show(&document, &configured.stored)?);
            let rendered = Rendered { etag: etag_of(&json), json };
            self.views.keep(key, found.epoch.since(since), document.valid_until, &rendered);
            return Ok(rendered);
        }
    }

    /// The segments that a profile is a member of, by name.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; `Unavailable` with `rules_busy`, `rules_late`; what the store answers.
    pub async fn segments_of(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        visibility: Flags,
    ) -> Result<Vec<Arc<str>>, Error> {
        let mut tries = Tries::default();
        loop {
            let configured = self.running(workspace).shared.configured().await?;
            let found = self.finder(workspace, &configured.config).find(lookup).await?;
            let now = self.now();
            let answer = document::segments(self.asker(workspace), &configured, &found, visibility, now).await;
            if !tries.goes_on(&answer) {
                return answer;
            }
        }
    }

    /// A profile as a document.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `merge_policy_unknown`; `LimitExceeded` with
    /// `profile_too_large` above 1 MB of JSON; `Unavailable` with `rules_busy`, `rules_late`; what the store answers.
    pub async fn document(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        query: &DocumentQuery,
    ) -> Result<DocumentProfile, Error> {
        let mut tries = Tries::default();
        loop {
            let configured = self.running(workspace).shared.configured().await?;
            let found = self.finder(workspace, &configured.config).find(lookup).await?;
            let answer = document::read(self.asker(workspace), &configured, &found, query, self.now()).await;
            if !tries.goes_on(&answer) {
                return answer;
            }
        }
    }
}

fn outcome(done: Done, configured: &Arc<Configured>) -> Result<DocumentOutcome, Error> {
    match done {
        Done::Documented(documented) => Ok(of(*documented, configured)),
        Done::Taken(taken) => Err(document_taken(&taken, configured)),
        Done::NotFound => Err(Error::new(ErrorKind::NotFound, "document_not_found", "no such document is there")),
        Done::Failed(error) => Err(error),
        Done::Fact(Verdict::Duplicate) => Err(Error::new(
            ErrorKind::Conflict,
            "fact_duplicate",
            "this was said before under the same id; nothing has changed",
        )),
        Done::Fact(Verdict::Differs) => {
            let message = "something else was said before under the same id; nothing has changed";
            Err(Error::new(ErrorKind::Conflict, "fact_differs", message))
        }
        Done::Fact(Verdict::Rejected(rejection)) => {
            Err(Error::new(ErrorKind::Invalid, rejection.code, rejection.message))
        }
        _ => Err(mismatch()),
    }
}

fn of(WrittenDocument { documented, mut notes, left }: WrittenDocument, configured: &Configured) -> DocumentOutcome {
    let Documented { document, is_new, left_out, released, ignored, held, event: _ } = documented;
    let named = |all: Vec<Identity>| all.iter().map(|own| NamedIdentity::new(own, &configured.config)).collect();
    notes.extend(ignored.into_iter().map(|own| Note::IdentityIgnored { namespace: own.namespace, code: own.code }));
    notes.extend(held.iter().map(|held| held_note(held, &configured.config)));
    DocumentOutcome { id: document, is_new, left_out: named(left_out), released: named(released), notes, left }
}

/// The answer where other documents hold what is unique to one. It names the namespaces: whose values they are, the sender knows.
fn document_taken(taken: &[Identity], configured: &Configured) -> Error {
    let name = |own: &Identity| configured.config.find(own.namespace).map_or(String::new(), |own| own.name.to_string());
    let mut names: Vec<String> = taken.iter().map(name).collect();
    names.dedup();
    let message = format!("another document holds what only one may hold of these: {}", names.join(", "));
    Error::new(ErrorKind::Conflict, "document_taken", message)
}

/// A strong entity tag of an answer, quotes included.
fn etag_of(json: &[u8]) -> Arc<str> {
    let hash = Sha256::digest(json);
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"").into()
}
