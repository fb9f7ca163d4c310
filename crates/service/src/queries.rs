//! Profiles by what they are: those of whom a condition holds, in an order, with how many there are.
//!
//! Where the condition names identities in the open, these are looked up and nobody else is asked. Otherwise everybody is, at one instant of
//! the store, by several threads at once and within a bound of time: there is either the whole answer or none. A workspace asks one such
//! question at a time. What is found is rendered as a read of the profile shows it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tessera_engine::config::Kind;
use tessera_engine::id::NodeId;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_expr::ast::{Expr, Node};
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::profiles::PAGE_BYTES;
use crate::read::asking::{Asking, Wanted};
use crate::read::document::{self, DocumentProfile, DocumentQuery};
use crate::read::find::Found;
use crate::read::pool::ANSWER_MICROS;
use crate::read::query::{Fields, Rendered};
use crate::read::ruled::Tries;
use crate::read::sorted::{Candidate, First, Position};
use crate::stored::cursor::{self, CARRIED_BYTES_MAX, Purpose as List};
use crate::work::service::Service;

pub mod events;
mod lookups;
mod scan;

pub use crate::read::sorted::{SortKey, Sorting, Undecided};

/// Profiles of one page.
pub const PROFILES_MAX: usize = 1_000;
/// Profiles that may be skipped and shown together: so many are kept in order. Beyond it, a cursor goes on.
pub const WINDOW_MAX: usize = 10_000;
/// Attributes that profiles are sorted by at once.
pub const ORDER_MAX: usize = 3;
/// Bytes that tell one question from another in a cursor.
const QUESTION_BYTES: usize = 16;

/// Which profiles are asked for.
#[derive(Debug, Clone)]
pub struct ProfileQuery {
    /// The condition that has to hold of them; without one it is everybody.
    pub filter: Option<Arc<Rule>>,
    /// Where the days of the condition begin.
    pub zone: Zone,
    /// Whether people or accounts are asked for.
    pub of: Kind,
    /// Values that they are sorted by, the first one first; [`sorted_by`] makes one of an attribute, an identifier or a computed attribute.
    /// Without any they come in the order in which they are kept: by the id of the record, then of the profile.
    pub order_by: Vec<(Arc<Rule>, Sorting)>,
    /// How many of the first to leave out; none behind a cursor.
    pub skip: usize,
    /// How many, at most [`PROFILES_MAX`].
    pub top: usize,
    /// Where an earlier page of the same question ended.
    pub cursor: Option<String>,
    /// What is shown of each, and what the reader may see: nothing else may be asked about.
    pub fields: Fields,
    /// The id of a merge policy; without it the workspace's default one.
    pub policy: Option<String>,
    /// Whether to count all of whom the condition holds.
    pub count: bool,
}

/// Profiles of whom a condition holds.
#[derive(Debug, Clone)]
pub struct ProfilePage {
    /// They, as a read shows them. A page ends with the one that reaches [`PAGE_BYTES`], at the latest. One that was erased, or of whom the
    /// condition held no more when it was rendered, is left out.
    pub profiles: Vec<Rendered>,
    /// How many there are in all, where that was asked for. Exact at the instant of the question.
    pub total: Option<u64>,
    /// Of whom of those that were looked at the condition has no answer.
    pub undecided: Undecided,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// Profiles of whom a condition holds, as documents.
#[derive(Debug, Clone)]
pub struct DocumentPage {
    /// They, in the order that was asked for. One that was erased, or of whom the condition held no more when it was read, is left out.
    pub documents: Vec<DocumentProfile>,
    /// How many there are in all, where that was asked for. Exact at the instant of the question.
    pub total: Option<u64>,
    /// Of whom of those that were looked at the condition has no answer.
    pub undecided: Undecided,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// Those that were found, before they are shown.
struct Asked {
    asking: Arc<Asking>,
    candidates: Vec<Candidate>,
    /// Whether there are more behind them.
    has_more: bool,
    total: Option<u64>,
    undecided: Undecided,
    question: [u8; QUESTION_BYTES],
}

impl Service {
    /// Profiles of whom a condition holds.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `skip_invalid`, `order_too_long`, `cursor_invalid`, `merge_policy_unknown`,
    /// `merge_policy_without_graph`; `Forbidden` with `rule_reads_hidden`; `Throttled` with `query_busy`; `Unavailable` with
    /// `query_timeout`, `rules_off`, `rules_busy`, `rules_late`; what the store answers.
    pub async fn profiles_where(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: &ProfileQuery,
    ) -> Result<ProfilePage, Error> {
        let asked = self.asked(workspace, query).await?;
        let (profiles, reached) = self.rendered_all(&asked.asking, &asked.candidates, query).await?;
        let next_cursor = self.next(workspace, &asked, reached);
        Ok(ProfilePage { profiles, total: asked.total, undecided: asked.undecided, next_cursor })
    }

