//! What the columns of a query are at each of its stages, and what of it events are asked for.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use tessera_expr::ast::{Expr, Function, Name};
use tessera_expr::problem::Place;
use tessera_service::queries::Sorting;
use tessera_service::queries::events::Measure;

use super::super::filter::{OfEvents, Words as _, as_text};
use super::super::words::{call, compare, path};
use super::EVENT_COLUMNS;
use super::ast::{Fault, Named, Query, Stage, Term, fault};
use super::translate::{Clock, Columns, NODES_MAX, Translator};

/// Where columns come from that no stage has made.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Events.
    Events(OfEvents<'a>),
    /// The events of one profile, as a segment sees them.
    OwnEvents(OfEvents<'a>),
    /// Rows that are there, with these columns.
    Rows(&'a [Name]),
}

/// The columns at a stage.
pub(super) struct Table<'a> {
    source: Source<'a>,
    /// Whether all columns of the source are there, beside those that were made.
    pub(super) is_whole: bool,
    /// Those that were made, in their order.
    pub(super) own: Vec<(String, Expr)>,
    clock: Clock,
    left: Cell<usize>,
}

/// What events are asked for, and what is left to do with what is found.
pub(super) struct Plan {
    pub(super) filter: Vec<Expr>,
    pub(super) order: Vec<(Expr, Sorting)>,
    pub(super) limit: Option<usize>,
    pub(super) shape: Shape,
    /// The first stage that is left.
    pub(super) rest: usize,
}

/// What is found.
pub(super) enum Shape {
    /// Whole events, with columns beside.
    Events(Vec<(String, Expr)>),
    /// These columns of events.
    Rows(Vec<(String, Expr)>),
    Groups {
        by: Vec<(String, Expr)>,
        measures: Vec<(String, Measure, Option<Expr>)>,
    },
}

impl<'a> Table<'a> {
    pub(super) fn new(source: Source<'a>, clock: Clock) -> Self {
        Self { source, is_whole: true, own: Vec::new(), clock, left: Cell::new(NODES_MAX) }
    }

    fn translator(&self) -> Translator<'_> {
        Translator { columns: self, clock: self.clock, left: &self.left }
    }

    pub(super) fn condition(&self, term: &Term) -> Result<Expr, Fault> {
        checked(self.translator().condition(term)?, term.at)
    }

    pub(super) fn value(&self, term: &Term) -> Result<Expr, Fault> {
        checked(self.translator().value(term)?, term.at)
    }

    pub(super) fn values(&self, named: &[Named]) -> Result<Vec<(String, Expr)>, Fault> {
        named.iter().map(|(name, term)| Ok((name.clone(), self.value(term)?))).collect()
    }

    pub(super) fn order(&self, order: &[(Term, Sorting)]) -> Result<Vec<(Expr, Sorting)>, Fault> {
        order.iter().map(|(term, sorting)| Ok((self.value(term)?, *sorting))).collect()
    }

    /// The table with these columns beside, or in place of those of their names.
    fn extend(&mut self, named: &[Named], at: usize) -> Result<(), Fault> {
        for (name, value) in self.values(named)? {
            self.own.retain(|(own, _)| *own != name);
            self.own.push((name, value));
        }
        if self.own.len() > super::parser::COLUMNS_MAX {
            return Err(fault(at, format!("at most {} columns", super::parser::COLUMNS_MAX)));
        }
        Ok(())
    }

    fn project(&mut self, named: &[Named]) -> Result<(), Fault> {
        self.own = self.values(named)?;
        self.is_whole = false;
        Ok(())
    }

    fn no_column(&self, at: usize) -> Fault {
        let own = self.own.iter().map(|(name, _)| name.as_str());
        let of_source: Vec<&str> = match self.source {
            _ if !self.is_whole => Vec::new(),
            Source::Events(_) | Source::OwnEvents(_) => EVENT_COLUMNS.to_vec(),
            Source::Rows(names) => names.iter().map(|name| &**name).collect(),
        };
        let mut names: Vec<&str> = own.chain(of_source).collect();
        names.sort_unstable();
        names.dedup();
        fault(at, format!("one of the columns {}, in this case of letters,", names.join(", ")))
    }
}

/// An expression within the bounds of rules.
fn checked(expr: Expr, at: usize) -> Result<Expr, Fault> {
    expr.well_formed().map_err(|problem| fault(at, problem.expected))?;
    Ok(expr)
}

