//! The paths of these doors: the six of the guide (spec/dfinery.md section 0).

use axum::http::Method;
use axum::routing::post;
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;

use super::call::SERVICE_ID;
use super::wire::{Deletion, Envelope, EventExport, Events, Identities, ProfileExport, UserProfile};
use super::{DELETE, EVENTS, EXPORT_EVENT, EXPORT_PROFILE, IDENTITIES, USER_PROFILE, export, import};

type Handler = axum::routing::MethodRouter<std::sync::Arc<App>>;

const INGEST: Access = Access::Workspace(Permission::Ingest);
const ERASE: Access = Access::Workspace(Permission::Erase);
const EXPORTS: Access = Access::Workspace(Permission::Export);

fn route(path: &'static str, access: Access, handler: Handler, summary: &'static str) -> Route {
    Route::new(Method::POST, path, access, handler, Tag::Dfinery, summary).workspace_in_query(
        SERVICE_ID,
        "The name of the workspace, or its id.",
        json!({ "type": "string" }),
    )
}

fn taken(route: Route) -> Route {
    let ok = json!({ "status": true, "code": "20000", "message": "OK", "data": true });
    route.answer::<Envelope>(200, "The call came to what its code says; 20000: it was taken.", ok)
}

fn identity() -> Value {
    json!({ "external_id": "cust-7001", "email": "ann@shop.example", "phone_no": "821055550123" })
}

/// The routes of the door that takes.
pub(super) fn import() -> Vec<Route> {
    let at = "2026-01-31T10:00:00.000Z";
    let event = json!({
        "event_log_id": "3b0d7c52-6a1f-4c6e-9d3a-0c6b5a2f7e11", "event_name": "df_purchase", "event_datetime": at,
        "event_items": [{ "df_item_id": "SKU-88", "df_item_name": "Mug", "df_price": 12.5, "df_quantity": 2 }],
        "event_properties": { "df_order_id": "ORD-5", "df_total_purchase_amount": 25.0 }
    });
    vec![
        taken(route(EVENTS, INGEST, post(import::events), "Takes events of one person"))
            .describe(
                "1 to 100 events. A request that is wrong in its form is refused whole. An event that a strict data model does not know is \
                 dropped and stands in the quarantine; one whose `event_log_id` was sent before is taken once.",
            )
            .body::<Events>(json!({ "common": { "identity": identity() }, "events": [event] })),
        taken(route(IDENTITIES, INGEST, post(import::identities), "Sets identifiers of a unified profile"))
            .describe(
                "The profile is found by its external id, then by phone, e-mail, Kakao and LINE ids, or made. Each identifier replaces the one \
                 of its kind; one that a profile with another external id holds stays there.",
            )
            .body::<Identities>(json!({ "identity": identity(), "request_datetime": at })),
        taken(route(DELETE, ERASE, post(import::delete), "Deletes a unified profile for good"))
            .describe("With its identifiers, properties and events. Whoever is not there counts as deleted.")
            .body::<Deletion>(json!({ "identity": { "external_id": "cust-7001" }, "request_datetime": at })),
        taken(route(USER_PROFILE, INGEST, post(import::user_profile), "Sets properties of a person"))
            .describe(
                "A value replaces the one before unless that was said later; null removes it. What a strict data model does not know is left out.",
            )
            .body::<UserProfile>(json!({
                "identity": { "external_id": "cust-7001" },
                "user_properties": { "df_membership": "GOLD", "shoe_size": 27.5, "tags": ["a", "b"] },
                "request_datetime": at
            })),
    ]
}

/// The routes of the door that exports.
pub(super) fn export() -> Vec<Route> {
    vec![
        route(EXPORT_EVENT, EXPORTS, post(export::events), "Exports events as CSV")
            .describe(
                "Those of whole days of UTC, of the last 30 days. Columns stand by name; those of items begin with `df_items_` and hold a list. An \
                 answer that breaks off is not whole.",
            )
            .body::<EventExport>(json!({
                "events_condition_type": "include", "events": ["df_purchase"], "properties_condition_type": "include",
                "properties": ["df_order_id", "df_items_df_price"], "from_date": "2026-01-01", "to_date": "2026-01-31"
            }))
            .answer_other(200, "A line with the names of the columns, then a line for each event.", "text/csv"),
        route(EXPORT_PROFILE, EXPORTS, post(export::profiles), "Exports profiles as CSV")
            .describe("Of identifiers the external id alone. An answer that breaks off is not whole.")
            .body::<ProfileExport>(json!({
                "properties_condition_type": "include", "properties": ["df_membership"], "audience": "regulars",
                "identities_condition_type": "all"
            }))
            .answer_other(200, "A line with the names of the columns, then a line for each profile.", "text/csv"),
    ]
}
