//! What one of the clients does, and what it knows of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use serde_json::{Value, json};

use super::harness::Random;
use super::harness::doors::{Ask, Door, Doors, Reply};
use super::model::{Deletion, Moments, Reach, Span, Write};
use super::replay::Said;

#[path = "claims.rs"]
mod claims;

pub(crate) use claims::Claim;

/// People whom all doors write and delete.
pub(crate) const PEOPLE: usize = 6;
/// People whom two doors write, who are joined by hand and parted, and never deleted: they stand behind the others.
pub(crate) const PAIR: [usize; 2] = [PEOPLE, PEOPLE + 1];
/// Visitors that are merged into one person, at most: a profile has at most 1,000 identities.
const VISITORS_MAX: u64 = 400;
/// The name, user id, of a person.
pub(crate) fn user(person: usize) -> String {
    format!("u{person}")
}

/// The address of a person.
pub(crate) fn email(person: usize) -> String {
    format!("p{person}@shop.example")
}

/// The address of a person that stands in a text.
pub(crate) fn email_in(text: &str) -> Option<String> {
    (0..PEOPLE + PAIR.len()).map(email).find(|email| text.contains(email.as_str()))
}

/// The time, for an API that wants it with each call.
#[expect(clippy::disallowed_methods, reason = "clients of this API say what time it is")]
pub(crate) fn now() -> String {
    told(jiff::Timestamp::now().as_millisecond())
}

fn told(millis: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(millis).expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// What a client writes of people: each its own attribute, so that an update that is lost shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Records,
    Identify,
    Track,
    Wyng,
    Optimizely,
    Dfinery,
    Join,
    Delete,
}

impl Kind {
    /// One for each client.
    pub(crate) const ALL: [Self; 8] = [
        Self::Records,
        Self::Identify,
        Self::Track,
        Self::Wyng,
        Self::Optimizely,
        Self::Dfinery,
        Self::Join,
        Self::Delete,
    ];

    /// Whether what it says names the user id beside the address.
    pub(crate) fn names_user(self) -> bool {
        !matches!(self, Self::Wyng | Self::Optimizely)
    }

    /// Where a native read shows its counter.
    pub(crate) fn place(self) -> Option<&'static str> {
        match self {
            Self::Records => Some("/n_records"),
            Self::Identify => Some("/n_identify"),
            Self::Wyng => Some("/n_wyng"),
            Self::Optimizely => Some("/info/Counter"),
            Self::Dfinery => Some("/n_dfinery"),
            Self::Track | Self::Join | Self::Delete => None,
        }
    }
}

/// An event that was sent of a person.
pub(crate) struct Event {
    pub(crate) person: usize,
    pub(crate) id: String,
    pub(crate) span: Span,
}

/// What all clients share.
pub(crate) struct Shared {
    pub(crate) moments: Moments,
    /// Whether the clients are to stop, or the server goes away under their hands.
    pub(crate) is_over: AtomicBool,
}

/// A client, and what it has done.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    number: usize,
    random: Random,
    counter: u64,
    millis: i64,
    /// By person.
    pub(crate) writes: BTreeMap<usize, Vec<Write>>,
    pub(crate) events: Vec<Event>,
    pub(crate) deletions: BTreeMap<usize, Vec<Deletion>>,
    pub(crate) claims: BTreeMap<String, Claim>,
    visitors: BTreeMap<usize, u64>,
    join: Option<String>,
    /// How many requests it has sent, and those that may have changed something.
    asked: u64,
    pub(crate) said: Vec<Said>,
    /// How often it got what it asked for, and how often it was told to come again.
    pub(crate) done: u64,
    pub(crate) put_off: u64,
    /// Lists and exports in which it looked for what two profiles hold.
    pub(crate) lists: u64,
    pub(crate) exports: u64,
}

/// What became of a request.
enum Came {
    Answer(Reply),
    /// It was told to come again: nothing was done.
    Later,
    /// It was not answered.
    Nothing,
}

impl Client {
    /// The client of this number, with choices of its own; the clock of its machine stands at these milliseconds.
    pub(crate) fn new(number: usize, seed: u64, millis: i64) -> Self {
        Self {
            kind: Kind::ALL[number],
            number,
            random: Random::new(seed),
            counter: 0,
            millis,
            writes: BTreeMap::new(),
            events: Vec::new(),
            deletions: BTreeMap::new(),
            claims: BTreeMap::new(),
            visitors: BTreeMap::new(),
            join: None,
            asked: 0,
            said: Vec::new(),
            done: 0,
            put_off: 0,
            lists: 0,
            exports: 0,
        }
    }

