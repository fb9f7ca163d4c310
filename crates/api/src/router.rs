//! All routes, and the router made of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderName, Method};
use tessera_service::Service;
use tower_http::cors::{Any, CorsLayer};

use crate::app::App;
use crate::route::Route;
use crate::settings::ApiSettings;
use crate::{admin, jobs, native, operation, segment, transport};

/// The doors of this service.
pub fn router(service: Arc<Service>, settings: ApiSettings) -> Router {
    let app = Arc::new(App::new(service, settings));
    let (mut from_browsers, mut others) = (Router::new(), operation::documentation());
    for Route { path, handler, from_browsers: is_from_browsers, .. } in routes() {
        let router = if is_from_browsers { &mut from_browsers } else { &mut others };
        *router = std::mem::take(router).route(path, handler);
    }
    let from_browsers = from_browsers.method_not_allowed_fallback(transport::method_not_allowed).layer(cors());
    let others = others.method_not_allowed_fallback(transport::method_not_allowed);
    transport::around(from_browsers.merge(others), &app)
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
fn cors() -> CorsLayer {
    let headers =
        [AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("x-retry-count"), HeaderName::from_static("anonymousid")];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers)
        .expose_headers([HeaderName::from_static("retry-after"), transport::REQUEST_ID])
        .max_age(Duration::from_secs(86_400))
}
