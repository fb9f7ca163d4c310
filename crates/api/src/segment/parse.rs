//! From a delivery to facts. Pure: time, ids and the key's class are handed in.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tessera_engine::fact::Fact;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Decimal;
use tessera_expr::problem::closest;
use tessera_service::clock::{from_unix_json, parse_timestamp};
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::identity_tokens::IdentityTokens;
use tessera_service::verdict::{Incoming, Note, Rejection};

use super::token::{self, Tokens, Vouched};
use super::wire::{self, Envelope, Item};
use super::{errors, fact};
use tessera_seam::answer::invalid;
use tessera_seam::body;
use tessera_seam::bounds::{BATCH_SHARED_BYTES_MAX, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, ID_CHARS_MAX, PROPERTIES_MAX};
use tessera_seam::kept::{self, Kept, Sender};
use tessera_seam::measure::measure;
use tessera_seam::mend::{Flaw, without_great_numbers};
use tessera_service::members::Members;

/// What is known of a delivery besides its body.
pub(crate) struct Delivery<'a> {
    /// When it came.
    pub(crate) received_at: Timestamp,
    /// The class of its key: what a public key says is less certain.
    pub(crate) class: Class,
    /// The dataset of its key.
    pub(crate) dataset: &'a str,
    /// Who vouches for the user ids that it names.
    pub(crate) tokens: &'a Tokens<'a>,
    /// Makes ids for events that come without one.
    pub(crate) fresh_id: &'a (dyn Fn() -> String + Sync),
}

/// An event with the id that verdicts call it by.
pub(crate) struct Event {
    pub(crate) message_id: Arc<str>,
    pub(crate) incoming: Incoming,
}

/// Device clocks are believed within this; a greater distance between sending and receipt is corrected.
const SKEW_MICROS_MAX: i64 = 10_000_000;
/// How much later than its sending an event may be by the device's clock, which may be set in between.
const SENT_BEFORE_MICROS_MAX: i64 = 3_600_000_000;
/// From here on a skew is asked whether both times are of one clock: 30 days, longer than devices wait with what they have to send.
const FAR_MICROS: i64 = 30 * 86_400_000_000;
/// Members of an event that are told to be misspelt.
const MISSPELT_MAX: usize = 5;

/// Reads a batch.
///
/// # Errors
/// `json_invalid`, `body_invalid`, `utf8_invalid`, `batch_empty`, `batch_too_many`, `batch_too_large`: nothing of it can be used,
/// and nothing of it is kept.
pub(crate) fn batch(body: &[u8], delivery: &Delivery<'_>) -> Result<Vec<Event>, Error> {
    body::delivery(body, |sent| {
        let mut envelope: Envelope<'_> = sent.json()?;
        let items = envelope.batch.take().map(|batch| batch.within("events")).transpose()?.unwrap_or_default();
        if items.is_empty() {
            return Err(invalid("batch_empty", "batch must be a list with at least one event"));
        }
        let (context, token) = envelope.context.map_or((None, None), |context| {
            let (context, token) = token::of_context(context);
            (Some(context), token)
        });
        let envelope = Envelope { context: context.as_deref(), ..envelope };
        let shared = Shared { token: token.as_deref(), ..Shared::of(&envelope)? };
        shared.check_bytes(items.len())?;
        let event = |(index, item): (usize, &&RawValue)| shared.event(item, sent.notes(&items, index), delivery);
        Ok(items.iter().enumerate().map(event).collect())
    })
}

