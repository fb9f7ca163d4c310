//! `tessera apply` against a real server: what it tells, what it writes, what it refuses and how it ends.

#[path = "apply/activations.rs"]
mod activations;
#[path = "apply/catalogue.rs"]
mod catalogue;
mod harness;
#[path = "apply/rules.rs"]
mod rules;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};

use harness::{Client, KEY, Server, tessera};
use serde_json::{Value, json};

const MODEL: &str = "kind: data_model
spec:
  datasets: {crm: {mode: strict}}
  attributes:
    plan: {type: text, allowed_values: [gold, free]}
    address.city:
      type: text
      label: City
";

const REST: &str = r#"{"kind": "limits", "spec": {"hub_links_max": 12}}
---
{"kind": "namespace", "name": "loyalty_id", "spec": {"normaliser": "lower", "priority": 700, "blocked": ["NONE"]}}
---
kind: default_merge_policy
spec: {merge_policy: crm-first}
---
kind: merge_policy
name: crm-first
spec:
  name: CRM first
  identity_graph: full
  attribute_merge: {choose: precedence, datasets: [crm, web]}
  rules: [{path: tags, choose: union}]
---
kind: primary_namespace
spec: {namespace: loyalty_id}
---
kind: erasure_rules
spec: {waiting_events_max: 500}
---
kind: rate_limit
name: default
spec: {rate_limit: {per_second: 5000, burst: 5000, concurrency: 500}}
"#;

/// A public key, made for these tests alone.
const JWK: &str = "{kty: RSA, use: sig, alg: RS256, kid: one, n: qMx0Oaw4B6OzMGf93VsjUII8Otr0Yvrhwus2ewh-x6Jmv5yAmVquX_u5Hb1kOjyJlpqBvBwzq8jgoWt96EHCCM6RJAkJrlnBp1nf8GwVywShW--EbuFk70At4AkpFz9Ig5DWfZGlUVk_QzEK2rweVDwn_ZD8FrbY4zEzPbNfW5cKOxS2-vxysMmFMV9tTxa3WtmClZcrl_3dt-rg5lCDes0bM2hcb95Mkg767NCpzadnRk_dOh-66ALZ6cYL7by-7UYYBKjdyUxEJjIYI-RANB9vUuerJUhQcVB2IqJTSYax9GtOL1jyMWDZEfe4jUQxihHU7i44ObxRL_3gcPFQSw, e: AQAB}";

struct World {
    folder: tempfile::TempDir,
    server: Server,
    client: Client,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(&folder.path().join("data"));
        let client = server.client();
        fs::create_dir(folder.path().join("files")).expect("a folder");
        Self { folder, server, client }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let file = self.folder.path().join("files").join(name);
        fs::create_dir_all(file.parent().expect("a folder above")).expect("a folder");
        fs::write(file, text).expect("written");
        self
    }

    fn apply(&self, more: &[&str]) -> Ended {
        apply(self.server.url(), &self.folder.path().join("files"), more)
    }

    fn model(&self) -> Value {
        self.client.get("/v1/data-model?learned=false").expect("a model")
    }

    /// Everything that can be applied, as the server has it.
    fn everything(&self) -> Vec<Value> {
        let paths =
            ["data-model?learned=false", "admin/limits", "admin/namespaces", "merge-policies", "admin/erasures"];
        let more = ["admin/workspaces/default"];
        paths.iter().chain(&more).map(|path| self.client.get(&format!("/v1/{path}")).expect("an answer")).collect()
    }

    fn put(&self, path: &str, body: &Value) {
        let (status, answer) = self.client.send("PUT", path, body.to_string().as_bytes()).expect("an answer");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    }
}

/// How a run ended: its code, what it told, what it complained of.
struct Ended(Option<i32>, String, String);

fn apply(url: &str, files: &Path, more: &[&str]) -> Ended {
    let mut command = tessera();
    command.args(["apply", "--url", url, "--key", KEY, "-f"]).arg(files).args(more).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8").trim().to_owned();
    Ended(status.code(), text(stdout), text(stderr))
}

