//! What tests of sources start and load that is no part of the system: an object store, drivers of databases. `scripts/warehouse.sh` brings it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A program that was brought.
fn program(name: &str) -> PathBuf {
    brought().join("venv/bin").join(name)
}

/// The library of a driver that was brought.
pub(crate) fn driver(name: &str) -> PathBuf {
    brought().join("drivers").join(name)
}

/// The folder of what was brought. It is brought where it is missing.
fn brought() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let home = root.join("target/warehouse");
    fs::create_dir_all(&home).expect("a folder");
    // Test binaries run side by side; one of them brings it.
    let lock = File::create(home.join("lock")).expect("a file");
    lock.lock().expect("a lock");
    let status = Command::new(root.join("scripts/warehouse.sh")).stdout(Stdio::null()).status();
    assert!(status.expect("bash starts").success(), "scripts/warehouse.sh could not bring what tests of sources need");
    home
}

/// A file of what tests of sources start.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/warehouse").join(name)
}

/// An object store that speaks as Amazon S3 does and checks signatures, on a free port. It is stopped when the value goes.
pub(crate) struct ObjectStore {
    program: Steered,
    told: Value,
}

impl ObjectStore {
    /// Starts one, and waits until it answers.
    pub(crate) fn start() -> Self {
        let (program, told) = Steered::start("object_store.py");
        Self { program, told }
    }

    /// What opens its buckets: an endpoint, and whom it lets in.
    pub(crate) fn options(&self) -> Value {
        let mut options = self.told.clone();
        options["allow_http"] = true.into();
        options
    }

    /// Makes a bucket.
    pub(crate) fn bucket(&mut self, bucket: &str) {
        self.ask(&json!({ "op": "bucket", "bucket": bucket }));
    }

    /// Keeps an object.
    pub(crate) fn put(&mut self, bucket: &str, key: &str, bytes: &[u8]) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), bytes).expect("a file");
        self.ask(&json!({ "op": "put", "bucket": bucket, "key": key, "file": file.path() }));
    }

    /// Deletes an object.
    pub(crate) fn delete(&mut self, bucket: &str, key: &str) {
        self.ask(&json!({ "op": "delete", "bucket": bucket, "key": key }));
    }

    /// The keys of all objects of a bucket.
    pub(crate) fn keys(&mut self, bucket: &str) -> Vec<String> {
        let answer = self.ask(&json!({ "op": "list", "bucket": bucket }));
        let keys = answer["keys"].as_array().expect("keys");
        keys.iter().map(|key| key.as_str().expect("a text").to_owned()).collect()
    }

    /// What an object says, which is text.
    pub(crate) fn text(&mut self, bucket: &str, key: &str) -> String {
        let answer = self.ask(&json!({ "op": "get", "bucket": bucket, "key": key }));
        answer["text"].as_str().expect("a text").to_owned()
    }

    fn ask(&mut self, asked: &Value) -> Value {
        self.program.ask(asked)
    }
}

/// A warehouse that speaks as Snowflake does, as far as its emulator goes, on a free port. It is stopped when the value goes.
pub(crate) struct Snowflake {
    program: Steered,
    port: u64,
}

impl Snowflake {
    /// Starts one with an empty database `shop`, and waits until it answers.
    pub(crate) fn start() -> Self {
        let (program, told) = Steered::start("snow.py");
        Self { program, port: told["port"].as_u64().expect("a port") }
    }

    /// Does what a statement says.
    pub(crate) fn sql(&mut self, statement: &str) {
        self.program.ask(&json!({ "sql": statement }));
    }

    /// What its driver takes to reach it, with the password from this variable.
    pub(crate) fn options(&self, password: &str) -> Value {
        let name = |own: &str| format!("adbc.snowflake.sql.{own}");
        json!({
            "username": "u", "password": { "env": password }, name("account"): "a", name("uri.host"): "127.0.0.1",
            name("uri.port"): self.port.to_string(), name("uri.protocol"): "http", name("db"): "shop", name("schema"): "public"
        })
    }
}

/// A program that is steered by lines of JSON, each of which it answers with one.
struct Steered {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Steered {
    /// Starts one. Answers what it says first.
    fn start(name: &str) -> (Self, Value) {
        let mut command = Command::new(program("python"));
        command.arg(script(name)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut own = Self { child, out };
        let told = own.line();
        (own, told)
    }

    fn ask(&mut self, asked: &Value) -> Value {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{asked}").and_then(|()| input.flush()).expect("it reads");
        self.line()
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("what a test has started ended: {line}"))
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
