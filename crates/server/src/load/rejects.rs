//! The file of refused rows: each row as it came, and in front of it where it stood, a code, what was expected and the value. It
//! can be corrected and loaded as the file was: what stands in front is known for what it is, and ignored.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tessera_service::members::Members;

use super::rows::{Place, Raw};
use super::values::Refusal;

/// The columns in front of a refused row.
pub(crate) const COLUMNS: [&str; 4] = ["rejected_line", "rejected_code", "rejected_expected", "rejected_value"];
/// The member in front of a refused line of JSON.
pub(crate) const MEMBER: &str = "rejected";
/// What the name of a file of refused rows ends with.
const ENDINGS: [&str; 2] = [".rejected.csv", ".rejected.jsonl"];

/// A row that was refused, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Where it stood.
    pub(crate) place: Place,
    /// Which kind of fault.
    pub(crate) code: String,
    /// What is wrong and what was expected.
    pub(crate) expected: String,
    /// The value that is wrong, where it is one.
    pub(crate) value: Option<String>,
    /// The row as it came.
    pub(crate) raw: Raw,
}

impl Refused {
    /// Refused because it cannot be read.
    pub(crate) fn unread(place: Place, raw: Raw, reason: String) -> Self {
        Self { place, code: "row_unreadable".to_owned(), expected: reason, value: None, raw }
    }

    /// Refused here, before it was sent.
    pub(crate) fn new(place: Place, raw: Raw, refusal: Refusal) -> Self {
        let Refusal { code, message, value } = refusal;
        Self { place, code: code.to_owned(), expected: message, value, raw }
    }
}

/// What stands in front of a line of JSON.
#[derive(Serialize, Deserialize)]
struct Reason {
    line: u64,
    code: String,
    expected: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The line, where it is no object that the reason can stand in.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Whether a member of this name is what we wrote, and no column.
pub(crate) fn is_reason(json: &RawValue) -> bool {
    serde_json::from_str::<Reason>(json.get()).is_ok()
}

/// The name of the file that the refused rows in a file of this name are from; none if it holds no such rows.
pub(crate) fn origin(name: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|origin| !origin.is_empty())
}

/// The file, made when the first row comes.
pub(crate) struct Rejects {
    path: PathBuf,
    delimiter: u8,
    /// Columns of the file that rows are from; none where it has none.
    header: Option<Vec<String>>,
    /// Whether a mark tells that this is UTF-8, though the file that rows are from was not.
    is_marked: bool,
    writer: Option<Writer>,
}

enum Writer {
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Json(BufWriter<File>),
}

impl Rejects {
    /// Refused rows will go there.
    pub(crate) fn new(path: PathBuf, delimiter: u8, header: Option<&[String]>, is_marked: bool) -> Self {
        Self { path, delimiter, header: header.map(<[String]>::to_vec), is_marked, writer: None }
    }

    /// The ending of the name of a file of refused rows.
    pub(crate) fn ending(has_columns: bool) -> &'static str {
        ENDINGS[usize::from(!has_columns)]
    }

    /// Writes a row down.
    pub(crate) fn note(&mut self, refused: &Refused) -> Result<()> {
        let what = format!("cannot write {}", self.path.display());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let made = self.start().context(what.clone())?;
                self.writer.insert(made)
            }
        };
        writer.write(refused).context(what)
    }

    /// Writes what is left. Answers the file, if there is one.
    pub(crate) fn close(self) -> Result<Option<PathBuf>> {
        let written = match self.writer {
            None => return Ok(None),
            Some(Writer::Csv(writer)) => writer.into_inner().map_err(|error| error.into_error()),
            Some(Writer::Json(writer)) => Ok(writer),
        };
        let synced = written.and_then(|writer| Ok(writer.into_inner()?)).and_then(|file| file.sync_all());
        synced.with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(Some(self.path))
    }

    fn start(&self) -> Result<Writer> {
        // Somebody may be correcting that of the load before, or it is the very file that is loaded.
        if self.path.is_file() {
            let mut old = self.path.clone().into_os_string();
            old.push(".old");
            fs::rename(&self.path, &old)?;
            eprintln!("tessera: the refused rows of before are in {} now", Path::new(&old).display());
        }
        let mut file = BufWriter::new(File::create(&self.path)?);
        if self.is_marked {
            file.write_all("\u{feff}".as_bytes())?;
        }
        let Some(header) = &self.header else { return Ok(Writer::Json(file)) };
        let mut writer = csv::WriterBuilder::new().delimiter(self.delimiter).flexible(true).from_writer(file);
        writer.write_record(COLUMNS.into_iter().chain(header.iter().map(String::as_str)))?;
        Ok(Writer::Csv(Box::new(writer)))
    }
}

impl Writer {
    fn write(&mut self, refused: &Refused) -> Result<()> {
        match (self, &refused.raw) {
            (Self::Csv(writer), Raw::Columns(record)) => {
                let line = refused.place.line.to_string();
                let value = refused.value.as_deref().unwrap_or_default();
                let reason = [line.as_str(), &refused.code, &refused.expected, value].map(str::as_bytes);
                writer.write_record(reason.into_iter().chain(record.iter()))?;
            }
            (Self::Csv(_), Raw::Line(_)) | (Self::Json(_), Raw::Columns(_)) => {
                unreachable!("rows of a file are all of one format")
            }
            (Self::Json(file), Raw::Line(line)) => {
                file.write_all(&json(refused, line)?)?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}

/// The line with the reason in front of its members; where it is no object, as a text within the reason.
fn json(refused: &Refused, line: &[u8]) -> Result<Vec<u8>> {
    let Refused { place, code, expected, value, raw: _ } = refused;
    let mut reason =
        Reason { line: place.line, code: code.clone(), expected: expected.clone(), value: value.clone(), text: None };
    let text = String::from_utf8_lossy(line);
    let Ok(Members(members)) = Members::parse(&text) else {
        reason.text = Some(text.into_owned());
        return Ok([b"{\"rejected\":", &*serde_json::to_vec(&reason)?, b"}"].concat());
    };
    // A line that was no object before is still what is to be corrected.
    let before = members.iter().find(|(name, _)| name == MEMBER);
    reason.text = before.and_then(|(_, raw)| serde_json::from_str::<Reason>(raw.get()).ok()?.text);
    let mut written = [b"{\"rejected\":", &*serde_json::to_vec(&reason)?].concat();
    for (name, raw) in members.iter().filter(|(name, raw)| name != MEMBER || !is_reason(raw)) {
        written.extend([b",", &*serde_json::to_vec(&Value::from(name.as_str()))?, b":", raw.get().as_bytes()].concat());
    }
    written.push(b'}');
    Ok(written)
}
