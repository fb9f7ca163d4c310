//! Patterns of blocked values. Most workspaces block the same ones, so each is compiled once for the process, and goes with the last
//! configuration that holds it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use regex::{Regex, RegexBuilder};

/// Bytes of one pattern, compiled, and of the automaton that each thread makes of it while it searches.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// Those that some configuration holds.
#[derive(Default)]
struct Known {
    patterns: HashMap<Box<str>, Weak<Regex>>,
    /// Those that nobody holds are forgotten when there are as many as this.
    looked_at: usize,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// A pattern of blocked values, compiled so that it must match the whole value.
///
/// # Errors
/// When it is no regular expression, or needs more than 256 KiB compiled.
pub fn blocked_pattern(pattern: &str) -> Result<Arc<Regex>, regex::Error> {
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(compiled) = known().patterns.get(pattern).and_then(Weak::upgrade) {
        return Ok(compiled);
    }
    let compile =
        |text: &str| RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build();
    // Alone first: `a)|(b` is wrong, but would pass within the group.
    compile(pattern)?;
    let compiled = Arc::new(compile(&format!(r"\A(?:{pattern})\z"))?);
    let mut known = known();
    if known.patterns.len() >= known.looked_at {
        known.patterns.retain(|_, compiled| compiled.strong_count() > 0);
        known.looked_at = (2 * known.patterns.len()).max(64);
    }
    known.patterns.insert(pattern.into(), Arc::downgrade(&compiled));
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_somebody_holds_is_compiled_once_and_others_are_forgotten() {
        let one = blocked_pattern("held-by-a-test-[0-9]+").expect("a pattern");
        let again = blocked_pattern("held-by-a-test-[0-9]+").expect("a pattern");
        assert!(Arc::ptr_eq(&one, &again));
        for number in 0..1_000 {
            drop(blocked_pattern(&format!("dropped-by-a-test-{number}")).expect("a pattern"));
        }
        let known = KNOWN.lock().expect("the lock");
        let left = known.patterns.keys().filter(|own| own.starts_with("dropped-by-a-test-")).count();
        assert!(left < 500, "{left} are left");
    }
}
