//! Names of datasets and batches in a record, which stand there once, and what counts facts by them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::cluster::{Source, Tally};
use tessera_engine::time::Timestamp;

use super::super::value::time;
use crate::base::codec;
use crate::base::error::Error;

/// Names as they are collected while a record is written.
#[derive(Default)]
pub(in super::super) struct Names<'a>(pub(in super::super) Vec<&'a str>);

impl<'a> Names<'a> {
    pub(super) fn place(&mut self, name: &'a str) -> u16 {
        let at = match self.0.iter().position(|own| *own == name) {
            Some(at) => at,
            None => {
                self.0.push(name);
                self.0.len() - 1
            }
        };
        u16::try_from(at).expect("a record of at most 1 MiB names fewer than 65,536 datasets and batches")
    }

    pub(super) fn batch(&mut self, batch: Option<&'a Arc<str>>) -> u16 {
        batch.map_or(0, |batch| self.place(batch) + 1)
    }

    pub(in super::super) fn tally(&mut self, tally: &'a Tally) -> TallyRecord {
        TallyRecord {
            dataset: self.place(&tally.source.dataset),
            batch: self.batch(tally.source.batch.as_ref()),
            generation: tally.source.generation,
            count: tally.count,
            events: tally.events,
            first: tally.first.micros(),
            span: tally.last.micros().abs_diff(tally.first.micros()),
        }
    }

    pub(super) fn tallies(&mut self, tallies: &'a [Tally]) -> Vec<TallyRecord> {
        tallies.iter().map(|tally| self.tally(tally)).collect()
    }
}

/// Names as they were read, shared by everything that refers to them.
pub(in super::super) struct Shared(Vec<Arc<str>>);

impl Shared {
    pub(in super::super) fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Arc::from(*name)).collect())
    }

    pub(super) fn name(&self, at: u16) -> Result<Arc<str>, Error> {
        self.0.get(usize::from(at)).cloned().ok_or_else(|| codec::corrupt("name"))
    }

    pub(super) fn batch(&self, at: u16) -> Result<Option<Arc<str>>, Error> {
        at.checked_sub(1).map(|at| self.name(at)).transpose()
    }

    pub(super) fn tallies<T: StoredTally>(&self, records: &[T]) -> Result<Vec<Tally>, Error> {
        records.iter().map(|record| record.read(self)).collect()
    }
}

#[derive(Serialize, Deserialize)]
pub(in super::super) struct TallyRecord {
    dataset: u16,
    /// Place of the batch's name plus one; 0 for none.
    batch: u16,
    generation: u32,
    count: u64,
    events: u64,
    first: i64,
    /// Microseconds from `first` to the last.
    span: u64,
}

/// A tally as some version of the record holds it.
pub(in super::super) trait StoredTally {
    fn read(&self, names: &Shared) -> Result<Tally, Error>;
}

impl StoredTally for TallyRecord {
    fn read(&self, names: &Shared) -> Result<Tally, Error> {
        let source =
            Source { dataset: names.name(self.dataset)?, batch: names.batch(self.batch)?, generation: self.generation };
        let (first, last) = span(self.first, self.span)?;
        Ok(Tally { source, count: self.count, events: self.events, first, last })
    }
}

/// The two instants of a tally.
pub(super) fn span(first: i64, span: u64) -> Result<(Timestamp, Timestamp), Error> {
    let last = i64::try_from(span).ok().and_then(|span| first.checked_add(span));
    Ok((time(first)?, time(last.ok_or_else(|| codec::corrupt("span"))?)?))
}
