//! `kill -9` at random moments while writers write: what was acknowledged is there, exactly once, in the right profile.
//!
//! `TESSERA_KILLS` says how many kills (30 if it is not set), `TESSERA_SEED` which sequence of choices. The seed decides who writes
//! what and after how many acknowledgements the server dies; where exactly in its work that hits it, the machine decides.

mod harness;
#[path = "kill/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use harness::{Client, Random, Server, number, run_ok};
use reference::{Fact, Reference, Writer};
use serde_json::Value;

const WRITERS: u64 = 4;

#[test]
fn acknowledged_events_outlive_kills() {
    let kills = number("TESSERA_KILLS", 30);
    let seed = number("TESSERA_SEED", 7);
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random::new(seed);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(number, random.bits())).collect();
    for kill in 0..kills {
        let server = Server::start(folder.path());
        let acks = random.below(60) + 1;
        write_until(server, &mut writers, acks, Server::kill);
        if kill % 10 == 9 {
            verify(folder.path(), &mut writers);
        }
    }
    verify(folder.path(), &mut writers);
    let stored: u64 = writers.iter().map(|writer| writer.doubts().stored).sum();
    let lost: u64 = writers.iter().map(|writer| writer.doubts().lost).sum();
    println!("{kills} kills: of the calls without an answer {stored} were stored, {lost} were not");
    assert!(stored + lost > 0, "no kill met a call under way");
}

#[test]
fn a_clean_stop_answers_what_was_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(number, number)).collect();
    for round in 0..3 {
        let server = Server::start(folder.path());
        write_until(server, &mut writers, 20 + round, Server::stop);
    }
    verify(folder.path(), &mut writers);
}

/// Lets everybody write until so many batches were acknowledged, then ends the server under their hands.
fn write_until(server: Server, writers: &mut [Writer], acks: u64, end: impl FnOnce(Server)) {
    let is_over = AtomicBool::new(false);
    let (acknowledged, news) = mpsc::channel();
    std::thread::scope(|scope| {
        for writer in writers {
            let (client, acknowledged, is_over) = (server.client(), acknowledged.clone(), &is_over);
            scope.spawn(move || write(writer, &client, &acknowledged, is_over));
        }
        drop(acknowledged);
        for ack in 0..acks {
            news.recv().unwrap_or_else(|_| panic!("all writers stopped after {ack} acknowledgements"));
        }
        is_over.store(true, Ordering::SeqCst);
        end(server);
    });
}

/// Sends batch after batch; the one that is not answered stays in doubt, and is the first of the next run.
fn write(writer: &mut Writer, client: &Client, acknowledged: &Sender<()>, is_over: &AtomicBool) {
    loop {
        let body = writer.batch();
        match client.send("POST", "/v1/batch", body.as_bytes()) {
            Ok((200, answer)) => {
                writer.acknowledge(&serde_json::from_slice(&answer).expect("a report"));
                let _ = acknowledged.send(());
            }
            Ok((503, _)) if is_over.load(Ordering::SeqCst) => return,
            Ok((status, answer)) => panic!("{status}: {}", String::from_utf8_lossy(&answer)),
            Err(error) => {
                assert!(is_over.load(Ordering::SeqCst), "the server went away by itself: {error}");
                return;
            }
        }
    }
}

/// Settles what is in doubt, reads everything back, compares it with the reference, and has the folder verified.
fn verify(data: &Path, writers: &mut [Writer]) {
    let server = Server::start(data);
    let client = server.client();
    for writer in &mut *writers {
        while writer.is_in_doubt() {
            let report = client.post("/v1/batch", writer.batch().as_bytes());
            writer.acknowledge(&report);
        }
    }
    let reference = Reference::of(writers.iter().flat_map(Writer::facts));
    let mut ids = BTreeSet::new();
    let mut events = 0;
    for person in reference.people() {
        let id = compare(&client, person);
        assert!(ids.insert(id), "two people have one profile: {:?}", person.identities);
        events += person.facts.len();
    }
    assert_eq!(events, reference.facts());
    assert!(events > 0, "nothing was compared");
    server.stop();
    run_ok(&["check", "--data", data.to_str().expect("a path in UTF-8")]);
}

/// One person, found by each of its identities; answers the profile's id.
fn compare(client: &Client, person: &reference::Person<'_>) -> String {
    let mut ids = BTreeSet::new();
    for (namespace, value) in &person.identities {
        let path = format!("/v1/profiles/identifier/{namespace}/{value}");
        let profile = client.get(&path).unwrap_or_else(|| panic!("{namespace} {value} is not there"));
        for (name, expected) in person.traits() {
            assert_eq!(profile.get(&name), Some(&expected), "{namespace} {value}: {name}");
        }
        ids.insert(profile["profile_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 1, "{:?}", person.identities);
    let (namespace, value) = person.identities.first().expect("a person has an identity");
    let stored = timeline(client, &format!("/v1/profiles/identifier/{namespace}/{value}/events"));
    let expected: BTreeMap<&str, &Fact> = person.facts.iter().map(|fact| (fact.message_id.as_str(), *fact)).collect();
    let found: BTreeSet<&str> = stored.iter().map(|event| event["message_id"].as_str().expect("an id")).collect();
    assert_eq!(found, expected.keys().copied().collect(), "{namespace} {value}");
    assert_eq!(stored.len(), expected.len(), "{namespace} {value}: an event is there twice");
    for event in &stored {
        let fact = expected[event["message_id"].as_str().expect("an id")];
        assert_eq!(event["event"], fact.event_name(), "{event}");
        assert_eq!(event["properties"]["n"], fact.property(), "{event}");
    }
    ids.into_iter().next().expect("one id")
}

fn timeline(client: &Client, path: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = client.get(&format!("{path}?limit=100{cursor}")).expect("a timeline");
        events.append(page["events"].as_array_mut().expect("events"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return events,
        }
    }
}
