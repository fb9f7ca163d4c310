//! The guides as somebody new pastes them: every block of shell, page after page on one server, and what a block says that it prints.
//!
//! A block that begins with ```` ```sh ```` is pasted; what stands in `console` or another language is only shown. A comment that begins with `{`, `[`, `…` or
//! `→` says what the command before it prints: its parts, between `…`, in this order.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{KEY, Server};

/// The guides that need nothing but a server, in the order in which they are listed at `/docs`. That to warehouses is pasted beside a PostgreSQL.
const GUIDES: [&str; 10] =
    ["first-steps", "api", "sdks", "files", "identity", "segments", "data-model", "privacy", "operations", "doors"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Blocks of shell, without the one that starts the server.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end"));
    blocks.filter(|block| !block.contains("tessera serve")).collect()
}

/// What a block says that it prints, part by part.
fn expected(block: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut is_told = false;
    for line in block.lines() {
        let Some(comment) = line.strip_prefix('#') else {
            // Behind a command.
            is_told = false;
            if let Some((_, comment)) = line.split_once("  # ").filter(|(_, comment)| is_output(comment)) {
                parts.extend(comment.split('…'));
            }
            continue;
        };
        let comment = comment.strip_prefix(' ').unwrap_or(comment);
        is_told = is_output(comment) || (is_told && comment.starts_with(' '));
        if is_told {
            parts.extend(comment.trim_start_matches('→').split('…'));
        }
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn is_output(comment: &str) -> bool {
    comment.starts_with(['{', '[', '…', '→'])
}

/// Pastes blocks into a shell in which `tessera` and the addresses of the guides are this server's. Answers what is printed.
fn paste(server: &Server, home: &Path, bin: &Path, block: &str) -> String {
    let script = format!(
        "set -euo pipefail\ncurl() {{ command curl --silent --show-error --fail-with-body \"$@\" && echo; }}\n{}",
        block.replace("http://127.0.0.1:8640", server.url()).replace("sk_local_change_me", KEY)
    );
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let pasted = Command::new("bash")
        .args(["-c", &script])
        .current_dir(home)
        .env("PATH", path)
        .env("HOME", home)
        .envs([("URL", server.url()), ("TESSERA_URL", server.url()), ("KEY", KEY), ("TESSERA_KEY", KEY)])
        .stdin(Stdio::null())
        .output()
        .expect("bash is there");
    let (out, error) = (String::from_utf8_lossy(&pasted.stdout), String::from_utf8_lossy(&pasted.stderr));
    assert!(pasted.status.success(), "{block}\n--- printed\n{out}\n{error}");
    out.into_owned()
}

#[test]
fn every_block_of_the_guides_works_when_pasted() {
    let (data, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let bin = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tessera"), bin.path().join("tessera")).expect("a link");
    let server = Server::start(data.path());
    let mut pasted = 0;
    for guide in GUIDES {
        let text = fs::read_to_string(root().join(format!("docs/guide/{guide}.md"))).expect("a guide");
        let blocks = blocks(&text);
        assert!(!blocks.is_empty() || text.contains("```console\n"), "{guide} has no block");
        for block in blocks {
            let printed = paste(&server, home.path(), bin.path(), block);
            let mut rest = printed.as_str();
            for part in expected(block) {
                let at = rest
                    .find(part)
                    .unwrap_or_else(|| panic!("{guide}: {part} is not printed by\n{block}\n--- but\n{printed}"));
                rest = &rest[at + part.len()..];
            }
            pasted += 1;
        }
    }
    assert!(pasted >= 25, "{pasted} blocks");
    server.stop();
}

#[test]
fn what_a_block_prints_is_told_by_its_comments() {
    let block = "curl $URL/a   # {\"a\":1, …}\n# {\"b\":\"x…\",\"c\":2,\n#  \"d\":3}\n# and back\ncurl $URL/b # as text\n# → \"e\" … \"f\"";
    assert_eq!(expected(block), ["{\"a\":1,", "}", "{\"b\":\"x", "\",\"c\":2,", "\"d\":3}", "\"e\"", "\"f\""]);
}
