//! Segments that bind filter definitions (spec/optimizely.md section 10.4).
//!
//! A definition of profiles is a filter with its values written out. One of events is that a profile has an event for which its conditions hold:
//! membership follows each event. What such a condition cannot say is no segment, and can only be previewed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tessera_expr::ast::{Expr, Function, Node};
use tessera_expr::filter;
use tessera_expr::problem::Place;
use tessera_seam::app::{App, Entered};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::asked::refused;
use super::definitions::{self, Asks};
use super::errors::invalid_member;
use super::kql;
use super::profiles::condition;
use super::scopes::Scoped;
use super::segments::KEPT;
use super::wire::SegmentBody;
use super::words::{DEVICES, call, identities};

/// Definitions of one segment.
const FILTERS_MAX: usize = 20;
/// Devices that a preview of a definition of events comes to.
const DEVICES_MAX: usize = 1_000;

/// How the definitions of a segment hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OptimizelySegmentOperator)]
pub(super) enum Operator {
    /// All of them.
    #[default]
    And,
    /// One of them.
    Or,
}

/// The definitions that a segment binds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", default)]
#[schema(as = OptimizelySegmentFilter)]
pub(super) struct SegmentFilter {
    #[serde(alias = "operator")]
    operator: Operator,
    /// 1 to 20.
    #[serde(alias = "filters")]
    filters: Vec<Bound>,
}

/// A definition with values for its parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", default)]
#[schema(as = OptimizelyBoundFilter)]
pub(super) struct Bound {
    #[serde(alias = "filterDefinitionId")]
    filter_definition_id: String,
    /// Whether it must not hold.
    #[serde(alias = "negate")]
    negate: bool,
    /// A value for each parameter.
    #[serde(alias = "parameters")]
    #[schema(value_type = Object)]
    parameters: Map<String, Json>,
    /// What the definition said when it was bound; what is sent here is passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// The same.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    of: Option<Asks>,
}

/// What a bound definition comes to.
enum Part {
    /// A condition on profiles.
    Holds(Expr),
    /// Nothing that can be kept at every event: why, and the query.
    Asked(Error, Box<kql::Query>, String),
}

/// Whether a segment of this configuration binds a definition.
pub(super) fn is_bound(config: &StoredConfig, id: &str) -> bool {
    config.objects().of(KEPT).any(|(_, json)| {
        let kept: Option<SegmentBody> = serde_json::from_str(json).ok();
        let filter = kept.and_then(|own| own.segment_filter);
        filter.is_some_and(|own| own.filters.iter().any(|bound| bound.filter_definition_id == id))
    })
}

/// An error of one of the definitions.
fn of_filter(at: usize, error: Error) -> Error {
    let said = error.message.replacen("$filter: ", "", 1);
    Error { message: format!("SegmentFilter.Filters[{at}]: {said}").into(), ..error }
}

/// What each definition comes to in a scope; what they say is written beside them.
async fn parts(app: &App, entered: &Entered, scope: &Scoped, own: &mut SegmentFilter) -> Result<Vec<Part>, Error> {
    if !(1..=FILTERS_MAX).contains(&own.filters.len()) {
        return Err(invalid_member("SegmentFilter.Filters", format!("1 to {FILTERS_MAX} are expected")));
    }
    let mut parts = Vec::with_capacity(own.filters.len());
    for (at, bound) in own.filters.iter_mut().enumerate() {
        let (part, query, asks) = part(app, entered, scope, bound).await.map_err(|error| of_filter(at, error))?;
        bound.query = Some(query);
        bound.of = Some(asks);
        parts.push(match part {
            Part::Asked(error, query, text) => Part::Asked(of_filter(at, error), query, text),
            part => part,
        });
    }
    Ok(parts)
}

async fn part(app: &App, entered: &Entered, scope: &Scoped, bound: &Bound) -> Result<(Part, String, Asks), Error> {
    let found = definitions::find(app, entered, &bound.filter_definition_id).await;
    let (_, definition) = found.map_err(|error| {
        if error.kind != ErrorKind::NotFound {
            return error;
        }
        Error::new(
            ErrorKind::Invalid,
            "filter_definition_unknown",
            "FilterDefinitionId of a filter definition is expected",
        )
    })?;
    let values = definition.values(&bound.parameters)?;
    let part = match definition.asks {
        Asks::Profiles => {
            let text = definition.filter(&values)?;
            let expr = filter::parse(&text).map_err(|problem| refused(&problem, &text))?;
            Part::Holds(condition(app, scope, &expr).await?)
        }
        Asks::Events => {
            let query = definition.events(&values)?;
            match kql::of_own_events(&query, &scope.name) {
                Ok(of_event) => Part::Holds(call(Function::Exists, vec![Expr::new(Node::Events), of_event])),
                Err(fault) => {
                    let error = fault.into_error(&definition.query);
                    Part::Asked(error, Box::new(query), definition.query.clone())
                }
            }
        }
    };
    Ok((part, definition.query, definition.asks))
}

fn together(own: &SegmentFilter, all: Vec<Expr>) -> Expr {
    let signed = all
        .into_iter()
        .zip(&own.filters)
        .map(|(expr, bound)| if bound.negate { Expr::new(Node::Not(Box::new(expr))) } else { expr });
    let all: Vec<Expr> = signed.collect();
    match own.operator {
        Operator::And => Expr::and(all, Place::Nowhere),
        Operator::Or => Expr::or(all, Place::Nowhere),
    }
}

/// The condition of a segment, which is kept at every event.
///
/// # Errors
/// `member_invalid`, `filter_definition_unknown`, `filter_invalid`, and `kql_invalid` for what cannot be kept so.
pub(super) async fn kept(app: &App, entered: &Entered, scope: &Scoped, own: &mut SegmentFilter) -> Result<Expr, Error> {
    let parts = parts(app, entered, scope, own).await?;
    let all = parts.into_iter().map(|part| match part {
        Part::Holds(expr) => Ok(expr),
        Part::Asked(error, ..) => Err(error),
    });
    Ok(together(own, all.collect::<Result<_, _>>()?))
}

/// The condition of a draft: what cannot be kept is asked now.
///
/// # Errors
/// As [`kept`], and those of the query.
pub(super) async fn drafted(
    app: &App,
    entered: &mut Entered,
    scope: &Scoped,
    own: &mut SegmentFilter,
) -> Result<Expr, Error> {
    let mut all = Vec::new();
    for (at, part) in parts(app, entered, scope, own).await?.into_iter().enumerate() {
        all.push(match part {
            Part::Holds(expr) => expr,
            Part::Asked(_, query, text) => {
                let devices = kql::devices(app, entered, scope, (&query, &text), DEVICES_MAX).await;
                let devices = devices.map_err(|error| of_filter(at, error))?;
                let list = devices.iter().map(|device| Expr::text(device)).collect();
                call(Function::Intersects, vec![identities(DEVICES), Expr::new(Node::List(list))])
            }
        });
    }
    Ok(together(own, all))
}
