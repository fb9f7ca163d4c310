//! What a filter definition may say, and what it says once its parameters have values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tessera_expr::value::Decimal;
use tessera_service::clock::{format_timestamp, parse_timestamp};
use tessera_service::error::Error;
use utoipa::ToSchema;

use super::super::errors::invalid_member;
use super::super::filter::{OfProfiles, translated};
use super::super::kql::{self, Kind, PARAMETERS_MAX, Parameters, QUERY_BYTES_MAX};
use super::super::render::is_uuid;

/// Characters of a name.
const NAME_MAX: usize = 100;
/// Characters of a category (section 13).
const CATEGORY_MAX: usize = 50;
/// Characters of a description.
const DESCRIPTION_MAX: usize = 1_000;

/// What a definition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OptimizelyFilterType)]
pub(in super::super) enum Asks {
    /// Events, in KQL: their devices.
    Events,
    /// Profiles, by a filter.
    Profiles,
}

/// A parameter of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyFilterParameter)]
pub(in super::super) struct Parameter {
    /// Letters.
    #[serde(alias = "name")]
    pub(in super::super) name: String,
    /// `bool`, `datetime`, `decimal`, `double`, `guid`, `int`, `long`, `string` or `timespan`.
    #[serde(alias = "type", rename = "Type")]
    pub(in super::super) of: String,
}

/// A filter definition as it is sent, and as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", default)]
#[schema(as = OptimizelyFilterDefinitionBody)]
pub(in super::super) struct Body {
    /// 1 to 100 of letters, digits, `.`, `_` and `-`; no other definition has it.
    pub(in super::super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) description: Option<String>,
    /// In KQL for `Events`, a filter for `Profiles`; `{{name}}` stands for a parameter. At most 10,000 bytes.
    pub(in super::super) query: Option<String>,
    /// At most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) parameters: Vec<Parameter>,
    /// At most 50 characters, no backslash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) category: Option<String>,
    #[serde(rename = "Type")]
    pub(in super::super) of: Option<Asks>,
}

/// A filter definition.
#[derive(Debug, Clone)]
pub(in super::super) struct Definition {
    pub(in super::super) asks: Asks,
    pub(in super::super) query: String,
    pub(in super::super) parameters: Vec<Parameter>,
}

/// Whether a text is a name of a definition.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_letter)
}

impl Body {
    /// What it says, as far as it says what may be.
    ///
    /// # Errors
    /// `member_invalid`, `kql_invalid`.
    pub(super) fn checked(&self) -> Result<(&str, Definition), Error> {
        let name = self.name.as_deref().unwrap_or_default();
        if !is_name(name) {
            let expected = format!("1 to {NAME_MAX} of letters, digits, . _ and - are expected");
            return Err(invalid_member("Name", expected));
        }
        // The path of the operation has this name.
        if name.eq_ignore_ascii_case("preview") {
            return Err(invalid_member("Name", "another name than preview is expected"));
        }
        let is_long =
            |text: &Option<String>, most: usize| text.as_ref().is_some_and(|text| text.chars().count() > most);
        if is_long(&self.category, CATEGORY_MAX) || self.category.as_ref().is_some_and(|text| text.contains('\\')) {
            let expected = format!("at most {CATEGORY_MAX} characters are expected, and no backslash");
            return Err(invalid_member("Category", expected));
        }
        if is_long(&self.description, DESCRIPTION_MAX) {
            return Err(invalid_member("Description", format!("at most {DESCRIPTION_MAX} characters are expected")));
        }
        Ok((name, self.definition()?))
    }

    fn definition(&self) -> Result<Definition, Error> {
        let asks = self.of.ok_or_else(|| invalid_member("Type", "Events or Profiles is expected"))?;
        let query = self.query.as_deref().filter(|query| !query.trim().is_empty());
        let query = query.ok_or_else(|| invalid_member("Query", "a query is expected"))?.to_owned();
        if query.len() > QUERY_BYTES_MAX {
            return Err(invalid_member("Query", format!("at most {QUERY_BYTES_MAX} bytes are expected")));
        }
        if self.parameters.len() > PARAMETERS_MAX {
            return Err(invalid_member("Parameters", format!("at most {PARAMETERS_MAX} are expected")));
        }
        for (at, Parameter { name, of }) in self.parameters.iter().enumerate() {
            if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Err(invalid_member(&format!("Parameters[{at}].Name"), "letters are expected"));
            }
            if self.parameters[..at].iter().any(|other| other.name == *name) {
                return Err(invalid_member(&format!("Parameters[{at}].Name"), "a name is expected that no other has"));
            }
            if sample(of).is_none() {
                let expected = "bool, datetime, decimal, double, guid, int, long, string or timespan is expected";
                return Err(invalid_member(&format!("Parameters[{at}].Type"), expected));
            }
        }
        let definition = Definition { asks, query, parameters: self.parameters.clone() };
        definition.tried()?;
        Ok(definition)
    }
}

