//! What to tell whoever writes a rule: advice, never a refusal. A rule may be right and speak of what comes tomorrow.
//!
//! What was seen is known as [`crate::config::learned`] says: names, types of values, datasets, and no values. Values are looked at where they
//! stand, in a bounded number of profiles, and kept nowhere.

use std::sync::Arc;

use tessera_engine::model::{Mode, Window as Kept};
use tessera_engine::policy::AttributeMerge;
use tessera_engine::value::Path;
use tessera_expr::ast::Name;
use tessera_expr::check::{Known, Model};
use tessera_expr::plan::{self, EventTypes};
use tessera_expr::rule::Rule;

use super::unheard::Named;
use super::{RuleModel, Thing, Unheard, kinds};
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::config::configured::Configured;
use crate::config::learned::{Subject, Summary};
use crate::config::policies::Chosen;
use crate::work::service::Service;

/// Things of one sort that are told of one rule.
pub(super) const TOLD_MAX: usize = 50;

/// Something that whoever writes a rule may want to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// A name that nobody has heard of.
    Unheard(Unheard),
    /// All that was seen of it is of another type than the rule takes it for.
    OtherType {
        /// What it is.
        thing: Thing,
        /// Its name.
        name: String,
        /// Of what type its values were.
        seen: &'static str,
        /// What the rule expects there.
        expected: String,
    },
    /// A text that is there in other letters only.
    OtherCase {
        /// The name of what is compared with it.
        name: String,
        /// As the rule writes it.
        written: String,
        /// As it is there.
        near: String,
        /// Where it is so.
        known: Letters,
    },
    /// A text that the data model does not allow there.
    NotAllowed {
        /// The name of what is compared with it.
        name: String,
        /// As the rule writes it.
        written: String,
        /// A value that is allowed and comes close to it.
        near: Option<String>,
    },
    /// The rule looks further back than what it looks at is kept.
    Ends {
        /// What is kept: an attribute, or events of a type.
        thing: Thing,
        /// Its name.
        name: String,
        /// For how long.
        kept: Kept,
        /// Whether the rule looks back without end.
        is_endless: bool,
    },
    /// No dataset that has said anything of an attribute takes part in the merge policy.
    TakesNoPart {
        /// The name of the attribute.
        name: String,
        /// The id of the merge policy.
        policy: String,
    },
}

/// What is known of the letters of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Letters {
    /// Values of this namespace are spelled so.
    Spelled,
    /// It is an allowed value of the data model.
    Allowed,
    /// Of so many profiles some have it.
    Seen(u64),
}

/// Whether the values that a rule compares with may be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// In some profiles: whoever asks may read them.
    Looked,
    /// Nowhere.
    Left,
}

impl Service {
    /// What is to be said of a rule under a merge policy, for a reader of the rights of this model.
    ///
    /// # Errors
    /// `Invalid` with `merge_policy_unknown`; what the store answers.
    pub async fn advice(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        rule: &Rule,
        model: &RuleModel,
        (policy, values): (Option<&str>, Values),
    ) -> Result<Vec<Advice>, Error> {
        let configured = self.configured(workspace).await?;
        let policy = configured.policy(policy)?;
        let named = Named::of(rule, model);
        let seen = self.learned(workspace).await?;
        let mut told: Vec<Advice> = Vec::new();
        // Where more was seen than is known, nobody can say what was not.
        if !seen.overflowed {
            told.extend(named.unheard(rule, &seen, model).into_iter().take(TOLD_MAX).map(Advice::Unheard));
            told.extend(taking_no_part(&named, &seen, model, (&configured, policy)).into_iter().take(TOLD_MAX));
        }
        told.extend(kinds::of_other_type(rule, &named, &seen, model).into_iter().take(TOLD_MAX));
        told.extend(ending(rule, model).into_iter().take(TOLD_MAX));
        told.extend(self.letters(workspace, &named, model, (&configured, policy), values).await?);
        Ok(told)
    }
}

/// What is kept for a shorter time than the rule looks back.
fn ending(rule: &Rule, model: &RuleModel) -> Vec<Advice> {
    const MINUTE_MICROS: i64 = 60_000_000;
    let is_longer = |longest: Option<i64>, kept: Kept| {
        longest.is_none_or(|micros| micros > i64::from(kept.minutes()) * MINUTE_MICROS)
    };
    let mut told = Vec::new();
    for look in plan::looks(rule.source()) {
        let longest = look.window.longest_micros();
        for (name, kept) in model.kept_events() {
            let is_asked = match &look.events {
                EventTypes::All => true,
                EventTypes::Some(_) => look.events.has(name),
            };
            if is_asked && is_longer(longest, kept) {
                let (thing, name, is_endless) = (Thing::EventType, name.to_owned(), longest.is_none());
                told.push(Advice::Ends { thing, name, kept, is_endless });
            }
        }
    }
    for (names, window) in plan::spans(rule.source()) {
        let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { continue };
        if let Some(kept) = model.kept_value(&path)
            && is_longer(window.longest_micros(), kept)
        {
            let (thing, name) = (Thing::Attribute, path.to_string());
            told.push(Advice::Ends { thing, name, kept, is_endless: false });
        }
    }
    told.sort();
    told.dedup();
    told
}

/// Attributes that only datasets have said something of which take no part in the policy.
fn taking_no_part(
    named: &Named,
    seen: &Summary,
    model: &RuleModel,
    (configured, policy): (&Configured, &Chosen),
) -> Vec<Advice> {
    let Ok(stored) = configured.stored.policies().asked(Some(policy.id.as_str())) else { return Vec::new() };
    let AttributeMerge::Precedence(listed) = stored.content.policy.merge() else { return Vec::new() };
    // What strict datasets say is not learned.
    if listed.iter().any(|dataset| model.mode_of(dataset) == Mode::Strict) {
        return Vec::new();
    }
    let mut told = Vec::new();
    for names in named.attributes.iter().filter(|names| !model.is_made(names)) {
        let Ok(path) = Path::from_segments(names.iter().map(|name| &**name)) else { continue };
        if model.hides_attribute(&path) {
            continue;
        }
        let own = seen.seen.iter().filter_map(|(subject, seen)| match subject {
            Subject::Attribute(own) if is_near(own, path.as_str()) => Some(seen),
            Subject::Attribute(_) | Subject::Event(_) | Subject::Property(..) => None,
        });
        let own: Vec<_> = own.collect();
        let takes_part = own.iter().any(|seen| {
            seen.more_datasets || seen.datasets.iter().any(|dataset| listed.iter().any(|own| own == dataset))
        });
        if !own.is_empty() && !takes_part {
            told.push(Advice::TakesNoPart { name: path.to_string(), policy: policy.id.to_string() });
        }
    }
    told
}

/// Whether two paths are one, or one is above the other.
pub(super) fn is_near(one: &str, other: &str) -> bool {
    let below = |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
    one == other || below(one, other) || below(other, one)
}

/// Whether a model registers what stands at these names, so that its type is checked without advice.
pub(super) fn is_registered(model: &RuleModel, names: &[Name]) -> bool {
    matches!(model.attribute(names), Known::Is(_))
}
