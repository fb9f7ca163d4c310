//! The pages at `/docs`: guides and references from the Markdown of the repository, the table of errors, and the API with Swagger UI. All of it stands in
//! the program; nothing comes from elsewhere.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use tessera_seam::answer::Answer;
use tessera_seam::app::App;
use tessera_seam::codes::{self, Place};
use tessera_seam::kinds;
use tessera_service::error::{Error, ErrorKind};
use utoipa_swagger_ui::Config;

/// A page: its name below `/docs/`, its title, the file that it stands in, and its Markdown.
struct Page {
    name: &'static str,
    title: &'static str,
    file: &'static str,
    text: &'static str,
}

macro_rules! page {
    ($name:literal, $title:literal, $file:literal) => {
        Page { name: $name, title: $title, file: $file, text: include_str!(concat!("../../../", $file)) }
    };
}

/// All pages, in the order in which people need them.
const PAGES: &[Page] = &[
    page!("first-steps", "First steps", "docs/guide/first-steps.md"),
    page!("api-basics", "The API: keys, answers, errors", "docs/guide/api.md"),
    page!("sdks", "SDKs", "docs/guide/sdks.md"),
    page!("files", "Files", "docs/guide/files.md"),
    page!("warehouse", "Warehouses and databases", "docs/guide/warehouse.md"),
    page!("identity", "Who is who", "docs/guide/identity.md"),
    page!("segments", "Computed attributes and segments", "docs/guide/segments.md"),
    page!("data-model", "Data model and configuration in files", "docs/guide/data-model.md"),
    page!("privacy", "Privacy", "docs/guide/privacy.md"),
    page!("operations", "Operations", "docs/guide/operations.md"),
    page!("examples", "Examples", "examples/README.md"),
    page!("doors", "Clients of other services", "docs/guide/doors.md"),
    page!("rules", "The language of rules", "docs/rules.md"),
    page!("wyng", "Wyng Profiles: operations and choices", "crates/api/src/wyng/README.md"),
    page!("optimizely", "Optimizely Profile Store: operations and choices", "crates/optimizely/README.md"),
    page!("dfinery", "DFINERY: operations and choices", "crates/api/src/dfinery/README.md"),
    page!(
        "segment-profiles",
        "Segment Profile API: operations and choices",
        "crates/api/src/segment_profiles/README.md"
    ),
    page!("regulations", "Segment regulations: operations and choices", "crates/api/src/regulations/README.md"),
    page!("adobe", "Adobe Real-Time Customer Profile: operations and choices", "crates/adobe/README.md"),
    page!("adobe-objects", "Adobe: policies, computed attributes, segment definitions", "crates/adobe/OBJECTS.md"),
    page!("adobe-collections", "Adobe: the vendor's Postman collections", "crates/adobe/COLLECTIONS.md"),
];

/// Where the pages are.
pub(crate) fn documentation() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs/") }))
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| async { index() }))
        .route("/docs/api", get(|| async { Redirect::permanent("/docs/api/") }))
        .route("/docs/api/", get(|| async { swagger("") }))
        .route("/docs/api/{*file}", get(|Path(file): Path<String>| async move { swagger(&file) }))
        .route("/docs/{name}", get(|Path(name): Path<String>| async move { page(&name) }))
}

/// What stands in front of the operations: the guide to the API, without its title.
pub(crate) fn introduction() -> String {
    let page = PAGES.iter().find(|page| page.name == "api-basics").expect("the guide to the API is a page");
    let text = page.text.split_once("\n\n").map_or(page.text, |(_, text)| text);
    // Links of the file lead to files of the repository, and here to pages.
    let mut introduction = String::new();
    let mut parts = text.split("](");
    introduction.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (link, rest) = part.split_once(')').unwrap_or((part, ""));
        let _ = write!(introduction, "]({}){rest}", led(page.file, link));
    }
    introduction
}

/// The Swagger page from its own files: the groups closed, with a field to look for one, and a key that is kept in the browser.
fn swagger(file: &str) -> Answer {
    let config = Config::from("/openapi.json").doc_expansion("none").filter(true).persist_authorization(true);
    let config =
        Arc::new(config.try_it_out_enabled(true).display_request_duration(true).default_models_expand_depth(-1));
    let Ok(Some(file)) = utoipa_swagger_ui::serve(file, config) else { return Err(no_page().into()) };
    // What stands in the program is sent as it stands there, however many ask for it.
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(kept(bytes, file.content_type))
}

fn kept(bytes: Bytes, content_type: String) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "max-age=3600".to_owned())], bytes).into_response()
}

fn no_page() -> Error {
    Error::new(ErrorKind::NotFound, "not_found", "no such page; /docs/ lists those that there are")
}

