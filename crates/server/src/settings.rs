//! Settings: defaults, then the file, then the environment, then flags; filled and validated once.

mod memory;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tessera_api::PublicUrl;

use crate::logging;

/// What is logged by default: our own story, and of the storage engine only what is out of order.
const LOG_LEVEL: &str = "info,fjall=warn,lsm_tree=warn";

/// What the server runs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Where metrics and administration are served apart from everything else; without it they are served beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Where a collector takes traces and metrics by OTLP over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Seconds between two times that metrics are sent there.
    pub(crate) otlp_interval_secs: u32,
    /// The folder of the embedded store.
    pub(crate) data: PathBuf,
    /// The certificate chain and key for TLS; plain HTTP without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TlsFiles>,
    /// Where clients reach it, for what SDKs are told when they start.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(crate) public_url: Option<PublicUrl>,
    /// Open connections.
    pub(crate) connections_max: u32,
    /// Seconds for which a connection may wait for its next request.
    pub(crate) keep_alive_secs: u32,
    /// Memory of the process, of which the following are parts.
    pub(crate) memory: ByteSize,
    /// Memory for bodies of requests.
    pub(crate) request_memory_bytes: ByteSize,
    /// Memory for answers that clients have not taken yet.
    pub(crate) answer_memory_bytes: ByteSize,
    /// Memory for writes that wait for their turn.
    pub(crate) queue_memory_bytes: ByteSize,
    /// Memory for configurations of workspaces, compiled.
    pub(crate) workspace_memory_bytes: ByteSize,
    /// Seconds after which a workspace that nobody uses gives back its memory.
    pub(crate) lane_idle_secs: u32,
    /// Memory for rendered profiles.
    pub(crate) view_cache_bytes: ByteSize,
    /// Memory for decoded records of all lanes together.
    pub(crate) record_cache_bytes: ByteSize,
    /// Memory for blocks of the store.
    pub(crate) store_cache_bytes: ByteSize,
    /// Memory for the newest writes of the store.
    pub(crate) write_buffer_bytes: ByteSize,
    /// Free room on the disk below which writes are refused.
    pub(crate) free_bytes_min: ByteSize,
    /// Seconds that what was erased stays in the files of the store at most before they are rewritten without it.
    pub(crate) purge_interval_secs: u32,
    /// Seconds that changes stay in the feed.
    pub(crate) feed_secs_max: u32,
    /// Bytes of changes that stay in the feed.
    pub(crate) feed_bytes_max: ByteSize,
    /// Days that it is kept when a profile entered a segment and left it.
    pub(crate) turns_days_max: u32,
    /// Days that an entry of the audit log is kept.
    pub(crate) audit_days_max: u32,
    /// Bytes of the audit log of one organization.
    pub(crate) audit_bytes_max: ByteSize,
    /// The folder in which backups are made while the server runs; without it there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup_dir: Option<PathBuf>,
    /// The file of the key that secrets of connections are sealed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secrets_key_file: Option<PathBuf>,
    /// The folder that secrets of connections are read from.
    pub(crate) secrets_dir: PathBuf,
    /// The library of DuckDB, for SQL over files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duckdb_driver: Option<String>,
    /// Seconds that the question of a source may take until its first rows, and until each of the next.
    pub(crate) source_answer_secs: u32,
    /// Whether computed attributes and segments are left alone.
    pub(crate) without_rules: bool,
    /// Text or JSON.
    pub(crate) log_format: logging::Format,
    /// A level, or levels per module.
    pub(crate) log_level: String,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TlsFiles {
    /// The certificate chain.
    pub(crate) cert: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// What one place says: a file, or the environment and flags, where a flag wins.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8640].
    #[arg(long, env = "TESSERA_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Address of a listener of its own for metrics, the audit log and what stands below /v1/admin, such as 127.0.0.1:8641; the other listener
    /// has these paths no more. For servers that the internet reaches [default: none].
    #[arg(long, env = "TESSERA_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP, such as http://127.0.0.1:4318: metrics are sent there, and spans of requests
    /// whose caller records a trace, that failed, or that took a second [default: none].
    #[arg(long, env = "TESSERA_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Seconds between two times that metrics are sent to the collector [default: 15].
    #[arg(long, env = "TESSERA_OTLP_INTERVAL_SECS", value_name = "SECONDS")]
    otlp_interval_secs: Option<u32>,
    /// Folder of the embedded store; made if it is missing [default: data].
    #[arg(long, env = "TESSERA_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Certificate chain (PEM); together with --tls-key it turns on TLS.
    #[arg(long, env = "TESSERA_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, env = "TESSERA_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Where clients reach the server, as in https://profiles.shop.example: SDKs that ask when they start are told to send there.
    /// Set it behind a proxy; without it they are told the host that they asked [default: none].
    #[arg(long, env = "TESSERA_PUBLIC_URL", value_name = "URL")]
    #[serde(default, deserialize_with = "from_text")]
    public_url: Option<PublicUrl>,
    /// Open connections; more wait. Fewer where the system does not allow the process as many files [default: 10000].
    #[arg(long, env = "TESSERA_CONNECTIONS_MAX", value_name = "COUNT")]
    connections_max: Option<u32>,
    /// Seconds for which a connection may wait for its next request; keep it above what the balancer before the server uses
    /// [default: 75].
    #[arg(long, env = "TESSERA_KEEP_ALIVE_SECS", value_name = "SECONDS")]
    keep_alive_secs: Option<u32>,
    /// Memory of the process, shared out among the parts below: of 32 shares, records have 7, answers, blocks and the newest writes 4
    /// each, views 3, bodies, queues and configurations 2 each; 4 are for all else. Parts that are set keep their size, the rest is shared
    /// among the others [default: 2GiB].
    #[arg(long, env = "TESSERA_MEMORY", value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Memory for bodies of requests, as they inflate, over all connections; a workspace has at most half of it. What is beyond is
    /// refused for now [default: 128MiB].
    #[arg(long, env = "TESSERA_REQUEST_MEMORY_BYTES", value_name = "SIZE")]
    request_memory_bytes: Option<ByteSize>,
    /// Memory for answers that clients have not taken yet, over all connections; a workspace has at most half of it. Reads beyond
    /// it are refused for now [default: 256MiB].
    #[arg(long, env = "TESSERA_ANSWER_MEMORY_BYTES", value_name = "SIZE")]
    answer_memory_bytes: Option<ByteSize>,
    /// Memory for writes that wait for their turn in the lanes of their workspaces, as they are once they are read; a workspace has at
    /// most half of it. What is beyond is refused for now [default: 128MiB].
    #[arg(long, env = "TESSERA_QUEUE_MEMORY_BYTES", value_name = "SIZE")]
    queue_memory_bytes: Option<ByteSize>,
    /// Memory for what running workspaces hold beside the caches, about: their configurations with all rules, and what was seen of attributes
    /// and events. Beyond it those that were not used for longest give theirs back before their time [default: 128MiB].
    #[arg(long, env = "TESSERA_WORKSPACE_MEMORY_BYTES", value_name = "SIZE")]
    workspace_memory_bytes: Option<ByteSize>,
    /// Seconds after which a workspace that nobody uses gives back its tasks, its configuration and its part of the caches; its next
    /// request reads them again. More is for who has memory for all workspaces and wants no first request slower [default: 300].
    #[arg(long, env = "TESSERA_LANE_IDLE_SECS", value_name = "SECONDS")]
    lane_idle_secs: Option<u32>,
    /// Memory for rendered profiles; 0 turns that cache off [default: 192MiB].
    #[arg(long, env = "TESSERA_VIEW_CACHE_BYTES", value_name = "SIZE")]
    view_cache_bytes: Option<ByteSize>,
    /// Memory for decoded profile records, of all workspaces together [default: 448MiB].
    #[arg(long, env = "TESSERA_RECORD_CACHE_BYTES", value_name = "SIZE")]
    record_cache_bytes: Option<ByteSize>,
    /// Memory for blocks read from disk [default: 256MiB].
    #[arg(long, env = "TESSERA_STORE_CACHE_BYTES", value_name = "SIZE")]
    store_cache_bytes: Option<ByteSize>,
    /// Memory for the newest writes, which are written out as tables once they fill half of it [default: 256MiB].
    #[arg(long, env = "TESSERA_WRITE_BUFFER_BYTES", value_name = "SIZE")]
    write_buffer_bytes: Option<ByteSize>,
    /// Free room on the disk of the data folder below which writes are refused with `disk_full`, so that the store can always
    /// tidy up; reads go on, and erasures do down to a quarter of it [default: 256MiB].
    #[arg(long, env = "TESSERA_FREE_BYTES_MIN", value_name = "SIZE")]
    free_bytes_min: Option<ByteSize>,
    /// Seconds that what was erased stays in the files of the store before they are rewritten without it; nobody can read it
    /// meanwhile. Less costs more writing, and is for who has promised to be faster [default: 86400].
    #[arg(long, env = "TESSERA_PURGE_INTERVAL_SECS", value_name = "SECONDS")]
    purge_interval_secs: Option<u32>,
    /// Seconds that a change stays in the feed. More is for readers of it that may be away for longer [default: 604800, seven days].
    #[arg(long, env = "TESSERA_FEED_SECS_MAX", value_name = "SECONDS")]
    feed_secs_max: Option<u32>,
    /// Bytes of changes in the feed; the oldest go. It is for disks where there is less room for them than their age takes
    /// [default: 10GiB].
    #[arg(long, env = "TESSERA_FEED_BYTES_MAX", value_name = "SIZE")]
    feed_bytes_max: Option<ByteSize>,
    /// Days that it is kept when a profile entered a segment and left it, of each profile the newest 1,000 times. Less is for who may not
    /// know it for longer [default: 400].
    #[arg(long, env = "TESSERA_TURNS_DAYS_MAX", value_name = "DAYS")]
    turns_days_max: Option<u32>,
    /// Days that an entry of the audit log is kept. What has to be shown to auditors for longer is exported before [default: 400].
    #[arg(long, env = "TESSERA_AUDIT_DAYS_MAX", value_name = "DAYS")]
    audit_days_max: Option<u32>,
    /// Bytes of the audit log of one organization; the oldest entries go. More is for who has many calls that read in bulk [default: 64MiB].
    #[arg(long, env = "TESSERA_AUDIT_BYTES_MAX", value_name = "SIZE")]
    audit_bytes_max: Option<ByteSize>,
    /// Folder in which `POST /v1/admin/backups` makes files, best on another disk; made if it is missing [default: none, and then
    /// that path is refused].
    #[arg(long, env = "TESSERA_BACKUP_DIR", value_name = "FOLDER")]
    backup_dir: Option<PathBuf>,
    /// File with the key that secrets of connections are sealed with where they are kept: 32 bytes in Base64, as `openssl rand -base64 32` makes
    /// them. Keep it apart from the data folder and its backups [default: none, and then connections name where their secrets stand].
    #[arg(long, env = "TESSERA_SECRETS_KEY_FILE", value_name = "FILE")]
    secrets_key_file: Option<PathBuf>,
    /// Folder of files that connections may name as secrets [default: /run/secrets].
    #[arg(long, env = "TESSERA_SECRETS_DIR", value_name = "FOLDER")]
    secrets_dir: Option<PathBuf>,
    /// Library of DuckDB, which answers `sql` of sources over folders [default: none, and then files are asked by `table` alone].
    #[arg(long, env = "TESSERA_DUCKDB_DRIVER", value_name = "FILE")]
    duckdb_driver: Option<String>,
    /// Seconds that the question of a source may take until its first rows, and until each of the next, 1 to 3600 [default: 600].
    #[arg(long, env = "TESSERA_SOURCE_ANSWER_SECS", value_name = "SECONDS")]
    source_answer_secs: Option<u32>,
    /// Start without computed attributes and segments, so that one which keeps the server from working can be archived. What depends on them
    /// says that it is missing; once they are on again they are brought to everybody anew [default: false].
    #[arg(long, env = "TESSERA_WITHOUT_RULES", num_args = 0..=1, default_missing_value = "true", value_name = "BOOLEAN")]
    without_rules: Option<bool>,
    /// How log lines look [default: text].
    #[arg(long, env = "TESSERA_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<logging::Format>,
    /// What is logged: a level, or levels per module as in `info,tessera_service=debug` [default: info, of the storage engine warn].
    #[arg(long, env = "TESSERA_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Layer {
    /// Reads a TOML file. A key that is not known is an error that names it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read settings file {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("settings file {} is not valid", path.display()))
    }

    /// What a demo says: where, and as little in the log as possible.
    pub(crate) fn demo(listen: SocketAddr, data: PathBuf) -> Self {
        Self { listen: Some(listen), data: Some(data), log_level: Some("warn".to_owned()), ..Self::default() }
    }

    /// This layer where it says something, the other where it does not.
    fn over(self, under: Self) -> Self {
        Self {
            listen: self.listen.or(under.listen),
            admin_listen: self.admin_listen.or(under.admin_listen),
            otlp_endpoint: self.otlp_endpoint.or(under.otlp_endpoint),
            otlp_interval_secs: self.otlp_interval_secs.or(under.otlp_interval_secs),
            data: self.data.or(under.data),
            tls_cert: self.tls_cert.or(under.tls_cert),
            tls_key: self.tls_key.or(under.tls_key),
            public_url: self.public_url.or(under.public_url),
            connections_max: self.connections_max.or(under.connections_max),
            keep_alive_secs: self.keep_alive_secs.or(under.keep_alive_secs),
            memory: self.memory.or(under.memory),
            request_memory_bytes: self.request_memory_bytes.or(under.request_memory_bytes),
            answer_memory_bytes: self.answer_memory_bytes.or(under.answer_memory_bytes),
            queue_memory_bytes: self.queue_memory_bytes.or(under.queue_memory_bytes),
            workspace_memory_bytes: self.workspace_memory_bytes.or(under.workspace_memory_bytes),
            lane_idle_secs: self.lane_idle_secs.or(under.lane_idle_secs),
            view_cache_bytes: self.view_cache_bytes.or(under.view_cache_bytes),
            record_cache_bytes: self.record_cache_bytes.or(under.record_cache_bytes),
            store_cache_bytes: self.store_cache_bytes.or(under.store_cache_bytes),
            write_buffer_bytes: self.write_buffer_bytes.or(under.write_buffer_bytes),
            free_bytes_min: self.free_bytes_min.or(under.free_bytes_min),
            purge_interval_secs: self.purge_interval_secs.or(under.purge_interval_secs),
            feed_secs_max: self.feed_secs_max.or(under.feed_secs_max),
            feed_bytes_max: self.feed_bytes_max.or(under.feed_bytes_max),
            turns_days_max: self.turns_days_max.or(under.turns_days_max),
            audit_days_max: self.audit_days_max.or(under.audit_days_max),
            audit_bytes_max: self.audit_bytes_max.or(under.audit_bytes_max),
            backup_dir: self.backup_dir.or(under.backup_dir),
            secrets_key_file: self.secrets_key_file.or(under.secrets_key_file),
            secrets_dir: self.secrets_dir.or(under.secrets_dir),
            duckdb_driver: self.duckdb_driver.or(under.duckdb_driver),
            source_answer_secs: self.source_answer_secs.or(under.source_answer_secs),
            without_rules: self.without_rules.or(under.without_rules),
            log_format: self.log_format.or(under.log_format),
            log_level: self.log_level.or(under.log_level),
        }
    }
}