#[test]
fn what_files_say_is_shown_then_written_once() {
    let world = World::new();
    world
        .write("model.yaml", MODEL)
        .write("more/rest.yml", REST)
        .write("more/notes.txt", "no: yaml: at all")
        .write(".git/x.yaml", "no");
    let expected = "~ limits: hub_links_max none -> 12
+ namespace loyalty_id: blocked [none], kind person, normaliser lower, priority 700
~ primary_namespace: namespace none -> loyalty_id
+ attribute address.city: text, label City
+ attribute plan: text, allowed_values [free, gold]
+ dataset crm: mode strict
+ merge_policy crm-first: attribute_merge {choose precedence, datasets [crm, web]}, identity_graph full, name CRM first, rules [{choose union, path tags}]
~ default_merge_policy: merge_policy default -> crm-first
~ erasure_rules: waiting_events_max none -> 500
~ rate_limit default: rate_limit none -> {burst 5000, concurrency 500, per_second 5000}";
    let before = world.everything();
    for (arguments, code) in [(&["--dry-run"][..], 0), (&["--dry-run", "--exit-code"], 3)] {
        let Ended(ended, told, complained) = world.apply(arguments);
        let whole = format!("{expected}\n5 to add, 5 to change, 0 to remove; nothing was written");
        assert_eq!((ended, told.as_str(), complained.as_str()), (Some(code), whole.as_str(), ""));
    }
    assert_eq!(world.everything(), before);

    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert_eq!(told, format!("{expected}\nwritten: 5 added, 5 changed, 0 removed"));
    let after = world.everything();
    assert_eq!(after[0]["model"]["attributes"]["address.city"]["label"], "City");
    assert_eq!((&after[1]["hub_links_max"], &after[2]["primary_namespace"]), (&json!(12), &json!("loyalty_id")));

    for arguments in [&[][..], &["--dry-run", "--exit-code"], &["--prune"]] {
        let Ended(code, told, _) = world.apply(arguments);
        let nothing = "nothing to change: 8 documents, and the server is as they say";
        assert_eq!((code, told.as_str()), (Some(0), nothing), "{arguments:?}");
    }
    assert_eq!(world.everything(), after);
}

