//! An export as one answer, made while it is sent.

use std::sync::Arc;

use bytes::Bytes;
use tessera_connect::Encoder;

use super::content::ExportContent;
use super::encoding::{encoded, given_up};
use super::rows::RowWalk;
use super::{BYTES_AT_ONCE, Sending};
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::read::columns::{Columns, Misfit, Seen};
use crate::work::refresh::source_error;
use crate::work::service::Service;

/// Rows of one part of an answer.
const ROWS_AT_ONCE: usize = 500;

/// An export that is sent as it is made. It holds some rows, and of Parquet a row group.
pub struct ExportStream {
    content: ExportContent,
    walk: RowWalk,
    state: State,
    _sending: Sending,
}

enum State {
    Looking,
    Writing { encoder: Option<Encoder>, columns: Arc<Columns> },
    Ended,
}

impl ExportStream {
    /// Begins at the present instant.
    ///
    /// # Errors
    /// As [`ExportContent::check`]; what the store answers.
    pub(crate) async fn begin(
        service: &Arc<Service>,
        workspace: WorkspaceId,
        content: ExportContent,
    ) -> Result<Self, Error> {
        let _sending = service.exports().send(workspace)?;
        let walk = RowWalk::begin(service, workspace, &content).await?;
        Ok(Self { content, walk, state: State::Looking, _sending })
    }

    /// What it brings, and how.
    #[must_use]
    pub fn content(&self) -> &ExportContent {
        &self.content
    }

    /// The next part, never empty; none at the end.
    ///
    /// # Errors
    /// `LimitExceeded` with `export_columns_too_many`; `Conflict` with `export_columns_changed`; as the walk answers. What was sent is not
    /// whole then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match &mut self.state {
                State::Ended => return Ok(None),
                State::Looking => {
                    self.look().await?;
                }
                State::Writing { .. } => {
                    let part = self.write().await?;
                    if !part.is_empty() {
                        return Ok(Some(part.into()));
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let choice = self.content.choice();
        let fields = match self.content.known_fields() {
            Some(fields) => fields,
            None => {
                let mut seen = Seen::default();
                while let Some(row) = self.walk.next().await? {
                    seen.see(&row.json, &choice)?;
                }
                self.walk.rewind();
                seen.fields(&choice, |name| self.walk.times(name))
            }
        };
        let encoder = match (fields.is_empty(), self.content.format()) {
            // Nobody is there, and a file of Parquet has columns.
            (true, tessera_connect::FileFormat::Parquet) => {
                self.state = State::Ended;
                return Ok(());
            }
            (_, format) => Encoder::new(format, self.content.compression(), &fields).map_err(source_error)?,
        };
        self.state = State::Writing { encoder: Some(encoder), columns: Arc::new(fields.into()) };
        Ok(())
    }

    async fn write(&mut self) -> Result<Vec<u8>, Error> {
        let State::Writing { encoder, columns } = &mut self.state else { return Ok(Vec::new()) };
        let (mut rows, mut bytes, mut is_last) = (Vec::new(), 0, false);
        while rows.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(row) = self.walk.next().await? else {
                is_last = true;
                break;
            };
            bytes += row.json.len();
            rows.push(row.json);
        }
        let own = encoder.take().ok_or_else(given_up)?;
        let (own, made) = encoded(own, rows, columns.clone(), &self.content).await?;
        let mut made = made.map_err(|Misfit(name)| {
            let message =
                format!("the rows have become others than they were: the column {name} is new, or of another type");
            Error::new(ErrorKind::Conflict, "export_columns_changed", message)
        })?;
        if is_last {
            self.state = State::Ended;
            made.extend(own.finish().map_err(source_error)?);
        } else {
            *encoder = Some(own);
        }
        Ok(made)
    }
}
