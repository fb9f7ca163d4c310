//! The configuration of a workspace as decisions and reads use it: stored form and compiled form, side by side.

use std::sync::Arc;

use tessera_engine::config::Config;
use tessera_engine::model::Flags;
use tessera_engine::rules::SegmentId;
use tessera_expr::rule::Rule;
use tessera_store::Version;

use crate::base::error::{Error, ErrorKind};
use crate::base::settings::Settings;
use crate::config::controls::{self, Controls};
use crate::config::policies::{Chosen, CompiledPolicies};
use crate::config::visibility::{Flagged, is_hidden_from, named};
use crate::config::workspace::{self as workspace_config, RuleKind, Status, StoredConfig};

/// A configuration as it is stored, and as decisions and reads use it.
pub(crate) struct Configured {
    pub(crate) stored: Arc<StoredConfig>,
    pub(crate) config: Arc<Config>,
    /// Who may see what the rules come to.
    pub(crate) flagged: Flagged,
    /// Whether there are rules, and the server was started without them.
    are_rules_off: bool,
    policies: CompiledPolicies,
    /// The control groups of segments.
    pub(crate) controls: Controls,
    pub(crate) version: Option<Version>,
    /// Bytes of its rows.
    pub(crate) stored_bytes: usize,
}

impl Configured {
    pub(crate) fn new(stored: StoredConfig, version: Option<Version>, settings: &Settings) -> Result<Self, Error> {
        let without_rules = settings.without_rules;
        let config = if without_rules { stored.to_engine_without_rules()? } else { stored.to_engine()? };
        let config = config.with_tails(settings.tail_events_max);
        let (config, policies) = (Arc::new(config), CompiledPolicies::new(stored.policies()));
        let (flagged, controls) = (Flagged::new(&stored), controls::controls(&stored)?);
        let are_rules_off = without_rules && stored.rules().are_running();
        let rows = workspace_config::rows(&stored, &StoredConfig::default());
        let stored_bytes = rows.iter().map(|(_, row)| row.len()).sum();
        Ok(Self { stored: Arc::new(stored), config, flagged, are_rules_off, policies, controls, version, stored_bytes })
    }

    /// Whether nobody evaluates the rules that there are.
    pub(crate) fn are_rules_off(&self) -> bool {
        self.are_rules_off
    }

    /// Whether what depends on rules can be told.
    ///
    /// # Errors
    /// `Unavailable` with `rules_off`.
    pub(crate) fn check_rules_are_on(&self) -> Result<(), Error> {
        if self.are_rules_off {
            let message =
                "the server was started without rules; archive the one that keeps it from starting, and start it again";
            return Err(Error::new(ErrorKind::Unavailable, "rules_off", message));
        }
        Ok(())
    }

    /// The number of a segment that the caller may see; none while its members are not known.
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`; `Unavailable` with `rules_off`.
    pub(crate) fn segment(&self, name: &str, visibility: Flags) -> Result<Option<SegmentId>, Error> {
        if self.flagged.is_hidden(RuleKind::Segment, name, visibility) {
            return Err(Error::new(ErrorKind::NotFound, "segment_not_found", "no segment has this name"));
        }
        self.check_rules_are_on()?;
        match self.config.rules().segment_id(name) {
            Some(segment) => Ok(Some(segment)),
            None => self.stored.rules().find(RuleKind::Segment, name).map(|_| None),
        }
    }

    /// A segment whose members are known, of those that the caller may see.
    ///
    /// # Errors
    /// As [`segment`](Self::segment); `Unavailable` with `segment_building`; `Conflict` with `segment_not_live`.
    pub(crate) fn live_segment(&self, name: &str, visibility: Flags) -> Result<SegmentId, Error> {
        if let Some(segment) = self.segment(name, visibility)? {
            return Ok(segment);
        }
        Err(match self.stored.rules().find(RuleKind::Segment, name)?.status() {
            Status::Draft | Status::Archived => {
                let message =
                    "the segment is a draft or archived, and nobody is evaluated: make it active, and ask again";
                Error::new(ErrorKind::Conflict, "segment_not_live", message)
            }
            Status::Building | Status::Active => {
                let message = "the segment is not evaluated of everybody yet: ask again when it is complete";
                Error::new(ErrorKind::Unavailable, "segment_building", message)
            }
        })
    }

    /// Whether a reader may see all that a rule reads, and whether that can be told.
    ///
    /// # Errors
    /// `Forbidden` with `rule_reads_hidden`; `Unavailable` with `rules_off`.
    pub(crate) fn may_ask(&self, rule: &Rule, visibility: Flags) -> Result<(), Error> {
        if is_hidden_from(rule, &self.stored, visibility) {
            let message = "the query reads attributes or events that this key may not see";
            return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message));
        }
        let rules = self.stored.rules();
        if named(rule, &self.stored).iter().any(|(kind, name)| rules.of(*kind).contains_key(name.as_str())) {
            self.check_rules_are_on()?;
        }
        Ok(())
    }

    /// Refuses what is shown as it came, where nothing can be left out, to a reader from whom the data model hides something.
    ///
    /// # Errors
    /// `Forbidden` with `raw_hidden`.
    pub(crate) fn check_shows_raw(&self, visibility: Flags) -> Result<(), Error> {
        if !self.flagged.hides_something(visibility) {
            return Ok(());
        }
        let lacking = if visibility.private { "configure" } else { "read_private" };
        let message = format!(
            "values are shown here as they came, and the data model hides some of the workspace from this key; a key with the permission {lacking} is expected"
        );
        Err(Error::new(ErrorKind::Forbidden, "raw_hidden", message))
    }

    /// The merge policy that a read asks for, or the workspace's default one.
    pub(crate) fn policy(&self, asked: Option<&str>) -> Result<&Chosen, Error> {
        self.policies.asked(self.stored.policies(), asked)
    }
}
