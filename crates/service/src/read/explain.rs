//! Why a profile is what it is: every attribute with all that spoke of it.

use tessera_engine::config::Config;
use tessera_engine::policy::{Attribute, Contender};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::{Lens, Relevance};

use crate::base::error::{Error, ErrorKind};
use crate::base::verdict::NamedIdentity;
use crate::config::policies::Chosen;
use crate::read::find::{Found, not_found};
use crate::read::query::{Explained, ExplainedAttribute, ExplainedContender};
use crate::read::render;

/// Contenders that one explanation names.
const CONTENDERS_MAX: usize = 5_000;

/// Explains an attribute of a profile that was found and those below it, or all attributes; without those that are hidden from
/// the reader.
///
/// # Errors
/// `LimitExceeded` with `explanation_too_large`; `NotFound` with `profile_not_found`.
pub(crate) fn build(
    found: &Found,
    chosen: &Chosen,
    attribute: Option<&Path>,
    config: &Config,
    now: Timestamp,
    hidden: &[Path],
) -> Result<Explained, Error> {
    let (cluster, policy) = (&found.cluster, &chosen.compiled);
    let lens = Lens { policy, config, now, relevance: Relevance::Any };
    let view = render::viewed(cluster, found.node, &lens).ok_or_else(not_found)?;
    let explanation = render::explained(cluster, found.node, &lens, attribute);
    let explanation = render::visible_explanation(explanation, hidden);
    if explanation.attributes.iter().map(|attribute| attribute.contenders.len()).sum::<usize>() > CONTENDERS_MAX {
        let message = format!("more than {CONTENDERS_MAX} contenders; ask for one attribute");
        return Err(Error::new(ErrorKind::LimitExceeded, "explanation_too_large", message));
    }
    let contender = |contender: Contender| {
        let node = cluster.node(contender.node).expect("an explanation speaks of the nodes of its cluster alone");
        ExplainedContender { identity: NamedIdentity::new(&node.identity, config), contender }
    };
    let taken = render::taken(&view, config);
    let attributes = explanation.attributes.into_iter().map(|Attribute { path, contenders, fate, relevant_until }| {
        let is_hidden = path.segments().next().is_some_and(|name| taken.contains(&*name));
        let contenders = contenders.into_iter().map(contender).collect();
        ExplainedAttribute { path, is_hidden, fate, relevant_until, contenders }
    });
    Ok(Explained {
        profile_id: render::profile_id(&view),
        policy: chosen.id.clone(),
        version: chosen.version,
        graph: policy.graph(),
        attributes: attributes.collect(),
    })
}
