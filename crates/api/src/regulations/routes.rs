//! The paths of this door (spec/segment.md section 5; the wire is that of Segment's Public API).

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;

use super::handlers;
use super::wire::{Deleted, Made, NewRegulation, One, Page, Status};

const ERASE: Access = Access::Workspace(Permission::Erase);

/// All routes of this door.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Method::POST, "/regulations", post(handlers::create), "Suppresses or deletes users")
            .describe(
                "What suppresses is done when this answers. Profiles are deleted by a job, each in a commit of its own: those that have the                  user ids now, with everything that is known of them. Whoever is named and not known is passed over.",
            )
            .body::<NewRegulation>(
                json!({ "regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": ["7001"] }),
            )
            .answer::<Made>(200, "It is ordered.", json!({ "data": { "regulateId": "019a0f3e5b2c7d41e0a8f5c3" } })),
        route(Method::GET, "/regulations", get(handlers::list), "Lists regulations")
            .describe("Newest first; a page may be short and not the last. Ended ones are kept for 30 days.")
            .query("status", "Only those of this status.", json!({ "type": "string", "enum": Status::NAMES }))
            .query(
                "pagination.count",
                "How many.",
                json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 10 }),
            )
            .query("pagination.cursor", "`pagination.next` of the page before.", json!({ "type": "string" }))
            .answer::<Page>(
                200,
                "A page of regulations.",
                json!({ "data": { "regulations": [example()], "pagination": { "current": "" } } }),
            ),
        one(Method::GET, get(handlers::read), "Reads a regulation").answer::<One>(
            200,
            "The regulation.",
            json!({ "data": { "regulation": example() } }),
        ),
        one(Method::DELETE, delete(handlers::delete), "Takes a regulation back")
            .describe("Before it begins. What it suppressed stays suppressed.")
            .answer::<Deleted>(200, "It is taken back.", json!({ "data": { "status": "SUCCESS" } })),
    ]
}

fn route(
    method: Method,
    path: &'static str,
    handler: MethodRouter<std::sync::Arc<App>>,
    summary: &'static str,
) -> Route {
    let error = json!({ "type": "validation-failure", "message": "subjectType: USER_ID is expected; nothing was done",
        "reason": "regulation_invalid" });
    Route::new(method, path, ERASE, handler, Tag::Regulations, summary).known_parameters_only().answer_free(
        422,
        "What is asked cannot be taken; the codes are those of 400 and 409.",
        json!({ "errors": [error] }),
    )
}

fn one(method: Method, handler: MethodRouter<std::sync::Arc<App>>, summary: &'static str) -> Route {
    route(method, "/regulations/{id}", handler, summary).segment("id", "Its id.")
}

fn example() -> Value {
    json!({
        "id": "019a0f3e5b2c7d41e0a8f5c3", "workspaceId": "019a0f3e5b2c7d4100000001", "overallStatus": "FINISHED",
        "regulationType": "SUPPRESS_WITH_DELETE", "createdAt": "2026-01-31T10:00:00Z",
        "finishedAt": "2026-01-31T10:00:01Z", "streamStatus": []
    })
}
