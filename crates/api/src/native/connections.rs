//! Connections of a workspace: where its sources ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde_json::json;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::Secret;
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::sources::{
    Connection, Given, NewConnection, Text, check_name, connection, connections, holds_secret,
};

use crate::declared::{self, Wrong};

mod wire;

const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const ALL: &str = "/v1/connections";
const ONE: &str = "/v1/connections/{name}";
const TEST: &str = "/v1/connections/{name}:test";

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, handler, summary| Route::new(method, path, CONFIGURE, handler, Tag::Sources, summary);
    let one = |route: Route| route.segment("name", "Its name.");
    let sent = json!({ "kind": "postgres", "url": "postgres://tessera@db.internal:5432/shop", "password": { "env": "TESSERA_SECRET_CRM" } });
    let mut shown = sent.clone();
    shown["name"] = "crm-db".into();
    shown["ca"] = serde_json::Value::Null;
    vec![
        route(Method::GET, ALL, get(list), "Lists connections")
            .describe("By name. What is secret of them is shown to nobody. At most 50 in a workspace.")
            .answer::<wire::Connections>(200, "All of them.", json!({ "items": [shown.clone()] })),
        one(route(Method::GET, ONE, get(read), "Reads a connection"))
            .answer::<wire::Connection>(200, "As it stands.", shown.clone()),
        one(route(Method::PUT, ONE, put(set), "Makes or replaces a connection"))
            .describe(
                "`postgres` takes `url`, with the user and without the password or with it, and `password`. With `?sslmode=require` it is encrypted, and the \
                 server's certificate is checked against the authorities of the system or of `ca`; otherwise it is not encrypted. `files` takes the `url` of a folder of \
                 the server's machine, `file:///var/data/exports`, or of a bucket: `s3://bucket/path` with the `options` `access_key_id`, `secret_access_key`, \
                 `region`, and for a store of your own `endpoint`; `gs://bucket/path` with `service_account_key`; `az://container/path` with `account_name` \
                 and `access_key`. A folder takes a key with `operate` beside `configure`, and so does `adbc`, which \
                 takes a `driver`, the path of a shared library that the server loads, and the `options` of that driver. A secret in plain text is sealed with the key that the server was started with \
                 (`secrets_key_file`) and is shown to nobody again. Without that key it is refused: say where it stands, `{\"env\":\"TESSERA_SECRET_…\"}` or \
                 `{\"file\":\"…\"}` in the folder of secrets. One that sources or activations use stays of its kind.",
            )
            .body::<wire::SetConnection>(sent)
            .answer::<wire::Connection>(200, "As it stands.", shown),
        one(route(Method::DELETE, ONE, delete(remove), "Deletes a connection"))
            .describe("Refused while sources or activations use it.")
            .answer_empty(204, "It is gone."),
        one(route(Method::POST, TEST, post(test), "Tries a connection"))
            .describe("Connects, and lists the tables that are there, or the files. Why it cannot is the error.")
            .audited(Action::Read)
            .answer::<wire::Tested>(200, "It answers.", json!({ "ok": true, "tables": ["customers", "shop.orders"] })),
    ]
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let items = connections(&config)?.iter().map(|(name, own)| shown(name, own)).collect();
    Ok(entered.answer(json_answer(&wire::Connections { items })))
}

async fn read(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&shown(&name, &connection(&config, &name)?))))
}

async fn set(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let sent: wire::SetConnection = body::json(&body)?;
    let new = parse(sent)?;
    // What is the machine's, whatever workspace asks, is the operator's to give.
    if new.is_of_machine() {
        entered.caller.require(Permission::Operate)?;
    }
    app.service.check_leads(entered.workspace, &name, entered.visibility()).await?;
    let own = app.service.put_connection(entered.workspace, &name, new).await?;
    Ok(entered.answer(json_answer(&shown(&name, &own))))
}

