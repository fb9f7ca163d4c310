//! What is read again while the server runs: certificates, when their files change or somebody sends SIGHUP, and then the level of the log as well.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tessera_api::{Look, Tls};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::logging::{self, SetLevel};
use crate::settings::{Layer, Settings};

/// How often the files of certificates are looked at.
const WATCHED_EVERY: Duration = Duration::from_secs(5);

/// What is read again, and where it is read from.
pub(crate) struct Reload {
    file: Option<PathBuf>,
    line: Layer,
    log_level: String,
    set_level: SetLevel,
    hangups: Signal,
}

impl Reload {
    /// Takes SIGHUP from now on, which would end the process otherwise. To be called inside the runtime.
    pub(crate) fn new(file: Option<PathBuf>, line: Layer, settings: &Settings, set_level: SetLevel) -> Result<Self> {
        let hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        Ok(Self { file, line, log_level: settings.log_level.clone(), set_level, hangups })
    }

    /// Waits for signals and for changes of files, without end.
    pub(crate) async fn run(mut self, tls: Option<Arc<Tls>>) {
        let mut certificates = tls.map(|tls| Certificates { tls, fault: None });
        let mut watch = tokio::time::interval(WATCHED_EVERY);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                hangup = self.hangups.recv() => {
                    if hangup.is_none() {
                        // The process ends.
                        return std::future::pending().await;
                    }
                    self.read_level();
                    Look::Asked
                }
                _ = watch.tick(), if certificates.is_some() => Look::Watching,
            };
            if let Some(certificates) = &mut certificates {
                certificates.read(look);
            }
        }
    }

    /// Brings the log to the level that file and environment say now. What cannot be read changes nothing.
    fn read_level(&mut self) {
        match self.try_read_level() {
            Ok(true) => tracing::info!(log_level = self.log_level, "the log has another level"),
            Ok(false) => tracing::info!(
                log_level = self.log_level,
                "the settings were read again; the log has the level that it had"
            ),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the settings cannot be read again; all stays as it is");
            }
        }
    }

    fn try_read_level(&mut self) -> Result<bool> {
        let file = self.file.as_deref().map(Layer::read).transpose()?.unwrap_or_default();
        let settings = Settings::resolve(self.line.clone(), file)?;
        if settings.log_level == self.log_level {
            return Ok(false);
        }
        (self.set_level)(logging::filter(&settings.log_level)?)?;
        self.log_level = settings.log_level;
        Ok(true)
    }
}

struct Certificates {
    tls: Arc<Tls>,
    /// What was wrong when the files were looked at last.
    fault: Option<String>,
}

impl Certificates {
    fn read(&mut self, look: Look) {
        match self.tls.read_again(look) {
            Ok(true) => {
                self.fault = None;
                tracing::info!("new connections are shown another certificate");
            }
            Ok(false) if look == Look::Asked => tracing::info!("the certificate was read again; it is the same"),
            Ok(false) => {}
            Err(error) => {
                let fault = format!("{:#}", anyhow::Error::new(error));
                if look == Look::Asked || self.fault.as_ref() != Some(&fault) {
                    tracing::error!(
                        error = fault,
                        "the certificate cannot be read again; connections are shown the one of before"
                    );
                }
                self.fault = Some(fault);
            }
        }
    }
}
