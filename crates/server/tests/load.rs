//! `tessera load` against a real server: files as they come out of other programs.

mod harness;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use harness::{KEY, Server, tessera};

/// Loads with these flags, in this folder.
fn load(server: &Server, folder: &Path, flags: &[&str], input: Option<&str>) -> Output {
    let stdin = match input {
        None => Stdio::null(),
        Some(text) => {
            fs::write(folder.join("piped"), text).expect("written");
            Stdio::from(fs::File::open(folder.join("piped")).expect("written"))
        }
    };
    tessera()
        .current_dir(folder)
        .args(["load", "--url", server.url(), "--key", KEY])
        .args(flags)
        .stdin(stdin)
        .output()
        .expect("the binary starts")
}

/// What it printed last, and how it ended.
fn end(output: &Output) -> (String, Option<i32>) {
    let out = String::from_utf8_lossy(&output.stdout);
    (out.lines().last().unwrap_or_default().to_owned(), output.status.code())
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn counts(accepted: u64, duplicate: u64, rejected: u64) -> String {
    format!("{accepted} accepted, {duplicate} duplicate, {rejected} rejected")
}

const RECORD: [&str; 6] = ["--kind", "record", "--dataset", "crm", "--identity", "user_id={id}"];

#[test]
fn a_spreadsheet_goes_in_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let text = "kunde;tag;betrag;geschenk\r\nJörg;31.01.2026;1.234,50;ja\r\nAnn;2026/02/01;0,99;nein\r\nBea;01.02.26;1,00;ja\r\n";
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("käufe.csv"), utf16).expect("written");
    let flags = [
        "käufe.csv",
        "--delimiter",
        ";",
        "--decimal",
        ",",
        "--event",
        "Bought",
        "--user-id",
        "{kunde}",
        "--timestamp",
        "{tag}",
        "--column-format",
        "tag=%d.%m.%Y",
        "--column-format",
        "tag=%Y/%m/%d",
        "--column-format",
        "geschenk=ja/nein",
        "--property",
        "total:number={betrag}",
        "--property",
        "gift:boolean={geschenk}",
    ];
    let output = load(&server, folder.path(), &flags, None);
    assert_eq!(end(&output), (counts(2, 0, 1), Some(1)), "{}", told(&output));
    let refused = fs::read_to_string(folder.path().join("käufe.csv.rejected.csv")).expect("a file");
    let expected = "4;time_invalid;\"the time must be a time written as %d.%m.%Y, or a time written as %Y/%m/%d (column tag)\";01.02.26;Bea;01.02.26;1,00;ja";
    let unquoted = refused.replace('"', "");
    assert!(refused.starts_with('\u{feff}') && unquoted.contains(&expected.replace('"', "")), "{refused}");
    let events = server.client().get("/v1/profiles/identifier/user_id/J%C3%B6rg/events").expect("events");
    assert_eq!(events["events"][0]["properties"]["total"].to_string(), "1234.50");
    assert_eq!(events["events"][0]["properties"]["gift"], true);
    fs::write(folder.path().join("käufe.csv.rejected.csv"), refused.replace("01.02.26", "01.02.2026"))
        .expect("written");
    let flags = [&["käufe.csv.rejected.csv"], &flags[1..]].concat();
    assert_eq!(end(&load(&server, folder.path(), &flags, None)), (counts(1, 0, 0), Some(0)));
    assert_eq!(end(&load(&server, folder.path(), &flags, None)), (counts(0, 1, 0), Some(0)));
}