    /// Works until it is over.
    pub(crate) fn work(&mut self, doors: &Doors, shared: &Shared, done: &Sender<()>) {
        while !shared.is_over.load(Ordering::SeqCst) {
            let before = self.done;
            if self.random.below(8) == 0 {
                self.claim(doors, shared);
            } else {
                self.own(doors, shared);
            }
            if self.done > before {
                let _ = done.send(());
            }
        }
    }

    /// What its kind does.
    fn own(&mut self, doors: &Doors, shared: &Shared) {
        let person = usize::try_from(self.random.below(PEOPLE as u64)).expect("a number");
        match self.kind {
            Kind::Records | Kind::Identify => {
                // Those of the pair are written as well.
                let person = usize::try_from(self.random.below(PEOPLE as u64 + 2)).expect("a number");
                self.write(person, doors, shared);
            }
            Kind::Dfinery | Kind::Optimizely => self.write(person, doors, shared),
            Kind::Wyng if self.random.below(4) > 0 => self.write(person, doors, shared),
            Kind::Track if self.random.below(2) > 0 => self.track(person, doors, shared),
            Kind::Wyng | Kind::Track => self.visit(person, doors, shared),
            Kind::Join if self.random.below(3) == 0 => self.look(doors, shared),
            Kind::Join => self.join_or_part(doors, shared),
            // Most that is written is not deleted at once.
            Kind::Delete if self.random.below(16) > 0 => self.look(doors, shared),
            Kind::Delete => self.delete(person, doors, shared),
        }
    }

