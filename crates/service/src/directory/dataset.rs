//! The datasets of a key: where what it says stands, and which it may name.

use std::fmt;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind};

/// The dataset of a private key that names no other.
pub const SERVERS: &str = "segment";
/// Datasets that a key may be confined to.
pub const DATASETS_MAX: usize = 100;
/// Characters of the name of a dataset.
const CHARS_MAX: usize = 100;

/// The name of a dataset: 1 to 100 printable characters, without blanks at the ends, and not beginning with `$`, as ours do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dataset(Arc<str>);

impl Dataset {
    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` with `dataset_invalid`, `dataset_reserved`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=CHARS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if !fits {
            let message = format!("the name of a dataset must be 1 to {CHARS_MAX} printable characters");
            return Err(Error::new(ErrorKind::Invalid, "dataset_invalid", message));
        }
        if text.starts_with('$') {
            let message = "datasets that begin with $ are our own";
            return Err(Error::new(ErrorKind::Invalid, "dataset_reserved", message));
        }
        Ok(Self(text.into()))
    }

    /// That of servers.
    #[must_use]
    pub fn of_servers() -> Self {
        Self(SERVERS.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The dataset of a key, and those that it may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datasets {
    /// Where what it sends stands, unless it names another.
    pub own: Dataset,
    /// All that it may write to or name, its own among them; any where there is no list.
    pub allowed: Option<Vec<Dataset>>,
}

impl Datasets {
    /// Refuses a dataset that the key may not name.
    ///
    /// # Errors
    /// `Forbidden` with `dataset_forbidden`, naming those that it may.
    pub fn check(&self, dataset: &str) -> Result<(), Error> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        if allowed.iter().any(|own| own.as_str() == dataset) {
            return Ok(());
        }
        let names: Vec<&str> = allowed.iter().map(Dataset::as_str).collect();
        let message = format!("this key is confined to these datasets: {}", names.join(", "));
        Err(Error::new(ErrorKind::Forbidden, "dataset_forbidden", message))
    }

    /// Whether a key of the others may do no more than one of these: it names no dataset that these may not.
    pub(super) fn cover(&self, others: &Self) -> Result<(), Error> {
        match (&self.allowed, &others.allowed) {
            (None, _) => Ok(()),
            (Some(_), Some(named)) => named.iter().chain([&others.own]).try_for_each(|one| self.check(one.as_str())),
            (Some(_), None) => {
                self.check(others.own.as_str())?;
                let message = "this key is confined to datasets, so those of the new key have to be listed";
                Err(Error::new(ErrorKind::Forbidden, "dataset_forbidden", message))
            }
        }
    }
}
