//! Refusals that no other test meets, by their codes: as each door says them, in its own words or in a header beside them.

mod harness;

use std::fs;

use harness::{KEY, Server};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

struct Asker {
    agent: Agent,
    url: String,
}

/// A status, the code of the refusal if it is one, and the body.
struct Reply {
    status: u16,
    code: String,
    body: Value,
}

const ADOBE: [(&str, &str); 3] =
    [("x-api-key", "any"), ("x-gw-ims-org-id", "default@AdobeOrg"), ("x-sandbox-name", "default")];

impl Asker {
    fn new(server: &Server) -> Self {
        let config = Agent::config_builder().http_status_as_error(false);
        Self { agent: config.build().into(), url: server.url().to_owned() }
    }

    /// Sends with these headers alone: `METHOD /path`.
    fn ask(&self, headers: &[(&str, &str)], request: &str, body: &[u8]) -> Reply {
        let (method, path) = request.split_once(' ').expect("METHOD /path");
        let start = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = headers.iter().fold(start, |request, (name, value)| request.header(*name, *value));
        let mut answer = self.agent.run(request.body(body).expect("a request")).expect("the server answers");
        let header = answer.headers().get("x-tessera-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        let bytes = answer.body_mut().read_to_vec().expect("a body");
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let code = header.or_else(|| body["error"]["code"].as_str().map(str::to_owned)).unwrap_or_default();
        Reply { status, code, body }
    }

    fn native(&self, request: &str, body: &Value) -> Reply {
        let authorization = format!("Bearer {KEY}");
        self.ask(&[("authorization", &authorization)], request, body.to_string().as_bytes())
    }

    fn adobe(&self, request: &str, body: &Value) -> Reply {
        let authorization = format!("Bearer {KEY}");
        let own = [("authorization", &*authorization), ("content-type", "application/json")];
        self.ask(&[&own[..], &ADOBE[..]].concat(), request, body.to_string().as_bytes())
    }
}

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    (folder, server)
}

fn is(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &*reply.code), (status, code), "{}", reply.body);
}

