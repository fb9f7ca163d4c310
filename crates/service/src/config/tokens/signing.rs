//! Where keys are made and tokens signed: on threads that nobody waits for who asked for something else, and on few of them.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::made::{Bits, Pair, pair};
use super::signing_keys::SigningKey;
use crate::base::components::Random;
use crate::base::error::{Error, ErrorKind};

/// Tokens that are signed at once.
const SIGNATURES: usize = 2;

/// The threads.
pub(crate) struct Signing {
    /// One key is made at a time.
    keys: Arc<Semaphore>,
    signatures: Arc<Semaphore>,
    tasks: Handle,
}

impl Signing {
    pub(crate) fn new(tasks: Handle) -> Self {
        Self { keys: Arc::new(Semaphore::new(1)), signatures: Arc::new(Semaphore::new(SIGNATURES)), tasks }
    }

    /// Waits for the turn to make a key. Whoever has waited looks whether one was made meanwhile.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        self.keys.clone().acquire_owned().await.map(Turn).map_err(|_| fault())
    }

    /// Makes a key pair. The turn is kept even where nobody waits for the pair any more, and comes back with it.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) async fn pair(&self, turn: Turn, bits: Bits, random: Random) -> Result<(Pair, Turn), Error> {
        let thread = self.tasks.spawn_blocking(move || (pair(bits, &random), turn));
        let (made, turn) = thread.await.map_err(|_| fault())?;
        Ok((made?, turn))
    }

    /// Signs a token.
    ///
    /// # Errors
    /// As [`SigningKey::sign`]; `Internal`.
    pub(crate) async fn sign(&self, key: SigningKey, claims: Map<String, Value>) -> Result<String, Error> {
        let place = self.signatures.clone().acquire_owned().await.map_err(|_| fault())?;
        let thread = self.tasks.spawn_blocking(move || {
            let token = key.sign(&claims);
            drop(place);
            token
        });
        thread.await.map_err(|_| fault())?
    }
}

/// The turn to make a key, until this is dropped.
pub(crate) struct Turn(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

fn fault() -> Error {
    Error::new(ErrorKind::Internal, "internal", "signing met a fault of ours")
}
