//! The stages of a query.

use tessera_expr::value::Decimal;
use tessera_service::queries::events::Measure;
use tessera_service::queries::{ORDER_MAX, Sorting};

use super::super::ast::{Call, Fault, Kind, Measured, Named, Stage, Term, fault};
use super::super::lexer::Token;
use super::{COLUMNS_MAX, Parser};

const STAGES: &str = "where, project, extend, summarize, distinct, order by, sort by, top, take, limit or count";

impl Parser<'_> {
    pub(super) fn stage(&mut self) -> Result<Stage, Fault> {
        let at = self.at();
        let Token::Word(word) = self.advance() else { return Err(fault(at, STAGES)) };
        match &*word {
            "where" | "filter" => Ok(Stage::Where(self.term()?)),
            "extend" => Ok(Stage::Extend(self.named()?)),
            "project" => {
                let named = self.named()?;
                self.columns = named.iter().map(|(name, _)| name.clone()).collect();
                Ok(Stage::Project(named))
            }
            "distinct" => {
                let by = self.named()?;
                self.columns = by.iter().map(|(name, _)| name.clone()).collect();
                Ok(Stage::Summarize { measures: Vec::new(), by })
            }
            "summarize" => self.summarize(at),
            "order" | "sort" => {
                self.expect_word("by", "by")?;
                Ok(Stage::Order(self.order()?))
            }
            "top" => {
                let count = self.count()?;
                self.expect_word("by", "by")?;
                Ok(Stage::Top(count, self.order()?))
            }
            "take" | "limit" => Ok(Stage::Take(self.count()?)),
            "count" => {
                self.columns = ["Count".to_owned()].into();
                Ok(Stage::Count)
            }
            _ => Err(fault(at, STAGES)),
        }
    }

    /// A whole number, written out or a parameter.
    fn count(&mut self) -> Result<usize, Fault> {
        let at = self.at();
        let term = self.single()?;
        let whole = match term.kind {
            Kind::Number(number) if number.units() % Decimal::ONE.units() == 0 => number.to_i64(),
            _ => None,
        };
        let count = whole.and_then(|whole| usize::try_from(whole).ok());
        count.ok_or_else(|| fault(at, "a whole number of at least 0"))
    }

    fn order(&mut self) -> Result<Vec<(Term, Sorting)>, Fault> {
        let mut order = Vec::new();
        loop {
            let at = self.at();
            if order.len() == ORDER_MAX {
                return Err(fault(at, format!("at most {ORDER_MAX} values")));
            }
            let term = self.term()?;
            // As the language has it, what is greatest comes first where nobody says.
            let sorting = if self.takes_word("asc") {
                Sorting::Ascending
            } else {
                self.takes_word("desc");
                Sorting::Descending
            };
            order.push((term, sorting));
            if !self.takes(",") {
                return Ok(order);
            }
        }
    }

    /// Values with their names, which are columns from here on.
    fn named(&mut self) -> Result<Vec<Named>, Fault> {
        let mut named: Vec<Named> = Vec::new();
        loop {
            let at = self.at();
            let own = self.name_before("=");
            let term = self.term()?;
            let name = own.unwrap_or_else(|| name_of(&term).unwrap_or_else(|| format!("Column{}", named.len() + 1)));
            if named.iter().any(|(other, _)| *other == name) {
                return Err(fault(at, "a name that no other column of the stage has"));
            }
            if named.len() == COLUMNS_MAX {
                return Err(fault(at, format!("at most {COLUMNS_MAX} columns")));
            }
            named.push((name, term));
            if !self.takes(",") {
                break;
            }
        }
        self.columns.extend(named.iter().map(|(name, _)| name.clone()));
        Ok(named)
    }

    /// The name that stands before `=`.
    fn name_before(&mut self, symbol: &str) -> Option<String> {
        let behind = self.tokens.get(self.next + 1).map(|(_, token)| token);
        match (self.peek(), behind) {
            (Token::Word(name), Some(Token::Symbol(own))) if *own == symbol => {
                let name = name.clone();
                self.advance();
                self.advance();
                Some(name)
            }
            _ => None,
        }
    }

    fn summarize(&mut self, at: usize) -> Result<Stage, Fault> {
        let mut measures: Vec<Measured> = Vec::new();
        if !self.is_word("by") {
            loop {
                if measures.len() == COLUMNS_MAX {
                    return Err(fault(self.at(), format!("at most {COLUMNS_MAX} columns")));
                }
                let measured = self.measure()?;
                measures.push(measured);
                if !self.takes(",") {
                    break;
                }
            }
        }
        let by = if self.takes_word("by") { self.named()? } else { Vec::new() };
        if measures.is_empty() && by.is_empty() {
            return Err(fault(at, "measures, or by and columns"));
        }
        let names = by.iter().map(|(name, _)| name).chain(measures.iter().map(|own| &own.name));
        let columns: Vec<String> = names.cloned().collect();
        self.columns = columns.iter().cloned().collect();
        if self.columns.len() < columns.len() {
            return Err(fault(at, "a name for each column that no other has, as in total = sum(…)"));
        }
        Ok(Stage::Summarize { measures, by })
    }

    fn measure(&mut self) -> Result<Measured, Fault> {
        const MEASURES: &str = "count, countif, sum, avg, min, max or dcount";
        let own = self.name_before("=");
        let at = self.at();
        let Token::Word(word) = self.advance() else { return Err(fault(at, MEASURES)) };
        let measure = match &*word {
            "count" => Measure::Count,
            "countif" => Measure::CountIf,
            "sum" => Measure::Sum,
            "avg" => Measure::Average,
            "min" => Measure::Min,
            "max" => Measure::Max,
            "dcount" => Measure::DistinctCount,
            _ => return Err(fault(at, MEASURES)),
        };
        self.expect("(", "(")?;
        let of = if measure.takes_value() { Some(self.term()?) } else { None };
        self.expect(")", ")")?;
        let usual = || {
            let of = of.as_ref().and_then(name_of).unwrap_or_default();
            format!("{word}_{of}")
        };
        Ok(Measured { name: own.unwrap_or_else(usual), measure, of })
    }
}

/// The name that a column has where nobody gives it one: its names joined by `_`.
fn name_of(term: &Term) -> Option<String> {
    match &term.kind {
        Kind::Column(names) => Some(names.join("_")),
        Kind::Call(Call::ToText | Call::ToWhole | Call::ToNumber, arguments) => name_of(arguments.first()?),
        _ => None,
    }
}
