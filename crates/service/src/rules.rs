//! Rules asked of one profile: what they see of it, and what they answer.
//!
//! A rule sees what a read shows: identifiers and attributes under a merge policy at the top, and the profile's events, whichever door
//! they came by, as `eventType`, `timestamp`, `properties`, `items`. What is asked here once is computed anew over all facts.

use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::{Lens, Relevance};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::limits::{SCAN_EVENTS_MAX, STEPS_MAX};
use tessera_expr::rule::Rule;

use crate::directory::WorkspaceId;
use crate::error::{Error, ErrorKind};
use crate::find::not_found;
use crate::keys::Scope;
use crate::query::{EventQuery, Lookup};
use crate::render;
use crate::ruled;
use crate::service::Service;
use crate::timeline;

pub(crate) mod facts;
mod model;
mod payload;
mod sight;

pub use model::RuleModel;

pub(crate) use payload::open_payload;
pub(crate) use sight::{Flagged, hides_no_more, named};

use facts::ProfileFacts;

/// What a rule came to for a profile.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// What the profile is called, as a read shows it.
    pub profile_id: String,
    /// The value; of a condition true or false.
    pub value: Value,
    /// The instant of the evaluation.
    pub at: Timestamp,
    /// The earliest instant after it at which the value may be another although nothing is said of the profile; none if it holds for
    /// good.
    pub changes_at: Option<Timestamp>,
    /// How many steps it took.
    pub steps: u64,
    /// How many events it could look at.
    pub events: usize,
}

impl Service {
    /// What rules of a workspace are checked against for a reader of these rights.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn rule_model(&self, workspace: WorkspaceId, sight: Flags) -> Result<RuleModel, Error> {
        Ok(RuleModel::new(&*self.configured(workspace).await?, sight))
    }

    /// What a rule comes to for a profile now, under a merge policy and for a reader of these rights.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `merge_policy_unknown`; `LimitExceeded` with
    /// `rule_over_budget`; what the store answers.
    pub async fn evaluate(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        rule: &Rule,
        policy: Option<&str>,
        sight: Flags,
    ) -> Result<Evaluated, Error> {
        let configured = self.configured(workspace).await?;
        let (config, policy) = (&configured.config, configured.policy(policy)?);
        let found = self.finder(workspace, config).find(lookup).await?;
        let now = self.now();
        let query = EventQuery { limit: SCAN_EVENTS_MAX, sight, ..EventQuery::default() };
        let (events, _) =
            timeline::read(&**self.store(), Scope::new(workspace), &found, &query, None, &configured, now).await?;
        let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
        let view = render::viewed(&found.cluster, found.node, &lens).ok_or_else(not_found)?;
        let mut view = render::visible(view, configured.stored.model().model.hidden(sight));
        let mut ruled = ruled::of(&**self.store(), workspace, &found, config, &policy.compiled, now).await?;
        ruled::hide(&mut ruled, &configured.flagged, sight);
        ruled::add(&ruled, &mut view, Relevance::Any, config);
        let profile_id = render::profile_id(&view, config);
        let events_end =
            events.iter().filter_map(|event| config.keeping().event_kept_until(event.name.as_deref(), event.time));
        let valid_until = view.valid_until.into_iter().chain(events_end.min()).min();
        let facts = ProfileFacts::new(Tree::Node(tessera_engine::view::seen(view, config)), events, ruled.audiences);
        let zone = Zone::utc();
        let frame = Frame { now, zone: &zone, steps_max: STEPS_MAX };
        let answer = rule.evaluate(&facts, &frame).map_err(|_| {
            let message = format!("the rule took more steps than it may steps_max={STEPS_MAX}");
            Error::new(ErrorKind::LimitExceeded, "rule_over_budget", message)
        })?;
        let changes_at = answer.changes_at.into_iter().chain(valid_until).min();
        Ok(Evaluated { profile_id, value: answer.value, at: now, changes_at, steps: answer.steps, events: facts.len() })
    }
}