#[test]
fn bounds_and_names_of_the_native_door() {
    let (folder, server) = server();
    let asker = Asker::new(&server);
    let someone = json!([{ "namespace": "user_id", "value": "7001" }]);
    let reason = json!({ "identities": someone, "reason": "x".repeat(101) });
    is(&asker.native("POST /v1/profiles:erase", &reason), 400, "reason_invalid");
    let key = |members: Value| {
        let mut key = json!({ "name": "k", "class": "public", "permissions": ["ingest"] });
        members.as_object().expect("members").iter().for_each(|(name, value)| key[name] = value.clone());
        key
    };
    is(&asker.native("POST /v1/admin/keys", &key(json!({ "permissions": ["view"] }))), 400, "permission_unknown");
    let origins: Vec<String> = (0..101).map(|at| format!("https://a{at}.example")).collect();
    is(&asker.native("POST /v1/admin/keys", &key(json!({ "origins": origins }))), 413, "origins_full");

    let identities: Vec<Value> =
        (0..33).map(|at| json!({ "namespace": "user_id", "value": format!("u{at}") })).collect();
    let records = json!({ "dataset": "crm", "records": [{ "identities": identities, "attributes": { "a": 1 } }] });
    let reply = asker.native("POST /v1/records", &records);
    assert_eq!(reply.body["verdicts"][0]["code"], "too_many_identities", "{}", reply.body);

    let authorization = format!("Bearer {KEY}");
    let by = [("authorization", &*authorization)];
    let reply = asker.ask(&by, "POST /v1/track", b"{\"userId\":\"1\",\"event\":\"a\x01b\"}");
    assert_eq!(reply.body["verdicts"][0]["notes"][0]["code"], "control_character", "{}", reply.body);
    let many: Vec<String> = (0..80).map(|at| format!("\"p{at}\":NaN")).collect();
    let many = format!(r#"{{"userId":"1","event":"Many","properties":{{{}}}}}"#, many.join(","));
    let reply = asker.ask(&by, "POST /v1/track", many.as_bytes());
    let notes = reply.body["verdicts"][0]["notes"].as_array().expect("notes");
    assert_eq!(notes.last().expect("a note")["code"], "more_values", "{}", reply.body);

    let fields: serde_json::Map<String, Value> = (0..501).map(|at| (format!("f{at}"), json!({ "value": 1 }))).collect();
    let upsert = json!({ "fields": fields }).to_string();
    let reply = asker.ask(&[("x-access-token", KEY)], "POST /api/v1/consumer/profiles/upsert", upsert.as_bytes());
    assert!(reply.status == 400 && reply.body.to_string().contains("fields_too_many"), "{}", reply.body);
    drop(folder);
}

/// What a link has merged is undone by a separation; who takes the id of the merge for that of a join is told how.
#[test]
fn an_undo_of_a_merge_says_how_it_is_parted() {
    let (_folder, server) = server();
    let asker = Asker::new(&server);
    let identify =
        |user: &str| json!({ "type": "identify", "userId": user, "messageId": user, "traits": { "name": user } });
    let alias = json!({ "type": "alias", "previousId": "p1", "userId": "p2", "messageId": "a" });
    server
        .client()
        .post("/v1/batch", json!({ "batch": [identify("p1"), identify("p2"), alias] }).to_string().as_bytes());
    let listed = asker.native("GET /v1/directives", &Value::Null).body;
    let merge = listed["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{listed}"));
    let reply = asker.native("POST /v1/directives", &json!({ "type": "undo", "directive": merge }));
    is(&reply, 409, "directive_kind");
    let message = reply.body["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`separate`, with this id as `merge` and in `side`"), "{message}");
    let side = json!([{ "namespace": "user_id", "value": "p1" }]);
    let parted = asker.native("POST /v1/directives", &json!({ "type": "separate", "merge": merge, "side": side }));
    assert_eq!(parted.status, 200, "{}", parted.body);
    let name = |user: &str| {
        asker.native(&format!("GET /v1/profiles/identifier/user_id/{user}"), &Value::Null).body["name"].clone()
    };
    assert_eq!((name("p1"), name("p2")), (json!("p1"), json!("p2")));
}

#[test]
fn an_organization_without_a_workspace_has_no_profiles() {
    let (_folder, server) = server();
    let asker = Asker::new(&server);
    assert_eq!(asker.native("POST /v1/admin/organizations", &json!({ "name": "acme" })).status, 200);
    let key = json!({ "name": "k", "class": "private", "permissions": ["read"] });
    let made = asker.native("POST /v1/admin/keys?organization=acme", &key);
    let authorization = format!("Bearer {}", made.body["secret"].as_str().unwrap_or_else(|| panic!("{}", made.body)));
    let reply = asker.ask(&[("authorization", &authorization)], "GET /v1/profiles/identifier/user_id/1", b"");
    is(&reply, 400, "workspace_missing");
}

