//! A PostgreSQL of its own for a test: on a free port, in a folder that goes with it.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The password of its user `tessera`.
pub(crate) const PASSWORD: &str = "s@fe/in:URLs";

/// A running PostgreSQL. It is stopped when the value goes.
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
}

impl Postgres {
    /// Starts one, and waits until it answers.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("tessera-postgres-").tempdir().expect("a folder");
        if is_root() {
            let chown = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(
                chown.expect("chown starts").success(),
                "PostgreSQL does not run as root, and there is no user postgres"
            );
        }
        let own = Self { folder, programs, port: free_port() };
        let password = own.folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&password).status().expect("chown starts").success());
        }
        let data = own.data();
        own.run(
            "initdb",
            &[
                "-D",
                text(&data),
                "-U",
                "tessera",
                "-A",
                "scram-sha-256",
                "--pwfile",
                text(&password),
                "-E",
                "UTF8",
                "--no-sync",
                "--locale=C.UTF-8",
            ],
        );
        own.set("wal_level = logical");
        own.begin();
        own
    }

    /// Adds a setting, which holds from its next start on.
    pub(crate) fn set(&self, setting: &str) {
        let file = self.data().join("postgresql.conf");
        let settings = std::fs::read_to_string(&file).expect("its settings");
        std::fs::write(&file, format!("{settings}\n{setting}\n")).expect("its settings");
    }

    /// Has it encrypt from its next start on. Answers the certificate of the authority, as PEM.
    pub(crate) fn encrypt(&self) -> String {
        let folder = self.folder.path();
        std::fs::write(folder.join("extensions"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
        for arguments in [
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server",
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem",
        ] {
            let mut command = Command::new("openssl");
            let output = command.args(arguments.split(' ')).current_dir(folder).output().expect("openssl is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        for name in ["server.key", "server.pem"] {
            let to = self.data().join(name);
            std::fs::copy(folder.join(name), &to).expect("it is copied");
            let run = |program: &str, argument: &str| {
                assert!(Command::new(program).arg(argument).arg(&to).status().expect("it starts").success());
            };
            run("chmod", "600");
            if is_root() {
                run("chown", "postgres");
            }
        }
        self.set("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'");
        std::fs::read_to_string(folder.join("ca.pem")).expect("a certificate")
    }

    /// Starts it again, or for the first time.
    pub(crate) fn begin(&self) {
        let options =
            format!("-p {} -c listen_addresses=127.0.0.1 -c fsync=off -k {}", self.port, self.folder.path().display());
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["-D", text(&self.data()), "-w", "-t", "60", "-l", text(&log), "-o", &options, "start"]);
    }

    /// Stops it at once: whoever is connected is cut off.
    pub(crate) fn end(&self) {
        self.run("pg_ctl", &["-D", text(&self.data()), "-m", "immediate", "-w", "stop"]);
    }

    /// Where programs are looked for, its own first.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap_or_default())
    }

    /// Does what these statements say.
    pub(crate) fn sql(&self, statements: &str) {
        self.query(statements);
    }

    /// Does what these statements say, if the server lets it. Answers whether it did.
    pub(crate) fn tries(&self, statements: &str) -> bool {
        let mut command = self.psql();
        let output = command.args(["-c", statements]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        output.expect("psql starts").status.success()
    }

    /// Does what these statements say, and answers their rows: a line for each, with `|` between its values.
    pub(crate) fn query(&self, statements: &str) -> String {
        let mut child = self.psql().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql starts");
        child.stdin.take().expect("it is piped").write_all(statements.as_bytes()).expect("psql reads");
        let output = child.wait_with_output().expect("psql ends");
        assert!(output.status.success(), "{statements}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Does what these statements say in a session that stays until the value goes.
    pub(crate) fn hold(&self, statements: &str) -> Held {
        let mut child = self.psql().stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("psql starts");
        let input = child.stdin.as_mut().expect("it is piped");
        input.write_all(statements.as_bytes()).and_then(|()| input.flush()).expect("psql reads");
        Held(child)
    }

    fn psql(&self) -> Command {
        let port = self.port.to_string();
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "tessera", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt"])
            .env("PGPASSWORD", PASSWORD);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // What it leaves running must not hold a pipe of ours open.
        let output = command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let output = output.stderr(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{} {arguments:?}: {}", program.display(), self.log());
        output
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A session that stays open.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut command = Command::new(if is_root() { "runuser" } else { "true" });
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(self.programs.join("pg_ctl"));
        } else {
            command = Command::new(self.programs.join("pg_ctl"));
        }
        let arguments = ["-D", text(&self.data()), "-m", "immediate", "stop"].map(str::to_owned);
        drop(
            command
                .args(arguments)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status(),
        );
    }
}

/// The folder of its programs: the newest that is installed.
fn programs() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> =
        found.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is missing, which tests of sources start for themselves (Debian, Ubuntu: apt-get install postgresql)")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id starts");
    id.stdout.trim_ascii() == b"0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