    /// Sends a request. A server that answers with a fault of its own fails the test, and so does one that goes away by itself.
    fn ask(&mut self, (doors, shared): (&Doors, &Shared), door: Door, request: &str, body: &Value) -> (Came, Span) {
        let (method, path) = request.split_once(' ').expect("method and path");
        self.asked += 1;
        let id = format!("c{}-{}", self.number, self.asked);
        let headers = vec![("x-request-id".to_owned(), id.clone())];
        let sent = shared.moments.next();
        let own = Some(body).filter(|body| !body.is_null());
        let reply = doors.ask(&Ask { door, method, path, headers, body: own, key: None });
        let ended = shared.moments.next();
        if method != "GET" && !path.contains("/export/") {
            let (request, body) = (request.to_owned(), body.clone());
            let status = reply.as_ref().ok().map(|reply| reply.status);
            let made = reply.as_ref().ok().and_then(|reply| reply.json()["id"].as_str().map(str::to_owned));
            self.said.push(Said { id, door, request, body, found_by: None, status, made });
        }
        let is_over = shared.is_over.load(Ordering::SeqCst);
        let came = match reply {
            Ok(reply) if reply.status == 429 => Came::Later,
            // What may have happened is told so.
            Ok(reply) if reply.status == 503 && reply.text.contains("look_first") => Came::Nothing,
            Ok(reply) if reply.status == 503 => Came::Later,
            Ok(reply) => {
                assert!(reply.status < 500, "{door:?} {request}: {} {}", reply.status, reply.text);
                Came::Answer(reply)
            }
            Err(error) => {
                assert!(is_over, "the server went away by itself: {request}: {error}");
                Came::Nothing
            }
        };
        self.done += u64::from(matches!(came, Came::Answer(_)));
        self.put_off += u64::from(matches!(came, Came::Later));
        let is_done = matches!(came, Came::Answer(_));
        (came, Span { sent, ended, is_done })
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A time that is later than those before, for an API that wants one with each call.
    #[expect(clippy::disallowed_methods, reason = "clients of this API say what time it is")]
    fn time(&mut self) -> String {
        self.millis = (self.millis + 1).max(jiff::Timestamp::now().as_millisecond());
        told(self.millis)
    }

    /// Writes the counter of its attribute.
    fn write(&mut self, person: usize, doors: &Doors, shared: &Shared) {
        let counter = self.next();
        let (user, email, id) = (user(person), email(person), format!("{}-{counter}", self.number));
        let mut event = None;
        let (door, request, body, accepted) = match self.kind {
            Kind::Records => {
                let identities =
                    json!([{"namespace": "user_id", "value": user}, {"namespace": "email", "value": email}]);
                let record = json!({"id": id, "identities": identities, "attributes": {"n_records": counter}});
                let body = json!({"dataset": "records", "records": [record]});
                (Door::Native, "POST /v1/records", body, "/accepted")
            }
            Kind::Identify => {
                let traits = json!({"email": email, "n_identify": counter});
                let body = json!({"userId": user, "messageId": id, "traits": traits});
                (Door::Segment, "POST /v1/identify", body, "/accepted")
            }
            Kind::Wyng => {
                let body = json!({"fields": {"email": {"value": email}, "n_wyng": {"value": counter}}});
                (Door::Wyng, "POST /api/v1/consumer/profiles/upsert", body, "")
            }
            Kind::Optimizely => {
                let said = json!({"email": email, "info": {"Counter": counter.to_string()}});
                event = Some(id.clone());
                let body = json!({"deviceId": format!("dev{person}"), "eventType": "Seen", "value": "x", "trackId": id, "user": said});
                (Door::Optimizely, "POST /api/v1.0/Track", body, "/accepted")
            }
            Kind::Dfinery => {
                let time = self.time();
                let body = json!({"identity": {"external_id": user, "email": email},
                    "user_properties": {"n_dfinery": counter}, "request_datetime": time});
                (Door::Dfinery, "POST /api/v1/user-profile?service_id=default", body, "/status")
            }
            Kind::Track | Kind::Join | Kind::Delete => unreachable!("it writes no attribute"),
        };
        let (came, span) = self.ask((doors, shared), door, request, &body);
        if let Came::Answer(reply) = &came {
            let json = reply.json();
            let is_taken = match accepted {
                "" => true,
                place => json.pointer(place) == Some(&json!(1)) || json.pointer(place) == Some(&json!(true)),
            };
            assert!(reply.status == 200 && is_taken, "{request} {body}: {} {}", reply.status, reply.text);
        }
        if !matches!(came, Came::Later) {
            self.writes.entry(person).or_default().push(Write { counter, span });
            self.events.extend(event.map(|id| Event { person, id, span }));
        }
    }

    /// An event of a person.
    fn track(&mut self, person: usize, doors: &Doors, shared: &Shared) {
        let counter = self.next();
        let id = format!("{}-{counter}", self.number);
        let context = json!({"traits": {"email": email(person)}});
        let body = json!({"userId": user(person), "messageId": id, "event": "Seen", "context": context});
        let (came, span) = self.ask((doors, shared), Door::Segment, "POST /v1/track", &body);
        taken(&came, &body);
        if !matches!(came, Came::Later) {
            self.events.push(Event { person, id, span });
        }
    }

    /// A visitor is tracked, and then says who it is: its event goes to the person.
    fn visit(&mut self, person: usize, doors: &Doors, shared: &Shared) {
        let number = self.next();
        let visitors = self.visitors.entry(person).or_default();
        if *visitors >= VISITORS_MAX {
            return;
        }
        *visitors += 1;
        let (id, visitor) = (format!("{}-{number}", self.number), format!("visitor-{}-{number}", self.number));
        let body = json!({"anonymousId": visitor, "messageId": id, "event": "Seen"});
        let (came, tracked) = self.ask((doors, shared), Door::Segment, "POST /v1/track", &body);
        taken(&came, &body);
        if !matches!(came, Came::Answer(_)) {
            return;
        }
        let (door, request, body) = match self.kind {
            Kind::Wyng => {
                let fields = json!({"email": {"value": email(person)}, "uids": {"value": [visitor]}});
                (Door::Wyng, "POST /api/v1/consumer/profiles/upsert", json!({"fields": fields}))
            }
            _ => {
                let traits = json!({"email": email(person)});
                let body = json!({"userId": user(person), "anonymousId": visitor, "messageId": format!("{id}i"), "traits": traits});
                (Door::Segment, "POST /v1/identify", body)
            }
        };
        let (came, merged) = self.ask((doors, shared), door, request, &body);
        if let Came::Answer(reply) = &came {
            assert_eq!(reply.status, 200, "{request} {body}: {}", reply.text);
            // It is the person's from the merge on.
            let span = Span { is_done: tracked.is_done && merged.is_done, ..merged };
            self.events.push(Event { person, id, span });
        }
    }

    /// Two people become one by hand, and two again.
    fn join_or_part(&mut self, doors: &Doors, shared: &Shared) {
        let request = "POST /v1/directives";
        let body = match &self.join {
            Some(join) => json!({"type": "undo", "directive": join}),
            None => joined(),
        };
        let (came, _) = self.ask((doors, shared), Door::Native, request, &body);
        match came {
            Came::Answer(reply) if self.join.take().is_none() => {
                // Before both are known there is nobody to join.
                self.join = reply.json()["id"].as_str().map(str::to_owned);
                assert!(
                    self.join.is_some() || matches!(reply.status, 400 | 404),
                    "{body}: {} {}",
                    reply.status,
                    reply.text
                );
            }
            Came::Answer(reply) => assert_eq!(reply.status, 200, "{body}: {}", reply.text),
            Came::Later => {}
            // A join that is there already is told again, so it is asked for again.
            Came::Nothing => self.join = None,
        }
    }

    /// Parts those who were joined, whatever is known of it.
    pub(crate) fn part(&mut self, doors: &Doors, shared: &Shared) {
        self.join = None;
        self.join_or_part(doors, shared);
        assert!(self.join.is_some(), "they can be joined");
        self.join_or_part(doors, shared);
    }

    /// Deletes a person through one of the doors that delete.
    fn delete(&mut self, person: usize, doors: &Doors, shared: &Shared) {
        let way = self.random.below(3);
        if let Some(deletion) = self.deleted(way, person, doors, shared) {
            self.deletions.entry(person).or_default().push(deletion);
        }
    }

    fn deleted(&mut self, way: u64, person: usize, doors: &Doors, shared: &Shared) -> Option<Deletion> {
        let to = (doors, shared);
        let (request, (came, span), reach) = match way {
            0 => {
                let request = format!("DELETE /v1/profiles/identifier/email/{}", email(person));
                let done = self.ask(to, Door::Native, &request, &Value::Null);
                (request, done, Reach::All)
            }
            1 => {
                let request = "POST /api/v1/identities/delete?service_id=default".to_owned();
                let body = json!({"identity": {"external_id": user(person)}, "request_datetime": self.time()});
                let done = self.ask(to, Door::Dfinery, &request, &body);
                (request, done, Reach::Users)
            }
            _ => {
                let find = format!("GET /api/v1.0/profiles?$filter=Info.Email%20eq%20{}", email(person));
                let (came, found) = self.ask(to, Door::Optimizely, &find, &Value::Null);
                let Came::Answer(reply) = came else { return None };
                let Some(id) = reply.json()["items"][0]["ProfileId"].as_str().map(str::to_owned) else {
                    assert_eq!(reply.json()["total"], 0, "{}", reply.text);
                    return Some(Deletion { span: found, reach: Reach::All });
                };
                let request = format!("DELETE /api/v1.0/profiles/default/{id}");
                let (came, span) = self.ask(to, Door::Optimizely, &request, &Value::Null);
                self.said.last_mut().expect("it was said just now").found_by = Some(find);
                // Somebody else has deleted that one meanwhile, and another one may be there.
                let is_done = matches!(&came, Came::Answer(reply) if reply.status == 200);
                (request, (came, Span { is_done, ..span }), Reach::All)
            }
        };
        match came {
            Came::Answer(reply) => {
                assert!(matches!(reply.status, 200 | 404), "{request}: {} {}", reply.status, reply.text);
                Some(Deletion { span, reach })
            }
            Came::Nothing => Some(Deletion { span, reach }),
            Came::Later => None,
        }
    }

    /// Deletes a person for good by one door, as often as it takes.
    pub(crate) fn delete_at_last(&mut self, way: u64, person: usize, doors: &Doors, shared: &Shared) {
        for _ in 0..1_000 {
            let deletion = self.deleted(way, person, doors, shared);
            if let Some(deletion) = deletion.filter(|own| own.span.is_done) {
                self.deletions.entry(person).or_default().push(deletion);
                return;
            }
        }
        panic!("{} cannot be deleted", email(person));
    }
}

/// What joins those of the pair.
fn joined() -> Value {
    let ends = PAIR.map(|person| json!({"namespace": "user_id", "value": user(person)}));
    json!({"type": "join", "identities": ends})
}

fn taken(came: &Came, body: &Value) {
    if let Came::Answer(reply) = came {
        assert!(reply.status == 200 && reply.json()["accepted"] == 1, "{body}: {} {}", reply.status, reply.text);
    }
}
