use serde_json::{Value, json};

use crate::tests::golden;
use crate::tests::world::{ROOT, Reply, World, request};

#[tokio::test]
async fn profiles_are_answered_as_the_spec_says() {
    golden::check("api/src/wyng/golden/profiles.txt").await;
}

pub(super) async fn call(world: &World, method: &str, path: &str, token: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/api/v1/consumer{path}");
    world.send(request(method, &path, "", &[("x-access-token", token)], body)).await
}

async fn public(world: &World) -> String {
    world.key("public", &["ingest", "read_public"], &["default"]).await
}

/// Segment's events, then an upsert, then a changed e-mail: the id that the client holds still answers with both.
#[tokio::test]
async fn what_one_door_is_told_the_others_show() {
    let world = World::new().await;
    let identify =
        json!({"userId": "7001", "messageId": "m-1", "traits": {"email": "ann@shop.example", "plan": "gold"}});
    assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    let track = json!({"userId": "7001", "messageId": "m-2", "event": "Order Completed"});
    assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    let before = call(&world, "GET", "/profiles/lookup?email=ann%40shop.example", ROOT, &Value::Null).await.json();
    world.pass(1_000_000);
    let upsert = json!({"fields": {"email": {"value": "ann@shop.example"}, "phone": {"value": "+4712345678"}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &upsert).await.status, 200);
    let held = call(&world, "GET", "/profiles/lookup?phone=%2B4712345678", ROOT, &Value::Null).await.json();
    world.pass(1_000_000);
    let changed = json!({"fields": {"phone": {"value": "+4712345678"}, "email": {"value": "anna@shop.example"}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &changed).await.status, 200);
    for id in [&before["id"], &held["id"]] {
        let id = id.as_str().expect("an id");
        let profile = call(&world, "GET", &format!("/profiles/{id}"), ROOT, &Value::Null).await.json();
        assert_eq!(profile["fields"]["email"]["value"], "anna@shop.example", "{profile}");
        assert_eq!(profile["fields"]["plan"]["value"], "gold", "{profile}");
        assert_eq!(profile["id"], held["id"], "{profile}");
    }
    let native = world.get("/v1/profiles/identifier/email/anna%40shop.example", ROOT).await.json();
    assert_eq!((&native["user_id"], &native["phone"]), (&json!("7001"), &json!("+4712345678")), "{native}");
    let events = world.get("/v1/profiles/identifier/email/anna%40shop.example/events", ROOT).await.json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2), "{events}");
    let old = world.get("/v1/profiles/identifier/email/ann%40shop.example", ROOT).await;
    assert_eq!(old.status, 404, "{}", old.json());
    // What the same person says again by an old client does not bring it back; the document naming it again does.
    world.pass(1_000_000);
    let again = json!({"userId": "7001", "messageId": "m-3", "traits": {"email": "ann@shop.example"}});
    assert_eq!(world.call("POST", "/v1/identify", ROOT, again.to_string()).await.status, 200);
    let old = call(&world, "GET", "/profiles/lookup?email=ann%40shop.example", ROOT, &Value::Null).await;
    assert_eq!(old.status, 404, "{}", old.json());
    world.pass(1_000_000);
    let back = json!({"fields": {"phone": {"value": "+4712345678"}, "email": {"value": "ann@shop.example"}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &back).await.status, 200);
    let found = call(&world, "GET", "/profiles/lookup?email=ann%40shop.example", ROOT, &Value::Null).await.json();
    assert_eq!(found["id"], held["id"]);
    let gone = call(&world, "GET", "/profiles/lookup?email=anna%40shop.example", ROOT, &Value::Null).await;
    assert_eq!(gone.status, 404, "{}", gone.json());
}

#[tokio::test]
async fn a_public_token_sees_what_is_public_and_all_with_an_identity_token() {
    let world = World::new().await;
    let page = public(&world).await;
    let upsert = json!({"fields": {"email": {"value": "ann@shop.example"}, "uids": {"value": ["visitor"]}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &upsert).await.status, 200);
    let found = call(&world, "GET", "/profiles/lookup?uid=visitor", &page, &Value::Null).await.json();
    let id = found["id"].as_str().expect("an id");
    let profile = call(&world, "GET", &format!("/profiles/{id}"), &page, &Value::Null).await.json();
    assert_eq!(profile["fields"], json!({"uids": {"value": ["visitor"]}}), "{profile}");
    assert_eq!(profile["field_list"], json!(["email", "uids"]), "{profile}");
    let hidden = call(&world, "GET", &format!("/profiles/{id}/fields/email"), &page, &Value::Null).await;
    assert_eq!((hidden.status.as_u16(), hidden.code().as_str()), (404, "field_not_found"));
    // Servers make tokens, pages do not.
    let refused = call(&world, "POST", &format!("/profiles/{id}/jwt"), &page, &Value::Null).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "permission_missing"));
    let jwt = call(&world, "POST", &format!("/profiles/{id}/jwt"), ROOT, &Value::Null).await.json();
    let jwt = jwt["jwt"].as_str().expect("a token").to_owned();
    let profile = call(&world, "GET", &format!("/profiles/{id}?jwt={jwt}"), &page, &Value::Null).await.json();
    assert_eq!(profile["fields"]["email"]["value"], "ann@shop.example", "{profile}");
    let field =
        call(&world, "GET", &format!("/profiles/{id}/fields/email?jwt={jwt}"), &page, &Value::Null).await.json();
    assert_eq!(field["value"], "ann@shop.example", "{field}");
    // It is of this profile alone, and for five minutes.
    let other = json!({"fields": {"email": {"value": "bob@shop.example"}, "uids": {"value": ["other"]}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &other).await.status, 200);
    let other = call(&world, "GET", "/profiles/lookup?uid=other", &page, &Value::Null).await.json();
    let other = other["id"].as_str().expect("an id");
    let refused = call(&world, "GET", &format!("/profiles/{other}?jwt={jwt}"), &page, &Value::Null).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "jwt_invalid"));
    let mut broken = jwt.clone();
    broken.replace_range(broken.len() - 4.., "AAAA");
    for bad in ["x", &broken] {
        let refused = call(&world, "GET", &format!("/profiles/{id}?jwt={bad}"), &page, &Value::Null).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "jwt_invalid"), "{bad}");
    }
    world.pass(301_000_000);
    let late = call(&world, "GET", &format!("/profiles/{id}?jwt={jwt}"), &page, &Value::Null).await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (403, "jwt_invalid"));
}

