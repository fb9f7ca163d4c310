//! A fact brought into the terms of a configuration: its identities normalised, its owner chosen.

use std::borrow::Cow;
use std::sync::Arc;

use crate::cluster::Source;
use crate::config::{Config, Kind, Namespace};
use crate::fact::{AccountFact, Claim, Class, Fact, Identity, Strength};
use crate::normalise::{Refused, normalise};
use crate::time::Timestamp;
use crate::value::{Path, Value};

/// Why a fact is refused: a stable code, and what was expected and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The code, in `snake_case`.
    pub code: &'static str,
    /// What was expected; no value of a person.
    pub message: Cow<'static, str>,
}

impl Rejection {
    /// A rejection.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// That of a fact of somebody who was erased for good.
    #[must_use]
    pub fn suppressed() -> Self {
        let message = "whose it would be was erased for good; it is expected to be sent no more, or to be let in again";
        Self::new(IDENTITY_SUPPRESSED, message)
    }
}

/// An identity that was left out of a fact, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The namespace as it was named.
    pub namespace: Arc<str>,
    /// `namespace_unknown`, `identity_blocked`, `identity_invalid`, `kind_mismatch`, or `identity_suppressed`.
    pub code: &'static str,
}

/// The code of what names somebody who was erased for good.
pub const IDENTITY_SUPPRESSED: &str = "identity_suppressed";

/// A fact whose identities are normalised and whose owner is chosen.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The fact.
    pub fact: Box<Fact>,
    /// The version of the configuration that this holds under.
    pub config_version: u64,
    /// Where it comes from, as erasures tell sources apart.
    pub source: Source,
    /// By which class of keys it was said.
    pub class: Class,
    /// Whose it is.
    pub owner: Identity,
    /// Its other identities, each with the strength of its link to the owner.
    pub others: Vec<(Identity, Strength)>,
    /// The account it relates its owner to.
    pub account: Option<Identity>,
    /// What was left out.
    pub ignored: Vec<Ignored>,
    /// An estimate of the bytes that it adds to a record.
    pub bytes: usize,
}

/// A document is written whole by private keys, so it names all that it has gathered: so many times the identities of another fact.
pub const DOCUMENT_TIMES: usize = 8;

/// Applies the rules of the namespaces: refuses what can have no owner, leaves out what identifies nobody.
///
/// # Errors
/// A [`Rejection`]: `identity_missing`, `identity_unusable`, `too_many_identities`, `too_many_attributes`, `time_in_future`.
pub fn prepare(fact: Box<Fact>, received_at: Timestamp, config: &Config) -> Result<Prepared, Rejection> {
    check_bounds(&fact, received_at, config)?;
    let mut ignored = Vec::new();
    let mut read = |claim: &Claim, kind: Option<Kind>| match read_claim(claim, kind, config) {
        Ok(identity) => Some(identity),
        Err(code) => {
            ignored.push(Ignored { namespace: claim.namespace.clone(), code });
            None
        }
    };
    let kind = if fact.account.is_some() { Some(Kind::Person) } else { kind_of_claims(&fact, config) };
    let document = fact.document.as_ref().and_then(|claim| Some((read(claim, kind)?, claim.strength)));
    let mut others: Vec<(Identity, Strength)> = Vec::with_capacity(fact.claims.len());
    for claim in &fact.claims {
        let Some(identity) = read(claim, kind) else { continue };
        match others.iter_mut().find(|(own, _)| *own == identity) {
            Some((_, strength)) => *strength = claim.strength.max(*strength),
            None => others.push((identity, claim.strength)),
        }
    }
    let account = fact.account.as_ref().and_then(|AccountFact { claim, .. }| read(claim, Some(Kind::Account)));
    if fact.account.is_some() && account.is_none() {
        return Err(Rejection::new("identity_unusable", "the account's identity is blocked or malformed"));
    }
    let Some((owner, strength)) = choose_owner(document, &mut others, config) else {
        return Err(no_owner(&ignored));
    };
    for (_, own) in &mut others {
        *own = strength.min(*own);
    }
    let bytes = size_of(&fact, &others, account.as_ref());
    let source = config.sweeps().source(fact.dataset.clone(), fact.batch.clone());
    let class = fact.claims.iter().chain(&fact.document).map(|claim| claim.strength.class()).max();
    let class = class.unwrap_or(Class::Public);
    Ok(Prepared { fact, config_version: config.version(), source, class, owner, others, account, ignored, bytes })
}

