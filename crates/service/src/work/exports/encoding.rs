//! Rows as bytes of a file, made on a thread for it.

use std::sync::Arc;

use bytes::Bytes;
use tessera_connect::{Encoder, FileFormat};

use super::content::ExportContent;
use crate::base::error::{Error, ErrorKind};
use crate::read::columns::{self, Choice, Columns, Misfit, Typing};
use crate::work::refresh::source_error;

pub(super) fn given_up() -> Error {
    Error::new(ErrorKind::Internal, "internal", "a file was given up while it was written")
}

/// Writes rows into a file, on a thread for it, and answers what came of it so far.
///
/// # Errors
/// `Corrupt`; what the encoder answers. Inside, that a row does not stand in the columns.
pub(super) async fn encoded(
    mut encoder: Encoder,
    rows: Vec<Bytes>,
    columns: Arc<Columns>,
    asked: &ExportContent,
) -> Result<(Encoder, Result<Vec<u8>, Misfit>), Error> {
    let (choice, format) = (asked.choice(), asked.format());
    let work = move || {
        if let Err(misfit) = encode(&mut encoder, &rows, &columns, (&choice, format))? {
            return Ok((encoder, Err(misfit)));
        }
        let made = encoder.take();
        Ok((encoder, Ok(made)))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| given_up())?
}

fn encode(
    encoder: &mut Encoder,
    rows: &[Bytes],
    columns: &Columns,
    (choice, format): (&Choice, FileFormat),
) -> Result<Result<(), Misfit>, Error> {
    let typing = match format {
        FileFormat::JsonLines => {
            let mut lines = Vec::new();
            rows.iter().try_for_each(|row| columns::line(row, choice, &mut lines))?;
            return encoder.lines(&lines).map(Ok).map_err(source_error);
        }
        FileFormat::Csv => Typing::Free,
        FileFormat::Parquet => Typing::Strict,
    };
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        match columns::row(row, columns, choice, typing)? {
            Ok(row) => placed.push(row),
            Err(misfit) => return Ok(Err(misfit)),
        }
    }
    encoder.rows(&placed).map(Ok).map_err(source_error)
}