impl Settings {
    /// Puts the layers over the defaults and validates the whole.
    pub(crate) fn resolve(line: Layer, file: Layer) -> Result<Self> {
        let layer = line.over(file);
        let tls = match (layer.tls_cert, layer.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => bail!("tls_cert is set without tls_key"),
            (None, Some(_)) => bail!("tls_key is set without tls_cert"),
        };
        let parts = [
            layer.request_memory_bytes,
            layer.answer_memory_bytes,
            layer.queue_memory_bytes,
            layer.workspace_memory_bytes,
            layer.view_cache_bytes,
            layer.record_cache_bytes,
            layer.store_cache_bytes,
            layer.write_buffer_bytes,
        ];
        let (memory, parts) = memory::share_out(layer.memory, parts)?;
        let [
            request_memory_bytes,
            answer_memory_bytes,
            queue_memory_bytes,
            workspace_memory_bytes,
            view_cache_bytes,
            record_cache_bytes,
            store_cache_bytes,
            write_buffer_bytes,
        ] = parts;
        let settings = Self {
            listen: layer.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8640))),
            admin_listen: layer.admin_listen,
            otlp_endpoint: layer.otlp_endpoint,
            otlp_interval_secs: layer.otlp_interval_secs.unwrap_or(15),
            data: layer.data.unwrap_or_else(|| PathBuf::from("data")),
            tls,
            public_url: layer.public_url,
            connections_max: layer.connections_max.unwrap_or(10_000),
            keep_alive_secs: layer.keep_alive_secs.unwrap_or(75),
            memory,
            request_memory_bytes,
            answer_memory_bytes,
            queue_memory_bytes,
            workspace_memory_bytes,
            lane_idle_secs: layer.lane_idle_secs.unwrap_or(300),
            view_cache_bytes,
            record_cache_bytes,
            store_cache_bytes,
            write_buffer_bytes,
            free_bytes_min: layer.free_bytes_min.unwrap_or(ByteSize::mebibytes(256)),
            purge_interval_secs: layer.purge_interval_secs.unwrap_or(86_400),
            feed_secs_max: layer.feed_secs_max.unwrap_or(7 * 86_400),
            feed_bytes_max: layer.feed_bytes_max.unwrap_or(ByteSize::mebibytes(10 << 10)),
            turns_days_max: layer.turns_days_max.unwrap_or(400),
            audit_days_max: layer.audit_days_max.unwrap_or(400),
            audit_bytes_max: layer.audit_bytes_max.unwrap_or(ByteSize::mebibytes(64)),
            backup_dir: layer.backup_dir,
            secrets_key_file: layer.secrets_key_file,
            secrets_dir: layer.secrets_dir.unwrap_or_else(|| PathBuf::from("/run/secrets")),
            duckdb_driver: layer.duckdb_driver,
            source_answer_secs: layer.source_answer_secs.unwrap_or(600),
            without_rules: layer.without_rules.unwrap_or(false),
            log_format: layer.log_format.unwrap_or(logging::Format::Text),
            log_level: layer.log_level.unwrap_or_else(|| LOG_LEVEL.to_owned()),
        };
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<()> {
        ensure!(!self.data.as_os_str().is_empty(), "data is empty: it must name a folder");
        if let Some(tls) = &self.tls {
            for file in [&tls.cert, &tls.key] {
                fs::metadata(file).with_context(|| format!("cannot find TLS file {}", file.display()))?;
            }
        }
        if let Some(url) = &self.otlp_endpoint {
            let is_url =
                ["http://", "https://"].iter().any(|own| url.strip_prefix(own).is_some_and(|rest| !rest.is_empty()));
            ensure!(is_url, "otlp_endpoint is {url}: it must begin with http:// or https://");
        }
        ensure!(self.otlp_interval_secs > 0, "otlp_interval_secs is 0: it would be sent without a pause");
        ensure!(self.connections_max > 0, "connections_max is 0: nobody could connect");
        ensure!(self.keep_alive_secs > 0, "keep_alive_secs is 0: no connection could be used twice");
        let answer_secs = self.source_answer_secs;
        ensure!((1..=3_600).contains(&answer_secs), "source_answer_secs is {answer_secs}: it must be 1 to 3600");
        ensure!(self.lane_idle_secs > 0, "lane_idle_secs is 0: every request would begin its workspace anew");
        ensure!(self.feed_secs_max >= 60, "feed_secs_max is {}: it must be 60 or more", self.feed_secs_max);
        ensure!(
            self.feed_bytes_max.bytes() >= 1 << 20,
            "feed_bytes_max is {}: it must be 1MiB or more",
            self.feed_bytes_max
        );
        ensure!(self.turns_days_max > 0, "turns_days_max is 0: nobody would know when a profile entered a segment");
        ensure!(self.audit_days_max > 0, "audit_days_max is 0: nobody would know what was done");
        let audit_bytes = self.audit_bytes_max;
        ensure!(audit_bytes.bytes() >= 1 << 20, "audit_bytes_max is {audit_bytes}: it must be 1MiB or more");
        logging::filter(&self.log_level)?;
        Ok(())
    }
}

