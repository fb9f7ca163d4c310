//! The audit log: which routes stand in it, and what entries say.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use tessera_seam::audited::action;
use tessera_service::audit::Action;
use tessera_service::keys::{Family, Scope};
use tessera_store::{Direction, ScanLimit, Store as _};

use super::golden;
use super::world::{ROOT, World, headers_of, request};
use crate::doors::DOORS;

/// Each route of each door, and what the log calls it; `-` where a request of it has no entry. `TESSERA_BLESS` writes the file, whose changes are to
/// be looked at.
#[test]
fn every_route_says_whether_it_is_audited() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/audited.txt");
    let lines = DOORS.routes().into_iter().map(|route| {
        let action = action(&route).map_or("-", Action::name);
        format!("{action:<10} {:<17} {} {}", route.door, route.method, route.path)
    });
    let told = lines.fold(String::new(), |mut told, line| {
        writeln!(told, "{line}").expect("a text takes everything");
        told
    });
    if std::env::var_os("TESSERA_BLESS").is_some() {
        std::fs::write(&path, &told).expect("the file can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the file");
    for (told, frozen) in told.lines().zip(frozen.lines()) {
        assert_eq!(told, frozen);
    }
    assert_eq!(told.lines().count(), frozen.lines().count());
}

impl World {
    async fn audit(&self, query: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/audit?{query}"), ROOT).await;
        assert_eq!(page.status, 200, "{}", page.json());
        page.json()["items"].as_array().expect("a list").clone()
    }
}

fn things(entry: &Value) -> Vec<String> {
    let things = entry["objects"].as_array().expect("a list").iter();
    things
        .map(|own| format!("{}:{}", own["kind"].as_str().unwrap_or("?"), own["name"].as_str().unwrap_or("")))
        .collect()
}

#[tokio::test]
async fn exchanges_are_as_they_were() {
    golden::check("api/src/native/golden/audit.txt").await;
}

#[tokio::test]
async fn entries_say_who_did_what() {
    let world = World::new().await;
    world.workspace("other").await;
    let key = world.key("private", &["read", "configure"], &["default"]).await;
    let entries = world.audit("action=administer").await;
    let made = &entries[0];
    assert_eq!((made["operation"].as_str(), made["outcome"].as_str()), (Some("POST /v1/admin/keys"), Some("done")));
    assert_eq!((made["key_name"].as_str(), &made["workspace"]), (Some("bootstrap"), &Value::Null));
    assert!(things(made)[0].starts_with("key:"), "{made}");
    assert_eq!(things(&entries[1]), ["workspace:other"]);

    let segment = json!({ "name": "loyal", "pql": "city = \"Lyon\"" }).to_string();
    assert_eq!(world.call("POST", "/v1/segments", &key, segment).await.status, 201);
    let definition = json!({
        "name": "gold", "schema": { "name": "_xdm.context.profile" },
        "expression": { "type": "PQL", "format": "pql/text", "value": "tier = \"gold\"" }
    });
    let bearer = format!("Bearer {key}");
    let by_adobe = [&[("authorization", &*bearer)], headers_of("adobe")].concat();
    let path = "/data/core/ups/segment/definitions";
    let made = world.send(request("POST", path, "", &by_adobe, definition.to_string())).await;
    assert!(made.status.is_success(), "{}", made.json());
    let entries = world.audit("action=configure").await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!((entries[1]["door"].as_str(), entries[1]["workspace"].as_str()), (Some("native"), Some("default")));
    assert!(things(&entries[1]).contains(&"segment:loyal".to_owned()), "{}", entries[1]);
    assert_eq!(entries[0]["door"], "adobe");
    assert!(things(&entries[0]).iter().any(|thing| thing.starts_with("segment:")), "{}", entries[0]);
    let by = entries[0]["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(world.audit(&format!("actor={by}")).await.len(), 2);

    // What was wrong and did nothing has none; what the key may not do has one.
    assert_eq!(world.call("POST", "/v1/segments", &key, "{}").await.status, 400);
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/email/lena@mail.example", &key, "").await.status, 403);
    let entries = world.audit(&format!("actor={by}")).await;
    assert_eq!(entries.len(), 3, "{entries:?}");
    let refused = &entries[0];
    assert_eq!((refused["outcome"].as_str(), refused["code"].as_str()), (Some("refused"), Some("permission_missing")));
    assert_eq!(refused["operation"], "DELETE /v1/profiles/identifier/{namespace}/{value}");
    assert_eq!(things(refused), ["namespace:email"]);
    assert!(!refused.to_string().contains("lena"), "no value of a person: {refused}");
    // One at a time is not in bulk; a list is.
    world.get("/v1/profiles/identifier/email/lena@mail.example", &key).await;
    assert_eq!(world.get("/v1/profiles?filter=city%20%3D%20%22Lyon%22", &key).await.status, 200);
    let entries = world.audit(&format!("actor={by}&action=read")).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(!entries[0].to_string().contains("Lyon"), "{}", entries[0]);
}

/// What is erased has an entry with its receipt, and the entry says nothing of whose it was.
#[tokio::test]
async fn an_erasure_and_its_entry_are_one_commit() {
    let world = World::new().await;
    let record = json!({
        "dataset": "crm", "id": "1", "identities": [{ "namespace": "email", "value": "lena@mail.example" }],
        "attributes": { "city": "Lyon" }
    });
    let written = world.call("POST", "/v1/records", ROOT, record.to_string()).await;
    assert_eq!(written.json()["accepted"], 1, "{}", written.json());
    let path = "/v1/profiles/identifier/email/lena@mail.example?suppress=true";
    let erased = world.call("DELETE", path, ROOT, "").await;
    assert_eq!(erased.status, 200, "{}", erased.json());
    let receipt = erased.json()["id"].as_str().expect("an id").to_owned();
    let entries = world.audit("action=erase").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(things(&entries[0]).contains(&format!("erasure:{receipt}")), "{}", entries[0]);
    assert!(!entries[0].to_string().contains("lena"), "{}", entries[0]);
    // The same in the bytes of the store.
    let log = Scope::system().family(Family::Audit).range();
    let rows = world.store.scan(&log, ScanLimit::rows(1_000), Direction::Forward).await.expect("a scan").rows;
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| !String::from_utf8_lossy(&row.value).contains("lena")));
    // An erasure of nobody has none.
    assert_eq!(world.call("DELETE", path, ROOT, "").await.status, 404);
    assert_eq!(world.audit("action=erase").await.len(), 1);
}

