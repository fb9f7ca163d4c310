//! The paths of this door (spec/segment.md section 3). No page may call them: the keys that read profiles are those of servers.

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;

use super::parse::{EVENTS_MAX, LIMIT_DEFAULT, LINKS_MAX, LIST_MAX};
use super::wire::{Deletion, Deletions, Events, ExternalIds, Links, MetadataAnswer, Traits};
use super::{deletion, reads};

type Handler = MethodRouter<std::sync::Arc<App>>;

const READ: Access = Access::Workspace(Permission::Read);
const ERASE: Access = Access::Workspace(Permission::Erase);

/// All routes of this door.
pub(super) fn routes() -> Vec<Route> {
    vec![traits(), external_ids(), events(), metadata(), links(), delete_external_ids()]
}

/// A route of this door about a profile.
fn route(method: Method, path: &'static str, access: Access, handler: Handler, summary: &'static str) -> Route {
    Route::new(method, path, access, handler, Tag::SegmentProfiles, summary)
        .known_parameters_only()
        .segment("space", "The name or the id of a workspace that the key holds.")
        .segment("collection", "`users` or `accounts`.")
        .segment("profile", "`type:value`: a namespace of the collection and a value of it, percent-encoded.")
}

/// Documents the parameters of a list.
fn paged(route: Route, max: usize) -> Route {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": max, "default": LIMIT_DEFAULT });
    route.query("limit", "How many.", limit).query("next", "`cursor.next` of the page before.", text())
}

fn verbose(route: Route, description: &'static str) -> Route {
    route.query("verbose", description, json!({ "type": "boolean", "default": false }))
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn cursor(part: &str) -> Value {
    let url = format!("/v1/spaces/default/collections/users/profiles/user_id:7001/{part}");
    json!({ "url": url, "has_more": false, "next": "", "limit": LIMIT_DEFAULT })
}

fn example_id() -> Value {
    json!({
        "source_id": "segment", "collection": "users", "id": "7001", "type": "user_id",
        "created_at": "2026-01-31T10:00:01Z", "encoding": "none", "first_message_id": null
    })
}

fn traits() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/traits";
    let list = route(Method::GET, path, READ, get(reads::traits), "Reads the traits of a profile").describe(
        "Attributes as they were sent, computed attributes, and `true` for each segment that the profile is a member of, by name. An audience \
         of the name of an attribute is shown with `class=audience` alone.",
    );
    let class = json!({ "type": "string", "enum": ["audience", "computed_trait"] });
    let list =
        verbose(paged(list, LIST_MAX), "Whether each trait is an object of `value`, `source_id` and `updated_at`.");
    list.query("include", "Only these traits: their names, separated by commas.", text())
        .query("class", "Only audiences, or only computed traits.", class)
        .answer::<Traits>(
            200,
            "A page of traits.",
            json!({ "traits": { "first_name": "Lena", "plan": "gold" }, "cursor": cursor("traits") }),
        )
}

fn external_ids() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/external_ids";
    let list = route(Method::GET, path, READ, get(reads::external_ids), "Reads the external ids of a profile");
    verbose(paged(list, LIST_MAX), "Taken; all that is known of an external id is shown without it as well.")
        .query("include", "Only ids of these types, separated by commas.", text())
        .answer::<ExternalIds>(
            200,
            "A page of external ids, by type and value.",
            json!({ "data": [example_id()], "cursor": cursor("external_ids") }),
        )
}

fn events() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/events";
    let instant = json!({ "type": "string", "format": "date-time" });
    let sort = json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" });
    let list = route(Method::GET, path, READ, get(reads::events), "Reads the events of a profile").describe(
        "A page ends when it has `limit` events or 4 MiB; there are more as long as `cursor.has_more` is true.",
    );
    paged(list, EVENTS_MAX)
        .query("include", "Only events of these names, separated by commas; at most 100.", text())
        .query("exclude", "No events of these names, separated by commas; at most 100.", text())
        .query("start", "Only events at or after this instant.", instant.clone())
        .query("end", "Only events before this instant.", instant)
        .query("sort", "From the oldest to the newest, or the other way.", sort)
        .answer::<Events<'_>>(
            200,
            "A page of events.",
            json!({ "data": [{
                "external_ids": [{ "collection": "users", "type": "user_id", "id": "7001", "encoding": "none" }],
                "context": { "ip": "203.0.113.7" }, "type": "track", "message_id": "m-1", "source_id": "segment",
                "timestamp": "2026-01-31T10:00:00Z", "properties": { "total": 41.5 }, "event": "Order Completed",
                "related": null
            }], "cursor": cursor("events") }),
        )
}

fn metadata() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/metadata";
    let read = route(Method::GET, path, READ, get(reads::metadata), "Reads the metadata of a profile").describe(
        "The first and the last message are the ends of the timeline as the key sees it. What is not kept is null.",
    );
    verbose(read, "Taken; all of the metadata is shown without it as well.").answer::<MetadataAnswer>(
        200,
        "The metadata.",
        json!({ "metadata": {
            "created_at": "2026-01-31T10:00:01Z", "updated_at": "2026-02-01T09:00:00Z", "expires_at": null,
            "first_message_id": "m-1", "first_source_id": "segment", "last_message_id": "m-9", "last_source_id": "segment"
        } }),
    )
}

fn links() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/links";
    let mut id = example_id();
    (id["collection"], id["type"], id["id"]) = (json!("accounts"), json!("group_id"), json!("g-17"));
    let list = route(Method::GET, path, READ, get(reads::links), "Reads the accounts of a user, or the users of an account")
        .describe(
            "Each user keeps its accounts. For the users of an account everybody is looked at, up to 50,000 records or two seconds for one page: a page \
             may hold fewer than `limit`, or nobody, and there are more as long as `cursor.has_more` is true.",
        );
    paged(list, LINKS_MAX).answer::<Links>(
        200,
        "A page of links.",
        json!({ "data": [{ "to_collection": "accounts", "external_ids": [id] }], "cursor": cursor("links") }),
    )
}

fn delete_external_ids() -> Route {
    let path = "/v1/spaces/{space}/collections/{collection}/profiles/{profile}/external_ids/delete";
    route(Method::POST, path, ERASE, post(deletion::delete), "Deletes external ids of a user")
        .describe(
            "Each is an erasure of that identity with the facts that it owns, in a commit of its own; nothing is deleted where one is none of the \
             profile. The profile is named by its `user_id`. At most 100.",
        )
        .body::<Deletion>(json!({ "delete_external_ids": [{ "id": "0f3e", "type": "anonymous_id" }] }))
        .answer::<Deletions>(
            200,
            "They are deleted.",
            json!({ "data": [{ "id": "0f3e", "type": "anonymous_id", "erasure_id": "019a0f3e5b2c7d41e0a8f5c3" }] }),
        )
}