#[test]
fn tomorrows_file_a_corrected_mapping_and_a_second_pipe_are_taken_and_the_same_file_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let taken = |flags: &[&str], input: Option<&str>| {
        end(&load(&server, folder.path(), &[&RECORD[..], flags].concat(), input)).0
    };
    let plan = ["--property", "plan={plan}"];
    for (name, text, (accepted, duplicate)) in [
        ("monday.csv", "id,plan\na,free\n", (1, 0)),
        ("tuesday.csv", "id,plan\na,gold\n", (1, 0)),
        ("wednesday.csv", "id,plan\na,free\nb,free\n", (2, 0)),
        ("monday.csv", "id,plan\na,free\n", (0, 1)),
        ("renamed.csv", "id,plan\na,gold\n", (0, 1)),
    ] {
        fs::write(folder.path().join(name), text).expect("written");
        assert_eq!(taken(&[&plan[..], &[name]].concat(), None), counts(accepted, duplicate, 0), "{name} {text}");
    }
    assert_eq!(taken(&["--property", "tier={plan}", "monday.csv"], None), counts(1, 0, 0), "another mapping");
    let other = [
        "--kind",
        "record",
        "--dataset",
        "shop",
        "--identity",
        "user_id={id}",
        "--property",
        "plan={plan}",
        "monday.csv",
    ];
    assert_eq!(end(&load(&server, folder.path(), &other, None)).0, counts(1, 0, 0), "another dataset");
    for (text, accepted) in [("id,plan\nc,free\n", 1), ("id,plan\nc,gold\n", 1), ("id,plan\nc,gold\n", 0)] {
        assert_eq!(taken(&[&plan[..], &["-"]].concat(), Some(text)), counts(accepted, 1 - accepted, 0), "{text}");
    }
}

#[test]
fn what_is_stored_under_an_id_with_other_content_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let flags = ["o.csv", "--event", "Bought", "--user-id", "u", "--message-id", "{o}", "--property", "n:number={n}"];
    fs::write(folder.path().join("o.csv"), "o,n\n1,1\n2,2\n").expect("written");
    assert_eq!(end(&load(&server, folder.path(), &flags, None)), (counts(2, 0, 0), Some(0)));
    fs::write(folder.path().join("o.csv"), "o,n\n1,1\n2,3\n3,3\n").expect("written");
    let output = load(&server, folder.path(), &flags, None);
    let (line, _) = end(&output);
    assert!(line.starts_with(&counts(1, 2, 0)) && line.contains("1 of the duplicates say something else"), "{line}");
    assert!(told(&output).contains("begin with lines 3"), "{}", told(&output));
}

#[test]
fn a_stray_quote_costs_its_own_row_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let note = |row| if [5, 2_000, 2_500].contains(&row) { "\"good" } else { "ok" };
    let rows = (0..3_000).map(|row| format!("{row};u{row};{}\n", note(row)));
    let all: String = std::iter::once("id;user;note\n".to_owned()).chain(rows).collect();
    fs::write(folder.path().join("in.csv"), &all).expect("written");
    let flags = ["--delimiter", ";", "--event", "Seen", "--user-id", "{user}", "--message-id", "{id}"];
    let output = load(&server, folder.path(), &[&["in.csv"], &flags[..]].concat(), None);
    assert_eq!(end(&output), (counts(2_997, 0, 3), Some(1)), "{}", told(&output));
    assert!(
        told(&output).contains("2 rows: row_unreadable: a quote begins a value, and something else"),
        "{}",
        told(&output)
    );
    // As it stands in the file of refused rows, the quote is one of the value.
    let again = load(&server, folder.path(), &[&["in.csv.rejected.csv"], &flags[..]].concat(), None);
    assert_eq!(end(&again), (counts(3, 0, 0), Some(0)), "{}", told(&again));
}

#[test]
fn what_the_server_leaves_out_of_a_row_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let lines = ["id,n", "u1,1", "u2,1000000000000000000000", "u3,2000000000000000000000", "u4,4"];
    fs::write(folder.path().join("in.csv"), lines.join("\n")).expect("written");
    let flags = ["in.csv", "--event", "Seen", "--user-id", "{id}", "--property", "n:number={n}"];
    let output = load(&server, folder.path(), &flags, None);
    let expected = format!("{}; without values that could not be read or kept: 2 rows", counts(4, 0, 0));
    assert_eq!(end(&output), (expected, Some(0)), "{}", told(&output));
    let reason = "2 rows: stored without a value: properties.n: number_out_of_range";
    assert!(told(&output).contains(reason), "{}", told(&output));
    // What is known already lacks nothing more.
    assert_eq!(end(&load(&server, folder.path(), &flags, None)), (counts(0, 4, 0), Some(0)));
}

