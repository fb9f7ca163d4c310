//! The seam: what a dialect says of itself, and what is done for all of them in one place.
//!
//! A door is a value. The router, the writer of errors, the documents and the quarantine go through [`DOORS`], and nothing outside a door's
//! folder names one. A handler extracts, parses, calls and renders; it sees no shape of errors.

use std::collections::HashMap;
use std::sync::LazyLock;

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
use crate::route::{Access, Route};
use crate::{admin, adobe, dfinery, jobs, native, operation, optimizely, regulations, segment, segment_profiles, wyng};

/// One dialect's set of paths.
pub(crate) struct Door {
    /// Its name: in the quarantine, in metrics, and the default of its dataset.
    pub(crate) name: &'static str,
    /// What its paths begin with; none where they share their beginnings with others.
    pub(crate) base: &'static [&'static str],
    /// Whether the case of letters in its paths, parameters aside, does not matter.
    pub(crate) ignores_case: bool,
    /// Where a key is looked for, in this order.
    pub(crate) credentials: &'static [Credential],
    /// How often its paths may be called in a workspace, beside the limits of key and workspace.
    pub(crate) quotas: &'static [Quota],
    /// Its paths.
    pub(crate) routes: fn() -> Vec<Route>,
    /// How it says no, whoever says it: a handler, an extractor, a limit, or the net below panics.
    pub(crate) refuse: fn(&Refusal<'_>) -> Refused,
    /// How it reads again what the quarantine has kept of it; none where it keeps nothing there.
    pub(crate) replay: Option<Replay>,
    /// The name of its errors in the documents, and their schema; none for the native shape.
    pub(crate) errors: Option<ErrorSchema>,
}

/// The name of a door's errors in the documents, and what makes their schema.
pub(crate) type ErrorSchema = (&'static str, fn() -> Value);

/// Reads again what the quarantine has kept.
pub(crate) type Replay = fn(&Kept<'_>) -> Result<Vec<Incoming>, Error>;

/// What the quarantine has kept of something, and what it is read under.
pub(crate) struct Kept<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) received_at: Timestamp,
    pub(crate) tokens: &'a IdentityTokens,
    pub(crate) fresh_id: &'a (dyn Fn() -> String + Sync),
}

/// A place where a key is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
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
pub(crate) struct Refusal<'a> {
    pub(crate) error: &'a Error,
    /// The status that it has of its kind.
    pub(crate) status: StatusCode,
    pub(crate) request_id: &'a str,
    /// The path that was asked for, as its route spells it where case does not matter.
    pub(crate) path: &'a str,
    /// Seconds after which another try makes sense, where one does.
    pub(crate) retry_after_secs: Option<u32>,
}

/// What a door makes of it.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: HeaderMap,
}

/// All doors. The first one answers what is no other's.
pub(crate) static DOORS: [&Door; 9] = [
    &native::DOOR,
    &segment::DOOR,
    &segment_profiles::DOOR,
    &regulations::DOOR,
    &wyng::DOOR,
    &optimizely::DOOR,
    &dfinery::IMPORT,
    &dfinery::EXPORT,
    &adobe::DOOR,
];

/// Every route of every door.
pub(crate) fn routes() -> Vec<Route> {
    let of = |door: &'static Door| (door.routes)().into_iter().map(|route| Route { door: door.name, ..route });
    DOORS.into_iter().flat_map(of).collect()
}

/// Those of the native door that stand in folders of their own.
pub(crate) fn native_routes() -> Vec<Route> {
    let own = [native::routes(), jobs::routes(), admin::routes(), operation::routes().into()].into_iter().flatten();
    // A parameter that is misspelt would have a read answer another question. What anybody may ask is asked by monitors with what they like.
    let strict = |route: Route| if let Access::Open = route.access { route } else { route.known_parameters_only() };
    own.map(strict).collect()
}

/// The door of this name.
pub(crate) fn find(name: &str) -> Option<&'static Door> {
    DOORS.into_iter().find(|door| door.name == name)
}

