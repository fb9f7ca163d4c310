//! Files of Parquet, row group by row group.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Packed, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Compression, DIGITS_MAX, Digits, Field, FieldKind, GROUP_BYTES_MAX, GROUP_ROWS_MAX, unfit, unwritten};
use crate::{Error, Row, Value};

/// The zone of instants.
const UTC: &str = "UTC";

pub(super) struct Columnar {
    fields: Vec<Field>,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

impl Columnar {
    pub(super) fn new(compression: Compression, fields: &[Field]) -> Result<Self, Error> {
        if fields.is_empty() {
            let message = "there is no column; a file of Parquet is expected to have one";
            return Err(Error::invalid("export_columns_invalid", message));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields.iter().map(arrow_field).collect::<Vec<_>>()));
        let packed = match compression {
            Compression::None => Packed::UNCOMPRESSED,
            Compression::Gzip => Packed::GZIP(GzipLevel::default()),
            Compression::Zstd => Packed::ZSTD(ZstdLevel::default()),
            Compression::Snappy => Packed::SNAPPY,
        };
        let properties = WriterProperties::builder()
            .set_compression(packed)
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_created_by("tessera".to_owned())
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(unwritten)?;
        Ok(Self { fields: fields.to_vec(), schema, writer })
    }

    pub(super) fn rows(&mut self, rows: &[Row]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns = self.fields.iter().enumerate().map(|(at, field)| column(field, rows, at));
        let columns = columns.collect::<Result<Vec<ArrayRef>, Error>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(unwritten)?;
        self.writer.write(&batch).map_err(unwritten)?;
        if self.writer.memory_size() >= GROUP_BYTES_MAX {
            self.writer.flush().map_err(unwritten)?;
        }
        Ok(())
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        self.writer.into_inner().map_err(unwritten)
    }
}

fn arrow_field(field: &Field) -> ArrowField {
    let own = match field.kind {
        FieldKind::Boolean => DataType::Boolean,
        FieldKind::Integer => DataType::Int64,
        FieldKind::Decimal(scale) => DataType::Decimal128(DIGITS_MAX, i8::try_from(scale).unwrap_or(i8::MAX)),
        FieldKind::Text | FieldKind::Json => DataType::Utf8,
        FieldKind::Date => DataType::Date32,
        FieldKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    };
    ArrowField::new(&field.name, own, true)
}

fn column(field: &Field, rows: &[Row], at: usize) -> Result<ArrayRef, Error> {
    let values = || rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
    let is_null = |value: &Value| matches!(value, Value::Null);
    let misfit = || unfit(&format!("a value of the column {} is not of its kind, {}", field.name, field.kind.name()));
    let number = |value: &Value| match value {
        Value::Number(text) => Digits::parse(text),
        _ => None,
    };
    Ok(match field.kind {
        FieldKind::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rows.len());
            for value in values() {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Boolean(truth) => builder.append_value(*truth),
                    _ => return Err(misfit()),
                }
            }
            Arc::new(builder.finish())
        }
        FieldKind::Integer => {
            let mut builder = Int64Builder::with_capacity(rows.len());
            for value in values() {
                let own = if is_null(value) { None } else { Some(number(value).and_then(Digits::integer)) };
                builder.append_option(own.map(|own| own.ok_or_else(misfit)).transpose()?);
            }
            Arc::new(builder.finish())
        }
        FieldKind::Decimal(scale) => {
            let own = i8::try_from(scale).unwrap_or(i8::MAX);
            let builder = Decimal128Builder::with_capacity(rows.len()).with_precision_and_scale(DIGITS_MAX, own);
            let mut builder = builder.map_err(unwritten)?;
            for value in values() {
                let own = if is_null(value) { None } else { Some(number(value).and_then(|own| own.units_of(scale))) };
                builder.append_option(own.map(|own| own.ok_or_else(misfit)).transpose()?);
            }
            Arc::new(builder.finish())
        }
        FieldKind::Text | FieldKind::Json => {
            let mut builder = StringBuilder::new();
            for value in values() {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Text(text) => builder.append_value(text),
                    Value::Json(json) => builder.append_value(json.to_string()),
                    _ => return Err(misfit()),
                }
            }
            Arc::new(builder.finish())
        }
        FieldKind::Date => {
            let mut builder = Date32Builder::with_capacity(rows.len());
            for value in values() {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Text(text) => builder.append_value(days(text).ok_or_else(misfit)?),
                    _ => return Err(misfit()),
                }
            }
            Arc::new(builder.finish())
        }
        FieldKind::Timestamp => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(rows.len());
            for value in values() {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Timestamp(text) => {
                        let at = text.parse::<jiff::Timestamp>().map_err(|_| misfit())?;
                        builder.append_value(at.as_microsecond());
                    }
                    _ => return Err(misfit()),
                }
            }
            Arc::new(builder.finish().with_timezone(UTC))
        }
    })
}

/// Days since 1970.
fn days(text: &str) -> Option<i32> {
    let date = text.parse::<jiff::civil::Date>().ok()?;
    let span = jiff::civil::Date::constant(1970, 1, 1).until((jiff::Unit::Day, date)).ok()?;
    Some(span.get_days())
}
