//! What said that two identities belong together, as the records of clusters and of links hold it.

use serde::{Deserialize, Serialize};
use tessera_engine::cluster::Evidence;
use tessera_engine::fact::Strength;

use super::cluster::{Names, Shared, StoredTally, TallyRecord};
use super::value::time;
use crate::base::codec;
use crate::base::error::Error;

#[derive(Serialize, Deserialize)]
pub(super) struct EvidenceRecord {
    strength: StrengthRecord,
    /// Microseconds from the earliest event time to the instant that stands for it.
    since: i64,
    tally: TallyRecord,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum StrengthRecord {
    Claimed,
    Observed,
    Stated,
    Verified,
    Joined,
}

/// Evidence from before it was told apart by whose key a trait came, and before the receipt of what public keys say was kept.
#[derive(Deserialize)]
pub(super) struct OldEvidenceRecord<T> {
    strength: OldStrengthRecord,
    tally: T,
}

#[derive(Deserialize, Clone, Copy)]
enum OldStrengthRecord {
    Derived,
    Observed,
    Verified,
    Joined,
}

/// The evidence of one link, as some version of a record holds it.
pub(super) trait StoredEvidence: Sized {
    fn read(records: &[Self], shared: &Shared) -> Result<Vec<Evidence>, Error>;
}

impl StoredEvidence for EvidenceRecord {
    fn read(records: &[Self], shared: &Shared) -> Result<Vec<Evidence>, Error> {
        let evidence = |own: &Self| {
            let tally = own.tally.read(shared)?;
            let since = tally.first.micros().checked_add(own.since).ok_or_else(|| codec::corrupt("since"))?;
            Ok(Evidence { strength: own.strength.into(), since: time(since)?, tally })
        };
        records.iter().map(evidence).collect()
    }
}

impl<T: StoredTally> StoredEvidence for OldEvidenceRecord<T> {
    /// Links keep the places that they had: what stood for one was the earliest event time of all that said it. A trait may have come with
    /// any key, so it counts as if it had come with a public one, until a server says it again.
    fn read(records: &[Self], shared: &Shared) -> Result<Vec<Evidence>, Error> {
        let read = |own: &Self| {
            let tally = own.tally.read(shared)?;
            Ok(Evidence { strength: own.strength.into(), since: tally.first, tally })
        };
        let mut evidence = records.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        let said = evidence.iter().filter(|own| own.tally.count > 0);
        if let Some(since) = said.map(|own| own.tally.first).min() {
            evidence.iter_mut().for_each(|own| own.since = since);
        }
        Ok(evidence)
    }
}

impl<'a> Names<'a> {
    pub(super) fn evidence(&mut self, evidence: &'a [Evidence]) -> Vec<EvidenceRecord> {
        let record = |own: &'a Evidence| EvidenceRecord {
            strength: own.strength.into(),
            since: own.since.micros() - own.tally.first.micros(),
            tally: self.tally(&own.tally),
        };
        evidence.iter().map(record).collect()
    }
}

impl From<Strength> for StrengthRecord {
    fn from(strength: Strength) -> Self {
        match strength {
            Strength::Claimed => Self::Claimed,
            Strength::Observed => Self::Observed,
            Strength::Stated => Self::Stated,
            Strength::Verified => Self::Verified,
            Strength::Joined => Self::Joined,
        }
    }
}

impl From<StrengthRecord> for Strength {
    fn from(record: StrengthRecord) -> Self {
        match record {
            StrengthRecord::Claimed => Self::Claimed,
            StrengthRecord::Observed => Self::Observed,
            StrengthRecord::Stated => Self::Stated,
            StrengthRecord::Verified => Self::Verified,
            StrengthRecord::Joined => Self::Joined,
        }
    }
}

impl From<OldStrengthRecord> for Strength {
    fn from(record: OldStrengthRecord) -> Self {
        match record {
            OldStrengthRecord::Derived => Self::Claimed,
            OldStrengthRecord::Observed => Self::Observed,
            OldStrengthRecord::Verified => Self::Verified,
            OldStrengthRecord::Joined => Self::Joined,
        }
    }
}

#[cfg(test)]
mod tests {
    use tessera_engine::time::Timestamp;

    use super::*;

    /// A dataset's place, a batch's, generation, count, events, first, span.
    type Fields = (u16, u16, u32, u64, u64, i64, u64);

    #[test]
    fn evidence_of_before_keeps_the_place_of_its_link_and_outranks_nothing_new() {
        let said = |count, first| -> Fields { (0, 0, 0, count, 0, first, 5) };
        // Joined and severed by a mark, which no fact says; observed; derived.
        let records: Vec<(u32, Fields)> = vec![(0, said(0, 1)), (1, said(2, 40)), (0, said(1, 30)), (2, said(1, 50))];
        let bytes = codec::section(&records);
        let records: Vec<OldEvidenceRecord<TallyRecord>> = codec::read_section(&bytes).expect("evidence");
        let evidence = OldEvidenceRecord::read(&records, &Shared::new(&["crm"])).expect("evidence");
        let strengths: Vec<Strength> = evidence.iter().map(|own| own.strength).collect();
        assert_eq!(strengths, [Strength::Claimed, Strength::Observed, Strength::Claimed, Strength::Verified]);
        let since = Timestamp::from_micros(30).expect("an instant");
        assert!(evidence.iter().all(|own| own.since == since), "{evidence:?}");
        let first: Vec<i64> = evidence.iter().map(|own| own.tally.first.micros()).collect();
        assert_eq!(first, [1, 40, 30, 50]);
    }
}
