//! The programs in `examples/` that need nothing but a shell and Python, each twice: whoever tries one tries it again. Those that need Node, a browser or
//! PostgreSQL are run where these are.

mod harness;

use std::path::Path;
use std::process::{Command, Stdio};

use harness::{KEY, Server};

/// Runs an example, which must go well, and answers what it prints.
fn run(server: &Server, program: &str, path: &str) -> String {
    let output = Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path))
        .envs([("TESSERA_URL", server.url()), ("TESSERA_KEY", KEY)])
        .stdin(Stdio::null())
        .output()
        .expect("the program is there");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{path}: {out}\n{error}");
    out.into_owned()
}

#[test]
fn each_does_what_it_says_and_once_more() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    for known in ["3 accepted, 0 known", "0 accepted, 3 known"] {
        let tour = run(&server, "bash", "curl/tour.sh");
        let expected = "by the browser: \"user_id\":\"tour-ann\"\nthe second account: no plan\njoined: \"plan\":\"gold\"\nparted: no plan\n";
        assert_eq!(tour, expected);
        let spenders = run(&server, "python3", "python/spenders.py");
        assert_eq!(spenders, format!("orders: {known} before\nmember: py-ann\n"));
    }
    server.stop();
}
