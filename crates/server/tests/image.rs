//! What the image is built from: every file, flag, variable and port that it names is there, and it serves as nobody who may do anything.

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Server, run, run_ok, tessera};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the root of the repository")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The instructions of the Dockerfile: the word in front, and what it says.
fn instructions() -> Vec<(String, String)> {
    let text = read("packaging/docker/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').expect("an instruction"))
        .map(|(word, rest)| (word.into(), rest.into()))
        .collect()
}

/// Of the instructions of this word, what the last one says: that of the image, and not of what it is built in.
fn said(word: &str) -> String {
    let all = instructions();
    all.iter().rfind(|(own, _)| own == word).unwrap_or_else(|| panic!("no {word}")).1.clone()
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).expect("the form that no shell reads")
}

fn environment() -> Vec<(String, String)> {
    let of = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    said("ENV").split_whitespace().map(|pair| of(pair).expect("NAME=VALUE")).collect()
}

/// What `tessera serve` takes from the environment.
fn settings() -> BTreeSet<String> {
    let help = run_ok(&["serve", "--help"]);
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next());
    names.map(str::to_owned).chain(["TESSERA_BOOTSTRAP_KEY".to_owned()]).collect()
}

/// A document of YAML as JSON, every scalar a text.
fn compose() -> Value {
    let text = read("packaging/docker/compose.yaml");
    let mut events: Vec<Event<'_>> = Parser::new_from_str(&text).map(|event| event.expect("YAML").0).collect();
    events.retain(|event| {
        !matches!(event, Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd)
    });
    node(&mut events.into_iter())
}

fn node<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    inner(events).expect("a node")
}

/// The next node; none where the list or object ends.
fn inner<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
    match events.next().expect("more") {
        Event::Scalar(text, ..) => Some(json!(text)),
        Event::SequenceStart(..) => Some(Value::Array(std::iter::from_fn(|| inner(events)).collect())),
        Event::MappingStart(..) => {
            let mut members = Map::new();
            while let Some(name) = inner(events) {
                let name = name.as_str().expect("a name").to_owned();
                members.insert(name, inner(events).expect("a value"));
            }
            Some(Value::Object(members))
        }
        Event::SequenceEnd | Event::MappingEnd => None,
        other => panic!("{other:?}"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn files_and_tools_of_the_build_are_there() {
    let manifest = read("Cargo.toml");
    let version =
        manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version");
    let bases: Vec<String> =
        instructions().into_iter().filter(|(word, _)| word == "FROM").map(|(_, rest)| rest).collect();
    assert!(bases[0].starts_with(&format!("rust:{version}-")) && bases[0].ends_with(" AS build"), "{bases:?}");
    let systems: Vec<&str> =
        bases.iter().filter_map(|from| ["bookworm"].into_iter().find(|name| from.contains(name))).collect();
    assert_eq!(systems.len(), bases.len(), "the binary is built for the C library that it runs with: {bases:?}");
    let build = instructions().into_iter().find(|(_, rest)| rest.starts_with("cargo build")).expect("a build").1;
    assert!(build.contains("--locked") && build.contains("--package tessera-server"), "{build}");
    let profile = build.split("--profile ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a profile");
    assert!(manifest.contains(&format!("[profile.{profile}]")), "{profile}");
    for (_, copied) in instructions().into_iter().filter(|(word, _)| word == "COPY") {
        match copied.strip_prefix("--from=build ") {
            Some(built) => assert!(built.starts_with(&format!("/source/target/{profile}/tessera ")), "{built}"),
            None => assert!(root().join(copied.split(' ').next().expect("a file")).exists(), "{copied}"),
        }
    }
    // What is left out is what is not kept, and nothing that the build needs.
    let left_out = read("packaging/docker/Dockerfile.dockerignore");
    let kept = read(".gitignore");
    for line in left_out.lines().filter(|line| *line != ".git") {
        assert!(kept.lines().any(|own| own.trim_start_matches('/') == line), "{line}");
    }
}

#[test]
fn what_the_image_runs_is_what_the_binary_takes() {
    let known = settings();
    let environment = environment();
    for (name, _) in &environment {
        assert!(known.contains(name), "{name}");
    }
    let mut command = list(&said("ENTRYPOINT"));
    assert_eq!(command.remove(0), "tessera");
    command.extend(list(&said("CMD")));
    let output =
        tessera().args(&command).arg("--print-settings").envs(environment.clone()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: toml::Table = String::from_utf8(output.stdout).expect("UTF-8").parse().expect("settings");
    let (data, listen) = (said("VOLUME"), printed["listen"].as_str().expect("an address"));
    assert_eq!(printed["data"].as_str(), Some(&*data));
    assert_eq!(listen, format!("0.0.0.0:{}", said("EXPOSE")));
    let user = said("USER");
    let (user, group) = user.split_once(':').expect("user and group");
    assert!(user.parse::<u32>().expect("a number") > 999 && group.parse::<u32>().expect("a number") > 999);
    let made =
        instructions().into_iter().any(|(_, rest)| rest == format!("install -d -m 700 -o {user} -g {group} {data}"));
    assert!(made, "the volume is the user's");
}

#[test]
fn the_image_is_asked_whether_it_is_ready() {
    let check = said("HEALTHCHECK");
    let asked = list(check.split("CMD ").nth(1).expect("a command"));
    let (binary, asked) = asked.split_first().expect("a command");
    assert_eq!(binary, "tessera");
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"));
    let ask = |url: &str| tessera().args(asked).env("TESSERA_URL", url).output().expect("it starts");
    let ready = ask(server.url());
    assert_eq!((ready.status.code(), &*ready.stdout), (Some(0), &b"ready\n"[..]));
    let url = server.url().to_owned();
    server.stop();
    assert_eq!(ask(&url).status.code(), Some(1));
    let default = run_ok(&["ready", "--help"]);
    assert!(default.contains(&format!("[default: http://127.0.0.1:{}]", said("EXPOSE"))), "{default}");
    assert!(run(&["ready", "--url", "127.0.0.1"]).status.code() == Some(1));
}

#[test]
fn the_composition_names_what_there_is() {
    let compose = compose();
    let service = &compose["services"]["tessera"];
    let folder = root().join("packaging/docker");
    let context = folder.join(service["build"]["context"].as_str().expect("a context"));
    assert_eq!(context.canonicalize().expect("a folder"), root());
    assert!(context.join(service["build"]["dockerfile"].as_str().expect("a file")).is_file());
    let known = settings();
    let variables = service["environment"].as_object().expect("variables");
    for (name, value) in variables {
        assert!(known.contains(name), "{name}");
        // What is taken from outside is taken under its own name.
        let outside = value.as_str().and_then(|value| value.strip_prefix("${"));
        assert!(outside.is_none_or(|outside| outside.starts_with(&format!("{name}:"))), "{name}");
    }
    // The sizes that it names are such.
    let memory = variables["TESSERA_MEMORY"].as_str().expect("a size");
    run_ok(&["serve", "--print-settings", "--memory", memory]);
    let data = said("VOLUME");
    let volumes = texts(&service["volumes"]);
    let name =
        volumes.iter().find_map(|volume| volume.strip_suffix(&format!(":{data}"))).expect("the volume of the image");
    assert!(compose["volumes"].get(name).is_some(), "{name}");
    let port = said("EXPOSE");
    assert_eq!(texts(&service["ports"]), [format!("127.0.0.1:{port}:{port}")]);
    assert_eq!(service["read_only"], "true");
    assert_eq!(texts(&service["cap_drop"]), ["ALL"]);
    assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"]);
}
