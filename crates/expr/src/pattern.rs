//! Patterns of `matches` and `regexGroup`: those of `java.util.regex`, matched within a bound.
//!
//! A pattern that neither looks around nor back is matched in time linear in the text, and costs its states for each byte. Another one is
//! tried way by way, at first a few, then more, each round paid before it begins. Patterns are compiled when something is first
//! matched with them; the process keeps the compiled ones, bounded by bytes, for all rules together.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use regex_automata::Input;
use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_BYTES_MAX};

mod java;

#[cfg(test)]
mod tests;

pub(crate) use java::Refusal;

/// Bytes of states that the engine may make up while it goes through a text.
const STATES_BYTES_MAX: usize = 64 * 1024;
/// Of a pattern, how many scratch rooms are kept, and of which size at most.
const ROOMS_MAX: usize = 2;
const ROOM_BYTES_MAX: usize = 16 * 1024;
/// Ways that are tried, round by round.
const WAYS: [usize; 3] = [128, 4_096, 65_536];
/// Bytes of a text by states of a pattern that one step pays.
const WORK_OF_STEP: u64 = 128;

/// A pattern, compiled.
pub(crate) struct Pattern {
    engine: Engine,
    /// How many states it has: what one byte of a text costs.
    states: usize,
    /// Whether it may also end before a last end of a line.
    has_end: bool,
    bytes: usize,
}

/// The same pattern with a bound for each round, compiled when that is reached.
type Rounds = Box<[OnceLock<Option<fancy_regex::Regex>>; WAYS.len()]>;

enum Engine {
    Linear { regex: Regex, rooms: Mutex<Vec<meta::Cache>> },
    Ways { text: String, rounds: Rounds },
}

/// What a text came to.
pub(crate) enum Tried<T> {
    Done(T),
    /// More ways would have to be tried than a round may.
    Unfinished,
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn compile(pattern: &str) -> Result<Self, Refusal> {
        let java::Translated { text, tries_ways, has_end } = java::translate(pattern)?;
        if tries_ways {
            let states = text.len();
            let engine = Engine::Ways { text, rounds: Box::default() };
            let pattern = Self { engine, states, has_end: false, bytes: states * 64 + 128 * 1024 };
            return match pattern.round(0) {
                Some(_) => Ok(pattern),
                None => Err(java::UNREAD_OF_WAYS),
            };
        }
        let syntax = syntax::Config::new().nest_limit(128);
        let sized = thompson::Config::new()
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::NFA::compiler().configure(sized).syntax(syntax).build(&text);
        let states = nfa.map_err(|error| refusal(error.size_limit().is_some()))?.states().len();
        let config = meta::Config::new()
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(STATES_BYTES_MAX)
            .dfa(false)
            .onepass(false);
        let regex = meta::Builder::new().configure(config).syntax(syntax).build(&text);
        let regex = regex.map_err(|error| refusal(error.size_limit().is_some()))?;
        let bytes = regex.memory_usage() + pattern.len() + ROOMS_MAX * ROOM_BYTES_MAX;
        Ok(Self { engine: Engine::Linear { regex, rooms: Mutex::default() }, states, has_end, bytes })
    }

    /// Steps that its compilation is worth.
    pub(crate) fn states(&self) -> usize {
        self.states
    }

    /// How many rounds there are.
    pub(crate) fn rounds(&self) -> usize {
        match self.engine {
            Engine::Linear { .. } => 1,
            Engine::Ways { .. } => WAYS.len(),
        }
    }

    /// Steps that a round over a text of so many bytes costs at most.
    pub(crate) fn price(&self, bytes: usize, round: usize) -> u64 {
        let work = (bytes as u64 + 1).saturating_mul(self.states as u64) / WORK_OF_STEP;
        match self.engine {
            Engine::Linear { .. } if self.has_end => work.saturating_mul(2),
            Engine::Linear { .. } => work,
            // Each way may go through the rest of the text.
            Engine::Ways { .. } => {
                let ways = WAYS.get(round).copied().unwrap_or_default() as u64;
                work.saturating_add(ways.saturating_mul(bytes as u64 + 256) / 1_024)
            }
        }
    }

