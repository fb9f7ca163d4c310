//! Record batches of Arrow as rows.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, IntervalUnit, Schema, TimeUnit};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Map, Number, Value as Json};

use crate::{Column, ColumnKind, Row, Unfit, Value};

/// Values within each other.
const DEPTH_MAX: usize = 16;

/// The columns of a schema.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    let column =
        |name: &str, own: &DataType| Column { name: name.to_owned(), kind: kind_of(own), source_type: own.to_string() };
    schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect()
}

fn kind_of(own: &DataType) -> ColumnKind {
    match own {
        DataType::Null => ColumnKind::Empty,
        DataType::Boolean => ColumnKind::Boolean,
        DataType::Timestamp(_, Some(_)) => ColumnKind::Timestamp,
        DataType::Dictionary(_, values) => kind_of(values),
        own if own.is_numeric() || matches!(own, DataType::Duration(_)) => ColumnKind::Number,
        own if own.is_binary() => ColumnKind::Binary,
        own if own.is_nested() => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}

/// The rows of a batch.
pub(crate) fn rows(batch: &RecordBatch) -> Vec<Row> {
    (0..batch.num_rows()).map(|at| batch.columns().iter().map(|array| value(array, at, 0)).collect()).collect()
}

/// Bytes that a row takes, about.
pub(crate) fn bytes_of(row: &Row) -> usize {
    let bytes = |value: &Value| match value {
        Value::Number(text) | Value::Text(text) | Value::Timestamp(text) => text.len(),
        Value::Json(json) => json.to_string().len(),
        Value::Null | Value::Boolean(_) | Value::Unfit(_) => 0,
    };
    row.iter().map(|value| 32 + bytes(value)).sum()
}

fn value(array: &ArrayRef, at: usize, depth: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    let text = |text: &str| Value::Text(text.to_owned());
    match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Boolean(array.as_boolean().value(at)),
        DataType::Utf8 => text(array.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(at)),
        DataType::Utf8View => text(array.as_string_view().value(at)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values(), dictionary.normalized_keys()[at], depth)
        }
        own if own.is_numeric() => number(array, at),
        own if own.is_binary() => Value::Unfit(Unfit::Binary),
        DataType::Union(..) if depth < DEPTH_MAX => value(&array.as_union().value(at), 0, depth + 1),
        own if own.is_nested() => nested(array, at, depth).map_or_else(Value::Unfit, Value::Json),
        _ => time(array, at),
    }
}

/// The value of an array of this type.
fn of<T: ArrowPrimitiveType>(array: &ArrayRef, at: usize) -> T::Native {
    array.as_primitive::<T>().value(at)
}

fn number(array: &ArrayRef, at: usize) -> Value {
    let digits = match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array, at).to_string(),
        DataType::Int16 => of::<Int16Type>(array, at).to_string(),
        DataType::Int32 => of::<Int32Type>(array, at).to_string(),
        DataType::Int64 => of::<Int64Type>(array, at).to_string(),
        DataType::UInt8 => of::<UInt8Type>(array, at).to_string(),
        DataType::UInt16 => of::<UInt16Type>(array, at).to_string(),
        DataType::UInt32 => of::<UInt32Type>(array, at).to_string(),
        DataType::UInt64 => of::<UInt64Type>(array, at).to_string(),
        DataType::Float16 => return float(of::<Float16Type>(array, at).to_f64()),
        DataType::Float32 => {
            let own = of::<Float32Type>(array, at);
            return if own.is_finite() { Value::Number(own.to_string()) } else { Value::Unfit(Unfit::NotFinite) };
        }
        DataType::Float64 => return float(of::<Float64Type>(array, at)),
        DataType::Decimal32(_, scale) => scaled(&of::<Decimal32Type>(array, at).to_string(), *scale),
        DataType::Decimal64(_, scale) => scaled(&of::<Decimal64Type>(array, at).to_string(), *scale),
        DataType::Decimal128(_, scale) => scaled(&of::<Decimal128Type>(array, at).to_string(), *scale),
        DataType::Decimal256(_, scale) => scaled(&of::<Decimal256Type>(array, at).to_string(), *scale),
        _ => return Value::Unfit(Unfit::NotOfKind),
    };
    Value::Number(digits)
}

fn float(own: f64) -> Value {
    if own.is_finite() { Value::Number(own.to_string()) } else { Value::Unfit(Unfit::NotFinite) }
}

