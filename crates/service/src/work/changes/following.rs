//! One look at the changes of a source: whether its slot stands, what has come, and whether a refresh has to decide first.

use std::time::Duration;

use tessera_connect::{Changes, Followed, Standing};
use tessera_engine::time::Timestamp;

use super::applying::{self, Applied};
use super::followers::Wanted;
use super::slots;
use crate::base::error::{Error, ErrorKind};
use crate::config::sources::Source;
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::stored::sources::{Slot, decode_known};
use crate::work::kinds::refresh::Asked;
use crate::work::refresh::source_error;
use crate::work::refresh::turns::SourceKey;
use crate::work::schedules::Asks;
use crate::work::service::Service;

/// How long a look rests when there is nothing.
const REST: Duration = Duration::from_secs(1);
/// The same, while it is a refresh's turn.
const REST_TURN: Duration = Duration::from_millis(200);
/// Bytes of log without a change of the table after which the slot is moved all the same, so that the server lets go of them.
const IDLE_BYTES: u64 = 1 << 20;
/// How long a refresh that was asked for and did not help is not asked for again; doubled each time, six times at most.
const ASK_MICROS: i64 = 60_000_000;
const ASK_DOUBLED_MAX: u32 = 6;
/// How long a slot that cannot be taken away is tried to be.
const UNWANTED_MICROS: i64 = 7 * 86_400_000_000;

/// What comes next.
pub(super) enum Next {
    /// Nothing: it is followed no more.
    Ended,
    /// There is more already.
    Again,
    /// A rest.
    Rest(Duration),
}

/// Follows one source.
pub(super) struct Follower {
    key: SourceKey,
    session: Option<Box<dyn Changes>>,
    /// When a refresh was asked for last, and how often in a row.
    asked: Option<(Timestamp, u32)>,
}

impl Follower {
    pub(super) const fn new(key: SourceKey) -> Self {
        Self { key, session: None, asked: None }
    }

    /// Lets go of the session: something else is wanted, or it failed.
    pub(super) fn begin_anew(&mut self) {
        self.session = None;
    }

    /// Does what there is to do.
    ///
    /// # Errors
    /// Why it cannot be followed at present.
    pub(super) async fn go_on(&mut self, service: &Service, wanted: &Wanted) -> Result<Next, Error> {
        let refreshes = service.refreshes();
        let Some(_turn) = refreshes.turns.take(self.key) else {
            self.session = None;
            return self.wait_for_turn(service, wanted).await;
        };
        let (store, scope) = (&**service.store(), Scope::new(self.key.0));
        let known = slots::read(store, scope, self.key.1).await?;
        let source = wanted.source.as_ref().map(|(name, source, _)| (&**name, source));
        let followed = source.and_then(|(name, source)| Some((name, source, source.followed(name)?)));
        let Some((name, source, followed)) = followed else {
            return match known {
                None => Ok(Next::Ended),
                Some(slot) => self.remove(service, slot).await,
            };
        };
        if let Some(slot) = known.as_ref().filter(|slot| !slots::is_of(slot, source, &followed)) {
            return self.remove(service, slot.clone()).await;
        }
        let set = row::read(store, scope.source(self.key.1)).await?.map(|row| decode_known(&row.value)).transpose()?;
        if known.is_none() && set.is_none() {
            // Where no refresh has ended yet, whoever set the source has one begin, or its schedule does.
            return Ok(Next::Rest(REST));
        }
        let standing = self.look(service, source, &followed, known.as_ref()).await?;
        refreshes.standings.see(self.key, standing.lag_bytes);
        if known.as_ref().is_some_and(|slot| slot.is_whole) {
            // What was asked for has helped.
            self.asked = None;
        }
        let Some(mut slot) = known else { return self.ask(service, name).await };
        if !slots::is_kept(&slot, &standing) {
            if slot.position.take().is_some() {
                slot.is_whole = false;
                slot.trouble = Some(slots::told(&lost(&slot)));
                tracing::warn!(slot = slot.name, "a replication slot was lost; it is made again with a whole refresh");
                slots::write(service, self.key, &slot).await?;
            }
            return self.ask(service, name).await;
        }
        if !slot.is_whole || set.is_none_or(|known| known.set != source.set) {
            return self.ask(service, name).await;
        }
        self.apply(service, (name, source), slot, standing).await
    }

    /// A refresh that was given up keeps its turn for a while: it is let go as soon as its job has ended.
    async fn wait_for_turn(&mut self, service: &Service, wanted: &Wanted) -> Result<Next, Error> {
        let name = wanted.source.as_ref().map_or("", |(name, ..)| name);
        let open = service.jobs().open_of(self.key.0, Asked::KIND).await?;
        let is_of = |parameters: &str| serde_json::from_str::<Asked>(parameters).is_ok_and(|own| own.name() == name);
        if !open.iter().any(|job| is_of(&job.parameters)) {
            service.refreshes().let_go_of(self.key.0, self.key.1);
        }
        Ok(Next::Rest(REST_TURN))
    }