#[tokio::test]
async fn what_a_page_says_takes_nothing_from_what_a_server_said() {
    let world = World::new().await;
    let page = public(&world).await;
    let server = json!({"fields": {"email": {"value": "ann@shop.example"}, "uids": {"value": ["visitor"]}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &server).await.status, 200);
    world.pass(1_000_000);
    for upsert in [
        json!({"fields": {"uids": {"value": ["visitor"]}, "email": {"value": "thief@evil.example"}}}),
        json!({"fields": {"uids": {"value": ["visitor"]}, "email": {"value": null}}}),
    ] {
        assert_eq!(call(&world, "POST", "/profiles/upsert", &page, &upsert).await.status, 200);
        let kept = call(&world, "GET", "/profiles/lookup?email=ann%40shop.example", ROOT, &Value::Null).await;
        assert_eq!(kept.status, 200, "{upsert}: {}", kept.json());
        let id = kept.json()["id"].as_str().expect("an id").to_owned();
        let profile = call(&world, "GET", &format!("/profiles/{id}"), ROOT, &Value::Null).await.json();
        assert_eq!(profile["fields"]["email"]["value"], "ann@shop.example", "{upsert}: {profile}");
    }
}

/// A model of its own makes a workspace, whose keys see nothing of the others.
#[tokio::test]
async fn a_data_model_is_made_with_a_workspace_of_its_own() {
    let world = World::new().await;
    let new = json!({
        "fields": [{"id": "member_no", "name": "Member", "is_key": true}, {"id": "plan", "name": "Plan", "public": true}],
        "strong_id": "member_no"
    });
    let made = call(&world, "POST", "/tdm", ROOT, &new).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let made = made.json();
    assert_eq!(made["ids_priority"], json!(["uid"]), "{made}");
    let id = made["id"].as_str().expect("an id");
    let read = call(&world, "GET", &format!("/tdm/{id}"), ROOT, &Value::Null).await.json();
    assert_eq!(read, made);
    let workspaces = world.get("/v1/admin/workspaces", ROOT).await.json();
    let name = workspaces["items"]
        .as_array()
        .expect("workspaces")
        .iter()
        .find_map(|own| own["name"].as_str().filter(|name| name.starts_with("tdm-")).map(str::to_owned));
    let name = name.expect("a workspace of its own");
    let token = world.key("private", &["ingest", "read"], &[&name]).await;
    let upsert = json!({"fields": {"member_no": {"value": 17}, "plan": {"value": "gold"}}});
    let reply = call(&world, "POST", "/profiles/upsert", &token, &upsert).await.json();
    assert_eq!(reply["tdm_id"], json!(id), "{reply}");
    let found = call(&world, "GET", "/profiles/lookup?member_no=17", &token, &Value::Null).await;
    assert_eq!(found.status, 200, "{}", found.json());
    assert_eq!(call(&world, "GET", "/profiles/lookup?email=x", ROOT, &Value::Null).await.status, 404);
    let malformed = call(&world, "POST", "/tdm", ROOT, &json!({"fields": [], "strong_id": "x"})).await;
    assert_eq!(malformed.code(), "document_model_invalid");
}

#[tokio::test]
async fn an_upsert_under_an_idempotency_key_is_done_once() {
    let world = World::new().await;
    let upsert = json!({"fields": {"email": {"value": "ann@shop.example"}}}).to_string();
    let headers = [("x-access-token", ROOT), ("idempotency-key", "k-1")];
    let path = "/api/v1/consumer/profiles/upsert";
    let first = world.send(request("POST", path, "", &headers, upsert.clone())).await;
    let counts = world.get("/v1/admin/counts", ROOT).await.json();
    let second = world.send(request("POST", path, "", &headers, upsert)).await;
    assert_eq!((first.status, second.status), (axum::http::StatusCode::OK, axum::http::StatusCode::OK));
    assert_eq!(first.json(), second.json());
    assert_eq!(counts, world.get("/v1/admin/counts", ROOT).await.json());
    let other = json!({"fields": {"email": {"value": "bob@shop.example"}}}).to_string();
    let reused = world.send(request("POST", path, "", &headers, other)).await;
    assert_eq!((reused.status.as_u16(), reused.code().as_str()), (400, "idempotency_key_reused"));
}

/// The token of a verification, signed by an issuer that the workspace names, is exchanged for one of the profile of its e-mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_verification_is_exchanged() {
    let world = World::new().await;
    world.workspace("verifier").await;
    let directory = world.service.directory().snapshot();
    let organization = directory.organization_by_name("default").expect("an organization").id;
    let verifier = directory.workspace_by_name(organization, "verifier").expect("a workspace").id;
    let sign = async |claims: Value| {
        let Value::Object(claims) = claims else { unreachable!("an object") };
        world.service.tokens().sign(verifier, claims, world.service.now()).await.expect("a token")
    };
    let exp = world.service.now().micros() / 1_000_000 + 21_600;
    let verified = json!({"iss": "verification-service", "email": "ann@shop.example", "verified": true, "exp": exp});
    let token = sign(verified.clone()).await;
    let keys = world.get("/v1/organizations/default/workspaces/verifier/jwks.json", "").await.json();
    let issuer = json!({"iss": "verification-service", "algorithm": "RS256", "jwks": keys}).to_string();
    let set = world.call("PUT", "/v1/admin/token-issuers/verification", ROOT, issuer).await;
    assert!(set.status.is_success(), "{}", set.json());
    let page = public(&world).await;
    let exchange = async |jwt: &str, field: &str| {
        let body = json!({"jwt": jwt, "key_field": field});
        call(&world, "POST", "/profiles/jwt/exchange", &page, &body).await
    };
    let nobody = exchange(&token, "email").await;
    assert_eq!((nobody.status.as_u16(), nobody.code().as_str()), (404, "profile_not_found"));
    let upsert = json!({"fields": {"email": {"value": "ann@shop.example"}}});
    assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &upsert).await.status, 200);
    let given = exchange(&token, "email").await;
    assert_eq!(given.status, 200, "{}", given.json());
    let jwt = given.json()["jwt"].as_str().expect("a token").to_owned();
    let found = call(&world, "GET", "/profiles/lookup?email=ann%40shop.example", &page, &Value::Null).await.json();
    let id = found["id"].as_str().expect("an id");
    let profile = call(&world, "GET", &format!("/profiles/{id}?jwt={jwt}"), &page, &Value::Null).await.json();
    assert_eq!(profile["fields"]["email"]["value"], "ann@shop.example", "{profile}");
    let mut unverified = verified.clone();
    unverified["verified"] = json!(false);
    let mut nameless = verified.clone();
    nameless.as_object_mut().expect("an object").remove("email");
    for (jwt, field, status, code) in [
        (sign(unverified).await, "email", 403, "jwt_invalid"),
        (sign(nameless).await, "email", 403, "jwt_invalid"),
        (token.clone(), "country", 400, "field_invalid"),
        ("x".to_owned(), "email", 401, "token_invalid"),
        (jwt.clone(), "email", 401, "token_issuer_unknown"),
    ] {
        let refused = exchange(&jwt, field).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (status, code), "{}", refused.json());
    }
    world.pass(21_700_000_000);
    let late = exchange(&token, "email").await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (401, "token_expired"), "{}", late.json());
}

