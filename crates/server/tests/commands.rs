//! The commands of the first week against a real server: what people read, and what machines do.

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use harness::rules::{Rule, until_active};
use harness::{KEY, Server, tessera};
use serde_json::{Value, json};

/// Asks this server.
fn ask(server: &Server, arguments: &[&str]) -> Output {
    let mut command = tessera();
    command.args(arguments).env("TESSERA_URL", server.url()).env("TESSERA_KEY", KEY).stdin(Stdio::null());
    command.output().expect("the binary starts")
}

fn out(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    out.into_owned()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).expect("JSON")
}

/// A server with two people: Ann bought twice, Bea once.
fn shop(folder: &tempfile::TempDir) -> Server {
    let server = Server::start(&folder.path().join("data"));
    let bought = |user: &str, id: &str, day: u8| {
        json!({"type": "track", "event": "Bought", "userId": user, "messageId": id,
            "timestamp": format!("2026-01-0{day}T00:00:00Z"), "properties": {"total": 12.50}})
    };
    let traits = json!({"email": "ann@shop.example", "city": "Lyon\u{1b}[31m"});
    let identify = json!({"type": "identify", "userId": "ann", "messageId": "i", "traits": traits});
    let batch = json!({"batch": [identify, bought("ann", "a", 1), bought("ann", "b", 2), bought("bea", "c", 3)]});
    server.client().post("/v1/batch", batch.to_string().as_bytes());
    server
}

#[test]
fn people_are_found_shown_explained_exported_and_erased() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    let get = out(&ask(&server, &["profile", "get", "email=ann@shop.example"]));
    assert!(get.contains("ann@shop.example") && get.contains("Lyon\u{b7}[31m") && !get.contains('\u{1b}'), "{get}");
    let profile = json(&ask(&server, &["profile", "get", "user_id=ann", "--json"]));
    let id = profile["profile_id"].as_str().expect("an id");
    assert_eq!(json(&ask(&server, &["profile", "get", id, "--json"])), profile);
    let found =
        out(&ask(&server, &["profile", "find", "xEvent[eventType = \"Bought\"].count() >= 2", "--show", "city"]));
    assert!(found.starts_with("PROFILE") && found.contains(id) && found.lines().count() == 2, "{found}");
    let none = out(&ask(&server, &["profile", "find", "city = \"Rome\""]));
    assert_eq!(none, "none\n");
    let events = out(&ask(&server, &["profile", "events", "user_id=ann", "--event", "Bought", "--limit", "1"]));
    assert!(events.contains("Bought") && events.contains("12.5") && events.lines().count() == 2, "{events}");
    let events = out(&ask(&server, &["profile", "events", "user_id=ann", "--json"]));
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{events}");
    let explained = out(&ask(&server, &["profile", "explain", "user_id=ann", "--attribute", "email"]));
    assert!(explained.contains("ann@shop.example") && explained.contains("won"), "{explained}");
    assert!(out(&ask(&server, &["profile", "identities", "user_id=ann"])).contains("email"));
    let file = folder.path().join("ann.json");
    let export = ["profile", "export", "user_id=ann", "--to", file.to_str().expect("UTF-8")];
    out(&ask(&server, &export));
    assert!(fs::read_to_string(&file).expect("written").contains("ann@shop.example"));
    assert!(error(&ask(&server, &export)).contains("cannot write"), "an export overwrites nothing");
    assert!(error(&ask(&server, &["profile", "erase", "user_id=ann"])).contains("say --yes"));
    assert!(out(&ask(&server, &["profile", "erase", "user_id=ann", "--suppress", "--yes"])).contains("suppressed"));
    let gone = error(&ask(&server, &["profile", "get", "user_id=ann"]));
    assert!(gone.starts_with("tessera: ") && gone.contains("(profile_not_found, 404, request "), "{gone}");
    assert!(!gone.contains('{'), "words, not JSON: {gone}");
    let machine: Value =
        serde_json::from_str(&error(&ask(&server, &["profile", "get", "user_id=ann", "--json"]))).expect("JSON");
    assert_eq!(machine["error"]["code"], "profile_not_found");
}

