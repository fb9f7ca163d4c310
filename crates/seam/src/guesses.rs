//! Requests with keys that are none: counted, told in the log without the key, and slowed down for whoever sends many.
//!
//! Nobody is shut out: others may come from the same address, with keys that are right, and meet no delay.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tessera_service::error::{Error, ErrorKind};
use tokio::time::Instant;

use crate::names;

/// Where a request comes from: the address at the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Wrong keys that one network may send in [`WINDOW`] before it waits for its answers.
pub const FREE: u32 = 20;
/// How long they are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// How long each further one waits for its answer.
pub const WAIT: Duration = Duration::from_secs(1);
/// Networks that are counted at one time. Where there are more, those that are over are let go of, and then new ones are not counted.
const NETWORKS_MAX: usize = 10_000;

/// Wrong keys by network.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    of: Mutex<HashMap<IpAddr, Guessed>>,
}

#[derive(Debug)]
struct Guessed {
    count: u32,
    since: Instant,
}

impl Guesses {
    /// Takes note of an error. Answers how long to wait before it is told.
    pub(crate) fn note(&self, error: &Error, peer: Option<Peer>, now: Instant) -> Option<Duration> {
        if error.kind != ErrorKind::Unauthenticated {
            return None;
        }
        metrics::counter!(names::AUTHENTICATIONS_FAILED, "code" => error.code).increment(1);
        // Whoever shows no key tries none.
        if error.code == "key_missing" {
            return None;
        }
        // What runs on this machine has other ways; tests and proxies do.
        let peer = peer.filter(|peer| !peer.0.to_canonical().is_loopback())?;
        let network = network(peer.0);
        let count = self.count(network, now)?;
        if count == FREE + 1 {
            tracing::warn!(target: "tessera_api::guesses", %network, failed = count, code = error.code, "a network sends many wrong keys; its answers are held back");
        }
        (count > FREE).then_some(WAIT)
    }

    /// Counts one of a network; none where there is no room to count it.
    fn count(&self, network: IpAddr, now: Instant) -> Option<u32> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.len() >= NETWORKS_MAX && !of.contains_key(&network) {
            of.retain(|_, guessed| now < guessed.since + WINDOW);
            if of.len() >= NETWORKS_MAX {
                return None;
            }
        }
        let guessed = of.entry(network).or_insert(Guessed { count: 0, since: now });
        if now >= guessed.since + WINDOW {
            *guessed = Guessed { count: 0, since: now };
        }
        guessed.count = guessed.count.saturating_add(1);
        Some(guessed.count)
    }
}

/// What an address is counted with: the 24 bits of a network, 48 of IPv6. Whoever has one address has its neighbours, and a log names no machine.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(own) => {
            let [a, b, c, _] = own.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(own) => {
            let [a, b, c, ..] = own.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests;
