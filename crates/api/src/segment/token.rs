//! Identity tokens of events: taken out of what is sent before anything of it is kept, and what they make of the user id that a
//! public key sends.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::value::RawValue;
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_service::directory::Class;
use tessera_service::identity_tokens::{Fault, IdentityTokens, TokenMode};
use tessera_service::members::Members;
use tessera_service::verdict::{Note, Rejection};

use super::wire::{self, Item};

/// The header that carries the token of all events of a call.
pub(crate) const HEADER: &str = "x-tessera-identity-token";
/// The member of `context` that carries the token of an event, or of a batch.
const MEMBER: &str = "identityToken";
const USER: &str = "user_id";
const ANONYMOUS: &str = "anonymous_id";

/// What is known of the tokens of a delivery.
pub(crate) struct Tokens<'a> {
    rules: &'a IdentityTokens,
    now: Timestamp,
    of_call: Option<&'a str>,
    /// Whether a token had vouched for the user ids when they were kept, without it.
    was_vouched: bool,
    /// Most events of a delivery carry the same one.
    checked: RefCell<HashMap<String, Result<Arc<str>, Fault>>>,
}

impl<'a> Tokens<'a> {
    /// Those of a call.
    pub(crate) fn of_call(rules: &'a IdentityTokens, headers: &'a HeaderMap, now: Timestamp) -> Self {
        let of_call = headers.get(HEADER).and_then(|value| value.to_str().ok()).map(str::trim);
        let of_call = of_call.filter(|token| !token.is_empty());
        Self { rules, now, of_call, was_vouched: false, checked: RefCell::default() }
    }

    /// Those of an event that was kept, of which it is known what came of them.
    pub(crate) fn of_kept(rules: &'a IdentityTokens, was_vouched: bool, now: Timestamp) -> Self {
        Self { rules, now, of_call: None, was_vouched, checked: RefCell::default() }
    }

    /// Whom the token of an event vouches for: its own, that of its batch, or that of the call.
    fn subject(&self, own: Option<&str>) -> Result<Arc<str>, Fault> {
        let token = own.or(self.of_call).ok_or(Fault::Missing)?;
        if let Some(known) = self.checked.borrow().get(token) {
            return known.clone();
        }
        let found = self.rules.verify(token, self.now);
        self.checked.borrow_mut().insert(token.to_owned(), found.clone());
        found
    }

    /// Whether somebody vouches for the user id of an event that a key of this class sent.
    pub(super) fn judge(&self, item: &Item<'_>, own: Option<&str>, class: Class) -> Vouched {
        let user = wire::text(item.user_id).unwrap_or_default();
        if class == Class::Private || self.rules.mode == TokenMode::Off {
            return Vouched::NotAsked;
        }
        match user {
            Some(_) if self.was_vouched => Vouched::Yes,
            Some(user) => match self.subject(own) {
                Ok(subject) if subject.trim() == user.trim() => Vouched::Yes,
                Ok(_) => Vouched::No(Fault::Invalid),
                Err(fault) => Vouched::No(fault),
            },
            None => Vouched::No(Fault::Missing),
        }
    }

    /// Makes of a fact what its token makes of it.
    ///
    /// # Errors
    /// `identity_token_missing`, `identity_token_invalid`, `identity_token_expired`, where a token is required.
    pub(super) fn apply(
        &self,
        vouched: Vouched,
        item: &Item<'_>,
        fact: &mut Fact,
        notes: &mut Vec<Note>,
    ) -> Result<(), Rejection> {
        let is_required = self.rules.mode == TokenMode::Require;
        let user = wire::text(item.user_id).unwrap_or_default();
        match vouched {
            Vouched::NotAsked => {}
            Vouched::Yes => {
                let anonymous = wire::text(item.anonymous_id).unwrap_or_default();
                let is_own = |claim: &Claim| {
                    (&*claim.namespace == USER && Some(&*claim.value) == user.as_deref())
                        || (&*claim.namespace == ANONYMOUS && Some(&*claim.value) == anonymous.as_deref())
                };
                for claim in fact.claims.iter_mut().chain(&mut fact.document).filter(|claim| is_own(claim)) {
                    claim.strength = Strength::Verified;
                }
                if is_required {
                    // Nobody vouches for another user id that it names beside its own.
                    let before = fact.claims.len();
                    fact.claims.retain(|claim| &*claim.namespace != USER || is_own(claim));
                    notes.extend((fact.claims.len()..before).map(|_| ignored(Fault::Invalid)));
                }
            }
            Vouched::No(fault) if is_required => {
                if fact.claims.iter().any(|claim| &*claim.namespace == USER) {
                    return Err(Rejection::new(fault.code(), fault.expected()));
                }
            }
            Vouched::No(Fault::Missing) => {}
            Vouched::No(fault) => notes.push(Note::IdentityUnverified { code: fault.code() }),
        }
        Ok(())
    }
}

