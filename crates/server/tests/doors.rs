//! Eight clients write, merge and delete the same people through different doors at one time: no update is lost, nothing unique is held twice, and
//! what is deleted is gone from every door. What they leave is what the same requests leave on another server, one at a time in the order of the
//! commits, as `doors/replay.rs` says.
//!
//! `TESSERA_DOORS_SECS` says how long they work (8 seconds if it is not set), `TESSERA_DOORS_KILLS` how often the server is killed under their
//! hands meanwhile (never), `TESSERA_SEED` which sequence of choices they make. What may be shown in the end follows from the order of what did
//! not overlap, as `doors/model.rs` says.

#![expect(clippy::disallowed_methods, reason = "how long the clients work is said in seconds")]

#[path = "doors/client.rs"]
mod client;
mod harness;
#[path = "doors/model.rs"]
mod model;
#[path = "doors/replay.rs"]
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use client::{Claim, Client, Kind, PAIR, PEOPLE, Shared, email, user};
use harness::doors::{Door, Doors, Reply};
use harness::rules::{self, Rule};
use harness::{Random, Server, number, run_ok};
use model::{Deletion, Fate, Moments, Span, fate, shown};
use replay::Said;
use serde_json::{Value, json};

/// Segments of whom several doors make members.
const SEGMENTS: [(&str, &str); 2] =
    [("even", "n_records > 0 and n_wyng > 0"), ("seen", "xEvent[eventType = \"Seen\"].count() >= 3")];

#[test]
fn no_update_is_lost_between_doors() {
    let (secs, kills) = (number("TESSERA_DOORS_SECS", 8), number("TESSERA_DOORS_KILLS", 0));
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random::new(number("TESSERA_SEED", 7));
    let mut clients: Vec<Client> = (0..Kind::ALL.len()).map(|number| Client::new(number, random.bits(), 0)).collect();
    let shared = Shared { moments: Moments::default(), is_over: AtomicBool::new(false) };
    prepare(folder.path());
    let round = Duration::from_millis(secs * 1_000 / (kills + 1));
    let logs = tempfile::tempdir().expect("a folder");
    let log = logs.path().join("commits.log");
    for kill in 0..=kills {
        let file = std::fs::File::create(&log).expect("a file for the log");
        let server = Server::start_logging(folder.path(), replay::LEVEL, file);
        let end = if kill < kills { Server::kill } else { Server::stop };
        work_until(server, &mut clients, &shared, round, end);
    }
    let server = Server::start(folder.path());
    let doors = Doors::of(&server);
    // A server that was killed has not told everything that it had committed.
    if kills == 0 {
        let log = std::fs::read_to_string(&log).expect("the log");
        compare_with_replay(&clients, &log, &doors);
    }
    shared.is_over.store(false, Ordering::SeqCst);
    client_of(&mut clients, Kind::Join).part(&doors, &shared);
    gone_from_every_door(&mut clients, &doors, &shared);
    let compared = compare(&clients, &doors);
    for client in &clients {
        let Client { kind, done, put_off, lists, exports, .. } = client;
        println!("{kind:?}: {done} done, {put_off} put off, {lists} lists, {exports} exports");
        assert!(client.done > 0, "{:?} did nothing", client.kind);
    }
    println!("{compared:?}");
    compared.check();
    let looked = |count: fn(&Client) -> u64| clients.iter().map(count).sum::<u64>() > 0;
    assert!(looked(|client| client.lists) && looked(|client| client.exports), "nobody looked for what is held twice");
    let job = server.client().post("/v1/jobs", br#"{"kind":"check"}"#);
    let path = format!("/v1/jobs/{}/watch", job["id"].as_str().expect("an id"));
    let ended = server.client().listen(&path).last().expect("the last state");
    assert_eq!((&ended["state"], &ended["result"]["faults"]), (&json!("done"), &json!(0)), "{ended}");
    server.stop();
    run_ok(&["check", "--data", folder.path().to_str().expect("a path in UTF-8")]);
}

/// Sends what the clients have sent to another server in the order of the commits, and compares what they leave.
fn compare_with_replay(clients: &[Client], log: &str, doors: &Doors) {
    let commits = replay::commits(log);
    let said: Vec<Said> = clients.iter().flat_map(|client| client.said.iter().cloned()).collect();
    let put_off = said.iter().find(|own| own.status == Some(429) && commits.contains_key(&own.id));
    assert!(put_off.is_none(), "it was told to come again, and done: {put_off:?}");
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let server = Server::start(folder.path());
    let reference = Doors::of(&server);
    let replayed = replay::replay(&said, &commits, &reference);
    println!("{} requests replayed, {} of them parted", replayed.requests, replayed.parted);
    assert!(replayed.requests > 100, "{replayed:?}");
    let (here, there) = (replay::state(doors), replay::state(&reference));
    let differences = replay::differences(&here, &there);
    println!("{} profiles", here.len());
    assert!(
        differences.is_empty() && replayed.otherwise.is_empty() && here == there,
        "{}\n{}",
        replayed.otherwise.join("\n"),
        differences.join("\n")
    );
    server.stop();
}

/// Registers the field that Wyng writes, and makes segments whose members come and go.
fn prepare(data: &Path) {
    let server = Server::start(data);
    let body = json!({"type": "number"});
    let reply = ask(&Doors::of(&server), Door::Native, "PUT /v1/data-model/attributes/n_wyng", &body);
    assert_eq!(reply.status, 200, "{}", reply.text);
    let client = server.client();
    for (name, pql) in SEGMENTS {
        rules::make(&client, Rule::Segment, name, pql);
        rules::until_active(&client, Rule::Segment, name);
    }
    server.stop();
}

/// Lets all clients work for this long, then ends the server under their hands.
fn work_until(server: Server, clients: &mut [Client], shared: &Shared, long: Duration, end: impl FnOnce(Server)) {
    shared.is_over.store(false, Ordering::SeqCst);
    let (done, news) = mpsc::channel();
    std::thread::scope(|scope| {
        for client in clients {
            let (doors, done) = (Doors::of(&server), done.clone());
            scope.spawn(move || client.work(&doors, shared, &done));
        }
        drop(done);
        // It ends when the time is over, or when no client is left: each of them has failed then.
        let until = Instant::now() + long;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Err(mpsc::RecvTimeoutError::Disconnected) = news.recv_timeout(left) {
                break;
            }
        }
        shared.is_over.store(true, Ordering::SeqCst);
        end(server);
    });
}