#[test]
fn rows_of_events_without_id_or_time_are_refused() {
    let (folder, server) = server();
    let asker = Asker::new(&server);
    let files = folder.path().join("files");
    fs::create_dir(&files).expect("a folder");
    fs::write(
        files.join("o.csv"),
        "id,of,at\n,7001,2026-01-01T00:00:00Z\no2,7001,soon\no3,7001,2026-01-01T00:00:00Z\n",
    )
    .expect("written");
    let connection = json!({ "kind": "files", "url": format!("file://{}", files.display()) });
    assert_eq!(asker.native("PUT /v1/connections/files", &connection).status, 200);
    let source = json!({
        "connection": "files", "table": "o.csv", "rows": "events", "primary": { "column": "of", "namespace": "user_id" },
        "event": { "name": "Bought", "id": "id", "time": "at" }
    });
    let made = asker.native("PUT /v1/sources/orders", &source);
    assert_eq!(made.status, 200, "{}", made.body);
    let job = asker.native("POST /v1/sources/orders:refresh", &json!({})).body;
    let id = job["id"].as_str().unwrap_or_else(|| panic!("{job}"));
    // It ends with the job.
    server.client().listen(&format!("/v1/jobs/{id}/watch")).for_each(drop);
    let told = asker.native("GET /v1/sources/orders", &Value::Null).body["runs"][0].clone();
    assert_eq!((&told["read"], &told["refused"]), (&json!(3), &json!(2)), "{told}");
    for code in ["row_event_id_null", "row_event_time_invalid"] {
        assert!(told["verdicts"].to_string().contains(code), "{code}: {told}");
    }

    // One more than there may be.
    for at in 1..50 {
        assert_eq!(asker.native(&format!("PUT /v1/connections/c{at}"), &connection).status, 200);
        assert_eq!(asker.native(&format!("PUT /v1/sources/s{at}"), &source).status, 200);
    }
    is(&asker.native("PUT /v1/connections/c50", &connection), 413, "connections_full");
    is(&asker.native("PUT /v1/sources/s50", &source), 413, "sources_full");
    let activation =
        |at| json!({ "connection": "files", "columns": ["user_id"], "path": format!("p{at}"), "format": "csv" });
    for at in 0..50 {
        let put = asker.native(&format!("PUT /v1/activations/a{at}"), &activation(at));
        assert_eq!(put.status, 200, "{}", put.body);
    }
    is(&asker.native("PUT /v1/activations/a50", &activation(50)), 413, "activations_full");

    (0..=10_000).for_each(|at| fs::write(files.join(format!("n-{at}.csv")), "id\n").expect("written"));
    let many =
        json!({ "connection": "files", "table": "n-*.csv", "primary": { "column": "id", "namespace": "user_id" } });
    is(&asker.native("POST /v1/sources:preview", &many), 400, "source_too_many_files");
}

#[test]
fn a_secret_has_its_bounds() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n").expect("written");
    let key = key.to_str().expect("a path in UTF-8");
    let server = Server::start_with(&folder.path().join("data"), &[("TESSERA_SECRETS_KEY_FILE", key)]);
    let asker = Asker::new(&server);
    for password in [String::new(), "x".repeat(4_097)] {
        let connection = json!({ "kind": "postgres", "url": "postgres://ann@127.0.0.1:1/db", "password": password });
        is(&asker.native("PUT /v1/connections/db", &connection), 400, "secret_invalid");
    }
}

#[test]
fn headers_of_adobe() {
    let (_folder, server) = server();
    let asker = Asker::new(&server);
    let authorization = format!("Bearer {KEY}");
    let [key, organization, _] = ADOBE;
    let other = ("x-gw-ims-org-id", "other@AdobeOrg");
    let by = ("authorization", &*authorization);
    let path = "GET /data/core/ups/config/mergePolicies";
    for (headers, status, code) in [
        (&[by][..], 403, "api_key_missing"),
        (&[by, key], 400, "org_missing"),
        (&[by, key, other], 403, "org_forbidden"),
        (&[by, key, organization], 400, "sandbox_missing"),
    ] {
        is(&asker.ask(headers, path, b""), status, code);
    }
    let text = [&[by, ("content-type", "text/plain")][..], &ADOBE[..]].concat();
    is(&asker.ask(&text, "POST /data/core/ups/segment/definitions", b"{}"), 400, "content_type_invalid");
}

