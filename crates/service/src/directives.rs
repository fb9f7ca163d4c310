//! Directives of people and the history of merges: what was ordered, by whom, what it did, and what has ended it.
//!
//! Rows hold ids of nodes, never values: whoever is erased disappears from the history as well, and only the act is left.

use std::collections::{BTreeMap, BTreeSet};

use tessera_engine::config::Config;
use tessera_engine::decide::{Directive, Named, Refusal};
use tessera_engine::fact::Identity;
use tessera_engine::id::{DirectiveId, NodeId};
use tessera_engine::normalise::normalise;
use tessera_store::{Direction, ScanLimit};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::read_failed;
use crate::base::verdict::NamedIdentity;
use crate::directory::{Class, ListQuery};
use crate::read::find::Finder;
use crate::read::query::Lookup;
use crate::stored::cursor::Purpose;
use crate::stored::idempotency::{self, Given, Once};
use crate::stored::keys::{Family, Scope};
use crate::stored::row;
use crate::work::service::Service;
use crate::write::history::records;
pub use crate::write::history::{Act, Entry};
use crate::write::lane::{Answer, Answering, Done, Item, Ordered, Origin, Work, mismatch};

/// Identities of one side that a separation may name.
pub const SIDE_MAX: usize = 1_000;

/// What a person orders, as it came.
#[derive(Debug, Clone)]
pub enum Order {
    /// The two identities are one person.
    Join([NamedIdentity; 2]),
    /// These identities of one profile are one person, its other ones another.
    Separate(Vec<NamedIdentity>),
    /// The sides of a past merge are two people again; with this identity goes its side.
    SeparateMerge(DirectiveId, NamedIdentity),
    /// As if that join had never been.
    Undo(DirectiveId),
    /// As if that separation had never been.
    Lift(DirectiveId),
}

/// What an order came to, or would come to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The directive in force; none for a preview.
    pub id: Option<DirectiveId>,
    /// Whether this order changed anything: not where it was in force already.
    pub is_new: bool,
    /// The profiles of the identities that it names, as they are after it.
    pub profiles: Vec<NodeId>,
    /// Every identity that changes its profile.
    pub moved: Vec<MovedIdentity>,
}

/// An identity that is in another profile than before.
#[derive(Debug, Clone)]
pub struct MovedIdentity {
    /// Its node.
    pub node: NodeId,
    /// The identity.
    pub identity: NamedIdentity,
    /// The profile that it was in.
    pub from: NodeId,
    /// The profile that it is in now.
    pub into: NodeId,
}

/// Which part of the history to read.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// How many, and where an earlier page ended.
    pub page: ListQuery,
    /// Only acts of this name.
    pub act: Option<String>,
    /// Only what named an identity of this profile.
    pub profile: Option<Lookup>,
}

/// A part of the history, newest first.
#[derive(Debug, Clone)]
pub struct History {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The identities of the nodes that they name; those that were erased since are missing.
    pub identities: BTreeMap<NodeId, NamedIdentity>,
    /// Where the next page begins; none on the last. A filtered page may be short and not the last.
    pub next_cursor: Option<String>,
}

/// Entries looked through for one page.
const LOOKED_AT_MAX: usize = 5_000;
/// Nodes whose identities one page resolves.
const RESOLVED_MAX: usize = 10_000;

impl Service {
    /// Orders a directive, or only tells what it would do.
    ///
    /// # Errors
    /// `Invalid` with `namespace_unknown`, `identity_invalid`, `one_identity`, `kind_mismatch`; `NotFound` with
    /// `identity_not_found`, `directive_not_found`, `merge_not_found`; `Conflict` with `not_one_profile`, `nothing_to_separate`,
    /// `too_many_separations`, `separation_in_force`, `cluster_full`, `link_severed`, `identity_blocked`, `directive_kind`.
    pub async fn direct(
        &self,
        workspace: WorkspaceId,
        order: &Order,
        is_preview: bool,
        door: &'static str,
        key: KeyId,
    ) -> Result<Outcome, Error> {
        self.direct_once(workspace, order, is_preview, (door, key), None).await?.now()
    }