fn client_of(clients: &mut [Client], kind: Kind) -> &mut Client {
    clients.iter_mut().find(|client| client.kind == kind).expect("one of each kind")
}

fn ask(doors: &Doors, door: Door, request: &str, body: &Value) -> Reply {
    let (method, path) = request.split_once(' ').expect("method and path");
    doors.call(door, method, path, body).expect("the server answers")
}

fn get(doors: &Doors, door: Door, path: &str) -> Reply {
    ask(doors, door, &format!("GET {path}"), &Value::Null)
}

/// Deletes some of the people, each through one door, and looks for them in every door.
fn gone_from_every_door(clients: &mut [Client], doors: &Doors, shared: &Shared) {
    let users = "/v1/spaces/default/collections/users/profiles";
    for (way, person) in (0..3_u64).zip(0..PEOPLE) {
        // Whoever is known to one door alone is known to all of them before.
        let bound =
            json!({"userId": user(person), "messageId": format!("bound-{person}"), "traits": {"email": email(person)}});
        assert_eq!(ask(doors, Door::Segment, "POST /v1/identify", &bound).status, 200);
        client_of(clients, Kind::Delete).delete_at_last(way, person, doors, shared);
        let by_email = format!("/v1/profiles/identifier/email/{}", email(person));
        assert_eq!(get(doors, Door::Native, &by_email).status, 404, "{way}: {by_email}");
        let by_user = format!("/v1/profiles/identifier/user_id/{}", user(person));
        assert_eq!(get(doors, Door::Native, &by_user).status, 404, "{way}: {by_user}");
        let by_uid = format!("/api/v1/consumer/profiles/lookup?uid=dev{person}&email={}", email(person));
        assert_eq!(get(doors, Door::Wyng, &by_uid).status, 404, "{way}: {by_uid}");
        for held in [format!("Info.Email%20eq%20{}", email(person)), format!("DeviceIds%20eq%20dev{person}")] {
            let list = get(doors, Door::Optimizely, &format!("/api/v1.0/profiles?$filter={held}"));
            assert_eq!((list.status, &list.json()["total"]), (200, &json!(0)), "{way}: {held}: {}", list.text);
        }
        let traits = format!("{users}/user_id:{}/traits", user(person));
        assert_eq!(get(doors, Door::SegmentProfiles, &traits).status, 404, "{way}: {traits}");
    }
    let asked = json!({"properties_condition_type": "include", "properties": ["n_dfinery"], "identities_condition_type": "all"});
    let export = ask(doors, Door::Dfinery, "POST /api/v1/export/userprofile?service_id=default", &asked);
    assert_eq!(export.status, 200, "{}", export.text);
    let mut rows = csv::Reader::from_reader(export.text.as_bytes());
    let ids: BTreeSet<String> = rows.records().map(|row| row.expect("a row")[0].to_owned()).collect();
    assert!((0..3).all(|person| !ids.contains(&user(person))), "{}", export.text);
    assert!(PAIR.iter().all(|person| ids.contains(&user(*person))), "{}", export.text);
}

/// What was compared with what may be shown.
#[derive(Debug, Default)]
struct Compared {
    /// Values that had to be there, that were gone and had to be, and that might be one or the other.
    values: [u64; 3],
    /// Events, the same.
    events: [u64; 3],
    claims: u64,
}

