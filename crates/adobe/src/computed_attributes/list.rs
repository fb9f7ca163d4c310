//! Lists of computed attributes: filters, order, pages (spec/adobe.md section 6.2).

use serde_json::json;
use tessera_seam::extract::Query;
use tessera_seam::route::Route;
use tessera_service::error::Error;

use super::wire::{ComputedAttribute, ComputedAttributes, Page};
use crate::errors::invalid_parameter;
use crate::objects::encoded;

/// Computed attributes of one page.
const LIMIT_MAX: usize = 40;
const LIMIT_DEFAULT: usize = 20;
/// Conditions of one query.
const FILTERS_MAX: usize = 20;

/// What the documents say of the query.
pub(super) fn documented(route: Route) -> Route {
    let whole = |minimum: u32| json!({ "type": "integer", "minimum": minimum });
    let text = || json!({ "type": "string" });
    route
        .known_parameters_only()
        .query("limit", "How many.", json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }))
        .query("offset", "How many to leave out.", whole(0))
        .query("sortBy", "`name`, `status`, `updateEpoch` or `createEpoch`; a `-` before it for the last first. `-updateEpoch` without it.", text())
        .query(
            "property",
            "A condition, which may be repeated: `name`, `status` or `mergeFunction.value` with `=`, `!=`, `=contains(a,b)` or `=!contains(a,b)`; \
             `createEpoch` or `updateEpoch` with `>=` or `<=`.",
            text(),
        )
        .query("status", "Those with this status, in whatever case.", text())
}

/// A member that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Name,
    Status,
    Function,
    Created,
    Updated,
}

/// A condition on a member.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holds {
    Is(String),
    IsNot(String),
    Contains(Vec<String>),
    ContainsNot(Vec<String>),
    AtLeast(i64),
    AtMost(i64),
}

/// What a query asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    filters: Vec<(Member, Holds)>,
    order: (Member, bool),
    offset: usize,
    limit: usize,
    /// The rest of the query, for the links to other pages.
    rest: String,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// `query_invalid`, `limit_invalid`.
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        let limit = query.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        let offset = match query.get("offset").map(str::parse) {
            None => 0,
            Some(Ok(offset)) => offset,
            Some(Err(_)) => return Err(invalid_parameter("offset", "a whole number is expected")),
        };
        let own = |name: &'static str| query.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value);
        let mut filters = own("property").map(|text| condition(text)).collect::<Result<Vec<_>, Error>>()?;
        if filters.len() > FILTERS_MAX {
            return Err(invalid_parameter("property", format!("at most {FILTERS_MAX} of them are expected")));
        }
        if let Some(status) = query.get("status") {
            filters.push((Member::Status, Holds::Is(status.to_owned())));
        }
        let order = order(query.get("sortBy").unwrap_or("-updateEpoch"))?;
        let kept = query.0.iter().filter(|(name, _)| !matches!(name.as_str(), "offset" | "limit"));
        let rest = kept.map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
        Ok(Self { filters, order, offset, limit, rest })
    }

    /// The page of these computed attributes.
    pub(super) fn page(&self, all: Vec<ComputedAttribute>) -> ComputedAttributes {
        let mut all: Vec<ComputedAttribute> = all.into_iter().filter(|own| self.fits(own)).collect();
        let (member, is_descending) = self.order;
        all.sort_by(|one, other| {
            let order = match member {
                Member::Created => one.create_epoch.cmp(&other.create_epoch),
                Member::Updated => one.update_epoch.cmp(&other.update_epoch),
                Member::Status => one.status.name().cmp(other.status.name()),
                Member::Name | Member::Function => one.name.cmp(&other.name),
            };
            let order = if is_descending { order.reverse() } else { order };
            order.then_with(|| one.id.cmp(&other.id))
        });
        let total_count = all.len();
        let computed_attributes: Vec<ComputedAttribute> = all.into_iter().skip(self.offset).take(self.limit).collect();
        let count = computed_attributes.len();
        let last = total_count.saturating_sub(1) / self.limit * self.limit;
        let next = self.offset.saturating_add(count);
        let next = if next < total_count && count > 0 { self.href(next) } else { String::new() };
        let links = json!({
            "self": { "href": self.href(self.offset) }, "next": { "href": next },
            "prev": { "href": self.href(self.offset.saturating_sub(self.limit)) }, "last": { "href": self.href(last) }
        });
        let page = Page { offset: self.offset, limit: self.limit, count, total_count };
        ComputedAttributes { links, computed_attributes, page }
    }

    fn href(&self, offset: usize) -> String {
        format!("/attributes?offset={offset}&limit={}{}", self.limit, self.rest)
    }

    fn fits(&self, own: &ComputedAttribute) -> bool {
        self.filters.iter().all(|(member, holds)| match member {
            Member::Name => holds.of_text(&own.name, Case::Minds),
            Member::Status => holds.of_text(own.status.name(), Case::Ignores),
            Member::Function => holds.of_text(own.merge_function.value, Case::Ignores),
            Member::Created => holds.of_time(own.create_epoch),
            Member::Updated => holds.of_time(own.update_epoch),
        })
    }
}

