//! The OpenAPI 3.1 document, made of the routes, the schemas of wire types, and the table of codes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tessera_seam::app::WORKSPACE;
use tessera_seam::codes;
use tessera_seam::door::{self, Credential, Door};
use tessera_seam::kinds::rule;
use tessera_seam::route::{Access, Content, EVENT_STREAM, Named, Route, Success, Tag};
use tessera_service::error::ErrorKind;

use crate::doors::DOORS;
use crate::site;

#[cfg(test)]
mod tests;

/// The document, as pretty JSON: the same bytes for the same code.
#[must_use]
pub fn document() -> String {
    let mut schemas = BTreeMap::from([("Error".to_owned(), error_schema())]);
    let of_doors = DOORS.all().filter_map(|door| door.errors);
    schemas.extend(of_doors.map(|(name, schema)| (format!("{name}Error"), schema())));
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in DOORS.routes() {
        let operation = operation(&route, &mut schemas);
        paths.entry(route.path).or_default().insert(route.method.as_str().to_ascii_lowercase(), operation);
    }
    let tags: Vec<_> = Tag::ALL.map(|tag| json!({ "name": tag.name(), "description": tag.description() })).into();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tessera",
            "version": env!("CARGO_PKG_VERSION"),
            "description": site::introduction(),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(),
            "parameters": { "Workspace": {
                "name": WORKSPACE, "in": "header", "required": false, "schema": { "type": "string" },
                "description": "One of the workspaces that the key holds; its default one where it is left out."
            } },
            "securitySchemes": schemes()
        }
    });
    let mut text = serde_json::to_string_pretty(&document).expect("json serialises without fail");
    text.push('\n');
    text
}

fn operation(route: &Route, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name, "in": parameter.place, "required": parameter.is_required,
                "description": parameter.description, "schema": parameter.schema
            })
        })
        .collect();
    if let (Access::Workspace(_) | Access::Silent(_), false) = (route.access, route.workspace_in_query) {
        parameters.push(json!({ "$ref": "#/components/parameters/Workspace" }));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag.name()],
        "summary": route.summary,
        "responses": answers(route, schemas),
        "security": security(route),
    });
    let members = operation.as_object_mut().expect("it was made as an object");
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), parameters.into());
    }
    let needed = needed(route.access);
    if !(route.description.is_empty() && needed.is_empty()) {
        let description = [route.description, &needed].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        members.insert("description".to_owned(), description.join(" ").into());
    }
    if let Some(body) = &route.body {
        let content = content(body, schemas);
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

/// The method and the words of the path: `get_v1_profiles_id_id_events`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = words.fold(route.method.as_str().to_ascii_lowercase(), |id, word| format!("{id}_{word}"));
    if route.path.ends_with('/') { format!("{id}_slash") } else { id }
}

fn needed(access: Access) -> String {
    match access {
        Access::Open => String::new(),
        Access::Workspace(permission) | Access::Silent(permission) => {
            format!("Needs the permission `{}`.", permission.name())
        }
        Access::Directory(permissions) => {
            let names: Vec<_> = permissions.iter().map(|permission| format!("`{}`", permission.name())).collect();
            format!("Needs the permission {}.", names.join(" or "))
        }
    }
}

fn security(route: &Route) -> Value {
    match route.access {
        // A pixel's key stands in its query.
        Access::Open | Access::Silent(_) => json!([]),
        Access::Workspace(_) | Access::Directory(_) => {
            let door = door_of(route);
            // A key in the query of an event stands among its parameters.
            let credentials =
                door.credentials.iter().filter(|own| !door.base.is_empty() || **own == Credential::Authorization);
            let schemes = credentials.flat_map(|credential| scheme(*credential));
            schemes.map(|(name, _)| json!({ name: [] })).collect::<Vec<_>>().into()
        }
    }
}

fn door_of(route: &Route) -> &'static Door {
    DOORS.find(route.door).expect("a route has its door's name")
}

/// How the document calls a place of a key, and what it says of it.
fn scheme(credential: Credential) -> Vec<(String, Value)> {
    match credential {
        Credential::Authorization => vec![
            (
                "bearer".to_owned(),
                json!({ "type": "http", "scheme": "bearer", "description": "A key: `sk_…` of a server, `pk_…` of a page." }),
            ),
            (
                "basic".to_owned(),
                json!({ "type": "http", "scheme": "basic", "description": "The key as user name, the password empty." }),
            ),
        ],
        Credential::Scheme(name) => {
            let described = format!("`{name}`, a blank, the key.");
            vec![(
                name.to_owned(),
                json!({ "type": "apiKey", "in": "header", "name": "authorization", "description": described }),
            )]
        }
        Credential::Header(name) => {
            let described = "The key, at the doors whose clients send it so.";
            vec![(name.to_owned(), json!({ "type": "apiKey", "in": "header", "name": name, "description": described }))]
        }
        Credential::Query(name) => {
            let described = "The key, at the doors whose clients send it so.";
            vec![(
                format!("query_{name}"),
                json!({ "type": "apiKey", "in": "query", "name": name, "description": described }),
            )]
        }
    }
}

