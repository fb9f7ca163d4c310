//! Profiles by what they are: filtered, sorted, counted, page by page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tessera_engine::config::Kind;
use tessera_engine::value::Path;
use tessera_expr::calendar::Zone;
use tessera_expr::rule::{Purpose, Rule};
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{PAGE_BYTES, PROFILES_DEFAULT};
use tessera_seam::extract::Query;
use tessera_seam::route::{Route, Tag};
use tessera_service::Fields;
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::queries::{PROFILES_MAX, ProfilePage, ProfileQuery, Sorting, Undecided, WINDOW_MAX, sorted_by};
use utoipa::ToSchema;

use super::profiles::{READ, fields_parameter, policy_parameter, relevance_parameter};
use super::{parse, render, rules};

/// A page of profiles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProfilePage)]
struct Found<'a> {
    /// Each as a read shows it.
    #[schema(value_type = Vec<Object>)]
    profiles: Vec<&'a RawValue>,
    /// How many there are in all; null unless `count=true` asks for it.
    total: Option<u64>,
    /// For how many of the profiles that were looked at the filter gives no answer, and why. They are not among `profiles` and not in
    /// `total`. Left out where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<Unanswered>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// For how many profiles a filter gives no answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UndecidedProfiles)]
struct Unanswered {
    /// An aggregate of it holds more values than it may.
    overflowed: u64,
    /// It takes more steps than it may, or looks through more bytes of events.
    over_budget: u64,
    /// It speaks of more events than rules look at.
    truncated: u64,
}