async fn says(world: &World, token: &str, fields: Value) {
    world.pass(1_000_000);
    let reply = call(world, "POST", "/profiles/upsert", token, &json!({ "fields": fields })).await;
    assert_eq!(reply.status, 200, "{fields}: {}", reply.json());
}

/// Whom a look-up finds; null where nobody.
async fn finds(world: &World, query: &str) -> Value {
    call(world, "GET", &format!("/profiles/lookup?{query}"), ROOT, &Value::Null).await.json()["id"].clone()
}

async fn shows(world: &World, id: &Value, field: &str) -> Value {
    let path = format!("/profiles/{}", id.as_str().expect("an id"));
    call(world, "GET", &path, ROOT, &Value::Null).await.json()["fields"][field]["value"].clone()
}

#[tokio::test]
async fn a_page_takes_over_nobody_and_joins_nobody_that_servers_know() {
    let world = World::new().await;
    let page = public(&world).await;
    says(&world, ROOT, json!({"email": {"value": "rich@x.example"}, "phone": {"value": "+33699999999"}})).await;
    says(&world, &page, json!({"email": {"value": "rich@x.example"}, "uids": {"value": ["mallory"]}})).await;
    says(&world, &page, json!({"uids": {"value": ["mallory"]}, "email": {"value": "mallory@x.example"}})).await;
    let rich = finds(&world, "email=rich%40x.example").await;
    assert_ne!(finds(&world, "email=mallory%40x.example").await, rich, "another address beside one that a server said");
    says(&world, ROOT, json!({"email": {"value": "mallory@x.example"}, "phone": {"value": "+33688888888"}})).await;
    assert_eq!(shows(&world, &rich, "email").await, "rich@x.example");
    assert_eq!(shows(&world, &rich, "phone").await, "+33699999999");
    // Two that servers know stay two, whoever decides first.
    says(&world, ROOT, json!({"email": {"value": "one@x.example"}, "uids": {"value": ["u1"]}})).await;
    says(&world, ROOT, json!({"uids": {"value": ["u2"]}, "phone": {"value": "+33612345671"}})).await;
    says(&world, &page, json!({"uids": {"value": ["u2"]}, "email": {"value": "one@x.example"}})).await;
    assert_ne!(finds(&world, "uid=u2").await, finds(&world, "email=one%40x.example").await);
    // A visitor whom only pages know joins whom they say to be.
    says(&world, &page, json!({"uids": {"value": ["visitor"]}})).await;
    says(&world, &page, json!({"uids": {"value": ["visitor"]}, "email": {"value": "one@x.example"}})).await;
    assert_eq!(finds(&world, "uid=visitor").await, finds(&world, "email=one%40x.example").await);
}