#[test]
fn rules_are_checked_tried_stored_and_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    let twice = "xEvent[eventType = \"Bought\"].count() >= 2";
    let checked = out(&ask(&server, &["rule", "check", twice]));
    assert!(checked.contains("rule.pql") && !checked.contains("pql_json"), "{checked}");
    let wrong = error(&ask(&server, &["rule", "check", "city ="]));
    assert!(
        wrong.contains("line 1, column 7: expected a value or a name (expression_syntax)\n  city =\n        ^"),
        "{wrong}"
    );
    assert!(wrong.contains(&format!("{}/docs/rules", server.url())), "{wrong}");
    assert_eq!(json(&ask(&server, &["rule", "eval", twice, "user_id=ann", "--json"]))["value"], true);
    assert_eq!(json(&ask(&server, &["segment", "preview", twice, "--json"]))["count"], 1);
    out(&ask(&server, &["segment", "create", "loyal", twice, "--description", "came back"]));
    out(&ask(&server, &["attribute", "create", "orders", "xEvent[eventType = \"Bought\"].count()"]));
    until_active(&server.client(), Rule::Segment, "loyal");
    until_active(&server.client(), Rule::Attribute, "orders");
    let list = out(&ask(&server, &["segment", "list"]));
    assert!(list.starts_with("NAME") && list.contains("loyal"), "{list}");
    assert!(out(&ask(&server, &["attribute", "list"])).contains("orders"));
    // What people type who know other programs.
    assert!(out(&ask(&server, &["segment", "show", "loyal"])).contains("came back"));
    assert!(error(&ask(&server, &["segment", "delete", "loyal"])).contains("say --yes"));
    let members = out(&ask(&server, &["segment", "members", "loyal"]));
    assert_eq!(members.lines().count(), 2, "{members}");
    let csv = out(&ask(&server, &["segment", "members", "loyal", "--csv"]));
    assert!(csv.starts_with("profile_id,entered_at,namespace,value\n"), "{csv}");
    assert!(csv.contains(",user_id,ann\n") && csv.contains(",email,ann@shop.example\n"), "{csv}");
    assert_eq!(json(&ask(&server, &["segment", "explain", "loyal", "user_id=bea", "--json"]))["value"], false);
    assert_eq!(json(&ask(&server, &["attribute", "explain", "orders", "user_id=ann", "--json"]))["value"], 2);
    assert!(error(&ask(&server, &["segment", "archive", "loyal"])).contains("say --yes"));
    out(&ask(&server, &["segment", "archive", "loyal", "--yes"]));
}

#[test]
fn what_operators_look_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    server.client().post("/v1/batch", br#"{"batch":[{"type":"track","userId":"ann","messageId":"q"}]}"#);
    let refused = out(&ask(&server, &["quarantine", "list"]));
    assert!(refused.contains("event_missing"), "{refused}");
    let id = refused.lines().nth(1).and_then(|line| line.split(' ').next()).expect("an id");
    assert!(out(&ask(&server, &["quarantine", "show", id])).contains("event_missing"));
    assert_eq!(json(&ask(&server, &["quarantine", "replay", "--all", "--json"]))["rejected"], 1);
    out(&ask(&server, &["quarantine", "drop", id, "--yes"]));
    assert_eq!(out(&ask(&server, &["quarantine", "list"])), "none\n");
    assert_eq!(out(&ask(&server, &["suppression", "get", "user_id=cay"])).trim(), "suppressed  no");
    out(&ask(&server, &["suppression", "add", "user_id=cay"]));
    assert_eq!(json(&ask(&server, &["suppression", "get", "user_id=cay", "--json"]))["suppressed"], true);
    assert!(out(&ask(&server, &["suppression", "count"])).contains('1'));
    assert_eq!(out(&ask(&server, &["suppression", "remove", "user_id=cay"])), "done\n");
    assert!(error(&ask(&server, &["suppression", "get", "cay"])).contains("an identity is expected"));
    assert_eq!(json(&ask(&server, &["counts", "--json"]))["profiles"], 2);
    out(&ask(&server, &["job", "start", "check"]));
    assert!(out(&ask(&server, &["job", "list"])).starts_with("ID"));
    let key = json(&ask(
        &server,
        &["key", "create", "--name", "short", "--permissions", "read", "--expires", "1d", "--json"],
    ));
    assert!(key["key"]["expires_at"].is_string(), "{key}");
    assert!(out(&ask(&server, &["key", "list"])).contains("short"));
    assert!(
        error(&ask(&server, &["key", "create", "--name", "x", "--permissions", "read", "--expires", "soon"]))
            .contains("90d")
    );
}

