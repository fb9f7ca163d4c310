//! Which requests the audit log has entries of, for all doors in one place: it goes by the method of a route and by the permission that it needs,
//! and a route that is an exception says so.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use tessera_service::audit::{Action, Asked, Object};
use tessera_service::directory::Permission;

use crate::answer::Unwritten;
use crate::app::App;
use crate::extract::percent_decoded;
use crate::guesses::Peer;
use crate::route::{Access, Route, Tag};
use crate::transport::RequestId;

/// Parameters of paths of the native door that name what is configured, or are ids of ours. What any other holds may be somebody's, and is left
/// out.
const NAMING: [&str; 9] = ["name", "key", "workspace", "policy", "dataset", "namespace", "issuer", "directive", "path"];

/// What a request by this route does, where it is audited.
pub fn action(route: &Route) -> Option<Action> {
    if route.audited.is_some() {
        return route.audited;
    }
    let changes = route.method != Method::GET;
    match route.access {
        Access::Open | Access::Silent(_) => None,
        Access::Directory(_) => changes.then_some(Action::Administer),
        Access::Workspace(permission) => match permission {
            // What is sent stands on timelines and in the history, with the key that sent it.
            Permission::Ingest => None,
            // One person at a time; those that read many say so.
            Permission::Read | Permission::ReadPublic | Permission::ReadPrivate => None,
            Permission::Export if route.path.to_ascii_lowercase().contains("export") => Some(Action::Export),
            Permission::Export => Some(Action::Read),
            Permission::Erase => changes.then_some(of_erasures(route)),
            Permission::Configure => changes.then_some(of_configuration(route.tag)),
            Permission::Administer | Permission::Operate => changes.then_some(Action::Administer),
        },
    }
}

fn of_erasures(route: &Route) -> Action {
    if route.tag == Tag::Regulations || route.path.contains("suppressions") { Action::Suppress } else { Action::Erase }
}

fn of_configuration(tag: Tag) -> Action {
    match tag {
        Tag::Directives => Action::Direct,
        Tag::Jobs => Action::Run,
        _ => Action::Configure,
    }
}

/// What answers a route, with an entry for each request where it is audited.
pub fn audited(app: &Arc<App>, route: &Route, handler: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let Some(action) = action(route) else { return handler };
    let (app, path, door) = (Arc::clone(app), route.path, route.door);
    let operation = format!("{} {}", route.method, route.path);
    let is_native = route.door == "native";
    handler.layer(from_fn(move |request: Request, next: Next| {
        let objects = if is_native { named(path, request.uri().path()) } else { Vec::new() };
        // What is only tried changes nothing; what it says of what is stored is read.
        let is_tried =
            is_native && request.uri().query().is_some_and(|query| query.split('&').any(|own| own == "dry_run=true"));
        let action = if is_tried { Action::Read } else { action };
        let address = request.extensions().get::<Peer>().map(|peer| peer.0);
        let id = request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
        let asked = Asked { action, door, operation: operation.clone(), objects, address, request_id: id };
        let app = Arc::clone(&app);
        async move {
            let pending = app.service.begin_audited(asked);
            let response: Response = pending.clone().scope(next.run(request)).await;
            match response.extensions().get::<Unwritten>() {
                Some(unwritten) => app.service.end_audited(&pending, Err(&unwritten.error)).await,
                None if response.status().is_success() => app.service.end_audited(&pending, Ok(())).await,
                None => {}
            }
            response
        }
    }))
}

/// What the path of a request names.
fn named(route: &str, path: &str) -> Vec<Object> {
    let object = |(own, given): (&str, &str)| {
        let (name, act) = own.strip_prefix('{')?.split_once('}')?;
        let given = given.strip_suffix(act)?;
        let text = String::from_utf8(percent_decoded(given)?).ok()?;
        let is_ours = name == "id" && text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_ours || NAMING.contains(&name)).then(|| Object::new(name, &text))
    };
    route.split('/').zip(path.split('/')).filter_map(object).collect()
}