    /// Profiles of whom a condition holds, read as documents. What the query says of fields and of a policy is not asked: documents are
    /// shown under the default one.
    ///
    /// # Errors
    /// As [`Self::profiles_where`]; `LimitExceeded` with `profile_too_large`.
    pub async fn documents_where(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: &ProfileQuery,
        shown: &DocumentQuery,
    ) -> Result<DocumentPage, Error> {
        let asked = self.asked(workspace, query).await?;
        let (mut documents, mut bytes, mut seen, mut reached) = (Vec::new(), 0, Vec::new(), 0);
        for candidate in &asked.candidates {
            if bytes >= PAGE_BYTES {
                break;
            }
            reached += 1;
            let mut tries = Tries::default();
            let document = loop {
                let answer = self.document_now(&asked.asking, candidate, shown, &mut seen).await;
                if !tries.goes_on(&answer) {
                    break answer?;
                }
            };
            bytes += document.as_ref().map_or(0, DocumentProfile::bytes);
            documents.extend(document);
            tokio::task::yield_now().await;
        }
        let next_cursor = self.next(workspace, &asked, reached);
        Ok(DocumentPage { documents, total: asked.total, undecided: asked.undecided, next_cursor })
    }

    async fn document_now(
        &self,
        asking: &Arc<Asking>,
        candidate: &Candidate,
        shown: &DocumentQuery,
        seen: &mut Vec<NodeId>,
    ) -> Result<Option<DocumentProfile>, Error> {
        let Some(found) = self.found_now(asking, candidate, seen).await? else { return Ok(None) };
        let profile = found.cluster.profile_id(found.node).unwrap_or(found.node);
        let Asking { workspace, configured, .. } = &**asking;
        let read = document::read(self.asker(*workspace), configured, &found, shown, self.now()).await?;
        seen.push(profile);
        Ok(Some(read))
    }

    /// Where the page behind those ends of whom so many were come by.
    fn next(&self, workspace: WorkspaceId, asked: &Asked, reached: usize) -> Option<String> {
        let is_last = reached == asked.candidates.len() && !asked.has_more;
        let last = asked.candidates.get(reached.wrapping_sub(1)).filter(|_| !is_last);
        last.map(|last| self.sealed(workspace, &last.at, &asked.question))
    }

    /// Asks the question.
    async fn asked(self: &Arc<Self>, workspace: WorkspaceId, query: &ProfileQuery) -> Result<Asked, Error> {
        check_bounds(query)?;
        let configured = self.configured(workspace).await?;
        if configured.policy(query.policy.as_deref())?.compiled.graph() == IdentityGraph::None {
            let message = "profiles are asked for under a merge policy with the whole identity graph";
            return Err(Error::new(ErrorKind::Invalid, "merge_policy_without_graph", message));
        }
        for rule in query.filter.iter().chain(query.order_by.iter().map(|(rule, _)| rule)) {
            configured.may_ask(rule, query.fields.visibility)?;
        }
        let question = digest(query);
        let after =
            query.cursor.as_deref().map(|cursor| self.opened(workspace, cursor, &question, query)).transpose()?;
        let wanted = Wanted {
            filter: query.filter.clone(),
            zone: query.zone.clone(),
            of: query.of,
            order: query.order_by.clone(),
            policy: query.policy.clone(),
            now: self.now(),
        };
        let asking = Arc::new(Asking::new(self.store().clone(), workspace, configured.clone(), wanted));
        let first = First::new(query.skip + query.top + 1, after);
        let first = match self.looked_up(&asking, query).await? {
            Some(found) => self.ask_some(&asking, found, first).await?,
            None => self.ask_everybody(&asking, first, query).await?,
        };
        let (total, undecided) = (query.count.then_some(first.matched), first.undecided);
        let mut candidates = first.into_sorted();
        let more = candidates.split_off(candidates.len().min(query.skip + query.top));
        candidates.drain(..candidates.len().min(query.skip));
        Ok(Asked { asking, candidates, has_more: !more.is_empty(), total, undecided, question })
    }