/// The door that answers a request: that of the route that it matched, otherwise that whose base its path begins with.
pub(crate) fn of(route: Option<&str>, path: &str) -> &'static Door {
    static BY_ROUTE: LazyLock<HashMap<&'static str, &'static str>> =
        LazyLock::new(|| routes().into_iter().map(|route| (route.path, route.door)).collect());
    let by_route = route.and_then(|route| BY_ROUTE.get(route)).and_then(|name| find(name));
    let by_base = || DOORS.into_iter().find(|door| door.base.iter().any(|base| door.is_below(base, path)));
    by_route.or_else(by_base).unwrap_or(DOORS[0])
}

/// Of a path that is nobody's: none where it stands below another door's beginning, otherwise the path of ours that comes closest to it, if one comes close.
pub(crate) fn near(path: &str) -> Option<Option<&'static str>> {
    static OURS: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| (DOORS[0].routes)().into_iter().map(|route| route.path).collect());
    if of(None, path).name != DOORS[0].name {
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
    Some(OURS.iter().filter_map(far).min().map(|(_, _, own)| own))
}

impl Door {
    /// Whether a path is this beginning, or stands below it.
    fn is_below(&self, base: &str, path: &str) -> bool {
        let Some((start, rest)) = path.split_at_checked(base.len()) else { return false };
        let is_start = if self.ignores_case { start.eq_ignore_ascii_case(base) } else { start == base };
        is_start && (rest.is_empty() || rest.starts_with('/'))
    }

    /// The path as its route spells it; what stands in place of parameters stays as it is.
    fn spelled(&self, path: &str) -> Option<String> {
        let given: Vec<&str> = path.split('/').collect();
        let is_same = |(own, given): (&&str, &&str)| own.starts_with('{') || own.eq_ignore_ascii_case(given);
        let fits = |own: &&Vec<&str>| own.iter().zip(&given).all(is_same);
        let own = paths(self.name, given.len()).iter().find(fits)?;
        let spelled: Vec<&str> =
            own.iter().zip(&given).map(|(own, given)| if own.starts_with('{') { *given } else { *own }).collect();
        Some(spelled.join("/"))
    }

    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// `key_invalid` for a header that cannot be read.
    pub(crate) fn secret(&self, headers: &HeaderMap, query: &Query) -> Result<Option<String>, Error> {
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
    pub(crate) fn missing(&self) -> Error {
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

/// The segments of the paths of a door that have so many, those with fewer parameters first.
fn paths(door: &str, segments: usize) -> &'static [Vec<&'static str>] {
    type BySegments = HashMap<usize, Vec<Vec<&'static str>>>;
    static PATHS: LazyLock<HashMap<&'static str, BySegments>> = LazyLock::new(|| {
        let of = |door: &&Door| {
            let mut paths = BySegments::new();
            for route in (door.routes)() {
                let own: Vec<&str> = route.path.split('/').collect();
                paths.entry(own.len()).or_default().push(own);
            }
            let parameters = |own: &Vec<&str>| own.iter().filter(|own| own.starts_with('{')).count();
            paths.values_mut().for_each(|all| all.sort_by_key(parameters));
            (door.name, paths)
        };
        DOORS.iter().map(of).collect()
    });
    PATHS.get(door).and_then(|paths| paths.get(&segments)).map_or(&[], Vec::as_slice)
}

/// A path without doubled slashes and without one at its end, and as its route spells it where case does not matter, for doors that have their
/// paths for themselves; none where it is so already.
pub(crate) fn tidied(path: &str) -> Option<String> {
    let is_untidy = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    let tidy = is_untidy.then(|| {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        format!("/{}", segments.join("/"))
    });
    let door = of(None, tidy.as_deref().unwrap_or(path));
    if door.base.is_empty() {
        return None;
    }
    let spelled = if door.ignores_case { door.spelled(tidy.as_deref().unwrap_or(path)) } else { None };
    spelled.filter(|spelled| spelled != path).or(tidy)
}

/// Where the native door looks for keys.
pub(crate) const NATIVE: &[Credential] = &[Credential::Authorization];

#[cfg(test)]
mod tests;
