//! Exports: their rows are what reads show, in every format; what one may not see is not in them; and one that is broken off goes on.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use support::{START, WORKSPACE, by, fact, ingest, key, memory};
use tessera_connect::{
    Column, ColumnKind, Connect as _, Connection, Connectors, Place, Query, Question, Row, Value as Cell,
};
use tessera_engine::config::Kind;
use tessera_engine::fact::{AccountFact, Claim, Strength};
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_service::exports::{ExportContent, ExportOf, ExportPlace, MembersOf, Sees};
use tessera_service::idempotency::Given;
use tessera_service::jobs::{Job, JobStatus, State};
use tessera_service::sources::NewConnection;
use tessera_service::verdict::Incoming;
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleKind, RuleName, StoredConfig, put_rule, set_primary,
};
use tessera_service::{Fields, Service};
use tessera_store::Store;

const PEOPLE: usize = 2_345;

/// A service whose workspace stands in the directory, so that its jobs are taken up by the next one.
async fn open(store: &Arc<dyn Store>) -> Arc<Service> {
    let service = support::open(store).await;
    service.directory().ensure_bootstrap("operator-secret").await.expect("a key");
    service
}

/// What is asked for, of everything.
fn all(of: ExportOf, format: &str) -> ExportContent {
    ExportContent {
        of,
        segment: None,
        merge_policy: None,
        fields: None,
        from: None,
        until: None,
        events: None,
        format: format.into(),
        compression: "none".into(),
        file_rows: None,
        to: None,
        sees: Sees { internal: true, private: true },
        members: MembersOf::All,
        filter: None,
        time_zone: None,
    }
}

fn to(content: ExportContent, path: &str) -> ExportContent {
    let place = ExportPlace { connection: "files".into(), path: path.into() };
    ExportContent { to: Some(place), file_rows: Some(1_000), ..content }
}

/// A person: of each kind of values something, and of some nothing.
fn person(at: usize) -> Incoming {
    let mut incoming = fact(&format!("m{at}"), &format!("user_id:u{at} email:u{at}@shop.example @{at}"));
    let fact = incoming.fact.as_mut().expect("a fact");
    let mut put = |name: &str, value: Value| fact.attributes.push((Path::parse(name).expect("a path"), value));
    put("city", Value::text(if at.is_multiple_of(2) { "Lyon" } else { "say \"hi\", \nall" }));
    put("number", Value::Number(Decimal::from(i64::try_from(at).expect("a number"))));
    put("spent", Value::Number(Decimal::parse(&format!("{at}.25")).expect("a number")));
    put("vip", Value::Bool(at.is_multiple_of(3)));
    put("seen", Value::Timestamp(Timestamp::from_micros(START - 1_000_000).expect("an instant")));
    put("address.street", Value::text("Rue"));
    if at.is_multiple_of(5) {
        put("mixed", if at.is_multiple_of(2) { Value::text("a") } else { Value::Bool(true) });
        put("empty", Value::text(""));
    }
    incoming
}

async fn people(service: &Service, from: usize, to: usize) {
    for start in (from..to).step_by(500) {
        ingest(service, (start..to.min(start + 500)).map(person).collect()).await;
    }
}

async fn with_folder(service: &Service, folder: &FilePath) {
    let url = format!("file://{}", folder.display());
    service
        .put_connection(WORKSPACE, "files", NewConnection::Files { url, options: BTreeMap::new(), ca: None })
        .await
        .expect("a connection");
}

async fn sent(service: &Arc<Service>, content: ExportContent) -> Vec<u8> {
    let mut export = service.export_rows(WORKSPACE, content).await.expect("an export");
    let mut bytes = Vec::new();
    while let Some(part) = export.next().await.expect("a part") {
        assert!(!part.is_empty());
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// Each person by one read.
async fn naive(service: &Service, from: usize, to: usize) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for at in from..to {
        let profile = support::read(service, &by("user_id", &format!("u{at}"))).await;
        found.insert(profile["profile_id"].as_str().expect("an id").to_owned(), profile);
    }
    found
}

fn lines(bytes: &[u8]) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for line in std::str::from_utf8(bytes).expect("text").lines() {
        let row: Json = serde_json::from_str(line).expect("JSON");
        let id = row["profile_id"].as_str().expect("an id").to_owned();
        assert!(found.insert(id, row).is_none(), "nobody comes twice");
    }
    found
}

