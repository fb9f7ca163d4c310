//! Ctrl-C of commands that have something to say before they end: the first asks, the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::world;

/// How a shell names the end by Ctrl-C.
pub(crate) const EXIT_CODE: u8 = 130;
/// How long a wait goes on that somebody has asked to end.
const NOTICED: Duration = Duration::from_millis(100);

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENING: OnceLock<()> = OnceLock::new();

/// Listens from now on.
pub(crate) fn listen() -> Result<()> {
    if LISTENING.set(()).is_err() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot listen to signals")?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let listening = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if ASKED.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!("tessera: ending; once more to end at once");
        }
    };
    thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(listening))?;
    Ok(())
}

/// Whether somebody asked to end.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Waits, but not when somebody asks to end.
pub(crate) fn pause(mut duration: Duration) {
    while !duration.is_zero() && !is_asked() {
        let part = duration.min(NOTICED);
        world::pause(part);
        duration -= part;
    }
}