#[tokio::test]
async fn what_is_older_is_neither_shown_nor_found() {
    let world = World::new().await;
    says(&world, ROOT, json!({"phone": {"value": "+33699999999"}, "email": {"value": "live@x.example"}})).await;
    let id = finds(&world, "phone=%2B33699999999").await;
    for email in [json!({"value": "import@x.example"}), Value::Null] {
        let old =
            json!({"fields": {"phone": {"value": "+33699999999"}, "email": email}, "timestamp": "2020-01-01 00:00"});
        assert_eq!(call(&world, "POST", "/profiles/upsert", ROOT, &old).await.status, 200);
        assert_eq!(shows(&world, &id, "email").await, "live@x.example", "{old}");
        assert_eq!(finds(&world, "email=live%40x.example").await, id, "{old}");
        assert_eq!(finds(&world, "email=import%40x.example").await, Value::Null, "{old}");
    }
}

#[tokio::test]
async fn fields_are_shown_whatever_else_has_their_name() {
    let world = World::new().await;
    let first =
        call(&world, "POST", "/profiles/upsert", ROOT, &json!({"fields": {"email": {"value": "a@x.example"}}})).await;
    let tdm = first.json()["tdm_id"].as_str().expect("an id").to_owned();
    let model = json!({"fields": [{"id": "email", "name": "E", "is_key": true}, {"id": "user_id", "name": "U"}, {"id": "phone", "name": "P"}],
        "strong_id": "email"});
    assert_eq!(call(&world, "PUT", &format!("/tdm/{tdm}"), ROOT, &model).await.status, 200);
    says(
        &world,
        ROOT,
        json!({"email": {"value": "a@x.example"}, "user_id": {"value": "U-1"}, "phone": {"value": "0612"}}),
    )
    .await;
    let id = finds(&world, "email=a%40x.example").await;
    assert_eq!(shows(&world, &id, "user_id").await, "U-1");
    assert_eq!(shows(&world, &id, "phone").await, "0612");
    let internal = json!({"fields": [{"id": "email", "name": "E", "is_key": true}, {"id": "profile", "name": "P", "is_key": true}], "strong_id": "email"});
    let set = call(&world, "PUT", &format!("/tdm/{tdm}"), ROOT, &internal).await;
    assert_eq!(set.status, 200, "{}", set.json());
    says(&world, ROOT, json!({"email": {"value": "a@x.example"}, "profile": {"value": "X1"}})).await;
    assert_eq!(shows(&world, &id, "profile").await, "X1");
    let parents =
        call(&world, "GET", &format!("/profiles/{}", id.as_str().expect("an id")), ROOT, &Value::Null).await.json();
    assert_eq!(parents["parent_profiles"], json!([]));
    for (field, value) in [("email", json!("x".repeat(600))), ("uids", json!(["a\u{0}b"])), ("uids", json!([7]))] {
        let reply = call(&world, "POST", "/profiles/upsert", ROOT, &json!({"fields": {field: {"value": value}}})).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "field_invalid"), "{}", reply.json());
    }
}