    /// As [`Self::direct`], for a request that may be sent again: its answer is kept by the commit of the directive.
    ///
    /// # Errors
    /// As [`Self::direct`]; `Conflict` with `idempotency_key_reused`.
    pub async fn direct_once(
        &self,
        workspace: WorkspaceId,
        order: &Order,
        is_preview: bool,
        (door, key): (&'static str, KeyId),
        once: Option<Once<Outcome>>,
    ) -> Result<Given<Outcome>, Error> {
        let running = self.running(workspace);
        let configured = running.shared.configured().await?;
        let config = &configured.config;
        let (directive, ends) = match self.read_order(workspace, order, config).await? {
            Read::Order(directive, ends) => (directive, ends),
            Read::EndedBefore(by, nodes) => {
                let profiles = self.profiles_of(workspace, &nodes, config).await?;
                let outcome = Outcome { id: Some(by), is_new: false, profiles, moved: Vec::new() };
                return self.said_before(once.as_ref(), outcome).await;
            }
        };
        let id = self.new_directive_id();
        let ordered = Box::new(Ordered { id, directive: directive.clone(), ends });
        let work = if is_preview {
            Work::Preview(ordered)
        } else {
            Work::Items {
                items: vec![Item::directive(*ordered)],
                origin: Origin { door, key, class: Class::Private, again: None },
                once: once.clone().map(|Once { request, render }| {
                    let configured = configured.clone();
                    let render = move |done: &[Done]| {
                        let outcome = outcome(done.first()?, Some(id), &configured.config)?;
                        Some(render(&outcome))
                    };
                    Answering { request, render: Box::new(render) }
                }),
            }
        };
        let done = match running.lane.submit(work).await? {
            Answer::Items(mut done) => done.pop(),
            Answer::Previewed(done) => Some(done),
            Answer::Before(reply) => return Ok(Given::Before(reply)),
            _ => None,
        };
        match done {
            Some(Done::Refused(refusal)) => {
                let outcome = self.refused(workspace, refusal, &directive, config).await?;
                self.said_before(once.as_ref(), outcome).await
            }
            Some(Done::Failed(error)) => Err(error),
            Some(done) => {
                let id = (!is_preview).then_some(id);
                outcome(&done, id, config).map(Given::Now).ok_or_else(mismatch)
            }
            None => Err(mismatch()),
        }
    }

    /// What was in force already changes nothing, so its answer is kept by itself.
    async fn said_before(&self, once: Option<&Once<Outcome>>, outcome: Outcome) -> Result<Given<Outcome>, Error> {
        let Some(Once { request, render }) = once else { return Ok(Given::Now(outcome)) };
        let reply = idempotency::keep(&**self.store(), request, render(&outcome)?, self.now()).await?;
        Ok(Given::Before(reply))
    }

    /// What a refusal comes to: a separation that is in force already is none.
    async fn refused(
        &self,
        workspace: WorkspaceId,
        refusal: Refusal,
        directive: &Directive,
        config: &Config,
    ) -> Result<Outcome, Error> {
        if let (Refusal::WholeProfile { separations }, Directive::Separate { side, rest }) = (&refusal, directive) {
            let mut nodes = BTreeSet::new();
            for named in side {
                nodes.extend(match named {
                    Named::Node(node) => Some(*node),
                    Named::Identity(identity) => self.node_of(workspace, identity).await?,
                });
            }
            for id in separations {
                let entry = self.directive(workspace, *id).await?;
                let Some(Entry { act: Act::Separate { side, apart }, .. }) = entry else { continue };
                let side: BTreeSet<NodeId> = side.into_iter().collect();
                // With the side of a merge goes what came to it later.
                if side == nodes || rest.is_some() && nodes.is_subset(&side) {
                    let profiles =
                        self.profiles_of(workspace, &side.into_iter().chain(apart).collect(), config).await?;
                    return Ok(Outcome { id: Some(*id), is_new: false, profiles, moved: Vec::new() });
                }
            }
        }
        let rejection = refusal.rejection();
        let kind = match refusal {
            Refusal::UnknownIdentity => ErrorKind::NotFound,
            Refusal::OneIdentity | Refusal::DifferentKinds => ErrorKind::Invalid,
            Refusal::NotOneProfile
            | Refusal::WholeProfile { .. }
            | Refusal::TooManySeparations
            | Refusal::WouldNotHold { .. } => ErrorKind::Conflict,
        };
        Err(Error { kind, code: rejection.code, message: rejection.message, retry_after_secs: None })
    }

    async fn read_order(&self, workspace: WorkspaceId, order: &Order, config: &Config) -> Result<Read, Error> {
        let ended = |found: Entry, end: fn(&Entry) -> Option<Directive>, expected: &str| match (
            end(&found),
            &found.ended,
        ) {
            (None, _) => {
                let found = found.act.name();
                let instead = match found {
                    "merge" => {
                        "; what links have merged is parted by `separate`, with this id as `merge` and in `side` identities of whoever is to go"
                    }
                    _ => "",
                };
                let message = format!("the id of a {expected} is expected; this is one of a {found}{instead}");
                Err(Error::new(ErrorKind::Conflict, "directive_kind", message))
            }
            (Some(_), Some((by, _))) => Ok(Read::EndedBefore(*by, found.act.nodes().into_iter().collect())),
            (Some(directive), None) => Ok(Read::Order(directive, Some(found))),
        };
        match order {
            Order::Join([one, other]) => {
                let ends = [identity_of(one, config)?, identity_of(other, config)?];
                Ok(Read::Order(Directive::Join(ends), None))
            }
            Order::Separate(side) => {
                let side = side.iter().map(|one| Ok(Named::Identity(identity_of(one, config)?)));
                let side = side.collect::<Result<Vec<_>, Error>>()?;
                Ok(Read::Order(Directive::Separate { side, rest: None }, None))
            }
            Order::SeparateMerge(merge, identity) => {
                let entry = self.directive(workspace, *merge).await?;
                let Some(Entry { act: Act::Merge { sides, .. }, .. }) = entry else {
                    let message = "the id of a merge is expected, as the history lists it";
                    return Err(Error::new(ErrorKind::NotFound, "merge_not_found", message));
                };
                let identity = identity_of(identity, config)?;
                let node = self.node_of(workspace, &identity).await?;
                let at = node.and_then(|node| sides.iter().position(|side| side.contains(&node)));
                let Some(at) = at else {
                    let message = "an identity of one of the merge's two sides is expected";
                    return Err(Error::new(ErrorKind::NotFound, "identity_not_found", message));
                };
                let side = sides[at].iter().copied().map(Named::Node).collect();
                Ok(Read::Order(Directive::Separate { side, rest: Some(sides[1 - at].clone()) }, None))
            }
            Order::Undo(id) => {
                let end = |entry: &Entry| match entry.act {
                    Act::Join(between) => Some(Directive::Undo { join: entry.id, between }),
                    _ => None,
                };
                ended(self.known(workspace, *id).await?, end, "join")
            }
            Order::Lift(id) => {
                let end = |entry: &Entry| match &entry.act {
                    Act::Separate { apart, side } => {
                        Some(Directive::Lift { separation: entry.id, apart: *apart, side: side.clone() })
                    }
                    _ => None,
                };
                ended(self.known(workspace, *id).await?, end, "separation")
            }
        }
    }

    async fn known(&self, workspace: WorkspaceId, id: DirectiveId) -> Result<Entry, Error> {
        let missing = || Error::new(ErrorKind::NotFound, "directive_not_found", "the id of a directive is expected");
        self.directive(workspace, id).await?.ok_or_else(missing)
    }

    async fn directive(&self, workspace: WorkspaceId, id: DirectiveId) -> Result<Option<Entry>, Error> {
        let row = row::read(&**self.store(), Scope::new(workspace).directive(id)).await?;
        row.map(|row| records::decode(id, &row.value)).transpose()
    }

    async fn node_of(&self, workspace: WorkspaceId, identity: &Identity) -> Result<Option<NodeId>, Error> {
        let row = row::read(&**self.store(), Scope::new(workspace).identity(identity)).await?;
        Ok(row.map(|row| crate::stored::records::rows::decode_identity(&row.value)).transpose()?.map(|row| row.node))
    }

    async fn profiles_of(
        &self,
        workspace: WorkspaceId,
        nodes: &BTreeSet<NodeId>,
        config: &Config,
    ) -> Result<Vec<NodeId>, Error> {
        let finder = self.finder(workspace, config);
        let mut profiles = BTreeSet::new();
        for node in nodes {
            let found = finder.by_node(*node).await?;
            profiles.extend(found.and_then(|found| found.cluster.profile_id(*node)));
        }
        Ok(profiles.into_iter().collect())
    }

    /// One entry of the history, with the identities that it names.
    ///
    /// # Errors
    /// `NotFound` with `directive_not_found`; what the store answers.
    pub async fn directive_entry(&self, workspace: WorkspaceId, id: DirectiveId) -> Result<History, Error> {
        let entries = vec![self.known(workspace, id).await?];
        let configured = self.running(workspace).shared.configured().await?;
        let identities = self.named(workspace, &entries, &configured.config).await?;
        Ok(History { entries, identities, next_cursor: None })
    }

    /// A page of the history of directives and merges, newest first.
    ///
    /// # Errors
    /// `Invalid` with `cursor_invalid`, `namespace_unknown`; `NotFound` with `profile_not_found`; what the store answers.
    pub async fn directives(&self, workspace: WorkspaceId, query: &HistoryQuery) -> Result<History, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let config = &configured.config;
        let after = query.page.cursor.as_deref().map(|cursor| {
            let carried = self.cursors().open_sealed(workspace, Purpose::Directives, cursor)?;
            Ok(DirectiveId::from_bytes(<[u8; 12]>::try_from(&*carried).map_err(|_| crate::stored::cursor::invalid())?))
        });
        let after = after.transpose()?;
        let (mut entries, more) = match &query.profile {
            None => self.whole_history(workspace, query, after).await?,
            Some(lookup) => {
                let found = self.finder(workspace, config).find_known(lookup).await?;
                let nodes = found.cluster.piece(found.node).map(|node| node.id).collect::<Vec<_>>();
                self.history_of(workspace, &nodes, query, after).await?
            }
        };
        let next_cursor = more.map(|id| self.cursors().seal(workspace, Purpose::Directives, id.as_bytes()));
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        let identities = self.named(workspace, &entries, config).await?;
        Ok(History { entries, identities, next_cursor })
    }

