//! Runs that write a table.

use std::sync::Arc;

use bytes::Bytes;
use tessera_connect::{Field, FieldKind, Replacing, Row, Table};
use tessera_engine::time::Timestamp;

use super::{Piece, as_export};
use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::config::activations::{Activation, PROFILE_ID, RowsWritten};
use crate::read::columns::{self, Choice, Columns, Misfit, Seen, Typing};
use crate::stored::sources::RunCounts;
use crate::work::exports::rows::RowWalk;
use crate::work::kind::Context;
use crate::work::refresh::{for_good, source_error};

/// Rows of one step, and bytes of them.
const ROWS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 4 << 20;

/// A run that writes a table, under way.
pub(crate) struct Gathering {
    pub(super) used_at: Timestamp,
    walk: RowWalk,
    table: Box<dyn Table>,
    choice: Choice,
    phase: Phase,
    looked: u64,
    read: u64,
}

enum Phase {
    /// There is no table yet: rows are looked through for the types of its columns.
    Looking(Seen),
    Writing(Arc<Columns>),
}

/// Does the next piece.
///
/// # Errors
/// What the database or the store answers.
pub(super) async fn piece(ctx: &Context, activation: &Activation, table: &str) -> Result<Piece, Error> {
    let open = ctx.service().activations();
    let place = (ctx.workspace(), ctx.job().id);
    let mut gathering = match open.take(place) {
        Some(gathering) => gathering,
        None => Gathering::begin(ctx, activation, table).await?,
    };
    let is_over = match &gathering.phase {
        Phase::Looking(_) => gathering.look().await.map(|()| false),
        Phase::Writing(columns) => {
            let columns = columns.clone();
            gathering.write(&columns).await
        }
    };
    if is_over? {
        let left_out = gathering.walk.left_out();
        let counts = gathering.end(activation.content.rows).await?;
        return Ok(Piece::Done { counts, left_out });
    }
    let everybody = ctx.service().counts(ctx.workspace()).await?;
    let total = gathering.walk.total(&everybody).map(|own| own * if gathering.looked > 0 { 2 } else { 1 });
    let read = gathering.looked + gathering.read;
    gathering.used_at = ctx.service().now();
    open.hold(place, gathering);
    Ok(Piece::More { read, total, files: None })
}

impl Gathering {
    async fn begin(ctx: &Context, activation: &Activation, table: &str) -> Result<Self, Error> {
        let service = ctx.service();
        let content = as_export(activation, None);
        let config = ctx.configured().await?.stored.clone();
        let walk = RowWalk::begin(ctx.shared(), ctx.workspace(), &content).await?;
        let opened = service.table_of(&config, &activation.content.connection, table).await;
        let mut table = opened.map_err(for_good)?;
        let choice = content.choice();
        let phase = match (table.columns(), &choice) {
            (Some(_), Choice::These(names)) => {
                // The types are those of the table: what is written is text.
                let field = |name: &String| Field { name: name.clone(), kind: FieldKind::Text };
                let fields: Vec<Field> = names.iter().map(field).collect();
                table.begin(&fields).await.map_err(|error| for_good(source_error(error)))?;
                Phase::Writing(Arc::new(fields.into()))
            }
            (Some(_) | None, _) => Phase::Looking(Seen::default()),
        };
        Ok(Self { used_at: service.now(), walk, table, choice, phase, looked: 0, read: 0 })
    }

    /// Looks through some rows for the types of the columns.
    async fn look(&mut self) -> Result<(), Error> {
        let (rows, is_last) = self.some().await?;
        let Phase::Looking(seen) = &mut self.phase else { return Ok(()) };
        rows.iter().try_for_each(|row| seen.see(row, &self.choice))?;
        self.looked += rows.len() as u64;
        if is_last {
            let mut fields = seen.fields(&self.choice, |name| self.walk.times(name));
            for field in fields.iter_mut().filter(|own| own.name == PROFILE_ID) {
                field.kind = FieldKind::Text;
            }
            self.table.begin(&fields).await.map_err(|error| for_good(source_error(error)))?;
            self.phase = Phase::Writing(Arc::new(fields.into()));
            self.walk.rewind();
        }
        Ok(())
    }

    /// Gathers some rows. Answers whether these were the last.
    async fn write(&mut self, columns: &Arc<Columns>) -> Result<bool, Error> {
        let (rows, is_last) = self.some().await?;
        self.read += rows.len() as u64;
        if !rows.is_empty() {
            let placed = placed(rows, columns.clone(), self.choice.clone()).await?;
            self.table.write(&placed).await.map_err(|error| for_good(source_error(error)))?;
        }
        Ok(is_last)
    }

    /// Some rows, and whether these were the last.
    async fn some(&mut self) -> Result<(Vec<Bytes>, bool), Error> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(row) = self.walk.next().await? else { return Ok((rows, true)) };
            bytes += row.json.len();
            rows.push(row.json);
        }
        Ok((rows, false))
    }

    async fn end(self, rows: RowsWritten) -> Result<RunCounts, Error> {
        let how = match rows {
            RowsWritten::Full => Replacing::All,
            RowsWritten::Changed => Replacing::Changed,
        };
        let done = self.table.close(how).await.map_err(|error| for_good(source_error(error)))?;
        Ok(RunCounts {
            read: self.read,
            changed: done.written,
            unchanged: done.unchanged,
            evicted: done.removed,
            refused: 0,
        })
    }
}

/// Rows in their columns, made on a thread for it.
async fn placed(rows: Vec<Bytes>, columns: Arc<Columns>, choice: Choice) -> Result<Vec<Row>, Error> {
    let work = move || {
        let place = |row: &Bytes| {
            columns::row(row, &columns, &choice, Typing::Free)?.map_err(|Misfit(_)| corrupt("row of an activation"))
        };
        rows.iter().map(place).collect()
    };
    let given_up = |_| Error::new(ErrorKind::Internal, "internal", "rows were given up while they were made");
    tokio::task::spawn_blocking(work).await.map_err(given_up)?
}
