//! A scenario as it stands in a file: requests at several doors, and what each is expected to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::harness::doors::Door;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What happens in it.
    pub(crate) about: String,
    pub(crate) steps: Vec<Step>,
}

/// A request, and what its answer is expected to be. Texts in it may hold `{names}`: see `Names`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// What it shows.
    pub(crate) proves: String,
    pub(crate) door: Door,
    /// Method and path.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// Another key than that of the run.
    pub(crate) key: Option<String>,
    pub(crate) status: u16,
    /// Asked again until the answer is as expected, for what a job brings about.
    #[serde(default)]
    pub(crate) until: bool,
    #[serde(default, rename = "expect")]
    pub(crate) expected: Expected,
    /// Names of values for later steps, by their place in the answer.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, Keep>,
}

/// Where a value stands that is kept.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Keep {
    /// At this place.
    Place(String),
    /// At a place of the item of a list that is like this.
    Of { list: String, like: BTreeMap<String, Value>, at: String },
}

/// What an answer is expected to be, beside its status. Places are JSON pointers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expected {
    /// Values by their places.
    pub(crate) has: BTreeMap<String, Value>,
    /// Values that are there and are other ones than these, by their places.
    pub(crate) differs: BTreeMap<String, Value>,
    /// Places where there is nothing.
    pub(crate) lacks: Vec<String>,
    /// How many items a list has.
    pub(crate) counts: BTreeMap<String, usize>,
    /// Items that a list has, in any order: each is said by some of its values.
    pub(crate) some: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    /// Items that a list has none of.
    pub(crate) none: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    /// All items of a list, in any order.
    pub(crate) all: BTreeMap<String, Vec<Value>>,
    /// Rows of a CSV.
    pub(crate) csv: Vec<Rows>,
}

/// Rows of a CSV that hold these values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    /// Values by their columns.
    pub(crate) r#where: BTreeMap<String, String>,
    /// How many there are.
    pub(crate) rows: usize,
    /// What each of them holds beside.
    #[serde(default)]
    pub(crate) have: BTreeMap<String, String>,
    /// Names of values of the first row for later steps, by their columns.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
}

impl Expected {
    /// Whether nothing is expected.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { has, differs, lacks, counts, some, none, all, csv } = self;
        has.is_empty()
            && differs.is_empty()
            && lacks.is_empty()
            && counts.is_empty()
            && some.is_empty()
            && none.is_empty()
            && all.is_empty()
            && csv.is_empty()
    }
}

impl Step {
    /// Whether it says something to the server, and does not only ask.
    pub(crate) fn says(&self) -> bool {
        let (method, path) = self.request.split_once(' ').expect("method and path");
        method != "GET" && !["/export/", ":preview", "/preview", "matchby"].iter().any(|part| path.contains(part))
    }

    /// Whether its answer is looked at.
    fn asks(&self) -> bool {
        !self.says() || !self.expected.is_empty() || self.status >= 400
    }
}

impl Scenario {
    /// Pairs of doors of which one was told something, and the other was asked later.
    pub(crate) fn pairs(&self) -> BTreeSet<(Door, Door)> {
        let mut found = BTreeSet::new();
        for (at, told) in self.steps.iter().enumerate().filter(|(_, step)| step.says() && step.status < 400) {
            for asked in self.steps[at..].iter().filter(|step| step.asks() && step.door != told.door) {
                found.insert((told.door.min(asked.door), told.door.max(asked.door)));
            }
        }
        found
    }
}

/// The folder of the files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// All scenarios by the names of their files.
pub(crate) fn all() -> BTreeMap<String, Scenario> {
    let entries = fs::read_dir(folder()).expect("the folder of scenarios");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let text = fs::read_to_string(&path).expect("a file");
        let scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, scenario)
    };
    files.map(read).collect()
}