/// The pages as they are sent, made once.
static SENT: LazyLock<Vec<(&str, Bytes)>> = LazyLock::new(|| {
    let pages = PAGES.iter().map(|page| (page.name, framed(page.title, &html(page)).into()));
    pages.chain([("errors", framed("Errors", &errors()).into())]).collect()
});

fn page(name: &str) -> Answer {
    let found = SENT.iter().find(|(own, _)| *own == name).map(|(_, bytes)| bytes.clone());
    found.map(|bytes| kept(bytes, HTML.to_owned())).ok_or_else(|| no_page().into())
}

const HTML: &str = "text/html; charset=utf-8";

fn index() -> Response {
    let mut list =
        String::from("<h1>Tessera</h1><p>One profile of each person, from all that is known, as it is now.</p><ul>");
    for page in PAGES {
        let _ = write!(list, "<li><a href=\"/docs/{}\">{}</a></li>", page.name, page.title);
    }
    list += "<li><a href=\"/docs/errors\">Errors</a></li><li><a href=\"/docs/api/\">The API, operation by operation</a></li></ul>";
    Html(framed("Documentation", &list)).into_response()
}

/// A page with what stands around all of them.
fn framed(title: &str, body: &str) -> String {
    let mut links = String::new();
    for page in PAGES {
        let _ = write!(links, "<a href=\"/docs/{}\">{}</a>", page.name, page.title);
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} – Tessera</title><style>{STYLE}</style></head><body><nav><a href=\"/docs/\"><b>Tessera</b></a>{links}\
         <a href=\"/docs/errors\">Errors</a><a href=\"/docs/api/\">API</a></nav><main>{body}</main></body></html>"
    )
}

const STYLE: &str = "body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1b1f24;display:flex}\
nav{width:15rem;flex:none;padding:1.5rem 1rem;border-right:1px solid #d8dee4;min-height:100vh;box-sizing:border-box}\
nav a{display:block;padding:.2rem 0;color:#0b5394;text-decoration:none}main{padding:1.5rem 2rem;max-width:60rem;min-width:0}\
pre{background:#f6f8fa;padding:.8rem;overflow:auto}code{font:14px/1.45 ui-monospace,monospace}\
table{border-collapse:collapse;display:block;overflow:auto}td,th{border:1px solid #d8dee4;padding:.3rem .6rem;text-align:left;vertical-align:top}\
@media(max-width:50rem){body{display:block}nav{width:auto;min-height:0;border:0}}";

/// A page of Markdown. Headings can be linked to; links to other pages lead there, those to files of the repository are named.
fn html(page: &Page) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut events: Vec<Event<'_>> = Parser::new_ext(page.text, options).collect();
    let mut heading = None;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { .. }) => heading = Some((at, String::new())),
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, own)) = &mut heading {
                    own.push_str(text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((start, text)) = heading.take()
                    && let Event::Start(Tag::Heading { id, .. }) = &mut events[start]
                {
                    *id = Some(slug(&text).into());
                }
            }
            _ => {}
        }
        if let Event::Start(Tag::Link { dest_url, .. }) = &mut events[at] {
            *dest_url = led(page.file, dest_url);
        }
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    html
}

/// The name of a heading in links, as code hosts make it.
fn slug(text: &str) -> String {
    let kept = text.to_lowercase();
    kept.chars()
        .filter(|own| own.is_alphanumeric() || matches!(own, ' ' | '-'))
        .map(|own| if own == ' ' { '-' } else { own })
        .collect()
}

/// Where a link of a file leads on this site: to the page of the file that it names, to the list of pages for a file that has none.
fn led<'a>(file: &str, link: &str) -> CowStr<'a> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    if path.is_empty() || path.contains("://") {
        return link.to_owned().into();
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let meant = parts.join("/");
    let name = PAGES.iter().find(|page| page.file == meant).map_or("", |page| page.name);
    match anchor {
        Some(anchor) => format!("/docs/{name}#{anchor}").into(),
        None => format!("/docs/{name}").into(),
    }
}

/// The one table of error codes.
fn errors() -> String {
    let mut table = String::from(
        "<h1>Errors</h1><p>Codes are stable. Each door has its own shape of errors, and names the code in it.</p>\
         <table><tr><th>code</th><th>status</th><th>means, and what to do</th></tr>",
    );
    for code in codes::all() {
        let status = match code.place {
            Place::Call | Place::Either => kinds::rule(code.kind).status.as_u16().to_string(),
            Place::Verdict => "verdict".to_owned(),
            Place::Job => "job".to_owned(),
        };
        let documentation = escaped(code.documentation);
        let _ = write!(
            table,
            "<tr id=\"{0}\"><td><code>{0}</code></td><td>{status}</td><td>{documentation}</td></tr>",
            code.code
        );
    }
    table + "</table>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
