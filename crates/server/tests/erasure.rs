//! A thousand people are erased, most of them for good, while others are written; the purge is killed several times, and in the
//! end nothing of them is in any file of the data folder. No file of the log had anything of anybody at any time.
//!
//! `TESSERA_ERASED` says how many (1,000 if it is not set), `TESSERA_SEED` which.

mod harness;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::{Client, Random, Server, number, run_ok};
use serde_json::{Value, json};

/// Facts of one call.
const BATCH: usize = 100;
/// Who erases at the same time.
const ERASERS: usize = 4;
/// Every so many people were seen at a terminal that many use, and have something refused in the quarantine and an answer kept
/// that names them.
const BUSY_EACH: usize = 5;
/// Of so many who are erased one may come back.
const RETURNING_EACH: usize = 10;
/// How often the purge is broken off, and how many times at most receipts are read before.
const KILLS: u64 = 3;
const READS_MAX: u64 = 40;

/// Somebody, all of whose words are found nowhere else.
struct Person {
    user: String,
    browser: String,
    mail: String,
    secret: String,
    /// What they looked at before anybody knew who they are.
    viewed: String,
    orders: Vec<String>,
    is_busy: bool,
}

/// Text that no compression shortens and nobody else has.
fn word(random: &mut Random) -> String {
    (0..22).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz012345"[random.below(32) as usize])).collect()
}

impl Person {
    fn new(at: usize, random: &mut Random) -> Self {
        let orders = random.below(3) + 1;
        Self {
            user: word(random),
            browser: word(random),
            mail: word(random),
            secret: word(random),
            viewed: word(random),
            orders: (0..orders).map(|_| word(random)).collect(),
            is_busy: at.is_multiple_of(BUSY_EACH),
        }
    }

    fn words(&self) -> impl Iterator<Item = &String> {
        [&self.user, &self.browser, &self.mail, &self.secret, &self.viewed].into_iter().chain(&self.orders)
    }

    /// What they did, and who they turned out to be: two profiles become one. Where many are seen at the terminal, links to it
    /// are held, and stand with both.
    fn calls(&self) -> Vec<Value> {
        let traits = json!({ "email": format!("{}@shop.example", self.mail), "secret": self.secret });
        let mut calls = vec![
            json!({
                "type": "page", "messageId": format!("seen-{}", self.browser), "anonymousId": self.browser,
                "properties": { "path": self.viewed }
            }),
            json!({
                "type": "identify", "messageId": format!("who-{}", self.user), "userId": self.user, "anonymousId": self.browser,
                "traits": traits
            }),
        ];
        calls.extend(self.orders.iter().enumerate().map(|(at, order)| {
            json!({
                "type": "track", "messageId": format!("{}-{at}", self.user), "userId": self.user, "event": "Order Completed",
                "properties": { "order": order }
            })
        }));
        if self.is_busy {
            calls.push(json!({
                "type": "track", "messageId": format!("{}-terminal", self.user), "userId": self.user,
                "anonymousId": "terminal", "event": "Ordered Here"
            }));
        }
        calls
    }

    /// What a warehouse knows of them.
    fn record(&self) -> Value {
        let identity = json!({ "namespace": "user_id", "value": self.user });
        json!({ "id": format!("row-{}", self.user), "identities": [identity], "attributes": { "note": self.secret } })
    }

    /// A record without a time that can be read: its refusal is told with its id, and it goes to the quarantine.
    fn refused(&self) -> Value {
        let identity = json!({ "namespace": "user_id", "value": self.user });
        json!({ "dataset": "crm", "records": [
            { "id": self.user, "identities": [identity], "attributes": { "secret": self.secret }, "time": "not a time" }
        ] })
    }

    fn path(&self) -> String {
        format!("/v1/profiles/identifier/user_id/{}", self.user)
    }
}

/// Sends all that is accepted of these people, several to a call; answers how many facts were accepted, and how many refused for good.
fn send(client: &Client, people: &[&Person]) -> (u64, u64) {
    let calls: Vec<Value> = people.iter().flat_map(|person| person.calls()).collect();
    let records: Vec<Value> = people.iter().map(|person| person.record()).collect();
    let calls = calls.chunks(BATCH).map(|calls| ("/v1/batch", json!({ "batch": calls })));
    let records = records.chunks(BATCH).map(|records| ("/v1/records", json!({ "dataset": "crm", "records": records })));
    let (mut accepted, mut suppressed) = (0, 0);
    for (path, body) in calls.chain(records) {
        let report = client.post(path, body.to_string().as_bytes());
        accepted += report["accepted"].as_u64().expect("a number");
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        suppressed += verdicts.iter().filter(|verdict| verdict["code"] == "identity_suppressed").count() as u64;
    }
    (accepted, suppressed)
}