/// A commit that does not happen leaves no entry that says it did.
#[tokio::test]
async fn what_fails_is_said_to_have_failed() {
    let world = World::new().await;
    world.faulty.fill_disk();
    let body = json!({ "name": "loyal", "pql": "city = \"Lyon\"" }).to_string();
    let refused = world.call("POST", "/v1/segments", ROOT, body).await;
    assert_eq!(refused.status, 503, "{}", refused.json());
    let entries = world.audit("action=configure").await;
    assert_eq!(entries.len(), 1, "there is a reserve for it: {entries:?}");
    assert_eq!((entries[0]["outcome"].as_str(), entries[0]["code"].as_str()), (Some("failed"), Some("disk_full")));
    world.faulty.fill_reserve();
    assert_eq!(world.get("/v1/profiles", ROOT).await.status, 200, "reads go on where no entry can be written");
    assert!(world.audit("action=read").await.is_empty());
}

#[tokio::test]
async fn the_log_is_exported_and_bounded_by_what_a_key_holds() {
    let world = World::new().await;
    world.workspace("other").await;
    for workspace in ["default", "other"] {
        let headers = [("x-tessera-workspace", workspace)];
        let mode = world.send(request("PUT", "/v1/data-model/mode", ROOT, &headers, r#"{"mode":"warn"}"#)).await;
        assert_eq!(mode.status, 200, "{}", mode.json());
    }
    let narrow = world.key("private", &["administer"], &["other"]).await;
    let seen = world.get("/v1/audit", &narrow).await.json();
    let seen = seen["items"].as_array().expect("a list");
    assert!(!seen.is_empty() && seen.iter().all(|entry| entry["workspace"] == "other"), "{seen:?}");
    let without = world.key("private", &["configure"], &["default"]).await;
    assert_eq!(world.get("/v1/audit", &without).await.code(), "permission_missing");
    for (query, code) in [
        ("action=nothing", "query_invalid"),
        ("outcome=nothing", "query_invalid"),
        ("from=yesterday", "time_invalid"),
        ("cursor=abc", "cursor_invalid"),
        ("cursor=abc&format=csv", "cursor_invalid"),
        ("cursor=abc&format=jsonl", "cursor_invalid"),
        ("limit=0", "limit_invalid"),
        ("format=xml", "format_invalid"),
        ("workspace=nothing", "workspace_forbidden"),
    ] {
        assert_eq!(world.get(&format!("/v1/audit?{query}"), ROOT).await.code(), code, "{query}");
    }
    let all = world.audit("limit=1000").await;
    let lines = world.get("/v1/audit?format=jsonl", ROOT).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(lines.body.to_vec()).expect("text");
    let parsed: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(parsed, all);
    let accepted = world.send(request("GET", "/v1/audit", ROOT, &[("accept", "text/csv")], "")).await;
    assert!(accepted.header("content-type").starts_with("text/csv"), "{:?}", accepted.headers);
    let mut table = csv::Reader::from_reader(&accepted.body[..]);
    assert_eq!(table.headers().expect("a head").len(), 13);
    let rows: Vec<csv::StringRecord> = table.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), all.len());
    assert_eq!(rows[0][0], *all[0]["at"].as_str().expect("a time"));
    // Page by page it is the same.
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/audit?limit=2{cursor}"), ROOT).await.json();
        pages.extend(page["items"].as_array().expect("a list").clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, all);
}
