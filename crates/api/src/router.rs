//! All routes, and the router made of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::RETRY_AFTER;
use axum::middleware::{Next, from_fn};
use axum::routing::MethodRouter;
use tessera_service::Service;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::answer::{Failure, invalid};
use crate::app::App;
use crate::extract::Query;
use crate::route::{Route, Tag};
use crate::settings::ApiSettings;
use crate::{admin, jobs, native, operation, segment, transport};

/// The doors of this service.
pub fn router(service: Arc<Service>, settings: ApiSettings) -> Router {
    let app = Arc::new(App::new(service, settings));
    let (mut from_browsers, mut others) = (Router::new(), operation::documentation());
    for route in routes() {
        let router = if route.from_browsers { &mut from_browsers } else { &mut others };
        *router = std::mem::take(router).route(route.path, known_parameters(&route));
    }
    let from_browsers = from_browsers.method_not_allowed_fallback(transport::method_not_allowed).layer(cors());
    let others = others.method_not_allowed_fallback(transport::method_not_allowed);
    transport::around(from_browsers.merge(others), &app)
}

/// What answers a route. A call that changes something and has a parameter that the route does not know is refused: one that is
/// misspelt, such as `supress` or `previev`, would have it do what was not meant. So is one of a read that says it minds them. What SDKs send
/// is theirs to choose.
fn known_parameters(route: &Route) -> MethodRouter<Arc<App>> {
    let handler = route.handler.clone();
    if (route.method == Method::GET && !route.minds_parameters) || route.tag == Tag::Events {
        return handler;
    }
    let in_query = route.parameters.iter().filter(|parameter| parameter.place == "query");
    let known: Arc<[&'static str]> = in_query.map(|parameter| parameter.name).collect();
    handler.layer(from_fn(move |query: Query, request: Request, next: Next| {
        let known = Arc::clone(&known);
        async move {
            if query.0.iter().all(|(name, _)| known.contains(&&**name)) {
                return Ok(next.run(request).await);
            }
            let message = match &*known {
                [] => "no query parameter is expected here".to_owned(),
                known => format!("only these query parameters are expected: {}", known.join(", ")),
            };
            Err(Failure::from(invalid("query_invalid", message)))
        }
    }))
}

/// Every route of every door.
pub(crate) fn routes() -> Vec<Route> {
    [native::routes(), segment::routes::routes(), jobs::routes(), admin::routes(), operation::routes().into()]
        .into_iter()
        .flatten()
        .collect()
}

/// Pages of any origin may send events: their key is in the page for everyone to see, so the origin protects nothing. Keys of
/// servers have no business in a page, and all other paths stay closed to them.
///
/// What is asked for is allowed, as RudderStack's gateway does: SDKs add headers from version to version, and one that is not
/// allowed blocks every event. Beacons of JSON come with credentials whether there are any or not; we know none but keys.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER, segment::RATE_LIMIT_RESET, transport::REQUEST_ID])
        .max_age(Duration::from_secs(86_400))
}