fn facts(people: &[&Person]) -> u64 {
    people.iter().map(|person| person.calls().len() as u64 + 1).sum()
}

fn write_all(client: &Client, people: &[&Person]) {
    assert_eq!(send(client, people), (facts(people), 0));
    for person in people.iter().filter(|person| person.is_busy) {
        let (body, key) = (person.refused().to_string(), format!("refused-{}", person.browser));
        let headers = [("idempotency-key", key.as_str())];
        let (status, answer) = client.send_with(&headers, "POST", "/v1/records", body.as_bytes()).expect("an answer");
        let report: Value = serde_json::from_slice(&answer).expect("a report");
        assert_eq!((status, report["rejected"].as_u64()), (200, Some(1)), "{report}");
        assert!(report.to_string().contains(&person.user), "the kept answer has to name who it is about: {report}");
    }
}

/// Which of these words stand in any file of the folder.
fn found(folder: &Path, words: &[&String]) -> BTreeSet<String> {
    let search = aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(words).expect("few words");
    let mut found = BTreeSet::new();
    for file in files(folder) {
        let bytes = fs::read(&file).expect("nothing runs that would remove it");
        found.extend(search.find_overlapping_iter(&bytes[..]).map(|at| words[at.pattern().as_usize()].clone()));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn receipts(client: &Client) -> Vec<Value> {
    let (mut receipts, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = client.get(&format!("/v1/erasures?limit=500{cursor}")).expect("receipts");
        receipts.append(page["items"].as_array_mut().expect("receipts"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return receipts,
        }
    }
}

/// Writes people of no further interest until told to stop; answers how many events.
fn crowd(client: &Client, is_over: &AtomicBool) -> u64 {
    let mut written = 0;
    while !is_over.load(Ordering::Acquire) {
        let calls: Vec<Value> = (0..20)
            .map(|at| {
                json!({
                    "type": "track", "messageId": format!("crowd-{written}-{at}"), "userId": format!("crowd-{at}"),
                    "anonymousId": format!("crowd-{written}-{at}"), "event": "Viewed"
                })
            })
            .collect();
        let report = client.post("/v1/batch", json!({ "batch": calls }).to_string().as_bytes());
        assert_eq!(report["accepted"], 20, "{report}");
        written += 20;
    }
    written
}

/// Erases these people, several at a time, while the crowd goes on.
fn erase_all(server: &Server, erased: &[&Person]) {
    let (is_over, next) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| crowd(&server.client(), &is_over));
        let erasing: Vec<_> = (0..ERASERS)
            .map(|_| {
                scope.spawn(|| {
                    let client = server.client();
                    loop {
                        let at = usize::try_from(next.fetch_add(1, Ordering::SeqCst)).expect("an index");
                        let Some(person) = erased.get(at) else { return };
                        let path = format!("{}?suppress={}", person.path(), !may_return(at));
                        let (status, answer) = client.send("DELETE", &path, &[]).expect("an answer");
                        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
                        assert_eq!(client.get(&person.path()), None);
                    }
                })
            })
            .collect();
        erasing.into_iter().for_each(|erasing| erasing.join().expect("no assertion failed"));
        is_over.store(true, Ordering::Release);
        assert!(writing.join().expect("no assertion failed") > 0, "nobody wrote meanwhile");
    });
}

/// Whether the one at this place of those who are erased is not suppressed.
fn may_return(at: usize) -> bool {
    at.is_multiple_of(RETURNING_EACH)
}

fn purge_to_the_end(client: &Client) -> Vec<Value> {
    client.post("/v1/erasures:purge", b"");
    loop {
        let receipts = receipts(client);
        if receipts.iter().all(|receipt| receipt["state"] == "purged") {
            return receipts;
        }
    }
}