#[test]
fn a_change_is_told_by_what_differs_and_the_rest_stays_unless_pruned() {
    let world = World::new();
    world.put("/v1/data-model/attributes/old", &json!({ "type": "text" }));
    world.put("/v1/data-model/attributes/plan", &json!({ "type": "integer", "label": "Plan" }));
    let policy =
        json!({ "id": "spare", "name": "Spare", "identity_graph": "none", "attribute_merge": { "choose": "newest" } });
    world.client.post("/v1/merge-policies", policy.to_string().as_bytes());
    world.write("a.yaml", "kind: data_model\nspec: {mode: warn, attributes: {plan: {type: text}}}\n");
    let Ended(code, told, _) = world.apply(&[]);
    let expected = "~ attribute plan: label Plan -> none; type integer -> text\n~ mode: open -> warn\nwritten: 0 added, 2 changed, 0 removed";
    assert_eq!((code, told.as_str()), (Some(0), expected));
    assert!(world.model()["model"]["attributes"]["old"].is_object());
    let Ended(code, told, _) = world.apply(&["--prune"]);
    assert_eq!((code, told.as_str()), (Some(0), "- attribute old\nwritten: 0 added, 0 changed, 1 removed"));
    assert_eq!(world.model()["model"]["attributes"].as_object().map(serde_json::Map::len), Some(1));
    // No policy is declared, so none is removed; where one is, the others go.
    assert!(world.client.get("/v1/merge-policies/spare").is_some());
    world.write(
        "b.yaml",
        &REST[REST.find("kind: default_merge_policy").expect("there")..REST.find("---\nkind: primary").expect("there")],
    );
    let Ended(code, told, _) = world.apply(&["--prune"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.ends_with("- merge_policy spare\nwritten: 1 added, 1 changed, 1 removed"), "{told}");
    assert_eq!(world.client.get("/v1/merge-policies/spare"), None);
    world.write("b.yaml", "kind: merge_policy\nname: other\nspec: {name: Other, identity_graph: full, attribute_merge: {choose: newest}}\n");
    let Ended(code, _, complained) = world.apply(&["--prune"]);
    assert_eq!(code, Some(2));
    assert!(complained.contains("merge_policy crm-first: is the default one and cannot be removed"), "{complained}");
    assert_eq!(world.client.get("/v1/merge-policies/other"), None);
}

#[test]
fn what_a_server_has_can_be_declared_as_it_is() {
    let world = World::new();
    let [model, limits, namespaces, _, erasures, _] = world.everything().try_into().expect("six answers");
    let documents = namespaces["items"].as_array().expect("a list").iter().map(|item| {
        let mut spec = item.clone();
        let name = spec.as_object_mut().and_then(|members| members.remove("name"));
        json!({ "kind": "namespace", "name": name, "spec": spec })
    });
    for (at, document) in documents.enumerate() {
        world.write(&format!("{at}.json"), &document.to_string());
    }
    for (kind, spec) in [("data_model", &model["model"]), ("limits", &limits), ("erasure_rules", &erasures)] {
        world.write(&format!("{kind}.json"), &json!({ "kind": kind, "spec": spec }).to_string());
    }
    let Ended(code, told, complained) = world.apply(&["--prune"]);
    assert!(code == Some(0) && told.starts_with("nothing to change"), "{told}\n{complained}");
}

#[test]
fn files_that_are_wrong_are_told_by_line_and_nothing_is_written() {
    let world = World::new();
    let before = world.everything();
    let cases = [
        ("[1]", "1: a document is an object"),
        ("\nspec: {}", "2: missing member `kind`"),
        ("kind: modell\nspec: {}", "1: unknown kind, expected limits, namespace"),
        ("kind: limits\nname: x\nspec: {}", "2: kind limits has no `name`"),
        ("kind: namespace\nspec: {}", "1: missing member `name` of kind namespace"),
        ("kind: namespace\nname: 7\nspec: {}", "2: `name` is a text; quote it"),
        ("kind: limits", "1: missing member `spec`"),
        ("kind: limits\nspec: {}\nsepc: {}", "3: unknown member `sepc`, expected `kind`, `name` or `spec`"),
        ("kind: limits\nspec:\n  hub_links_max: 5\n  hubs: 3", "4: limits: unknown member `hubs`, expected one of"),
        ("kind: limits\nspec:\n  hub_links_max: many", "3: limits: expected a whole number"),
        ("kind: limits\nspec:\n  hub_links_max: 0", "3: limits: hub_links_max is 1 to 1000"),
        ("kind: limits\nspec: {}\n---\nkind: limits\nspec: {}", "5: limits is declared twice, first at "),
        ("kind: data_model\nspec: [1]", "2: a data model is an object"),
        ("kind: data_model\nspec:\n  attribute: {}", "3: unknown member `attribute`, expected `mode`"),
        ("kind: data_model\nspec:\n  attributes: [plan]", "3: `attributes` is an object, by name"),
        (
            "kind: data_model\nspec:\n  mode: shut",
            "3: mode: a mode is open, warn or strict at=mode (data_model_invalid)",
        ),
        (
            "kind: data_model\nspec:\n  attributes:\n    a: {type: text}\n    b:\n      type: string\n",
            "5: attribute b: a type is text, number",
        ),
        (
            "kind: data_model\nspec:\n  attributes:\n    a:\n      type: text\n      lable: x\n",
            "6: attribute a: unknown member `lable`, expected one of `type`",
        ),
        (
            "kind: data_model\nspec:\n  event_types:\n    E:\n      properties:\n        p: {type: text, required: perhaps}\n",
            "6: event_type E: expected a boolean",
        ),
        ("kind: namespace\nname: N N\nspec: {normaliser: trim, priority: 1}", "3: namespace N N: "),
        (
            "kind: namespace\nname: email\nspec: {kind: account, normaliser: email, priority: 1}",
            "3: namespace email: the kind of a namespace never changes, and is person",
        ),
        ("kind: primary_namespace\nspec: {namespace: nowhere}", "2: primary_namespace: there is no namespace nowhere"),
        (
            "kind: default_merge_policy\nspec: {merge_policy: nowhere}",
            "2: default_merge_policy: there is no merge policy nowhere",
        ),
        (
            "kind: merge_policy\nname: default\nspec: {name: x, identity_graph: full, attribute_merge: {choose: newest}}",
            "3: merge_policy default: the merge policy default is built in",
        ),
        ("a: 1\na: 2", "2: `a` stands twice, first on line 1"),
        ("kind: 'x", "1: no YAML"),
    ];
    for (text, expected) in cases {
        // What is right beside it is not written either.
        world.write("a.yaml", text).write("b.yaml", "kind: erasure_rules\nspec: {waiting_events_max: 7}\n");
        let Ended(code, told, complained) = world.apply(&[]);
        let place = format!("{}:{expected}", world.folder.path().join("files/a.yaml").display());
        assert!(complained.contains(&place), "{text}\nexpected {place}\nfound {complained}");
        assert_eq!((code, told.as_str()), (Some(2), ""), "{text}");
        assert!(complained.ends_with("nothing was written"), "{complained}");
    }
    world.write(
        "a.yaml",
        "kind: limits\nspec: {x: 1}\n---\nkind: data_model\nspec:\n  attributes: {a: {}, b: {type: 1}}\n",
    );
    let Ended(_, _, complained) = world.apply(&[]);
    assert_eq!(complained.lines().count(), 4, "all that is wrong is told at once: {complained}");
    let nowhere = apply(world.server.url(), &world.folder.path().join("nowhere"), &[]);
    assert!(nowhere.0 == Some(2) && nowhere.2.contains("nowhere: cannot be read"), "{}", nowhere.2);
    fs::create_dir(world.folder.path().join("empty")).expect("a folder");
    let empty = apply(world.server.url(), &world.folder.path().join("empty"), &[]);
    assert!(empty.0 == Some(2) && empty.2.contains("holds no file that ends with .yaml, .yml or .json"), "{}", empty.2);
    assert_eq!(world.everything(), before);
}

#[test]
fn a_data_model_that_stored_data_contradicts_is_refused_before_anything_is_written() {
    let world = World::new();
    let record = json!({ "dataset": "crm", "records": [{ "id": "1", "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "plan": 7 } }] });
    world.client.post("/v1/records", record.to_string().as_bytes());
    world.write("model.yaml", MODEL).write("rest.yaml", REST);
    let before = world.everything();
    for arguments in [&[][..], &["--dry-run"]] {
        let Ended(code, told, complained) = world.apply(arguments);
        assert_eq!(code, Some(1), "{complained}");
        assert!(told.ends_with("nothing was written"), "{told}");
        for expected in ["stored data contradicts", "--force", "plan: expected text, found integer", "1 in all"] {
            assert!(complained.contains(expected), "{expected}: {complained}");
        }
        assert_eq!(world.everything(), before);
    }
    let Ended(code, told, complained) = world.apply(&["--force"]);
    assert!(
        code == Some(0) && told.contains("written: 5 added") && complained.contains("all the same"),
        "{told}\n{complained}"
    );
    world.write("model.yaml", "kind: data_model\nspec: {attributes: {address: {type: text}}}\n");
    let Ended(code, told, complained) = world.apply(&[]);
    assert!(code == Some(1) && complained.contains("(data_model_invalid)"), "{complained}");
    assert!(told.ends_with("nothing was written"), "{told}");
}

/// Hands connections on to a server; before the request whose head holds this for the time of this number, something is done.
fn between(server: &str, head: &'static str, time: usize, act: impl FnOnce() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = server.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        let (mut act, mut seen) = (Some(act), 0);
        for client in listener.incoming() {
            let mut client = client.expect("a connection");
            let mut upstream = TcpStream::connect(&server).expect("the server listens");
            let (mut answers, mut back) =
                (upstream.try_clone().expect("a clone"), client.try_clone().expect("a clone"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let mut chunk = [0; 65_536];
            while let Ok(bytes @ 1..) = client.read(&mut chunk) {
                seen += usize::from(String::from_utf8_lossy(&chunk[..bytes]).contains(head));
                if seen == time
                    && let Some(act) = act.take()
                {
                    act();
                }
                if upstream.write_all(&chunk[..bytes]).is_err() {
                    break;
                }
            }
            let _ = upstream.shutdown(Shutdown::Both);
        }
    });
    url
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let policy =
        json!({ "id": "crm-first", "name": "x", "identity_graph": "full", "attribute_merge": { "choose": "newest" } });
    let replaced = json!({ "name": "theirs", "identity_graph": "full", "attribute_merge": { "choose": "newest" } });
    let theirs = json!({ "type": "boolean" });
    let cases = [
        (
            "PUT /v1/data-model HTTP",
            1,
            "/v1/data-model/attributes/theirs",
            theirs,
            "attribute address.city: the server answered 409: the data model has been changed meanwhile",
            "limits, namespace loyalty_id, primary_namespace",
        ),
        (
            "GET /v1/admin/limits",
            2,
            "/v1/admin/limits",
            json!({ "hub_links_max": 3 }),
            "limits: it was changed by somebody else",
            "nothing",
        ),
        (
            "PUT /v1/merge-policies/crm-first",
            1,
            "/v1/merge-policies/crm-first",
            replaced,
            "merge_policy crm-first: the server answered 409: the merge policy has another version than expected",
            "limits, namespace loyalty_id, primary_namespace, attribute address.city, attribute plan, dataset crm",
        ),
    ];
    for (head, time, path, body, said, written) in cases {
        let world = World::new();
        world.client.post("/v1/merge-policies", policy.to_string().as_bytes());
        world.write("model.yaml", MODEL).write("rest.yaml", REST);
        let client = world.server.client();
        let url = between(world.server.url(), head, time, move || {
            let (status, answer) = client.send("PUT", path, body.to_string().as_bytes()).expect("an answer");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        });
        let Ended(code, _, complained) = apply(&url, &world.folder.path().join("files"), &[]);
        assert_eq!(code, Some(1), "{head}: {complained}");
        assert!(complained.contains(said), "{head}: {complained}");
        assert!(complained.contains(&format!("written before that: {written}\n")), "{head}: {complained}");
        assert!(complained.contains("default_merge_policy, erasure_rules, rate_limit default"), "{head}: {complained}");
        // Applying again compares with what is there now, and ends as declared.
        let Ended(code, _, complained) = world.apply(&[]);
        assert_eq!(code, Some(0), "{complained}");
        assert!(world.apply(&[]).1.starts_with("nothing to change"));
    }
}

#[test]
fn the_exclusive_namespace_changes_hands() {
    let world = World::new();
    let before = world.client.get("/v1/admin/namespaces").expect("namespaces");
    let exclusive =
        before["items"].as_array().and_then(|items| items.iter().find(|item| item["exclusive"] == json!(true)));
    let mut spec = exclusive.expect("one is exclusive").clone();
    let name = spec["name"].take();
    spec.as_object_mut().map(|members| members.remove("name"));
    spec["exclusive"] = json!(false);
    world.write("a.json", &json!({ "kind": "namespace", "name": name, "spec": spec }).to_string());
    world.write("b.yaml", "kind: namespace\nname: a_id\nspec: {normaliser: trim, priority: 950, exclusive: true}\n");
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!(code, Some(0), "{told}\n{complained}");
    assert_eq!(
        world.client.get("/v1/admin/namespaces").expect("namespaces")["items"]
            .as_array()
            .map(|items| items.iter().filter(|item| item["exclusive"] == json!(true)).count()),
        Some(1)
    );
}

#[test]
fn another_workspace_and_standard_input() {
    let world = World::new();
    world.client.post("/v1/admin/workspaces", br#"{"name":"shop"}"#);
    world.write("model.yaml", MODEL);
    let Ended(code, _, complained) = world.apply(&["--workspace", "shop"]);
    assert_eq!(code, Some(0), "{complained}");
    assert_eq!(world.model()["model"]["attributes"], json!({}));
    let mut child = tessera()
        .args(["apply", "--server", world.server.url(), "-f", "-"])
        .env("TESSERA_KEY", KEY)
        .env("TESSERA_WORKSPACE", "shop")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(MODEL.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("nothing to change: 1 documents"));
    let wrong = apply("http://127.0.0.1:1", &world.folder.path().join("files"), &[]);
    assert!(wrong.0 == Some(1) && wrong.2.contains("cannot read what the server has"), "{}", wrong.2);
}

#[test]
fn token_issuers_are_declared_and_removed() {
    let world = World::new();
    let document = format!(
        "kind: token_issuer\nname: login\nspec: {{iss: login.example, algorithm: RS256, audiences: [shop], jwks: {{keys: [{JWK}]}}}}\n"
    );
    world.write("login.yaml", &document);
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert!(
        told.starts_with("+ token_issuer login: algorithm RS256, audiences [shop], iss login.example, public_keys"),
        "{told}"
    );
    let shown = world.client.get("/v1/admin/token-issuers").expect("issuers");
    assert_eq!(
        (&shown["items"][0]["name"], &shown["items"][0]["public_keys"][0]["kid"]),
        (&"login".into(), &"one".into())
    );
    let Ended(code, told, _) = world.apply(&["--dry-run", "--exit-code"]);
    assert_eq!(code, Some(0), "{told}");
    let mut issuer = shown["items"][0].clone();
    issuer.as_object_mut().and_then(|members| members.remove("name"));
    issuer["iss"] = "other.example".into();
    world.put("/v1/admin/token-issuers/other", &issuer);
    let Ended(code, told, _) = world.apply(&["--prune"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("- token_issuer other"), "{told}");
    assert_eq!(world.client.get("/v1/admin/token-issuers").expect("issuers"), shown);
    world.write("login.yaml", &document.replace("RS256, audiences", "HS256, audiences"));
    let Ended(code, _, complained) = world.apply(&[]);
    assert_eq!(code, Some(2), "{complained}");
}

#[test]
fn connections_and_sources_are_declared_and_removed() {
    let world = World::new();
    let document = "kind: connection
name: exports
spec: {kind: files, url: 'file:///var/exports'}
---
kind: connection
name: lake
spec:
  kind: files
  url: s3://exports/crm
  options: {access_key_id: a, secret_access_key: {env: TESSERA_SECRET_S3}, endpoint: 'http://127.0.0.1:1', allow_http: true}
---
kind: connection
name: crm-db
spec: {kind: postgres, url: 'postgres://tessera@db.internal/shop', password: {env: TESSERA_SECRET_CRM}}
---
kind: source
name: customers
spec:
  connection: exports
  table: customers-*.csv
  primary: {column: id, namespace: user_id}
  schedule: {cron: '15 4 * * *', time_zone: Europe/Paris}
";
    world.write("sources.yaml", document);
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!((code, complained.as_str()), (Some(0), ""), "{told}");
    assert!(told.contains("+ connection crm-db") && told.contains("+ source customers"), "{told}");
    let shown = world.client.get("/v1/sources/customers").expect("a source");
    assert_eq!(shown["schedule"], json!({"cron": "15 4 * * *", "time_zone": "Europe/Paris"}));
    let Ended(code, told, _) = world.apply(&["--dry-run", "--exit-code"]);
    assert_eq!(code, Some(0), "what stands as declared is no difference: {told}");
    // A secret in a file is refused before anything is asked of the server.
    world.write(
        "plain.yaml",
        "kind: connection\nname: plain\nspec: {kind: postgres, url: 'postgres://a:secret@db/shop'}\n",
    );
    let Ended(code, _, complained) = world.apply(&[]);
    assert_eq!(code, Some(2), "{complained}");
    assert!(complained.contains("secret_in_file") && !complained.contains("a:secret"), "{complained}");
    let plain = "kind: connection\nname: plain\nspec: {kind: files, url: 's3://a', options: {access_key_id: a, secret_access_key: b}}\n";
    world.write("plain.yaml", plain);
    let Ended(code, _, complained) = world.apply(&[]);
    assert!(code == Some(2) && complained.contains("secret_in_file"), "{complained}");
    fs::remove_file(world.folder.path().join("files/plain.yaml")).expect("the file goes");
    // What goes first is what names others.
    let kept = document.split("---\n").next().expect("a document");
    world.write("sources.yaml", &kept.replace("exports\nspec", "other\nspec"));
    world.write("more.yaml", "kind: source\nname: later\nspec: {connection: other, table: a.csv, primary: {column: id, namespace: user_id}}\n");
    let Ended(code, told, complained) = world.apply(&["--prune"]);
    assert_eq!(code, Some(0), "{told}{complained}");
    assert_eq!(world.client.get("/v1/sources/customers"), None, "{told}");
    assert_eq!(world.client.get("/v1/connections/crm-db"), None, "{told}");
}
