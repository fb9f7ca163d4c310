//! What one place, flags or a TOML file, says about the mapping.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What one place says about the mapping; as flags and as a file.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingLayer {
    /// How rows are written [default: by the file's ending, csv otherwise].
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Names of the columns of a file without a header, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) columns: Option<Vec<String>>,
    /// What separates the columns of a CSV file; `\t` or `tab` is a tab [default: a comma, a tab where the file ends with .tsv].
    #[arg(long, value_name = "CHARACTER")]
    pub(super) delimiter: Option<String>,
    /// How characters are written where the file does not begin with a byte order mark: utf-8, latin1 (read as Windows-1252),
    /// utf-16le, utf-16be, or another name that browsers know [default: utf-8].
    #[arg(long, value_name = "NAME")]
    pub(super) encoding: Option<String>,
    /// What a row becomes [default: event].
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<Kind>,
    /// Name of the event; a template such as `Order Completed` or `{type}`.
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) event: Option<String>,
    /// Id that makes a row one row however often it is sent [default: a hash of dataset, of what the mapping makes of the row, and,
    /// for rows without a timestamp, of the whole file].
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) message_id: Option<String>,
    /// The user id of an event.
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) user_id: Option<String>,
    /// The anonymous id of an event.
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) anonymous_id: Option<String>,
    /// Identities of a record, `NAMESPACE=TEMPLATE`; may be given again.
    #[arg(long = "identity", value_name = "NAMESPACE=TEMPLATE", value_parser = pair)]
    #[serde(default, deserialize_with = "pairs")]
    pub(super) identities: Vec<(String, String)>,
    /// The dataset that records go to [default: the file's name].
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Option<String>,
    /// When it happened [default: when the server takes it].
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) timestamp: Option<String>,
    /// How times are written: `iso`, `unix`, `unix_ms`, or a pattern such as `%Y%m%d` (UTC where it says no offset); may be given
    /// again where there are several ways, and what two of them read differently is refused [default: iso].
    #[arg(long = "time-format", value_name = "FORMAT")]
    #[serde(default, rename = "time_format", deserialize_with = "one_or_more")]
    pub(super) time_formats: Vec<String>,
    /// What stands before the fraction of a number, `.` or `,`; the other one, blanks and apostrophes may then stand between
    /// thousands [default: numbers as JSON writes them].
    #[arg(long, value_name = "CHARACTER")]
    pub(super) decimal: Option<String>,
    /// How one column is written, `COLUMN=FORMAT`: a time format, decimal_comma, decimal_point, or the words of a boolean such as
    /// `ja/nein`; may be given again, for the same column too.
    #[arg(long = "column-format", value_name = "COLUMN=FORMAT", value_parser = pair)]
    #[serde(default, deserialize_with = "lists")]
    pub(super) column_formats: Vec<(String, String)>,
    /// What a column holds where it is empty, `COLUMN=VALUE`; may be given again.
    #[arg(long = "default", value_name = "COLUMN=VALUE", value_parser = pair)]
    #[serde(default, deserialize_with = "pairs")]
    pub(super) defaults: Vec<(String, String)>,
    /// Properties of an event, attributes of a record, `NAME[:TYPE]=TEMPLATE` with the types text, number, boolean,
    /// timestamp and json; may be given again.
    #[arg(long = "property", value_name = "NAME[:TYPE]=TEMPLATE", value_parser = pair)]
    #[serde(default, deserialize_with = "pairs")]
    pub(super) properties: Vec<(String, String)>,
    /// Take every column that is not named elsewhere as a property of its own name.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOLEAN")]
    pub(super) rest: Option<bool>,
    /// Load a row without those of its properties that are not of their type, and end with 0 though rows were refused.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOLEAN")]
    pub(super) lenient: Option<bool>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Comma-separated values, quoted where needed.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Columns separated by blanks.
    Blank,
    /// Parquet, as warehouses export it, uncompressed inside or with SNAPPY.
    Parquet,
}

/// What a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Something that happened.
    Event,
    /// Attributes of a person or an account.
    Record,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, template) = text.split_once('=').ok_or_else(|| format!("expected NAME=TEMPLATE, found {text}"))?;
    Ok((name.to_owned(), template.to_owned()))
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(OneOrMore::deserialize(deserializer)?.into_list())
}

fn lists<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let lists = BTreeMap::<String, OneOrMore>::deserialize(deserializer)?;
    Ok(lists
        .into_iter()
        .flat_map(|(name, list)| list.into_list().into_iter().map(move |one| (name.clone(), one)))
        .collect())
}

fn pairs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

impl MappingLayer {
    /// Reads a TOML file. A key that is not known is an error that names it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read mapping {}", path.display()))?;
        toml::from_str(text.trim_start_matches('\u{feff}'))
            .with_context(|| format!("mapping {} is not valid", path.display()))
    }
}