/// `in` and `equal` agree about sets, and what identifies is found in whatever spelling it is asked for.
#[tokio::test]
async fn segments_ask_for_members_of_sets_and_for_ids_in_any_spelling() {
    let world = World::new().await;
    let email = json!({"fields": {"email": {"value": "Zed@Shop.EX"}}});
    let first = call(&world, "POST", "/profiles/upsert", ROOT, &email).await.json();
    let tdm = first["tdm_id"].as_str().expect("an id").to_owned();
    let model = json!({"fields": [{"id": "email", "name": "E", "is_key": true}, {"id": "hob", "name": "H", "type": "set"},
        {"id": "flag", "name": "F", "type": "bool"}], "strong_id": "email"});
    assert_eq!(call(&world, "PUT", &format!("/tdm/{tdm}"), ROOT, &model).await.status, 200);
    let hobbies = json!({"email": {"value": "zed@shop.ex"}, "hob": {"value": [{"name": "run", "value": true}]}, "flag": {"value": true}});
    says(&world, ROOT, hobbies).await;
    let id = finds(&world, "email=zed%40shop.ex").await.as_str().expect("an id").to_owned();
    let of = |operator: &str, operands: Value| json!({"operator": format!("profile-attribute-{operator}"), "operands": operands});
    for (at, (expression, holds)) in [
        (of("in", json!(["hob", ["run", "sail"]])), true),
        (of("in", json!(["hob", ["sail"]])), false),
        (json!({"operator": "not", "operands": [of("in", json!(["hob", ["run"]]))]}), false),
        (of("in", json!(["flag", ["true"]])), true),
        (of("equal", json!(["email", "Zed@Shop.EX"])), true),
        (of("in", json!(["email", ["x@y.example", "ZED@shop.ex"]])), true),
        (of("not-equal", json!(["email", "Zed@Shop.EX"])), false),
    ]
    .into_iter()
    .enumerate()
    {
        let segment = json!({"name": format!("s{at}"), "expression": expression});
        let made = call(&world, "POST", "/segments", ROOT, &segment).await;
        assert_eq!(made.status, 201, "{expression}: {}", made.json());
        let own = made.json()["id"].clone();
        let found = call(&world, "GET", &format!("/profiles/{id}/segments"), ROOT, &Value::Null).await.json();
        assert_eq!(found.to_string().contains(own.as_str().expect("an id")), holds, "{expression}: {found}");
        if expression["operator"] == "profile-attribute-in" && expression["operands"][0] == "hob" {
            assert_eq!(made.json()["expression"], expression);
        }
    }
}

