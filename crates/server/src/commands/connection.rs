//! `tessera login`, `tessera logout`, `tessera connections`: servers and keys under a name, in a file that is its owner's alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::table;
use crate::client::{Client, Target};

/// The name of a connection that is given none.
const NAME: &str = "default";
/// Connections of one file.
const CONNECTIONS_MAX: usize = 1_000;

/// Flags of `tessera login`.
#[derive(Debug, clap::Args)]
pub(crate) struct LoginArguments {
    /// What the connection is called: --connection takes it.
    #[arg(default_value = NAME)]
    name: String,
    /// Where the server is.
    #[arg(long, visible_alias = "server", env = "TESSERA_URL", value_name = "URL")]
    url: String,
    /// The key; asked for where it is not in the environment, so that it stands in no history of a shell.
    #[arg(skip = std::env::var("TESSERA_KEY").ok())]
    key: Option<String>,
    /// Certificates, in PEM, that the server's is verified by [default: those of the public authorities].
    #[arg(long, env = "TESSERA_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// The workspace that is asked [default: the key's first].
    #[arg(long, env = "TESSERA_WORKSPACE", value_name = "NAME")]
    workspace: Option<String>,
}

/// Flags of `tessera logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArguments {
    /// The connection to forget.
    #[arg(default_value = NAME)]
    name: String,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connections {
    #[serde(default)]
    connections: BTreeMap<String, Connection>,
}

/// A server and a key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    pub(crate) url: String,
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The connection of this name, or the default one if there is any.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Connection>> {
    let Some(path) = path() else { return Ok(None) };
    let connections = read(&path)?.connections;
    match (name, connections.get(name.unwrap_or(NAME))) {
        (_, Some(connection)) => Ok(Some(connection.clone())),
        (None, None) => Ok(None),
        (Some(name), None) => {
            let known: Vec<&str> = connections.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            bail!(
                "there is no connection {name} in {} ({known}): make it with `tessera login {name} --url …`",
                path.display()
            )
        }
    }
}

/// The names of the connections that are kept; none where there is no file that can be read.
pub(crate) fn names() -> Vec<String> {
    path().and_then(|path| read(&path).ok()).map(|kept| kept.connections.into_keys().collect()).unwrap_or_default()
}

/// Runs `tessera login`: tries the key, then keeps it.
pub(crate) fn login(arguments: LoginArguments) -> Result<()> {
    let LoginArguments { name, url, key, ca_cert, workspace } = arguments;
    let path = path().context("there is no home folder for the file of connections: set TESSERA_CONNECTIONS")?;
    let ca_cert = ca_cert.map(|file| std::path::absolute(&file)).transpose()?;
    let key = match key {
        Some(key) => key,
        None => ask_for_key()?,
    };
    let target = Target::new(&url, &key, ca_cert.clone());
    let answer = Client::new(&target)?.send(Method::GET, "/v1/admin/counts", &[])?;
    match answer.status {
        401 => return Err(answer.into_error().context("the key is not taken, and nothing was kept")),
        // It is a key, though it may not count.
        200 | 403 => {}
        _ => return Err(answer.into_error().context("nothing was kept")),
    }
    let mut file = read(&path)?;
    file.connections.insert(name.clone(), Connection { url, key, ca_cert, workspace });
    ensure!(
        file.connections.len() <= CONNECTIONS_MAX,
        "more than {CONNECTIONS_MAX} connections: forget some with `tessera logout`"
    );
    write(&path, &file)?;
    println!("connection {name} is kept in {}", path.display());
    Ok(())
}

/// Runs `tessera logout`.
pub(crate) fn logout(arguments: &LogoutArguments) -> Result<()> {
    let name = &arguments.name;
    let path = path().context("there is no file of connections")?;
    let mut file = read(&path)?;
    ensure!(file.connections.remove(name).is_some(), "there is no connection {name} in {}", path.display());
    write(&path, &file)?;
    println!("connection {name} is forgotten; its key works until it is revoked");
    Ok(())
}

/// Runs `tessera connections`: names and servers, no keys.
pub(crate) fn list() -> Result<()> {
    let file = path().map(|path| read(&path)).transpose()?.unwrap_or_default();
    let mut table = table::Table::new(&[("NAME", "/0"), ("SERVER", "/1"), ("WORKSPACE", "/2")]);
    for (name, connection) in &file.connections {
        print!("{}", table.push(&serde_json::json!([name, connection.url, connection.workspace])));
    }
    print!("{}", table.end());
    if file.connections.is_empty() {
        println!("none");
    }
    Ok(())
}

fn ask_for_key() -> Result<String> {
    let mut key = String::new();
    if std::io::stdin().is_terminal() {
        eprint!("key: ");
        key = console::Term::stderr().read_secure_line().context("cannot read the key")?;
    } else {
        std::io::stdin().read_line(&mut key).context("cannot read the key from standard input")?;
    }
    let key = key.trim().to_owned();
    ensure!(!key.is_empty(), "no key was given: set TESSERA_KEY, or type it");
    Ok(key)
}

/// Where the file is; none where there is no home folder.
fn path() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("TESSERA_CONNECTIONS").or_else(|| {
        let folder = of("XDG_CONFIG_HOME").or_else(|| of("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("tessera").join("connections.toml"))
    })
}

fn read(path: &Path) -> Result<Connections> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Connections::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mode = fs::metadata(path)?.permissions().mode();
    ensure!(
        mode & 0o077 == 0,
        "{} holds keys and others may read it: `chmod 600` it, and think of new keys (`tessera key rotate`)",
        path.display()
    );
    toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
}

/// Writes the whole beside the file and puts it in its place, so that no half of it is ever read.
fn write(path: &Path, file: &Connections) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(what)?;
    fs::create_dir_all(folder).with_context(what)?;
    let beside = path.with_extension(format!("toml.{}", std::process::id()));
    let mut made: File =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).with_context(what)?;
    let text = toml::to_string(file)?;
    let written =
        made.write_all(text.as_bytes()).and_then(|()| made.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(what)
}
