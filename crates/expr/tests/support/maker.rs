//! Rules and profiles out of random bytes. Whatever the bytes are, what comes out is well formed; fewer bytes make less.

use std::sync::Arc;

use tessera_expr::ast::{
    Argument, Arithmetic, Binding, Comparison, Expr, Form, Function, Literal, Moment, Name, Node, Quantifier, Side,
    Step, Unit, When, Which, Word,
};
use tessera_expr::facts::Membership;
use tessera_expr::problem::Place;
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Decimal, Tree, Value};

use super::{Event, Known};

/// A day in microseconds.
pub(crate) const DAY: i64 = 86_400_000_000;
/// 2026-08-28T10:30:00Z, about which everything happens.
pub(crate) const NOW: i64 = 1_787_913_000_000_000;

pub(crate) struct Maker<'a> {
    bytes: std::slice::Iter<'a, u8>,
    bound: Vec<Name>,
    contexts: u32,
}

/// Attributes and properties that profiles of [`Maker::facts`] have, some not, and names that need quotes.
const NAMES: [&str; 16] = [
    "age",
    "city",
    "seen",
    "tags",
    "orders",
    "price",
    "total",
    "sku",
    "properties",
    "items",
    "timestamp",
    "eventType",
    "today",
    "sum",
    "order id",
    "ünique",
];
const VARIABLES: [&str; 5] = ["A", "B", "city", "age", "total"];
const TEXTS: [&str; 8] = ["", "a", "b", "Order", "View", "say \"hi\" \\ ok", "2026-08-01", "2026-08-30T12:00:00Z"];

