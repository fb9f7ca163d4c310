//! Rows of a Parquet file, each as the line of JSON that it would be: so a mapping takes them as it takes JSON lines, and refused rows are written as these.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_json::value::{RawValue, to_raw_value};
use tempfile::TempDir;
use tessera_connect::{Connect as _, Connection, Connectors, Place, Query, Question, Value};
use tokio::runtime::Runtime;

/// How the name of a file ends that is read where it stands.
const ENDING: &str = ".parquet";

/// A file of which rows are taken one by one.
pub(crate) struct Parquet {
    runtime: Runtime,
    rows: Box<dyn tessera_connect::Rows>,
    names: Vec<String>,
    batch: VecDeque<tessera_connect::Row>,
    number: u64,
    /// What came in by a pipe, until the end.
    _kept: Option<TempDir>,
}

/// A row: its number, from 1, the line of JSON that it is, and its members or why there are none.
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) json: Vec<u8>,
    pub(crate) members: Result<BTreeMap<String, Box<RawValue>>, String>,
}

impl Parquet {
    /// Opens the file at this path, or what comes in. Such a file is read from its end, so a pipe is kept in a temporary file.
    pub(crate) fn open(path: Option<&Path>, mut input: impl Read) -> Result<Self> {
        let in_place = path.filter(|path| path.to_string_lossy().to_ascii_lowercase().ends_with(ENDING));
        let (folder, name, kept) = match in_place.and_then(|path| Some((path, path.file_name()?))) {
            Some((path, name)) => {
                let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                (folder.to_owned(), name.to_string_lossy().into_owned(), None)
            }
            None => {
                let kept = tempfile::tempdir().context("cannot make a temporary folder for what comes in")?;
                let name = format!("rows{ENDING}");
                let mut file = fs::File::create(kept.path().join(&name)).context("cannot keep what comes in")?;
                std::io::copy(&mut input, &mut file).context("cannot keep what comes in in a temporary file")?;
                (kept.path().to_owned(), name, Some(kept))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot read the file")?;
        let question = Question { query: Query::Table(glob::Pattern::escape(&name)), types: BTreeMap::new() };
        let rows = runtime
            .block_on(Connectors::default().open(&Connection::Files(Place::Folder(folder)), &question))
            .map_err(said)?;
        let names = rows.columns().iter().map(|column| column.name.clone()).collect();
        Ok(Self { runtime, rows, names, batch: VecDeque::new(), number: 0, _kept: kept })
    }

    /// The names of its columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The next row, of which these columns are asked for.
    pub(crate) fn read(&mut self, is_taken: impl Fn(&str) -> bool) -> Result<Option<Line>> {
        while self.batch.is_empty() {
            match self.runtime.block_on(self.rows.next()).map_err(said)? {
                Some(rows) => self.batch.extend(rows),
                None => return Ok(None),
            }
        }
        let Some(row) = self.batch.pop_front() else { return Ok(None) };
        self.number += 1;
        let (mut json, mut members, mut unfit) = (b"{".to_vec(), BTreeMap::new(), None);
        for (name, value) in self.names.iter().zip(&row) {
            let raw = match value {
                Value::Unfit(why) if is_taken(name) => {
                    unfit.get_or_insert_with(|| {
                        format!(
                            "column {name} holds what is no value of JSON ({}); write it as null or text",
                            why.code()
                        )
                    });
                    None
                }
                Value::Null | Value::Unfit(_) => None,
                Value::Boolean(is) => Some(to_raw_value(is)?),
                Value::Number(digits) => Some(RawValue::from_string(digits.clone())?),
                Value::Text(text) | Value::Timestamp(text) => Some(to_raw_value(text)?),
                Value::Json(json) => Some(to_raw_value(json)?),
            };
            let raw = raw.map_or_else(|| RawValue::from_string("null".to_owned()), Ok)?;
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend(serde_json::to_vec(name)?);
            json.push(b':');
            json.extend(raw.get().as_bytes());
            members.insert(name.clone(), raw);
        }
        json.push(b'}');
        Ok(Some(Line { number: self.number, json, members: unfit.map_or(Ok(members), Err) }))
    }
}

fn said(error: tessera_connect::Error) -> anyhow::Error {
    anyhow!("{error} ({})", error.code)
}
