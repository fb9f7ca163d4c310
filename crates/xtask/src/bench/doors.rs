//! Rows about doors: whether a profile costs more to read, or to write, by a dialect than by the native one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::http::Connection;
use super::load::{Asker, Measured, closed_swift};
use super::process::{KEY, Server};

/// People who are read and written.
pub(super) const PEOPLE: usize = 2_000;
/// Requests of one door before the next has its turn, so that all meet the same neighbours on the machine.
const STRETCH: Duration = Duration::from_secs(1);
/// The same for a door that takes a number of calls in a minute, so that it has several turns.
const STRETCH_OF_BOUNDED: Duration = Duration::from_millis(200);
/// What such a door takes: DFINERY, of writes of profiles.
const CALLS_MAX: u64 = 10_000;

/// What is asked of each person by one door.
pub(super) struct Asked {
    pub(super) door: &'static str,
    requests: Vec<Vec<u8>>,
    /// How many calls it takes in all; a turn that may go beyond is left out.
    calls_max: Option<u64>,
}

/// Asks of one person after the other.
struct InTurn<'a> {
    requests: &'a [Vec<u8>],
    next: usize,
    step: usize,
}

impl Asker for InTurn<'_> {
    fn next(&mut self) -> &[u8] {
        let own = &self.requests[self.next % self.requests.len()];
        self.next += self.step;
        own
    }
}

/// A request with the key where a door looks for it.
fn request(method: &str, path: &str, key: &str, body: &Value) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\n{key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn email(person: usize) -> String {
    format!("person-{person}@shop.example")
}

/// Writes everybody by several doors, and answers what is asked: reads, and writes, the native one first.
pub(super) fn prepare(server: &Server) -> Result<[Vec<Asked>; 2]> {
    let (native, wyng, profile_store, dfinery) = (
        format!("authorization: Bearer {KEY}"),
        format!("x-access-token: {KEY}"),
        format!("authorization: epi-single {KEY}"),
        format!("access_token: {KEY}"),
    );
    let mut connection = Connection::open(server.address())?;
    let mut ids = Vec::with_capacity(PEOPLE);
    for person in 0..PEOPLE {
        let traits = json!({ "email": email(person), "name": format!("Person {person}"), "plan": "gold", "city": "Lyon",
            "address": { "city": "Lyon", "country": "FR" } });
        let identify = json!({ "userId": format!("u{person}"), "anonymousId": format!("d{person}"), "traits": traits });
        connection.succeed(&request("POST", "/v1/identify", &native, &identify))?;
        let upsert = json!({ "fields": { "email": { "value": email(person) } } });
        connection.succeed(&request("POST", "/api/v1/consumer/profiles/upsert", &wyng, &upsert))?;
        let path = format!("/api/v1/consumer/profiles/lookup?email={}", email(person).replace('@', "%40"));
        let found: Value = serde_json::from_slice(connection.succeed(&request("GET", &path, &wyng, &Value::Null))?)?;
        ids.push(found["id"].as_str().context("a profile has an id")?.to_owned());
    }
    let uuid = |id: &str| format!("{}-{}-8e55-a75e-{}", &id[..8], &id[8..12], &id[12..]);
    let of = |door, make: &dyn Fn(usize) -> Vec<u8>| Asked {
        door,
        requests: (0..PEOPLE).map(make).collect(),
        calls_max: None,
    };
    let bounded = |asked: Asked| Asked { calls_max: Some(CALLS_MAX), ..asked };
    let get = |path: String, key: &str| request("GET", &path, key, &Value::Null);
    let adobe = format!("{native}\r\nx-api-key: any\r\nx-gw-ims-org-id: default@AdobeOrg\r\nx-sandbox-name: prod");
    let entity = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS=user_id&entityId";
    let reads = vec![
        of("native", &|own| get(format!("/v1/profiles/id/{}", ids[own]), &native)),
        of("Wyng", &|own| get(format!("/api/v1/consumer/profiles/{}", ids[own]), &wyng)),
        of("Optimizely", &|own| get(format!("/api/v1.0/profiles/default/{}", uuid(&ids[own])), &profile_store)),
        of("Segment's Profile API", &|own| {
            get(format!("/v1/spaces/default/collections/users/profiles/user_id:u{own}/traits"), &native)
        }),
        of("Adobe", &|own| get(format!("{entity}=u{own}"), &adobe)),
    ];
    let writes = vec![
        of("native", &|own| {
            let body = json!({ "dataset": "crm", "identities": [{ "namespace": "email", "value": email(own) },
                { "namespace": "anonymous_id", "value": format!("d{own}") }], "attributes": { "name": format!("P {own}"), "score": own } });
            request("POST", "/v1/documents", &native, &body)
        }),
        of("Wyng", &|own| {
            let body =
                json!({ "fields": { "email": { "value": email(own) }, "uids": { "value": [format!("d{own}")] } } });
            request("POST", "/api/v1/consumer/profiles/upsert", &wyng, &body)
        }),
        of("Optimizely", &|own| {
            let body = json!({ "DeviceIds": [format!("d{own}")], "Name": format!("P {own}"), "Info": { "Email": email(own) },
                "Payload": { "score": own } });
            request("PUT", &format!("/api/v1.0/profiles/{}", uuid(&ids[own])), &profile_store, &body)
        }),
        bounded(of("DFINERY", &|own| {
            let body = json!({ "identity": { "external_id": format!("u{own}"), "email": email(own) },
                "user_properties": { "name": format!("P {own}"), "score": own }, "request_datetime": "2026-01-31T10:00:00Z" });
            request("POST", "/api/v1/user-profile?service_id=default", &dfinery, &body)
        })),
    ];
    Ok([reads, writes])
}

/// Has every door its turn, round after round.
pub(super) fn compare(server: &Server, asked: &[Asked], connections: usize, rounds: u32) -> Result<Vec<Measured>> {
    let mut open = Connection::open_many(server.address(), connections)?;
    let mut sums: Vec<Measured> = asked.iter().map(|_| Measured::none()).collect();
    let mut calls = vec![(0, 0); asked.len()];
    // Once to fill the caches.
    for round in 0..=rounds {
        for ((sum, asked), (all, last)) in sums.iter_mut().zip(asked).zip(&mut calls) {
            if asked.calls_max.is_some_and(|max| *all + 2 * *last > max) {
                continue;
            }
            let in_turn = |at| InTurn { requests: &asked.requests, next: at, step: connections };
            let mut askers: Vec<InTurn<'_>> = (0..connections).map(in_turn).collect();
            let stretch = asked.calls_max.map_or(STRETCH, |_| STRETCH_OF_BOUNDED);
            let measured = closed_swift(server, &mut open, &mut askers, stretch)?;
            (*all, *last) = (*all + measured.requests, measured.requests);
            if round > 0 {
                sum.add(&measured)?;
            }
        }
    }
    Ok(sums)
}