async fn table(folder: &FilePath, name: &str, types: &[(&str, ColumnKind)]) -> (Vec<Column>, Vec<Row>) {
    let types = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let question = Question { query: Query::Table(name.to_owned()), types };
    let connection = Connection::Files(Place::Folder(folder.to_owned()));
    let mut rows = Connectors::default().open(&connection, &question).await.expect("a file");
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await.expect("rows") {
        all.extend(batch);
    }
    (rows.columns().to_vec(), all)
}

/// A row of a table as the JSON that it was made of.
fn as_json(columns: &[Column], row: &Row) -> Json {
    let json = |text: &str| serde_json::from_str::<Json>(text).expect("JSON");
    let mut own = serde_json::Map::new();
    for (column, cell) in columns.iter().zip(row) {
        let value = match cell {
            Cell::Null => continue,
            Cell::Boolean(truth) => Json::Bool(*truth),
            Cell::Number(text) => {
                let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
                json(text)
            }
            Cell::Text(text) if ["address", "_audiences", "mixed"].contains(&&*column.name) => json(text),
            Cell::Text(text) | Cell::Timestamp(text) => Json::String(text.clone()),
            Cell::Json(own) => own.clone(),
            Cell::Unfit(unfit) => panic!("{}: {}", column.name, unfit.code()),
        };
        own.insert(column.name.clone(), value);
    }
    Json::Object(own)
}

#[tokio::test]
async fn rows_are_what_reads_show_in_every_format() {
    let service = open(&memory()).await;
    people(&service, 0, 700).await;
    let expected = naive(&service, 0, 700).await;
    assert_eq!(lines(&sent(&service, all(ExportOf::Profiles, "jsonl")).await), expected);
    let folder = tempfile::tempdir().expect("a folder");
    let parquet = sent(&service, all(ExportOf::Profiles, "parquet")).await;
    std::fs::write(folder.path().join("a.parquet"), parquet).expect("a file");
    let (columns, rows) = table(folder.path(), "a.parquet", &[]).await;
    let kinds: Vec<String> = columns.iter().map(|own| format!("{} {}", own.name, own.source_type)).collect();
    assert_eq!(
        kinds,
        [
            "profile_id Utf8",
            "address Utf8",
            "city Utf8",
            "email Utf8",
            "empty Utf8",
            "mixed Utf8",
            "number Int64",
            "seen Timestamp(µs, \"UTC\")",
            "spent Decimal128(38, 2)",
            "user_id Utf8",
            "vip Boolean",
            "_audiences Utf8",
            "_updated_at Timestamp(µs, \"UTC\")",
        ]
    );
    let found: BTreeMap<String, Json> = rows
        .iter()
        .map(|row| as_json(&columns, row))
        .map(|row| (row["profile_id"].as_str().expect("an id").to_owned(), row))
        .collect();
    assert_eq!((rows.len(), &found), (700, &expected));

    let csv = ExportContent { compression: "gzip".into(), ..all(ExportOf::Profiles, "csv") };
    std::fs::write(folder.path().join("a.csv.gz"), sent(&service, csv).await).expect("a file");
    let text = ["city", "empty", "profile_id", "user_id", "email"].map(|name| (name, ColumnKind::Text));
    let other = [("spent", ColumnKind::Number), ("address", ColumnKind::Json), ("_audiences", ColumnKind::Json)];
    let types: Vec<_> = text.into_iter().chain(other).chain([("mixed", ColumnKind::Text)]).collect();
    let (columns, rows) = table(folder.path(), "a.csv.gz", &types).await;
    for row in &rows {
        let mut own = as_json_of_csv(&columns, row);
        let mut read = expected[own["profile_id"].as_str().expect("an id")].clone();
        // A reader of CSV takes an empty text for none, and a cell of several kinds for text.
        for name in ["empty", "mixed"] {
            read.as_object_mut().expect("an object").remove(name);
        }
        own.as_object_mut().expect("an object").remove("mixed");
        assert_eq!(own, read);
    }
    assert_eq!(rows.len(), 700);
}

