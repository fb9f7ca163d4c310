//! In the place of Parquet where the program was built without it.

use super::{Batching, Source, Stop};
use crate::{Column, Error};

fn refused(source: &Source) -> Error {
    let message = format!(
        "{} is Parquet, which this program was built without; build it with `--features parquet`, or export CSV or JSON lines",
        source.name()
    );
    Error::invalid("source_format_unsupported", message)
}

/// No file has columns.
pub(super) fn columns(source: &Source) -> Result<Vec<Column>, Error> {
    Err(refused(source))
}

pub(super) fn read(source: &Source, _: &[Column], _: &mut Batching<'_>) -> Result<(), Stop> {
    Err(refused(source).into())
}
