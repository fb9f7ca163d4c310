//! Members of a segment in other forms than pages of JSON, and who came and went.

use serde_json::{Value, json};
use tessera_store::{Seq, Shard, Store as _};

use super::golden;
use super::world::{ROOT, World, request};

#[tokio::test]
async fn exchanges_are_as_they_were() {
    golden::check("api/src/native/golden/members.txt").await;
}

async fn says(world: &World, who: &str, city: &str) {
    let body = json!({ "userId": who, "traits": { "city": city } }).to_string();
    let reply = world.call("POST", "/v1/identify", ROOT, body).await;
    assert_eq!(reply.json()["accepted"], 1, "{}", reply.json());
    world.pass(1_000_000);
}

/// People of two cities, and a segment of those of one of them.
async fn towns(people: usize) -> World {
    let world = World::new().await;
    for at in 0..people {
        says(&world, &format!("u{at}"), if at % 2 == 0 { "Lyon" } else { "Lille" }).await;
    }
    let body = json!({ "name": "lyon", "pql": "city = \"Lyon\"" }).to_string();
    let made = world.call("POST", "/v1/segments", ROOT, body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    active(&world).await;
    world
}

async fn active(world: &World) {
    for _ in 0..100_000 {
        let rule = world.get("/v1/segments/lyon", ROOT).await.json();
        if rule["status"] == "active" && rule["next"].is_null() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the segment is never active");
}

#[tokio::test]
async fn members_come_as_tables_and_lines() {
    let world = towns(11).await;
    let path = "/v1/segments/lyon/members";
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("{path}?limit=4&fields=attributes{cursor}"), ROOT).await.json();
        pages.extend(page["members"].as_array().expect("a list").clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages.len(), 6);
    let lines = world.get(&format!("{path}?format=jsonl&fields=attributes"), ROOT).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(lines.body.to_vec()).expect("text");
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(told, pages);
    for (query, accept, columns) in
        [("?format=csv", "", 3), ("?fields=attributes", "text/csv;q=0.9, application/json", 4)]
    {
        let table = world.send(request("GET", &format!("{path}{query}"), ROOT, &[("accept", accept)], "")).await;
        assert_eq!(table.header("content-type"), "text/csv; charset=utf-8", "{query}");
        let mut table = csv::Reader::from_reader(&table.body[..]);
        assert_eq!(table.headers().expect("a head").len(), columns);
        let rows: Vec<csv::StringRecord> = table.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 6, "{query}");
        for (row, member) in rows.iter().zip(&pages) {
            assert_eq!((row.get(0), row.get(1)), (member["id"].as_str(), member["profile_id"].as_str()));
            assert_eq!(row.get(2), member["entered_at"].as_str());
            if let Some(profile) = row.get(3) {
                assert_eq!(serde_json::from_str::<Value>(profile).expect("json"), member["profile"]);
            }
        }
    }
    assert_eq!(world.get(&format!("{path}?format=xml"), ROOT).await.code(), "format_invalid");
    assert_eq!(world.get("/v1/segments/nothing/members?format=csv", ROOT).await.code(), "segment_not_found");
}

/// A copy that is kept by a first list and the changes since is the segment.
#[tokio::test]
async fn a_copy_of_a_segment_follows_it() {
    let world = towns(5).await;
    let changes = async |cursor: &str| {
        let query = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        world.get(&format!("/v1/segments/lyon/changes?limit=1{query}"), ROOT).await
    };
    let begun = changes("").await.json();
    assert_eq!((&begun["changes"], &begun["has_more"]), (&json!([]), &json!(false)));
    let mut cursor = begun["next_cursor"].as_str().expect("a cursor").to_owned();
    let members = async || {
        let page = world.get("/v1/segments/lyon/members?limit=1000", ROOT).await.json();
        let ids = page["members"].as_array().expect("a list").iter();
        ids.map(|own| own["id"].as_str().expect("an id").to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let mut copy = members().await;
    assert_eq!(copy.len(), 3);
    says(&world, "u0", "Lille").await;
    says(&world, "u1", "Lyon").await;
    says(&world, "new", "Lyon").await;
    let erased = world.call("DELETE", "/v1/profiles/identifier/user_id/u2", ROOT, "").await;
    assert_eq!(erased.status, 200, "{}", erased.json());
    let mut turns = Vec::new();
    loop {
        let page = changes(&cursor).await.json();
        for change in page["changes"].as_array().expect("a list") {
            let id = change["id"].as_str().expect("an id").to_owned();
            assert_eq!(change["profile_id"].is_null(), change["turn"] == "erased", "{change}");
            match change["turn"].as_str() {
                Some("entered") => assert!(copy.insert(id), "it was not there"),
                Some("left") => assert!(copy.remove(&id), "it was there"),
                Some("erased") => drop(copy.remove(&id)),
                other => panic!("{other:?}"),
            }
            turns.push(change["turn"].as_str().expect("a turn").to_owned());
        }
        cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(turns, ["left", "entered", "entered", "erased"]);
    assert_eq!(copy, members().await);
    assert_eq!(changes(&cursor).await.json()["changes"], json!([]), "nothing came since");
    // What is not kept any more is said, and so is another rule.
    let head =
        world.store.heads().await.expect("heads").into_iter().find(|head| head.shard == Shard::ZERO).expect("a shard");
    world.store.trim(Shard::ZERO, head.last).await.expect("a trim");
    let begun = begun["next_cursor"].as_str().expect("a cursor");
    let trimmed = changes(begun).await;
    assert_eq!((trimmed.status.as_u16(), &*trimmed.code()), (400, "cursor_too_old"));
    let body = json!({ "pql": "city = \"Lille\"" }).to_string();
    assert_eq!(world.call("PUT", "/v1/segments/lyon", ROOT, body).await.status, 200);
    active(&world).await;
    assert_eq!(changes(&cursor).await.code(), "cursor_too_old");
    assert_eq!(changes("abc").await.code(), "cursor_invalid");
    assert!(head.last > Seq(0));
    let draft = json!({ "name": "later", "pql": "city = \"Lyon\"", "status": "draft" }).to_string();
    let made = world.call("POST", "/v1/segments", ROOT, draft).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(world.get("/v1/segments/later/changes", ROOT).await.code(), "segment_not_live");
    // Nobody is told to wait for what nobody evaluates: an export of a draft, and of a segment that is archived, is refused.
    assert_eq!(world.call("DELETE", "/v1/segments/lyon", ROOT, String::new()).await.status, 200);
    for name in ["later", "lyon"] {
        let body = json!({ "of": "members", "segment": name }).to_string();
        assert_eq!(world.call("POST", "/v1/exports", ROOT, body).await.code(), "segment_not_live", "{name}");
    }
}