#[test]
fn the_audit_log_is_listed_and_filtered() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    assert_eq!(out(&ask(&server, &["audit"])), "none\n");
    out(&ask(&server, &["segment", "create", "loyal", "city = \"Lyon\""]));
    out(&ask(&server, &["profile", "erase", "user_id=bea", "--yes"]));
    let told = out(&ask(&server, &["audit"]));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("AT ") && lines.len() == 3, "{told}");
    assert!(lines[1].contains("erase") && lines[1].contains("done") && !told.contains("bea"), "{told}");
    assert!(lines[2].contains("segment:loyal") && lines[2].contains("configure"), "{told}");
    assert_eq!(out(&ask(&server, &["audit", "--action", "erase"])).lines().count(), 2);
    assert_eq!(out(&ask(&server, &["audit", "--outcome", "refused"])), "none\n");
    assert_eq!(out(&ask(&server, &["audit", "--to", "2026-01-01"])), "none\n");
    assert_eq!(out(&ask(&server, &["audit", "--from", "2026-01-01", "--about", "default"])).lines().count(), 3);
    let newest = json(&ask(&server, &["audit", "--limit", "1", "--json"]));
    assert_eq!(
        (&newest["action"], &newest["operation"]),
        (&json!("erase"), &json!("DELETE /v1/profiles/identifier/{namespace}/{value}"))
    );
    assert_eq!(out(&ask(&server, &["audit", "--all", "--limit", "1", "--json"])).lines().count(), 2);
    let key = json(&ask(&server, &["key", "create", "--name", "reader", "--permissions", "read", "--json"]));
    let id = key["key"]["id"].as_str().expect("an id");
    assert_eq!(out(&ask(&server, &["audit", "--actor", id])), "none\n");
    assert!(error(&ask(&server, &["audit", "--action", "eras"])).contains("a similar value exists: 'erase'"));
    assert!(error(&ask(&server, &["audit", "--from", "yesterday"])).contains("from must be in iso 8601"));
    let reader = ask(&server, &["audit", "--key", key["secret"].as_str().expect("a secret")]);
    assert!(error(&reader).contains("permission_missing"));
}

#[test]
fn an_id_that_is_none_is_answered_by_how_identities_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    for arguments in [&["profile", "get", "ann"][..], &["profile", "erase", "ann", "--yes"]] {
        let said = error(&ask(&server, arguments));
        assert!(said.contains("an identity is written NAMESPACE=VALUE, such as user_id=7001"), "{arguments:?}: {said}");
    }
    assert!(!error(&ask(&server, &["profile", "get", "user_id=nobody"])).contains("NAMESPACE=VALUE"));
}

#[test]
fn a_dump_is_what_apply_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = shop(&folder);
    out(&ask(&server, &["segment", "create", "loyal", "xEvent[eventType = \"Bought\"].count() >= 2"]));
    let declared = folder.path().join("first.yaml");
    fs::write(
        &declared,
        "kind: data_model\nspec: {attributes: {plan: {type: text, allowed_values: [free, \"no\"]}}, datasets: {crm: {mode: strict}}}\n---\nkind: rate_limit\nname: default\nspec: {rate_limit: {per_second: 500, burst: 1000, concurrency: 64}}\n",
    )
    .expect("written");
    out(&ask(&server, &["apply", "--file", declared.to_str().expect("UTF-8")]));
    for (name, flags) in [("dump.yaml", vec![]), ("lines.yaml", vec!["--json"])] {
        let dump = out(&ask(&server, &[&["config", "dump"], &flags[..]].concat()));
        assert!(["kind", "loyal", "crm", "strict", "concurrency"].iter().all(|word| dump.contains(word)), "{dump}");
        let file = folder.path().join(name);
        fs::write(&file, &dump).expect("written");
        let path = file.to_str().expect("UTF-8");
        let again = out(&ask(&server, &["apply", "--file", path, "--dry-run", "--prune", "--exit-code"]));
        assert!(again.starts_with("nothing to change"), "{again}\n{dump}");
        // Another server gets the same from it.
        let other = Server::start(&folder.path().join(format!("other-{name}")));
        out(&ask(&other, &["apply", "--file", path]));
        assert_eq!(out(&ask(&other, &[&["config", "dump"], &flags[..]].concat())), dump);
    }
}