    /// An id of a request about something of a workspace, in which its time stands: nothing is kept of it.
    pub fn seal_request(&self, workspace: WorkspaceId, about: &str) -> String {
        let digest = Sha256::digest(about.as_bytes());
        let carried = [&self.now().micros().to_be_bytes()[..], &digest[..QUESTION_BYTES]].concat();
        self.cursors().seal(workspace, List::Exports, &carried)
    }

    /// When a request about this was made; none for whatever was not given out for it.
    #[must_use]
    pub fn opened_request(&self, workspace: WorkspaceId, about: &str, request: &str) -> Option<Timestamp> {
        let carried = self.cursors().open_sealed(workspace, List::Exports, request).ok()?;
        let (micros, digest) = carried.split_first_chunk::<8>()?;
        let is_own = *digest == Sha256::digest(about.as_bytes())[..QUESTION_BYTES];
        Timestamp::from_micros(i64::from_be_bytes(*micros)).filter(|_| is_own)
    }

    /// Renders candidates as they are now, and tells how many were come by.
    async fn rendered_all(
        &self,
        asking: &Arc<Asking>,
        candidates: &[Candidate],
        query: &ProfileQuery,
    ) -> Result<(Vec<Rendered>, usize), Error> {
        let (mut profiles, mut bytes) = (Vec::with_capacity(candidates.len()), 0);
        // Two that were merged since they were asked are one.
        let mut seen: Vec<NodeId> = Vec::new();
        for (at, candidate) in candidates.iter().enumerate() {
            if bytes >= PAGE_BYTES {
                return Ok((profiles, at));
            }
            let mut tries = Tries::default();
            let rendered = loop {
                let answer = self.shown_now(asking, candidate, query, &mut seen).await;
                if !tries.goes_on(&answer) {
                    break answer?;
                }
            };
            if let Some(rendered) = rendered {
                bytes += rendered.json.len();
                profiles.push(rendered);
            }
            tokio::task::yield_now().await;
        }
        Ok((profiles, candidates.len()))
    }

    async fn shown_now(
        &self,
        asking: &Arc<Asking>,
        candidate: &Candidate,
        query: &ProfileQuery,
        seen: &mut Vec<NodeId>,
    ) -> Result<Option<Rendered>, Error> {
        let Some(found) = self.found_now(asking, candidate, seen).await? else { return Ok(None) };
        let profile = found.cluster.profile_id(found.node).unwrap_or(found.node);
        let Asking { workspace, configured, .. } = &**asking;
        let rendered = self.rendered(*workspace, configured, &found, query.fields, query.policy.as_deref()).await?;
        seen.push(profile);
        Ok(Some(rendered.0))
    }

    /// A candidate as it is now, unless it is gone, the condition does not hold of it any more, or it was shown as part of another one.
    async fn found_now(
        &self,
        asking: &Arc<Asking>,
        candidate: &Candidate,
        seen: &[NodeId],
    ) -> Result<Option<Found>, Error> {
        let Asking { workspace, configured, .. } = &**asking;
        let found = self.finder(*workspace, &configured.config).by_node(candidate.at.profile).await?;
        let Some(found) = found else { return Ok(None) };
        if found.version != candidate.version && !self.still_holds(asking, &found).await? {
            return Ok(None);
        }
        let profile = found.cluster.profile_id(found.node).unwrap_or(found.node);
        Ok((!seen.contains(&profile)).then_some(found))
    }

