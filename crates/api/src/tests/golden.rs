//! Golden exchanges: requests and whole answers, frozen in a file that reads like a session.
//!
//! ```text
//! # what is done and why
//! PUT /v1/some/path {"some":"body"}
//! => 200
//! { the answer, as JSON }
//! ```
//!
//! A line `> once: jobs are done` has all jobs end before the request. Any other line `> name: value` is a header that is sent instead of the operator's key. An answer that is no JSON is shown as it is.
//!
//! Blocks are separated by blank lines and sent in their order, a second apart, with the operator's key. Ids of ours are drawn, so
//! each is shown as `<id1>`, `<id2>` in the order in which they come up, and may be sent by that name; one in the form of a UUID as well, unless
//! a request chooses it; a name that no id has is a fault of the file. So is another status than a comment says that begins with one, behind the
//! name of a section. Ids of requests and cursors are not shown. `TESSERA_BLESS` writes the answers into the file.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::world::{ROOT, World};

/// Sends what stands in this file of the crate, and compares the answers.
pub(crate) async fn check(file: &str) {
    check_by(file, &[("authorization", &format!("Bearer {ROOT}")), ("x-access-token", ROOT)]).await;
}

/// The same, with these headers.
pub(crate) async fn check_by(file: &str, by: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let frozen = std::fs::read_to_string(&path).expect("a golden file");
    let world = World::new().await;
    let (mut ids, mut played, mut count) = (Vec::new(), Vec::new(), 0);
    let chosen: String = frozen.split("\n\n").filter_map(|block| block.split("\n=> ").next()).collect();
    for block in frozen.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let asked = block.trim().split("\n=> ").next().expect("a first part");
        let (comments, request): (Vec<_>, Vec<_>) = asked.lines().partition(|line| line.starts_with('#'));
        let (headers, request): (Vec<_>, Vec<_>) = request.into_iter().partition(|line| line.starts_with("> "));
        let request = request.join("\n");
        let mut words = request.splitn(3, ' ');
        let [method, path] = [words.next(), words.next()].map(|word| word.expect("METHOD /path"));
        let body = sent(words.next().unwrap_or_default(), &ids);
        let own = headers.iter().map(|line| header(line));
        let (once, own): (Vec<_>, Vec<_>) = own.partition(|(name, _)| *name == "once");
        if !once.is_empty() {
            jobs_are_done(&world).await;
        }
        world.pass(1_000_000);
        let by = if own.is_empty() { by } else { &own[..] };
        let reply = world.send(super::world::request(method, &sent(path, &ids), "", by, body)).await;
        let lines = comments.into_iter().chain(headers);
        let mut told = lines.fold(String::new(), |told, line| told + line + "\n");
        for promised in told.lines().filter_map(promised) {
            assert_eq!(promised, reply.status.as_u16(), "{file} says so of {request}");
        }
        write!(told, "{request}\n=> {}", reply.status.as_u16()).expect("a text takes everything");
        let mut json = reply.json();
        if json != Value::Null {
            hide(&mut json, &mut ids, &chosen);
            let pretty = serde_json::to_string_pretty(&json).expect("json");
            write!(told, "\n{pretty}").expect("a text takes everything");
        } else if let Ok(text) = std::str::from_utf8(&reply.body)
            && !text.is_empty()
        {
            let named = ids.iter().enumerate();
            let text = named.fold(text.to_owned(), |text, (at, id)| text.replace(id, &format!("<id{}>", at + 1)));
            write!(told, "\n{}", text.trim_end()).expect("a text takes everything");
        }
        count += 1;
        played.push(told);
    }
    let played = played.join("\n\n") + "\n";
    if std::env::var_os("TESSERA_BLESS").is_some() {
        std::fs::write(&path, &played).expect("the golden file can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("a golden file");
    assert!(count > 5, "only {count} exchanges");
    for (at, (told, kept)) in played.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(told, kept, "{file}, line {}", at + 1);
    }
    assert_eq!(played, frozen, "{file}");
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

/// The name and the value of a header that a line says.
fn header(line: &str) -> (&str, &str) {
    line.trim_start_matches("> ").split_once(": ").expect("a header")
}

/// The request, with ids in place of their names.
fn sent(text: &str, ids: &[String]) -> String {
    let named = ids.iter().enumerate();
    let sent = named.fold(text.to_owned(), |text, (at, id)| text.replace(&format!("<id{}>", at + 1), id));
    // Otherwise what is asked is of nobody, and the answer that it is not there would be frozen.
    assert!(!sent.contains("<id"), "it names an id that has not come up: {text}");
    sent
}

/// Puts names in place of what is drawn.
fn hide(json: &mut Value, ids: &mut Vec<String>, chosen: &str) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, ids, chosen)),
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "request_id" | "requestId" => *value = "<request>".into(),
                    "next_cursor" if value.is_string() => *value = "<cursor>".into(),
                    "next" if value.as_str().is_some_and(|next| !next.is_empty() && !chosen.contains(next)) => {
                        *value = "<cursor>".into();
                    }
                    _ => hide(value, ids, chosen),
                }
            }
        }
        Value::String(text) if is_id(text, chosen) => {
            let at = ids.iter().position(|id| id == text).unwrap_or_else(|| {
                ids.push(text.clone());
                ids.len() - 1
            });
            *text = format!("<id{}>", at + 1);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a text is an id of ours, in one of its forms.
fn is_id(text: &str, chosen: &str) -> bool {
    let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && !chosen.contains(text);
    (text.len() == 24 || (text.len() == 32 && !chosen.contains(text)) || is_uuid)
        && text.bytes().all(|b| b.is_ascii_hexdigit() || (is_uuid && b == b'-'))
}