/// A value of a type, to try a query with; none for what is no type.
fn sample(of: &str) -> Option<Json> {
    Some(match of {
        "bool" => true.into(),
        "datetime" => "2020-01-31T10:00:00Z".into(),
        "decimal" | "double" | "int" | "long" => 1.into(),
        "guid" => "0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11".into(),
        "string" => "x".into(),
        "timespan" => "1d".into(),
        _ => return None,
    })
}

/// An error of a filter, as one of the query.
fn as_query(error: &Error) -> Error {
    invalid_member("Query", error.message.trim_start_matches("$filter: "))
}

impl Definition {
    /// Reads the query with some value for each parameter.
    fn tried(&self) -> Result<(), Error> {
        let samples = self.parameters.iter().map(|own| (own.name.clone(), sample(&own.of).unwrap_or_default()));
        let values = self.values(&samples.collect())?;
        match self.asks {
            Asks::Events => kql::checked(&self.events(&values)?, &self.query)?,
            Asks::Profiles => {
                let text = self.filter(&values)?;
                let read = tessera_expr::filter::parse(&text);
                let read =
                    read.map_err(|problem| invalid_member("Query", format!("{} is expected", problem.expected)))?;
                let emails = HashMap::new();
                let words = OfProfiles { scope: "", emails: &emails };
                translated(&read, &words).map_err(|error| as_query(&error))?;
            }
        }
        Ok(())
    }

    /// The values of its parameters, each of its type.
    ///
    /// # Errors
    /// `member_invalid` for one that is missing, of another type, or of no parameter.
    pub(in super::super) fn values(&self, given: &Map<String, Json>) -> Result<Parameters, Error> {
        if let Some(other) = given.keys().find(|name| !self.parameters.iter().any(|own| own.name == **name)) {
            let shown: String = other.chars().take(NAME_MAX).collect();
            return Err(invalid_member(
                "Parameters",
                format!("{shown:?} is no parameter of the definition; its own are expected"),
            ));
        }
        let value = |own: &Parameter| {
            let typed = given.get(&own.name).and_then(|json| typed(&own.of, json));
            let expected = || {
                invalid_member(
                    &format!("Parameters.{}", own.name),
                    format!("a value of the type {} is expected", own.of),
                )
            };
            Ok((own.name.clone(), typed.ok_or_else(expected)?))
        };
        self.parameters.iter().map(value).collect()
    }

    /// The query over events.
    ///
    /// # Errors
    /// `kql_invalid`.
    pub(in super::super) fn events(&self, values: &Parameters) -> Result<kql::Query, Error> {
        kql::parse(&self.query, values).map_err(|fault| fault.into_error(&self.query))
    }

    /// The filter over profiles, with its values written out.
    ///
    /// # Errors
    /// `member_invalid` for a parameter that is not defined, stands in quotes or has no form in a filter.
    pub(in super::super) fn filter(&self, values: &Parameters) -> Result<String, Error> {
        let (mut text, mut quote, mut rest) = (String::new(), None, &*self.query);
        while let Some(letter) = rest.chars().next() {
            if !rest.starts_with("{{") {
                match quote {
                    None if letter == '\'' || letter == '"' => quote = Some(letter),
                    Some(own) if own == letter => quote = None,
                    _ => {}
                }
                text.push(letter);
                rest = &rest[letter.len_utf8()..];
                continue;
            }
            let at = self.query[..self.query.len() - rest.len()].chars().count() + 1;
            let expected = |what: &str| invalid_member("Query", format!("at character {at} {what} is expected"));
            if quote.is_some() {
                return Err(expected("a parameter outside of quotes"));
            }
            let end = rest.find("}}").ok_or_else(|| expected("a name of a parameter and }}"))?;
            let value = values.get(rest[2..end].trim()).ok_or_else(|| expected("a parameter that is defined"))?;
            text += &written(value).ok_or_else(|| expected("a parameter of another type than timespan"))?;
            rest = &rest[end + 2..];
        }
        Ok(text)
    }
}

/// A value of this type; none for what is of another.
fn typed(of: &str, json: &Json) -> Option<Kind> {
    let number = || Decimal::parse(&json.as_number()?.to_string()).ok();
    let whole = |least: i64, most: i64| {
        let number = number()?;
        let whole = number.to_i64().filter(|whole| (least..=most).contains(whole))?;
        (Decimal::from_i64(whole) == number).then_some(Kind::Number(number))
    };
    match of {
        "bool" => json.as_bool().map(Kind::Bool),
        "int" => whole(i32::MIN.into(), i32::MAX.into()),
        "long" => whole(i64::MIN, i64::MAX),
        "decimal" | "double" => number().map(Kind::Number),
        "datetime" => parse_timestamp(json.as_str()?).ok().map(Kind::Time),
        "timespan" => kql::span(json.as_str()?).map(Kind::Span),
        "guid" => json.as_str().filter(|text| is_uuid(text)).map(|text| Kind::Text(text.to_owned())),
        "string" => json.as_str().map(|text| Kind::Text(text.to_owned())),
        _ => None,
    }
}

