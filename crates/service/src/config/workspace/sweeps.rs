//! What is brought to the records of a workspace one by one: erasures of sources, and rules that have changed.

use std::sync::Arc;

use tessera_engine::config::{SourceErasure, Sweeps};
use tessera_engine::model::Ended;
use tessera_engine::time::Timestamp;

use super::{StoredConfig, StoredNamespace};
use crate::base::error::{Error, ErrorKind};

/// Erasures of sources that may be under way at one time.
pub const ERASURES_MAX: usize = 20;
/// Windows that became longer, and what they had let end is still being taken away.
pub const ENDED_MAX: usize = 1_000;

/// The sweeps of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSweeps {
    /// The number of the last sweep; 0 when there was none.
    pub number: u64,
    /// Up to which number all records have been reached.
    pub done: u64,
    /// The last sweep that brings changed rules.
    pub rules: u64,
    /// Erasures that have not reached every record and row.
    pub erasures: Vec<SourceErasure>,
    /// What had ended when a window became longer and has not been taken from every record and timeline.
    pub ended: Vec<StoredEnded>,
}

/// What had ended, and the sweep that takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnded {
    /// The number of the sweep.
    pub number: u64,
    /// What had ended.
    pub ended: Ended,
}

impl StoredSweeps {
    /// Whether changed rules have not reached all records.
    #[must_use]
    pub fn is_restaging(&self) -> bool {
        self.rules > self.done
    }

    pub(super) fn to_engine(&self) -> Sweeps {
        Sweeps { number: self.number, erasures: self.erasures.clone() }
    }
}