impl Prepared {
    /// The identities of people that it names, its owner first.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.owner).chain(self.others.iter().map(|(identity, _)| identity))
    }

    /// This fact, which says of these paths as well that nothing stands there.
    #[must_use]
    pub(crate) fn removing(&self, paths: Vec<Path>) -> Self {
        let mut removing = self.clone();
        removing.bytes += paths.iter().map(|path| 40 + path.as_str().len()).sum::<usize>();
        removing.fact.attributes.extend(paths.into_iter().map(|path| (path, Value::Null)));
        removing
    }

    /// This fact without identities that are suppressed, and with a note of each. They are not its owner's.
    #[must_use]
    pub fn without(&self, suppressed: &[Identity], config: &Config) -> Self {
        let mut without = self.clone();
        without.others.retain(|(identity, _)| !suppressed.contains(identity));
        if without.account.as_ref().is_some_and(|account| suppressed.contains(account)) {
            (without.account, without.fact.account) = (None, None);
        }
        let name = |identity: &Identity| config.find(identity.namespace).map_or("", |own| own.name.as_str());
        let notes = suppressed.iter().map(|own| Ignored { namespace: name(own).into(), code: IDENTITY_SUPPRESSED });
        without.ignored.extend(notes);
        without
    }
}

fn check_bounds(fact: &Fact, received_at: Timestamp, config: &Config) -> Result<(), Rejection> {
    let limits = config.limits();
    if fact.claims.is_empty() && fact.document.is_none() {
        return Err(Rejection::new("identity_missing", "at least one identity is expected"));
    }
    let is_whole = fact.document.as_ref().is_some_and(|own| own.strength.class() == Class::Private);
    let identities_max = limits.fact_identities_max * if is_whole { DOCUMENT_TIMES } else { 1 };
    if fact.claims.len() > identities_max {
        let message = format!("at most {identities_max} identities are expected in one fact");
        return Err(Rejection::new("too_many_identities", message));
    }
    let account = fact.account.as_ref().map_or(0, |account| account.attributes.len());
    if fact.attributes.len().max(account) > limits.fact_attributes_max {
        let message = format!("at most {} attributes are expected in one fact", limits.fact_attributes_max);
        return Err(Rejection::new("too_many_attributes", message));
    }
    if fact.time.is_some_and(|time| time > received_at.plus_micros(limits.future_micros_max)) {
        let message = "the time lies further in the future of its receipt than is allowed";
        return Err(Rejection::new("time_in_future", message));
    }
    Ok(())
}

/// That of the document where there is one. Otherwise accounts own facts only where nothing names a person.
fn kind_of_claims(fact: &Fact, config: &Config) -> Option<Kind> {
    let kind = |claim: &Claim| config.by_name(&claim.namespace).map(|namespace| namespace.kind);
    let mut kinds = fact.claims.iter().filter_map(kind);
    fact.document.as_ref().and_then(kind).or_else(|| {
        let first = kinds.next()?;
        Some(if kinds.any(|kind| kind == Kind::Person) { Kind::Person } else { first })
    })
}

fn read_claim(claim: &Claim, kind: Option<Kind>, config: &Config) -> Result<Identity, &'static str> {
    let namespace: &Namespace = config.by_name(&claim.namespace).ok_or("namespace_unknown")?;
    if kind.is_some_and(|kind| kind != namespace.kind) {
        return Err("kind_mismatch");
    }
    // What was lost of it may be what told it apart from another.
    if claim.value.contains(char::REPLACEMENT_CHARACTER) {
        return Err("identity_invalid");
    }
    match normalise(namespace, &claim.value) {
        Ok(value) => Ok(Identity { namespace: namespace.id, value }),
        Err(Refused::Blocked) => Err("identity_blocked"),
        Err(_) => Err("identity_invalid"),
    }
}

/// The document where there is one, otherwise the identity of the highest priority; ties go to the smallest bytes.
fn choose_owner(
    document: Option<(Identity, Strength)>,
    others: &mut Vec<(Identity, Strength)>,
    config: &Config,
) -> Option<(Identity, Strength)> {
    if let Some(document) = document {
        others.retain(|(identity, _)| *identity != document.0);
        return Some(document);
    }
    let rank = |identity: &Identity| (std::cmp::Reverse(config.priority(identity.namespace)), identity.clone());
    let at = (0..others.len()).min_by_key(|at| rank(&others[*at].0))?;
    Some(others.remove(at))
}

fn no_owner(ignored: &[Ignored]) -> Rejection {
    let reasons: Vec<String> = ignored.iter().map(|one| format!("{}: {}", one.namespace, one.code)).collect();
    Rejection::new("identity_unusable", format!("no identity of it can own a fact ({})", reasons.join(", ")))
}

fn size_of(fact: &Fact, others: &[(Identity, Strength)], account: Option<&Identity>) -> usize {
    let attributes = fact.account.iter().flat_map(|account| &account.attributes).chain(&fact.attributes);
    256 + attributes.map(|(path, value)| 40 + path.as_str().len() + value.size_bytes()).sum::<usize>()
        + others.iter().map(|(identity, _)| identity).chain(account).map(|one| 160 + one.value.len()).sum::<usize>()
}
