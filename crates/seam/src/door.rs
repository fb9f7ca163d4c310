//! The seam: what a dialect says of itself, and what is done for all of them in one place.
//!
//! A door is a value. The router, the writer of errors, the documents and the quarantine go through [`Doors`], a value as well, and nothing outside a
//! door's folder names one but the list that this is made of. A handler extracts, parses, calls and renders; it sees no shape of errors.

use std::collections::HashMap;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tessera_engine::time::Timestamp;
use tessera_expr::problem::closest;
use tessera_service::error::Error;
use tessera_service::identity_tokens::IdentityTokens;
use tessera_service::verdict::Incoming;

use crate::caller;
use crate::extract::Query;
use crate::quota::Quota;
use crate::route::Route;

/// One dialect's set of paths.
pub struct Door {
    /// Its name: in the quarantine, in metrics, and the default of its dataset.
    pub name: &'static str,
    /// What its paths begin with; none where they share their beginnings with others.
    pub base: &'static [&'static str],
    /// Whether the case of letters in its paths, parameters aside, does not matter.
    pub ignores_case: bool,
    /// Where a key is looked for, in this order.
    pub credentials: &'static [Credential],
    /// How often its paths may be called in a workspace, beside the limits of key and workspace.
    pub quotas: &'static [Quota],
    /// Its paths.
    pub routes: fn() -> Vec<Route>,
    /// How it says no, whoever says it: a handler, an extractor, a limit, or the net below panics.
    pub refuse: fn(&Refusal<'_>) -> Refused,
    /// How it reads again what the quarantine has kept of it; none where it keeps nothing there.
    pub replay: Option<Replay>,
    /// The name of its errors in the documents, and their schema; none for the native shape.
    pub errors: Option<ErrorSchema>,
}

/// The name of a door's errors in the documents, and what makes their schema.
pub(crate) type ErrorSchema = (&'static str, fn() -> Value);

/// Reads again what the quarantine has kept.
pub type Replay = fn(&Kept<'_>) -> Result<Vec<Incoming>, Error>;

/// What the quarantine has kept of something, and what it is read under.
pub struct Kept<'a> {
    /// What was kept.
    pub raw: &'a [u8],
    /// When it was sent.
    pub received_at: Timestamp,
    /// Whose identity tokens are taken.
    pub tokens: &'a IdentityTokens,
    /// Makes an id for what has none.
    pub fresh_id: &'a (dyn Fn() -> String + Sync),
}

/// A place where a key is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The header `Authorization`, as bearer token or as user of `Basic`.
    Authorization,
    /// The header `Authorization` under a scheme of the door's own: its name, a blank, the key.
    Scheme(&'static str),
    /// A header with nothing but the key.
    Header(&'static str),
    /// A parameter of the query. It reaches no log: these name routes, not addresses.
    Query(&'static str),
}

/// Something that is refused, as a door writes it.
pub struct Refusal<'a> {
    /// Why.
    pub error: &'a Error,
    /// The status that it has of its kind.
    pub status: StatusCode,
    /// The id of the request.
    pub request_id: &'a str,
    /// The path that was asked for, as its route spells it where case does not matter.
    pub path: &'a str,
    /// Seconds after which another try makes sense, where one does.
    pub retry_after_secs: Option<u32>,
}

/// What a door makes of it.
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
    /// Headers besides those of its kind.
    pub headers: HeaderMap,
}

impl Door {
    /// Whether a path is this beginning, or stands below it.
    fn is_below(&self, base: &str, path: &str) -> bool {
        let Some((start, rest)) = path.split_at_checked(base.len()) else { return false };
        let is_start = if self.ignores_case { start.eq_ignore_ascii_case(base) } else { start == base };
        is_start && (rest.is_empty() || rest.starts_with('/'))
    }

    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// `key_invalid` for a header that cannot be read.
    pub fn secret(&self, headers: &HeaderMap, query: &Query) -> Result<Option<String>, Error> {
        for credential in self.credentials {
            let found = match credential {
                Credential::Authorization if headers.contains_key(AUTHORIZATION) => {
                    caller::from_header(headers)?.map(|found| found.secret)
                }
                Credential::Authorization => None,
                Credential::Scheme(scheme) => headers
                    .get(AUTHORIZATION)
                    .and_then(|value| value.to_str().ok()?.trim().split_once(' '))
                    .filter(|(own, _)| own.eq_ignore_ascii_case(scheme))
                    .map(|(_, secret)| secret.trim().to_owned()),
                Credential::Header(name) => match headers.get(*name) {
                    None => None,
                    Some(value) => Some(value.to_str().map_err(|_| caller::invalid_in(name))?.trim().to_owned()),
                },
                Credential::Query(name) => query.get(name).map(str::to_owned),
            };
            if let Some(secret) = found.filter(|secret| !secret.is_empty()) {
                return Ok(Some(secret));
            }
        }
        Ok(None)
    }

    /// What to say to a request without a key.
    pub fn missing(&self) -> Error {
        let places = self.credentials.iter().map(|credential| match credential {
            Credential::Authorization => "as bearer token or as basic user name".to_owned(),
            Credential::Scheme(scheme) => format!("in the header authorization behind {scheme} and a blank"),
            Credential::Header(name) => format!("in the header {name}"),
            Credential::Query(name) => format!("as the query parameter {name}"),
        });
        let places: Vec<String> = places.collect();
        let message = format!("the request carries no key: send it {}", places.join(", or "));
        Error { message: message.into(), ..caller::missing() }
    }
}

/// The segments of paths, by how many there are; those with fewer parameters first.
type BySegments = HashMap<usize, Vec<Vec<&'static str>>>;

/// All doors of a server, and where each path leads.
pub struct Doors {
    all: &'static [&'static Door],
    by_route: HashMap<&'static str, &'static Door>,
    /// The paths of each door, by its name.
    paths: HashMap<&'static str, BySegments>,
    /// The paths of the first one.
    natives: Vec<&'static str>,
}