/// Orders that all a dataset has said up to now, or one named delivery of it, is erased. An order for the same that is under way is
/// taken up by the new one.
///
/// # Errors
/// `Invalid` with `dataset_reserved`; `LimitExceeded` with `erasures_full`.
pub fn erase_source(
    config: &StoredConfig,
    dataset: &str,
    batch: Option<&str>,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    if dataset.starts_with('$') {
        let message = "names of datasets that begin with $ are our own: what they said is ended by a directive";
        return Err(Error::new(ErrorKind::Invalid, "dataset_reserved", message));
    }
    if config.sweeps.erasures.len() >= ERASURES_MAX {
        let message = format!("as many erasures of sources are under way as may be limit={ERASURES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "erasures_full", message));
    }
    config.next(|next| {
        let number = next.sweeps.number + 1;
        next.sweeps.number = number;
        next.sweeps.erasures.push(SourceErasure {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            dataset: Arc::from(dataset),
            batch: batch.map(Arc::from),
            at,
        });
    })
}

/// Notes that all records have been reached by the sweeps up to a number.
///
/// # Errors
/// None that a stored configuration can give.
pub fn swept(config: &StoredConfig, number: u64) -> Result<StoredConfig, Error> {
    if config.sweeps.done >= number {
        return Ok(config.clone());
    }
    config.next(|next| next.sweeps.done = number)
}

/// Notes that nothing of an erased source is left.
///
/// # Errors
/// None that a stored configuration can give.
pub fn erased(config: &StoredConfig, number: u32) -> Result<StoredConfig, Error> {
    if config.sweeps.erasures.iter().all(|erasure| erasure.number != number) {
        return Ok(config.clone());
    }
    config.next(|next| next.sweeps.erasures.retain(|erasure| erasure.number != number))
}

/// Orders that what had ended stays so: notes it, and the sweep that takes it away.
///
/// # Errors
/// `LimitExceeded` with `windows_full`.
pub(super) fn keep_ended(sweeps: &mut StoredSweeps, ended: Vec<Ended>) -> Result<(), Error> {
    if ended.is_empty() {
        return Ok(());
    }
    sweeps.number += 1;
    let number = sweeps.number;
    sweeps.ended.retain(|own| !ended.iter().any(|ended| ended.includes(&own.ended)));
    sweeps.ended.extend(ended.into_iter().map(|ended| StoredEnded { number, ended }));
    if sweeps.ended.len() > ENDED_MAX {
        let message = format!(
            "as many windows became longer as may before what they had let end is taken away; try again when the job of kind \
             expire is done limit={ENDED_MAX}"
        );
        return Err(Error::new(ErrorKind::LimitExceeded, "windows_full", message));
    }
    Ok(())
}

/// Notes that what had ended has been taken away, up to the sweep of a number.
///
/// # Errors
/// None that a stored configuration can give.
pub fn ended_is_gone(config: &StoredConfig, number: u64) -> Result<StoredConfig, Error> {
    if config.sweeps.ended.iter().all(|own| own.number > number) {
        return Ok(config.clone());
    }
    config.next(|next| next.sweeps.ended.retain(|own| own.number > number))
}

/// Whether records that follow the rules of before have to be brought under those of after: where the spelling of values, the
/// exclusive namespace, blocked values, limits, or priorities as they make hubs have changed.
pub(super) fn is_needed(before: &StoredConfig, after: &StoredConfig) -> bool {
    let of_records = |config: &StoredConfig| (config.limits.profile_identities_max, config.limits.hub_links_max);
    let of_namespace = |own: &StoredNamespace| {
        (own.priority, own.exclusive, own.limit, own.normaliser, own.blocked.clone(), own.patterns.clone())
    };
    let is_changed = |own: &StoredNamespace| {
        let then = before.namespaces.iter().find(|then| then.id == own.id);
        then.map_or(own.exclusive, |then| of_namespace(then) != of_namespace(own))
    };
    of_records(before) != of_records(after)
        || before.spelling != after.spelling
        || after.namespaces.iter().any(is_changed)
}

/// The stored row. Version 2; version 1 is read.
pub(super) mod records {
    use bytes::Bytes;
    use serde::{Deserialize, Serialize};
    use tessera_engine::config::SourceErasure;
    use tessera_engine::model::{Ended, Windowed};
    use tessera_engine::value::Path;

    use super::{StoredEnded, StoredSweeps};
    use crate::base::codec;
    use crate::base::error::Error;

    const VERSION: u8 = 2;

    #[derive(Deserialize)]
    struct SweepsRecord1<'a> {
        number: u64,
        done: u64,
        rules: u64,
        #[serde(borrow)]
        erasures: Vec<ErasureRecord<'a>>,
    }

    #[derive(Serialize, Deserialize)]
    struct SweepsRecord<'a> {
        number: u64,
        done: u64,
        rules: u64,
        #[serde(borrow)]
        erasures: Vec<ErasureRecord<'a>>,
        #[serde(borrow)]
        ended: Vec<EndedRecord<'a>>,
    }

    #[derive(Serialize, Deserialize)]
    struct EndedRecord<'a> {
        number: u64,
        #[serde(borrow)]
        of: WindowedRecord<'a>,
        said_until: i64,
        received_until: i64,
    }

    #[derive(Serialize, Deserialize)]
    enum WindowedRecord<'a> {
        Attribute(&'a str),
        EventType(&'a str),
    }

    #[derive(Serialize, Deserialize)]
    struct ErasureRecord<'a> {
        number: u32,
        dataset: &'a str,
        batch: Option<&'a str>,
        at: i64,
    }

    pub(in crate::config::workspace) fn encode(sweeps: &StoredSweeps) -> Bytes {
        let erasure = |own: &'_ SourceErasure| (own.number, own.at.micros());
        let erasures = sweeps.erasures.iter().map(|own| {
            let (number, at) = erasure(own);
            ErasureRecord { number, dataset: &own.dataset, batch: own.batch.as_deref(), at }
        });
        let ended = sweeps.ended.iter().map(|StoredEnded { number, ended }| EndedRecord {
            number: *number,
            of: match &ended.of {
                Windowed::Attribute(path) => WindowedRecord::Attribute(path.as_str()),
                Windowed::EventType(name) => WindowedRecord::EventType(name),
            },
            said_until: ended.said_until.micros(),
            received_until: ended.received_until.micros(),
        });
        let StoredSweeps { number, done, rules, .. } = *sweeps;
        let record = SweepsRecord { number, done, rules, erasures: erasures.collect(), ended: ended.collect() };
        codec::encode(VERSION, &record)
    }

    pub(in crate::config::workspace) fn decode(bytes: &[u8]) -> Result<StoredSweeps, Error> {
        let SweepsRecord { number, done, rules, erasures, ended } = match bytes.first() {
            Some(1) => {
                let SweepsRecord1 { number, done, rules, erasures } = codec::decode(1, bytes)?;
                SweepsRecord { number, done, rules, erasures, ended: Vec::new() }
            }
            _ => codec::decode(VERSION, bytes)?,
        };
        let erasure = |own: ErasureRecord<'_>| {
            Ok::<_, Error>(SourceErasure {
                number: own.number,
                dataset: own.dataset.into(),
                batch: own.batch.map(Into::into),
                at: codec::instant(own.at)?,
            })
        };
        let path = |text: &str| Path::parse(text).map_err(|_| codec::corrupt("path"));
        let of_record = |own: EndedRecord<'_>| {
            let of = match own.of {
                WindowedRecord::Attribute(text) => Windowed::Attribute(path(text)?),
                WindowedRecord::EventType(name) => Windowed::EventType(name.into()),
            };
            let (said_until, received_until) = (codec::instant(own.said_until)?, codec::instant(own.received_until)?);
            let ended = Ended { of, said_until, received_until };
            Ok::<_, Error>(StoredEnded { number: own.number, ended })
        };
        let erasures = erasures.into_iter().map(erasure).collect::<Result<_, _>>()?;
        let ended = ended.into_iter().map(of_record).collect::<Result<_, _>>()?;
        Ok(StoredSweeps { number, done, rules, erasures, ended })
    }

    #[cfg(test)]
    mod tests {
        use tessera_engine::time::Timestamp;

        use super::*;

        #[test]
        fn sweeps_are_read_as_written() {
            let at = Timestamp::from_micros(1_700_000_000_000_000).expect("an instant");
            let batch = |batch: Option<&str>, number| SourceErasure {
                number,
                dataset: "crm".into(),
                batch: batch.map(Into::into),
                at,
            };
            let erasures = vec![batch(None, 2), batch(Some("july"), 3)];
            let sweeps = StoredSweeps { number: 3, done: 1, rules: 1, erasures, ended: Vec::new() };
            assert_eq!(decode(&codec::thawed("sweeps-1")).expect("of version 1"), sweeps);
            let of = [Windowed::Attribute(Path::parse("a.b").expect("a path")), Windowed::EventType("seen".into())];
            let ended =
                |of| StoredEnded { number: 3, ended: Ended { of, said_until: Timestamp::MIN, received_until: at } };
            let sweeps = StoredSweeps { ended: of.map(ended).into(), ..sweeps };
            assert_eq!(decode(&encode(&sweeps)).expect("sweeps"), sweeps);
            codec::golden("sweeps-2", &encode(&sweeps));
        }
    }
}
