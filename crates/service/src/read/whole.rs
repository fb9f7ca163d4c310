//! A profile as a read shows it, before it is written as JSON: its view under a merge policy, and what rules come to, as far as the reader may
//! see them.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::config::Config;
use tessera_engine::rules::RuleResults;
use tessera_engine::view::{Lens, View};
use tessera_expr::facts::Membership;

use crate::base::error::{Error, ErrorKind};
use crate::read::find::not_found;
use crate::read::gaps::Gaps;
use crate::read::query::Fields;
use crate::read::render::{render, viewed, visible};
use crate::read::ruled::{self, Asker, Of};

/// Bytes of JSON that a profile may come to (spec/dinmo.md A6).
const PROFILE_BYTES_MAX: usize = 1_000_000;

/// A profile as a read shows it.
pub(crate) struct Whole {
    pub(crate) view: View,
    pub(crate) ruled: RuleResults,
    pub(crate) gaps: Gaps,
    /// The segments that it is in, and stands in the control group of.
    controls: Vec<Arc<str>>,
}

impl Whole {
    /// Reads a profile that was found.
    ///
    /// # Errors
    /// As [`Asker::ask`]; `NotFound` with `profile_not_found`.
    pub(crate) async fn read(asker: &Asker, of: Of<'_>, fields: Fields) -> Result<Self, Error> {
        let Of { configured, found, policy, now } = of;
        let (config, relevance) = (&configured.config, fields.relevance);
        let lens = Lens { policy: &configured.policy(policy)?.compiled, config, now, relevance };
        let view = viewed(&found.cluster, found.node, &lens).ok_or_else(not_found)?;
        let mut view = visible(view, configured.stored.model().model.hidden(fields.visibility));
        let mut ruled = asker.ruled(of).await?;
        ruled::hide(&mut ruled, &configured.flagged, fields.visibility);
        ruled::add(&ruled, &mut view, relevance, config);
        let gaps = ruled::gaps(&ruled, &mut view, configured, fields.visibility);
        let held = |(name, stands): &(Arc<str>, Membership)| {
            let is_inside = matches!(stands, Membership::Inside { .. });
            let group = configured.controls.get(name).filter(|_| is_inside);
            group.is_some_and(|group| group.holds(view.profile_id)).then(|| name.clone())
        };
        let controls = ruled.audiences.iter().filter_map(held).collect();
        Ok(Self { view, ruled, gaps, controls })
    }

    /// Writes it. What does not fit is left out, and named.
    ///
    /// # Errors
    /// `LimitExceeded` with `profile_too_large` above 1 MB of JSON without any attribute.
    pub(crate) fn json(&mut self, fields: Fields, config: &Config) -> Result<Bytes, Error> {
        let Self { view, ruled, gaps, controls } = self;
        let mut json = render(view, (ruled, controls), gaps, fields, config);
        if json.len() > PROFILE_BYTES_MAX {
            gaps.fit(view, ruled, json.len(), PROFILE_BYTES_MAX, config);
            json = render(view, (ruled, controls), gaps, fields, config);
        }
        if json.len() > PROFILE_BYTES_MAX {
            let message = "the profile is larger than 1 MB of JSON; ask for fewer fields";
            return Err(Error::new(ErrorKind::LimitExceeded, "profile_too_large", message));
        }
        Ok(json)
    }
}
