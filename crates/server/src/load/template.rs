//! Text with columns in it: `{customer}`, `cdnow-{#}`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::rows::{Cell, Row};

/// What a value of a row is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// As it stands.
    Text(String),
    /// The number of the row, from 1.
    Number,
    /// What a column holds.
    Column(String),
}

impl Template {
    /// Reads a template. `{name}` is a column, `{#}` the number of the row, `{{` and `}}` are braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(escaped) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = escaped;
                continue;
            }
            let column = if brace == "{" { after.split_once('}') } else { None };
            let Some((name, after)) = column.filter(|(name, _)| !name.is_empty()) else {
                return Err(format!("no template: {text} (a column is written {{name}}, a brace twice)"));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(if name == "#" { Part::Number } else { Part::Column(name.to_owned()) });
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) | Part::Number => None,
        })
    }

    /// Whether no row has a part in it.
    pub(crate) fn is_constant(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The text of a constant.
    pub(crate) fn constant(&self) -> String {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Number | Part::Column(_) => "",
        });
        texts.collect()
    }

    /// The cell itself where the template is one column and nothing else.
    pub(crate) fn cell<'a>(&self, row: &'a Row) -> Option<Cell<'a>> {
        match &self.0[..] {
            [Part::Column(name)] => row.cell(name),
            _ => None,
        }
    }

    /// The text for this row; none when a column in it is missing or empty.
    pub(crate) fn text<'a>(&'a self, row: &'a Row) -> Option<Cow<'a, str>> {
        self.of_cells(row, Cell::into_text)
    }

    /// The same where something is named: equal numbers of JSON are one name, however they are written.
    pub(crate) fn name<'a>(&'a self, row: &'a Row) -> Option<Cow<'a, str>> {
        self.of_cells(row, Cell::into_name)
    }

    fn of_cells<'a>(&'a self, row: &'a Row, text_of: fn(Cell<'a>) -> Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        match &self.0[..] {
            [Part::Text(text)] => return Some(Cow::Borrowed(text)),
            [Part::Column(name)] => return row.cell(name).and_then(text_of),
            _ => {}
        }
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Number => text.push_str(&row.place.row.to_string()),
                Part::Column(name) => text.push_str(&row.cell(name).and_then(text_of)?),
            }
        }
        Some(Cow::Owned(text))
    }
}