async fn remove(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.delete_connection(entered.workspace, &name).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn test(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let name = acted_on(&name, "test")?;
    let tables = app.service.test_connection(entered.workspace, name).await?;
    Ok(entered.answer(json_answer(&wire::Tested { ok: true, tables })))
}

/// The name of the thing that an act is about: `crm` of `crm:test`.
pub(super) fn acted_on<'a>(named: &'a str, act: &str) -> Result<&'a str, Error> {
    let name = named.rsplit_once(':').filter(|(_, own)| *own == act).map(|(name, _)| name);
    let message = format!("the path is not known; `{{name}}:{act}` is what may be done with POST");
    name.ok_or_else(|| Error::new(ErrorKind::NotFound, "not_found", message))
}

fn parse(sent: wire::SetConnection) -> Result<NewConnection, Error> {
    let wire::SetConnection { kind, url, password, ca, driver, options: given_options } = sent;
    let options = |own: Option<BTreeMap<String, wire::OptionValue>>| {
        own.unwrap_or_default().into_iter().map(|(name, own)| (name, option(own))).collect()
    };
    if kind == "adbc" {
        if url.is_some() || password.is_some() || ca.is_some() {
            let message =
                "url, password, ca: a connection of the kind adbc has none; what its driver takes stands in options";
            return Err(invalid("connection_invalid", message));
        }
        let driver = driver.ok_or_else(|| invalid("connection_invalid", "driver: it is missing"))?;
        return Ok(NewConnection::Adbc { driver, options: options(given_options) });
    }
    if driver.is_some() {
        return Err(invalid("connection_invalid", "driver: it is of connections of the kind adbc"));
    }
    let url = url.ok_or_else(|| invalid("connection_url_invalid", "url: it is missing"))?;
    match (&*kind, url) {
        ("postgres", _) if given_options.is_some() => {
            Err(invalid("connection_invalid", "options: a connection of the kind postgres has none"))
        }
        ("postgres", url) => {
            Ok(NewConnection::Postgres { url: given(url), password: password.map(given), ca: ca.map(reference) })
        }
        ("files", _) if password.is_some() => {
            Err(invalid("connection_invalid", "password: a connection of the kind files has none; see options"))
        }
        ("files", wire::Text::Plain(url)) => {
            Ok(NewConnection::Files { url, options: options(given_options), ca: ca.map(reference) })
        }
        ("files", wire::Text::Elsewhere(_)) => Err(invalid("connection_url_invalid", "url: a text is expected")),
        _ => Err(invalid("connection_kind_unsupported", "kind: postgres, files or adbc is expected")),
    }
}

fn given(text: wire::Text) -> Given {
    match text {
        wire::Text::Plain(text) => Given::Text(text),
        wire::Text::Elsewhere(own) => Given::Elsewhere(reference(own)),
    }
}

fn option(own: wire::OptionValue) -> Given {
    match own {
        wire::OptionValue::Switch(own) => Given::Text(own.to_string()),
        wire::OptionValue::Text(own) => given(own),
    }
}

fn reference(own: wire::Reference) -> Secret {
    match own {
        wire::Reference::Env(own) => Secret::Env(own.env),
        wire::Reference::File(own) => Secret::File(own.file),
    }
}

fn shown(name: &str, own: &Connection) -> wire::Connection {
    let none = None;
    let (kind, url, password, ca, options) = match own {
        Connection::Postgres { url, password, ca } => {
            ("postgres", Some(text(url)), password.as_ref().map(hidden), ca, None)
        }
        Connection::Files { url, options, ca } => {
            ("files", Some(wire::Text::Plain(url.clone())), None, ca, Some(options))
        }
        Connection::Adbc { options, .. } => ("adbc", None, None, &none, Some(options)),
    };
    let driver = match own {
        Connection::Adbc { driver, .. } => Some(driver.clone()),
        Connection::Postgres { .. } | Connection::Files { .. } => None,
    };
    let ca = ca.as_ref().and_then(|own| match hidden(own) {
        wire::Text::Elsewhere(own) => Some(own),
        wire::Text::Plain(_) => None,
    });
    let option = |(name, own): (&String, &Text)| {
        let own = match own {
            Text::Plain(text) if matches!(&**text, "true" | "false") => wire::OptionValue::Switch(text == "true"),
            own => wire::OptionValue::Text(text(own)),
        };
        (name.clone(), own)
    };
    let options = options.into_iter().flatten().map(option).collect();
    wire::Connection { name: name.to_owned(), kind: kind.into(), url, driver, password, ca, options }
}

