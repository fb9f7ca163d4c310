//! A start that is under way, told by a file in the data folder: a start that never came to its end is not tried again in the same way.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The file. It is there from when rules begin to be made ready until they are.
const FILE: &str = "RULES-STARTING";

/// How the rules of a server begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// They are evaluated.
    On,
    /// They are left alone, because the operator says so.
    OffAsTold,
    /// They are left alone, because the last start with them never came to its end.
    OffByItself,
}

impl Rules {
    /// Whether they are left alone.
    pub(crate) fn are_off(self) -> bool {
        self != Self::On
    }
}

/// A start that is under way.
pub(crate) struct Start {
    file: PathBuf,
}

impl Start {
    /// Begins, in a folder that is ours.
    pub(crate) fn begin(data: &Path, without_rules: bool) -> Result<(Self, Rules)> {
        let file = data.join(FILE);
        let failed = file.try_exists().with_context(|| format!("cannot look for {}", file.display()))?;
        let rules = match (without_rules, failed) {
            (true, _) => Rules::OffAsTold,
            (false, true) => Rules::OffByItself,
            (false, false) => Rules::On,
        };
        if rules == Rules::On {
            let made = File::create(&file).and_then(|own| own.sync_all());
            made.with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok((Self { file }, rules))
    }

    /// It has come to its end: the next one tries the rules again.
    pub(crate) fn end(self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.file.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_did_not_end_is_followed_by_one_without_rules() {
        let data = tempfile::tempdir().expect("a folder");
        let begin = |without_rules| Start::begin(data.path(), without_rules).expect("a start");
        let (start, rules) = begin(false);
        assert_eq!(rules, Rules::On);
        start.end().expect("it ends");
        let (lost, rules) = begin(false);
        assert_eq!(rules, Rules::On);
        drop(lost);
        let (start, rules) = begin(false);
        assert_eq!(rules, Rules::OffByItself);
        start.end().expect("it ends");
        // The operator may have archived what was wrong.
        assert_eq!(begin(false).1, Rules::On);
        let (start, rules) = begin(true);
        assert_eq!(rules, Rules::OffAsTold);
        start.end().expect("it ends");
        assert_eq!(begin(true).1, Rules::OffAsTold);
        assert_eq!(begin(false).1, Rules::On, "one without rules leaves nothing behind");
    }
}
