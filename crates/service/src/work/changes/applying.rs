//! A batch of changes, written as a refresh writes rows: the same hashes, so that the next refresh takes them for what they were.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tessera_connect::{Changes, Column, Piece, Position, Reached, Row, Value};
use tessera_store::{Direction, ScanLimit, Store};
use xxhash_rust::xxh3::xxh3_64;

use crate::base::error::{Error, ErrorKind};
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::config::sources::{Source, source};
use crate::stored::keys::Scope;
use crate::stored::sources::{HASH_BYTES, RunCounts, decode_row};
use crate::work::refresh::before::ROWS_MAX;
use crate::work::refresh::mapping::Mapping;
use crate::work::refresh::turns::SourceKey;
use crate::work::refresh::writing::Writing;
use crate::work::refresh::{changed_columns, source_error};
use crate::work::service::Service;

type Hash = [u8; HASH_BYTES];

/// Rows that are looked up or taken back at once.
const AT_ONCE: usize = 500;
/// Rows that are counted at once.
const COUNTED_AT_ONCE: usize = 10_000;

/// What a batch came to.
pub(super) struct Applied {
    /// How far it reached; nothing where it was given up, for a refresh has to come first.
    pub(super) reached: Option<Reached>,
    pub(super) counts: RunCounts,
    /// What a refresh has to decide.
    pub(super) trouble: Option<Error>,
}

/// Writes all that was committed up to a place.
///
/// # Errors
/// What the database or the store answers. What was written stays; all of it comes again.
pub(super) async fn apply(
    service: &Service,
    key: SourceKey,
    (name, own): (&str, &Source),
    session: &mut dyn Changes,
    upto: Position,
) -> Result<Applied, Error> {
    let configured = service.configured(key.0).await?;
    let present = source(&configured.stored, name)?;
    let given_up = |trouble| Applied { reached: None, counts: RunCounts::default(), trouble };
    if (present.number, present.set) != (own.number, own.set) {
        return Ok(given_up(None));
    }
    let mut batch = Batch::new(service, key, (name, own), configured);
    session.begin(upto).await.map_err(source_error)?;
    while let Some(piece) = session.next().await.map_err(source_error)? {
        if let Some(trouble) = batch.know(session.columns()).await? {
            return Ok(given_up(Some(trouble)));
        }
        match piece {
            Piece::Rows(rows) => batch.write(rows).await?,
            Piece::Gone(keys) => batch.gone(&keys)?,
            Piece::Emptied => batch.is_emptied = true,
        }
    }
    let trouble = batch.take_back().await?;
    Ok(Applied { reached: session.reached(), counts: batch.counts(), trouble })
}

struct Batch<'a> {
    service: &'a Service,
    key: SourceKey,
    name: &'a str,
    source: &'a Source,
    configured: Arc<Configured>,
    columns: Vec<Column>,
    writing: Option<Writing>,
    /// The place of the column that says which row one is.
    place: usize,
    /// Rows that were there when they were read last: whose they are, and how their keys are spelled, hashed.
    seen: HashMap<Hash, u64>,
    /// Whose row was not there.
    gone: BTreeSet<Hash>,
    is_emptied: bool,
}

impl<'a> Batch<'a> {
    fn new(
        service: &'a Service,
        key: SourceKey,
        (name, source): (&'a str, &'a Source),
        configured: Arc<Configured>,
    ) -> Self {
        let (columns, seen, gone) = (Vec::new(), HashMap::new(), BTreeSet::new());
        Self { service, key, name, source, configured, columns, writing: None, place: 0, seen, gone, is_emptied: false }
    }

    fn counts(&self) -> RunCounts {
        self.writing.as_ref().map(|own| own.counts).unwrap_or_default()
    }

    /// Takes the columns in. Answers why a refresh has to come first, where they are not those of the last.
    async fn know(&mut self, columns: &[Column]) -> Result<Option<Error>, Error> {
        if columns == self.columns || columns.is_empty() {
            return Ok(None);
        }
        let mapping = match Mapping::new(self.name, self.source, columns, &self.configured.config) {
            Ok(mapping) => mapping,
            Err(error) => return Ok(Some(error)),
        };
        let scope = Scope::new(self.key.0);
        match changed_columns(&**self.service.store(), scope, self.source, &mapping).await {
            Ok(None) => {}
            Ok(Some(error)) => return Ok(Some(error)),
            Err(error) if error.code == "source_columns_changed" => return Ok(Some(error)),
            Err(error) => return Err(error),
        }
        let key = self.source.key_column();
        self.place = columns.iter().position(|column| column.name == *key).unwrap_or_default();
        self.columns = columns.to_vec();
        match &mut self.writing {
            Some(writing) => writing.mapping = mapping,
            None => self.writing = Some(Writing::new(self.key.0, self.name, self.key.1, mapping)),
        }
        Ok(None)
    }

