//! The suite that every store passes.
//!
//! A case is an async function that gets a [`Bench`] and answers what it found wrong. [`cases`] is the table of all;
//! [`conformance_tests!`](crate::conformance_tests) makes one test of each, so that a failure names its case.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::contract::Store;

#[macro_use]
mod list;
#[macro_use]
mod bench;

mod backups;
mod commits;
mod compactions;
mod concurrency;
mod durability;
mod feeds;
mod fences;
mod forms;
mod hints;
mod idempotency;
mod limits;
mod reads;
mod scans;
mod snapshots;
mod trims;

pub use bench::Bench;

/// Opens the stores that the cases work on.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Opens the store of this name. The first time it is empty; later it holds what was committed. It is asked to
    /// open a store again only after every handle of it was dropped.
    async fn open(&self, name: &'static str) -> Result<Arc<dyn Store>, Failure>;
}

/// What a case found wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure that says this.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self(format!("{}: unexpected error {error:?}", std::panic::Location::caller()))
    }
}

/// How a case ends.
pub type Outcome = Result<(), Failure>;

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// Group and name, such as `scans::zero_rows_is_invalid`.
    pub name: &'static str,
    run: fn(Bench) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

impl Case {
    /// Runs the case on stores that this harness opens.
    pub async fn run(&self, harness: Arc<dyn Harness>) -> Outcome {
        (self.run)(Bench::new(harness)).await
    }
}

macro_rules! table {
    (() $($group:ident { $($case:ident)* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($group), "::", stringify!($case)),
            run: |bench| Box::pin($group::$case(bench)),
        },)*)*]
    };
}
use table as conformance_table;

/// Every case.
#[must_use]
pub fn cases() -> Vec<Case> {
    crate::conformance_cases!(conformance_table())
}

/// Runs one case to its end, for a test.
///
/// # Panics
///
/// When the case fails, or when there is none of this name.
pub fn run(name: &str, harness: impl Harness) {
    let case = cases().into_iter().find(|case| case.name == name);
    let case = case.unwrap_or_else(|| panic!("no conformance case name={name}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime for a test: {error}"));
    if let Err(failure) = runtime
        .block_on(async move { tokio::spawn(async move { case.run(Arc::new(harness)).await }).await })
        .unwrap_or_else(|error| Err(Failure::new(error.to_string())))
    {
        panic!("{name}: {failure}");
    }
}

/// Makes one test per case; the expression gives a fresh [`Harness`] for each.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        use $crate::conformance_test_each;
        $crate::conformance_cases!(conformance_test_each($harness));
    };
}

/// Used by [`conformance_tests!`](crate::conformance_tests).
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_test_each {
    (($harness:expr) $($group:ident { $($case:ident)* })*) => {
        fn conformance_harness() -> impl $crate::conformance::Harness {
            $harness
        }
        $(mod $group {
            $(#[test]
            fn $case() {
                let name = concat!(stringify!($group), "::", stringify!($case));
                $crate::conformance::run(name, super::conformance_harness());
            })*
        })*
    };
}
