//! Parquet: its own columns and types, row group by row group.

use std::fs::File;

use arrow_array::RecordBatchReader as _;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::{Batching, Source, Stop, unreadable};
use crate::{Column, Error, ROW_BYTES_MAX, ROWS_AT_ONCE, arrow};

fn open(source: &Source) -> Result<ParquetRecordBatchReader, Error> {
    let file = File::open(&source.path).map_err(|error| unreadable(&source.path, &error))?;
    let invalid =
        |_| Error::invalid("source_file_invalid", format!("{} is no Parquet that can be read", source.name()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(invalid)?;
    let groups = builder.metadata().row_groups().iter();
    let packed = groups.flat_map(|group| group.columns()).map(ColumnChunkMetaData::compression);
    for packed in packed {
        if !matches!(
            packed,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
        ) {
            let message = format!(
                "{} is compressed as {packed}, which is not read here; write it with SNAPPY, GZIP or ZSTD, or uncompressed",
                source.name()
            );
            return Err(Error::invalid("source_format_unsupported", message));
        }
    }
    builder.with_batch_size(ROWS_AT_ONCE).build().map_err(invalid)
}

/// The columns of a file.
pub(super) fn columns(source: &Source) -> Result<Vec<Column>, Error> {
    Ok(arrow::columns(&open(source)?.schema()))
}

pub(super) fn read(source: &Source, columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    let reader = open(source)?;
    if arrow::columns(&reader.schema()) != columns {
        let message = format!("{} has become another file while it was read", source.name());
        return Err(Error::unreachable("source_lost", message).into());
    }
    for batch in reader {
        let broken = |_| {
            let message = format!("{} could not be read to its end: a part of it is damaged", source.name());
            Error::invalid("source_file_invalid", message)
        };
        for row in arrow::rows(&batch.map_err(broken)?) {
            let bytes = arrow::bytes_of(&row);
            if bytes > ROW_BYTES_MAX + 32 * columns.len() {
                let message = format!("a row of {} is larger than may be bytes_max={ROW_BYTES_MAX}", source.name());
                return Err(Error::invalid("source_row_too_large", message).into());
            }
            batching.push(row, bytes)?;
        }
    }
    Ok(())
}