/// Reads one event whose path says its type.
///
/// # Errors
/// `json_invalid`, `body_invalid`, `utf8_invalid`, `event_too_large`.
pub(crate) fn single(body: &[u8], r#type: &str, delivery: &Delivery<'_>) -> Result<Event, Error> {
    let r#type = serde_json::value::to_raw_value(r#type).expect("a text serialises without fail");
    let shared = Shared { r#type: Some(&r#type), ..Shared::default() };
    body::delivery(body, |sent| {
        let item = sent.raw()?;
        // In a batch it would be a verdict beside those of its neighbours; alone, the call has nothing else in it.
        if item.get().len() > EVENT_BYTES_MAX {
            let rejection = errors::event_too_large(item.get().len());
            return Err(invalid(rejection.code, rejection.message));
        }
        Ok(shared.event(item, sent.notes(&[item], 0), delivery))
    })
}

/// Reads what the quarantine kept of a rejected event: a batch of one.
///
/// # Errors
/// As [`batch`].
pub(super) fn replay(
    kept: &[u8],
    received_at: Timestamp,
    rules: &IdentityTokens,
    fresh_id: &(dyn Fn() -> String + Sync),
) -> Result<Vec<Incoming>, Error> {
    let Kept { class, dataset, vouched, delivery } = kept::read(kept)?;
    let tokens = Tokens::of_kept(rules, vouched, received_at);
    let known = Delivery { received_at, class, dataset: &dataset, tokens: &tokens, fresh_id };
    let events = batch(delivery.as_bytes(), &known)?;
    Ok(events.into_iter().map(|event| event.incoming).collect())
}

/// What a batch says for all its events.
#[derive(Default)]
struct Shared<'a> {
    context: Option<(&'a RawValue, Members<'a>)>,
    integrations: Option<(&'a RawValue, Members<'a>)>,
    sent_at: Option<&'a RawValue>,
    r#type: Option<&'a RawValue>,
    /// The token of events that have none of their own.
    token: Option<&'a str>,
    /// Bytes that it adds to each event.
    bytes: usize,
    /// How deep its context is nested: measured once, not for each event.
    context_depth: usize,
}

