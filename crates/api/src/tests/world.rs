//! The world of these tests: a service on the store in memory, a clock moved by hand, and a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use tessera_engine::time::Timestamp;
use tessera_seam::settings::ApiSettings;
use tessera_service::clock::parse_timestamp;
use tessera_service::{Components, Service, Settings};
use tessera_store::MemoryStore;
use tessera_store::faulty::{Faulty, Plan};
use tower::ServiceExt as _;

pub(crate) use super::golden::ROOT;

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) service: Arc<Service>,
    pub(crate) store: Arc<MemoryStore>,
    /// What the service sees of that store.
    pub(crate) faulty: Faulty,
    pub(crate) settings: ApiSettings,
    micros: Arc<AtomicI64>,
    /// The first of the bits that its service draws.
    draws: u64,
}

/// An answer, read whole.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of an error: ours, where its door has another one beside it.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        let in_header = Some(self.header("x-tessera-code")).filter(|code| !code.is_empty());
        let code = in_header
            .or(error["reason"].as_str())
            .or(json["errors"][0]["reason"].as_str())
            .or(error["code"].as_str())
            .or(json["code"].as_str());
        code.unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(ApiSettings::default()).await
    }

    /// The same with doors that are set otherwise.
    pub(crate) async fn with(settings: ApiSettings) -> Self {
        let micros = Arc::new(AtomicI64::new(parse_timestamp("2026-01-31T12:00:00Z").expect("a time").micros()));
        Self::open(Arc::new(MemoryStore::new()), micros, (Settings::default(), settings), 1).await
    }

    /// The same world after a stop and a start with other settings.
    pub(crate) async fn reopened(self, settings: Settings) -> Self {
        self.service.close().await;
        // No service of one store draws what another has drawn.
        let draws = self.draws + 1_000_000;
        Self::open(self.store, self.micros, (settings, self.settings), draws).await
    }

    async fn open(
        store: Arc<MemoryStore>,
        micros: Arc<AtomicI64>,
        (of_service, settings): (Settings, ApiSettings),
        draws: u64,
    ) -> Self {
        let (read, drawn) = (Arc::clone(&micros), AtomicU64::new(draws));
        let faulty = Faulty::new(store.clone(), Plan::CALM);
        let components = Components {
            store: Arc::new(faulty.clone()),
            clock: Arc::new(move || Timestamp::from_micros(read.load(Ordering::SeqCst)).expect("a time")),
            tasks: tokio::runtime::Handle::current(),
            random: Arc::new(move |bytes| {
                // Distinct bits for every draw; nothing here asks for more.
                let mut state = drawn.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                for byte in bytes {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *byte = (state >> 56) as u8;
                }
            }),
        };
        let service = Service::open(components, of_service).await.expect("the store opens");
        service.directory().ensure_bootstrap(ROOT).await.expect("a bootstrap key");
        let router = crate::router(Arc::clone(&service), settings.clone());
        Self { router, service, store, faulty, settings, micros, draws }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, micros: i64) {
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole answer");
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request with this key (none when it is empty).
    pub(crate) async fn call(&self, method: &str, path: &str, key: &str, body: impl Into<Body>) -> Reply {
        self.send(request(method, path, key, &[], body)).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Reply {
        self.call("GET", path, key, Body::empty()).await
    }

    /// Makes a workspace and answers its name.
    pub(crate) async fn workspace(&self, name: &str) {
        let made = self.call("POST", "/v1/admin/workspaces", ROOT, json!({ "name": name }).to_string()).await;
        assert_eq!(made.status, 200, "{}", made.json());
    }

    /// Makes a key and answers its secret.
    pub(crate) async fn key(&self, class: &str, permissions: &[&str], workspaces: &[&str]) -> String {
        let new = json!({ "name": "test", "class": class, "permissions": permissions, "workspaces": workspaces });
        let made = self.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await;
        assert_eq!(made.status, 200, "{}", made.json());
        made.json()["secret"].as_str().expect("a secret").to_owned()
    }
}

/// The headers that each request of a door has beside its key.
pub(crate) fn headers_of(door: &str) -> &'static [(&'static str, &'static str)] {
    match door {
        "adobe" => &[
            ("x-api-key", "any"),
            ("x-gw-ims-org-id", "default@AdobeOrg"),
            ("x-sandbox-name", "default"),
            ("content-type", "application/json"),
        ],
        _ => &[],
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
    if !key.is_empty() {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).expect("a request")
}