/// All places of keys, each once.
fn schemes() -> Value {
    let doors = DOORS.all().filter(|door| !door.base.is_empty() || door.credentials == door::NATIVE);
    let all = doors.flat_map(|door| door.credentials.iter().flat_map(|credential| scheme(*credential)));
    all.collect::<Map<_, _>>().into()
}

fn answers(route: &Route, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut answers = Map::new();
    for Success { status, description, content: body } in &route.answers {
        let mut answer = json!({ "description": description });
        if let Some(body) = body {
            answer["content"] = content(body, schemas);
        }
        answers.insert(status.to_string(), answer);
    }
    let prefix = door_of(route).errors.map_or("", |(name, _)| name);
    for status in common(route) {
        answers.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{prefix}E{status}") }));
    }
    answers.into()
}

/// The statuses that a route may be answered with besides its own.
fn common(route: &Route) -> &'static [u16] {
    match route.access {
        Access::Open => &[400, 404, 405, 413, 500, 503],
        Access::Silent(_) => &[400, 404, 405, 500, 503],
        Access::Workspace(_) | Access::Directory(_) => &[400, 401, 403, 404, 405, 409, 413, 429, 500, 503],
    }
}

fn content(content: &Content, schemas: &mut BTreeMap<String, Value>) -> Value {
    let schema = match &content.schema {
        // A stream is no JSON; OpenAPI 3.1 has no word for the form of its events, so the text says what their data are.
        Some(named) if content.media == EVENT_STREAM => {
            let text = format!("Server-sent events; the `data` of each is a `{}`.", named.name);
            reference(named, schemas);
            json!({ "type": "string", "description": text })
        }
        Some(named) => reference(named, schemas),
        None if content.media == "application/json" => json!({ "type": "object" }),
        None => json!({ "type": "string" }),
    };
    let mut body = json!({ "schema": schema });
    if let Some(example) = &content.example {
        body["example"] = example.clone();
    }
    json!({ content.media: body })
}

fn reference(named: &Named, schemas: &mut BTreeMap<String, Value>) -> Value {
    let all = named.others.iter().map(|(name, schema)| (name, schema)).chain([(&named.name, &named.schema)]);
    for (name, schema) in all {
        let schema = serde_json::to_value(schema).expect("schemas serialise without fail");
        schemas.insert(name.clone(), schema);
    }
    json!({ "$ref": format!("#/components/schemas/{}", named.name) })
}

fn error_schema() -> Value {
    let codes: Vec<_> = codes::all().filter(|code| code.place.is_of_calls()).map(|code| code.code).collect();
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["error"],
        "description": "Why a call failed. The paths of Segment's wire repeat `code` and `message` at the top, beside `success`.",
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "request_id", "retry"],
            "properties": {
                "code": { "type": "string", "description": "Stable; see the descriptions of the statuses.", "examples": codes },
                "message": text("What was expected and where."),
                "request_id": text("Finds the request in the log; also in the header `x-request-id`."),
                "retry": { "type": "string", "enum": ["never", "later", "look_first"] }
            }
        } }
    })
}

/// The common answers, each with the codes of its status.
fn responses() -> Value {
    const KINDS: [ErrorKind; 11] = [
        ErrorKind::Invalid,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::LimitExceeded,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
        ErrorKind::Corrupt,
        ErrorKind::Internal,
    ];
    let mut texts: BTreeMap<u16, String> = BTreeMap::from([(405, codes_text(|code| code == "method_not_allowed"))]);
    for kind in KINDS {
        let text = codes_text(|code| code != "method_not_allowed" && of_kind(code, kind));
        texts.entry(rule(kind).status.as_u16()).or_default().push_str(&text);
    }
    let of_doors = DOORS.all().filter_map(|door| door.errors.map(|(name, _)| name));
    let shapes: Vec<&str> = std::iter::once("").chain(of_doors).collect();
    let response = |prefix: &str, (status, text): (u16, String)| {
        let mut response = json!({
            "description": text.trim_end(),
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{prefix}Error") } } }
        });
        if status == 429 || status == 503 {
            let description = "Whole seconds after which another try makes sense.";
            response["headers"] =
                json!({ "Retry-After": { "schema": { "type": "integer" }, "description": description } });
        }
        (format!("{prefix}E{status}"), response)
    };
    let all = shapes.iter().flat_map(|prefix| texts.clone().into_iter().map(|text| response(prefix, text)));
    all.collect::<Map<_, _>>().into()
}

fn of_kind(code: &str, kind: ErrorKind) -> bool {
    tessera_seam::codes::find(code).is_some_and(|known| known.kind == kind && known.place.is_of_calls())
}

fn codes_text(include: impl Fn(&str) -> bool) -> String {
    let lines = codes::all()
        .filter(|code| include(code.code))
        .map(|code| format!("- `{}`: {}\n", code.code, code.documentation));
    lines.collect()
}