impl Doors {
    /// These doors. The first one answers what is no other's.
    #[must_use]
    pub fn new(all: &'static [&'static Door]) -> Self {
        let (mut by_route, mut paths) = (HashMap::new(), HashMap::new());
        for door in all {
            let mut own = BySegments::new();
            for route in (door.routes)() {
                by_route.insert(route.path, *door);
                let segments: Vec<&str> = route.path.split('/').collect();
                own.entry(segments.len()).or_default().push(segments);
            }
            let parameters = |own: &Vec<&str>| own.iter().filter(|own| own.starts_with('{')).count();
            own.values_mut().for_each(|all| all.sort_by_key(parameters));
            paths.insert(door.name, own);
        }
        let natives = (all[0].routes)().into_iter().map(|route| route.path).collect();
        Self { all, by_route, paths, natives }
    }

    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &'static Door> {
        self.all.iter().copied()
    }

    /// Every route of every door.
    pub fn routes(&self) -> Vec<Route> {
        let of = |door: &'static Door| (door.routes)().into_iter().map(|route| Route { door: door.name, ..route });
        self.all().flat_map(of).collect()
    }

    /// The door of this name.
    pub fn find(&self, name: &str) -> Option<&'static Door> {
        self.all().find(|door| door.name == name)
    }

    /// The door that answers a request: that of the route that it matched, otherwise that whose base its path begins with.
    pub fn of(&self, route: Option<&str>, path: &str) -> &'static Door {
        let by_route = route.and_then(|route| self.by_route.get(route).copied());
        let by_base = || self.all().find(|door| door.base.iter().any(|base| door.is_below(base, path)));
        by_route.or_else(by_base).unwrap_or(self.all[0])
    }

    /// Of a path that is nobody's: none where it stands below another door's beginning, otherwise the path of ours that comes closest to it, if one
    /// comes close.
    pub(crate) fn near(&self, path: &str) -> Option<Option<&'static str>> {
        let native = self.all[0];
        if self.of(None, path).name != native.name {
            return None;
        }
        let given: Vec<&str> = path.split('/').collect();
        // Each part is the same, or misspelt; those with the fewest parameters and the fewest misspelt parts come first.
        let far = |own: &&'static str| {
            let parts = own.split('/').zip(&given);
            let is_long = own.split('/').count() == given.len();
            let (mut parameters, mut misspelt) = (0, 0);
            for (own, given) in parts {
                if own.starts_with('{') && !own.contains("}:") {
                    parameters += 1;
                } else if own != *given {
                    closest(given, [own])?;
                    misspelt += 1;
                }
            }
            (is_long && misspelt > 0).then_some((misspelt, parameters, *own))
        };
        Some(self.natives.iter().filter_map(far).min().map(|(_, _, own)| own))
    }

    /// A path without doubled slashes and without one at its end, and as its route spells it where case does not matter, for doors that have their
    /// paths for themselves; none where it is so already.
    pub fn tidied(&self, path: &str) -> Option<String> {
        let is_untidy = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
        let tidy = is_untidy.then(|| {
            let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
            format!("/{}", segments.join("/"))
        });
        let door = self.of(None, tidy.as_deref().unwrap_or(path));
        if door.base.is_empty() {
            return None;
        }
        let spelled = if door.ignores_case { self.spelled(door, tidy.as_deref().unwrap_or(path)) } else { None };
        spelled.filter(|spelled| spelled != path).or(tidy)
    }

    /// The path as its route at a door spells it; what stands in place of parameters stays as it is.
    fn spelled(&self, door: &Door, path: &str) -> Option<String> {
        let given: Vec<&str> = path.split('/').collect();
        let is_same = |(own, given): (&&str, &&str)| own.starts_with('{') || own.eq_ignore_ascii_case(given);
        let fits = |own: &&Vec<&str>| own.iter().zip(&given).all(is_same);
        let own = self.paths.get(door.name)?.get(&given.len())?.iter().find(fits)?;
        let spelled: Vec<&str> =
            own.iter().zip(&given).map(|(own, given)| if own.starts_with('{') { *given } else { *own }).collect();
        Some(spelled.join("/"))
    }
}

/// Where the native door looks for keys.
pub const NATIVE: &[Credential] = &[Credential::Authorization];
