//! The options of lists, and their envelope (spec/optimizely.md section 6).

use serde::Serialize;
use serde_json::Value as Json;
use tessera_expr::ast::{Expr, Name};
use tessera_expr::filter;
use tessera_expr::problem::Problem;
use tessera_seam::extract::Query;
use tessera_service::error::Error;
use tessera_service::queries::{ORDER_MAX, Sorting, WINDOW_MAX};
use utoipa::ToSchema;

use super::errors::{invalid_filter, invalid_option};

/// How many are shown where nobody says.
const TOP_DEFAULT: usize = 100;

/// What a list is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The filter, as it was written.
    pub(super) filter: Option<Expr>,
    /// Members that it is sorted by, by their names.
    pub(super) order_by: Vec<(Vec<Name>, Sorting)>,
    pub(super) skip: usize,
    pub(super) top: usize,
}

/// A list, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OptimizelyList)]
pub(super) struct List {
    /// How many there are in all.
    pub(super) total: u64,
    /// How many are shown.
    pub(super) count: usize,
    /// They.
    #[schema(value_type = Vec<Object>)]
    pub(super) items: Vec<Json>,
}

impl List {
    pub(super) fn new(total: u64, items: Vec<Json>) -> Self {
        Self { total, count: items.len(), items }
    }
}

impl Asked {
    /// Reads the options. Those that are none are passed over, as clients send others.
    ///
    /// # Errors
    /// `filter_invalid`, `option_invalid`.
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        let get = |name: &str| {
            let found = query.0.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let number = |name: &str, default| {
            let expected = |_| invalid_option(name, format!("a whole number from 0 to {WINDOW_MAX} is expected"));
            get(name).map_or(Ok(default), |text| text.parse::<usize>().map_err(expected))
        };
        let (skip, top) = (number("$skip", 0)?, number("$top", TOP_DEFAULT)?);
        if skip.saturating_add(top) > WINDOW_MAX {
            let expected = format!("with $skip at most {WINDOW_MAX} is expected; narrow the filter to read on");
            return Err(invalid_option("$top", expected));
        }
        let filter = get("$filter").map(|text| filter::parse(text).map_err(|problem| refused(&problem, text)));
        let order_by = get("$orderBy").map_or(Ok(Vec::new()), order_by)?;
        Ok(Self { filter: filter.transpose()?, order_by, skip, top })
    }
}

/// A filter that cannot be read.
pub(super) fn refused(problem: &Problem, text: &str) -> Error {
    let place = problem.at.line_column(text).map_or(String::new(), |(_, column)| format!(" at character {column}"));
    invalid_filter("$filter", format!("{} is expected{place}", problem.expected))
}

fn order_by(list: &str) -> Result<Vec<(Vec<Name>, Sorting)>, Error> {
    let part = |part: &str| {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (name, sorting) = match words[..] {
            [name] => (name, Sorting::Ascending),
            [name, way] if way.eq_ignore_ascii_case("asc") => (name, Sorting::Ascending),
            [name, way] if way.eq_ignore_ascii_case("desc") => (name, Sorting::Descending),
            _ => return Err(invalid_option("$orderBy", "members with asc or desc behind them are expected")),
        };
        Ok((name.split('.').map(Name::from).collect(), sorting))
    };
    let parts = list.split(',').map(part).collect::<Result<Vec<_>, _>>()?;
    if parts.len() > ORDER_MAX {
        return Err(invalid_option("$orderBy", format!("at most {ORDER_MAX} members are expected")));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Asked, &'static str> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asked::read(&Query(pairs.collect())).map_err(|error| error.code)
    }

    #[test]
    fn options_are_read_as_callers_write_them() {
        let asked = read(&[
            ("appKey", "x"),
            ("$FILTER", "Visits gt 1 "),
            ("$orderby", "EventTime DESC, Name"),
            ("$skip", "20"),
        ]);
        let asked = asked.expect("options");
        assert!(asked.filter.is_some());
        assert_eq!((asked.skip, asked.top, asked.order_by.len()), (20, 100, 2));
        assert_eq!(asked.order_by[0].1, Sorting::Descending);
        assert_eq!(read(&[("$top", "10000")]).map(|asked| asked.top), Ok(10_000));
        for wrong in
            [("$top", "10001"), ("$top", "-1"), ("$skip", "x"), ("$orderBy", "Name up"), ("$orderBy", "a,b,c,d")]
        {
            assert_eq!(read(&[wrong]).err(), Some("option_invalid"), "{wrong:?}");
        }
        assert_eq!(read(&[("$filter", "Visits is 1")]).err(), Some("filter_invalid"));
    }
}