impl Columns for Table<'_> {
    fn value(&self, names: &[Arc<str>], at: usize) -> Result<Expr, Fault> {
        let (first, rest) = names.split_first().ok_or_else(|| self.no_column(at))?;
        if let Some((_, own)) = self.own.iter().find(|(name, _)| **name == **first) {
            return Ok(rest.iter().fold(own.clone(), |of, name| of.member(name.clone(), Place::Nowhere)));
        }
        if !self.is_whole {
            return Err(self.no_column(at));
        }
        match &self.source {
            Source::Rows(columns) if columns.contains(first) => {
                Ok(path(&names.iter().map(|name| &**name).collect::<Vec<_>>()))
            }
            Source::Rows(_) => Err(self.no_column(at)),
            Source::Events(words) => of_event(words, names).ok_or_else(|| self.no_column(at)),
            Source::OwnEvents(_) if is_identity(names) => Err(fault(
                at,
                "a column that a segment can ask for: DeviceId and User.Email of single events are not kept",
            )),
            Source::OwnEvents(words) => of_event(words, names).ok_or_else(|| self.no_column(at)),
        }
    }

    fn is(&self, names: &[Arc<str>], value: &Expr) -> Option<Expr> {
        let is_own = self.own.iter().any(|(name, _)| names.first().is_some_and(|first| **name == **first));
        let (Source::Events(words) | Source::OwnEvents(words)) = &self.source else { return None };
        if is_own || !self.is_whole {
            return None;
        }
        if is_identity(names) {
            let is_asked = matches!(self.source, Source::Events(_));
            return words.is(names, value).ok().filter(|_| is_asked);
        }
        let is_text = matches!(names, [name] if ["TrackId", "EventType"].contains(&&**name));
        let of = of_event(words, names).filter(|_| is_text)?;
        Some(compare(tessera_expr::ast::Comparison::Equal, of, as_text(value)))
    }
}

/// Whether these are identities that an event names, of which it may have several.
fn is_identity(names: &[Arc<str>]) -> bool {
    let texts: Vec<&str> = names.iter().map(|name| &**name).collect();
    matches!(texts[..], ["DeviceId"] | ["User", "Email"] | ["User", "Info", "Email"])
}

/// What stands in a column of an event; of several identities the first one, which is shown.
fn of_event(words: &OfEvents<'_>, names: &[Arc<str>]) -> Option<Expr> {
    if let [name] = names
        && **name == *"Payload"
    {
        return Some(path(&["properties"]));
    }
    let value = words.value(names).ok()?;
    Some(if is_identity(names) { call(Function::Head, vec![value]) } else { value })
}

/// What of a query is asked of events.
pub(super) fn plan(query: &Query, words: OfEvents<'_>, clock: Clock) -> Result<Plan, Fault> {
    let mut table = Table::new(Source::Events(words), clock);
    let (mut filter, mut order, mut limit) = (Vec::new(), Vec::new(), None::<usize>);
    for (place, (at, stage)) in query.stages.iter().enumerate() {
        match (stage, limit) {
            (Stage::Extend(named), _) => table.extend(named, *at)?,
            (Stage::Project(named), _) => table.project(named)?,
            (Stage::Take(count), _) => limit = Some(limit.map_or(*count, |own| own.min(*count))),
            (Stage::Where(term), None) => filter.push(table.condition(term)?),
            (Stage::Order(by), None) => order = table.order(by)?,
            (Stage::Top(count, by), None) => {
                order = table.order(by)?;
                limit = Some(*count);
            }
            (Stage::Count, None) => {
                let measures = vec![("Count".to_owned(), Measure::Count, None)];
                let shape = Shape::Groups { by: Vec::new(), measures };
                return Ok(Plan { filter, order: Vec::new(), limit: None, shape, rest: place + 1 });
            }
            (Stage::Summarize { measures, by }, None) => {
                let by = table.values(by)?;
                let measures = measures.iter().map(|own| {
                    let of = own.of.as_ref().map(|of| measured(&table, own.measure, of)).transpose()?;
                    Ok((own.name.clone(), own.measure, of))
                });
                let shape = Shape::Groups { by, measures: measures.collect::<Result<_, Fault>>()? };
                return Ok(Plan { filter, order: Vec::new(), limit: None, shape, rest: place + 1 });
            }
            // What is done with some of the events is done with those that are found.
            (Stage::Where(_) | Stage::Order(_) | Stage::Top(..) | Stage::Count | Stage::Summarize { .. }, Some(_)) => {
                return Ok(Plan { filter, order, limit, shape: shape(table), rest: place });
            }
        }
    }
    Ok(Plan { filter, order, limit, shape: shape(table), rest: query.stages.len() })
}

/// What a measure looks at: a condition or a value.
pub(super) fn measured(table: &Table<'_>, measure: Measure, of: &Term) -> Result<Expr, Fault> {
    if measure == Measure::CountIf { table.condition(of) } else { table.value(of) }
}

fn shape(table: Table<'_>) -> Shape {
    if table.is_whole { Shape::Events(table.own) } else { Shape::Rows(table.own) }
}

/// The condition on single events that a query is which has no other stages; where it has, which one.
pub(in super::super) fn of_own_events(query: &Query, scope: &str) -> Result<Expr, Fault> {
    let emails = HashMap::new();
    let table = Table::new(Source::OwnEvents(OfEvents { scope, emails: &emails }), Clock::Goes);
    let conditions = query.stages.iter().map(|(at, stage)| match stage {
        Stage::Where(term) => table.condition(term),
        _ => Err(fault(*at, "nothing but where, as a segment is brought along at every event,")),
    });
    let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
    let end = query.stages.last().map_or(0, |(at, _)| *at);
    if conditions.is_empty() {
        return Ok(super::super::filter::truth(true));
    }
    checked(Expr::and(conditions, Place::Nowhere), end)
}
