//! Golden exchanges: requests and whole answers, frozen in a file that reads like a session.
//!
//! ```text
//! # what is done and why
//! PUT /v1/some/path {"some":"body"}
//! => 200
//! { the answer, as JSON }
//! ```
//!
//! A line `> once: jobs are done` has all jobs end before the request. Any other line `> name: value` is a header that is sent instead of those of
//! the door. A line `< name: value` is a header of the answer; that its body is JSON is not said. An answer that is no JSON is shown as it is.
//!
//! Blocks are separated by blank lines and sent in their order, a second apart, with the operator's key. Ids of ours are drawn, so
//! each is shown as `<id1>`, `<id2>` in the order in which they come up, and may be sent by that name; one in the form of a UUID as well, unless
//! a request chooses it; a name that no id has is a fault of the file. So is another status than a comment says that begins with one, behind the
//! name of a section. Ids of requests and cursors are not shown. `TESSERA_BLESS` writes the answers into the file.
//!
//! `crates/server/tests/goldens.rs` plays the same files against the binary.

mod exchange;

use std::net::Ipv4Addr;
use std::path::Path;

use exchange::Exchange;
pub(crate) use exchange::ROOT;
use serde_json::Value;
use tessera_seam::guesses::Peer;

use super::world::{Reply, World};

/// Sends what stands in this file below `crates`, and compares the answers.
pub(crate) async fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let frozen = std::fs::read_to_string(&path).expect("a golden file");
    let world = World::new().await;
    let exchanges = Exchange::all(&frozen);
    let chosen = exchange::chosen(&exchanges);
    let (mut ids, mut played) = (Vec::new(), Vec::new());
    let blesses = std::env::var_os("TESSERA_BLESS").is_some();
    for own in &exchanges {
        if own.waits_for_jobs() {
            jobs_are_done(&world).await;
        }
        world.pass(1_000_000);
        let reply = send(&world, file, own, &ids).await;
        let is_told = own.answer.starts_with(reply.status.as_str());
        assert!(blesses || is_told, "{file}: {}: {} {}", own.request, reply.status, reply.json());
        for promised in own.comments.iter().copied().filter_map(promised) {
            assert_eq!(promised, reply.status.as_u16(), "{file} says so of {}", own.request);
        }
        played.push(format!("{}\n=> {}", own.told(), answered(&reply, &mut ids, &chosen)));
    }
    let count = played.len();
    let played = played.join("\n\n") + "\n";
    if blesses {
        std::fs::write(&path, &played).expect("the golden file can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("a golden file");
    assert!(count > 5, "only {count} exchanges");
    for (at, (told, kept)) in played.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(told, kept, "{file}, line {}", at + 1);
    }
    assert_eq!(played, frozen, "{file}");
}

async fn send(world: &World, file: &str, own: &Exchange<'_>, ids: &[String]) -> Reply {
    let [method, path, body] = own.parts();
    let headers = own.own_headers();
    let by = if headers.is_empty() { exchange::headers_of(file) } else { &headers[..] };
    let body = exchange::named(body, ids);
    let mut request = super::world::request(method, &exchange::named(path, ids), "", by, body);
    request.extensions_mut().insert(Peer(Ipv4Addr::LOCALHOST.into()));
    world.send(request).await
}

/// An answer as it is shown: status, headers, body.
fn answered(reply: &Reply, ids: &mut Vec<String>, chosen: &str) -> String {
    let mut json = reply.json();
    let body = if json != Value::Null {
        hide(&mut json, ids, chosen);
        serde_json::to_string_pretty(&json).expect("json")
    } else {
        let text = std::str::from_utf8(&reply.body).unwrap_or_default();
        hidden(text, ids).trim_end().to_owned()
    };
    let headers = exchange::shown_headers(|name| {
        let value = reply.header(name);
        (!value.is_empty()).then(|| hidden(value, ids))
    });
    let body = if body.is_empty() { body } else { format!("\n{body}") };
    format!("{}{headers}{body}", reply.status.as_u16())
}

/// A text in which names stand in place of what has come up.
fn hidden(text: &str, ids: &[String]) -> String {
    let named = ids.iter().enumerate();
    named.fold(text.to_owned(), |text, (at, id)| text.replace(id, &format!("<id{}>", at + 1)))
}

/// The status that a comment says the answer has: a number of three digits that it begins with, behind what names a section.
fn promised(comment: &str) -> Option<u16> {
    let text = comment.strip_prefix("# ")?;
    let text = text.strip_prefix("Section").and_then(|rest| rest.split_once(": ")).map_or(text, |(_, rest)| rest);
    let number = text.split(|char: char| !char.is_ascii_alphanumeric()).next()?;
    number.parse().ok().filter(|_| number.len() == 3)
}

/// Waits until no job is under way.
async fn jobs_are_done(world: &World) {
    let jobs = world.get("/v1/jobs", ROOT).await.json();
    for job in jobs["items"].as_array().expect("a list") {
        let id = job["id"].as_str().expect("an id");
        // It ends with the job.
        world.get(&format!("/v1/jobs/{id}/watch"), ROOT).await;
    }
}

/// Puts names in place of what is drawn.
fn hide(json: &mut Value, ids: &mut Vec<String>, chosen: &str) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, ids, chosen)),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match name.as_str() {
                    "request_id" | "requestId" => *value = "<request>".into(),
                    // Of a secret.
                    "last_four" => *value = "<drawn>".into(),
                    "next_cursor" if value.is_string() => *value = "<cursor>".into(),
                    "next" if value.as_str().is_some_and(|next| !next.is_empty() && !chosen.contains(next)) => {
                        *value = "<cursor>".into();
                    }
                    _ => hide(value, ids, chosen),
                }
            }
            // One that has not come up as a value stands there as it was drawn.
            let named = std::mem::take(members).into_iter().map(|(name, value)| (hidden(&name, ids), value));
            *members = named.collect();
        }
        Value::String(text) => *text = shown(text, ids, chosen),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text with names in place of ids; one that is an id has come up.
fn shown(text: &str, ids: &mut Vec<String>, chosen: &str) -> String {
    if is_id(text, chosen) && !ids.iter().any(|id| id == text) {
        ids.push(text.to_owned());
    }
    hidden(text, ids)
}

/// Whether a text is an id of ours, in one of its forms.
fn is_id(text: &str, chosen: &str) -> bool {
    let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && !chosen.contains(text);
    (text.len() == 24 || (text.len() == 32 && !chosen.contains(text)) || is_uuid)
        && text.bytes().all(|b| b.is_ascii_hexdigit() || (is_uuid && b == b'-'))
}