/// Keys that stand in pages already may only send: they learn nothing by sending.
#[tokio::test]
async fn a_token_that_may_only_send_learns_no_segments() {
    let world = World::new().await;
    let all = json!({"name": "all", "expression": {"operator": "profile-attribute-exists", "operands": ["email"]}});
    assert_eq!(call(&world, "POST", "/segments", ROOT, &all).await.status, 201);
    let upsert = json!({"fields": {"email": {"value": "ann@shop.example"}}});
    for (permissions, count) in [(&["ingest"][..], 0), (&["ingest", "read_public"], 1)] {
        let key = world.key("public", permissions, &["default"]).await;
        let reply = call(&world, "POST", "/profiles/upsert", &key, &upsert).await.json();
        assert_eq!(reply["segment_id"].as_array().map(Vec::len), Some(count), "{permissions:?}: {reply}");
    }
}

/// What is stored is read again at every start.
#[tokio::test]
async fn an_expression_keeps_the_bounds_of_a_text() {
    let world = World::new().await;
    let long = |bytes: usize| json!({"name": "long", "expression": {"operator": "profile-attribute-equal", "operands": ["email", "x".repeat(bytes)]}});
    let made = call(&world, "POST", "/segments", ROOT, &long(20_000)).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let refused = call(&world, "POST", "/segments", ROOT, &long(40_000)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "expression_invalid"));
    let world = world.reopened(tessera_service::Settings::default()).await;
    let listed = call(&world, "GET", "/segments", ROOT, &Value::Null).await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1), "{}", listed.json());
}