/// A whole number of units of a power of ten, in decimal digits.
fn scaled(units: &str, scale: i8) -> String {
    let Ok(places @ 1..) = usize::try_from(scale) else {
        return format!("{units}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    let (sign, digits) = units.strip_prefix('-').map_or(("", units), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{part}")
}

fn time(array: &ArrayRef, at: usize) -> Value {
    let text = match array.data_type() {
        DataType::Timestamp(unit, zone) => {
            let instant = match unit {
                TimeUnit::Second => Timestamp::from_second(of::<TimestampSecondType>(array, at)),
                TimeUnit::Millisecond => Timestamp::from_millisecond(of::<TimestampMillisecondType>(array, at)),
                TimeUnit::Microsecond => Timestamp::from_microsecond(of::<TimestampMicrosecondType>(array, at)),
                TimeUnit::Nanosecond => {
                    Timestamp::from_nanosecond(i128::from(of::<TimestampNanosecondType>(array, at)))
                }
            };
            let Ok(instant) = instant else { return Value::Unfit(Unfit::OutOfRange) };
            let local = instant.to_zoned(TimeZone::UTC).datetime();
            if local.year() < 1 {
                return Value::Unfit(Unfit::OutOfRange);
            }
            // Without a zone it is nobody's instant.
            return if zone.is_some() { Value::Timestamp(instant.to_string()) } else { Value::Text(local.to_string()) };
        }
        DataType::Date32 => date(i64::from(of::<Date32Type>(array, at))),
        DataType::Date64 => date(of::<Date64Type>(array, at).div_euclid(86_400_000)),
        DataType::Time32(TimeUnit::Second) => clock(i128::from(of::<Time32SecondType>(array, at)) * 1_000_000_000),
        DataType::Time32(_) => clock(i128::from(of::<Time32MillisecondType>(array, at)) * 1_000_000),
        DataType::Time64(TimeUnit::Microsecond) => clock(i128::from(of::<Time64MicrosecondType>(array, at)) * 1_000),
        DataType::Time64(_) => clock(i128::from(of::<Time64NanosecondType>(array, at))),
        DataType::Duration(unit) => {
            let (units, scale) = match unit {
                TimeUnit::Second => (of::<DurationSecondType>(array, at), 0),
                TimeUnit::Millisecond => (of::<DurationMillisecondType>(array, at), 3),
                TimeUnit::Microsecond => (of::<DurationMicrosecondType>(array, at), 6),
                TimeUnit::Nanosecond => (of::<DurationNanosecondType>(array, at), 9),
            };
            return Value::Number(scaled(&units.to_string(), scale));
        }
        DataType::Interval(unit) => return Value::Text(interval(array, at, *unit)),
        _ => return Value::Unfit(Unfit::NotOfKind),
    };
    text.map_or(Value::Unfit(Unfit::OutOfRange), Value::Text)
}

/// A span of the calendar, as ISO 8601 has it.
fn interval(array: &ArrayRef, at: usize, unit: IntervalUnit) -> String {
    let (months, days, nanos) = match unit {
        IntervalUnit::YearMonth => (of::<IntervalYearMonthType>(array, at), 0, 0),
        IntervalUnit::DayTime => {
            let own = of::<IntervalDayTimeType>(array, at);
            (0, own.days, i64::from(own.milliseconds) * 1_000_000)
        }
        IntervalUnit::MonthDayNano => {
            let own = of::<IntervalMonthDayNanoType>(array, at);
            (own.months, own.days, own.nanoseconds)
        }
    };
    let mut text = String::from("P");
    let mut part = |number: &str, unit: &str| text.push_str(&format!("{number}{unit}"));
    if months != 0 {
        part(&months.to_string(), "M");
    }
    if days != 0 {
        part(&days.to_string(), "D");
    }
    if nanos != 0 || months == 0 && days == 0 {
        let seconds = scaled(&nanos.to_string(), 9);
        part("T", seconds.trim_end_matches('0').trim_end_matches('.'));
        part("", "S");
    }
    text
}

fn date(days: i64) -> Option<String> {
    let days = i32::try_from(days).ok()?;
    let date = Date::constant(1970, 1, 1).checked_add(days.days()).ok()?;
    (date.year() >= 1).then(|| date.to_string())
}

fn clock(nanos: i128) -> Option<String> {
    let nanos = SignedDuration::from_nanos(i64::try_from(nanos).ok()?);
    Time::midnight().checked_add(nanos).ok().map(|time| time.to_string())
}

fn nested(array: &ArrayRef, at: usize, depth: usize) -> Result<Json, Unfit> {
    if depth >= DEPTH_MAX {
        return Err(Unfit::NotOfKind);
    }
    let all = |items: ArrayRef| -> Result<Json, Unfit> {
        (0..items.len()).map(|at| json(&items, at, depth + 1)).collect::<Result<Vec<Json>, Unfit>>().map(Json::Array)
    };
    match array.data_type() {
        DataType::List(_) => all(array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => all(array.as_list::<i64>().value(at)),
        DataType::ListView(_) => all(array.as_list_view::<i32>().value(at)),
        DataType::LargeListView(_) => all(array.as_list_view::<i64>().value(at)),
        DataType::FixedSizeList(..) => all(array.as_fixed_size_list().value(at)),
        DataType::Struct(fields) => {
            let own = array.as_struct();
            let members = fields.iter().zip(own.columns());
            let member = |(field, column): (&arrow_schema::FieldRef, &ArrayRef)| {
                Ok((field.name().clone(), json(column, at, depth + 1)?))
            };
            members.map(member).collect::<Result<Map<String, Json>, Unfit>>().map(Json::Object)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(at);
            let (names, values) = (entries.column(0), entries.column(1));
            let mut members = Map::new();
            for at in 0..entries.len() {
                let Value::Text(name) = value(names, at, depth + 1) else { return Err(Unfit::NotOfKind) };
                members.insert(name, json(values, at, depth + 1)?);
            }
            Ok(Json::Object(members))
        }
        _ => Err(Unfit::NotOfKind),
    }
}

fn json(array: &ArrayRef, at: usize, depth: usize) -> Result<Json, Unfit> {
    Ok(match value(array, at, depth) {
        Value::Null => Json::Null,
        Value::Boolean(truth) => Json::Bool(truth),
        Value::Number(digits) => Json::Number(digits.parse::<Number>().map_err(|_| Unfit::NotOfKind)?),
        Value::Text(text) | Value::Timestamp(text) => Json::String(text),
        Value::Json(json) => json,
        Value::Unfit(unfit) => return Err(unfit),
    })
}
