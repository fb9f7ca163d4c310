//! The README as somebody new pastes it: its five minutes, in order, twice, and its length.

mod harness;

use std::path::Path;
use std::process::{Command, Stdio};

use harness::{KEY, Server};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("the README")
}

/// Blocks of shell of the five minutes, but for the one that starts the server.
fn blocks(readme: &str) -> Vec<&str> {
    let (_, part) = readme.split_once("\n## Five minutes with your own events\n").expect("the part");
    let (part, _) = part.split_once("\n## ").expect("the next part");
    let blocks = part.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end"));
    blocks.filter(|block| !block.contains("tessera serve")).collect()
}

/// What a block says that it prints, in the order of its lines.
fn expected(block: &str) -> impl Iterator<Item = &str> {
    block.lines().filter_map(|line| line.strip_prefix("# → ")).flat_map(|line| line.split(" … "))
}

#[test]
fn five_minutes_work_when_pasted_and_once_more() {
    let readme = readme();
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 3, "{blocks:?}");
    let (data, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let server = Server::start(data.path());
    let mut script = String::from("set -euo pipefail\n");
    for block in &blocks {
        let block = block.replace("http://127.0.0.1:8640", server.url()).replace("sk_local_change_me", KEY);
        script += &block.replace("target/release/tessera", env!("CARGO_BIN_EXE_tessera"));
        script += "\n";
    }
    for time in ["first", "second"] {
        let pasted = Command::new("bash")
            .args(["-c", &script])
            .current_dir(home.path())
            .stdin(Stdio::null())
            .output()
            .expect("bash is there");
        let (out, error) = (String::from_utf8_lossy(&pasted.stdout), String::from_utf8_lossy(&pasted.stderr));
        assert!(pasted.status.success(), "{time}: {out}\n{error}");
        let mut rest = &*out;
        for what in blocks.iter().flat_map(|block| expected(block)) {
            let at = rest.find(what).unwrap_or_else(|| panic!("the {time} time {what} is not printed in {rest}"));
            rest = &rest[at..];
        }
    }
}

#[test]
fn it_is_read_in_five_minutes() {
    let words = readme().split_whitespace().count();
    assert!(words <= 800, "{words} words");
}
