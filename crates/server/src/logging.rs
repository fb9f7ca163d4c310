//! Where log events go: to standard error, one line each, as text or as JSON.

use anyhow::{Context as _, Result, ensure};
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

/// Sets which events are written from now on.
pub(crate) type SetLevel = Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>;

/// Sends every event of the process to standard error from now on. Answers what changes which these are.
pub(crate) fn start(settings: &Settings) -> Result<SetLevel> {
    let filter = filter(&settings.log_level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let (started, set): (_, SetLevel) = match settings.log_format {
        Format::Text => {
            let lines = lines.with_ansi(false).with_filter_reloading();
            let handle = lines.reload_handle();
            (lines.try_init(), Box::new(move |filter| Ok(handle.reload(filter)?)))
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            (lines.try_init(), Box::new(move |filter| Ok(handle.reload(filter)?)))
        }
    };
    started.map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))?;
    Ok(set)
}

/// Reads a level, or levels per module: `info`, `info,tessera_service=debug`.
///
/// # Errors
/// When a part of it is neither: a word that is no level would be taken for a module and silence everything else.
pub(crate) fn filter(level: &str) -> Result<EnvFilter> {
    for part in level.split(',').map(str::trim) {
        let named = part.rsplit_once('=').map_or(part, |(_, level)| level);
        let is_level = LEVELS.iter().any(|known| named.eq_ignore_ascii_case(known));
        // A span with fields may hold commas and equals signs: that is for the filter itself to read.
        let is_span = level.contains('[');
        ensure!(
            is_level || is_span,
            "log_level is no level: {part} ({}, or such as info,tessera_service=debug)",
            LEVELS.join(", ")
        );
    }
    EnvFilter::builder().parse(level).with_context(|| format!("log_level is no level: {level}"))
}

/// What is written, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