pub(super) fn routes() -> Vec<Route> {
    let text = json!({ "type": "string" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": PROFILES_MAX, "default": PROFILES_DEFAULT });
    let skip = json!({ "type": "integer", "minimum": 0, "maximum": WINDOW_MAX, "default": 0 });
    let found = json!({
        "profiles": [{
            "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "email": "lena@mail.example", "city": "Lyon", "orders_count": 7,
            "_audiences": { "newsletter_fans": true }, "_updated_at": "2026-09-01T08:15:00Z"
        }],
        "total": 421, "next_cursor": null
    });
    let route = Route::new(Method::GET, "/v1/profiles", READ, get(find), Tag::Profiles, "Finds profiles")
        .describe(
            "All profiles for which a filter holds, sorted. A filter that says which identity it wants (`email = \"…\"`, `user_id in [\"…\"]`, \
             alone or as a part that has to hold) is answered by looking these up: then what is only an attribute of that name is not found. \
             Any other looks at all profiles of the workspace, as of one instant: one call at a time, others wait for a moment \
             (`query_busy`), within 5 seconds (`query_timeout`). Without `order_by` profiles come in the order in which they are kept, and a \
             page ends as soon as it is full. With `order_by`: false, true, numbers, texts (by their first 256 bytes), instants; what has no \
             value, or a list or an object, last; then by id. A page ends when it has `limit` profiles or 4 MiB.",
        )
        .query(
            "filter",
            "A condition in PQL, as of a segment. All profiles where it is left out.",
            json!({ "type": "string", "example": "city = \"Lyon\" and orders_count >= 2" }),
        )
        .query(
            "order_by",
            "Up to 3 attributes, identifiers or computed attributes, separated by commas; ` desc` behind one has the greatest first.",
            json!({ "type": "string", "example": "orders_count desc,city" }),
        )
        .query("limit", "How many.", limit)
        .query("skip", "How many of the first to leave out; with `limit` at most 10,000. Not with a `cursor`.", skip)
        .query("cursor", "`next_cursor` of the page before; with the same `filter`, `order_by`, `of`, `time_zone` and `merge_policy`.", text)
        .query("count", "Whether to tell how many there are in all.", json!({ "type": "boolean", "default": false }))
        .query("of", "Whether people or accounts.", json!({ "type": "string", "enum": ["people", "accounts"], "default": "people" }))
        .query("time_zone", "Where the days of the filter begin; UTC where it is left out.", json!({ "type": "string", "example": "Europe/Paris" }))
        .known_parameters_only()
        .audited(Action::Read)
        .answer::<Found<'_>>(200, "A page of profiles.", found);
    vec![relevance_parameter(policy_parameter(fields_parameter(route)))]
}

async fn find(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut entered = app.enter(&headers, Permission::Read)?;
    let asked = asked(&app, &entered, &query).await?;
    // What is rendered, and the answer that is made of it.
    entered.reserve(&app, 2 * PAGE_BYTES).await?;
    let page = app.service.profiles_where(entered.workspace, &asked).await?;
    let ProfilePage { profiles, total, undecided, next_cursor } = &page;
    let profiles = profiles.iter().map(|own| render::shared(&own.json)).collect::<Result<_, _>>()?;
    let Undecided { overflowed, over_budget, truncated } = *undecided;
    let unanswered = Unanswered { overflowed, over_budget, truncated };
    let undecided = (!undecided.is_empty()).then_some(unanswered);
    let found = Found { profiles, total: *total, undecided, next_cursor: next_cursor.clone() };
    Ok(entered.answer(json_answer(&found)))
}

async fn asked(app: &App, entered: &Entered, query: &Query) -> Result<ProfileQuery, Error> {
    let visibility = entered.visibility();
    let fields = parse::fields(query.get("fields"), visibility)?;
    let unknown = || invalid("time_zone_unknown", "time_zone is expected to be a name such as Europe/Paris, or UTC");
    let filter = match query.get("filter") {
        None => None,
        Some(text) => {
            let spelled = rules::Spelled::Pql(text.to_owned());
            let model = app.service.rule_model(entered.workspace, visibility).await?;
            let compiled = rules::compile(&spelled, Purpose::Condition, &model);
            Some(Arc::new(compiled.map_err(|problem| rules::refused(&problem, &spelled))?.0))
        }
    };
    Ok(ProfileQuery {
        filter,
        zone: Zone::named(query.get("time_zone").unwrap_or("UTC")).ok_or_else(unknown)?,
        of: of(query.get("of"))?,
        order_by: query
            .get("order_by")
            .map_or(Ok(Vec::new()), order_by)?
            .iter()
            .map(sorted)
            .collect::<Result<_, _>>()?,
        skip: skip(query.get("skip"))?,
        top: query.limit(PROFILES_DEFAULT, PROFILES_MAX)?,
        cursor: query.get("cursor").map(str::to_owned),
        fields: Fields { relevance: parse::relevance(query.get("relevance"))?, ..fields },
        policy: query.get("merge_policy").map(str::to_owned),
        count: query.flag("count")?,
    })
}

fn of(name: Option<&str>) -> Result<Kind, Error> {
    match name {
        None | Some("people") => Ok(Kind::Person),
        Some("accounts") => Ok(Kind::Account),
        Some(_) => Err(invalid("query_invalid", "of must be people or accounts")),
    }
}

pub(super) fn skip(text: Option<&str>) -> Result<usize, Error> {
    let invalid = |_| invalid("skip_invalid", format!("skip must be a whole number from 0 to {WINDOW_MAX}"));
    text.map_or(Ok(0), |text| text.parse().map_err(invalid))
}

fn sorted((path, sorting): &(Path, Sorting)) -> Result<(Arc<Rule>, Sorting), Error> {
    Ok((sorted_by(path)?, *sorting))
}

fn order_by(list: &str) -> Result<Vec<(Path, Sorting)>, Error> {
    let part = |part: &str| {
        let part = part.trim();
        let (name, sorting) = match part.rsplit_once(' ') {
            Some((name, "asc")) => (name.trim_end(), Sorting::Ascending),
            Some((name, "desc")) => (name.trim_end(), Sorting::Descending),
            _ => (part, Sorting::Ascending),
        };
        if name.is_empty() {
            return Err(invalid("attribute_path_invalid", "order_by: the name of an attribute is expected"));
        }
        Ok((parse::attribute_path(name, "order_by")?, sorting))
    };
    list.split(',').map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_list_of_attributes_with_directions() {
        let check = |list: &str, expected: Option<&[(&str, Sorting)]>| {
            let path = |(name, sorting): &(&str, Sorting)| (Path::parse(name).expect("a path"), *sorting);
            let expected = expected.map(|all| all.iter().map(path).collect::<Vec<_>>());
            assert_eq!(order_by(list).ok(), expected, "{list}");
        };
        let (up, down) = (Sorting::Ascending, Sorting::Descending);
        check("city", Some(&[("city", up)]));
        check("city asc, orders_count desc", Some(&[("city", up), ("orders_count", down)]));
        check("address.city desc", Some(&[("address.city", down)]));
        check("last seen desc", Some(&[("last seen", down)]));
        check("last seen", Some(&[("last seen", up)]));
        check("desc", Some(&[("desc", up)]));
        check("city,", None);
        check("  ", None);
        check("a\\b", None);
    }
}
