//! Named nodes into a tree.

use super::FOLDS;
use crate::ast::{
    Argument, Arithmetic, Comparison, Expr, Form, Function, Literal, Moment, Name, Node, Quantifier, Side, Step, Unit,
    When, Which, Word,
};
use crate::limits::{CHAIN_COUNT_MAX, DEPTH_MAX};
use crate::problem::{Code, Place, Problem};
use crate::value::{Decimal, Value};

/// Reads a rule.
///
/// # Errors
/// The first [`Problem`], with its place in the tree.
pub fn read(value: &Value) -> Result<Expr> {
    let mut reader = Reader { scopes: 0, depth: 0, bound: Vec::new(), profiles: Vec::new() };
    let top = At { value, path: String::new() };
    // A rule may be a function of the profile, which it then has a name for.
    let expr = if top.kind()? == "fnCreate" {
        reader.profiles = reader.names(&top)?;
        let body = top.member("body")?;
        reader.expr(&body)?
    } else {
        reader.expr(&top)?
    };
    expr.well_formed()?;
    Ok(expr)
}

type Result<T> = std::result::Result<T, Problem>;

mod bindings;

/// A value and the way to it.
struct At<'v> {
    value: &'v Value,
    path: String,
}

impl<'v> At<'v> {
    fn place(&self) -> Place {
        Place::Tree(self.path.as_str().into())
    }

    fn wrong(&self, expected: impl Into<String>) -> Problem {
        Problem::new(Code::Syntax, self.place(), expected)
    }

    fn find(&self, name: &str) -> Option<Self> {
        let Value::Object(members) = self.value else { return None };
        let (_, value) = members.iter().find(|(member, _)| **member == *name)?;
        Some(Self { value, path: format!("{}/{name}", self.path) })
    }

    fn member(&self, name: &str) -> Result<Self> {
        self.find(name).ok_or_else(|| self.wrong(format!("a node with the member {name}")))
    }

    fn items(&self) -> Result<Vec<Self>> {
        let Value::List(items) = self.value else { return Err(self.wrong("a list")) };
        let item = |(place, value)| At { value, path: format!("{}/{place}", self.path) };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn text(&self) -> Result<&'v Name> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    fn kind(&self) -> Result<&'v str> {
        Ok(&**self.member("nodeType")?.text()?)
    }

    fn is(&self, kind: &str) -> bool {
        self.kind().is_ok_and(|found| found == kind)
    }

    /// The text of a literal.
    fn word(&self) -> Result<&'v Name> {
        self.member("value")?.text()
    }

    /// Whether it is the literal that stands for nothing.
    fn is_nothing(&self) -> bool {
        self.is("literal") && self.find("value").is_none_or(|value| *value.value == Value::Null)
    }
}

/// Whether a function of this name takes a set of variables.
fn is_over_bindings(name: &str) -> bool {
    matches!(name, "select" | "exists" | "forall") || FOLDS.into_iter().any(|function| function.spec().name == name)
}

struct Reader {
    scopes: u32,
    depth: usize,
    bound: Vec<Name>,
    /// Names that the rule has for the profile.
    profiles: Vec<Name>,
}