    /// Whether the condition holds of a profile that was written since it was asked.
    async fn still_holds(&self, asking: &Arc<Asking>, found: &Found) -> Result<bool, Error> {
        let (workspace, asking) = (asking.workspace, asking.clone());
        let (cluster, version) = (found.cluster.clone(), found.version);
        let profile = cluster.profile_id(found.node).unwrap_or(found.node);
        let work = move |patience| async move {
            let looked = asking.look((&*cluster, version), profile, &patience).await?;
            Ok(looked.is_ok_and(|values| values.is_some()))
        };
        self.pool().run(workspace, ANSWER_MICROS, work).await
    }

    fn opened(
        &self,
        workspace: WorkspaceId,
        cursor: &str,
        question: &[u8; QUESTION_BYTES],
        query: &ProfileQuery,
    ) -> Result<Position, Error> {
        let carried = self.cursors().open_sealed(workspace, List::Profiles, cursor)?;
        let (of, position) = carried.split_first_chunk().ok_or_else(cursor::invalid)?;
        let order: Vec<Sorting> = query.order_by.iter().map(|(_, sorting)| *sorting).collect();
        if of == question { Position::from_bytes(position, &order) } else { Err(cursor::invalid()) }
    }

    fn sealed(&self, workspace: WorkspaceId, at: &Position, question: &[u8; QUESTION_BYTES]) -> String {
        let carried = [&question[..], &at.to_bytes()].concat();
        debug_assert!(carried.len() <= CARRIED_BYTES_MAX, "what profiles are sorted by is bounded");
        self.cursors().seal(workspace, List::Profiles, &carried)
    }
}

fn check_bounds(query: &ProfileQuery) -> Result<(), Error> {
    let invalid = |code, message| Err(Error::new(ErrorKind::Invalid, code, message));
    if query.top > PROFILES_MAX {
        return invalid("limit_invalid", format!("limit is expected to be at most {PROFILES_MAX}"));
    }
    if query.skip.saturating_add(query.top) > WINDOW_MAX {
        let message = format!("skip and limit are expected to be at most {WINDOW_MAX} together; go on with the cursor");
        return invalid("skip_invalid", message);
    }
    if query.skip > 0 && query.cursor.is_some() {
        return invalid("skip_invalid", "behind a cursor nothing is skipped: leave skip out".to_owned());
    }
    if query.order_by.len() > ORDER_MAX {
        return invalid("order_too_long", format!("profiles are sorted by at most {ORDER_MAX} attributes"));
    }
    Ok(())
}

/// What stands at a path, as a value that profiles are sorted by.
///
/// # Errors
/// `Invalid` with `attribute_path_invalid` for a path that is too long.
pub fn sorted_by(path: &Path) -> Result<Arc<Rule>, Error> {
    let names = path.segments().map(|name| name.as_ref().into()).collect();
    let value = Expr::new(Node::Path { of: Box::new(Expr::new(Node::Context(0))), names });
    let refused = |_| Error::new(ErrorKind::Invalid, "attribute_path_invalid", "order_by: the path is too long");
    Rule::compile(value, Purpose::Value).map(Arc::new).map_err(refused)
}

/// What tells a question from others of which a cursor may be, but for what is shown.
fn digest(query: &ProfileQuery) -> [u8; QUESTION_BYTES] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    part(query.filter.as_ref().map(|rule| pql::print(rule.source())).unwrap_or_default().as_bytes());
    part(query.zone.name().unwrap_or_default().as_bytes());
    part(&[u8::from(query.of == Kind::Account), u8::from(query.policy.is_some())]);
    part(query.policy.as_deref().unwrap_or_default().as_bytes());
    for (rule, sorting) in &query.order_by {
        part(pql::print(rule.source()).as_bytes());
        part(&[u8::from(*sorting == Sorting::Descending)]);
    }
    let mut digest = [0; QUESTION_BYTES];
    digest.copy_from_slice(&hash.finalize()[..QUESTION_BYTES]);
    digest
}

#[cfg(test)]
mod tests;