    /// Whether it is found in a text.
    pub(crate) fn is_in(&self, text: &str, round: usize) -> Tried<bool> {
        match &self.engine {
            Engine::Linear { regex, rooms } => with_room(regex, rooms, |room| {
                let mut finds = |text: &str| regex.search_half_with(room, &Input::new(text).earliest(true)).is_some();
                let before_end = || without_end(text).filter(|_| self.has_end);
                Tried::Done(finds(text) || before_end().is_some_and(&mut finds))
            }),
            Engine::Ways { .. } => match self.round(round).map(|regex| regex.is_match(text)) {
                Some(Ok(found)) => Tried::Done(found),
                Some(Err(_)) => Tried::Unfinished,
                None => Tried::Done(false),
            },
        }
    }

    /// What a group of it takes of the first place in a text where it is found.
    pub(crate) fn group_in<'t>(&self, text: &'t str, group: usize, round: usize) -> Tried<Option<&'t str>> {
        match &self.engine {
            Engine::Linear { regex, rooms } => with_room(regex, rooms, |room| {
                let mut captures = regex.create_captures();
                let mut finds = |text: &str| {
                    regex.search_captures_with(room, &Input::new(text), &mut captures);
                    captures.is_match().then(|| captures.get_group(group))
                };
                // As there, the end of the text is first where the last line ends.
                let found = without_end(text).filter(|_| self.has_end).and_then(&mut finds).or_else(|| finds(text));
                Tried::Done(found.flatten().and_then(|span| text.get(span.start..span.end)))
            }),
            Engine::Ways { .. } => match self.round(round).map(|regex| regex.captures(text)) {
                Some(Ok(Some(captures))) => {
                    let span = captures.get(group).map(|found| found.range());
                    Tried::Done(span.and_then(|span| text.get(span)))
                }
                Some(Ok(None)) | None => Tried::Done(None),
                Some(Err(_)) => Tried::Unfinished,
            },
        }
    }

    fn round(&self, round: usize) -> Option<&fancy_regex::Regex> {
        let Engine::Ways { text, rounds } = &self.engine else { return None };
        let compiled = rounds.get(round)?.get_or_init(|| {
            let mut builder = fancy_regex::RegexBuilder::new(text);
            builder.backtrack_limit(WAYS[round]).delegate_size_limit(PATTERN_BYTES_MAX);
            builder.delegate_dfa_size_limit(STATES_BYTES_MAX).max_prog_size(PATTERN_BYTES_MAX / 64);
            builder.build().ok()
        });
        compiled.as_ref()
    }
}

fn refusal(is_too_large: bool) -> Refusal {
    if is_too_large { java::TOO_LARGE } else { java::UNREAD }
}

/// Lends a room to search in. Those that have grown are let go of.
fn with_room<T>(regex: &Regex, rooms: &Mutex<Vec<meta::Cache>>, search: impl FnOnce(&mut meta::Cache) -> T) -> T {
    let lock = || rooms.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut room = lock().pop().unwrap_or_else(|| regex.create_cache());
    let found = search(&mut room);
    if room.memory_usage() <= ROOM_BYTES_MAX {
        let mut rooms = lock();
        if rooms.len() < ROOMS_MAX {
            rooms.push(room);
        }
    }
    found
}

/// The text before the end of its last line, where it has one.
fn without_end(text: &str) -> Option<&str> {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']))
}

type Known = Result<Arc<Pattern>, Refusal>;

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Known> for ByBytes {
    fn weight(&self, text: &Box<str>, known: &Known) -> u64 {
        (256 + text.len() + known.as_ref().map_or(0, |pattern| pattern.bytes)) as u64
    }
}

static KNOWN: LazyLock<Cache<Box<str>, Known, ByBytes>> =
    LazyLock::new(|| Cache::with_weighter(1_024, PATTERNS_BYTES_MAX, ByBytes));

/// A pattern that is written out in a rule, from what the process keeps if it is there.
pub(crate) fn known(text: &str) -> Known {
    if let Some(known) = KNOWN.get(text) {
        return known;
    }
    let known = Pattern::compile(text).map(Arc::new);
    KNOWN.insert(text.into(), known.clone());
    known
}

/// Bytes of compiled patterns that the process keeps, at most as many as
/// [`PATTERNS_BYTES_MAX`](crate::limits::PATTERNS_BYTES_MAX).
#[must_use]
pub fn kept_bytes() -> u64 {
    KNOWN.weight()
}
