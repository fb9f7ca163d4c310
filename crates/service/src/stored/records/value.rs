//! Values of attributes, as records hold them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Value};

use crate::base::codec;
use crate::base::error::Error;

#[derive(Serialize, Deserialize)]
pub(crate) enum ValueRecord<'a> {
    Null,
    Bool(bool),
    Number(i128),
    Text(#[serde(borrow)] &'a str),
    Timestamp(i64),
    List(#[serde(borrow)] Vec<ValueRecord<'a>>),
    Set(#[serde(borrow)] Vec<ValueRecord<'a>>),
    Object(#[serde(borrow)] Vec<(&'a str, ValueRecord<'a>)>),
}

impl<'a> From<&'a Value> for ValueRecord<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.units()),
            Value::Text(text) => Self::Text(text),
            Value::Timestamp(time) => Self::Timestamp(time.micros()),
            Value::List(values) => Self::List(values.iter().map(Self::from).collect()),
            Value::Set(values) => Self::Set(values.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (&**name, Self::from(value))).collect())
            }
        }
    }
}

impl TryFrom<ValueRecord<'_>> for Value {
    type Error = Error;

    fn try_from(record: ValueRecord<'_>) -> Result<Self, Error> {
        let all =
            |records: Vec<ValueRecord<'_>>| records.into_iter().map(Self::try_from).collect::<Result<Vec<_>, _>>();
        Ok(match record {
            ValueRecord::Null => Self::Null,
            ValueRecord::Bool(value) => Self::Bool(value),
            ValueRecord::Number(units) => Self::Number(Decimal::from_units(units)),
            ValueRecord::Text(text) => Self::Text(text.into()),
            ValueRecord::Timestamp(micros) => Self::Timestamp(time(micros)?),
            ValueRecord::List(values) => Self::List(all(values)?.into()),
            ValueRecord::Set(values) => Self::set(all(values)?),
            ValueRecord::Object(members) => {
                let member = |(name, value): (&str, ValueRecord<'_>)| Ok((Arc::from(name), Self::try_from(value)?));
                Self::object(members.into_iter().map(member).collect::<Result<Vec<_>, Error>>()?)
            }
        })
    }
}

/// An instant that was stored.
pub(crate) fn time(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_micros(micros).ok_or_else(|| codec::corrupt("instant"))
}