impl Reader {
    fn expr(&mut self, at: &At<'_>) -> Result<Expr> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            return Err(Problem::new(Code::TooDeep, at.place(), format!("a rule at most {DEPTH_MAX} levels deep")));
        }
        let node = match at.kind()? {
            "fnApply" => self.apply(at)?,
            "fieldLookup" => self.lookup(at)?,
            "parameterReference" => self.reference(at)?,
            "literal" => literal(at)?,
            "varRef" => self.variable(&at.member("varName")?)?,
            "set" => self.conjunction(at)?,
            "fnCreate" => return Err(at.wrong("a value, and not a function")),
            _ => return Err(at.member("nodeType")?.wrong("a kind of node: fnApply, fieldLookup, literal and so on")),
        };
        self.depth -= 1;
        Ok(match node {
            Node::And(parts) => Expr::and(parts, at.place()),
            Node::Or(parts) => Expr::or(parts, at.place()),
            node => Expr::at(node, at.place()),
        })
    }

    fn reference(&self, at: &At<'_>) -> Result<Node> {
        let position = at.member("position")?;
        if *position.value != Value::Number(Decimal::ONE) {
            return Err(Problem::new(Code::NoSuchParameter, position.place(), "1, the profile"));
        }
        let Some(scope) = at.find("scope") else { return Ok(Node::Context(0)) };
        let climbs = whole(&scope).filter(|climbs| *climbs <= self.scopes);
        climbs.map(Node::Context).ok_or_else(|| {
            Problem::new(Code::NoSuchScope, scope.place(), format!("at most {} scopes out", self.scopes))
        })
    }

    fn lookup(&mut self, at: &At<'_>) -> Result<Node> {
        let name = at.member("fieldName")?.text()?.clone();
        let object = self.expr(&at.member("object")?)?;
        let is_profile = match object.node {
            Node::Profile => true,
            Node::Context(climbs) => climbs == self.scopes,
            _ => false,
        };
        Ok(if is_profile && *name == *"xEvent" { Node::Events } else { object.member(name, at.place()).node })
    }

    fn variable(&self, at: &At<'_>) -> Result<Node> {
        let name = at.text()?;
        if self.bound.contains(name) {
            Ok(Node::Variable(name.clone()))
        } else if self.profiles.contains(name) {
            Ok(Node::Profile)
        } else {
            Err(at.wrong("a name that is bound around it"))
        }
    }

    /// The older form of a conjunction: conditions, and declarations that they speak of.
    fn conjunction(&mut self, at: &At<'_>) -> Result<Node> {
        let variables = at.member("variables")?.items()?;
        if variables.iter().any(|variable| variable.is("varDecl")) {
            return Ok(Node::Quantifier(Quantifier::Exists, self.bindings(at, None)?.0));
        }
        let parts = variables.iter().map(|part| self.expr(part)).collect::<Result<Vec<_>>>()?;
        if parts.is_empty() { Err(at.wrong("a condition")) } else { Ok(Node::And(parts)) }
    }

    fn apply(&mut self, at: &At<'_>) -> Result<Node> {
        let params = at.member("params")?.items()?;
        if let Some(function) = at.find("function") {
            return self.let_in(&function, &params, at);
        }
        let name_at = at.member("fnName")?;
        let name = &**name_at.text()?;
        if is_over_bindings(name)
            && let Some(at) = params.iter().position(|param| param.is("set"))
        {
            let value: Vec<&At<'_>> =
                params.iter().enumerate().filter(|(own, _)| *own != at).map(|(_, own)| own).collect();
            return self.over_bindings(name, &params[at], &value, &name_at);
        }
        match name {
            "and" | "or" if !params.is_empty() => {
                let parts = self.all(&params)?;
                Ok(if name == "and" { Node::And(parts) } else { Node::Or(parts) })
            }
            "not" | "!" => Ok(Node::Not(self.only(&params, at)?)),
            "-" if params.len() == 1 => Ok(Node::Negate(self.only(&params, at)?)),
            "if" => {
                let [test, then, otherwise] = self.exactly(&params, at)?;
                Ok(Node::If { test, then, otherwise })
            }
            "list" => Ok(Node::List(self.all(&params)?)),
            "object" => self.object(&params, at),
            "filter" => match &params[..] {
                [list, condition] => {
                    Ok(Node::Filter { list: Box::new(self.expr(list)?), condition: Box::new(self.body(condition)?) })
                }
                _ => Err(at.wrong("filter with 2 params")),
            },
            "occurs" => {
                let (subject, tail) = params.split_first().ok_or_else(|| at.wrong("an instant"))?;
                Ok(Node::Occurs { subject: Box::new(self.expr(subject)?), when: self.when(tail, at)? })
            }
            "chain" => self.chain(&params, at),
            _ => self.operator(name, &params, at).unwrap_or_else(|| self.call(name, &params, &name_at)),
        }
    }

    /// `fnApply` of a `fnCreate`: a name for a value.
    fn let_in(&mut self, function: &At<'_>, params: &[At<'_>], at: &At<'_>) -> Result<Node> {
        let names = self.names(function)?;
        let ([name], [value]) = (&names[..], params) else {
            return Err(at.wrong("a function with one parameter, and one param"));
        };
        let value = Box::new(self.expr(value)?);
        let body = function.member("body")?;
        let body = self.with(&names, |reader| reader.expr(&body))?;
        Ok(Node::Let { name: name.clone(), value, body: Box::new(body) })
    }

    fn operator(&mut self, name: &str, params: &[At<'_>], at: &At<'_>) -> Option<Result<Node>> {
        use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        let comparisons = [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual];
        if let Some(comparison) = comparisons.into_iter().find(|comparison| comparison.name() == name) {
            return Some(self.exactly(params, at).map(|[left, right]| Node::Compare(comparison, left, right)));
        }
        use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
        let operators = [Add, Subtract, Multiply, Divide, Remainder];
        if let Some(operator) = operators.into_iter().find(|operator| operator.name() == name) {
            return Some(self.exactly(params, at).map(|[left, right]| Node::Arithmetic(operator, left, right)));
        }
        let words = [Word::Now, Word::Today, Word::Yesterday, Word::Tomorrow];
        let word = words.into_iter().find(|word| word.name() == name && params.is_empty())?;
        Some(Ok(Node::Word(word)))
    }

    fn call(&mut self, name: &str, params: &[At<'_>], name_at: &At<'_>) -> Result<Node> {
        let found = [Form::Infix, Form::Method, Form::Plain].into_iter().find_map(|form| Function::find(name, form));
        let Some(function) = found else {
            let names = Function::all().iter().map(|spec| spec.name);
            let problem = Problem::new(Code::UnknownFunction, name_at.place(), "a function");
            return Err(problem.did_you_mean(name, names));
        };
        let spec = function.spec();
        if params.len() < spec.required || params.len() > spec.arguments.len() {
            let what = format!("{name} with {} to {} params", spec.required, spec.arguments.len());
            return Err(Problem::new(Code::WrongArguments, name_at.place(), what));
        }
        let mut arguments = Vec::with_capacity(params.len());
        for (param, takes) in params.iter().zip(spec.arguments) {
            arguments.push(match takes {
                Argument::Value => self.expr(param)?,
                Argument::Body => self.body(param)?,
            });
        }
        Ok(Node::Call { function, arguments })
    }

    /// A `fnCreate` that speaks of an item, by a name or without one.
    fn body(&mut self, at: &At<'_>) -> Result<Expr> {
        if !at.is("fnCreate") {
            return Err(at.wrong("a fnCreate"));
        }
        let names = self.names(at)?;
        let body = at.member("body")?;
        self.scopes += 1;
        let body = self.with(&names, |reader| reader.expr(&body))?;
        self.scopes -= 1;
        if names.is_empty() {
            return Ok(body);
        }
        Ok(Expr::at(Node::Lambda { names, body: Box::new(body) }, at.place()))
    }

    fn names(&self, at: &At<'_>) -> Result<Vec<Name>> {
        let params = at.member("params")?.items()?;
        params.iter().map(|param| Ok(param.member("varName")?.text()?.clone())).collect()
    }

    fn object(&mut self, params: &[At<'_>], at: &At<'_>) -> Result<Node> {
        let pairs = params.chunks(2).map(|pair| match pair {
            [name, value] => Ok((name.word()?.clone(), self.expr(value)?)),
            _ => Err(at.wrong("a value behind each name")),
        });
        Ok(Node::Object(pairs.collect::<Result<_>>()?))
    }

    fn over_bindings(&mut self, name: &str, set: &At<'_>, value: &[&At<'_>], name_at: &At<'_>) -> Result<Node> {
        let fold = FOLDS.into_iter().find(|function| function.spec().name == name);
        let (bindings, value) = match (fold, value) {
            (Some(_), [value]) => self.bindings(set, Some(value))?,
            (_, []) => self.bindings(set, None)?,
            _ => return Err(name_at.wrong("one set, and a value for an aggregate")),
        };
        match (name, fold) {
            (_, Some(_)) if value.is_none() && bindings.len() != 1 => {
                Err(set.wrong("one variable, or a value that is computed of several"))
            }
            (_, Some(function)) => Ok(Node::Fold { function, value: value.map(Box::new), bindings }),
            ("select", None) => Ok(Node::Select(bindings)),
            ("exists", None) => Ok(Node::Quantifier(Quantifier::Exists, bindings)),
            ("forall", None) => Ok(Node::Quantifier(Quantifier::ForAll, bindings)),
            _ => Err(name_at.wrong("select, exists, forall, sum, average, min or max")),
        }
    }

    fn when(&mut self, tail: &[At<'_>], at: &At<'_>) -> Result<When> {
        let side = |name: &str| match name {
            "before" => Some(Side::Before),
            "after" | "from" => Some(Side::After),
            _ => None,
        };
        let is = |at: &At<'_>, name: &str| at.word().is_ok_and(|word| **word == *name);
        match tail {
            [comparison, amount, unit, side_at, moment] => {
                use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
                let all = [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual];
                let name = comparison.word()?;
                let found = all.into_iter().find(|comparison| comparison.name() == &**name);
                Ok(When::Distance {
                    comparison: found.ok_or_else(|| comparison.wrong("a comparison, as in <="))?,
                    amount: Box::new(self.expr(amount)?),
                    unit: Unit::parse(unit.word()?).ok_or_else(|| unit.wrong("a unit of time, as in days"))?,
                    side: side(side_at.word()?).ok_or_else(|| side_at.wrong("before or after"))?,
                    moment: self.moment(moment)?,
                })
            }
            [name, start, end] if is(name, "between") => Ok(When::Between(self.moment(start)?, self.moment(end)?)),
            [name, moment] if is(name, "on") => Ok(When::On(self.moment(moment)?)),
            [name, moment] => {
                let side = side(name.word()?).ok_or_else(|| name.wrong("before, after or on"))?;
                Ok(When::Side(side, self.moment(moment)?))
            }
            _ => Err(at.wrong("a time: before, after, on, between, or a distance")),
        }
    }

    fn moment(&mut self, at: &At<'_>) -> Result<Moment> {
        let name = at.find("fnName").and_then(|name| name.text().ok().map(|name| name.to_string()));
        let which = [Which::Last, Which::This, Which::Next];
        let which = name.and_then(|name| which.into_iter().find(|which| which.name() == name));
        let Some(which) = which else { return Ok(Moment::At(Box::new(self.expr(at)?))) };
        match &at.member("params")?.items()?[..] {
            [unit] => {
                let unit = Unit::parse(unit.word()?).ok_or_else(|| unit.wrong("a unit of time, as in week"))?;
                Ok(Moment::Calendar(which, unit))
            }
            _ => Err(at.wrong("one unit of time")),
        }
    }

    fn chain(&mut self, params: &[At<'_>], at: &At<'_>) -> Result<Node> {
        let [events, order, steps @ ..] = params else { return Err(at.wrong("events, what orders them, and steps")) };
        let (events, order) = (Box::new(self.expr(events)?), Box::new(self.body(order)?));
        // A step may speak of the events of those before it.
        let outer = self.bound.len();
        let mut read = Vec::with_capacity(steps.len());
        for step in steps {
            let step = self.step(step)?;
            self.bound.push(step.label.clone());
            read.push(step);
        }
        self.bound.truncate(outer);
        let steps = read;
        if steps.is_empty() { Err(at.wrong("a step")) } else { Ok(Node::Chain { events, order, steps }) }
    }

    fn step(&mut self, at: &At<'_>) -> Result<Step> {
        let params = at.member("params")?.items()?;
        let [label, what, count, when, condition] = &params[..] else {
            return Err(at.wrong("a step of label, event, count, time and condition"));
        };
        let what = self.body(what)?;
        let when = if when.is_nothing() {
            None
        } else {
            self.scopes += 1;
            let found = self.when(when.member("params")?.items()?.get(1..).unwrap_or_default(), when)?;
            self.scopes -= 1;
            Some(found)
        };
        let condition = if condition.is_nothing() { None } else { Some(self.body(condition)?) };
        let number = count.find("value").and_then(|value| whole(&value));
        let count = number
            .filter(|number| (1..=CHAIN_COUNT_MAX).contains(number))
            .ok_or_else(|| count.wrong(format!("a number from 1 to {CHAIN_COUNT_MAX}")))?;
        Ok(Step { label: label.word()?.clone(), what, when, condition, count })
    }

    fn all(&mut self, params: &[At<'_>]) -> Result<Vec<Expr>> {
        params.iter().map(|param| self.expr(param)).collect()
    }

    fn only(&mut self, params: &[At<'_>], at: &At<'_>) -> Result<Box<Expr>> {
        let [only] = self.exactly(params, at)?;
        Ok(only)
    }

    fn exactly<const N: usize>(&mut self, params: &[At<'_>], at: &At<'_>) -> Result<[Box<Expr>; N]> {
        let params: Vec<Box<Expr>> = self.all(params)?.into_iter().map(Box::new).collect();
        params.try_into().map_err(|_| at.wrong(format!("{N} params")))
    }

    fn with<T>(&mut self, names: &[Name], inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = self.bound.len();
        self.bound.extend(names.iter().cloned());
        let result = inner(self);
        self.bound.truncate(before);
        result
    }
}

fn whole(at: &At<'_>) -> Option<u32> {
    match at.value {
        Value::Number(number) => number.to_i64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    }
}

/// A value written out. Older trees give numbers and truths as texts, and the profile as an object of its own.
fn literal(at: &At<'_>) -> Result<Node> {
    let kind = at.member("literalType")?;
    let value = at.member("value")?;
    let literal = match (kind.text()?.to_lowercase().as_str(), value.value) {
        ("xdmobject", Value::Text(name)) if **name == *"profile" => return Ok(Node::Profile),
        ("null", _) => Literal::Null,
        ("string", Value::Text(text)) => Literal::Text(text.clone()),
        ("boolean", Value::Bool(truth)) => Literal::Bool(*truth),
        ("boolean", Value::Text(text)) if matches!(&**text, "true" | "false") => Literal::Bool(**text == *"true"),
        ("integer" | "long" | "double" | "number", Value::Number(number)) => Literal::Number(*number),
        ("integer" | "long" | "double" | "number", Value::Text(text)) => match Decimal::parse(text) {
            Ok(number) => Literal::Number(number),
            Err(_) => return Err(value.wrong("a number")),
        },
        ("string" | "boolean" | "integer" | "long" | "double" | "number" | "xdmobject", _) => {
            return Err(value.wrong("a value of its literalType"));
        }
        _ => return Err(kind.wrong("String, Boolean, Integer, Double, Null or XDMObject")),
    };
    Ok(Node::Literal(literal))
}