#[test]
fn a_load_that_cannot_succeed_ends_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let all: String = std::iter::once("id,n\n".to_owned()).chain((0..3_000).map(|row| format!("u{row},x\n"))).collect();
    // A row that cannot be read among them is refused for another reason.
    let all = all.replace("u500,x\n", "u500\n");
    fs::write(folder.path().join("in.csv"), &all).expect("written");
    let flags = ["in.csv", "--event", "Seen", "--user-id", "{id}", "--property", "n:number={n}"];
    let output = load(&server, folder.path(), &flags, None);
    assert_eq!(end(&output), (counts(0, 0, 1_000), Some(1)));
    assert!(told(&output).contains("the first 1000 rows were all refused, 999 of them alike"), "{}", told(&output));
    let output = load(&server, folder.path(), &[&flags[..], &["--max-errors", "7"]].concat(), None);
    assert_eq!(end(&output), (counts(0, 0, 7), Some(1)));
    let lenient = load(&server, folder.path(), &[&flags[..], &["--lenient"]].concat(), None);
    assert_eq!(end(&lenient).1, Some(0));
    assert!(
        end(&lenient).0.starts_with(&counts(2_999, 0, 1))
            && end(&lenient).0.contains("could not be read or kept: 2999 rows")
    );
    // Lenient or not, a file of which nothing is stored did not go in.
    fs::write(folder.path().join("in.csv"), "id,n\n,1\n").expect("written");
    assert_eq!(end(&load(&server, folder.path(), &[&flags[..], &["--lenient"]].concat(), None)).1, Some(1));
}

#[test]
fn a_trial_shows_what_would_be_sent_and_sends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    fs::write(folder.path().join("in.csv"), "id,n\na,1\nb,x\nc,3\n").expect("written");
    let flags = ["in.csv", "--dry-run", "--event", "Seen", "--user-id", "{id}", "--property", "n:number={n}"];
    let output = load(&server, folder.path(), &flags, None);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains(r#""userId":"a","properties":{"n":1}}"#), "{out}");
    assert_eq!(end(&output), ("nothing was sent: 2 rows would be sent, 1 cannot be".to_owned(), Some(1)));
    assert!(server.client().get("/v1/profiles/identifier/user_id/a").is_none());
}

#[test]
fn several_files_and_patterns_go_in_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    for (name, text) in [
        ("a-1.csv", "id,day\na,2026-01-01\n"),
        ("a-2.csv", "id,day\nb,2026-01-01\na,2026-01-01\n"),
        (
            "a-2.csv.rejected.csv",
            "rejected_line,rejected_code,rejected_expected,rejected_value,id,day\n1,c,e,,z,2026-01-01\n",
        ),
        ("c.tsv", "id\tday\nc\t2026-01-01\n"),
    ] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let flags = [
        "a-*.csv",
        "c.tsv",
        "--progress",
        "0",
        "--batch",
        "1",
        "--event",
        "Seen",
        "--user-id",
        "{id}",
        "--timestamp",
        "{day}",
    ];
    let output = load(&server, folder.path(), &flags, None);
    assert_eq!(end(&output), (counts(3, 1, 0), Some(0)), "{}", told(&output));
    let said = told(&output);
    assert!(said.contains("a-2.csv.rejected.csv holds refused rows and is left out"), "{said}");
    assert!(said.contains("rows a second") && said.contains("% read"), "{said}");
    let records = ["a-*.csv", "--kind", "record", "--identity", "user_id={id}"];
    assert!(told(&load(&server, folder.path(), &records, None)).contains("name it with --dataset"));
    let none = load(&server, folder.path(), &["b-*.csv", "--event", "E", "--user-id", "{id}"], None);
    assert!(told(&none).contains("no file is named like b-*.csv"));
}

#[test]
fn ctrl_c_sums_up_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let flags =
        ["--event", "Seen", "--user-id", "{id}", "--timestamp", "{day}", "--batch", "1", "--progress", "0", "-"];
    let mut child = tessera()
        .current_dir(folder.path())
        .args(["load", "--url", server.url(), "--key", KEY])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = child.stdin.take().expect("piped");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut until = |words: &str| {
        let mut all = String::new();
        while !all.contains(words) {
            assert_ne!(said.read_line(&mut all).expect("text"), 0, "{all}");
        }
        all
    };
    // The reader asks for more than a few rows at a time.
    let rows: String = (0..5_000).map(|row| format!("u{row},2026-01-01\n")).collect();
    input.write_all(format!("id,day\n{rows}").as_bytes()).expect("written");
    until("rows a second");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    until("ending; once more");
    drop(input);
    let told = until("to go on");
    assert!(told.contains("ended by Ctrl-C behind line") && told.contains("of stdin"), "{told}");
    let output = child.wait_with_output().expect("it ends");
    let (line, code) = end(&output);
    assert!(line.ends_with(" 0 duplicate, 0 rejected") && !line.starts_with("5000 "), "{line}");
    assert_eq!(code, Some(130));
}