fn text(own: &Text) -> wire::Text {
    match own {
        Text::Plain(text) => wire::Text::Plain(text.clone()),
        Text::Secret(secret) => hidden(secret),
    }
}

fn hidden(secret: &Secret) -> wire::Text {
    match secret {
        Secret::Sealed(_) => wire::Text::Plain("***".into()),
        Secret::Env(name) => wire::Text::Elsewhere(wire::Reference::Env(wire::Env { env: name.clone() })),
        Secret::File(name) => wire::Text::Elsewhere(wire::Reference::File(wire::File { file: name.clone() })),
    }
}

/// A declared connection, as it is answered once it stands.
///
/// # Errors
/// What its making would be refused with; `secret_in_file` for a password in plain text.
pub(crate) fn declared(name: &str, json: &str) -> Result<serde_json::Value, Wrong> {
    check_name(name)?;
    let own = read_declared(json)?;
    let mut written = declared::written(&shown(name, &own));
    if let Some(members) = written.as_object_mut() {
        members.remove("name");
    }
    Ok(written)
}

/// A declared connection, as it is stored.
///
/// # Errors
/// As [`declared`].
pub(super) fn as_declared(declared: &serde_json::Value) -> Result<Connection, Wrong> {
    read_declared(&declared.to_string())
}

fn read_declared(json: &str) -> Result<Connection, Wrong> {
    let mut sent: wire::SetConnection = declared::read(json)?;
    // What is sealed on a server is shown so, and is kept as it is there.
    let sealed = sent.password.take_if(|own| matches!(own, wire::Text::Plain(text) if text == "***"));
    let new = parse(sent)?;
    new.check()?;
    let declared = |options: BTreeMap<String, Given>| {
        options.into_iter().map(|(name, own)| declared_option(name, own)).collect::<Result<_, Error>>()
    };
    Ok(match new {
        NewConnection::Files { url, options, ca } => Connection::Files { url, options: declared(options)?, ca },
        NewConnection::Adbc { driver, options } => Connection::Adbc { driver, options: declared(options)? },
        NewConnection::Postgres { url, password, ca } => {
            let url = match url {
                Given::Text(url) if url.contains("://") && has_password(&url) => return Err(in_file().into()),
                Given::Text(url) => Text::Plain(url),
                Given::Elsewhere(secret) => Text::Secret(secret),
            };
            let password = match password {
                Some(Given::Text(_)) => return Err(in_file().into()),
                Some(Given::Elsewhere(secret)) => Some(secret),
                None => sealed.is_some().then(|| Secret::Sealed(String::new())),
            };
            Connection::Postgres { url, password, ca }
        }
    })
}

fn in_file() -> Error {
    let message = "a file holds no secret; say where it stands: {\"env\":\"TESSERA_SECRET_…\"} or {\"file\":\"…\"}";
    invalid("secret_in_file", message)
}

/// An option as a file declares it.
fn declared_option(name: String, own: Given) -> Result<(String, Text), Error> {
    let own = match own {
        Given::Elsewhere(secret) => Text::Secret(secret),
        Given::Text(text) if text == "***" => Text::Secret(Secret::Sealed(String::new())),
        Given::Text(text) if !holds_secret(&name, &text) => Text::Plain(text),
        Given::Text(_) => return Err(in_file()),
    };
    Ok((name, own))
}

fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
