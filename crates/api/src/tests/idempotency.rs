//! Every write that takes an `Idempotency-Key`, and the same request sent again: after its answer was lost, after the process ended between any two
//! commits, and twice at one time. It is done once and answered alike.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tessera_service::Settings;
use tessera_store::faulty::WriteFault;

use super::tokens::PEM;
use super::world::{ROOT, Reply, World, request};
use crate::openapi;

/// A write, by its path in the document and as it is sent.
struct Write {
    documented: (&'static str, &'static str),
    path: String,
    body: Value,
}

/// Each of them, in a world that [`ready`] has made.
fn writes(world: &Ready) -> Vec<Write> {
    let write = |method, documented: &'static str, path: &str, body: Value| Write {
        documented: (method, documented),
        path: path.replace("{profile}", &world.profile).replace("{key}", &world.key),
        body,
    };
    let same = |method, path: &'static str, body: Value| write(method, path, path, body);
    let (ann, bob) =
        (json!({ "namespace": "user_id", "value": "ann" }), json!({ "namespace": "user_id", "value": "bob" }));
    let policy = json!({ "name": "Web first", "identity_graph": "full", "attribute_merge": { "choose": "precedence", "datasets": ["web"] } });
    let with = |mut policy: Value, member: &str, value: Value| {
        policy[member] = value;
        policy
    };
    let none = || Value::Null;
    vec![
        same("POST", "/v1/admin/backups", json!({ "name": "monday.tessera" })),
        same("PUT", "/v1/admin/erasures", json!({ "waiting_events_max": 5 })),
        same("PUT", "/v1/admin/identity-tokens", json!({ "mode": "off", "keys": [] })),
        same("POST", "/v1/admin/keys", json!({ "name": "k", "class": "private", "permissions": ["ingest"] })),
        write("POST", "/v1/admin/keys/{key}/rotate", "/v1/admin/keys/{key}/rotate", json!({ "grace_secs": 60 })),
        same("PUT", "/v1/admin/limits", json!({ "hub_links_max": 7 })),
        same(
            "POST",
            "/v1/admin/namespaces",
            json!({ "name": "shop_id", "normaliser": "trim", "rules": { "priority": 444 } }),
        ),
        write("PUT", "/v1/admin/namespaces/{namespace}", "/v1/admin/namespaces/loyalty", json!({ "priority": 333 })),
        same("POST", "/v1/admin/organizations", json!({ "name": "acme" })),
        same("PUT", "/v1/admin/primary-namespace", json!({ "namespace": "user_id" })),
        same("POST", "/v1/admin/signing-keys", json!({ "overlap_secs": 60 })),
        write(
            "PUT",
            "/v1/admin/token-issuers/{issuer}",
            "/v1/admin/token-issuers/login",
            json!({ "iss": "login.example", "algorithm": "RS256", "public_keys": [{ "public_key": PEM }] }),
        ),
        same("POST", "/v1/admin/workspaces", json!({ "name": "shop" })),
        same("POST", "/v1/attributes", json!({ "name": "orders", "pql": "xEvent.count()" })),
        write("PATCH", "/v1/attributes/{name}", "/v1/attributes/tracks", json!({ "description": "how many" })),
        write("PATCH", "/v1/segments/{name}", "/v1/segments/busy", json!({ "description": "who" })),
        write("PUT", "/v1/attributes/{name}", "/v1/attributes/tracks", json!({ "pql": "xEvent.count() + 1" })),
        same("PUT", "/v1/default-merge-policy", json!({ "merge_policy": "crm" })),
        same("POST", "/v1/directives", json!({ "type": "join", "identities": [ann, bob] })),
        same("POST", "/v1/erasures", json!({ "dataset": "segment" })),
        same("POST", "/v1/profiles:erase", json!({ "identities": [{ "namespace": "user_id", "value": "u" }] })),
        same(
            "POST",
            "/v1/documents",
            json!({ "dataset": "crm", "identities": [ann] , "attributes": { "plan": "gold" } }),
        ),
        same(
            "PUT",
            "/v1/document-model",
            json!({ "strong": "phone", "fields": { "phone": { "namespace": "phone" } } }),
        ),
        write("DELETE", "/v1/events/{message_id}", "/v1/events/m-ann", none()),
        write("DELETE", "/v1/identities/{namespace}/{value}", "/v1/identities/user_id/ann?suppress=true", none()),
        same("POST", "/v1/exports", json!({ "of": "profiles", "to": { "connection": "lake", "path": world.place } })),
        same("POST", "/v1/jobs", json!({ "kind": "check" })),
        same("POST", "/v1/merge-policies", with(policy.clone(), "id", json!("web"))),
        write("PUT", "/v1/merge-policies/{policy}", "/v1/merge-policies/crm", with(policy, "version", json!(1))),
        write("DELETE", "/v1/profiles/id/{id}", "/v1/profiles/id/{profile}", none()),
        write("DELETE", "/v1/profiles/identifier/{namespace}/{value}", "/v1/profiles/identifier/user_id/ann", none()),
        same(
            "POST",
            "/v1/records",
            json!({ "dataset": "crm", "records": [
                { "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "plan": "gold" } },
                { "identities": [], "attributes": { "plan": "lost" } },
            ] }),
        ),
        same("POST", "/v1/segments", json!({ "name": "new", "pql": "xEvent.count() > 5" })),
        write("PUT", "/v1/segments/{name}", "/v1/segments/busy", json!({ "pql": "xEvent.count() > 6", "version": 1 })),
    ]
}