#[test]
fn refused_rows_go_where_the_others_went() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let blank = ["--format", "blank", "--columns", "id,n"];
    for (name, text, more) in [
        ("c.tsv", "id\tn\na\t1\nb\tx\n", &[][..]),
        ("c.csv", "a,1\nb,x\n", &["--columns", "id,n"][..]),
        ("c.txt", "a 1\nb x\n", &blank[..]),
        ("c.jsonl", "{\"id\":\"a\",\"n\":\"1\"}\n{\"id\":\"b\",\"n\":\"x\"}\n", &[][..]),
    ] {
        fs::write(folder.path().join(name), text).expect("written");
        let record = ["--kind", "record", "--identity", "user_id={id}", "--property", "n:number={n}"];
        let flags = |file: &'static str| [&record[..], more, &[file]].concat();
        assert_eq!(end(&load(&server, folder.path(), &flags(name), None)), (counts(1, 0, 1), Some(1)), "{name}");
        let ending = if name.ends_with("jsonl") { "jsonl" } else { "csv" };
        let refused = format!("{name}.rejected.{ending}");
        let path = folder.path().join(&refused);
        let text = fs::read_to_string(&path).expect("a file");
        let corrected = text.replace("b\tx", "b\t2").replace("b,x", "b,2").replace(r#""n":"x""#, r#""n":"2""#);
        fs::write(&path, corrected).expect("written");
        let again = load(&server, folder.path(), &flags(refused.leak()), None);
        assert_eq!(end(&again), (counts(1, 0, 0), Some(0)), "{name}: {}", told(&again));
        let dataset = server.client().get("/v1/profiles/identifier/user_id/b/explain?attribute=n").expect("a profile");
        assert!(dataset.to_string().contains(&format!("\"dataset\":\"{name}\"")), "{dataset}");
    }
}

