//! The paths of this door. Most of them are inferred (spec/wyng.md section 0), so each stands here with the others that may be meant.

use axum::http::Method;
use axum::routing::{MethodRouter, get, patch, post, put};
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;

use super::wire::{Exchange, FieldValue, Jwt, NewSegment, NewTdm, Profile, ProfileId, Segment, Tdm, Upsert, Upserted};
use super::{profiles, segments, tokens};

type Handler = MethodRouter<std::sync::Arc<App>>;

const READ_PUBLIC: Access = Access::Workspace(Permission::ReadPublic);
const READ: Access = Access::Workspace(Permission::Read);
const INGEST: Access = Access::Workspace(Permission::Ingest);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const ADMINISTER: Access = Access::Workspace(Permission::Administer);

/// Where profiles are upserted.
const UPSERT: [&str; 2] = ["/api/v1/consumer/profiles/upsert", "/api/v1/consumer/profiles"];
/// Where a field of a profile is read.
const FIELD: [&str; 2] =
    ["/api/v1/consumer/profiles/{profile_id}/fields/{field_id}", "/api/v1/consumer/profiles/{profile_id}/{field_id}"];
/// Where a token of a verification is exchanged.
const EXCHANGE: [&str; 3] = [
    "/api/v1/consumer/profiles/jwt/exchange",
    "/api/v1/consumer/profiles/exchange-jwt",
    "/api/v1/consumer/profiles/jwt",
];

/// All routes of this door.
pub(super) fn routes() -> Vec<Route> {
    [models(), of_profiles(), of_tokens(), of_segments()].into_iter().flatten().collect()
}

/// A route of this door. Its key may stand in the query, so that is a parameter of each.
fn route(method: Method, path: &'static str, access: Access, handler: Handler, summary: &'static str) -> Route {
    let key = "The token, where it is not in the header `X-Access-Token`.";
    Route::new(method, path, access, handler, Tag::Wyng, summary).open_to_pages().query(
        "access_token",
        key,
        json!({ "type": "string" }),
    )
}

const ID: &str = "64a1b2c3d4e5f60718293b02";

fn example_tdm() -> Value {
    json!({
        "fields": [
            { "id": "email", "name": "E-mail", "type": "text", "status": "active", "is_key": true },
            { "id": "hobbies", "name": "Hobbies", "type": "set", "status": "active", "values": ["run", "sail"],
              "allow_other_values": false, "relevance_window": 90, "retention_window": 365 }
        ],
        "strong_id": "email", "ids_priority": ["email", "uid"]
    })
}

fn models() -> Vec<Route> {
    let mut answer = example_tdm();
    answer["id"] = json!("64a1b2c3d4e5f60718293a4b");
    let id = |route: Route| route.segment("tdm_id", "The id of the data model.");
    let one = "/api/v1/consumer/tdm/{tdm_id}";
    vec![
        route(
            Method::POST,
            "/api/v1/consumer/tdm",
            ADMINISTER,
            post(segments::create_tdm),
            "Makes a data model, with a workspace of its own",
        )
        .describe("Its tokens are keys of that workspace, made at `/v1/admin/keys`.")
        .body::<NewTdm>(example_tdm())
        .answer::<Tdm>(201, "It is made.", answer.clone()),
        id(route(Method::GET, one, READ, get(segments::tdm), "Reads a data model")).answer::<Tdm>(
            200,
            "As it stands.",
            answer.clone(),
        ),
        id(route(Method::PUT, one, CONFIGURE, put(segments::replace_tdm), "Replaces a data model"))
            .describe("Fields that are left out are known no more; what is stored of them stays.")
            .body::<NewTdm>(example_tdm())
            .answer::<Tdm>(200, "It is replaced.", answer),
    ]
}