fn as_json_of_csv(columns: &[Column], row: &Row) -> Json {
    let is_mixed = |column: &&Column| column.name != "mixed";
    let kept: Vec<Column> = columns.iter().filter(is_mixed).cloned().collect();
    let cells: Row =
        columns.iter().zip(row).filter(|(column, _)| is_mixed(column)).map(|(_, own)| own.clone()).collect();
    as_json(&kept, &cells)
}

#[tokio::test]
async fn named_fields_come_in_their_order() {
    let service = open(&memory()).await;
    people(&service, 0, 3).await;
    let fields = Some(["user_id", "address.street", "none", "number"].map(str::to_owned).to_vec());
    let content = |format| ExportContent { fields: fields.clone(), ..all(ExportOf::Profiles, format) };
    let csv = String::from_utf8(sent(&service, content("csv")).await).expect("text");
    let mut found: Vec<&str> = csv.split("\r\n").collect();
    found[1..4].sort_unstable();
    assert_eq!(found, ["user_id,address.street,none,number", "u0,Rue,,0", "u1,Rue,,1", "u2,Rue,,2", ""]);
    let text = String::from_utf8(sent(&service, content("jsonl")).await).expect("text");
    let line = r#"{"user_id":"u1","address.street":"Rue","none":null,"number":1}"#;
    assert!(text.lines().any(|own| own == line), "{text}");
}