impl<'a> Maker<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), bound: Vec::new(), contexts: 0 }
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn is(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// Any rule at all.
    pub(crate) fn expr(&mut self, depth: usize) -> Expr {
        if depth == 0 || self.bytes.len() == 0 {
            return self.leaf();
        }
        let next = depth - 1;
        let node = match self.below(24) {
            0..=2 => return self.path(next),
            3 => Node::Not(self.boxed(next)),
            4 => return Expr::and(vec![self.expr(next), self.expr(next)], Place::Nowhere),
            5 => return Expr::or(vec![self.expr(next), self.expr(next), self.expr(next)], Place::Nowhere),
            6 | 7 => Node::Compare(self.comparison(), self.boxed(next), self.boxed(next)),
            8 => Node::Arithmetic(self.arithmetic(), self.boxed(next), self.boxed(next)),
            9 => Node::Negate(self.boxed(next)),
            10 => Node::If { test: self.boxed(next), then: self.boxed(next), otherwise: self.boxed(next) },
            11 => Node::List((0..self.below(4)).map(|_| self.expr(next)).collect()),
            12 => Node::Object((0..self.below(3)).map(|_| (self.text_name(), self.expr(next))).collect()),
            13 | 14 => {
                Node::Filter { list: self.boxed(next), condition: Box::new(self.within(|maker| maker.expr(next))) }
            }
            15 | 16 => return self.call(next),
            17 | 18 => Node::Occurs { subject: self.boxed(next), when: self.when(next) },
            19 => Node::Select(self.bindings(next, |_| ()).0),
            20 => {
                let quantifier = self.one(&[Quantifier::Exists, Quantifier::ForAll]);
                Node::Quantifier(quantifier, self.bindings(next, |_| ()).0)
            }
            21 => {
                let function = self.one(&[Function::Sum, Function::Average, Function::Min, Function::Max]);
                let (bindings, value) = self.bindings(next, |maker| maker.boxed(next));
                let value = if bindings.len() == 1 && self.is() { None } else { Some(value) };
                Node::Fold { function, value, bindings }
            }
            22 => {
                let (name, value) = (self.variable(), self.boxed(next));
                let body = self.with(vec![name.clone()], |maker| maker.boxed(next));
                Node::Let { name, value, body }
            }
            _ => return self.chain(next),
        };
        Expr::new(node)
    }

    /// A rule as people write them: an aggregate over filtered events, or a time, in a comparison.
    pub(crate) fn rule(&mut self) -> Expr {
        let mut parts = Vec::new();
        for _ in 0..=self.below(2) {
            let number = Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(i64::from(self.byte() % 8)))));
            parts.push(match self.below(6) {
                0 => self.expr(3),
                1 => Expr::new(Node::Occurs { subject: Box::new(self.instant()), when: self.when(1) }),
                2 => self.chosen(),
                3 => Expr::new(Node::Compare(self.comparison(), Box::new(self.instant()), Box::new(self.word()))),
                _ => Expr::new(Node::Compare(self.comparison(), Box::new(self.measure()), Box::new(number))),
            });
        }
        if self.is() { Expr::and(parts, Place::Nowhere) } else { Expr::or(parts, Place::Nowhere) }
    }

    /// An aggregate over filtered events.
    pub(crate) fn measure(&mut self) -> Expr {
        let chosen = self.chosen();
        let call = |function, arguments| Expr::new(Node::Call { function, arguments });
        let literal = |number| Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(number))));
        let argument = self.one(&["properties.total", "properties.sku", "timestamp", "items.price"]);
        let value = item_path(argument);
        let spread = || {
            let names = argument.split('.').map(Name::from).collect();
            Expr::new(Node::Path { of: Box::new(chosen.clone()), names })
        };
        match self.below(10) {
            0 | 1 => call(Function::Count, vec![chosen]),
            2 | 3 => {
                let function =
                    self.one(&[Function::Sum, Function::Average, Function::Min, Function::Max, Function::MostFrequent]);
                call(function, vec![chosen, value])
            }
            4 => call(Function::Distinct, vec![spread()]),
            5 => call(Function::Count, vec![call(Function::Distinct, vec![call(Function::Map, vec![chosen, value])])]),
            6 | 7 => {
                let function = self.one(&[Function::TopN, Function::BottomN]);
                let by = self.one(&["timestamp", "timestamp", "properties.total"]);
                let amount = literal(i64::from(self.byte() % 3));
                let ranked = call(function, vec![chosen, item_path(by), amount]);
                let mapped = call(Function::Map, vec![ranked, value]);
                if self.is() { call(Function::Head, vec![mapped]) } else { mapped }
            }
            8 => call(Function::Exists, vec![chosen, self.event_condition()]),
            _ => {
                let grouped = call(
                    Function::GroupBy,
                    vec![chosen, item_path(self.one(&["properties.sku", "properties.spelled"]))],
                );
                let variable = |name: &str| Expr::new(Node::Variable(name.into()));
                let of = match self.below(3) {
                    0 => call(Function::Count, vec![variable("G")]),
                    1 => call(Function::Sum, vec![variable("G"), value]),
                    _ => call(Function::Max, vec![variable("G"), value]),
                };
                let body = Box::new(call(Function::MapEntry, vec![variable("K"), of]));
                let lambda = Expr::new(Node::Lambda { names: vec!["K".into(), "G".into()], body });
                call(Function::Map, vec![grouped, lambda])
            }
        }
    }

    /// Events that a filter chooses.
    fn chosen(&mut self) -> Expr {
        let mut chosen = Expr::new(Node::Events);
        for _ in 0..self.below(3) {
            let conditions = (0..=self.below(2)).map(|_| self.event_condition()).collect();
            let condition = Box::new(Expr::and(conditions, Place::Nowhere));
            chosen = Expr::new(Node::Filter { list: Box::new(chosen), condition });
        }
        chosen
    }

    fn event_condition(&mut self) -> Expr {
        let text = Expr::text(self.one(&["Order", "View"]));
        let number = Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(i64::from(self.byte() % 4)))));
        let compare = |comparison, left, right| Expr::new(Node::Compare(comparison, Box::new(left), Box::new(right)));
        match self.below(8) {
            0 | 1 => compare(Comparison::Equal, item_path("eventType"), text),
            2 => compare(self.comparison(), number, item_path("properties.total")),
            3 => {
                let amount =
                    Box::new(Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(i64::from(self.byte() % 40))))));
                let comparison = self.one(&[Comparison::LessEqual, Comparison::Less]);
                let unit = self.one(&[Unit::Day, Unit::Hour, Unit::Week]);
                let moment = Moment::At(Box::new(Expr::new(Node::Word(Word::Now))));
                let when = When::Distance { comparison, amount, unit, side: Side::Before, moment };
                Expr::new(Node::Occurs { subject: Box::new(item_path("timestamp")), when })
            }
            4 => {
                let unit = self.one(&[Unit::Day, Unit::Month, Unit::Year]);
                let when = When::On(Moment::Calendar(Which::This, unit));
                Expr::new(Node::Occurs { subject: Box::new(item_path("timestamp")), when })
            }
            5 => Expr::new(Node::Call { function: Function::Equals, arguments: vec![item_path("eventType"), text] }),
            6 => {
                let condition = Box::new(compare(Comparison::GreaterEqual, item_path("price"), number));
                Expr::new(Node::Filter { list: Box::new(item_path("items")), condition })
            }
            _ => Expr::new(Node::Occurs { subject: Box::new(item_path("timestamp")), when: self.when(1) }),
        }
    }

    /// Something that names an instant.
    fn instant(&mut self) -> Expr {
        item_path(self.one(&["seen", "next", "birthday", "millis"]))
    }

    fn word(&mut self) -> Expr {
        Expr::new(Node::Word(self.one(&[Word::Now, Word::Today, Word::Yesterday, Word::Tomorrow])))
    }

    fn leaf(&mut self) -> Expr {
        let node = match self.below(10) {
            0 => Node::Literal(Literal::Number(self.number())),
            1 => Node::Literal(Literal::Text(self.one(&TEXTS).into())),
            2 => Node::Literal(if self.is() { Literal::Null } else { Literal::Bool(true) }),
            3 => Node::Events,
            4 => return self.word(),
            5 => Node::Context(u32::from(self.byte()) % (self.contexts + 1)),
            6 if !self.bound.is_empty() => {
                let at = self.below(self.bound.len());
                Node::Variable(self.bound[at].clone())
            }
            7 => Node::Profile,
            8 => return self.instant(),
            _ => return self.path(0),
        };
        Expr::new(node)
    }

    fn number(&mut self) -> Decimal {
        match self.byte() {
            0 => Decimal::from_units(i128::MAX),
            1 => Decimal::from_units(i128::MIN),
            2 => Decimal::from_units(-1),
            byte => Decimal::from_units((i128::from(byte) - 128) * 250_000_000_000_000_000),
        }
    }

    fn path(&mut self, depth: usize) -> Expr {
        let of = match self.below(4) {
            0 if depth > 0 => self.expr(depth),
            1 if depth > 0 => Expr::new(Node::Profile),
            2 => Expr::new(Node::Context(u32::from(self.byte()) % (self.contexts + 1))),
            _ => Expr::new(Node::Context(0)),
        };
        let mut path = of.member(self.name(), Place::Nowhere);
        for _ in 0..self.below(3) {
            path = path.member(self.name(), Place::Nowhere);
        }
        path
    }

    fn call(&mut self, depth: usize) -> Expr {
        let all = Function::all();
        let spec = &all[self.below(all.len())];
        let optional = self.below(spec.arguments.len() - spec.required + 1);
        let mut arguments = Vec::new();
        for (place, takes) in spec.arguments.iter().take(spec.required + optional).enumerate() {
            arguments.push(match (spec.function, place, takes) {
                (Function::Matches | Function::RegexGroup, 1, _) => Expr::text(self.one(&["a", "(\\w+)", "^$"])),
                (Function::InSegment | Function::EnteredSegment | Function::LeftSegment, ..) => {
                    Expr::text(self.one(&["gold", "lapsed", "none"]))
                }
                (_, _, Argument::Value) => self.expr(depth),
                (_, _, Argument::Body) if self.is() => self.within(|maker| maker.expr(depth)),
                (_, _, Argument::Body) => self.within(|maker| {
                    let names = if maker.is() { vec!["K".into(), "G".into()] } else { vec![maker.variable()] };
                    let body = maker.with(names.clone(), |maker| maker.boxed(depth));
                    Expr::new(Node::Lambda { names, body })
                }),
            });
        }
        debug_assert!(spec.form != Form::Infix || arguments.len() == 2);
        Expr::new(Node::Call { function: spec.function, arguments })
    }

    fn chain(&mut self, depth: usize) -> Expr {
        let events = if self.is() { Box::new(Expr::new(Node::Events)) } else { self.boxed(depth) };
        let (order, steps) = self.within(|maker| {
            let order = if maker.is() { Box::new(item_path("timestamp")) } else { maker.boxed(depth) };
            let steps = (0..=maker.below(2)).map(|_| maker.step(depth)).collect();
            (order, steps)
        });
        Expr::new(Node::Chain { events, order, steps })
    }

    fn step(&mut self, depth: usize) -> Step {
        Step {
            label: self.text_name(),
            what: if self.is() { self.event_condition() } else { self.expr(depth) },
            when: if self.is() { Some(self.when(depth)) } else { None },
            condition: if self.is() { Some(self.expr(depth)) } else { None },
            count: u32::from(self.byte() % 3) + 1,
        }
    }

    fn bindings<T>(&mut self, depth: usize, last: impl FnOnce(&mut Self) -> T) -> (Vec<Binding>, T) {
        let before = self.bound.len();
        let mut bindings = Vec::new();
        for _ in 0..=self.below(2) {
            let list = if self.is() { Expr::new(Node::Events) } else { self.expr(depth) };
            let name = self.variable();
            self.bound.push(name.clone());
            let condition = if self.is() { Some(self.expr(depth)) } else { None };
            bindings.push(Binding { name, list, condition });
        }
        let result = last(self);
        self.bound.truncate(before);
        (bindings, result)
    }

    fn when(&mut self, depth: usize) -> When {
        match self.below(5) {
            0 | 1 => When::Distance {
                comparison: self.comparison(),
                amount: if self.is() {
                    Box::new(Expr::new(Node::Literal(Literal::Number(Decimal::from_i64(i64::from(self.byte() % 40))))))
                } else {
                    self.boxed(depth.saturating_sub(1))
                },
                unit: self.one(&Unit::ALL),
                side: self.one(&[Side::Before, Side::After]),
                moment: self.moment(depth),
            },
            2 => When::Side(self.one(&[Side::Before, Side::After]), self.moment(depth)),
            3 => When::On(self.moment(depth)),
            _ => When::Between(self.moment(depth), self.moment(depth)),
        }
    }

    fn moment(&mut self, depth: usize) -> Moment {
        match self.below(4) {
            0 => Moment::Calendar(self.one(&[Which::Last, Which::This, Which::Next]), self.one(&Unit::ALL)),
            1 | 2 => Moment::At(Box::new(self.word())),
            _ => Moment::At(self.boxed(depth.saturating_sub(1))),
        }
    }

    fn comparison(&mut self) -> Comparison {
        use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        self.one(&[Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual])
    }

    fn arithmetic(&mut self) -> Arithmetic {
        use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
        self.one(&[Add, Subtract, Multiply, Divide, Remainder])
    }

    fn name(&mut self) -> Name {
        self.one(&NAMES).into()
    }

    fn text_name(&mut self) -> Name {
        self.one(&["a", "b c", "and", "\"", "C0"]).into()
    }

    fn variable(&mut self) -> Name {
        self.one(&VARIABLES).into()
    }

    fn boxed(&mut self, depth: usize) -> Box<Expr> {
        Box::new(self.expr(depth))
    }

    fn within<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.contexts += 1;
        let result = inner(self);
        self.contexts -= 1;
        result
    }

    fn with<T>(&mut self, names: Vec<Name>, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.bound.len();
        self.bound.extend(names);
        let result = inner(self);
        self.bound.truncate(before);
        result
    }

    /// A profile.
    pub(crate) fn facts(&mut self) -> Known {
        let mut known = Known::default();
        let leaf = |value| Tree::Leaf(value);
        let number = |number: i64| Value::Number(Decimal::from_i64(number));
        let mut attributes: Vec<(&str, Tree)> = vec![
            ("seen", leaf(Value::Timestamp(self.time()))),
            ("next", leaf(Value::Timestamp(self.time()))),
            ("age", leaf(number(i64::from(self.byte() % 8)))),
            ("city", leaf(Value::text(self.one(&TEXTS)))),
        ];
        if self.is() {
            attributes.push(("birthday", leaf(Value::text(self.one(&["2026-08-30", "1985-02-28", "2024-02-29"])))));
            attributes.push(("millis", leaf(number(self.time().micros() / 1_000))));
            attributes.push(("tags", leaf(Value::set(vec![Value::text("a"), Value::text("b")]))));
        }
        known.attributes = Tree::Node(attributes.into_iter().map(|(name, tree)| (Arc::from(name), tree)).collect());
        for _ in 0..self.below(6) {
            let event = self.event();
            known.events.push(event);
        }
        known.events.sort_by_key(|event| event.at);
        if self.is() {
            known.segments.insert("gold".to_owned(), Membership::Inside { entered: self.time(), left: None });
        }
        known
    }

    fn event(&mut self) -> Event {
        let member = |name: &str, value| (Arc::from(name), value);
        let number = |byte: u8| Value::Number(Decimal::from_i64(i64::from(byte % 5) - 1));
        let mut properties = Vec::new();
        if self.is() {
            properties.push(member("total", number(self.byte())));
        }
        if self.is() {
            properties.push(member("sku", Value::text(self.one(&["A", "B"]))));
        }
        if self.is() {
            let spelled = [number(2), Value::text("1"), Value::Bool(true), Value::text("true")];
            properties.push(member("spelled", spelled[self.below(spelled.len())].clone()));
        }
        let items = (0..self.below(3)).map(|_| Value::object(vec![member("price", number(self.byte()))])).collect();
        let body = vec![member("properties", Value::object(properties)), member("items", Value::List(items))];
        Event { at: self.time(), name: self.one(&["Order", "View"]).into(), body: Value::object(body) }
    }

    /// An instant about [`NOW`], often on the edge of a day or month.
    pub(crate) fn time(&mut self) -> Timestamp {
        let days = i64::from(self.byte()) - 128;
        let at = match self.below(4) {
            0 => NOW + days * DAY,
            1 => NOW.div_euclid(DAY) * DAY + days * DAY,
            2 => NOW + days * 3_600_000_000,
            _ => NOW + days * DAY / 7 + i64::from(self.byte()) * 60_000_000,
        };
        Timestamp::from_micros(at).expect("about now")
    }
}

/// A member of what a rule speaks of at its place.
fn item_path(path: &str) -> Expr {
    let names = path.split('.').map(Name::from).collect();
    Expr::new(Node::Path { of: Box::new(Expr::new(Node::Context(0))), names })
}
