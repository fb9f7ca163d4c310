//! Lists of merge policies: filters, order, pages (spec/adobe.md sections 1.6 and 5.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tessera_seam::extract::Query;
use tessera_seam::route::Route;
use tessera_service::error::Error;

use super::wire::{Href, Links, MergePolicies, MergePolicy, Page};
use crate::errors::invalid_parameter;
use crate::objects::encoded;

/// Policies of one page.
const LIMIT_MAX: usize = 1_000;
/// Those of a page whose query asks for something and says no limit.
const LIMIT_DEFAULT: usize = 20;
/// Parameters that say which policies.
const FILTERS: [&str; 6] =
    ["default", "schema.name", "identityGraph.type", "attributeMerge.type", "isActiveOnEdge", "version"];

/// What the documents say of the query.
pub(super) fn documented(route: Route) -> Route {
    let text = || json!({ "type": "string" });
    let truth = || json!({ "type": "boolean" });
    route
        .describe("All, where nothing is asked for. A parameter that is not known is refused.")
        .known_parameters_only()
        .query("default", "Those that are the default of their class, or are not.", truth())
        .query(
            "limit",
            "How many.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
        )
        .query("orderBy", "`name`, `+name` or `-name`.", text())
        .query("orderby", "The same.", text())
        .query("schema.name", "Those of a class.", text())
        .query("identityGraph.type", "Those with `pdg` or `none`.", text())
        .query("attributeMerge.type", "Those with `timestampOrdered` or `dataSetPrecedence`.", text())
        .query("isActiveOnEdge", "Those that are active on the edge, or are not.", truth())
        .query("start", "Where the page begins: `start` of `_links.next.href`, or how many to leave out.", text())
        .query(
            "version",
            "Those whose newest version is this one; no others are kept.",
            json!({ "type": "integer", "minimum": 1 }),
        )
}

/// What a query asks for.
pub(super) struct Wanted {
    filters: Vec<(&'static str, String)>,
    is_descending: bool,
    order_by: String,
    start: usize,
    limit: Option<usize>,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// `query_invalid`, `limit_invalid`.
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        for name in ["default", "isActiveOnEdge"] {
            query.flag(name)?;
        }
        if query.get("version").is_some_and(|version| version.parse::<u64>().is_err()) {
            return Err(invalid_parameter("version", "a whole number is expected"));
        }
        let filters = FILTERS.into_iter().filter_map(|name| Some((name, query.get(name)?.to_owned()))).collect();
        let order_by = query.get("orderBy").or_else(|| query.get("orderby")).unwrap_or_default().to_owned();
        // A plus that was not encoded has become a blank.
        let is_descending = match order_by.trim_start_matches([' ', '+']) {
            "" | "name" => false,
            "-name" => true,
            _ => return Err(invalid_parameter("orderBy", "name, +name or -name is expected")),
        };
        let start = query.get("start").map(start).transpose()?;
        let says_nothing = query.0.is_empty();
        let limit = if says_nothing { None } else { Some(query.limit(LIMIT_DEFAULT, LIMIT_MAX)?) };
        Ok(Self { filters, is_descending, order_by, start: start.unwrap_or(0), limit })
    }

    /// The page of these policies.
    pub(super) fn page(&self, all: Vec<MergePolicy>) -> MergePolicies {
        let mut all: Vec<MergePolicy> = all.into_iter().filter(|policy| self.fits(policy)).collect();
        all.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        if self.is_descending {
            all.reverse();
        }
        let total_count = all.len();
        let limit = self.limit.unwrap_or(total_count);
        let children: Vec<MergePolicy> = all.into_iter().skip(self.start).take(limit).collect();
        let reached = self.start.saturating_add(children.len());
        let next = if reached < total_count && !children.is_empty() { token(reached) } else { String::new() };
        let href = if next.is_empty() { String::new() } else { self.href(&next, limit) };
        let page_size = children.len();
        let page = Page { total_count, page_size, count: page_size, next };
        MergePolicies { page, children, links: Links { next: Href { href } } }
    }

    fn fits(&self, policy: &MergePolicy) -> bool {
        self.filters.iter().all(|(name, wanted)| match *name {
            "default" => policy.default.to_string() == *wanted,
            "isActiveOnEdge" => policy.is_active_on_edge.to_string() == *wanted,
            "schema.name" => policy.schema.name == *wanted,
            "identityGraph.type" => policy.identity_graph.kind == *wanted,
            "attributeMerge.type" => policy.attribute_merge.kind == *wanted,
            _ => policy.version.to_string() == *wanted,
        })
    }

    /// The query of the next page, which asks for the same.
    fn href(&self, start: &str, limit: usize) -> String {
        let filters = self.filters.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        let order_by = encoded(&self.order_by);
        format!("@/mergePolicies?start={start}&orderBy={order_by}&limit={limit}{}", filters.collect::<String>())
    }
}

fn token(offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("offset:{offset}"))
}

/// Where a page begins.
fn start(text: &str) -> Result<usize, Error> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let offset = decoded.as_deref().and_then(|text| text.strip_prefix("offset:")).unwrap_or(text);
    let fits = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
    let number = offset.parse().ok().filter(|_| fits);
    number.ok_or_else(|| invalid_parameter("start", "a whole number is expected, or what a link to the next page has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_at_a_number_or_at_what_a_link_says() {
        for (text, expected) in
            [("0", Some(0)), ("2", Some(2)), ("b2Zmc2V0OjI", Some(2)), ("x", None), ("-1", None), ("+1", None)]
        {
            assert_eq!(start(text).ok(), expected, "{text}");
        }
        assert_eq!(token(2), "b2Zmc2V0OjI");
    }
}