#[tokio::test]
async fn events_come_with_what_reads_call_their_profile() {
    let service = open(&memory()).await;
    service
        .configure(WORKSPACE, |config: &StoredConfig| set_primary(config, Some("user_id")))
        .await
        .expect("a primary");
    let events = (0..50).flat_map(|at| {
        [("A", at), ("B", at + 100)]
            .map(|(name, second)| fact(&format!("{name}{at}"), &format!("user_id:u{at} !{name} @{second}")))
    });
    ingest(&service, events.collect()).await;
    people(&service, 0, 50).await;
    let instant = |second: i64| {
        let at = Timestamp::from_micros(START - 86_400_000_000 + second * 1_000_000).expect("an instant");
        tessera_service::clock::format_timestamp(at)
    };
    let content = ExportContent {
        events: Some(vec!["B".into()]),
        from: Some(instant(110)),
        until: Some(instant(130)),
        ..all(ExportOf::Events, "jsonl")
    };
    let text = String::from_utf8(sent(&service, content).await).expect("text");
    let rows: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let called: BTreeSet<String> =
        rows.iter().map(|row| row["profile_id"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(called, (10..30).map(|at| format!("u{at}")).collect());
    assert!(rows.iter().all(|row| row["event"] == "B" && row["dataset"] == "segment"), "{text}");
    assert_eq!(rows.len(), 20);
}

async fn segment(service: &Service) {
    let name = RuleName::parse(RuleKind::Segment, "late").expect("a name");
    let expr = tessera_expr::pql::parse("number >= 2000").expect("a rule");
    let definition = Definition::new(RuleKind::Segment, expr, tessera_expr::calendar::Zone::utc(), None);
    let definition = definition.expect("a segment");
    let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
    let change = move |config: &StoredConfig, at| put_rule(config, RuleKind::Segment, &name, content, None, at);
    service.configure_rules(WORKSPACE, change).await.expect("a segment");
    let sees = Flags { internal: true, private: true };
    service.rule_once_brought(WORKSPACE, RuleKind::Segment, "late", sees).await.expect("it is brought");
}

#[tokio::test]
async fn members_alone_come_with_when_they_came_in() {
    let service = open(&memory()).await;
    people(&service, 1_900, 2_100).await;
    segment(&service).await;
    let content = ExportContent { segment: Some("late".into()), ..all(ExportOf::Members, "jsonl") };
    let mut found = lines(&sent(&service, content).await);
    for row in found.values_mut() {
        let entered = row.as_object_mut().expect("an object").remove("_entered_at");
        assert!(entered.is_some_and(|own| own.as_str().is_some_and(|own| own.ends_with('Z'))));
    }
    assert_eq!(found, naive(&service, 2_000, 2_100).await);
    let none = ExportContent { segment: Some("none".into()), ..all(ExportOf::Members, "jsonl") };
    assert_eq!(service.export_rows(WORKSPACE, none).await.err().map(|error| error.code), Some("segment_not_found"));
}

/// What a filter holds of, told of what reads show.
type Holds = fn(&Json) -> bool;

/// Each filter against everybody read one by one.
#[tokio::test]
async fn those_come_of_whom_a_filter_holds() {
    let service = open(&memory()).await;
    people(&service, 0, 400).await;
    for at in (0..400).step_by(7) {
        ingest(&service, vec![fact(&format!("b{at}"), &format!("user_id:u{at} !Bought @9"))]).await;
    }
    let cases: [(&str, Holds); 6] = [
        ("city = \"Lyon\" and number >= 100", |own| own["city"] == "Lyon" && own["number"].as_i64() >= Some(100)),
        ("spent > 300.25 or vip = true", |own| own["number"].as_i64() > Some(300) || own["vip"] == true),
        ("mixed.isNull()", |own| own.get("mixed").is_none()),
        ("address.street = \"Rue\" and not (number < 399)", |own| own["number"] == 399),
        ("xEvent[eventType = \"Bought\"].count() > 0", |own| own["number"].as_i64().is_some_and(|own| own % 7 == 0)),
        ("number > 1000", |_| false),
    ];
    let everybody = naive(&service, 0, 400).await;
    for (filter, holds) in cases {
        let of = |format: &str| ExportContent { filter: Some(filter.into()), ..all(ExportOf::Profiles, format) };
        let expected: BTreeMap<String, Json> =
            everybody.iter().filter(|(_, own)| holds(own)).map(|(id, own)| (id.clone(), own.clone())).collect();
        let mut found = lines(&sent(&service, of("jsonl")).await);
        // A read says when it was last written as well, which later facts move.
        assert_eq!(found.len(), expected.len(), "{filter}");
        found.retain(|id, own| expected.get(id) != Some(own));
        assert_eq!(found, BTreeMap::new(), "{filter}");
        let csv =
            String::from_utf8(sent(&service, ExportContent { fields: Some(vec!["number".into()]), ..of("csv") }).await);
        assert_eq!(csv.expect("text").lines().count(), expected.len() + 1, "{filter}");
    }
    // Days of the filter begin where it says.
    let zoned = ExportContent {
        time_zone: Some("Asia/Tokyo".into()),
        filter: Some("seen occurs today".into()),
        ..all(ExportOf::Profiles, "jsonl")
    };
    assert_eq!(lines(&sent(&service, zoned).await).len(), 400);
    service.close().await;
}

/// Who cannot be told whether the filter holds of them is not passed over.
#[tokio::test]
async fn an_export_without_an_answer_for_somebody_is_not_whole() {
    let service = open(&memory()).await;
    people(&service, 0, 3).await;
    let events = (0..1_500).map(|at| fact(&format!("e{at}"), &format!("user_id:u1 !B @{at}"))).collect();
    ingest(&service, events).await;
    let filter = "exists X from xEvent where X.eventType = \"B\", Y from xEvent where Y.eventType = \"C\" and Y.timestamp > X.timestamp";
    let content = ExportContent { filter: Some(filter.into()), ..all(ExportOf::Profiles, "jsonl") };
    let mut export = service.export_rows(WORKSPACE, content).await.expect("an export");
    let error = loop {
        match export.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it is whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, "export_undecided");
    service.close().await;
}

/// People of accounts, of whom something is said.
async fn accounts(service: &Service) {
    for at in 0..30 {
        let mut incoming = person(at);
        let own = incoming.fact.as_mut().expect("a fact");
        let claim =
            Claim { namespace: "group_id".into(), value: format!("g{}", at % 10).into(), strength: Strength::Verified };
        let seats = Value::Number(Decimal::from(i64::try_from(at % 10).expect("a number")));
        own.account = Some(AccountFact { claim, attributes: vec![(Path::root("seats").expect("a name"), seats)] });
        ingest(service, vec![incoming]).await;
    }
}

#[tokio::test]
async fn accounts_are_rows_of_their_own() {
    let (store, folder) = (memory(), tempfile::tempdir().expect("a folder"));
    let service = open(&store).await;
    accounts(&service).await;
    let mut expected = BTreeMap::new();
    for at in 0..10 {
        let read = support::read(&service, &by("group_id", &format!("g{at}"))).await;
        expected.insert(read["profile_id"].as_str().expect("an id").to_owned(), read);
    }
    assert_eq!(lines(&sent(&service, all(ExportOf::Accounts, "jsonl")).await), expected);
    assert_eq!(lines(&sent(&service, all(ExportOf::Profiles, "jsonl")).await).len(), 30);
    let filter = Some("seats >= 7".to_owned());
    let few =
        lines(&sent(&service, ExportContent { filter: filter.clone(), ..all(ExportOf::Accounts, "jsonl") }).await);
    expected.retain(|_, own| own["seats"].as_i64() >= Some(7));
    assert_eq!((few.len(), &few), (3, &expected));
    // Members of a segment of accounts are accounts.
    let name = RuleName::parse(RuleKind::Segment, "large").expect("a name");
    let expr = tessera_expr::pql::parse("seats >= 7").expect("a rule");
    let definition = Definition::new(RuleKind::Segment, expr, tessera_expr::calendar::Zone::utc(), None);
    let definition = definition.expect("a segment").of(Kind::Account);
    let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
    let change = move |config: &StoredConfig, at| put_rule(config, RuleKind::Segment, &name, content, None, at);
    service.configure_rules(WORKSPACE, change).await.expect("a segment");
    let sees = Flags { internal: true, private: true };
    service.rule_once_brought(WORKSPACE, RuleKind::Segment, "large", sees).await.expect("it is brought");
    let members = ExportContent { segment: Some("large".into()), ..all(ExportOf::Members, "jsonl") };
    let found = lines(&sent(&service, members).await);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    with_folder(&service, folder.path()).await;
    let job = ask(&service, to(ExportContent { filter, ..all(ExportOf::Accounts, "parquet") }, "accounts")).await;
    assert_eq!(ended(&service, &job).await.status(), JobStatus::Done);
    let home = folder.path().join("accounts");
    assert_eq!((&manifest(&home)["rows"], &manifest(&home)["of"]), (&json!(3), &json!("accounts")));
    let (columns, rows) = table(&home, "*.parquet", &[]).await;
    let seats: BTreeSet<String> = rows.iter().map(|row| as_json(&columns, row)["seats"].to_string()).collect();
    assert_eq!(seats.len(), 3);
    service.close().await;
}

/// A job to its end.
async fn ended(service: &Service, job: &Job) -> Arc<Job> {
    let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
    let mut last = None;
    while let Some(job) = watch.next().await {
        last = Some(job);
    }
    last.expect("a job")
}

async fn ask(service: &Service, content: ExportContent) -> Job {
    match service.ask_export(WORKSPACE, content, key(), None).await.expect("a job") {
        Given::Now(job) => job,
        Given::Before(_) => panic!("nothing was asked before"),
    }
}

fn manifest(folder: &FilePath) -> Json {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).expect("a manifest")).expect("JSON")
}