impl Compared {
    /// A comparison that compares nothing proves nothing.
    fn check(&self) {
        let Self { values: [kept, gone, _], events: [events_kept, events_gone, _], claims } = self;
        assert!(*kept > 0 && *gone > 0, "{self:?}");
        assert!(*events_kept > 0 && *events_gone > 0, "{self:?}");
        assert!(*claims > 0, "{self:?}");
    }
}

fn compare(clients: &[Client], doors: &Doors) -> Compared {
    let mut compared = Compared::default();
    let mut ids = BTreeSet::new();
    for person in 0..PEOPLE + PAIR.len() {
        let deletions: Vec<Deletion> =
            clients.iter().filter_map(|client| client.deletions.get(&person)).flatten().copied().collect();
        let reply = get(doors, Door::Native, &format!("/v1/profiles/identifier/email/{}", email(person)));
        assert!(matches!(reply.status, 200 | 404), "{}", reply.text);
        let profile = if reply.status == 200 { reply.json() } else { Value::Null };
        if let Some(id) = profile["profile_id"].as_str() {
            assert!(ids.insert(id.to_owned()), "two people have one profile: {profile}");
        }
        for client in clients {
            let Some(place) = client.kind.place() else { continue };
            let writes = client.writes.get(&person).map_or(&[][..], Vec::as_slice);
            let allowed = shown(writes, client.kind.names_user(), &deletions);
            let value = profile.pointer(place);
            let found = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let found = found.map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{place}: {profile}")));
            let last = &writes[writes.len().saturating_sub(3)..];
            assert!(
                allowed.contains(&found),
                "{place} of {}: {found:?}, not of {allowed:?}: {last:?} {deletions:?}",
                email(person)
            );
            let at = if allowed.len() > 1 { 2 } else { usize::from(allowed.contains(&None)) };
            compared.values[at] += 1;
        }
        compare_events(clients, person, &deletions, doors, &mut compared);
    }
    compare_claims(clients, doors, &mut compared);
    compared
}

/// The timeline of a person: what has to be there is, once, and nothing that has to be gone, or is somebody else's.
fn compare_events(clients: &[Client], person: usize, deletions: &[Deletion], doors: &Doors, compared: &mut Compared) {
    let found = timeline(doors, person);
    let mut sent: BTreeMap<&str, (Span, bool)> = BTreeMap::new();
    for client in clients {
        let own = client.events.iter().filter(|event| event.person == person);
        sent.extend(own.map(|event| (event.id.as_str(), (event.span, client.kind.names_user()))));
    }
    for (id, (span, names_user)) in &sent {
        let fate = fate(*span, *names_user, deletions);
        match fate {
            Fate::Kept => assert!(found.contains(*id), "{id} of {} is lost: {span:?} {deletions:?}", email(person)),
            Fate::Gone => {
                assert!(!found.contains(*id), "{id} of {} is still there: {span:?} {deletions:?}", email(person));
            }
            Fate::Either => {}
        }
        compared.events[fate as usize] += 1;
    }
    let others: Vec<&String> = found.iter().filter(|id| !sent.contains_key(id.as_str())).collect();
    assert!(others.is_empty(), "{} has events that are none of its own: {others:?}", email(person));
}

/// The ids of the events of a person, each of which is there once.
fn timeline(doors: &Doors, person: usize) -> BTreeSet<String> {
    let path = format!("/v1/profiles/identifier/email/{}/events?limit=1000", email(person));
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let reply = get(doors, Door::Native, &format!("{path}{cursor}"));
        if reply.status == 404 {
            return found;
        }
        assert_eq!(reply.status, 200, "{}", reply.text);
        let page = reply.json();
        for event in page["events"].as_array().expect("events").iter().filter(|event| event["type"] == "track") {
            let id = event["message_id"].as_str().expect("an id").to_owned();
            assert!(found.insert(id), "an event is there twice: {event}");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Profiles of the Profile Store: each is as it was last written.
fn compare_claims(clients: &[Client], doors: &Doors, compared: &mut Compared) {
    let mut held = BTreeSet::new();
    for (id, claim) in clients.iter().flat_map(|client| &client.claims) {
        let reply = get(doors, Door::Optimizely, &format!("/api/v1.0/profiles/default/{id}"));
        let profile = reply.json();
        match claim {
            Claim::Is(device, email, counter) => {
                assert_eq!(reply.status, 200, "{id}: {claim:?}: {}", reply.text);
                assert_eq!(profile["DeviceIds"], json!([device]), "{id}: {claim:?}");
                assert_eq!(profile["Info"], json!({ "Email": email }), "{id}: {claim:?}");
                assert_eq!(
                    profile["Payload"],
                    json!({ "n_claim": counter, "claimed_device": device, "claimed_email": email }),
                    "{id}: {claim:?}"
                );
                assert!(held.insert(device) && held.insert(email), "{claim:?} is held twice");
                compared.claims += 1;
            }
            Claim::Nothing => assert_eq!(reply.status, 404, "{id}: {}", reply.text),
            Claim::Unknown => assert!(matches!(reply.status, 200 | 404), "{id}: {}", reply.text),
        }
    }
}