/// A value as a filter has it.
fn written(value: &Kind) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Kind::Null => Some("null".into()),
        Kind::Bool(own) => Some(own.to_string()),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Text(text) => Some(quoted(text)),
        Kind::Time(at) => Some(quoted(&format_timestamp(*at))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(json: Json) -> Body {
        serde_json::from_value(json).expect("a body")
    }

    fn refused(json: Json) -> String {
        body(json).checked().err().map(|error| error.message.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_a_definition_may_not_say_is_told_with_its_member() {
        let whole = json!({ "Name": "big.spend-1", "Type": "Profiles", "Query": "Visits ge {{minVisits}}",
            "Parameters": [{ "Name": "minVisits", "Type": "int" }], "Category": "x".repeat(50) });
        assert_eq!(refused(whole.clone()), "");
        for (member, wrong, target) in [
            ("Name", json!("a b"), "Name: "),
            ("Name", json!(""), "Name: "),
            ("Name", json!("x".repeat(101)), "Name: "),
            ("Name", json!("Preview"), "Name: "),
            ("Category", json!("x".repeat(51)), "Category: "),
            ("Category", json!("a\\b"), "Category: "),
            ("Description", json!("x".repeat(1_001)), "Description: "),
            ("Type", Json::Null, "Type: "),
            ("Query", json!(" "), "Query: "),
            ("Query", json!("x".repeat(10_001)), "Query: "),
            ("Query", json!("Visits ge {{other}}"), "Query: at character 11 "),
            ("Query", json!("Name eq '{{minVisits}}'"), "Query: at character 10 "),
            ("Query", json!("Visits ge {{minVisits"), "Query: at character 11 "),
            ("Query", json!("Visits above {{minVisits}}"), "Query: "),
            ("Query", json!("Visit ge {{minVisits}}"), "Query: Visit is no member"),
            ("Parameters", json!([{ "Name": "min1", "Type": "int" }]), "Parameters[0].Name: "),
            ("Parameters", json!([{ "Name": "minVisits", "Type": "float" }]), "Parameters[0].Type: "),
            (
                "Parameters",
                json!([{ "name": "a", "type": "int" }, { "Name": "a", "Type": "int" }]),
                "Parameters[1].Name: ",
            ),
            ("Parameters", json!(vec![json!({ "Name": "a", "Type": "int" }); 101]), "Parameters: "),
        ] {
            let mut changed = whole.clone();
            changed[member] = wrong.clone();
            let said = refused(changed);
            assert!(said.starts_with(target), "{member} {wrong}: {said:?}");
        }
        for (query, at) in [
            ("Events | where Value == 'x' |", 30),
            ("Events | where Kind == 1", 16),
            ("Events | take 5 | summarize n = count() by Value | where m > 1", 58),
        ] {
            let said = refused(json!({ "Name": "e", "Type": "Events", "Query": query }));
            assert!(said.starts_with(&format!("Query: at character {at} ")), "{query}: {said}");
        }
    }

    #[test]
    fn values_are_of_their_types_and_are_written_so_that_they_stay_values() {
        for (of, right, wrong) in [
            ("bool", json!(true), json!("true")),
            ("int", json!(5), json!(3_000_000_000_i64)),
            ("long", json!(3_000_000_000_i64), json!(1.5)),
            ("decimal", json!(1.5), json!("1.5")),
            ("double", json!(1.5), Json::Null),
            ("datetime", json!("2020-01-31"), json!("soon")),
            ("timespan", json!("7d"), json!("7")),
            ("guid", json!("0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11"), json!("x")),
            ("string", json!("x"), json!(1)),
        ] {
            assert!(typed(of, &right).is_some(), "{of} {right}");
            assert_eq!(typed(of, &wrong), None, "{of} {wrong}");
            assert!(sample(of).and_then(|json| typed(of, &json)).is_some(), "{of}");
        }
        let definition =
            body(json!({ "Name": "a", "Type": "Profiles", "Query": "Name eq {{who}} and Payload.x eq 'it''s'",
            "Parameters": [{ "Name": "who", "Type": "string" }] }));
        let (_, definition) = definition.checked().expect("a definition");
        let values = |json: Json| definition.values(json.as_object().expect("an object"));
        let given = values(json!({ "who": "O'Hara' or Name ne 'x" })).expect("values");
        assert_eq!(
            definition.filter(&given).expect("a filter"),
            "Name eq 'O''Hara'' or Name ne ''x' and Payload.x eq 'it''s'"
        );
        for wrong in [json!({}), json!({ "who": 5 }), json!({ "who": "x", "other": 1 })] {
            assert_eq!(values(wrong.clone()).expect_err("no values").code, "member_invalid", "{wrong}");
        }
    }
}
