//! Computed attributes as the workspace keeps them, of both generations of this API.

use serde::{Deserialize, Serialize};
use tessera_expr::ast::Name;
use tessera_seam::answer::to_json;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{RuleKind, RuleName, StoredConfig, StoredRule, Target, set_object};

use super::shape::Duration;
use crate::enter::uuid;
use crate::pql::Expression;

/// What is kept of a computed attribute beside it, by its name.
const KIND: &str = "adobe.computed_attribute";
/// Where the current generation puts computed attributes, below what is the organization's.
const GROUP: &str = "SystemComputedAttributes";
/// The kind of rule that they are.
pub(crate) const RULE: RuleKind = RuleKind::Attribute;

/// What is kept beside a computed attribute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Beside {
    pub(crate) id: String,
    /// The names of where it stands, its own the last; none for the group of the current generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Vec<String>>,
    /// As it was sent.
    pub(crate) sent: Expression,
    /// What it was read as ([`read_as`](crate::pql::read_as)).
    pub(crate) read_as: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<Duration>,
    #[serde(default)]
    pub(crate) keep_current: bool,
    /// The type of what it gives.
    pub(crate) gives: String,
    /// The key that it was made with.
    pub(crate) created_by: String,
    /// When it was made, in milliseconds.
    pub(crate) created_millis: i64,
}

/// Which of the two generations something is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Alpha,
    Current,
}

impl Generation {
    /// Whether it tells of a computed attribute with this beside it. What was made elsewhere is told by the current one.
    fn tells(self, beside: Option<&Beside>) -> bool {
        let is_alpha = beside.is_some_and(|beside| beside.place.is_some());
        is_alpha == (self == Self::Alpha)
    }
}

/// What is kept beside the computed attribute of this name.
pub(crate) fn beside(config: &StoredConfig, name: &str) -> Option<Beside> {
    config.objects().get(KIND, name).and_then(|json| serde_json::from_str(json).ok())
}

/// The configuration with this beside a computed attribute, or nothing.
pub(crate) fn with_beside(
    config: &StoredConfig,
    name: &RuleName,
    beside: Option<&Beside>,
) -> Result<StoredConfig, Error> {
    let json = beside.map(|beside| String::from_utf8_lossy(&to_json(beside)).into_owned());
    set_object(config, (KIND, name.as_str()), json.as_deref())
}

/// The id of a computed attribute.
pub(crate) fn id_of(workspace: WorkspaceId, name: &RuleName, beside: Option<&Beside>) -> String {
    let own = || uuid("computed attribute", &format!("{} {name}", workspace.stable_id()));
    beside.map_or_else(own, |beside| beside.id.clone())
}

/// The computed attribute of an id, and what is beside it.
///
/// # Errors
/// `attribute_not_found`.
pub(crate) fn find(
    config: &StoredConfig,
    workspace: WorkspaceId,
    generation: Generation,
    id: &str,
) -> Result<(RuleName, Option<Beside>), Error> {
    let all = of(config, generation);
    let mut found = all.map(|(rule, beside)| (rule.name.clone(), beside));
    found.find(|(name, beside)| id_of(workspace, name, beside.as_ref()).eq_ignore_ascii_case(id)).ok_or_else(not_found)
}

/// The answer for a computed attribute that is not there.
pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "attribute_not_found", "no computed attribute of this sandbox has this id")
}

/// All that a generation tells of.
pub(crate) fn of(config: &StoredConfig, generation: Generation) -> impl Iterator<Item = (&StoredRule, Option<Beside>)> {
    let all = config.rules().of(RULE).values().map(|rule| (&**rule, beside(config, rule.name.as_str())));
    // The current one knows none that is written into events.
    let is_known = move |rule: &StoredRule| generation == Generation::Alpha || !rule.is_of_events();
    all.filter(move |(rule, beside)| is_known(rule) && generation.tells(beside.as_ref()))
}

/// What is the organization's in profiles, as in `_acme`.
pub(crate) fn tenant(org: &str) -> String {
    let name = org.split('@').next().unwrap_or_default();
    let is_fit = |char: char| char.is_ascii_alphanumeric();
    name.chars()
        .fold("_".to_owned(), |text, char| text + if is_fit(char) { char } else { '_' }.encode_utf8(&mut [0; 4]))
}

/// Where a computed attribute stands in profiles.
pub(crate) fn place(org: &str, name: &RuleName, beside: Option<&Beside>) -> Vec<String> {
    let own = || vec![tenant(org), GROUP.to_owned(), name.to_string()];
    beside.and_then(|beside| beside.place.clone()).unwrap_or_else(own)
}

/// Where all of them stand in profiles, or in events, and what each is called here.
pub(crate) fn places(config: &StoredConfig, org: &str, target: Target) -> Vec<(Vec<Name>, Name)> {
    let all = config.rules().of(RULE).values().filter(|rule| rule.definition().into == target);
    all.map(|rule| {
        let place = place(org, &rule.name, beside(config, rule.name.as_str()).as_ref());
        (place.iter().map(|name| name.as_str().into()).collect(), rule.name.shared())
    })
    .collect()
}

/// Where the value of an event stands that was computed under this name, its names joined by dots.
pub(crate) fn place_in_events(config: &StoredConfig, org: &str, name: &str) -> String {
    let placed = beside(config, name).and_then(|beside| beside.place).map(|place| place.join("."));
    placed.unwrap_or_else(|| format!("{}.{GROUP}.{name}", tenant(org)))
}

/// Where a computed attribute is shown in profiles.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What it is called here.
    pub(crate) name: Name,
    /// Its names there, joined by dots.
    pub(crate) path: String,
    pub(crate) generation: Generation,
}

/// Where those that are shown stand. Every read of an entity asks, so that no more than that is read of what is beside them.
pub(crate) fn shown_at(config: &StoredConfig, org: &str) -> Vec<Place> {
    #[derive(Deserialize)]
    struct Placed {
        #[serde(default)]
        place: Option<Vec<String>>,
    }
    let live = config.rules().of(RULE).values().filter(|rule| rule.live().is_some() && !rule.is_of_events());
    let tenant = tenant(org);
    live.map(|rule| {
        let name = rule.name.shared();
        let kept = config.objects().get(KIND, &name);
        let placed = kept.and_then(|json| serde_json::from_str::<Placed>(json).ok()?.place);
        match placed {
            Some(place) => Place { name, path: place.join("."), generation: Generation::Alpha },
            None => Place { path: format!("{tenant}.{GROUP}.{name}"), name, generation: Generation::Current },
        }
    })
    .collect()
}