/// A world with two people, a rule, a policy, a namespace and a key.
struct Ready {
    world: World,
    profile: String,
    key: String,
    /// Where exports are written to, below the folder of connection `lake`.
    place: String,
}

async fn ready(folder: &str) -> Ready {
    // Of a process that had this number before.
    drop(std::fs::remove_dir_all(settings(folder).backup_folder.expect("a folder")));
    let world = World::new().await.reopened(settings(folder)).await;
    for user in ["ann", "bob"] {
        let event = json!({ "userId": user, "event": "x", "messageId": format!("m-{user}") });
        assert_eq!(world.call("POST", "/v1/track", ROOT, event.to_string()).await.status, 200);
    }
    let policy = json!({ "id": "crm", "name": "CRM first", "identity_graph": "full", "attribute_merge": { "choose": "precedence", "datasets": ["crm"] } });
    for (path, body) in [
        ("/v1/attributes", json!({ "name": "tracks", "pql": "xEvent.count()" })),
        ("/v1/segments", json!({ "name": "busy", "pql": "xEvent.count() > 9" })),
        ("/v1/merge-policies", policy),
        ("/v1/admin/namespaces", json!({ "name": "loyalty", "normaliser": "trim", "rules": { "priority": 332 } })),
    ] {
        let made = world.call("POST", path, ROOT, body.to_string()).await;
        assert!(made.status.is_success(), "{path}: {}", made.json());
    }
    let home = std::env::temp_dir();
    let lake = json!({ "kind": "files", "url": format!("file://{}", home.display()) });
    assert_eq!(world.call("PUT", "/v1/connections/lake", ROOT, lake.to_string()).await.status, 200);
    let place = settings(folder).backup_folder.expect("a folder").join("export");
    let place = place.strip_prefix(&home).expect("a path below it").display().to_string();
    let new = json!({ "name": "old", "class": "private", "permissions": ["ingest"] });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let found = world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Ready { profile: text(&found["profile_id"]), key: text(&made["key"]["id"]), place, world }
}

fn settings(folder: &str) -> Settings {
    let folder = std::env::temp_dir().join(format!("tessera-api-once-{}-{folder}", std::process::id()));
    Settings { backup_folder: Some(folder), ..Settings::default() }
}

