//! Erasures of sources that are ordered for later: until one begins it can be changed or withdrawn, and nothing of it is seen.

use std::sync::Arc;

use tessera_engine::time::Timestamp;

use super::StoredConfig;
use super::sweeps::erase_source;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;

/// Orders that may wait at one time.
pub const WAITING_MAX: usize = 100;
/// Orders that have begun and are told of; the newest stay.
pub const BEGUN_MAX: usize = 400;

/// The orders of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// The number of the last order.
    pub(in crate::config::workspace) last: u64,
    /// Those that are known, the oldest first.
    pub(in crate::config::workspace) orders: Vec<ErasureOrder>,
}

/// An erasure of a dataset, or of one named delivery of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureOrder {
    /// Its number, which no other order of the workspace has.
    pub number: u64,
    /// The dataset.
    pub dataset: Arc<str>,
    /// The delivery; all of the dataset where there is none.
    pub batch: Option<Arc<str>>,
    /// Who ordered it.
    pub by: KeyId,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it was last changed, or when it began.
    pub updated_at: Timestamp,
    /// Where it stands.
    pub state: OrderState,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// It waits.
    Waiting {
        /// Until this instant.
        due: Timestamp,
    },
    /// It has begun: what was there then counts nowhere.
    Begun {
        /// The number of its sweep.
        sweep: u64,
    },
}

impl Planned {
    /// All that are known, the oldest first.
    pub fn orders(&self) -> impl DoubleEndedIterator<Item = &ErasureOrder> + ExactSizeIterator {
        self.orders.iter()
    }

    /// The order of a number.
    ///
    /// # Errors
    /// `NotFound` with `erasure_order_not_found`.
    pub fn find(&self, number: u64) -> Result<&ErasureOrder, Error> {
        self.orders.iter().find(|own| own.number == number).ok_or_else(not_found)
    }

    /// When the next one is to begin.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting().map(|(_, due)| due).min()
    }

    /// The one that is to begin first of those that are due.
    pub(crate) fn first_due(&self, now: Timestamp) -> Option<&ErasureOrder> {
        let due = self.waiting().filter(|(_, due)| *due <= now);
        due.min_by_key(|(own, due)| (*due, own.number)).map(|(own, _)| own)
    }

    fn waiting(&self) -> impl Iterator<Item = (&ErasureOrder, Timestamp)> {
        self.orders.iter().filter_map(|own| match own.state {
            OrderState::Waiting { due } => Some((own, due)),
            OrderState::Begun { .. } => None,
        })
    }
}

impl StoredConfig {
    /// Whether an order has been carried out: nothing that it was for is left in any record.
    #[must_use]
    pub fn is_carried_out(&self, order: &ErasureOrder) -> bool {
        match order.state {
            OrderState::Waiting { .. } => false,
            OrderState::Begun { sweep } => self.sweeps.erasures.iter().all(|own| u64::from(own.number) != sweep),
        }
    }
}

/// Orders an erasure that begins at an instant, and answers its number.
///
/// # Errors
/// `Invalid` with `dataset_reserved`; `Conflict` with `erasure_ordered` where the same is ordered and not carried out; `LimitExceeded` with
/// `erasure_orders_full`, `config_too_large`.
pub fn plan_erasure(
    config: &StoredConfig,
    (dataset, batch): (&str, Option<&str>),
    (now, due): (Timestamp, Timestamp),
    by: KeyId,
) -> Result<(StoredConfig, u64), Error> {
    check(config, (dataset, batch), None)?;
    if config.planned.waiting().count() >= WAITING_MAX {
        let message = format!("as many erasures of sources wait as may limit={WAITING_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "erasure_orders_full", message));
    }
    let number = config.planned.last + 1;
    let order = ErasureOrder {
        number,
        dataset: dataset.into(),
        batch: batch.map(Into::into),
        by,
        ordered_at: now,
        updated_at: now,
        state: OrderState::Waiting { due },
    };
    let planned = config.next(|next| {
        next.planned.last = number;
        next.planned.orders.push(order);
        next.planned.trim();
    })?;
    Ok((planned, number))
}

/// Changes what an order that waits is for.
///
/// # Errors
/// `NotFound` with `erasure_order_not_found`; `Conflict` with `erasure_begun`; as [`plan_erasure`].
pub fn change_planned(
    config: &StoredConfig,
    number: u64,
    (dataset, batch): (&str, Option<&str>),
    now: Timestamp,
) -> Result<StoredConfig, Error> {
    let order = config.planned.find(number)?;
    if matches!(order.state, OrderState::Begun { .. }) {
        let message = "the erasure has begun: what was there then counts nowhere any more";
        return Err(Error::new(ErrorKind::Conflict, "erasure_begun", message));
    }
    check(config, (dataset, batch), Some(number))?;
    config.next(|next| {
        for own in next.planned.orders.iter_mut().filter(|own| own.number == number) {
            (own.dataset, own.batch, own.updated_at) = (dataset.into(), batch.map(Into::into), now);
        }
    })
}

/// Withdraws an order that waits; one that has begun is told of no more, and goes on.
///
/// # Errors
/// `NotFound` with `erasure_order_not_found`.
pub fn withdraw_planned(config: &StoredConfig, number: u64) -> Result<StoredConfig, Error> {
    config.planned.find(number)?;
    config.next(|next| next.planned.orders.retain(|own| own.number != number))
}

/// Begins the order that is first of those that are due, if any is and there is room for it.
///
/// # Errors
/// `LimitExceeded` with `config_too_large`.
pub(crate) fn begin_planned(config: &StoredConfig, now: Timestamp) -> Result<StoredConfig, Error> {
    let Some(order) = config.planned.first_due(now) else { return Ok(config.clone()) };
    let begun = match erase_source(config, &order.dataset, order.batch.as_deref(), now) {
        // It waits until others are carried out.
        Err(error) if error.code == "erasures_full" => return Ok(config.clone()),
        begun => begun?,
    };
    let (number, sweep) = (order.number, begun.sweeps.number);
    let mut begun = begun;
    for own in begun.planned.orders.iter_mut().filter(|own| own.number == number) {
        (own.state, own.updated_at) = (OrderState::Begun { sweep }, now);
    }
    Ok(begun)
}

fn check(config: &StoredConfig, of: (&str, Option<&str>), own: Option<u64>) -> Result<(), Error> {
    if of.0.starts_with('$') {
        let message = "names of datasets that begin with $ are our own: what they said is ended by a directive";
        return Err(Error::new(ErrorKind::Invalid, "dataset_reserved", message));
    }
    let is_same = |other: &ErasureOrder| (&*other.dataset, other.batch.as_deref()) == of && Some(other.number) != own;
    if config.planned.orders.iter().any(|other| is_same(other) && !config.is_carried_out(other)) {
        let message = "the same erasure is ordered already, and not carried out";
        return Err(Error::new(ErrorKind::Conflict, "erasure_ordered", message));
    }
    Ok(())
}

impl Planned {
    /// Forgets the oldest of those that have begun.
    fn trim(&mut self) {
        let begun = |own: &ErasureOrder| matches!(own.state, OrderState::Begun { .. });
        let mut excess = self.orders.iter().filter(|own| begun(own)).count().saturating_sub(BEGUN_MAX);
        self.orders.retain(|own| {
            let goes = excess > 0 && begun(own);
            excess -= usize::from(goes);
            !goes
        });
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "erasure_order_not_found", "no order of an erasure has this number")
}
