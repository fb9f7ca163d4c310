//! What `/metrics` says, and the table that says what it may.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use harness::{Client, Server};

mod harness;

/// Name and kind of each metric of the table in the guide.
fn table() -> BTreeMap<String, String> {
    let guide = include_str!("../../../docs/guide/operations.md");
    let table = guide.split("## Metrics").nth(1).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| `tessera_"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

/// What `/metrics` answers, once it says this: what parts hold is told every five seconds.
#[expect(clippy::disallowed_methods, reason = "a test waits for a process of its own")]
fn scraped(client: &Client, what: &str) -> String {
    let begun = Instant::now();
    loop {
        let (_, text) = client.send("GET", "/metrics", &[]).expect("an answer");
        let text = String::from_utf8(text).expect("text");
        if text.contains(what) {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "it never said {what}: {text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn whatever_is_measured_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = server.client();
    client.post("/v1/track", br#"{"userId":"quetzalcoatl","event":"Seen"}"#);
    client.get("/v1/profiles/identifier/user_id/quetzalcoatl").expect("a profile");
    let told = client.send("POST", "/v1/segments", br#"{"name":"all","pql":"xEvent.count() > 0"}"#).expect("an answer");
    assert_eq!(told.0, 201);
    let text = scraped(&client, "tessera_workspace_profiles{workspace=\"default/default\"} 1");
    let table = table();
    let (mut helped, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help");
            assert!(!help.is_empty());
            helped.insert(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert_eq!(table.get(name).map(String::as_str), Some(kind), "{name} stands in the guide as what it is");
            series.insert(name.to_owned());
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_known = table.contains_key(name) || base.is_some_and(|base| table.contains_key(base));
            assert!(is_known, "{name} stands in the guide");
        }
    }
    for name in &series {
        assert!(helped.contains(name), "{name} says what it is");
    }
    for name in
        ["tessera_build_info", "tessera_store_files_bytes", "tessera_store_tables", "tessera_workspace_profiles"]
    {
        assert!(series.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("quetzal"), "no value of a person");
}

#[test]
fn operators_have_a_listener_of_their_own_if_they_ask_for_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|own| own.local_addr()).expect("a free port");
    let server = Server::start_with(folder.path(), &[("TESSERA_ADMIN_LISTEN", &free.to_string())]);
    let (public, admin) = (server.client(), server.client_at(&format!("http://{free}")));
    for path in ["/metrics", "/v1/admin/keys", "/v1/audit"] {
        assert_eq!(public.send("GET", path, &[]).expect("an answer").0, 404, "{path}");
        assert_eq!(admin.send("GET", path, &[]).expect("an answer").0, 200, "{path}");
    }
    for client in [&public, &admin] {
        assert_eq!(client.send("GET", "/healthz", &[]).expect("an answer").0, 200);
        assert_eq!(client.send("GET", "/v1/profiles", &[]).expect("an answer").0, 200);
    }
    server.stop();
}

/// A collector: takes what comes and keeps path and body.
fn collector() -> (String, std::sync::mpsc::Receiver<(String, serde_json::Value)>) {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), sender) = (stream, sender.clone()) else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut bytes = 0;
                    loop {
                        line.clear();
                        reader.read_line(&mut line).expect("a head");
                        if line.trim().is_empty() {
                            break;
                        }
                        let (name, value) = line.split_once(':').expect("a header");
                        if name.eq_ignore_ascii_case("content-length") {
                            bytes = value.trim().parse().expect("a number");
                        }
                    }
                    let mut body = vec![0; bytes];
                    reader.read_exact(&mut body).expect("a body");
                    let body = serde_json::from_slice(&body).expect("JSON");
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("it is taken");
                    line.clear();
                    if sender.send((path, body)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, receiver)
}

#[test]
fn a_collector_is_sent_metrics_and_the_spans_that_somebody_traces() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, sent) = collector();
    let settings = [("TESSERA_OTLP_ENDPOINT", url.as_str()), ("TESSERA_OTLP_INTERVAL_SECS", "1")];
    let server = Server::start_with(folder.path(), &settings);
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let traced = format!("00-{trace}-{span}-01");
    let client = server.client();
    let answer =
        client.send_with(&[("traceparent", &traced)], "GET", "/v1/profiles/identifier/user_id/quetzalcoatl", &[]);
    assert_eq!(answer.expect("an answer").0, 404);
    // Nobody traces this one.
    assert_eq!(client.send("GET", "/v1/profiles", &[]).expect("an answer").0, 200);
    server.stop();
    let (mut spans, mut metrics) = (Vec::new(), Vec::new());
    while let Ok((path, body)) = sent.try_recv() {
        match &*path {
            "/v1/traces" => {
                let own = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
                spans.extend(own);
            }
            "/v1/metrics" => metrics.push(body),
            other => panic!("{other}"),
        }
    }
    assert_eq!(spans.len(), 1, "{spans:?}");
    let own = &spans[0];
    assert_eq!((own["traceId"].as_str(), own["parentSpanId"].as_str()), (Some(trace), Some(span)));
    assert_eq!(own["name"], "GET /v1/profiles/identifier/{namespace}/{value}");
    assert_eq!(own["spanId"].as_str().map(str::len), Some(16));
    assert!(!own.to_string().contains("quetzal"), "no value of a person: {own}");
    let last = metrics.last().expect("metrics were sent");
    let service = &last["resourceMetrics"][0]["resource"]["attributes"][0];
    assert_eq!(service["value"]["stringValue"], "tessera");
    let all = last["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("metrics");
    let table = table();
    for metric in all {
        assert!(table.contains_key(metric["name"].as_str().expect("a name")), "{metric}");
    }
    let requests = all.iter().find(|own| own["name"] == "tessera_http_requests_total").expect("requests are counted");
    assert_eq!(requests["sum"]["isMonotonic"], true);
}
