//! The binary under hostile hands: what one workspace or many connections do to the others, and to the memory of the process. Times are only
//! asserted in `make soak`, with `TESSERA_TIMED`, where nothing else runs.

#![expect(clippy::disallowed_methods, reason = "how long an answer takes is what is looked at")]

mod harness;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Client, KEY, Server, number};
use serde_json::{Value, json};

const MEBIBYTE: u64 = 1 << 20;

/// Sends with the operator's key to one workspace.
fn send_to(client: &Client, workspace: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let headers = [("x-tessera-workspace", workspace)];
    let (status, answer) = client.send_with(&headers, method, path, &bytes).expect("the server answers");
    (status, serde_json::from_slice(&answer).unwrap_or(Value::Null))
}

fn make_workspace(client: &Client, name: &str) {
    let (status, answer) =
        client.send("POST", "/v1/admin/workspaces", json!({ "name": name }).to_string().as_bytes()).expect("an answer");
    assert!(matches!(status, 200 | 201), "{status} {}", String::from_utf8_lossy(&answer));
}

fn identify(user: &str, id: &str) -> Value {
    json!({"type": "identify", "userId": user, "messageId": id, "traits": {"plan": "gold"}})
}

/// Whether times are asserted: where this test has the machine for itself.
fn is_timed() -> bool {
    number("TESSERA_TIMED", 0) > 0
}

#[test]
fn many_workspaces_touched_once_cost_little_and_give_it_back() {
    let workspaces = number("TESSERA_WORKSPACES", 200);
    let idle_secs = 3 + workspaces / 100;
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start_with(root.path(), &[("TESSERA_LANE_IDLE_SECS", &idle_secs.to_string())]);
    let client = server.client();
    // One is there already, and an organization has at most 1,000.
    let names: Vec<String> = (1..workspaces).map(|at| format!("w{at}")).collect();
    names.iter().for_each(|name| make_workspace(&client, name));
    let touch = |name: &str, expected: &str| {
        let (status, report) = send_to(&client, name, "POST", "/v1/batch", &json!({"batch": [identify("ann", "m1")]}));
        assert_eq!((status, &report[expected]), (200, &json!(1)), "{name}: {report}");
        let (status, profile) = send_to(&client, name, "GET", "/v1/profiles/identifier/user_id/ann", &Value::Null);
        assert_eq!((status, &profile["plan"]), (200, &json!("gold")), "{name}: {profile}");
    };
    touch("default", "accepted");
    let before = server.resident_bytes();
    names.iter().for_each(|name| touch(name, "accepted"));
    let grown = server.resident_bytes().saturating_sub(before);
    // A fifth of a mebibyte for each.
    let most = workspaces * MEBIBYTE / 5;
    assert!(grown <= most, "{workspaces} workspaces cost {grown} bytes, and may cost {most}");
    // They end, and begin again with nothing lost.
    while server.metric("tessera_lanes").is_none_or(|lanes| lanes > 0.0) {
        std::thread::yield_now();
    }
    assert!(server.metric("tessera_lanes_ended_total").is_some_and(|ended| ended >= workspaces as f64));
    names.iter().step_by(10).for_each(|name| touch(name, "duplicates"));
    println!("{workspaces} workspaces cost {} KiB each", grown / workspaces / 1024);
    server.stop();
}