#[test]
fn declared_types_are_checked_in_lines_of_json_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let lines = r#"{"id":"a","t":"x","n":1.50,"b":true}
{"id":"b","t":{"x":1},"n":1,"b":true}
{"id":"c","t":"x","n":{},"b":true}
{"id":"d","t":"x","n":1,"b":[]}
"#;
    fs::write(folder.path().join("in.jsonl"), lines).expect("written");
    let types = ["--property", "t:text={t}", "--property", "n:number={n}", "--property", "b:boolean={b}"];
    let output =
        load(&server, folder.path(), &[&["in.jsonl", "--event", "E", "--user-id", "{id}"], &types[..]].concat(), None);
    assert_eq!(end(&output), (counts(1, 0, 3), Some(1)), "{}", told(&output));
    let refused = fs::read_to_string(folder.path().join("in.jsonl.rejected.jsonl")).expect("a file");
    assert_eq!(refused.matches(r#""code":"value_invalid""#).count(), 3, "{refused}");
}

/// What a program that starts a load reads: JSON alone, and how it ended.
fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[test]
fn a_program_reads_lines_of_json_and_a_summary() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let rows: String = (0..60).map(|number| format!("u{number},{number}\n")).collect();
    fs::write(folder.path().join("a.csv"), format!("id,age\n{rows}")).expect("written");
    fs::write(folder.path().join("b.csv"), "id,age\nx,1\ny,old\n").expect("written");
    let flags = ["--json", "--progress", "0", "--batch", "20", "--property", "age:number={age}"];
    let flags = [&RECORD[..], &flags].concat();
    let output = load(&server, folder.path(), &[&flags[..], &["a.csv", "b.csv"]].concat(), None);
    let told = lines(&output);
    assert_eq!(output.status.code(), Some(1));
    let of = |kind: &str| told.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    let progress = of("progress");
    assert!(progress.len() >= 2, "{told:?}");
    assert_eq!((&progress[0]["file"], &progress[0]["accepted"]), (&"a.csv".into(), &20.into()), "{told:?}");
    assert!(progress[0]["bytes_read"].as_u64() <= progress[0]["bytes_total"].as_u64(), "{told:?}");
    let files = of("file");
    assert_eq!(files.len(), 2);
    assert_eq!(
        (&files[0]["end"], &files[0]["accepted"], &files[0]["rejected_file"]),
        (&"complete".into(), &60.into(), &serde_json::Value::Null)
    );
    assert_eq!((&files[1]["rejected"], &files[1]["reasons"][0]["rows"]), (&1.into(), &1.into()), "{told:?}");
    assert_eq!(files[1]["rejected_file"], "b.csv.rejected.csv");
    let last = told.last().expect("a summary");
    let expected = serde_json::json!({ "type": "summary", "end": "complete", "dry_run": false, "files": 2, "files_not_begun": 0,
        "accepted": 61, "duplicate": 0, "differing": 0, "rejected": 1, "lacking": 0, "seconds": last["seconds"] });
    assert_eq!(*last, expected);
    // A trial says what would be sent.
    let output = load(&server, folder.path(), &[&flags[..], &["b.csv", "--dry-run"]].concat(), None);
    let told = lines(&output);
    assert_eq!((&told[0]["type"], &told[0]["body"]["attributes"]["age"]), (&"row".into(), &1.into()), "{told:?}");
    assert_eq!(told.last().expect("a summary")["dry_run"], true);
    // What breaks off says so, and what was done until then.
    fs::write(folder.path().join("c.jsonl"), format!("{{\"id\":\"z\",\"age\":1}}\n{}", "x".repeat(17 << 20)))
        .expect("written");
    let output = load(&server, folder.path(), &[&flags[..], &["c.jsonl"]].concat(), None);
    let told = lines(&output);
    let last = told.last().expect("a summary");
    assert_eq!(
        (&last["type"], &last["end"], &last["accepted"]),
        (&"summary".into(), &"failed".into(), &1.into()),
        "{told:?}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("longer than"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_file_of_parquet_goes_in_with_its_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/files/orders.parquet");
    fs::copy(file, folder.path().join("orders.parquet")).expect("copied");
    let flags =
        ["--event", "Order Completed", "--user-id", "{customer}", "--message-id", "{order}", "--timestamp", "{day}"];
    let all = [&flags[..], &["--rest"]].concat();
    let output = load(&server, folder.path(), &[&["orders.parquet"][..], &all].concat(), None);
    // One of them has a number that is none.
    assert_eq!(end(&output), (counts(2, 0, 1), Some(1)), "{}", told(&output));
    assert!(told(&output).contains("column score holds what is no value of JSON"), "{}", told(&output));
    let events = server.client().get("/v1/profiles/identifier/user_id/7001/events").expect("events");
    let event = &events["events"][0];
    assert_eq!(event["timestamp"], "2026-01-31T10:00:00Z");
    assert_eq!(event["properties"].to_string(), r#"{"gift":true,"score":0.5,"skus":["A-1","B-2"],"total":59.90}"#);
    // What was refused is a line of JSON that can be corrected and loaded.
    let refused = folder.path().join("orders.parquet.rejected.jsonl");
    let text = fs::read_to_string(&refused).expect("a file");
    assert!(text.contains("\"order\":\"o-2\"") && text.contains("\"score\":null"), "{text}");
    let output = load(&server, folder.path(), &[&["orders.parquet.rejected.jsonl"][..], &all].concat(), None);
    assert_eq!(end(&output), (counts(1, 0, 0), Some(0)), "{}", told(&output));
    // Where nobody asks for the column, nothing is refused; a pipe is read as well, and the same rows are known.
    let some = [&flags[..], &["--property", "total={total}", "--format", "parquet", "-"]].concat();
    fs::copy(folder.path().join("orders.parquet"), folder.path().join("piped.parquet")).expect("copied");
    let piped = tessera()
        .current_dir(folder.path())
        .args(["load", "--url", server.url(), "--key", KEY])
        .args(&some)
        .stdin(fs::File::open(folder.path().join("piped.parquet")).expect("a file"))
        .output()
        .expect("the binary starts");
    let (last, code) = end(&piped);
    assert!(last.starts_with(&counts(0, 3, 0)) && code == Some(0), "{last} {}", told(&piped));
    // A column that is not there is named, with those that are.
    let output = load(&server, folder.path(), &["orders.parquet", "--event", "X", "--user-id", "{client}"], None);
    assert!(told(&output).contains("has no column client; it has: order, customer, day"), "{}", told(&output));
}
