//! Which field of an event is which identity, attribute and event of ours.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;
use tessera_engine::fact::{AccountFact, Call as Entry, Claim, EventKind, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_service::content;
use tessera_service::directory::Class;
use tessera_service::verdict::{Note, Rejection};

use super::errors;
use super::wire::{self, Contact, Context, ExternalId, Item};
use tessera_seam::attributes;
use tessera_seam::bounds::{EXTERNAL_IDS_MAX, GROUP_ID_CHARS_MAX};
use tessera_service::members::Members;
use tessera_service::payload::Payload;

/// An event whose parts are known to have the right types.
pub(super) struct Call<'a> {
    pub(super) item: &'a Item<'a>,
    pub(super) kind: EventKind,
    pub(super) context: Option<&'a RawValue>,
    pub(super) integrations: Option<&'a RawValue>,
    pub(super) class: Class,
    pub(super) dataset: &'a str,
}

/// Reads the type of an event.
pub(super) fn kind(r#type: Option<&RawValue>) -> Result<EventKind, Rejection> {
    let name = wire::text(r#type).unwrap_or_default().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "track" => Ok(EventKind::Action),
        "page" => Ok(EventKind::PageView),
        "screen" => Ok(EventKind::ScreenView),
        "identify" => Ok(EventKind::Description),
        "group" => Ok(EventKind::Affiliation),
        "alias" => Ok(EventKind::SamePerson),
        _ => Err(errors::type_unknown()),
    }
}

impl<'a> Call<'a> {
    /// The fact. What of it is left out on the way is noted.
    pub(super) fn into_fact(
        self,
        id: Arc<str>,
        time: Option<Timestamp>,
        notes: &mut Vec<Note>,
    ) -> Result<Fact, Rejection> {
        let context = self.context.map(|json| serde_json::from_str(json.get())).transpose();
        let context: Context<'_> =
            context.map_err(|_| errors::event_invalid("context must be an object"))?.unwrap_or_default();
        let name = self.name()?;
        let mut claims = self.ids()?;
        self.contact_claims(&context, &mut claims);
        let mut account = self.group(notes)?;
        self.external_claims(&context, &mut claims, &mut account);
        let mut fact = Fact {
            id,
            dataset: self.dataset.into(),
            batch: None,
            time,
            document: self.named_owner(&claims),
            claims,
            attributes: self.attributes(&context, notes)?,
            account,
            call: Some(Entry { kind: self.kind, name, payload: self.payload()?.into() }),
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        };
        fact.content = Some(content::of(&fact, self.stated_time().as_deref()));
        Ok(fact)
    }