/// The receipts say exactly what was sent of those who were erased.
fn check_receipts(receipts: &[Value], erased: &[&Person]) {
    let count = erased.len();
    let sum = |name: &str| receipts.iter().map(|receipt| receipt[name].as_u64().expect("a number")).sum::<u64>();
    let busy = erased.iter().filter(|person| person.is_busy).count();
    let orders: usize = erased.iter().map(|person| person.orders.len()).sum();
    assert_eq!(receipts.len(), count);
    assert!(receipts.iter().all(|receipt| receipt["kind"] == "profile"));
    let suppressed = receipts.iter().filter(|receipt| receipt["suppressed"] == true).count();
    assert_eq!(suppressed, count - count.div_ceil(RETURNING_EACH));
    assert_eq!(sum("identities"), 3 * count as u64);
    // The secret and the mail address that came as traits, and the note.
    assert_eq!(sum("attributes"), 3 * count as u64);
    assert_eq!(sum("links"), (2 * count + busy) as u64);
    assert_eq!(sum("events"), (2 * count + orders + busy) as u64);
    assert_eq!((sum("quarantined"), sum("replies")), (busy as u64, busy as u64));
}

#[test]
fn nothing_of_who_was_erased_is_left_in_any_file() {
    let count = usize::try_from(number("TESSERA_ERASED", 1_000)).expect("a number of people");
    let mut random = Random::new(number("TESSERA_SEED", 11));
    let mut people: Vec<Person> = (0..count + count / 5).map(|at| Person::new(at, &mut random)).collect();
    random.shuffle(&mut people);
    let (erased, kept) = people.split_at(count);
    let (erased, kept): (Vec<&Person>, Vec<&Person>) = (erased.iter().collect(), kept.iter().collect());
    let words = |people: &[&'_ Person]| -> Vec<String> { people.iter().flat_map(|own| own.words().cloned()).collect() };
    let (gone, stays) = (words(&erased), words(&kept));
    let (gone, stays): (Vec<&String>, Vec<&String>) = (gone.iter().collect(), stays.iter().collect());

    let (folder, logs, copies) = [(); 3].map(|()| tempfile::tempdir().expect("a folder")).into();
    let start = |log: &str| {
        let log = File::create(logs.path().join(log)).expect("a file");
        Server::start_logging(folder.path(), "info,tessera_api=trace,tessera_service=trace,tessera_server=trace", log)
    };
    let server = start("written");
    write_all(&server.client(), &people.iter().collect::<Vec<_>>());
    server.kill();
    let before = found(folder.path(), &gone).len();
    assert!(before * 100 > gone.len() * 95, "only {before} of {} words are found while they are there", gone.len());

    let server = start("erased");
    erase_all(&server, &erased);
    server.kill();
    for kill in 0..KILLS {
        // The purge is broken off, wherever it is by then.
        let server = start(&format!("purged-{kill}"));
        let client = server.client();
        client.post("/v1/erasures:purge", b"");
        (0..random.below(READS_MAX)).for_each(|_| drop(receipts(&client)));
        server.kill();
    }

    let server = start("to-the-end");
    let client = server.client();
    check_receipts(&purge_to_the_end(&client), &erased);
    let suppressed = erased.iter().enumerate().filter(|(at, _)| !may_return(*at)).map(|(_, person)| *person);
    let suppressed: Vec<&Person> = suppressed.collect();
    assert_eq!(client.get("/v1/suppressions").expect("a count")["suppressed"], 3 * suppressed.len() as u64);

    // What is sent again of who is suppressed is refused, and leaves nothing behind either.
    assert_eq!(send(&client, &suppressed), (0, facts(&suppressed)));
    for person in suppressed.iter().filter(|person| person.is_busy) {
        let report = client.post("/v1/records", person.refused().to_string().as_bytes());
        assert_eq!(report["verdicts"][0]["code"], "timestamp_invalid", "{report}");
    }
    for person in &kept {
        assert_eq!(client.get(&person.path()).expect("nobody erased them")["secret"], person.secret.as_str());
    }
    server.stop();
    let left = found(folder.path(), &gone);
    assert!(left.is_empty(), "{} of {} words are still on disk", left.len(), gone.len());
    let after = found(folder.path(), &stays).len();
    assert!(after * 4 > stays.len() * 3, "only {after} of {} words are found that have to be there", stays.len());
    // Tables are compressed, and a word may be cut into pieces there. A backup is not: it has each row as it is.
    let copy = copies.path().join("copy");
    let [data, copy] = [folder.path(), &copy].map(|path| path.to_str().expect("a path in UTF-8"));
    run_ok(&["check", "--data", data]);
    run_ok(&["backup", "--data", data, "--to", copy]);
    assert_eq!(found(copies.path(), &gone), BTreeSet::new());
    assert_eq!(found(copies.path(), &stays).len(), stays.len());
    let logged = files(logs.path()).iter().map(|log| fs::metadata(log).expect("a file").len()).sum::<u64>();
    assert!(logged > 0, "nothing was logged");
    assert_eq!(found(logs.path(), &gone), BTreeSet::new(), "the log names somebody");
}
