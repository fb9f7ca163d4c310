//! Rules over the public door: made, brought to everybody, and what became of whom.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Client;

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Of a computed attribute.
    Attribute,
    /// Of a segment.
    Segment,
}

impl Rule {
    /// The path of all of its kind.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Attribute => "/v1/attributes",
            Self::Segment => "/v1/segments",
        }
    }
}

/// Makes a rule; answers it as it stands then.
pub(crate) fn make(client: &Client, rule: Rule, name: &str, pql: &str) -> Value {
    let body = json!({ "name": name, "pql": pql }).to_string();
    let (status, answer) = client.send("POST", rule.path(), body.as_bytes()).expect("the server answers");
    assert_eq!(status, 201, "{name}: {}", String::from_utf8_lossy(&answer));
    let made: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(made["name"], name);
    // Where there is next to nobody, everybody may have it before this is answered.
    assert!(made["status"] == "building" || made["status"] == "active", "{made}");
    made
}

/// Reads a rule until it is active, watching the jobs that bring it to everybody; answers it as it stands then.
pub(crate) fn until_active(client: &Client, rule: Rule, name: &str) -> Value {
    let path = format!("{}/{name}", rule.path());
    for _ in 0..100 {
        let read = client.get(&path).expect("the rule");
        if read["status"] == "active" {
            return read;
        }
        // There is none where one has just ended.
        if let Some(job) = read["building"]["job"].as_str() {
            let ended = client.listen(&format!("/v1/jobs/{job}/watch")).last().expect("an event");
            assert_eq!(ended["state"], "done", "{name}: {ended}");
        }
    }
    panic!("{name} does not become active");
}

/// Pages through the members of a segment: since when each is one, by the id of the profile.
pub(crate) fn members(client: &Client, segment: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/segments/{segment}/members?limit=97{cursor}")).expect("a page");
        for member in page["members"].as_array().expect("members") {
            let text = |name: &str| member[name].as_str().expect("a text").to_owned();
            let before = found.insert(text("profile_id"), text("entered_at"));
            assert_eq!(before, None, "{segment} lists {member} twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Reads the profiles of these values of `user_id`, each of which must be there.
pub(crate) fn profiles<'a>(client: &Client, users: &[&'a str]) -> BTreeMap<&'a str, Value> {
    let mut found = BTreeMap::new();
    for users in users.chunks(100) {
        let lookups: Vec<Value> = users.iter().map(|user| json!({ "namespace": "user_id", "value": user })).collect();
        let answer = client.post("/v1/profiles:batchGet", json!({ "lookups": lookups }).to_string().as_bytes());
        let results = answer["results"].as_array().expect("results");
        assert_eq!(results.len(), users.len());
        for (user, result) in users.iter().zip(results) {
            assert!(result["profile"].is_object(), "{user}: {result}");
            found.insert(*user, result["profile"].clone());
        }
    }
    found
}