    /// Looks how the server stands. What it cannot tell any more has been missed from here on.
    async fn look(
        &mut self,
        service: &Service,
        source: &Source,
        followed: &Followed,
        known: Option<&Slot>,
    ) -> Result<Standing, Error> {
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let config = service.configuration(self.key.0).await?;
                let opened = service.changes_of(&config, &source.content.connection, followed).await?;
                self.session.insert(opened)
            }
        };
        let error = match session.look().await {
            Ok(standing) => return Ok(standing),
            Err(error) => source_error(error),
        };
        if let Some(slot) = known.filter(|slot| slot.is_whole && error.kind == ErrorKind::Invalid) {
            slots::write(service, self.key, &Slot { is_whole: false, ..slot.clone() }).await?;
        }
        Err(error)
    }

    /// Asks for a refresh. One that goes on already may have begun too early; the next look knows.
    async fn ask(&mut self, service: &Service, name: &str) -> Result<Next, Error> {
        let now = service.now();
        let times = match self.asked {
            Some((at, times)) if at.plus_micros(ASK_MICROS << times.min(ASK_DOUBLED_MAX)) > now => {
                return Ok(Next::Rest(REST));
            }
            Some((_, times)) => times + 1,
            None => 0,
        };
        match service.make_run(self.key.0, &Asked::by_schedule(name), None).await {
            Ok(_) => self.asked = Some((now, times)),
            Err(error) if error.code == Asked::BUSY => {}
            Err(error) => return Err(error),
        }
        Ok(Next::Rest(REST_TURN))
    }

    async fn apply(
        &mut self,
        service: &Service,
        source: (&str, &Source),
        mut slot: Slot,
        standing: Standing,
    ) -> Result<Next, Error> {
        let position = slot.position.unwrap_or_default();
        let Some(session) = &mut self.session else { return Ok(Next::Again) };
        if standing.end.0 <= position {
            return Ok(Next::Rest(REST));
        }
        let Applied { reached, counts, trouble } =
            applying::apply(service, self.key, source, &mut **session, standing.end).await?;
        let Some(reached) = reached else {
            // Nothing is confirmed: what was told comes again behind the refresh.
            self.session = None;
            slot.is_whole = false;
            slot.trouble = trouble.as_ref().map(slots::told);
            slots::write(service, self.key, &slot).await?;
            return self.ask(service, source.0).await;
        };
        let written = counts.changed + counts.evicted;
        let is_idle = written + counts.refused + counts.unchanged == 0 && trouble.is_none();
        if is_idle && !reached.is_more && reached.position.0 - position.min(reached.position.0) < IDLE_BYTES {
            return Ok(Next::Rest(REST));
        }
        slot.position = Some(position.max(reached.position.0));
        slot.applied += written;
        slot.refused += counts.refused;
        slot.last_change_at = if written > 0 { Some(service.now().micros()) } else { slot.last_change_at };
        if let Some(trouble) = &trouble {
            tracing::warn!(code = trouble.code, "changes of a source were held back; a refresh decides");
            slot.is_whole = false;
            slot.trouble = Some(slots::told(trouble));
        }
        // First what is known here, then the slot: one that stands further on than is known has been moved by somebody else.
        slots::write(service, self.key, &slot).await?;
        session.confirm(reached.position).await.map_err(source_error)?;
        Ok(if reached.is_more || trouble.is_some() { Next::Again } else { Next::Rest(REST) })
    }

    /// Takes away a slot that nobody wants any more.
    async fn remove(&mut self, service: &Service, mut slot: Slot) -> Result<Next, Error> {
        self.session = None;
        let config = service.configuration(self.key.0).await?;
        let by_hand = format!("SELECT pg_drop_replication_slot('{}')", slot.name);
        let outcome = slots::remove(service, &config, &slot).await;
        let now = service.now();
        let since = slot.unwanted_since.unwrap_or(now.micros());
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind != ErrorKind::NotFound && now.micros() - since < UNWANTED_MICROS => {
                tracing::warn!(
                    code = error.code,
                    by_hand,
                    "a replication slot could not be taken away; that is tried again"
                );
                slot.unwanted_since = Some(since);
                slots::write(service, self.key, &slot).await?;
                return Err(error);
            }
            Err(error) => {
                tracing::error!(
                    code = error.code,
                    by_hand,
                    "a replication slot could not be taken away and may be left"
                );
            }
        }
        slots::forget(service, self.key).await?;
        service.refreshes().keeper.nudge();
        Ok(Next::Again)
    }
}

fn lost(slot: &Slot) -> Error {
    let message = format!(
        "the replication slot {} is no more, was moved by somebody else, or the table was made anew; what changed meanwhile is brought by a whole \
         refresh, and a slot is made again",
        slot.name
    );
    Error::new(ErrorKind::Conflict, "source_slot_lost", message)
}
