//! Where log events go: to standard error, one line each, as text or as JSON.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// Sends every event of the process to standard error from now on.
pub(crate) fn start(settings: &Settings) -> Result<()> {
    let filter = filter(&settings.log_level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        Format::Text => lines.with_ansi(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))
}

/// Reads a level, or levels per module: `info`, `info,tessera_service=debug`.
pub(crate) fn filter(level: &str) -> Result<EnvFilter> {
    EnvFilter::builder().parse(level).with_context(|| format!("log_level is no level: {level}"))
}