/// How texts are compared: names in part and as they are written, values of a list as wholes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Minds,
    Ignores,
}

impl Holds {
    fn of_text(&self, text: &str, case: Case) -> bool {
        let is = |own: &String| if case == Case::Minds { own == text } else { own.eq_ignore_ascii_case(text) };
        let is_within = |own: &String| if case == Case::Minds { text.contains(own.as_str()) } else { is(own) };
        match self {
            Self::Is(own) => is(own),
            Self::IsNot(own) => !is(own),
            Self::Contains(all) => all.iter().any(is_within),
            Self::ContainsNot(all) => !all.iter().any(is_within),
            Self::AtLeast(_) | Self::AtMost(_) => false,
        }
    }

    const fn of_time(&self, millis: i64) -> bool {
        match self {
            Self::AtLeast(bound) => millis >= *bound,
            Self::AtMost(bound) => millis <= *bound,
            Self::Is(_) | Self::IsNot(_) | Self::Contains(_) | Self::ContainsNot(_) => false,
        }
    }
}

fn order(text: &str) -> Result<(Member, bool), Error> {
    let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let member = match name.trim_start_matches([' ', '+']) {
        "name" => Member::Name,
        "status" => Member::Status,
        "createEpoch" => Member::Created,
        "updateEpoch" => Member::Updated,
        _ => {
            return Err(invalid_parameter(
                "sortBy",
                "name, status, updateEpoch or createEpoch is expected, with - before it or without",
            ));
        }
    };
    Ok((member, is_descending))
}

/// Reads `field op value`.
fn condition(text: &str) -> Result<(Member, Holds), Error> {
    let wrong = || {
        let what = "a condition is expected, as in name=orders, status=!contains(draft,new), mergeFunction.value!=SUM or updateEpoch>=1714641500000";
        invalid_parameter("property", what)
    };
    let end = text.find(['=', '!', '<', '>']).ok_or_else(wrong)?;
    let (name, rest) = text.split_at(end);
    let (member, is_time) = match name.trim() {
        "name" => (Member::Name, false),
        "status" => (Member::Status, false),
        // Two spellings of the specification's documents.
        "mergeFunction.value" | "mergePolicy.value" => (Member::Function, false),
        "createEpoch" | "createdEpoch" => (Member::Created, true),
        "updateEpoch" | "updatedEpoch" => (Member::Updated, true),
        _ => return Err(wrong()),
    };
    let list = |text: &str| -> Option<Vec<String>> {
        let inner = text.strip_prefix("contains(")?.strip_suffix(')')?;
        Some(inner.split(',').map(|own| own.trim().to_owned()).collect())
    };
    let holds = if is_time {
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| wrong());
        if let Some(bound) = rest.strip_prefix(">=") {
            Holds::AtLeast(number(bound)?)
        } else {
            Holds::AtMost(number(rest.strip_prefix("<=").ok_or_else(wrong)?)?)
        }
    } else if let Some(value) = rest.strip_prefix("!=") {
        Holds::IsNot(value.trim().to_owned())
    } else {
        let value = rest.strip_prefix('=').ok_or_else(wrong)?.trim();
        match (list(value), value.strip_prefix('!').and_then(list)) {
            (Some(all), _) => Holds::Contains(all),
            (None, Some(all)) => Holds::ContainsNot(all),
            (None, None) => Holds::Is(value.to_owned()),
        }
    };
    Ok((member, holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_documented() {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (text, expected) in [
            ("name=orders", Some((Member::Name, Holds::Is("orders".to_owned())))),
            ("status!=draft", Some((Member::Status, Holds::IsNot("draft".to_owned())))),
            (
                "status=contains(new,processing, disabled)",
                Some((Member::Status, Holds::Contains(all(&["new", "processing", "disabled"])))),
            ),
            ("mergeFunction.value=!contains(SUM,-)", Some((Member::Function, Holds::ContainsNot(all(&["SUM", "-"]))))),
            ("mergePolicy.value=SUM", Some((Member::Function, Holds::Is("SUM".to_owned())))),
            ("updateEpoch>=1714641500000", Some((Member::Updated, Holds::AtLeast(1_714_641_500_000)))),
            ("createdEpoch<=5", Some((Member::Created, Holds::AtMost(5)))),
            ("updateEpoch=5", None),
            ("name>=5", None),
            ("description=x", None),
            ("name", None),
        ] {
            assert_eq!(condition(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn names_contain_and_statuses_are_among() {
        let holds = |text: &str| condition(text).expect("a condition").1;
        assert!(holds("name=contains(ord,x)").of_text("orders", Case::Minds));
        assert!(!holds("name=contains(ORD)").of_text("orders", Case::Minds));
        assert!(holds("status=contains(new,draft)").of_text("DRAFT", Case::Ignores));
        assert!(!holds("status=contains(process)").of_text("PROCESSED", Case::Ignores));
        assert!(holds("status=!contains(process)").of_text("PROCESSED", Case::Ignores));
    }
}
