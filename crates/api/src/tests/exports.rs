//! Exports of many: who may ask for what, and what is not shown to whom.

use serde_json::{Value, json};

use super::golden;
use super::world::{ROOT, World};

const PATH: &str = "/v1/exports";

#[tokio::test]
async fn exchanges_are_frozen() {
    golden::check("api/src/native/golden/exports.txt").await;
}

#[tokio::test]
async fn nobody_exports_what_they_may_not_see() {
    let world = World::new().await;
    for (path, body) in [
        ("/v1/data-model/attributes/iban", json!({ "type": "text", "private": true })),
        ("/v1/data-model/attributes/margin", json!({ "type": "number", "internal": true })),
    ] {
        assert_eq!(world.call("PUT", path, ROOT, body.to_string()).await.status, 200, "{path}");
    }
    let record = json!({
        "dataset": "crm", "id": "1", "identities": [{ "namespace": "user_id", "value": "ann" }],
        "attributes": { "iban": "secret-iban", "margin": 77_123, "city": "Paris" }
    });
    assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
    let exports = world.key("private", &["export"], &["default"]).await;
    let sees_private = world.key("private", &["export", "read_private"], &["default"]).await;
    let configures = world.key("private", &["export", "configure"], &["default"]).await;
    for (key, iban, margin) in
        [(&*exports, false, false), (&sees_private, true, false), (&configures, false, true), (ROOT, true, true)]
    {
        for format in ["csv", "jsonl"] {
            for fields in [Value::Null, json!(["iban", "margin", "city"])] {
                let mut body = json!({ "of": "profiles", "format": format });
                if !fields.is_null() {
                    body["fields"] = fields.clone();
                }
                let reply = world.call("POST", PATH, key, body.to_string()).await;
                let text = String::from_utf8(reply.body.to_vec()).expect("text");
                assert_eq!((reply.status.as_u16(), text.contains("Paris")), (200, true), "{text}");
                let found = (text.contains("secret-iban"), text.contains("77123"));
                assert_eq!(found, (iban, margin), "{format} {fields}: {text}");
            }
        }
    }
    let reads = world.key("private", &["read"], &["default"]).await;
    assert_eq!(world.call("POST", PATH, &reads, json!({ "of": "profiles" }).to_string()).await.status, 403);
    // Writing to a place is for who configures.
    let to = json!({ "of": "profiles", "to": { "connection": "lake", "path": "a" } });
    assert_eq!(world.call("POST", PATH, &exports, to.to_string()).await.status, 403);
    assert_eq!(world.call("POST", PATH, &configures, to.to_string()).await.code(), "connection_not_found");
}

#[tokio::test]
async fn an_answer_says_what_it_is() {
    let world = World::new().await;
    let check = async |format: &str, compression: &str, media: &str, name: &str, begins: &[u8]| {
        let record = json!({ "dataset": "crm", "id": "1", "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "n": 1 } });
        assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.status, 200);
        let body = json!({ "of": "profiles", "format": format, "compression": compression });
        let reply = world.call("POST", PATH, ROOT, body.to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, media), "{:?}", reply.json());
        assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert_eq!(&reply.body[..begins.len()], begins, "{format}");
    };
    check("csv", "none", "text/csv; charset=utf-8", "profiles.csv", b"profile_id,").await;
    check("csv", "gzip", "application/gzip", "profiles.csv.gz", &[0x1f, 0x8b]).await;
    check("jsonl", "none", "application/x-ndjson", "profiles.jsonl", b"{\"profile_id\":").await;
    check("jsonl", "zstd", "application/zstd", "profiles.jsonl.zst", &[0x28, 0xb5, 0x2f, 0xfd]).await;
    check("parquet", "zstd", "application/vnd.apache.parquet", "profiles.parquet", b"PAR1").await;
}
