//! What every handler is given, and the way in: from credentials to a caller, a workspace and a place under its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::response::Response;
use bytes::Bytes;
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_service::Service;
use tessera_service::audit::note_workspace;
use tessera_service::directory::{Caller, Permission, WorkspaceId};
use tessera_service::error::Error;
use tokio::sync::Semaphore;

use crate::answer::{Answer, Failure, invalid};
use crate::body;
use crate::bounds::{ANSWER_WAIT, WATCHERS_MAX};
use crate::budget::{Budget, Counted, Share};
use crate::caller;
use crate::door::{Door, Doors};
use crate::extract::Query;
use crate::guesses::Guesses;
use crate::limiter::{Limiter, Subject};
use crate::quota::Quotas;
use crate::settings::ApiSettings;
use crate::transport::{self, After, Held};

/// What every handler is given.
pub struct App {
    /// What answers.
    pub service: Arc<Service>,
    /// How the doors are set.
    pub settings: ApiSettings,
    /// All doors.
    pub doors: &'static Doors,
    /// Places for watches of jobs.
    pub watchers: Arc<Semaphore>,
    /// Bytes of requests.
    pub(crate) bodies: Arc<Budget>,
    /// Bytes of answers.
    pub answers: Arc<Budget>,
    /// Requests with keys that are none.
    pub(crate) guesses: Guesses,
    limiter: Limiter,
    quotas: Quotas,
    ids: FreshIds,
}

impl App {
    /// What handlers of these doors are given.
    #[must_use]
    pub fn new(service: Arc<Service>, settings: ApiSettings, doors: &'static Doors) -> Self {
        let clock = Arc::clone(&service);
        let ids = FreshIds::new(&service);
        let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
        let bodies = Budget::new(Counted::Bodies, settings.bodies_bytes);
        let answers = Budget::new(Counted::Answers, settings.answers_bytes);
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || clock.now());
        let (limiter, quotas) = (Limiter::new(clock.clone()), Quotas::new(clock));
        Self { service, settings, doors, watchers, bodies, answers, guesses: Guesses::default(), limiter, quotas, ids }
    }

    /// The instant at which it is asked.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.service.now()
    }

    /// An id that no other has: for requests, and for events that came without one.
    pub fn fresh_id(&self) -> String {
        self.ids.next()
    }

    /// Lets a request in that carries its key in the header `Authorization`, to the workspace it means.
    ///
    /// # Errors
    /// `key_missing`, `key_invalid`, `permission_missing`, `workspace_forbidden`, `rate_limited`, …
    pub fn enter(&self, headers: &HeaderMap, permission: Permission) -> Result<Entered, Error> {
        self.admit(self.caller(headers)?, headers, permission)
    }

    /// Whoever sent this request, by the header `Authorization`.
    ///
    /// # Errors
    /// `key_missing`, `key_invalid`.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let credentials = caller::from_header(headers)?.ok_or_else(caller::missing)?;
        self.service.directory().authenticate(&credentials.secret)
    }

    /// Lets a request in that carries its key where a door looks for it.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn enter_by(
        &self,
        door: &Door,
        headers: &HeaderMap,
        query: &Query,
        permission: Permission,
    ) -> Result<Entered, Error> {
        let secret = door.secret(headers, query)?.ok_or_else(|| door.missing())?;
        self.admit(self.service.directory().authenticate(&secret)?, headers, permission)
    }

    /// Lets a caller in to the workspace that the request means.
    ///
    /// # Errors
    /// `origin_forbidden`, `permission_missing`, `workspace_forbidden`, `workspace_missing`, `rate_limited`, `concurrency_limited`.
    pub fn admit(&self, caller: Caller, headers: &HeaderMap, permission: Permission) -> Result<Entered, Error> {
        let named = named_workspace(headers)?;
        self.admit_to(caller, headers, permission, |caller| caller.workspace(named))
    }

    /// Lets a caller in to a workspace that is told by something else than the header.
    ///
    /// # Errors
    /// `origin_forbidden`, `permission_missing`, `rate_limited`, `concurrency_limited`; what tells the workspace.
    pub fn admit_to(
        &self,
        caller: Caller,
        headers: &HeaderMap,
        permission: Permission,
        workspace: impl FnOnce(&Caller) -> Result<WorkspaceId, Error>,
    ) -> Result<Entered, Error> {
        caller.require_origin(headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("")))?;
        caller.require(permission)?;
        let workspace = workspace(&caller)?;
        self.let_in(caller, workspace, permission)
    }

    /// Lets a request in to the workspace that a parameter of its query names, by its name or its id, under the quotas of its door. The headers
    /// that tell of these come with whatever is answered by [`Entered::answered`].
    ///
    /// # Errors
    /// As [`Self::enter`]; `service_id_missing`, `quota_exceeded`, `quota_at_once`.
    pub fn enter_named(
        &self,
        door: &Door,
        (path, headers, query): (&str, &HeaderMap, &Query),
        parameter: &'static str,
        permission: Permission,
    ) -> Result<Entered, Failure> {
        let secret = door.secret(headers, query)?.ok_or_else(|| door.missing())?;
        let caller = self.service.directory().authenticate(&secret)?;
        caller.require_origin(headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("")))?;
        caller.require(permission)?;
        caller.require_private()?;
        let name = query.get(parameter).ok_or_else(|| {
            invalid(
                "service_id_missing",
                format!("the query parameter {parameter} is expected, the name of a workspace"),
            )
        })?;
        let workspace = caller.workspace_called(name)?;
        let mut entered = self.let_in(caller, workspace, permission)?;
        if let Some(quota) = door.quotas.iter().find(|quota| quota.paths.contains(&path)) {
            let (spent, place) = self.quotas.admit(quota, workspace);
            entered.told = (quota.tell)(&spent);
            match place {
                Ok(place) => place.into_iter().for_each(|place| entered.held.permit.hold(place)),
                Err(error) => return Err(Failure::from(error).with_headers(entered.told)),
            }
        }
        Ok(entered)
    }

    /// Gives a caller a place in a workspace, under the limits of both.
    fn let_in(&self, caller: Caller, workspace: WorkspaceId, permission: Permission) -> Result<Entered, Error> {
        let permit = self.limiter.admit(&[
            (Subject::Key(caller.key()), caller.rate_limit()),
            (Subject::Workspace(workspace), caller.workspace_rate_limit(workspace)),
        ])?;
        note_workspace(workspace);
        let charge = self.answers.charge(Share::Workspace(workspace));
        let after = if matches!(permission, Permission::ReadPublic | Permission::Read | Permission::Export) {
            After::Read
        } else {
            After::Work
        };
        Ok(Entered { caller, workspace, held: Held { permit, charge }, after, told: HeaderMap::new() })
    }

    /// Lets a caller in to what belongs to no workspace; only its key's own limit holds.
    ///
    /// # Errors
    /// `key_missing`, `key_invalid`, `rate_limited`, `concurrency_limited`.
    pub fn enter_directory(&self, headers: &HeaderMap) -> Result<(Caller, Held), Error> {
        let caller = self.caller(headers)?;
        let permit = self.limiter.admit(&[(Subject::Key(caller.key()), caller.rate_limit())])?;
        Ok((caller, Held { permit, charge: self.answers.charge(Share::Directory) }))
    }
}

