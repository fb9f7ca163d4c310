//! The control group of a segment, set together with the segment.

use tessera_engine::time::Timestamp;

use crate::base::error::Error;
use crate::config::controls::{ControlGroup, control_group, set_control_group};
use crate::config::workspace::{RuleKind, RuleName, StoredConfig, touch_rule};

/// What becomes of the control group of a segment that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Controlled {
    /// It stays as it is.
    Stays,
    /// It is this one, or there is none.
    Is(Option<ControlGroup>),
}

/// The configuration in which the control group of a segment is set, too. Where that alone is another, the segment has its next version.
pub(super) fn controlled(
    before: &StoredConfig,
    next: StoredConfig,
    (kind, name): (RuleKind, &RuleName),
    control: &Controlled,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let Controlled::Is(own) = control else { return Ok(next) };
    if kind != RuleKind::Segment || control_group(&next, name.as_str())? == *own {
        return Ok(next);
    }
    let version = |config: &StoredConfig| config.rules().find(kind, name.as_str()).map(|rule| rule.version).ok();
    let next = if version(before) == version(&next) { touch_rule(&next, kind, name, at)? } else { next };
    set_control_group(&next, name.as_str(), own.as_ref())
}

/// The control group of a segment, if it has one.
///
/// # Errors
/// `Corrupt`.
pub(super) fn control_of(config: &StoredConfig, kind: RuleKind, name: &str) -> Result<Option<ControlGroup>, Error> {
    if kind == RuleKind::Segment { control_group(config, name) } else { Ok(None) }
}
