//! Plays one file against a server of its own.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use super::exchange::{self, Exchange, ROOT};
use super::fits::{Answer, Bindings};
use super::harness::Server;
use super::{AT_TIMES, OTHERWISE, home};

/// Sends what stands in this file, and holds each answer against the frozen one.
pub(crate) fn check(file: &str) {
    let frozen = std::fs::read_to_string(home().join(file)).expect("a golden file");
    let exchanges = Exchange::all(&frozen);
    assert!(exchanges.len() > 5, "only {} exchanges", exchanges.len());
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_with(folder.path(), &[("TESSERA_BOOTSTRAP_KEY", ROOT)]);
    let player = Player::new(&server);
    let mut bindings = Bindings::new(&exchanges, now());
    let listed = |list: &[(&str, &'static str, &str)]| -> Vec<&'static str> {
        list.iter().filter(|(own, ..)| *own == file).map(|(_, request, _)| *request).collect()
    };
    let (mut otherwise, mut at_times) = (listed(OTHERWISE), listed(AT_TIMES));
    let mut wrong = Vec::new();
    for own in &exchanges {
        if own.waits_for_jobs() {
            player.jobs_are_done();
        }
        let answer = player.send(file, own, &bindings);
        let found = bindings.fit(own.answer, &answer, now());
        if let Some(at) = at_times.iter().position(|request| own.request.starts_with(request)) {
            at_times.remove(at);
            continue;
        }
        let listed = otherwise.iter().position(|request| own.request.starts_with(request));
        match (found, listed.map(|at| otherwise.remove(at))) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(listed)) => wrong.push(format!("{listed}: it fits, so it is no exception any more")),
            (Err(fault), None) => wrong.push(format!("{}\n{fault}\n{answer}", own.told())),
        }
    }
    wrong.extend(otherwise.iter().chain(&at_times).map(|request| format!("{request}: no request begins so")));
    assert!(wrong.is_empty(), "{file}: {} of {}\n\n{}", wrong.len(), exchanges.len(), wrong.join("\n\n"));
}

#[expect(clippy::disallowed_methods, reason = "the clock of the server is the machine's")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A client that sends what it is told, and nothing of its own.
struct Player<'a> {
    agent: Agent,
    server: &'a Server,
}

impl<'a> Player<'a> {
    fn new(server: &'a Server) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().into(), server }
    }

    fn send(&self, file: &str, own: &Exchange<'_>, bindings: &Bindings) -> Answer {
        let [method, path, body] = own.parts();
        let headers = own.own_headers();
        let by = if headers.is_empty() { exchange::headers_of(file) } else { &headers[..] };
        self.call(method, &bindings.sent(path), by, &bindings.sent(body))
    }

    fn call(&self, method: &str, path: &str, by: &[(&str, &str)], body: &str) -> Answer {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.server.url()));
        let request = by.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(body.to_owned()).expect("a request of a golden file is well formed");
        let mut response = self.agent.run(request).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        // The address of this server is not that of the next.
        let here = |text: &str| text.replace(self.server.url(), "http://localhost");
        let headers = exchange::shown_headers(|name| {
            response.headers().get(name).map(|value| here(value.to_str().expect("a header in ASCII")))
        });
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec().expect("a whole answer");
        Answer { status, headers, body: here(&String::from_utf8(body).unwrap_or_default()) }
    }

    /// Waits until no job is under way.
    fn jobs_are_done(&self) {
        let by = [("authorization", "Bearer bootstrap-secret")];
        let jobs: Value = serde_json::from_str(&self.call("GET", "/v1/jobs", &by, "").body).expect("JSON");
        for job in jobs["items"].as_array().expect("a list") {
            let id = job["id"].as_str().expect("an id");
            // It ends with the job.
            assert_eq!(self.call("GET", &format!("/v1/jobs/{id}/watch"), &by, "").status, 200, "{job}");
        }
    }
}