#[test]
fn a_connection_is_kept_where_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("config").join("connections.toml");
    let run = |arguments: &[&str], key: Option<&str>| {
        let mut command = tessera();
        command.args(arguments).env("TESSERA_CONNECTIONS", &file).stdin(Stdio::null());
        key.iter().for_each(|key| {
            command.env("TESSERA_KEY", key);
        });
        command.output().expect("the binary starts")
    };
    let refused = error(&run(&["login", "shop", "--url", server.url()], Some("sk_live_wrong")));
    assert!(refused.contains("nothing was kept") && !file.exists(), "{refused}");
    out(&run(&["login", "shop", "--url", server.url()], Some(KEY)));
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let listed = out(&run(&["connections"], None));
    assert!(listed.contains("shop") && listed.contains(server.url()) && !listed.contains(KEY), "{listed}");
    assert!(out(&run(&["counts", "--connection", "shop"], None)).contains("profiles"));
    let which = error(&run(&["counts"], None));
    assert!(which.contains("which key?") && which.contains("--connection with one of shop"), "{which}");
    assert!(error(&run(&["counts", "--connection", "other"], None)).contains("there is no connection other"));
    out(&run(&["login", "--url", server.url()], Some(KEY)));
    assert!(out(&run(&["counts"], None)).contains("profiles"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("permitted");
    assert!(error(&run(&["counts"], None)).contains("chmod 600"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("permitted");
    out(&run(&["logout", "shop"], None));
    assert!(error(&run(&["logout", "shop"], None)).contains("there is no connection shop"));
}

#[test]
fn a_server_with_a_certificate_of_ones_own_is_taken_by_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = |name: &str| format!("{}/../seam/src/serve/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let (cert, key) = (golden("localhost.pem"), golden("localhost.key"));
    let tls = [("TESSERA_TLS_CERT", cert.as_str()), ("TESSERA_TLS_KEY", key.as_str())];
    let server = Server::start_with(&folder.path().join("data"), &tls);
    let url = server.url().replace("127.0.0.1", "localhost");
    let counts = |flags: &[&str]| {
        tessera().args(["counts", "--url", &url, "--key", KEY]).args(flags).output().expect("the binary starts")
    };
    assert!(error(&counts(&[])).contains("give the authority's with --ca-cert"));
    assert!(out(&counts(&["--ca-cert", &cert])).contains("profiles"));
    assert!(error(&counts(&["--ca-cert", &key])).contains("holds no certificate"));
    assert!(error(&counts(&["--ca-cert", "nowhere.pem"])).contains("cannot read the certificates of nowhere.pem"));
}

#[test]
fn a_server_that_is_not_there_is_said_so_at_once() {
    // Nobody listens on the first port.
    let url = "http://127.0.0.1:1";
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("in.csv"), "id\n1\n").expect("written");
    let file = folder.path().join("in.csv");
    for arguments in [vec!["counts"], vec!["load", "--event", "E", "--user-id", "{id}", file.to_str().expect("UTF-8")]]
    {
        let output = tessera().args(&arguments).args(["--url", url, "--key", KEY]).output().expect("the binary starts");
        let said = error(&output);
        assert!(said.contains(&format!("{url} cannot be reached")), "{said}");
        assert!(said.contains("is the server running") && said.contains("/healthz"), "{said}");
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = tessera().args(["completions", shell]).output().expect("the binary starts");
        assert!(out(&output).contains("quarantine"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("man");
    out(&tessera().args(["man", "--to", to.to_str().expect("UTF-8")]).output().expect("the binary starts"));
    assert!(to.join("tessera.1").exists() && to.join("tessera-segment-members.1").exists());
    assert!(out(&tessera().arg("man").output().expect("the binary starts")).contains(".TH tessera"));
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    for arguments in [vec!["completions", "bash"], vec!["man"], vec!["openapi"]] {
        let mut command = tessera();
        command.args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.stderr, b"", "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
    }
}

/// What somebody types who has not read the help is answered by what is expected.
#[test]
fn what_is_expected_is_said() {
    let said = |arguments: &[&str]| {
        let output = tessera().args(arguments).output().expect("the binary starts");
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (arguments, expected) in [
        (&["serve", "--listen", "9000"][..], "127.0.0.1:9000 for this machine alone"),
        (&["serve", "--listen", "localhost"], "127.0.0.1:8640 for this machine alone"),
        (&["apply", "nothere.yaml"], "nothere.yaml: cannot be read"),
        (&["apply"], "--file <PATH>"),
        (&["serve", "--port", "9000"], "--listen 127.0.0.1:PORT"),
        (&["serve", "--data", "/dev/null"], "/dev/null is a file, and a folder is expected"),
        (&["serve", "--data", "/dev/null/data"], "/dev/null is a file, and a folder is expected"),
    ] {
        let said = said(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