    /// Writes what of these rows is new or says something else.
    async fn write(&mut self, rows: Vec<Row>) -> Result<(), Error> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let (mut looked, mut twice, mut buffer) = (Vec::with_capacity(rows.len()), HashSet::new(), Vec::new());
        for row in rows {
            match writing.mapping.look(&row, &mut buffer) {
                Ok(mapped) if twice.insert(mapped.key) => {
                    self.gone.remove(&mapped.key);
                    self.seen.insert(mapped.key, spelled(&row[self.place]));
                    looked.push((row, mapped));
                }
                Ok(_) => writing.refuse("row_duplicate"),
                Err(code) => writing.refuse(code),
            }
        }
        if self.seen.len() > ROWS_MAX {
            let message = format!("a source has as many rows as it may rows_max={ROWS_MAX}; divide it into several");
            return Err(Error::new(ErrorKind::LimitExceeded, "source_too_many_rows", message));
        }
        let keys: Vec<_> = looked.iter().map(|(_, mapped)| writing.key(&mapped.key)).collect();
        let found = self.service.store().get(&keys).await.map_err(|error| read_failed(&error))?;
        let mut items = Vec::new();
        for ((row, mapped), said) in looked.into_iter().zip(found.value) {
            let before = said.map(|said| decode_row(&said.value)).transpose()?;
            if before.is_some_and(|before| before.hash == mapped.hash) {
                writing.counts.unchanged += 1;
            } else {
                items.extend(writing.item(&self.configured, row, &mapped));
            }
        }
        writing.submit(self.service, items).await
    }

    /// Notes whose rows are gone. A row of the same person with another spelling of its key stays.
    fn gone(&mut self, keys: &[Value]) -> Result<(), Error> {
        let Some(writing) = &self.writing else { return Ok(()) };
        for value in keys {
            let Ok(key) = writing.mapping.key(value) else { continue };
            if self.seen.get(&key).is_some_and(|own| *own != spelled(value)) {
                continue;
            }
            self.seen.remove(&key);
            self.gone.insert(key);
        }
        if self.gone.len() > ROWS_MAX {
            let message = format!("more rows are gone than a source may have rows_max={ROWS_MAX}");
            return Err(Error::new(ErrorKind::LimitExceeded, "source_too_many_rows", message));
        }
        Ok(())
    }

    /// Takes back what rows said that are gone, unless these are too many. Answers what a refresh has to decide.
    async fn take_back(&mut self) -> Result<Option<Error>, Error> {
        let emptied = self.is_emptied.then(|| {
            let message =
                "the table was emptied at once; nothing was taken back for that, and a refresh decides what is no more";
            Error::new(ErrorKind::Conflict, "source_table_emptied", message)
        });
        let Some(writing) = &mut self.writing else { return Ok(emptied) };
        let (store, gone) = (&**self.service.store(), std::mem::take(&mut self.gone));
        let gone: Vec<Hash> = gone.into_iter().collect();
        let mut known = 0;
        for some in gone.chunks(AT_ONCE) {
            known += writing.evictions(store, some).await?.len();
        }
        let share = self.source.content.evict_max_share;
        if is_over(store, Scope::new(self.key.0), self.key.1, (known, share)).await? {
            let message = format!(
                "{known} rows are no more at once, which is over the share of {share} that may be taken back; none was taken back for that, and a refresh \
                 decides"
            );
            return Ok(emptied.or(Some(Error::new(ErrorKind::Conflict, "source_evicts_too_many", message))));
        }
        for some in gone.chunks(AT_ONCE) {
            let items = writing.evictions(store, some).await?;
            writing.submit(self.service, items).await?;
        }
        Ok(emptied)
    }
}

/// Whether so many rows are more than a share of all. Counts no further than it has to.
async fn is_over(store: &dyn Store, scope: Scope, number: u32, (gone, share): (usize, f64)) -> Result<bool, Error> {
    if gone == 0 || share >= 1.0 {
        return Ok(false);
    }
    #[expect(clippy::cast_precision_loss, reason = "rows are at most ten million")]
    let is_over = |rows: usize| gone as f64 > share * rows as f64;
    let (mut rows, mut rest) = (0, Some(scope.source_rows(number)));
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(COUNTED_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        rows += page.rows.len();
        if !is_over(rows) {
            return Ok(false);
        }
        rest = page.next;
    }
    Ok(true)
}

/// How a key is spelled, hashed.
fn spelled(value: &Value) -> u64 {
    match value {
        Value::Text(text) | Value::Number(text) | Value::Timestamp(text) => xxh3_64(text.as_bytes()),
        Value::Null | Value::Boolean(_) | Value::Json(_) | Value::Unfit(_) => 0,
    }
}