    /// When it happened as its sender says it, before anything is made of that.
    fn stated_time(&self) -> Option<Cow<'a, str>> {
        let said = self.item.original_timestamp.or(self.item.timestamp);
        wire::text(said).unwrap_or_default()
    }

    /// An alias belongs to the id that holds from now on, which stands first; the former one may sort before it.
    fn named_owner(&self, claims: &[Claim]) -> Option<Claim> {
        if self.kind == EventKind::SamePerson { claims.first().cloned() } else { None }
    }

    /// How strongly the ids of a call are linked: everyone can send anything with a public key.
    fn strength(&self) -> Strength {
        match self.class {
            Class::Private => Strength::Verified,
            Class::Public => Strength::Observed,
        }
    }

    /// How strongly what the call says besides its ids is linked: what traits tell.
    fn told(&self) -> Strength {
        match self.class {
            Class::Private => Strength::Stated,
            Class::Public => Strength::Claimed,
        }
    }

    /// External ids are a server's word like the ids of its calls; with a public key they are as good as a trait.
    fn external(&self) -> Strength {
        match self.class {
            Class::Private => Strength::Verified,
            Class::Public => Strength::Claimed,
        }
    }

    fn name(&self) -> Result<Option<Arc<str>>, Rejection> {
        match self.kind {
            EventKind::Action => match text(self.item.event, "event")? {
                Some(name) => Ok(Some(name.trim().into())),
                None => Err(errors::event_missing()),
            },
            EventKind::PageView => Ok(Some("Page Viewed".into())),
            EventKind::ScreenView => Ok(Some("Screen Viewed".into())),
            EventKind::Description | EventKind::Affiliation | EventKind::SamePerson => Ok(None),
        }
    }

    /// The ids that the call itself names.
    fn ids(&self) -> Result<Vec<Claim>, Rejection> {
        let user = text(self.item.user_id, "userId")?;
        let anonymous = text(self.item.anonymous_id, "anonymousId")?;
        if user.is_none() && anonymous.is_none() {
            return Err(errors::no_user_anon_id());
        }
        let is_alias = self.kind == EventKind::SamePerson;
        // A server key that sends an alias says that both ids are one person's; anybody could say so with a public one.
        let (strength, former) = match (is_alias, self.class) {
            (true, Class::Private) => (Strength::Joined, Strength::Joined),
            (_, Class::Private | Class::Public) => (self.strength(), self.told()),
        };
        let mut claims = Vec::with_capacity(4);
        push(&mut claims, "user_id", user.as_deref(), strength);
        push(&mut claims, "anonymous_id", anonymous.as_deref(), self.strength());
        if is_alias {
            let previous = text(self.item.previous_id, "previousId")?.ok_or_else(errors::previous_id_missing)?;
            if user.is_none() {
                return Err(errors::user_id_missing());
            }
            // The wire does not say whether `previousId` was a user's id or an anonymous one: SDKs send either. Only when it
            // is the call's own `anonymousId` is it known to be that.
            if anonymous.as_deref() != Some(&*previous) {
                push(&mut claims, "user_id", Some(&previous), former);
            }
            push(&mut claims, "anonymous_id", Some(&previous), former);
        }
        Ok(claims)
    }

    /// E-mail and phone, where traits tell them. The traits of a `group` call describe the account, not the person.
    fn contact_claims(&self, context: &Context<'_>, claims: &mut Vec<Claim>) {
        let own = self.item.traits.filter(|_| self.kind != EventKind::Affiliation);
        for traits in [own, context.traits].into_iter().flatten() {
            // Traits of the wrong type say nothing here; `attributes` refuses them where they matter.
            let contact: Contact<'_> = serde_json::from_str(traits.get()).unwrap_or_default();
            for (namespace, value) in [("email", contact.email), ("phone", contact.phone)] {
                let value = wire::text(value).unwrap_or_default();
                push(claims, namespace, value.as_deref(), self.told());
            }
        }
    }

    /// `context.externalIds`. A fact relates its owner to one account: that of the `group` call, or else the first one here.
    fn external_claims(&self, context: &Context<'_>, claims: &mut Vec<Claim>, account: &mut Option<AccountFact>) {
        let Some(json) = context.external_ids else { return };
        let items: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
        for item in items.into_iter().take(EXTERNAL_IDS_MAX) {
            let Ok(item) = serde_json::from_str::<ExternalId<'_>>(item.get()) else { continue };
            let read = |value| wire::text(value).unwrap_or_default();
            let (Some(namespace), Some(value)) = (read(item.r#type), read(item.id)) else { continue };
            if read(item.encoding).is_some_and(|encoding| encoding != "none") {
                continue;
            }
            if read(item.collection).as_deref() == Some("accounts") {
                account.get_or_insert_with(|| AccountFact {
                    claim: claim(&namespace, &value, self.external()),
                    attributes: Vec::new(),
                });
            } else {
                push(claims, &namespace, Some(&value), self.external());
            }
        }
    }

    fn group(&self, notes: &mut Vec<Note>) -> Result<Option<AccountFact>, Rejection> {
        if self.kind != EventKind::Affiliation {
            return Ok(None);
        }
        let id = text(self.item.group_id, "groupId")?.ok_or_else(errors::group_id_missing)?;
        if id.chars().count() > GROUP_ID_CHARS_MAX {
            return Err(errors::group_id_too_long());
        }
        let attributes = self.item.traits.map(|traits| attributes::read(traits.get(), notes)).transpose()?;
        Ok(Some(AccountFact {
            claim: claim("group_id", &id, self.strength()),
            attributes: attributes.unwrap_or_default(),
        }))
    }

    /// The traits of an `identify` call. Its `context.traits` count too, below its own: RudderStack's browser SDK sends them only
    /// there. On other calls `context.traits` are a device's memory of an earlier `identify`; taken as attributes they would be
    /// stamped with the time of each event, and win over what was said since.
    fn attributes(&self, context: &Context<'a>, notes: &mut Vec<Note>) -> Result<attributes::List, Rejection> {
        if self.kind != EventKind::Description {
            return Ok(Vec::new());
        }
        match (context.traits, self.item.traits) {
            (None, None) => Ok(Vec::new()),
            (Some(traits), None) | (None, Some(traits)) => attributes::read(traits.get(), notes),
            (Some(lower), Some(upper)) => {
                let no_object = |_| errors::event_invalid("traits must be an object");
                let lower = Members::parse(lower.get()).map_err(no_object)?;
                let upper = Members::parse(upper.get()).map_err(no_object)?;
                attributes::read(lower.below(&upper).to_raw().get(), notes)
            }
        }
    }

    fn payload(&self) -> Result<Vec<u8>, Rejection> {
        let named = self.named_properties()?;
        let payload = Payload {
            properties: named.as_deref().or(self.item.properties),
            traits: self.item.traits,
            context: self.context,
            integrations: self.integrations,
            ..Payload::default()
        };
        Ok(tessera_seam::answer::to_json(&payload))
    }

    /// The properties of a page or a screen that has a name or a category: these are properties too.
    fn named_properties(&self) -> Result<Option<Box<RawValue>>, Rejection> {
        match self.kind {
            EventKind::Action | EventKind::Description | EventKind::Affiliation | EventKind::SamePerson => {
                return Ok(None);
            }
            EventKind::PageView | EventKind::ScreenView => {}
        }
        let named = [("name", self.item.name), ("category", self.item.category)];
        let named: Vec<_> = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let own = Members::parse(self.item.properties.map_or("{}", RawValue::get));
        let own = own.map_err(|_| errors::event_invalid("properties must be an object"))?;
        Ok(Some(Members(named).below(&own).to_raw()))
    }
}

fn text<'a>(value: Option<&'a RawValue>, name: &str) -> Result<Option<Cow<'a, str>>, Rejection> {
    wire::text(value).map_err(|_| errors::event_invalid(format!("{name} must be a text")))
}

fn claim(namespace: &str, value: &str, strength: Strength) -> Claim {
    Claim { namespace: namespace.into(), value: value.into(), strength }
}

/// Adds a claim, once: of two equal ones the stronger stays.
fn push(claims: &mut Vec<Claim>, namespace: &str, value: Option<&str>, strength: Strength) {
    let Some(value) = value else { return };
    match claims.iter_mut().find(|known| &*known.namespace == namespace && &*known.value == value) {
        Some(known) => known.strength = known.strength.max(strength),
        None => claims.push(claim(namespace, value, strength)),
    }
}