/// One workspace is flooded over many connections, with segments; what another one asks is answered meanwhile.
#[test]
fn a_flooded_workspace_leaves_its_neighbours_alone() {
    let (connections, segments) = (number("TESSERA_FLOOD_CONNECTIONS", 24), number("TESSERA_FLOOD_SEGMENTS", 30));
    let seconds = number("TESSERA_FLOOD_SECONDS", 3);
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start_with(root.path(), &[]);
    let client = server.client();
    ["flooded", "quiet"].iter().for_each(|name| make_workspace(&client, name));
    for at in 0..segments {
        let pql = format!(
            "revenue >= {at} and xEvent[eventType = \"Order Completed\" and properties.total >= {at}].count() >= 1"
        );
        let made = send_to(&client, "flooded", "POST", "/v1/segments", &json!({"name": format!("s{at}"), "pql": pql}));
        assert_eq!(made.0, 201, "{}", made.1);
    }
    let mut quiet = Neighbour::new(&server);
    for _ in 0..200 {
        quiet.ask();
    }
    let alone = std::mem::take(&mut quiet.times);
    let (is_over, mut most) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let is_over = &is_over;
        for connection in 0..connections {
            let client = server.client();
            scope.spawn(move || {
                // Whoever floods has machines of their own, which do not take this one's time.
                let _ = rustix::process::nice(15);
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    flood(&client, connection, round);
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            quiet.ask();
            most = most.max(server.resident_bytes());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    println!(
        "{connections} connections, {segments} segments: reads {:?} alone, {:?} beside; writes {:?}, {:?}; {} MiB",
        alone.read_p99(),
        quiet.times.read_p99(),
        alone.slowest_write(),
        quiet.times.slowest_write(),
        most / MEBIBYTE
    );
    assert!(quiet.times.reads.len() > 20, "{} reads in {seconds} s", quiet.times.reads.len());
    assert!(most <= FLOODED_MOST, "{} MiB under the flood", most / MEBIBYTE);
    if is_timed() {
        // Below a millisecond a ratio says nothing.
        let base = alone.read_p99().max(Duration::from_millis(1));
        assert!(quiet.times.read_p99() <= base * 3, "{:?} beside the flood, {base:?} alone", quiet.times.read_p99());
        assert!(quiet.times.slowest_write() <= Duration::from_secs(2), "{:?}", quiet.times.slowest_write());
    }
    server.stop();
}

/// The budgets of bodies, answers and queues, caches, and room for what is being decided.
const FLOODED_MOST: u64 = 1_300 * MEBIBYTE;

fn flood(client: &Client, connection: u64, round: u64) {
    let event = |at: u64| {
        let user = format!("u{}", (connection * 7_919 + round * 31 + at) % 5_000);
        json!({"type": "track", "userId": user, "event": "Order Completed", "messageId": format!("{connection}-{round}-{at}"),
               "properties": {"total": at, "note": "x".repeat(300)}})
    };
    let batch: Vec<Value> = (0..100).map(event).collect();
    let (status, answer) = send_to(client, "flooded", "POST", "/v1/batch", &json!({ "batch": batch }));
    assert!(matches!(status, 200 | 429 | 503), "{status} {answer}");
}

/// Somebody who asks little, and always gets an answer.
struct Neighbour {
    client: Client,
    asked: usize,
    times: Times,
}

#[derive(Default)]
struct Times {
    reads: Vec<Duration>,
    writes: Vec<Duration>,
}

impl Times {
    fn read_p99(&self) -> Duration {
        let mut sorted = self.reads.clone();
        sorted.sort_unstable();
        sorted[sorted.len() * 99 / 100]
    }

    fn slowest_write(&self) -> Duration {
        self.writes.iter().copied().max().unwrap_or_default()
    }
}

impl Neighbour {
    fn new(server: &Server) -> Self {
        Self { client: server.client(), asked: 0, times: Times::default() }
    }

    /// One write in ten, and reads.
    fn ask(&mut self) {
        let user = format!("q{}", self.asked / 10 % 50);
        let since = Instant::now();
        if self.asked.is_multiple_of(10) {
            let batch = json!({"batch": [identify(&user, &format!("q{}", self.asked))]});
            let (status, answer) = send_to(&self.client, "quiet", "POST", "/v1/batch", &batch);
            assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
            self.times.writes.push(since.elapsed());
        } else {
            let path = format!("/v1/profiles/identifier/user_id/{user}");
            let (status, answer) = send_to(&self.client, "quiet", "GET", &path, &Value::Null);
            assert_eq!(status, 200, "{answer}");
            self.times.reads.push(since.elapsed());
        }
        self.asked += 1;
    }
}

/// Connections that ask nothing, that send a byte now and then, and that take nothing of a large answer.
#[test]
fn idle_and_slow_connections_hold_up_nobody() {
    let (idle, slow) = (number("TESSERA_IDLE_CONNECTIONS", 500), number("TESSERA_SLOW_CONNECTIONS", 60));
    let seconds = number("TESSERA_SLOW_SECONDS", 3);
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start_with(root.path(), &[]);
    let client = server.client();
    make_workspace(&client, "quiet");
    let large = |at: usize| json!({"type": "track", "userId": "ann", "event": "Seen", "messageId": format!("m{at}"), "properties": {"note": "x".repeat(20_000)}});
    for part in 0..2 {
        let batch: Vec<Value> = (part * 120..part * 120 + 120).map(large).collect();
        client.post("/v1/batch", json!({ "batch": batch }).to_string().as_bytes());
    }
    let mut quiet = Neighbour::new(&server);
    for _ in 0..200 {
        quiet.ask();
    }
    let alone = std::mem::take(&mut quiet.times);
    let before = server.resident_bytes();
    let address = server.url().strip_prefix("http://").expect("plain HTTP").to_owned();
    let connect = || TcpStream::connect(&address).expect("a connection");
    // They have asked once: whoever asks nothing at all is sent away after the time of a head.
    let idle: Vec<TcpStream> = (0..idle)
        .map(|_| {
            let mut stream = connect();
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is open");
            let read = stream.read(&mut [0; 4_096]).expect("an answer");
            assert!(read > 0, "an answer");
            stream
        })
        .collect();
    let mut slow: Vec<Slow> = (0..slow).map(|at| Slow::new(connect(), at)).collect();
    let (mut most, until) = (0, Instant::now() + Duration::from_secs(seconds));
    while Instant::now() < until {
        slow.iter_mut().for_each(Slow::dribble);
        for _ in 0..20 {
            quiet.ask();
        }
        most = most.max(server.resident_bytes());
    }
    println!(
        "{} idle, {} slow: reads {:?} alone, {:?} beside; {} MiB more",
        idle.len(),
        slow.len(),
        alone.read_p99(),
        quiet.times.read_p99(),
        most.saturating_sub(before) / MEBIBYTE
    );
    // What the connections hold themselves, and the whole budget of answers.
    let bound = before + (idle.len() + slow.len()) as u64 * 64 * 1024 + 256 * MEBIBYTE + 64 * MEBIBYTE;
    assert!(most <= bound, "{} MiB, and {} may be", most / MEBIBYTE, bound / MEBIBYTE);
    assert!(quiet.times.reads.len() > 20, "{} reads in {seconds} s", quiet.times.reads.len());
    // Those that are idle have not been sent away.
    for mut stream in idle.into_iter().take(20) {
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // A stop waits for answers that are under way.
    drop(slow);
    server.stop();
}

/// Somebody slow on purpose.
struct Slow {
    stream: TcpStream,
    bytes: std::vec::IntoIter<u8>,
}

impl Slow {
    /// By its number: the head comes slowly, the body does, or the answer is not taken.
    fn new(mut stream: TcpStream, at: u64) -> Self {
        let head = format!("Host: localhost\r\nAuthorization: Bearer {KEY}\r\n");
        let (sent, left) = match at % 3 {
            0 => (
                String::new(),
                format!(
                    "GET /v1/profiles/identifier/user_id/ann HTTP/1.1\r\n{head}X-Filler: {}\r\n",
                    "x".repeat(10_000)
                ),
            ),
            1 => (format!("POST /v1/batch HTTP/1.1\r\n{head}Content-Length: 400000\r\n\r\n"), "x".repeat(10_000)),
            _ => (
                format!("GET /v1/profiles/identifier/user_id/ann/events?limit=1000 HTTP/1.1\r\n{head}\r\n"),
                String::new(),
            ),
        };
        stream.write_all(sent.as_bytes()).expect("a request");
        Self { stream, bytes: left.into_bytes().into_iter() }
    }

    fn dribble(&mut self) {
        if let Some(byte) = self.bytes.next() {
            // Whoever takes too long is sent away.
            drop(self.stream.write_all(&[byte]));
        }
    }
}