fn ignored(fault: Fault) -> Note {
    Note::IdentityIgnored { namespace: USER.into(), code: fault.code() }
}

/// What a token says of the user id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouched {
    /// Nobody asks: a server sends it, or tokens are not looked at.
    NotAsked,
    /// A server vouches for it.
    Yes,
    /// Nobody does; an event without a user id has none to vouch for.
    No(Fault),
}

/// An event without its token, and the token.
pub(super) fn of_event(event: &RawValue) -> (Cow<'_, RawValue>, Option<String>) {
    if !may_hold(event) {
        return (Cow::Borrowed(event), None);
    }
    let Ok(mut members) = Members::parse(event.get()) else { return (Cow::Borrowed(event), None) };
    let (mut stripped, mut token) = (Vec::new(), None);
    for (name, value) in &members.0 {
        let (without, found) = if name == "context" { of_context(value) } else { (Cow::Borrowed(*value), None) };
        token = found.or(token);
        stripped.push(without);
    }
    if stripped.iter().all(|value| matches!(value, Cow::Borrowed(_))) {
        return (Cow::Borrowed(event), token);
    }
    for ((_, value), stripped) in members.0.iter_mut().zip(&stripped) {
        *value = stripped;
    }
    (Cow::Owned(members.to_raw()), token)
}

/// A context without its token, and the token.
pub(super) fn of_context(context: &RawValue) -> (Cow<'_, RawValue>, Option<String>) {
    if !may_hold(context) {
        return (Cow::Borrowed(context), None);
    }
    let Ok(mut members) = Members::parse(context.get()) else { return (Cow::Borrowed(context), None) };
    let Some(json) = members.get(MEMBER) else { return (Cow::Borrowed(context), None) };
    let token = match wire::text(Some(json)) {
        Ok(text) => text.map(Cow::into_owned),
        // What is no text is a token that vouches for nobody.
        Err(_) => Some(String::new()),
    };
    members.0.retain(|(name, _)| name != MEMBER);
    (Cow::Owned(members.to_raw()), token)
}

/// Whether a member of this name may be in it: it may be spelled with escapes as well.
fn may_hold(json: &RawValue) -> bool {
    json.get().contains(MEMBER) || json.get().contains("\\u")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_wherever_they_are_read() {
        let check = |event: &str, expected: &str, token: Option<&str>| {
            let raw: &RawValue = serde_json::from_str(event).expect("JSON");
            let (stripped, found) = of_event(raw);
            assert_eq!((stripped.get(), found.as_deref()), (expected, token), "{event}");
        };
        check(r#"{"a":1}"#, r#"{"a":1}"#, None);
        check(r#"{"context":{"identityToken":"t","ip":"i"},"a":1}"#, r#"{"context":{"ip":"i"},"a":1}"#, Some("t"));
        check(r#"{"cont\u0065xt":{"identity\u0054oken":"t"}}"#, r#"{"context":{}}"#, Some("t"));
        check(r#"{"context":{"identityToken":"a","identityToken":"b"}}"#, r#"{"context":{}}"#, Some("b"));
        check(
            r#"{"context":{"identityToken":"a"},"context":{"identityToken":"b","c":1}}"#,
            r#"{"context":{},"context":{"c":1}}"#,
            Some("b"),
        );
        check(r#"{"context":{"identityToken":{"x":1}}}"#, r#"{"context":{}}"#, Some(""));
        check(r#"{"context":{"identityToken":null}}"#, r#"{"context":{}}"#, None);
        let elsewhere = r#"{"properties":{"identityToken":"t"},"context":[1]}"#;
        check(elsewhere, elsewhere, None);
        check(r#"["identityToken"]"#, r#"["identityToken"]"#, None);
    }
}
