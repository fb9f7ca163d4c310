//! Rules asked of one profile: what they see of it, and what they answer.
//!
//! A rule sees what a read shows: identifiers and attributes under a merge policy at the top, and the profile's events, whichever door
//! they came by, as `eventType`, `timestamp`, `properties`, `items`. What is asked here once is computed anew over all facts.

use std::sync::Arc;

use tessera_engine::model::Flags;
use tessera_engine::rules::RuleResults;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::{Lens, Relevance};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::limits::{SCAN_BYTES_MAX, SCAN_EVENTS_MAX, STEPS_MAX};
use tessera_expr::rule::Rule;
use tessera_store::Store;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::json::write_value;
use crate::config::configured::Configured;
use crate::config::policies::Chosen;
use crate::read::find::{Found, not_found};
use crate::read::pool::{self, ANSWER_MICROS, Patience};
use crate::read::query::{EventQuery, Lookup};
use crate::read::render;
use crate::read::ruled::{self, Of, Tries};
use crate::read::timeline;
use crate::stored::keys::Scope;
use crate::work::service::Service;

mod advice;
mod kinds;
mod letters;
mod place;
mod unheard;

pub use crate::read::rule_model::RuleModel;
pub use advice::{Advice, Letters, Values};
pub use unheard::{Thing, Unheard};

use crate::read::profile_facts::ProfileFacts;

/// Bytes of JSON that the value of a rule that is tried may come to.
const VALUE_JSON_BYTES_MAX: usize = 999_000;

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
    /// Whether the value rests on fewer events than the rule speaks of, for the profile has more than rules look at.
    pub is_truncated: bool,
}

impl Service {
    /// What rules of a workspace are checked against for a reader of these rights.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn rule_model(&self, workspace: WorkspaceId, visibility: Flags) -> Result<RuleModel, Error> {
        Ok(RuleModel::new(&*self.configured(workspace).await?, visibility))
    }

    /// What a rule comes to for a profile now, under a merge policy, with the days of a time zone, and for a reader of these rights.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `merge_policy_unknown`; `LimitExceeded` with
    /// `rule_over_budget`; `Unavailable` with `rules_busy`, `rules_late`, `rules_off`; what the store answers.
    pub async fn evaluate(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        rule: Arc<Rule>,
        (policy, zone): (Option<&str>, Zone),
        visibility: Flags,
    ) -> Result<Evaluated, Error> {
        let configured = self.configured(workspace).await?;
        configured.check_rules_are_on()?;
        let mut tries = Tries::default();
        let (found, mut ruled, now) = loop {
            let found = self.finder(workspace, &configured.config).find(lookup).await?;
            let now = self.now();
            let of = Of { configured: &configured, found: &found, policy, now };
            let answer = self.asker(workspace).ruled(of).await;
            if !tries.goes_on(&answer) {
                break (found, answer?, now);
            }
        };
        ruled::hide(&mut ruled, &configured.flagged, visibility);
        let (store, policy) = (self.store().clone(), policy.map(str::to_owned));
        let work = move |patience: Patience| async move {
            let policy = configured.policy(policy.as_deref())?;
            let asked =
                Tried { rule: &rule, configured: &configured, policy, zone, found: &found, ruled, visibility, now };
            tried(&*store, Scope::new(workspace), asked, patience).await
        };
        self.pool().run(workspace, ANSWER_MICROS, work).await
    }
}

/// A rule that is tried on a profile.
struct Tried<'a> {
    rule: &'a Rule,
    configured: &'a Configured,
    policy: &'a Chosen,
    zone: Zone,
    found: &'a Found,
    ruled: RuleResults,
    visibility: Flags,
    now: Timestamp,
}

async fn tried(store: &dyn Store, scope: Scope, asked: Tried<'_>, patience: Patience) -> Result<Evaluated, Error> {
    let Tried { rule, configured, policy, zone, found, ruled, visibility, now } = asked;
    let config = &configured.config;
    let query = EventQuery { limit: SCAN_EVENTS_MAX, visibility, ..EventQuery::default() };
    let bytes_max = SCAN_BYTES_MAX + 1;
    let (events, rest) = timeline::read_within(bytes_max, store, scope, found, &query, None, configured, now).await?;
    let is_cut = events.iter().map(|event| event.payload.len()).sum::<usize>() > SCAN_BYTES_MAX;
    let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
    let view = render::viewed(&found.cluster, found.node, &lens).ok_or_else(not_found)?;
    let mut view = render::visible(view, configured.stored.model().model.hidden(visibility));
    ruled::add(&ruled, &mut view, Relevance::Any, config);
    let profile_id = render::profile_id(&view);
    let events_end =
        events.iter().filter_map(|event| config.keeping().event_kept_until(event.name.as_deref(), event.time));
    let valid_until = view.valid_until.into_iter().chain(events_end.min()).min();
    let facts = ProfileFacts::new(
        Tree::Node(tessera_engine::view::seen(view, (&found.cluster, found.node), &lens)),
        events,
        ruled.audiences,
    );
    let facts = facts.within(is_cut, patience).without(rest.map(|last| last.time));
    let answer = rule.evaluate(&facts, &Frame { now, zone: &zone, steps_max: STEPS_MAX });
    if facts.lacks_events() {
        let message =
            format!("the newest events of the profile are more than a rule looks through bytes_max={SCAN_BYTES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "rule_over_budget", message));
    }
    let answer = answer.map_err(|over| match over {
        OverBudget::GivenUp => pool::late(),
        OverBudget::Steps => {
            let message = format!("the rule took more steps than it may steps_max={STEPS_MAX}");
            Error::new(ErrorKind::LimitExceeded, "rule_over_budget", message)
        }
        OverBudget::Value | OverBudget::Pattern => {
            Error::new(ErrorKind::LimitExceeded, "rule_over_budget", over.to_string())
        }
    })?;
    let mut json = Vec::new();
    write_value(&answer.value, &mut json);
    if json.len() > VALUE_JSON_BYTES_MAX {
        let message =
            format!("the rule comes to a value that is larger than an answer may be bytes_max={VALUE_JSON_BYTES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "rule_over_budget", message));
    }
    let changes_at = answer.changes_at.into_iter().chain(valid_until).min();
    Ok(Evaluated {
        profile_id,
        value: answer.value,
        at: now,
        changes_at,
        steps: answer.steps,
        events: facts.len(),
        is_truncated: answer.is_truncated,
    })
}