fn names(folder: &FilePath) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|own| own.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The rows of all files that a manifest lists, each as long as it says.
fn rows_of(folder: &FilePath, manifest: &Json) -> Vec<Json> {
    let mut rows = Vec::new();
    for file in manifest["files"].as_array().expect("files") {
        let bytes = std::fs::read(folder.join(file["name"].as_str().expect("a name"))).expect("a file");
        let own: Vec<Json> =
            String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((json!(bytes.len()), json!(own.len())), (file["bytes"].clone(), file["rows"].clone()));
        rows.extend(own);
    }
    rows
}

#[tokio::test]
async fn a_job_that_is_broken_off_loses_and_doubles_nobody() {
    for (format, steps, filter, from) in
        [("jsonl", 2, None, 0), ("parquet", 6, None, 0), ("jsonl", 2, Some("number >= 100"), 100)]
    {
        let (store, folder) = (memory(), tempfile::tempdir().expect("a folder"));
        let mut service = open(&store).await;
        people(&service, 0, PEOPLE).await;
        with_folder(&service, folder.path()).await;
        let content = ExportContent { filter: filter.map(str::to_owned), ..all(ExportOf::Profiles, format) };
        let job = ask(&service, to(content, "a/b")).await;
        let mut breaks = 0;
        // Each process does some steps: of a table, as many as it takes to look through it, and a file.
        loop {
            let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
            let mut last = watch.next().await.expect("a job");
            for _ in 0..steps {
                last = watch.next().await.unwrap_or(last);
            }
            if last.has_ended() {
                break;
            }
            service.close().await;
            breaks += 1;
            service = open(&store).await;
        }
        assert!(breaks > 0, "it was over before it could be broken off");
        let ended = ended(&service, &job).await;
        assert_eq!(ended.status(), JobStatus::Done, "{ended:?}");
        let home = folder.path().join("a/b");
        let manifest = manifest(&home);
        assert_eq!((&manifest["rows"], &manifest["filter"]), (&json!(PEOPLE - from), &json!(filter)), "{manifest}");
        let listed: BTreeSet<String> = manifest["files"]
            .as_array()
            .expect("files")
            .iter()
            .map(|own| own["name"].as_str().expect("a name").to_owned())
            .collect();
        let with_manifest: BTreeSet<String> = listed.into_iter().chain(["manifest.json".to_owned()]).collect();
        assert_eq!(names(&home), with_manifest, "nothing unfinished is left");
        let expected = naive(&service, from, PEOPLE).await;
        if format == "jsonl" {
            let rows = rows_of(&home, &manifest);
            assert_eq!(rows.len(), PEOPLE - from);
            let found: BTreeMap<String, Json> =
                rows.into_iter().map(|row| (row["profile_id"].as_str().expect("an id").to_owned(), row)).collect();
            assert_eq!(found, expected);
        } else {
            let (columns, rows) = table(&home, "*.parquet", &[]).await;
            let ids: BTreeSet<String> =
                rows.iter().map(|row| as_json(&columns, row)["profile_id"].to_string()).collect();
            assert_eq!((rows.len(), ids.len()), (PEOPLE, PEOPLE));
        }
        service.close().await;
    }
}

