//! Where an export is: what its job keeps.

use serde::{Deserialize, Serialize};
use tessera_connect::{Field, FieldKind};

/// Where an export is: what its job keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reached {
    /// The columns, once they are known.
    pub(super) columns: Option<Vec<(String, KindRecord)>>,
    /// The row of the store behind which it goes on.
    pub(super) behind: Option<Vec<u8>>,
    /// The files that are whole.
    pub(crate) files: Vec<Written>,
    /// The most files that there ever were.
    pub(super) files_most: usize,
    /// All rows were read.
    pub(super) is_last: bool,
    /// The id and the version of its merge policy.
    pub(super) policy: Option<(String, u64)>,
    /// How often it began anew.
    pub(super) anew: u8,
    /// The most that was told of its progress.
    pub(super) done: u64,
}

/// A file that is whole.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The instant whose rows it has, in microseconds.
    pub(crate) as_of: i64,
}

/// A kind of values as a job keeps it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum KindRecord {
    Boolean,
    Integer,
    Decimal(u8),
    Text,
    Date,
    Timestamp,
    Json,
}

impl From<FieldKind> for KindRecord {
    fn from(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Boolean => Self::Boolean,
            FieldKind::Integer => Self::Integer,
            FieldKind::Decimal(scale) => Self::Decimal(scale),
            FieldKind::Text => Self::Text,
            FieldKind::Date => Self::Date,
            FieldKind::Timestamp => Self::Timestamp,
            FieldKind::Json => Self::Json,
        }
    }
}

impl From<KindRecord> for FieldKind {
    fn from(kind: KindRecord) -> Self {
        match kind {
            KindRecord::Boolean => Self::Boolean,
            KindRecord::Integer => Self::Integer,
            KindRecord::Decimal(scale) => Self::Decimal(scale),
            KindRecord::Text => Self::Text,
            KindRecord::Date => Self::Date,
            KindRecord::Timestamp => Self::Timestamp,
            KindRecord::Json => Self::Json,
        }
    }
}

impl Reached {
    /// The columns, as they are written.
    pub(crate) fn fields(&self) -> Option<Vec<Field>> {
        let field = |(name, kind): &(String, KindRecord)| Field { name: name.clone(), kind: (*kind).into() };
        self.columns.as_ref().map(|columns| columns.iter().map(field).collect())
    }

    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|own| own.rows).sum()
    }

    /// The progress that is told: it never goes back.
    pub(super) fn tell(&mut self, done: u64) -> u64 {
        self.done = self.done.max(done);
        self.done
    }

    /// As it was before anything was written.
    pub(super) fn anew(&self) -> Self {
        Self {
            files_most: self.files_most.max(self.files.len()),
            anew: self.anew + 1,
            done: self.done,
            ..Self::default()
        }
    }
}

/// Columns as a job keeps them.
pub(super) fn records(fields: &[Field]) -> Vec<(String, KindRecord)> {
    fields.iter().map(|field| (field.name.clone(), field.kind.into())).collect()
}

#[cfg(test)]
impl Reached {
    /// One of everything.
    pub(crate) fn sample() -> Self {
        let kinds = [
            ("profile_id", FieldKind::Text),
            ("vip", FieldKind::Boolean),
            ("n", FieldKind::Integer),
            ("spent", FieldKind::Decimal(2)),
            ("day", FieldKind::Date),
            ("at", FieldKind::Timestamp),
            ("tags", FieldKind::Json),
        ];
        Self {
            columns: Some(kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind.into())).collect()),
            behind: Some(vec![1, 2, 3]),
            files: vec![Written { rows: 1_000, bytes: 70_501, as_of: 1_700_000_000_000_000 }],
            files_most: 2,
            is_last: false,
            policy: Some(("default".to_owned(), 3)),
            anew: 1,
            done: 1_500,
        }
    }
}