/// The header by which a request names one of the workspaces that its key holds.
pub const WORKSPACE: &str = "x-tessera-workspace";

/// The workspace that the header of a request names.
///
/// # Errors
/// `header_invalid`.
pub fn named_workspace(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let unreadable = |_| invalid("header_invalid", "x-tessera-workspace is not ascii");
    headers.get(WORKSPACE).map(|name| name.to_str().map_err(unreadable)).transpose()
}

/// A request that was let in.
pub struct Entered {
    /// Who sent it.
    pub caller: Caller,
    /// The workspace that it is about.
    pub workspace: WorkspaceId,
    held: Held,
    after: After,
    /// What is told of the quotas of its door.
    told: HeaderMap,
}

impl Entered {
    /// The whole body of the request, inflated.
    ///
    /// # Errors
    /// `body_too_large`, `body_timeout`, `body_broken`, `bodies_full`, `content_encoding_invalid`.
    pub async fn body(&self, app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
        body::read(app, Share::Workspace(self.workspace), headers, body).await
    }

    /// Makes room for an answer that may be large, before it is worked on; waits for it while others' answers are taken.
    ///
    /// # Errors
    /// `answers_full`.
    pub async fn reserve(&mut self, app: &App, bytes: usize) -> Result<(), Error> {
        let share = Share::Workspace(self.workspace);
        self.held.charge = app.answers.reserve(share, bytes, ANSWER_WAIT).await?;
        Ok(())
    }

    /// Counts what there is of an answer that is put together part by part.
    ///
    /// # Errors
    /// `answers_full`.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        self.held.charge.grow_to(bytes)
    }

    /// The same request, about another workspace that its key holds.
    pub fn of(self, workspace: WorkspaceId) -> Self {
        note_workspace(workspace);
        Self { workspace, ..self }
    }

    /// What the caller may see of what the data model flags.
    pub fn visibility(&self) -> Flags {
        let permissions = self.caller.permissions();
        Flags {
            internal: permissions.contains(Permission::Configure),
            private: permissions.contains(Permission::ReadPrivate),
        }
    }

    /// Gives what a request came to, with what is told of the quotas of its door.
    pub fn answered(mut self, done: Result<Response, Failure>) -> Answer {
        let told = std::mem::take(&mut self.told);
        match done {
            Ok(mut response) => {
                response.headers_mut().extend(told);
                Ok(self.answer(response))
            }
            Err(failure) => Err(failure.with_headers(told)),
        }
    }

    /// An error with what is told of limits.
    pub fn refused(mut self, error: Error) -> Failure {
        Failure::from(error).with_headers(std::mem::take(&mut self.told))
    }

    /// Gives the answer, and the place under the limits and in the budget back when the client has all of it.
    pub fn answer(self, response: Response) -> Response {
        transport::hold_until_sent(response, self.held, self.after)
    }
}

/// Ids that never repeat: random bits drawn once, and a count.
struct FreshIds {
    prefix: String,
    count: AtomicU64,
}

impl FreshIds {
    fn new(service: &Service) -> Self {
        let mut bits = [0; 10];
        service.random(&mut bits);
        let prefix = bits.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { prefix, count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{}-{count:x}", self.prefix)
    }
}