fn of_profiles() -> Vec<Route> {
    let id = |route: Route| route.segment("profile_id", "The id of a profile.");
    let jwt = |route: Route| {
        let text = "With a public token: an identity token of the profile, by which all of it is shown.";
        route.query("jwt", text, json!({ "type": "string" }))
    };
    let value = json!({ "value": "ann@shop.example", "updated": "2025-03-04T05:06:07.890000" });
    let profile = json!({
        "id": ID, "tdm_id": "64a1b2c3d4e5f60718293a4b", "created_at": "2025-03-04T05:06:07.890000",
        "updated_at": "2025-03-04T05:06:07.890000", "parent_profiles": [], "segments": [],
        "fields": { "email": value, "uids": { "value": ["0f3e"] } }, "field_list": ["email", "uids"]
    });
    let upserts = UPSERT.map(|path| {
        route(Method::POST, path, INGEST, post(profiles::upsert), "Says something of a profile")
            .describe(
                "The profile is found by the fields that identify, those first that `ids_priority` names first, or made. A field that has \
                 one value lets go of the one before, which then finds nobody; profiles of one strong id are merged. A field that cannot \
                 be taken refuses the call, and nothing is changed.",
            )
            .idempotent()
            .body::<Upsert>(json!({ "fields": { "email": { "value": "ann@shop.example" },
                "hobbies": { "value": [{ "name": "run", "value": true }] } }, "source": "checkout" }))
            .answer::<Upserted>(
                200,
                "It is said.",
                json!({ "tdm_id": "64a1b2c3d4e5f60718293a4b", "segment_id": [], "fields": ["email", "hobbies"] }),
            )
    });
    let fields = FIELD.map(|path| {
        jwt(id(route(Method::GET, path, READ_PUBLIC, get(profiles::field), "Reads a relevant value of a profile")))
            .segment("field_id", "The id of a field.")
            .answer::<FieldValue>(
                200,
                "The value.",
                json!({ "id": "email", "name": "E-mail", "type": "text", "status": "active",
                    "value": "ann@shop.example", "updated": "2025-03-04T05:06:07.890000" }),
            )
    });
    let others = [
        route(
            Method::GET,
            "/api/v1/consumer/profiles/lookup",
            READ_PUBLIC,
            get(profiles::lookup),
            "Finds a profile by fields that identify",
        )
        .describe("Each field is a parameter, as in `?email=…&uid=…`. Of several profiles that of the first field in `ids_priority`.")
        .query("uid", "An id of a visitor.", json!({ "type": "string" }))
        .query("email", "An e-mail address.", json!({ "type": "string" }))
        .query("phone", "A phone number.", json!({ "type": "string" }))
        .answer::<ProfileId>(200, "Its canonical id.", json!({ "id": ID })),
        jwt(id(route(
            Method::GET,
            "/api/v1/consumer/profiles/{profile_id}",
            READ_PUBLIC,
            get(profiles::retrieve),
            "Reads a profile",
        )))
        .query(
            "relevant",
            "1: relevant values only; 0: those that are relevant no more; all where it is left out.",
            json!({ "type": "integer", "enum": [0, 1] }),
        )
        .answer::<Profile>(200, "The profile.", profile),
        jwt(id(route(
            Method::GET,
            "/api/v1/consumer/profiles/{profile_id}/segments",
            READ_PUBLIC,
            get(profiles::segments),
            "Evaluates the segments of a profile, which counts as active now",
        )))
        .answer_free(200, "The ids of its segments.", json!(["64a1b2c3d4e5f60718293c01"])),
    ];
    upserts.into_iter().chain(fields).chain(others).collect()
}

fn of_tokens() -> Vec<Route> {
    let example = json!({ "jwt": "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln" });
    let path = "/api/v1/consumer/profiles/{profile_id}/jwt";
    let made = [(Method::POST, post(tokens::create)), (Method::GET, get(tokens::create))].map(|(method, handler)| {
        route(method, path, READ, handler, "Makes an identity token of a profile")
            .segment("profile_id", "The id of a profile.")
            .describe("Signed with RS256, for 300 seconds; verified with the keys that the workspace publishes.")
            .answer::<Jwt>(200, "The token.", example.clone())
    });
    let exchanged = EXCHANGE.map(|path| {
        route(
            Method::POST,
            path,
            READ_PUBLIC,
            post(tokens::exchange),
            "Exchanges the token of a verification for one of a profile",
        )
        .describe("Taken of the issuers that the workspace names at `/v1/admin/token-issuers`.")
        .body::<Exchange>(json!({ "jwt": "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln", "key_field": "email" }))
        .answer::<Jwt>(200, "The token.", example.clone())
    });
    made.into_iter().chain(exchanged).collect()
}

fn of_segments() -> Vec<Route> {
    let (all, one) = ("/api/v1/consumer/segments", "/api/v1/consumer/segments/{segment_id}");
    let id = |route: Route| route.segment("segment_id", "The id of a segment.");
    let new = json!({ "name": "Sailors", "expression": { "operator": "and", "operands": [
        { "operator": "profile-attribute-equal", "operands": ["email", "ann@shop.example"] }, true] } });
    let mut answer = new.clone();
    answer["id"] = json!("64a1b2c3d4e5f60718293c01");
    answer["tdm_id"] = json!("64a1b2c3d4e5f60718293a4b");
    answer["updated_at"] = json!("2025-03-04T05:06:07.890000");
    answer["created_at"] = json!("2025-03-04T05:06:07.890000");
    let updates =
        [(Method::PUT, put(segments::update)), (Method::PATCH, patch(segments::update))].map(|(method, handler)| {
            id(route(method, one, CONFIGURE, handler, "Changes a segment"))
                .body::<NewSegment>(new.clone())
                .answer::<Segment>(200, "It is changed.", answer.clone())
        });
    let others = [
        route(Method::GET, all, READ_PUBLIC, get(segments::list), "Lists segments").answer_free(
            200,
            "All of the data model.",
            json!([answer]),
        ),
        route(Method::POST, all, CONFIGURE, post(segments::create), "Makes a segment")
            .body::<NewSegment>(new.clone())
            .answer::<Segment>(201, "It is made.", answer.clone()),
        id(route(Method::GET, one, READ_PUBLIC, get(segments::retrieve), "Reads a segment")).answer::<Segment>(
            200,
            "As it stands.",
            answer.clone(),
        ),
    ];
    others.into_iter().chain(updates).collect()
}