async fn send(world: &World, write: &Write) -> Reply {
    let body = if write.body.is_null() { String::new() } else { write.body.to_string() };
    world.send(request(write.documented.0, &write.path, ROOT, &[("idempotency-key", "one")], body)).await
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[tokio::test]
async fn every_documented_one_is_tried() {
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let mut documented = BTreeSet::new();
    // Other doors write their errors their own way, and try it themselves.
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        for (method, operation) in methods.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            if parameters.filter_map(|own| own["name"].as_str()).any(|name| name == "idempotency-key") {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let ready = ready("documented").await;
    let tried = writes(&ready).into_iter().map(|own| (own.documented.0.to_owned(), own.documented.1.to_owned()));
    assert_eq!(tried.collect::<BTreeSet<_>>(), documented);
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_the_first_answer() {
    let count = writes(&ready("again").await).len();
    for at in 0..count {
        let folder = format!("again-{at}");
        let ready = ready(&folder).await;
        let write = &writes(&ready)[at];
        let first = send(&ready.world, write).await;
        assert!(first.status.is_success(), "{}: {}", write.path, first.json());
        assert_eq!(told(&send(&ready.world, write).await), told(&first), "{}", write.path);
        let world = ready.world.reopened(settings(&folder)).await;
        assert_eq!(told(&send(&world, write).await), told(&first), "{}: after a start", write.path);
    }
    let ready = ready("reused").await;
    let make = async |name: &str| {
        let body = json!({ "name": name }).to_string();
        ready.world.send(request("POST", "/v1/admin/workspaces", ROOT, &[("idempotency-key", "one")], body)).await
    };
    assert_eq!(make("shop").await.status, 200);
    assert_eq!(make("blog").await.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn two_at_one_time_get_one_answer() {
    let count = writes(&ready("two").await).len();
    for at in 0..count {
        let ready = ready(&format!("two-{at}")).await;
        let write = &writes(&ready)[at];
        let (one, two) = tokio::join!(send(&ready.world, write), send(&ready.world, write));
        assert!(one.status.is_success(), "{}: {}", write.path, one.json());
        assert_eq!(told(&one), told(&two), "{}", write.path);
    }
}

/// A process that ends after any number of commits: nothing it writes afterwards reaches the store.
#[tokio::test]
async fn a_process_that_ends_between_two_commits_leaves_no_work_without_its_answer() {
    let count = writes(&ready("ends").await).len();
    for (at, commits) in (0..count).flat_map(|at| (0..3).map(move |commits| (at, commits))) {
        let folder = format!("ends-{at}-{commits}");
        let ready = ready(&folder).await;
        let write = &writes(&ready)[at];
        let faulty = ready.world.faulty.clone();
        (0..commits).for_each(|_| faulty.script_write(None));
        (0..200).for_each(|_| faulty.script_write(Some(WriteFault::Unavailable)));
        let first = send(&ready.world, write).await;
        let world = ready.world.reopened(settings(&folder)).await;
        let again = send(&world, write).await;
        let case = format!("{} after {commits} commits", write.path);
        assert!(again.status.is_success(), "{case}: {}", again.json());
        if first.status.is_success() {
            assert_eq!(told(&again), told(&first), "{case}");
        }
        assert_eq!(told(&send(&world, write).await), told(&again), "{case}");
    }
}

#[tokio::test]
async fn a_secret_is_answered_again_and_stands_nowhere_in_the_store() {
    use tessera_store::{Direction, KeyRange, ScanLimit, Store as _};
    let ready = ready("secret").await;
    let write = writes(&ready).into_iter().find(|own| own.documented.1 == "/v1/admin/keys").expect("keys are made");
    let secret = send(&ready.world, &write).await.json()["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(send(&ready.world, &write).await.json()["secret"], json!(secret));
    assert_ne!(ready.world.get("/v1/admin/keys", &secret).await.status, 401, "it is a key");
    let mut rest = Some(KeyRange::all());
    let mut rows = 0;
    while let Some(range) = rest.take() {
        let page = ready.world.store.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await.expect("rows");
        for row in page.rows {
            rows += 1;
            assert!(!row.value.windows(secret.len()).any(|part| part == secret.as_bytes()), "{:?}", row.key);
        }
        rest = page.next;
    }
    assert!(rows > 10, "{rows}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_keep_is_refused_before_anything_is_written() {
    let world = World::new().await;
    let id = "\u{1f600}".repeat(100);
    let record = |at: usize| json!({ "id": format!("{at:04}{}", &id[16..]), "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "n": 1 } });
    let records: Vec<Value> = (0..2_000).map(record).collect();
    let body = json!({ "dataset": "crm", "records": records }).to_string();
    let ask = async |key: &[(&str, &str)]| world.send(request("POST", "/v1/records", ROOT, key, body.clone())).await;
    let refused = ask(&[("idempotency-key", "long")]).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (413, "reply_too_large".to_owned()), "{}", refused.json());
    assert_eq!(world.get("/v1/admin/counts", ROOT).await.json()["facts"], json!(0));
    let written = ask(&[]).await.json();
    assert_eq!(written["accepted"], json!(2_000));
}

/// What was expected and notes give way; what each record came to never does.
#[tokio::test]
async fn a_long_report_is_cut_and_still_tells_each_verdict() {
    let world = World::new().await;
    let records: Vec<Value> =
        (0..2_400).map(|at| json!({ "id": format!("{at:0>90}"), "identities": [], "attributes": {} })).collect();
    let body = json!({ "dataset": "crm", "records": records }).to_string();
    let ask = async |key: &[(&str, &str)]| world.send(request("POST", "/v1/records", ROOT, key, body.clone())).await;
    let kept = ask(&[("idempotency-key", "long")]).await;
    assert_eq!(kept.status, 200, "{}", kept.json());
    assert!(kept.body.len() <= 960 << 10, "{}", kept.body.len());
    let verdicts = kept.json()["verdicts"].as_array().expect("verdicts").clone();
    assert_eq!(verdicts.len(), 2_400);
    assert!(verdicts.iter().all(|own| own["status"] == "rejected" && own["code"].is_string()), "{}", verdicts[2_399]);
    assert_eq!(ask(&[("idempotency-key", "long")]).await.body, kept.body);
}