#[tokio::test]
async fn what_comes_meanwhile_with_another_column_begins_it_anew() {
    let (store, folder) = (memory(), tempfile::tempdir().expect("a folder"));
    let service = open(&store).await;
    people(&service, 0, PEOPLE).await;
    with_folder(&service, folder.path()).await;
    let job = ask(&service, to(all(ExportOf::Profiles, "parquet"), "anew")).await;
    let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
    // One file is whole, and the columns are known.
    while let Some(job) = watch.next().await {
        if folder.path().join("anew/part-00001.parquet").exists() || job.has_ended() {
            assert!(!job.has_ended(), "it was over too soon");
            break;
        }
    }
    // The last one by id: the instant that is read has not seen it, and the next one does.
    ingest(&service, vec![fact("new", "user_id:newcomer nickname=Z")]).await;
    service.close().await;
    let service = open(&store).await;
    let ended = ended(&service, &job).await;
    assert_eq!(ended.status(), JobStatus::Done, "{ended:?}");
    let home = folder.path().join("anew");
    let told = manifest(&home);
    assert_eq!(told["rows"], json!(PEOPLE + 1), "{told}");
    let (columns, rows) = table(&home, "*.parquet", &[]).await;
    let nicknames = rows.iter().map(|row| as_json(&columns, row)).filter(|row| row["nickname"] == "Z").count();
    assert_eq!((rows.len(), nicknames), (PEOPLE + 1, 1));
}

