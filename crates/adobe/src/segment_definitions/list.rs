//! Lists of segment definitions: filters, order, pages.

use serde_json::json;
use tessera_seam::extract::Query;
use tessera_seam::route::Route;
use tessera_service::error::Error;

use super::wire::{Page, SegmentDefinition, SegmentDefinitions, Way};
use crate::errors::invalid_parameter;
use crate::objects::encoded;

/// Definitions of one page.
const LIMIT_MAX: usize = 2_000;
const LIMIT_DEFAULT: usize = 100;
const CONTINUOUS: &str = "evaluationInfo.continuous.enabled";
const SYNCHRONOUS: &str = "evaluationInfo.synchronous.enabled";

/// What the documents say of the query.
pub(super) fn documented(route: Route) -> Route {
    let whole = |minimum: u32| json!({ "type": "integer", "minimum": minimum });
    let truth = || json!({ "type": "boolean" });
    route
        .describe("All that run, where nothing is asked for. Those that were made elsewhere are among them.")
        .known_parameters_only()
        .query("start", "How many to leave out.", whole(0))
        .query("limit", "How many.", json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }))
        .query("page", "Which page of so many, the first one 1; in place of `start`.", whole(0))
        .query(
            "sort",
            "`name`, `creationTime`, `updateTime` or `id`, a colon, and `asc` or `desc`. `creationTime:desc` without it.",
            json!({ "type": "string" }),
        )
        .query(CONTINUOUS, "Those that are evaluated as they come, or are not.", truth())
        .query(SYNCHRONOUS, "Those that are evaluated on the edge, or are not.", truth())
}

/// What definitions are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Created,
    Updated,
    Id,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Created => "creationTime",
            Self::Updated => "updateTime",
            Self::Id => "id",
        }
    }
}

/// What a query asks for.
pub(super) struct Wanted {
    start: usize,
    limit: Option<usize>,
    field: Field,
    is_descending: bool,
    ways: Vec<(Way, bool)>,
    /// The rest of the query, for the link to the next page.
    rest: String,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// `query_invalid`, `limit_invalid`.
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        let limit = if query.0.is_empty() { None } else { Some(query.limit(LIMIT_DEFAULT, LIMIT_MAX)?) };
        let number = |name: &str| match query.get(name).map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(invalid_parameter(name, "a whole number is expected")),
        };
        let page = number("page")?.map(|page| page.saturating_sub(1).saturating_mul(limit.unwrap_or(LIMIT_DEFAULT)));
        let start = number("start")?.or(page).unwrap_or(0);
        let (field, is_descending) = order(query.get("sort").unwrap_or("creationTime:desc"))?;
        let mut ways = Vec::new();
        for (name, way) in [(CONTINUOUS, Way::Continuous), (SYNCHRONOUS, Way::Synchronous)] {
            // Python writes its truths large.
            match query.get(name).map(str::to_ascii_lowercase).as_deref() {
                None => {}
                Some("true") => ways.push((way, true)),
                Some("false") => ways.push((way, false)),
                Some(_) => return Err(invalid_parameter(name, "true or false is expected")),
            }
        }
        let kept = query.0.iter().filter(|(name, _)| !matches!(name.as_str(), "start" | "limit" | "page"));
        let rest = kept.map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
        Ok(Self { start, limit, field, is_descending, ways, rest })
    }

    /// The page of these definitions.
    pub(super) fn page(&self, all: Vec<SegmentDefinition>) -> SegmentDefinitions {
        let fits =
            |own: &SegmentDefinition| self.ways.iter().all(|(way, says)| own.evaluation_info.says(*way) == *says);
        let mut all: Vec<SegmentDefinition> = all.into_iter().filter(fits).collect();
        all.sort_by(|one, other| {
            let order = match self.field {
                Field::Name => one.name.cmp(&other.name),
                Field::Created => one.creation_time.cmp(&other.creation_time),
                Field::Updated => one.update_time.cmp(&other.update_time),
                Field::Id => one.id.cmp(&other.id),
            };
            let order = if self.is_descending { order.reverse() } else { order };
            order.then_with(|| one.id.cmp(&other.id))
        });
        let total_count = all.len();
        let limit = self.limit.unwrap_or(total_count.max(LIMIT_DEFAULT));
        let segments: Vec<SegmentDefinition> = all.into_iter().skip(self.start).take(limit).collect();
        let next = self.start.saturating_add(segments.len());
        let link = if next < total_count && !segments.is_empty() {
            json!({ "next": format!("/segment/definitions?start={next}&limit={limit}{}", self.rest) })
        } else {
            json!({})
        };
        let page = Page {
            total_count,
            total_pages: total_count.div_ceil(limit),
            sort_field: self.field.name(),
            sort: if self.is_descending { "desc" } else { "asc" },
            page_size: segments.len(),
            limit,
        };
        SegmentDefinitions { segments, page, link }
    }
}

fn order(text: &str) -> Result<(Field, bool), Error> {
    let wrong = || invalid_parameter("sort", "name, creationTime, updateTime or id is expected, with :asc or :desc");
    let (name, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let field = match name {
        "name" => Field::Name,
        "creationTime" => Field::Created,
        "updateTime" | "updateEpoch" => Field::Updated,
        "id" => Field::Id,
        _ => return Err(wrong()),
    };
    match direction {
        "asc" => Ok((field, false)),
        "desc" => Ok((field, true)),
        _ => Err(wrong()),
    }
}