fn as_text<S: serde::Serializer>(url: &Option<PublicUrl>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&url.as_ref().map(PublicUrl::to_string).unwrap_or_default())
}

fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PublicUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// A number of bytes: `1048576`, `512KiB`, `256MiB`, `4GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    const UNITS: [(&'static str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

    /// So many times 1,048,576 bytes.
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// As many whole mebibytes as there are in it.
    const fn floor(self) -> Self {
        Self(self.0 >> 20 << 20)
    }

    /// The bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = Self::UNITS.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
        let (digits, factor) = unit.unwrap_or((text, 1));
        let count: Option<u64> = digits.trim().parse().ok();
        let bytes = count.and_then(|count| count.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| format!("no size: {text} (expected bytes, or a number with KiB, MiB or GiB)"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = [("GiB", 30), ("MiB", 20), ("KiB", 10)].into_iter();
        let whole = units.find(|(_, bits)| self.0 > 0 && self.0.is_multiple_of(1 << bits));
        match whole {
            Some((name, bits)) => write!(f, "{}{name}", self.0 >> bits),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelling {
            Bytes(u64),
            Text(String),
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Bytes(bytes) => Ok(Self(bytes)),
            Spelling::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// Where to listen. A name or a port alone may mean an address that others reach, so it is said which.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("8640");
        format!("an address and a port are expected: 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for all that reach it")
    })
}
