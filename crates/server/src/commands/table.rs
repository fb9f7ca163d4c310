//! Answers for people: lists in columns, single things line by line.
//!
//! Values of customers are shown with their control characters replaced: a name must not be able to steer a terminal.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::Value;

/// Characters of a cell in a list.
const CELL_CHARS_MAX: usize = 60;
/// Rows that decide how wide columns are; those behind them may be wider.
const MEASURED: usize = 200;

/// A column: its heading, and where its value stands in an item.
pub(crate) type Column<'a> = (&'a str, &'a str);

/// A list in columns, written as it comes.
pub(crate) struct Table<'a> {
    columns: &'a [Column<'a>],
    /// Rows that wait until the widths are known.
    first: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<'a> Table<'a> {
    /// An empty one.
    pub(crate) fn new(columns: &'a [Column<'a>]) -> Self {
        Self { columns, first: Vec::new(), widths: None }
    }

    /// Adds an item; answers what is to be printed.
    pub(crate) fn push(&mut self, item: &Value) -> String {
        let cells = self.columns.iter().map(|(_, pointer)| cut(&cell(item.pointer(pointer).unwrap_or(&Value::Null))));
        let cells: Vec<String> = cells.collect();
        if let Some(widths) = &self.widths {
            return line(&cells, widths);
        }
        self.first.push(cells);
        if self.first.len() < MEASURED { String::new() } else { self.start() }
    }

    /// What is left to be printed.
    pub(crate) fn end(mut self) -> String {
        if self.widths.is_some() || self.first.is_empty() { String::new() } else { self.start() }
    }

    fn start(&mut self) -> String {
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let rows = std::mem::take(&mut self.first);
        let width = |at: usize| std::iter::once(&headings).chain(&rows).map(|row| row[at].chars().count()).max();
        let widths: Vec<usize> = (0..headings.len()).filter_map(width).collect();
        let text = std::iter::once(&headings).chain(&rows).map(|row| line(row, &widths)).collect();
        self.widths = Some(widths);
        text
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(text, "{cell:<width$}  ");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// One thing: a line for each member, those of objects below each other by their path.
pub(crate) fn record(value: &Value) -> String {
    let mut lines = Vec::new();
    flatten(String::new(), value, &mut lines);
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(CELL_CHARS_MAX);
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<width$}  {value}");
        text
    })
}

fn flatten(path: String, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { plain(name) } else { format!("{path}.{}", plain(name)) };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| flatten(below(name), value, lines));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(below(&at.to_string()), item, lines));
        }
        other => lines.push((path, cell(other))),
    }
}

/// A value in one line.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            if items.is_empty() {
                "-".to_owned()
            } else {
                items.iter().map(cell).collect::<Vec<_>>().join(", ")
            }
        }
        other => plain(&other.to_string()),
    }
}

/// A text that steers no terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{b7}' } else { letter }).collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CELL_CHARS_MAX - 1).chain(['\u{2026}']).collect()
}
