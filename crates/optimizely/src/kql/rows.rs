//! Rows that were found, and what the later stages of a query do with them.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};
use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Expr, Name};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::value::{Decimal, Tree, Value};
use tessera_seam::answer::invalid;
use tessera_service::error::Error;
use tessera_service::json::write_value;
use tessera_service::queries::Sorting;
use tessera_service::queries::events::{Folding, GROUP_BYTES_MAX, Measure};

use super::super::filter::{One, tree};
use super::super::render::stamp;
use super::EVENT_COLUMNS;
use super::ast::{Fault, Measured, Named, Stage, Term, fault};
use super::table::{Source, Table, measured};
use super::translate::Clock;

/// Steps that all stages take for all rows, at most.
const STEPS_MAX: u64 = 2_000_000;

/// What may go wrong: the query says what cannot be, or too much is asked.
pub(super) enum Trouble {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The answer to a query that is too heavy (section 8.3).
pub(super) fn too_heavy(message: impl std::fmt::Display) -> Error {
    invalid("kql_too_heavy", format!("Query: {message}"))
}

/// One row.
pub(super) struct Row {
    /// The event as it is shown, where it is a whole one.
    pub(super) event: Option<Map<String, Json>>,
    /// What stands in its columns.
    pub(super) cells: One,
}

/// Rows, and their columns.
pub(super) struct Rows {
    /// Those of whole events aside.
    pub(super) columns: Vec<Name>,
    /// Whether they are whole events, with these columns beside.
    pub(super) is_whole: bool,
    pub(super) rows: Vec<Row>,
    /// Bytes of what they are made of.
    pub(super) bytes: usize,
    now: Timestamp,
    steps_left: u64,
    bytes_left: usize,
}

/// A cell of a value.
pub(super) fn cell(value: Value) -> Tree {
    match value {
        Value::Object(members) if !members.is_empty() => {
            Tree::Node(members.iter().map(|(name, own)| (name.clone(), cell(own.clone()))).collect())
        }
        value => Tree::Leaf(value),
    }
}

/// The cells of an event as it is shown.
pub(super) fn cells_of(event: &Map<String, Json>, at: Timestamp) -> One {
    let mut cells: std::collections::BTreeMap<Name, Tree> =
        event.iter().map(|(name, own)| (name.as_str().into(), tree(own))).collect();
    cells.insert("EventTime".into(), Tree::Leaf(Value::Timestamp(at)));
    One(Tree::Node(cells))
}

impl Row {
    /// A row of these columns.
    pub(super) fn of(columns: &[Name], values: Vec<Value>) -> Self {
        let cells = columns.iter().cloned().zip(values.into_iter().map(cell)).collect();
        Self { event: None, cells: One(Tree::Node(cells)) }
    }

    /// Puts a value in a column.
    pub(super) fn put(&mut self, column: &Name, value: Value) {
        if let Tree::Node(cells) = &mut self.cells.0 {
            cells.insert(column.clone(), cell(value));
        }
    }

    fn get(&self, column: &Name) -> Json {
        match &self.cells.0 {
            Tree::Node(cells) => cells.get(column).map_or(Json::Null, json_of),
            Tree::Leaf(_) => Json::Null,
        }
    }