impl<'a> Shared<'a> {
    fn of(envelope: &Envelope<'a>) -> Result<Self, Error> {
        let object = |value: Option<&'a RawValue>, name: &str| {
            let read = |value: &'a RawValue| Members::parse(value.get()).map(|members| (value, members));
            let members = value.map(read).transpose();
            members.map_err(|_| invalid("body_invalid", format!("{name} must be an object")))
        };
        let bytes = [envelope.context, envelope.integrations].into_iter().flatten().map(|json| json.get().len()).sum();
        Ok(Self {
            bytes,
            context_depth: envelope.context.map_or(0, |json| measure(json.get()).depth),
            context: object(envelope.context, "context")?,
            integrations: object(envelope.integrations, "integrations")?,
            sent_at: envelope.sent_at,
            r#type: envelope.r#type,
            token: None,
        })
    }

    /// Laid under each of 2,500 events, a context of 30 KB would come to 75 MB. One that makes every event too large is laid under
    /// none.
    fn check_bytes(&self, events: usize) -> Result<(), Error> {
        if self.bytes > EVENT_BYTES_MAX || self.bytes.saturating_mul(events) <= BATCH_SHARED_BYTES_MAX {
            return Ok(());
        }
        let message = format!(
            "context and integrations beside batch, laid under each of {events} events, come to more than {BATCH_SHARED_BYTES_MAX} bytes"
        );
        Err(invalid("batch_too_large", message))
    }

    /// An event, of which this was mended.
    fn event(&self, item: &RawValue, mut notes: Vec<Note>, delivery: &Delivery<'_>) -> Event {
        // Nothing that is kept of it holds the token.
        let (item, token) = token::of_event(item);
        let item = &*item;
        let mut vouched = Vouched::NotAsked;
        let bytes = item.get().len() + self.bytes;
        let is_small = bytes <= EVENT_BYTES_MAX;
        let measured = measure(item.get());
        let (id, fact) = if !is_small {
            (None, Err(errors::event_too_large(bytes)))
        } else if measured.depth.max(self.context_depth + 1) > EVENT_DEPTH_MAX {
            (None, Err(errors::event_too_deep()))
        } else {
            match body::object::<Item<'_>>(item.get()) {
                Ok(wire) => {
                    if wire.said() != measured.members {
                        notes.extend(misspelt(item));
                    }
                    let token = token.as_deref().or(self.token);
                    vouched = delivery.tokens.judge(&wire, token, delivery.class);
                    self.read(&wire, vouched, &mut notes, delivery)
                }
                Err(error) => (None, Err(errors::event_invalid(body::form_expected(&error)))),
            }
        };
        let message_id = id.unwrap_or_else(|| (delivery.fresh_id)().into());
        Event { message_id, incoming: Incoming { fact, raw: self.alone(item, is_small, vouched, delivery), notes } }
    }

    /// The event's id, if it has one that can be used, and the fact.
    fn read(
        &self,
        item: &Item<'_>,
        vouched: Vouched,
        notes: &mut Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> (Option<Arc<str>>, Result<Fact, Rejection>) {
        let id: Arc<str> = match wire::text(item.message_id) {
            Ok(None) => (delivery.fresh_id)().into(),
            Ok(Some(id)) if id.chars().count() <= ID_CHARS_MAX => id.as_ref().into(),
            Ok(Some(_)) => return (None, Err(errors::message_id_too_long())),
            Err(_) => return (None, Err(errors::event_invalid("messageId must be a text"))),
        };
        let fact = self.fact(item, Arc::clone(&id), notes, delivery).and_then(|mut fact| {
            delivery.tokens.apply(vouched, item, &mut fact, notes)?;
            Ok(fact)
        });
        (Some(id), fact)
    }

    fn fact(
        &self,
        item: &Item<'_>,
        id: Arc<str>,
        notes: &mut Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> Result<Fact, Rejection> {
        for (value, name) in [(item.properties, "properties"), (item.traits, "traits"), (item.context, "context")] {
            let object = wire::object(value).map_err(|_| errors::event_invalid(format!("{name} must be an object")))?;
            if name != "context" && object.is_some_and(|json| measure(json.get()).members > PROPERTIES_MAX) {
                return Err(errors::properties_too_many(name));
            }
        }
        let context = merged(self.context.as_ref(), item.context);
        let integrations = merged(self.integrations.as_ref(), wire::object(item.integrations).unwrap_or_default());
        let mut bounded = |json: Option<&RawValue>, name| {
            let (json, flaws) = without_great_numbers(json?, name)?;
            notes.extend(flaws.iter().map(Flaw::note));
            Some(json)
        };
        let (properties, traits) = (bounded(item.properties, "properties"), bounded(item.traits, "traits"));
        let context = context.as_deref().or(item.context);
        let bounded_context = bounded(context, "context");
        let integrations = integrations.as_deref().or(item.integrations);
        let bounded_integrations = bounded(integrations, "integrations");
        let time = self.time(item, notes, delivery)?;
        let item = Item {
            properties: properties.as_deref().or(item.properties),
            traits: traits.as_deref().or(item.traits),
            ..*item
        };
        let call = fact::Call {
            item: &item,
            kind: fact::kind(self.r#type.or(item.r#type))?,
            context: bounded_context.as_deref().or(context),
            integrations: bounded_integrations.as_deref().or(integrations),
            class: delivery.class,
            dataset: delivery.dataset,
        };
        call.into_fact(id, time, notes)
    }

    /// When the event happened.
    ///
    /// `timestamp` together with `originalTimestamp` was worked out by somebody before us and stays. One of them alone is of the
    /// device's clock; where that is off, as its `sentAt` shows, the distance from sending to receipt is taken out.
    fn time(
        &self,
        item: &Item<'_>,
        notes: &mut Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> Result<Option<Timestamp>, Rejection> {
        let stated = match (instant(item.timestamp)?, instant(item.original_timestamp)?) {
            (Some(timestamp), Some(_)) => return Ok(Some(timestamp)),
            (timestamp, original) => timestamp.or(original),
        };
        // An unreadable `sentAt` says nothing about the clock, so nothing is corrected.
        let sent_at = instant(item.sent_at.or(self.sent_at)).unwrap_or_default();
        let (Some(stated), Some(sent_at)) = (stated, sent_at) else { return Ok(stated) };
        Ok(Some(match Skew::of(stated, sent_at, delivery.received_at) {
            Skew::Small => stated,
            Skew::Of(micros) => stated.plus_micros(micros),
            Skew::Impossible => {
                let message = "the time of sending is expected, by the clock that timestamp is of; it was ignored";
                let (path, code) = ("sentAt".into(), "sent_at_impossible");
                notes.push(Note::ValueLeftOut { path, code, message: message.into() });
                stated
            }
        }))
    }

    /// The event as a batch of its own, which parses to the same fact: what the quarantine keeps.
    fn alone(&self, item: &RawValue, is_small: bool, vouched: Vouched, delivery: &Delivery<'_>) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Alone<'a> {
            batch: [&'a RawValue; 1],
            #[serde(skip_serializing_if = "Option::is_none")]
            r#type: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            sent_at: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            context: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            integrations: Option<&'a RawValue>,
        }
        // With an event that is too large, what the batch shares is left out: repeated for 2,500 events it could fill the memory.
        let shared =
            |member: &Option<(&'a RawValue, Members<'a>)>| member.as_ref().filter(|_| is_small).map(|(json, _)| *json);
        let alone = Alone {
            batch: [item],
            r#type: self.r#type,
            sent_at: self.sent_at,
            context: shared(&self.context),
            integrations: shared(&self.integrations),
        };
        let (class, dataset, vouched) = (delivery.class, delivery.dataset, vouched == Vouched::Yes);
        kept::write(Sender { class, dataset, vouched }, &alone)
    }
}

/// How far a device's clock is off.
enum Skew {
    /// No more than clocks are.
    Small,
    /// Our clock less the device's, in microseconds.
    Of(i64),
    /// `sentAt` cannot be of the clock that the event's time is of: a constant, or a member that was never filled.
    Impossible,
}

impl Skew {
    fn of(stated: Timestamp, sent_at: Timestamp, received_at: Timestamp) -> Self {
        let skew = received_at.micros().saturating_sub(sent_at.micros());
        let before_sending = sent_at.micros().saturating_sub(stated.micros());
        let before_receipt = received_at.micros().saturating_sub(stated.micros());
        match skew.abs() {
            ..=SKEW_MICROS_MAX => Self::Small,
            // Nothing is sent before it happens.
            _ if before_sending < -SENT_BEFORE_MICROS_MAX => Self::Impossible,
            // A clock that is off by so much is off for both times. Where the event's agrees better with ours, it is right.
            FAR_MICROS.. if before_receipt.abs() < before_sending => Self::Impossible,
            _ => Self::Of(skew),
        }
    }
}

/// What the batch says below what the event says; none where the event's own is all there is.
fn merged(shared: Option<&(&RawValue, Members<'_>)>, own: Option<&RawValue>) -> Option<Box<RawValue>> {
    let (json, members) = shared?;
    let Some(own) = own.and_then(|own| Members::parse(own.get()).ok()) else { return Some((*json).to_owned()) };
    let shared = Members(members.0.clone());
    Some(shared.below(&own).to_raw())
}

/// Members that nobody reads and that are spelled almost as one that is read. SDKs send members of their own, which are like none of them.
fn misspelt(item: &RawValue) -> Vec<Note> {
    let members = Members::parse(item.get()).map(|members| members.0).unwrap_or_default();
    let unknown = members.iter().filter(|(name, _)| !Item::MEMBERS.contains(&name.as_str()));
    let near = unknown.filter_map(|(name, _)| Some((name, closest(name, Item::MEMBERS.iter().copied())?)));
    near.take(MISSPELT_MAX)
        .map(|(name, meant)| {
            let message = format!("no member of an event is called so; did you mean {meant}? It was ignored");
            Note::ValueLeftOut { path: name.as_str().into(), code: "member_unknown", message: message.into() }
        })
        .collect()
}

/// An instant in ISO 8601, or as a number of Unix time.
fn instant(value: Option<&RawValue>) -> Result<Option<Timestamp>, Rejection> {
    let invalid = errors::timestamp_invalid;
    let Some(text) = wire::text(value).map_err(|_| invalid())? else { return Ok(None) };
    let instant = match Decimal::parse(&text) {
        Ok(number) => from_unix_json(number),
        Err(_) => parse_timestamp(&text),
    };
    instant.map(Some).map_err(|_| invalid())
}