    /// Entries newest first, and the last one looked at where there may be more.
    async fn whole_history(
        &self,
        workspace: WorkspaceId,
        query: &HistoryQuery,
        after: Option<DirectiveId>,
    ) -> Result<(Vec<Entry>, Option<DirectiveId>), Error> {
        let scope = Scope::new(workspace);
        let all = scope.all_of(Family::Directive);
        let mut rest = Some(match after {
            None => all,
            Some(id) => all.after(&scope.directive(id), Direction::Backward),
        });
        let (mut entries, mut looked_at, mut last) = (Vec::new(), 0, None);
        while let Some(range) = rest.take() {
            let page = self.store().scan(&range, ScanLimit::rows(200), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows {
                if entries.len() == query.page.limit || looked_at == LOOKED_AT_MAX {
                    return Ok((entries, last));
                }
                let entry = records::decode(records::id_of(&row.key)?, &row.value)?;
                looked_at += 1;
                last = Some(entry.id);
                if query.act.as_deref().is_none_or(|act| act == entry.act.name()) {
                    entries.push(entry);
                }
            }
            rest = page.next;
        }
        Ok((entries, None))
    }

    async fn history_of(
        &self,
        workspace: WorkspaceId,
        nodes: &[NodeId],
        query: &HistoryQuery,
        after: Option<DirectiveId>,
    ) -> Result<(Vec<Entry>, Option<DirectiveId>), Error> {
        let scope = Scope::new(workspace);
        let mut ids = BTreeSet::new();
        for node in nodes {
            let range = scope.directives_of(*node);
            let page = self.store().scan(&range, ScanLimit::rows(LOOKED_AT_MAX), Direction::Backward).await;
            for row in page.map_err(|error| read_failed(&error))?.rows {
                ids.insert(records::id_of(&row.key)?);
            }
        }
        let (mut entries, mut last) = (Vec::new(), None);
        for id in ids.into_iter().rev().filter(|id| after.is_none_or(|after| *id < after)) {
            if entries.len() == query.page.limit {
                return Ok((entries, last));
            }
            let Some(entry) = self.directive(workspace, id).await? else { continue };
            last = Some(id);
            if query.act.as_deref().is_none_or(|act| act == entry.act.name()) {
                entries.push(entry);
            }
        }
        Ok((entries, None))
    }

    async fn named(
        &self,
        workspace: WorkspaceId,
        entries: &[Entry],
        config: &Config,
    ) -> Result<BTreeMap<NodeId, NamedIdentity>, Error> {
        let finder: Finder<'_> = self.finder(workspace, config);
        let mut identities = BTreeMap::new();
        let nodes: BTreeSet<NodeId> = entries.iter().flat_map(|entry| entry.act.nodes()).take(RESOLVED_MAX).collect();
        for node in nodes {
            if identities.contains_key(&node) {
                continue;
            }
            let Some(found) = finder.by_known_node(node).await? else { continue };
            // The others of its profile are most likely asked for as well.
            let own = found.cluster.nodes.iter().map(|node| (node.id, NamedIdentity::new(&node.identity, config)));
            identities.extend(own);
        }
        Ok(identities)
    }
}

/// An order brought into the terms of the engine.
enum Read {
    /// It, and the entry that it ends.
    Order(Directive, Option<Entry>),
    /// What it ends was ended before, by this; and the nodes that it named.
    EndedBefore(DirectiveId, BTreeSet<NodeId>),
}

/// What a directive came to that this one was ordered for; none for what is no outcome of one.
fn outcome(done: &Done, id: Option<DirectiveId>, config: &Config) -> Option<Outcome> {
    let Done::Directed { directed, before, moved } = done else { return None };
    let named = |moved: &tessera_engine::decide::Moved| MovedIdentity {
        node: moved.node,
        identity: NamedIdentity::new(&moved.identity, config),
        from: moved.from,
        into: moved.into,
    };
    let moved = moved.iter().map(named).collect();
    Some(Outcome { id: before.or(id), is_new: before.is_none(), profiles: directed.profiles.clone(), moved })
}

fn identity_of(named: &NamedIdentity, config: &Config) -> Result<Identity, Error> {
    let Some(namespace) = config.by_name(&named.namespace) else {
        return Err(crate::read::find::unknown_namespace(config));
    };
    let invalid = |_| {
        let message =
            "the value cannot be an identity of its namespace: it is blocked, or not spelled as its values are";
        Error::new(ErrorKind::Invalid, "identity_invalid", message)
    };
    let value = normalise(namespace, &named.value).map_err(invalid)?;
    Ok(Identity { namespace: namespace.id, value })
}
