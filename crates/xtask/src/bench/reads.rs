//! Row 1: a profile read against a constant of the same size from the same kind of server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::http::{Connection, get};
use super::load::{Asker, Client, Measured, closed_swift};
use super::people::{Dice, user_id};
use super::process::{KEY, Server};

/// Reads of one server before the next has its turn, so that all meet the same neighbours on the machine.
const STRETCH: Duration = Duration::from_secs(1);

/// Reads anyone's profile, by user id.
pub(super) struct Reader {
    people: u64,
    dice: Dice,
    request: Vec<u8>,
    digits: std::ops::Range<usize>,
    read_bytes: u64,
}

impl Reader {
    pub(super) fn new(people: u64, seed: u64) -> Self {
        let path = format!("/v1/profiles/identifier/user_id/{}", user_id(0));
        let request = get(&path, KEY);
        let end = "GET ".len() + path.len();
        Self { people, dice: Dice::new(seed), request, digits: end - 9..end, read_bytes: 0 }
    }

    pub(super) fn many(people: u64, count: u64) -> Vec<Self> {
        (0..count).map(|seed| Self::new(people, seed + 1)).collect()
    }

    /// Reads one person.
    pub(super) fn read<'a>(&mut self, person: u64, connection: &'a mut Connection) -> Result<&'a [u8]> {
        self.name(person);
        let body = connection.succeed(&self.request)?;
        self.read_bytes += body.len() as u64;
        Ok(body)
    }

    fn name(&mut self, person: u64) {
        let mut rest = person;
        for digit in self.request[self.digits.clone()].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

impl Client for Reader {
    fn turn(&mut self, connection: &mut Connection) -> Result<()> {
        let person = self.dice.below(self.people);
        self.read(person, connection)?;
        Ok(())
    }
}

impl Asker for Reader {
    fn next(&mut self) -> &[u8] {
        let person = self.dice.below(self.people);
        self.name(person);
        &self.request
    }
}

/// Sends one request again and again.
struct Repeater(Vec<u8>);

impl Asker for Repeater {
    fn next(&mut self) -> &[u8] {
        &self.0
    }
}

/// Reads everybody once, each connection its share: fills what caches there are. Answers the mean size of a body.
pub(super) fn everybody(server: &Server, people: u64, connections: usize) -> Result<usize> {
    let share = people.div_ceil(connections as u64);
    let sums = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections as u64)
            .map(|at| {
                scope.spawn(move || -> Result<u64> {
                    let mut connection = Connection::open(server.address())?;
                    let mut reader = Reader::new(people, at + 1);
                    for person in at * share..((at + 1) * share).min(people) {
                        reader.read(person, &mut connection)?;
                    }
                    Ok(reader.read_bytes)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a reader does not panic")).collect::<Result<Vec<_>>>()
    })?;
    usize::try_from(sums.iter().sum::<u64>() / people).context("a body has no size")
}

/// What profile reads came to, and what they are divided by.
pub(super) struct Compared {
    pub(super) profile: Measured,
    /// A constant through all our layers.
    pub(super) constant: Measured,
    /// A constant through axum alone.
    pub(super) bare: Measured,
}

/// Reads profiles and constants in turns.
pub(super) fn compare(
    server: &Server,
    constant: &Server,
    people: u64,
    connections: usize,
    rounds: u32,
) -> Result<Compared> {
    ensure!(people > 0 && rounds > 0, "there is nothing to read");
    let mut to_profiles = Connection::open_many(server.address(), connections)?;
    let mut to_constant = Connection::open_many(constant.address(), connections)?;
    let mut to_bare = Connection::open_many(constant.bare_address(), connections)?;
    let mut readers = Reader::many(people, connections as u64);
    let mut repeaters: Vec<_> = (0..connections).map(|_| Repeater(get("/metrics", KEY))).collect();
    let mut sums = Compared { profile: Measured::none(), constant: Measured::none(), bare: Measured::none() };
    for _ in 0..rounds {
        sums.profile.add(&closed_swift(server, &mut to_profiles, &mut readers, STRETCH)?)?;
        sums.constant.add(&closed_swift(constant, &mut to_constant, &mut repeaters, STRETCH)?)?;
        sums.bare.add(&closed_swift(constant, &mut to_bare, &mut repeaters, STRETCH)?)?;
    }
    Ok(sums)
}
