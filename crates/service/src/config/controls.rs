//! Control groups: a share of a segment that activations leave out, so that what they come to can be told from what would have been anyway. They
//! stand among the objects of a workspace's configuration, as JSON, by the name of the segment.
//!
//! Who is in one is computed of the id of a profile and a seed, and kept nowhere: of the text `seed:id` the first 32 bits of SHA-256, as a whole
//! number, are below the share of 2^32. A database can do the same. A greater share holds everybody whom a smaller one of its seed holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tessera_engine::id::NodeId;

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::config::workspace::{StoredConfig, set_object};

/// Bytes of a seed.
pub const SEED_BYTES_MAX: usize = 64;
/// Shares are whole millionths.
const WHOLE: u32 = 1_000_000;
/// Among the objects of a configuration.
pub(crate) const CONTROL_GROUP: &str = "control_group";

/// A share of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlGroup {
    millionths: u32,
    seed: String,
}

impl ControlGroup {
    /// A share, and what it is drawn by.
    ///
    /// # Errors
    /// `Invalid` with `control_group_invalid`.
    pub fn new(share: f64, seed: &str) -> Result<Self, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, "control_group_invalid", message);
        let millionths = share * f64::from(WHOLE);
        let is_share =
            millionths >= 1.0 && millionths < f64::from(WHOLE) && (millionths - millionths.round()).abs() < 1e-4;
        if !is_share {
            let message =
                "control_group.share: a number between 0 and 1 is expected, with at most six digits behind the point";
            return Err(invalid(message.to_owned()));
        }
        if seed.is_empty() || seed.len() > SEED_BYTES_MAX || seed.chars().any(char::is_control) {
            return Err(invalid(format!("control_group.seed: a text of 1 to {SEED_BYTES_MAX} bytes is expected")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to a million")]
        let millionths = millionths.round() as u32;
        Ok(Self { millionths, seed: seed.to_owned() })
    }

    /// The share.
    #[must_use]
    pub fn share(&self) -> f64 {
        f64::from(self.millionths) / f64::from(WHOLE)
    }

    /// What it is drawn by.
    #[must_use]
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// Whether a profile is in it, by its id.
    #[must_use]
    pub fn holds(&self, profile: NodeId) -> bool {
        let digest = Sha256::digest(format!("{}:{profile}", self.seed));
        let mut drawn = 0;
        for byte in digest.iter().take(4) {
            drawn = drawn << 8 | u64::from(*byte);
        }
        drawn * u64::from(WHOLE) < u64::from(self.millionths) << 32
    }
}

/// The control groups of a workspace, by the names of their segments.
pub(crate) type Controls = BTreeMap<Arc<str>, ControlGroup>;

/// All of them.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn controls(config: &StoredConfig) -> Result<Controls, Error> {
    let all = config.objects().of(CONTROL_GROUP);
    all.map(|(segment, json)| Ok((segment.into(), read(json)?))).collect()
}

fn read(json: &str) -> Result<ControlGroup, Error> {
    serde_json::from_str(json).map_err(|_| corrupt("a control group"))
}

/// That of a segment, if it has one.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn control_group(config: &StoredConfig, segment: &str) -> Result<Option<ControlGroup>, Error> {
    config.objects().get(CONTROL_GROUP, segment).map(read).transpose()
}

/// The configuration in which a segment has this control group, or none.
///
/// # Errors
/// `LimitExceeded` with `objects_full`, `object_too_large`, `config_too_large`.
pub(crate) fn set_control_group(
    config: &StoredConfig,
    segment: &str,
    own: Option<&ControlGroup>,
) -> Result<StoredConfig, Error> {
    let json = own.map(|own| serde_json::to_string(own).map_err(|_| corrupt("a control group"))).transpose()?;
    set_object(config, (CONTROL_GROUP, segment), json.as_deref())
}

#[cfg(test)]
mod tests;
