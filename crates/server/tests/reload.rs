//! What a running server reads again: certificates, when their files change or on SIGHUP, and the level of its log. And what its log says of a key
//! that is another one than before, and what the service manager is told.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

mod harness;

/// How long something that is read again may take: files are looked at every five seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server whose log goes to a file.
struct Logged {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Logged {
    fn start(folder: &Path, key: &str, more: &[&str]) -> Self {
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let mut child = harness::tessera()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .args(more)
            .env("TESSERA_BOOTSTRAP_KEY", key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        out.read_line(&mut line).expect("standard output can be read");
        let address = line.trim_end().rsplit('/').next().unwrap_or_default().to_owned();
        assert!(line.starts_with("tessera listens on "), "{line} {}", fs::read_to_string(&log).unwrap_or_default());
        Self { child, address, log }
    }

    fn hang_up(&self) {
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill starts").success());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits until the log says this so often.
    fn says(&self, what: &str, times: usize) {
        until(what, || self.log().matches(what).count() >= times);
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits for a process of its own")]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(folder).stderr(Stdio::null()).status();
    assert!(done.expect("openssl is installed").success(), "{arguments:?}");
}

/// A certificate for this machine with this serial number, and its key, in the files `cert.pem` and `key.pem`.
fn certify(folder: &Path, serial: &str) {
    let new = folder.join("new");
    fs::create_dir_all(&new).expect("a folder");
    let subject = "/CN=localhost";
    let request =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    let names = ["-subj", subject, "-set_serial", serial, "-keyout", "key.pem", "-out", "cert.pem"];
    openssl(&new, &[&request[..], &names[..]].concat());
    for file in ["cert.pem", "key.pem"] {
        fs::rename(new.join(file), folder.join(file)).expect("a file");
    }
}

/// A TLS connection that stays open.
struct Connection {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Connection {
    fn open(address: &str) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-servername", "localhost", "-connect", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let input = child.stdin.take().expect("input is piped");
        let output = BufReader::new(child.stdout.take().expect("output is piped"));
        Self { child, input, output }
    }

    /// Asks, and answers the status line.
    fn ask(&mut self) -> String {
        self.input.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("the connection is open");
        self.input.flush().expect("the connection is open");
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("an answer") > 0, "the connection was closed");
            // The body of the answer before has no end of its line.
            if let Some(at) = line.find("HTTP/1.1 ") {
                return line.split_off(at);
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The serial number of the certificate that a new connection is shown.
fn shown(address: &str) -> String {
    let shown = Command::new("openssl")
        .args(["s_client", "-servername", "localhost", "-connect", address])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("openssl is installed");
    let mut reader = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    reader.stdin.take().expect("input is piped").write_all(&shown.stdout).expect("it reads");
    let told = reader.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&told.stdout).trim().trim_start_matches("serial=").trim_start_matches('0').to_owned()
}

#[test]
fn certificates_are_read_again_while_connections_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    certify(folder, "17");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let files = ["--tls-cert", cert.to_str().expect("a path"), "--tls-key", key.to_str().expect("a path")];
    let server = Logged::start(folder, harness::KEY, &files);
    assert_eq!(shown(&server.address), "11", "in hexadecimal digits");
    let mut open = Connection::open(&server.address);
    assert!(open.ask().starts_with("HTTP/1.1 200"));

    // The files change, and nobody says so.
    certify(folder, "18");
    until("the certificate with the serial number 12", || shown(&server.address) == "12");
    assert!(open.ask().starts_with("HTTP/1.1 200"), "who is connected stays so");

    // What cannot serve is said once by itself, and each time that somebody asks.
    fs::write(&cert, "no certificate").expect("a file");
    server.says("the certificate cannot be read again", 1);
    server.hang_up();
    server.says("the certificate cannot be read again", 2);
    assert_eq!(shown(&server.address), "12", "the one of before is shown");
    assert!(!server.log().contains("PRIVATE KEY"));

    certify(folder, "19");
    server.hang_up();
    until("the certificate with the serial number 13", || shown(&server.address) == "13");
    server.says("new connections are shown another certificate", 2);
    assert!(open.ask().starts_with("HTTP/1.1 200"));
}

#[test]
fn the_log_gets_the_level_that_the_file_says_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    fs::write(&settings, "log_level = \"error\"\n").expect("a file");
    let server = Logged::start(folder.path(), harness::KEY, &["--config", settings.to_str().expect("a path")]);
    assert!(!server.log().contains("INFO"), "{}", server.log());
    fs::write(&settings, "log_level = \"info\"\nkeep_alive_secs = 5\n").expect("a file");
    server.hang_up();
    server.says("the log has another level", 1);
    fs::write(&settings, "log_level = \"loud\"\n").expect("a file");
    server.hang_up();
    server.says("the settings cannot be read again; all stays as it is", 1);
    assert!(server.log().contains("log_level is no level: loud"), "{}", server.log());
    fs::write(&settings, "log_level = \"info\"\n").expect("a file");
    server.hang_up();
    server.says("the log has the level that it had", 1);
}

#[test]
fn a_bootstrap_key_that_changed_is_said_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = ("sk_test_of_the_first_start", "sk_test_of_the_second_start");
    let server = Logged::start(folder.path(), first, &[]);
    server.says("the bootstrap key works from now on", 1);
    drop(server);
    let server = Logged::start(folder.path(), first, &[]);
    server.says("server is ready", 2);
    assert!(!server.log().contains("another one than before"), "{}", server.log());
    drop(server);
    let server = Logged::start(folder.path(), second, &[]);
    server.says("the bootstrap key is another one than before", 1);
    assert!(!server.log().contains(first) && !server.log().contains(second), "neither key stands there");
}

/// systemd waits for the first word, and knows by the second that the server ends by itself.
#[test]
fn the_service_manager_is_told_when_it_serves_and_when_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("notify");
    let told = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    told.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let setting = [("NOTIFY_SOCKET", socket.to_str().expect("a path"))];
    let server = harness::Server::start_with(&folder.path().join("data"), &setting);
    let next = || {
        let mut bytes = [0; 64];
        let read = told.recv(&mut bytes).expect("a word");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    assert_eq!(next(), "READY=1");
    server.stop();
    assert_eq!(next(), "STOPPING=1");
}
