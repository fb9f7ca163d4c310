//! Parquet: its own columns and types, row group by row group.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatchReader as _;
use bytes::{Bytes, BytesMut};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::{At, Batching, Source, Stop, opened, places};
use crate::objects::reading::Object;
use crate::{Column, Error, ROW_BYTES_MAX, ROWS_AT_ONCE, arrow};

/// Bytes of a block of an object, and blocks that are kept: the columns of a row group lie side by side, and are read in turn.
const BLOCK_BYTES: u64 = 1 << 20;
const BLOCKS_MAX: usize = 64;

/// Why reading an object failed, which the reader of Parquet does not hand on.
type Trouble = Arc<Mutex<Option<Error>>>;

/// What is read: a file, or an object block by block.
enum Chunks {
    File(File),
    Object(Blocks),
}

struct Blocks {
    object: Object,
    /// With their places, the one that was used last at the end.
    kept: Mutex<Vec<(u64, Bytes)>>,
    trouble: Trouble,
}

impl Blocks {
    fn block(&self, at: u64) -> Result<Bytes, ParquetError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.iter().position(|(own, _)| *own == at) {
            let own = kept.remove(found);
            kept.push(own.clone());
            return Ok(own.1);
        }
        let (from, to) = (at * BLOCK_BYTES, ((at + 1) * BLOCK_BYTES).min(self.object.size()));
        let bytes = self.object.range(from, to).map_err(|error| {
            let failed = ParquetError::General("the object could not be read".into());
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            failed
        })?;
        if kept.len() >= BLOCKS_MAX {
            kept.remove(0);
        }
        kept.push((at, bytes.clone()));
        Ok(bytes)
    }

    fn bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start + length as u64;
        if end > self.object.size() {
            return Err(ParquetError::EOF("the object ends before that".into()));
        }
        let mut all = BytesMut::with_capacity(length);
        let mut at = start;
        while at < end {
            let block = self.block(at / BLOCK_BYTES)?;
            let within = usize::try_from(at % BLOCK_BYTES).unwrap_or(usize::MAX);
            let count = block.len().saturating_sub(within).min(length - all.len());
            if count == 0 {
                return Err(ParquetError::EOF("the object ends before that".into()));
            }
            all.extend_from_slice(&block[within..within + count]);
            at += count as u64;
        }
        Ok(all.freeze())
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => Length::len(file),
            Self::Object(blocks) => blocks.object.size(),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        match self {
            Self::File(file) => Ok(Box::new(file.get_read(start)?)),
            Self::Object(blocks) => {
                // The head of a page is what is read so; it is small, and the page is asked for behind it.
                let block = blocks.block(start / BLOCK_BYTES)?;
                let within = usize::try_from(start % BLOCK_BYTES).unwrap_or(usize::MAX).min(block.len());
                let next = (start / BLOCK_BYTES + 1) * BLOCK_BYTES;
                Ok(Box::new(std::io::Cursor::new(block.slice(within..)).chain(blocks.object.from(next))))
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Object(blocks) => blocks.bytes(start, length),
        }
    }
}

/// Why reading failed: what the object store said, otherwise this.
fn told(trouble: &Trouble, otherwise: Error) -> Error {
    trouble.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(otherwise)
}

fn open(source: &Source) -> Result<(ParquetRecordBatchReader, Trouble), Error> {
    let trouble = Trouble::default();
    let chunks = match &source.at {
        At::Folder(home, path) => Chunks::File(opened(home, path)?),
        At::Bucket(object) => {
            Chunks::Object(Blocks { object: object.clone(), kept: Mutex::default(), trouble: trouble.clone() })
        }
    };
    let invalid = |_| {
        let message = format!("{} is no Parquet that can be read", source.name());
        told(&trouble, Error::invalid("source_file_invalid", message))
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(chunks).map_err(invalid)?;
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
    let reader = builder.with_batch_size(ROWS_AT_ONCE).build().map_err(invalid)?;
    Ok((reader, trouble))
}

/// The columns of a file.
pub(super) fn columns(source: &Source) -> Result<Vec<Column>, Error> {
    Ok(arrow::columns(&open(source)?.0.schema()))
}

pub(super) fn read(source: &Source, columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    let (reader, trouble) = open(source)?;
    let Some(places) = places(columns, &arrow::columns(&reader.schema())) else {
        let message = format!("{} has become another file while it was read", source.name());
        return Err(Error::unreachable("source_lost", message).into());
    };
    let is_in_order = places.iter().enumerate().all(|(at, place)| at == *place);
    for batch in reader {
        let broken = |_| {
            let message = format!("{} could not be read to its end: a part of it is damaged", source.name());
            told(&trouble, Error::invalid("source_file_invalid", message))
        };
        for row in arrow::rows(&batch.map_err(broken)?) {
            let row = if is_in_order { row } else { places.iter().map(|at| row[*at].clone()).collect() };
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