#[test]
fn rules_and_policies_of_adobe() {
    let (_folder, server) = server();
    let asker = Asker::new(&server);
    let profile = json!({ "name": "_xdm.context.profile" });
    let count = json!({ "type": "PQL", "format": "pql/text", "value": "xEvent.count()" });
    let attribute = json!({
        "name": "orders", "displayName": "o", "description": "d", "expression": count, "duration": { "count": 7, "unit": "DAYS" }, "status": "NEW"
    });
    let made = asker.adobe("POST /data/core/ca/attributes", &attribute);
    assert_eq!(made.status, 200, "{}", made.body);
    is(&asker.adobe("POST /data/core/ca/attributes", &attribute), 400, "computed_attribute_exists");
    let path = format!("DELETE /data/core/ca/attributes/{}", made.body["id"].as_str().expect("an id"));
    is(&asker.adobe(&path, &Value::Null), 400, "computed_attribute_published");

    let gold = json!({ "type": "PQL", "format": "pql/text", "value": "plan = \"gold\"" });
    let definition = json!({ "name": "gold", "expression": gold, "schema": profile });
    assert_eq!(asker.adobe("POST /data/core/ups/segment/definitions", &definition).status, 200);
    is(&asker.adobe("POST /data/core/ups/segment/definitions", &definition), 422, "segment_definition_exists");
    is(&asker.adobe("GET /data/core/ups/preview/019a0f3e5b2c7d41e0a8f5c2", &Value::Null), 404, "preview_not_found");

    let policy = json!({
        "name": "edge", "identityGraph": { "type": "pdg" }, "attributeMerge": { "type": "timestampOrdered" }, "schema": profile,
        "isActiveOnEdge": true, "default": false
    });
    let made = asker.adobe("POST /data/core/ups/config/mergePolicies", &policy);
    let path = format!("DELETE /data/core/ups/config/mergePolicies/{}", made.body["id"].as_str().expect("an id"));
    is(&asker.adobe(&path, &Value::Null), 400, "merge_policy_on_edge");
}

#[test]
fn schemas_datasets_and_batches_of_adobe() {
    let (_folder, server) = server();
    let asker = Asker::new(&server);
    is(
        &asker.adobe("GET /data/foundation/catalog/dataSets/aaaaaaaaaaaaaaaaaaaaaaaa", &Value::Null),
        404,
        "resource_not_found",
    );
    is(&asker.adobe("POST /data/core/ups/system/jobs", &json!({})), 400, "delete_request_invalid");
    let batch = json!({ "batchId": "019a0f3e5b2c7d41e0a8f5c2" });
    is(&asker.adobe("POST /data/core/ups/system/jobs", &batch), 400, "batch_not_found");

    let path = "POST /data/foundation/schemaregistry/tenant/schemas";
    let schema = json!({ "title": "Customers", "allOf": [{ "$ref": "https://ns.adobe.com/xdm/context/profile" }] });
    let made = asker.adobe(path, &schema);
    let id = made.body["$id"].as_str().unwrap_or_else(|| panic!("{}", made.body)).to_owned();
    is(&asker.adobe(path, &schema), 409, "resource_exists");
    let dataset = |name: &str, tags: Value| {
        let made = asker.adobe(
            "POST /data/foundation/catalog/dataSets",
            &json!({ "name": name, "schemaRef": { "id": id }, "tags": tags }),
        );
        made.body[0]
            .as_str()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_else(|| panic!("{}", made.body))
            .to_owned()
    };
    let people = dataset("people", json!({ "unifiedProfile": ["enabled:true"] }));
    let job = json!({ "dataSetId": people, "batchId": "019a0f3e5b2c7d41e0a8f5c2" });
    is(&asker.adobe("POST /data/core/ups/system/jobs", &job), 400, "batch_of_records");

    let format = |format: &str| json!({ "datasetId": people, "inputFormat": { "format": format } });
    is(&asker.adobe("POST /data/foundation/import/batches", &format("csv")), 400, "batch_format_unknown");
    let batch = asker.adobe("POST /data/foundation/import/batches", &format("json"));
    let batch = batch.body["id"].as_str().unwrap_or_else(|| panic!("{}", batch.body)).to_owned();
    let path = format!("/data/foundation/import/batches/{batch}");
    is(&asker.adobe(&format!("PUT {path}/datasets/other/files/a.json"), &json!({})), 400, "dataset_of_batch");
    for at in 0..100 {
        let put = asker.adobe(&format!("PUT {path}/datasets/{people}/files/{at}.json"), &json!({}));
        assert!(put.status < 300, "{}", put.body);
    }
    is(&asker.adobe(&format!("PUT {path}/datasets/{people}/files/more.json"), &json!({})), 413, "batch_files_full");
    assert!(asker.adobe(&format!("POST {path}?action=ABORT"), &Value::Null).status < 300);
    is(&asker.adobe(&format!("POST {path}?action=COMPLETE"), &Value::Null), 409, "batch_ended");
}
