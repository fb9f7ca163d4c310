//! Filters of events by one of their values: `property=<path><operator><value>` (spec/adobe.md section 4.5).

use serde_json::Value;
use tessera_engine::time::Timestamp;
use tessera_service::clock::parse_timestamp;
use tessera_service::error::Error;

use super::super::errors::invalid_parameter;

/// Filters of one look-up.
pub(super) const PROPERTIES_MAX: usize = 3;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Property {
    path: Vec<String>,
    operator: Operator,
    value: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first: `<=` is no `<`.
const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// A day, from its first instant.
    Day(Timestamp),
    /// Anything else: as a truth or a number where it is one and the value is too, otherwise as a text.
    Plain(String),
}

impl Property {
    /// Reads a filter.
    ///
    /// # Errors
    /// `query_invalid`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let form = || invalid_parameter("property", "a path, one of = != < <= > >=, and a value are expected");
        let at = text.find(['!', '<', '>', '=']).ok_or_else(form)?;
        let (path, rest) = text.split_at(at);
        let found = OPERATORS.iter().find(|(own, _)| rest.starts_with(own));
        let (sign, operator) = *found.ok_or_else(form)?;
        let value = rest[sign.len()..].trim();
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        if value.is_empty() || path.iter().any(String::is_empty) {
            return Err(form());
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = match quoted {
            Some(quoted) => Wanted::Day(day(quoted).ok_or_else(|| {
                invalid_parameter("property", "a value in quotes is a date, \"yyyy-mm-dd\" or \"yyyymmdd\"")
            })?),
            None => Wanted::Plain(value.to_owned()),
        };
        Ok(Self { path, operator, value })
    }

    /// Whether an event has a value at the path that stands so to the one that is wanted; of a list one of its items.
    pub(super) fn is_met_by(&self, event: &Value) -> bool {
        self.any_below(event, &self.path)
    }

    fn any_below(&self, value: &Value, path: &[String]) -> bool {
        match (value, path.split_first()) {
            (Value::Array(items), _) => items.iter().any(|item| self.any_below(item, path)),
            (Value::Object(members), Some((name, rest))) => {
                members.get(name).is_some_and(|value| self.any_below(value, rest))
            }
            (value, None) => self.compares(value),
            (_, Some(_)) => false,
        }
    }

    fn compares(&self, value: &Value) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = match (&self.value, value) {
            (Wanted::Day(day), Value::String(text)) => parse_timestamp(text).ok().map(|at| {
                // The whole of the day is that day.
                let within = at.micros() - day.micros();
                if (0..DAY_MICROS).contains(&within) { Equal } else { within.cmp(&0) }
            }),
            (Wanted::Plain(wanted), Value::Bool(own)) => wanted.parse().ok().map(|wanted: bool| own.cmp(&wanted)),
            (Wanted::Plain(wanted), Value::Number(own)) => {
                let own: Option<f64> = own.as_f64();
                wanted.parse().ok().zip(own).and_then(|(wanted, own): (f64, f64)| own.partial_cmp(&wanted))
            }
            (Wanted::Plain(wanted), Value::String(own)) => Some(own.as_str().cmp(wanted)),
            _ => None,
        };
        // A value of another type is another value.
        let is_another = self.operator == Operator::NotEqual && !value.is_null() && !value.is_object();
        order.map_or(is_another, |order| match self.operator {
            Operator::Equal => order == Equal,
            Operator::NotEqual => order != Equal,
            Operator::Less => order == Less,
            Operator::LessOrEqual => order != Greater,
            Operator::Greater => order == Greater,
            Operator::GreaterOrEqual => order != Less,
        })
    }
}

/// The first instant of a day.
fn day(text: &str) -> Option<Timestamp> {
    let spelled = match text.len() {
        8 if text.bytes().all(|byte| byte.is_ascii_digit()) => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        10 => text.to_owned(),
        _ => return None,
    };
    parse_timestamp(&format!("{spelled}T00:00:00Z")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_chosen_by_a_value() {
        let event = json!({
            "eventType": "commerce.purchases", "commerce": { "order": { "priceTotal": 40.5, "gift": true } },
            "placeContext": { "localTime": "2024-05-31T08:00:00+02:00" }, "code": "7",
            "productListItems": [{ "SKU": "a", "quantity": 1 }, { "SKU": "b", "quantity": 3 }]
        });
        for (filter, is_met) in [
            ("eventType=commerce.purchases", true),
            ("eventType!=commerce.purchases", false),
            ("commerce.order.priceTotal>=40", true),
            ("commerce.order.priceTotal<40.5", false),
            ("commerce.order.priceTotal<=40.50", true),
            ("commerce.order.priceTotal=many", false),
            ("commerce.order.gift=true", true),
            ("commerce.order.gift!=true", false),
            ("code=7", true),
            ("placeContext.localTime<=\"2024-05-31\"", true),
            ("placeContext.localTime=\"20240531\"", true),
            ("placeContext.localTime<\"20240531\"", false),
            ("placeContext.localTime>\"2024-05-30\"", true),
            ("productListItems.quantity>2", true),
            ("productListItems.SKU=c", false),
            ("nothing!=1", false),
            ("commerce.order!=1", false),
            ("eventType!=1", true),
            ("commerce.order.gift!=1", true),
            ("commerce.order.gift=1", false),
            ("commerce.order.priceTotal!=many", true),
            ("eventType!=\"2024-05-31\"", true),
        ] {
            assert_eq!(Property::parse(filter).expect("a filter").is_met_by(&event), is_met, "{filter}");
        }
        for text in ["", "a", "=1", "a.=1", "a!1", "a=", "a=\"yesterday\"", "a<\"2024-13-01\""] {
            assert_eq!(Property::parse(text).expect_err("no filter").code, "query_invalid", "{text}");
        }
    }
}
