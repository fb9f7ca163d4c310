//! All routes, and the router made of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn};
use axum::routing::MethodRouter;
use tessera_seam::answer::{Failure, invalid};
use tessera_seam::app::App;
use tessera_seam::audited::audited;
use tessera_seam::door::Doors;
use tessera_seam::extract::Query;
use tessera_seam::route::{Route, Tag};
use tessera_seam::settings::ApiSettings;
use tessera_seam::transport;
use tessera_service::Service;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::doors::DOORS;
use crate::{segment, site};

/// The doors of this service.
pub fn router(service: Arc<Service>, settings: ApiSettings) -> Router {
    routed(&Arc::new(App::new(service, settings, &DOORS)), |_| true)
}

/// The doors of this service for two listeners, under limits that they share: one that has all paths, and one without those of operators.
pub struct Routers {
    /// All paths.
    pub all: Router,
    /// Those that are no operator's: no metrics, and nothing below `/v1/admin` nor the audit log, which are as if they were not there.
    pub others: Router,
}

/// The doors of this service, for a listener of operators and one of everybody else.
pub fn routers(service: Arc<Service>, settings: ApiSettings) -> Routers {
    let app = Arc::new(App::new(service, settings, &DOORS));
    Routers { all: routed(&app, |_| true), others: routed(&app, |route| !is_of_operators(route.path)) }
}

/// Whether a path is for operators alone.
fn is_of_operators(path: &str) -> bool {
    path.starts_with("/v1/admin/") || matches!(path, "/metrics" | "/v1/audit")
}

fn routed(app: &Arc<App>, is_there: impl Fn(&Route) -> bool) -> Router {
    let (mut from_browsers, mut others) = (Router::new(), site::documentation());
    for route in app.doors.routes().into_iter().filter(is_there) {
        let router = if route.from_browsers { &mut from_browsers } else { &mut others };
        *router = std::mem::take(router).route(mounted(route.path), audited(app, &route, known_parameters(&route)));
    }
    let from_browsers = from_browsers.method_not_allowed_fallback(transport::method_not_allowed).layer(cors());
    let others = others.method_not_allowed_fallback(transport::method_not_allowed);
    tidy(transport::around(from_browsers.merge(others), app), app.doors)
}

/// Where a route stands that acts on a thing, `/v1/sources/{name}:refresh`: at the thing's own path, for a segment is one parameter. Its handler
/// takes the act off the name.
fn mounted(path: &'static str) -> &'static str {
    path.rfind('}').map_or(path, |end| if path[end..].starts_with("}:") { &path[..=end] } else { path })
}

/// Takes doubled slashes, and one at the end, out of the paths of doors that have their paths for themselves, before they are looked for.
fn tidy(router: Router, doors: &'static Doors) -> Router {
    let tidy = tower::util::MapRequestLayer::new(move |mut request: Request| {
        if let Some(path) = doors.tidied(request.uri().path())
            && let Some(uri) = with_path(request.uri(), &path)
        {
            *request.uri_mut() = uri;
        }
        request
    });
    Router::new().fallback_service(tower::Layer::layer(&tidy, router))
}

/// An address with another path.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = Some(whole.parse().ok()?);
    Uri::from_parts(parts).ok()
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

/// Pages of any origin may send events: their key is in the page for everyone to see, so the origin protects nothing. Keys of
/// servers have no business in a page, and all other paths stay closed to them.
///
/// What is asked for is allowed, as RudderStack's gateway does: SDKs add headers from version to version, and one that is not
/// allowed blocks every event. Beacons of JSON come with credentials whether there are any or not; we know none but keys.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER, segment::RATE_LIMIT_RESET, transport::REQUEST_ID])
        .max_age(Duration::from_secs(86_400))
}
