//! The row of erasures that are ordered for later. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::KeyId;
use crate::config::workspace::planned::{ErasureOrder, OrderState, Planned};
use crate::stored::records::value::time;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct PlannedRecord<'a> {
    last: u64,
    #[serde(borrow)]
    orders: Vec<OrderRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct OrderRecord<'a> {
    number: u64,
    dataset: &'a str,
    batch: Option<&'a str>,
    by: [u8; 12],
    ordered_at: i64,
    updated_at: i64,
    state: StateRecord,
}

#[derive(Serialize, Deserialize)]
enum StateRecord {
    Waiting(i64),
    Begun(u64),
}

/// Writes the row.
#[must_use]
pub fn encode_planned(planned: &Planned) -> Bytes {
    let orders = planned.orders().map(OrderRecord::from).collect();
    codec::encode(VERSION, &PlannedRecord { last: planned.last, orders })
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_planned(bytes: &[u8]) -> Result<Planned, Error> {
    let PlannedRecord { last, orders } = codec::decode(VERSION, bytes)?;
    Ok(Planned { last, orders: orders.into_iter().map(ErasureOrder::try_from).collect::<Result<_, _>>()? })
}

impl<'a> From<&'a ErasureOrder> for OrderRecord<'a> {
    fn from(order: &'a ErasureOrder) -> Self {
        Self {
            number: order.number,
            dataset: &order.dataset,
            batch: order.batch.as_deref(),
            by: *order.by.as_bytes(),
            ordered_at: order.ordered_at.micros(),
            updated_at: order.updated_at.micros(),
            state: match order.state {
                OrderState::Waiting { due } => StateRecord::Waiting(due.micros()),
                OrderState::Begun { sweep } => StateRecord::Begun(sweep),
            },
        }
    }
}

impl TryFrom<OrderRecord<'_>> for ErasureOrder {
    type Error = Error;

    fn try_from(record: OrderRecord<'_>) -> Result<Self, Error> {
        Ok(Self {
            number: record.number,
            dataset: record.dataset.into(),
            batch: record.batch.map(Into::into),
            by: KeyId::from_bytes(record.by),
            ordered_at: time(record.ordered_at)?,
            updated_at: time(record.updated_at)?,
            state: match record.state {
                StateRecord::Waiting(due) => OrderState::Waiting { due: time(due)? },
                StateRecord::Begun(sweep) => OrderState::Begun { sweep },
            },
        })
    }
}