#[tokio::test]
async fn a_path_with_an_export_is_not_written_over() {
    let (store, folder) = (memory(), tempfile::tempdir().expect("a folder"));
    let service = open(&store).await;
    people(&service, 0, 10).await;
    with_folder(&service, folder.path()).await;
    let content = to(all(ExportOf::Profiles, "csv"), "once");
    let first = ended(&service, &ask(&service, content.clone()).await).await;
    let State::Done { result, .. } = &first.state else { panic!("{first:?}") };
    let result: Json = serde_json::from_str(result).expect("JSON");
    assert_eq!((&result["rows"], &result["files"]), (&json!(10), &json!(1)));
    let before = std::fs::read(folder.path().join("once/manifest.json")).expect("a manifest");
    let second = ended(&service, &ask(&service, content).await).await;
    let State::Failed { error, .. } = &second.state else { panic!("{second:?}") };
    assert_eq!(error.code, "export_path_taken");
    assert_eq!(std::fs::read(folder.path().join("once/manifest.json")).expect("a manifest"), before);
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused() {
    let service = open(&memory()).await;
    people(&service, 0, 1).await;
    let check = async |content: ExportContent, code: &str| {
        let error = service.export_rows(WORKSPACE, content).await.err().map(|error| error.code);
        assert_eq!(error, Some(code));
    };
    let base = || all(ExportOf::Profiles, "csv");
    check(ExportContent { format: "xml".into(), ..base() }, "export_invalid").await;
    check(ExportContent { compression: "snappy".into(), ..base() }, "export_invalid").await;
    check(ExportContent { fields: Some(vec![]), ..base() }, "export_invalid").await;
    check(ExportContent { fields: Some(vec!["a".into(), "a".into()]), ..base() }, "export_invalid").await;
    check(
        ExportContent { fields: Some((0..1_001).map(|at| format!("f{at}")).collect()), ..base() },
        "export_columns_too_many",
    )
    .await;
    check(ExportContent { segment: Some("x".into()), ..base() }, "export_invalid").await;
    check(ExportContent { from: Some("2026-01-01T00:00:00Z".into()), ..base() }, "export_invalid").await;
    check(ExportContent { from: Some("soon".into()), ..all(ExportOf::Events, "csv") }, "export_invalid").await;
    check(ExportContent { merge_policy: Some("none".into()), ..base() }, "merge_policy_unknown").await;
    check(ExportContent { file_rows: Some(5_000), ..base() }, "export_invalid").await;
    check(all(ExportOf::Members, "csv"), "export_invalid").await;
    let where_ = |of: ExportOf, filter: &str| ExportContent { filter: Some(filter.into()), ..all(of, "csv") };
    check(where_(ExportOf::Events, "number > 1"), "export_invalid").await;
    check(where_(ExportOf::Profiles, "number >"), "export_invalid").await;
    check(where_(ExportOf::Profiles, "user_id = \"u0\" and number > 1"), "export_invalid").await;
    check(ExportContent { time_zone: Some("UTC".into()), ..base() }, "export_invalid").await;
    let nowhere = ExportContent { time_zone: Some("Nowhere".into()), ..where_(ExportOf::Profiles, "number > 1") };
    check(nowhere, "time_zone_unknown").await;
    check(ExportContent { segment: Some("x".into()), ..all(ExportOf::Accounts, "csv") }, "export_invalid").await;
    let asked = service.ask_export(WORKSPACE, to(base(), "../x"), key(), None).await.err().map(|error| error.code);
    assert_eq!(asked, Some("export_path_invalid"));
    let asked = service.ask_export(WORKSPACE, to(base(), "x"), key(), None).await.err().map(|error| error.code);
    assert_eq!(asked, Some("connection_not_found"));
    let rendered = service.profile(WORKSPACE, &by("user_id", "u0"), Fields::ALL, None).await;
    assert!(rendered.is_ok(), "and nobody is harmed");
}

#[tokio::test]
async fn so_many_are_sent_at_one_time() {
    let service = open(&memory()).await;
    people(&service, 0, 1).await;
    let mut sent = Vec::new();
    for _ in 0..tessera_service::exports::SENT_MAX {
        sent.push(service.export_rows(WORKSPACE, all(ExportOf::Profiles, "csv")).await.expect("an export"));
    }
    let refused = service.export_rows(WORKSPACE, all(ExportOf::Profiles, "csv")).await;
    assert_eq!(refused.err().map(|error| error.code), Some("exports_busy"));
    sent.pop();
    assert!(service.export_rows(WORKSPACE, all(ExportOf::Profiles, "csv")).await.is_ok());
}