    /// As it is answered.
    pub(super) fn shown(self, columns: &[Name]) -> Json {
        let own: Vec<(String, Json)> = columns.iter().map(|name| (name.to_string(), self.get(name))).collect();
        let mut shown = self.event.unwrap_or_default();
        shown.extend(own);
        Json::Object(shown)
    }
}

fn json_of(tree: &Tree) -> Json {
    match tree {
        Tree::Node(children) => children.iter().map(|(name, own)| (name.to_string(), json_of(own))).collect(),
        Tree::Leaf(Value::Timestamp(at)) => stamp(*at).into(),
        Tree::Leaf(value) => {
            let mut bytes = Vec::new();
            write_value(value, &mut bytes);
            serde_json::from_slice(&bytes).unwrap_or_default()
        }
    }
}

/// The order of two rows by what they are sorted by. What is not there, or has no order, stands last.
pub(super) fn order_of(one: &[Value], other: &[Value], by: &[Sorting]) -> Ordering {
    let is_last = |value: &Value| matches!(value, Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_));
    let orders = one.iter().zip(other).zip(by).map(|((one, other), sorting)| {
        let last = is_last(one).cmp(&is_last(other));
        last.then_with(|| match (is_last(one), sorting) {
            (true, _) => Ordering::Equal,
            (false, Sorting::Ascending) => one.cmp(other),
            (false, Sorting::Descending) => other.cmp(one),
        })
    });
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Rows {
    pub(super) fn new((columns, is_whole): (Vec<Name>, bool), rows: Vec<Row>, bytes: usize, now: Timestamp) -> Self {
        Self { columns, is_whole, rows, bytes, now, steps_left: STEPS_MAX, bytes_left: GROUP_BYTES_MAX }
    }

    /// Does what these stages say.
    pub(super) fn apply_all(&mut self, stages: &[(usize, Stage)]) -> Result<(), Trouble> {
        stages.iter().try_for_each(|(at, stage)| self.apply(*at, stage))
    }

    /// Does what a stage says.
    fn apply(&mut self, at: usize, stage: &Stage) -> Result<(), Trouble> {
        match stage {
            Stage::Where(term) => self.filter(term),
            Stage::Extend(named) => self.extend(named, at),
            Stage::Project(named) => self.project(named, at),
            Stage::Order(by) => self.sort(by),
            Stage::Top(count, by) => {
                self.sort(by)?;
                self.rows.truncate(*count);
                Ok(())
            }
            Stage::Take(count) => {
                self.rows.truncate(*count);
                Ok(())
            }
            Stage::Count => {
                let count = Value::Number(Decimal::from_u64(self.rows.len() as u64));
                self.replace(vec!["Count".into()], vec![vec![count]]);
                Ok(())
            }
            Stage::Summarize { measures, by } => self.summarize(measures, by, at),
        }
    }

    fn replace(&mut self, columns: Vec<Name>, rows: Vec<Vec<Value>>) {
        self.rows = rows.into_iter().map(|values| Row::of(&columns, values)).collect();
        self.columns = columns;
        self.is_whole = false;
    }

    /// Expressions over the rows.
    fn translated<T>(&self, read: impl FnOnce(&Table<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let own = self.columns.iter().cloned();
        let of_events = EVENT_COLUMNS.iter().filter(|_| self.is_whole).map(|name| Name::from(*name));
        let names: Vec<Name> = of_events.chain(own).collect();
        read(&Table::new(Source::Rows(&names), Clock::At(self.now)))
    }

    /// What expressions come to for each row.
    fn values(&mut self, exprs: Vec<Expr>, purpose: Purpose, at: usize) -> Result<Vec<Vec<Value>>, Trouble> {
        let rule = |expr| Rule::compile(expr, purpose).map_err(|problem| fault(at, problem.expected));
        let rules = exprs.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        let (zone, mut all) = (Zone::utc(), Vec::with_capacity(self.rows.len()));
        for row in &self.rows {
            let mut values = Vec::with_capacity(rules.len());
            for rule in &rules {
                let frame = Frame { now: self.now, zone: &zone, steps_max: self.steps_left };
                let answer = rule.evaluate(&row.cells, &frame).map_err(|_| too_much())?;
                self.steps_left = self.steps_left.saturating_sub(answer.steps);
                let bytes = answer.value.size_bytes();
                self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(too_much)?;
                self.bytes += bytes;
                values.push(answer.value);
            }
            all.push(values);
        }
        Ok(all)
    }

    fn filter(&mut self, term: &Term) -> Result<(), Trouble> {
        let condition = self.translated(|table| table.condition(term))?;
        let holds = self.values(vec![condition], Purpose::Condition, term.at)?;
        let mut holds = holds.into_iter();
        self.rows.retain(|_| holds.next().is_some_and(|values| values == [Value::Bool(true)]));
        Ok(())
    }

    fn extend(&mut self, named: &[Named], at: usize) -> Result<(), Trouble> {
        let values = self.named(named, at)?;
        for (name, _) in named {
            let name = Name::from(name.as_str());
            if !self.columns.contains(&name) {
                self.columns.push(name);
            }
        }
        if self.columns.len() > super::parser::COLUMNS_MAX {
            return Err(fault(at, format!("at most {} columns", super::parser::COLUMNS_MAX)).into());
        }
        for (row, values) in self.rows.iter_mut().zip(values) {
            for ((name, _), value) in named.iter().zip(values) {
                row.put(&name.as_str().into(), value);
            }
        }
        Ok(())
    }

    fn named(&mut self, named: &[Named], at: usize) -> Result<Vec<Vec<Value>>, Trouble> {
        let exprs = self.translated(|table| table.values(named))?;
        self.values(exprs.into_iter().map(|(_, expr)| expr).collect(), Purpose::Value, at)
    }

    fn project(&mut self, named: &[Named], at: usize) -> Result<(), Trouble> {
        let values = self.named(named, at)?;
        self.replace(named.iter().map(|(name, _)| name.as_str().into()).collect(), values);
        Ok(())
    }

    fn sort(&mut self, by: &[(Term, Sorting)]) -> Result<(), Trouble> {
        let order = self.translated(|table| table.order(by))?;
        let at = by.first().map_or(0, |(term, _)| term.at);
        let keys = self.values(order.into_iter().map(|(expr, _)| expr).collect(), Purpose::Value, at)?;
        let orders: Vec<Sorting> = by.iter().map(|(_, sorting)| *sorting).collect();
        let mut keyed: Vec<_> = keys.into_iter().zip(self.rows.drain(..)).collect();
        keyed.sort_by(|(one, _), (other, _)| order_of(one, other, &orders));
        self.rows = keyed.into_iter().map(|(_, row)| row).collect();
        Ok(())
    }

    fn summarize(&mut self, measures: &[Measured], by: &[Named], at: usize) -> Result<(), Trouble> {
        let of = |own: &Measured| own.of.clone().map(|of| (own.measure, of));
        let of: Vec<(Measure, Term)> = measures.iter().filter_map(of).collect();
        let exprs = self.translated(|table| {
            let by = table.values(by)?.into_iter().map(|(_, expr)| Ok(expr));
            by.chain(of.iter().map(|(measure, of)| measured(table, *measure, of))).collect::<Result<Vec<_>, Fault>>()
        })?;
        let mut folding = Folding::new(by.len(), measures.iter().map(|own| own.measure).collect());
        for values in self.values(exprs, Purpose::Value, at)? {
            folding.take(values)?;
        }
        let names = by.iter().map(|(name, _)| name).chain(measures.iter().map(|own| &own.name));
        self.replace(names.map(|name| name.as_str().into()).collect(), folding.rows());
        Ok(())
    }
}

fn too_much() -> Error {
    too_heavy("its later stages take more than they may; narrow it with where, or take fewer rows")
}
