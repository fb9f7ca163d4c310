//! Load: as fast as the server answers (closed), or at a fixed rate whatever it answers (open).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;

use super::clock;
use super::http::{Connection, Waits};
use super::machine::{cpu_of, cpu_of_all};
use super::process::Server;

/// What a load came to.
pub(super) struct Measured {
    pub(super) requests: u64,
    pub(super) elapsed: Duration,
    /// In nanoseconds.
    latency: Histogram<u64>,
    pub(super) server_cpu: Duration,
    load_cpu: Duration,
    all_cpu: Duration,
}

impl Measured {
    pub(super) fn none() -> Self {
        let latency = Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("the bounds are in order");
        let zero = Duration::ZERO;
        Self { requests: 0, elapsed: zero, latency, server_cpu: zero, load_cpu: zero, all_cpu: zero }
    }

    /// Adds a stretch of the same load.
    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        self.requests += other.requests;
        self.elapsed += other.elapsed;
        self.latency.add(&other.latency).context("latencies do not fit together")?;
        self.server_cpu += other.server_cpu;
        self.load_cpu += other.load_cpu;
        self.all_cpu += other.all_cpu;
        Ok(())
    }

    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the server for one request.
    pub(super) fn cpu_us(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// Cores that the server kept busy: well below 1 on its one core, something else was the limit.
    pub(super) fn server_cores(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// Cores that the load generator kept busy.
    pub(super) fn load_cores(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// Cores that others kept busy meanwhile, the kernel's own threads included.
    pub(super) fn others(&self) -> f64 {
        let ours = self.server_cpu + self.load_cpu;
        self.all_cpu.saturating_sub(ours).as_secs_f64() / self.elapsed.as_secs_f64()
    }

    pub(super) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(quantile))
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_nanos(self.latency.max())
    }

    fn finish(&mut self, started: Instant, before: &Before, server: &Server) {
        self.elapsed = started.elapsed();
        self.server_cpu = server.cpu() - before.server;
        self.load_cpu = cpu_of("self").saturating_sub(before.load);
        self.all_cpu = cpu_of_all().saturating_sub(before.all);
    }

    fn take(&mut self, latency: Duration) {
        self.requests += 1;
        self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Makes and sends requests over one connection.
pub(super) trait Client: Send {
    /// Sends one and reads its answer.
    fn turn(&mut self, connection: &mut Connection) -> Result<()>;
}

/// Asks one thing at a time, in few bytes.
pub(super) trait Asker {
    /// The next request.
    fn next(&mut self) -> &[u8];
}

/// As [`closed`], for requests so cheap that threads would cost more than they: one thread asks all connections in turn whether an
/// answer has come, and never sleeps.
pub(super) fn closed_swift<A: Asker>(
    server: &Server,
    connections: &mut [Connection],
    askers: &mut [A],
    duration: Duration,
) -> Result<Measured> {
    for connection in &mut *connections {
        connection.set_waiting(Waits::Not)?;
    }
    let before = Before::now(server);
    let mut measured = Measured::none();
    let started = clock::now();
    let mut sent: Vec<Option<Instant>> = Vec::with_capacity(connections.len());
    for (connection, asker) in connections.iter_mut().zip(&mut *askers) {
        connection.send(asker.next())?;
        sent.push(Some(clock::now()));
    }
    while sent.iter().any(Option::is_some) {
        let mut is_idle = true;
        for ((connection, asker), sent) in connections.iter_mut().zip(&mut *askers).zip(&mut sent) {
            let Some(sent_at) = *sent else { continue };
            let Some(status) = connection.receive()? else { continue };
            ensure!(status == 200, "the server answered {status}");
            let now = clock::now();
            measured.take(now - sent_at);
            *sent = None;
            is_idle = false;
            if now - started < duration {
                connection.send(asker.next())?;
                *sent = Some(now);
            }
        }
        if is_idle {
            std::thread::yield_now();
        }
    }
    measured.finish(started, &before, server);
    for connection in connections {
        connection.set_waiting(Waits::ForAnswer)?;
    }
    Ok(measured)
}

/// Every client in its own thread sends its next request when it has the answer to the one before.
pub(super) fn closed<C: Client>(
    server: &Server,
    connections: &mut [Connection],
    clients: &mut [C],
    duration: Duration,
) -> Result<Measured> {
    measure(server, connections, clients, |client, connection| {
        let mut measured = Measured::none();
        let started = clock::now();
        let mut before = started;
        while before - started < duration {
            client.turn(connection)?;
            let after = clock::now();
            measured.take(after - before);
            before = after;
        }
        Ok(measured)
    })
}

/// All clients together send so many requests a second. Latency counts from the instant at which a request was meant to be sent, so
/// that a server which stalls is charged for those that wait.
pub(super) fn open<C: Client>(
    server: &Server,
    connections: &mut [Connection],
    clients: &mut [C],
    rate: u32,
    duration: Duration,
) -> Result<Measured> {
    let step = Duration::from_secs(1) / rate;
    let places: Vec<u32> = (0..u32::try_from(clients.len())?).collect();
    let period = step * u32::try_from(clients.len())?;
    let begin = clock::now() + Duration::from_millis(20);
    let mut placed: Vec<(u32, &mut C)> = places.into_iter().zip(clients).collect();
    measure(server, connections, &mut placed, |(place, client), connection| {
        let mut measured = Measured::none();
        let mut meant = begin + step * *place;
        while meant - begin < duration {
            let early = meant.saturating_duration_since(clock::now());
            if !early.is_zero() {
                clock::pause(early);
            }
            client.turn(connection)?;
            measured.take(clock::now().saturating_duration_since(meant));
            meant += period;
        }
        Ok(measured)
    })
}

fn measure<C: Send>(
    server: &Server,
    connections: &mut [Connection],
    clients: &mut [C],
    work: impl Fn(&mut C, &mut Connection) -> Result<Measured> + Sync,
) -> Result<Measured> {
    let work = &work;
    let before = Before::now(server);
    let started = clock::now();
    let parts = std::thread::scope(|scope| {
        let pairs = clients.iter_mut().zip(connections.iter_mut());
        let threads: Vec<_> = pairs.map(|(client, connection)| scope.spawn(move || work(client, connection))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?);
        joined.collect::<Result<Vec<Measured>>>()
    })?;
    let mut sum = Measured::none();
    for part in &parts {
        sum.add(part)?;
    }
    sum.finish(started, &before, server);
    Ok(sum)
}

/// Processor times before a load.
struct Before {
    server: Duration,
    load: Duration,
    all: Duration,
}

impl Before {
    fn now(server: &Server) -> Self {
        Self { server: server.cpu(), load: cpu_of("self"), all: cpu_of_all() }
    }
}
