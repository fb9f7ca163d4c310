//! Types of expressions, from the leaves upwards.

use super::{Compared, Known, Model, Type, meaning};
use crate::ast::{Argument, Arithmetic, Binding, Comparison, Expr, Function, Literal, Moment, Name, Node, When};
use crate::calendar::{self, Zone};
use crate::problem::{Code, Problem};
use crate::value::Decimal;

/// What a rule speaks of at a place.
#[derive(Clone)]
enum Subject {
    Profile,
    /// An event; of a type, if a filter says which.
    Event(Option<Name>),
    /// Something else.
    Of(Type),
}

pub(super) struct Inference<'m> {
    model: &'m dyn Model,
    contexts: Vec<Subject>,
    variables: Vec<(Name, Subject)>,
}

type Result<T> = std::result::Result<T, Problem>;

impl<'m> Inference<'m> {
    pub(super) fn new(model: &'m dyn Model) -> Self {
        Self { model, contexts: vec![Subject::Profile], variables: Vec::new() }
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Type> {
        Ok(match &expr.node {
            Node::Literal(Literal::Null) => Type::Any,
            Node::Literal(Literal::Bool(_)) => Type::Boolean,
            Node::Literal(Literal::Number(_)) => Type::Number,
            Node::Literal(Literal::Text(_)) => Type::Text,
            Node::Context(_) | Node::Profile | Node::Variable(_) => match self.subject(expr) {
                Subject::Profile => Type::Object,
                Subject::Event(_) => Type::Event,
                Subject::Of(kind) => kind,
            },
            Node::Events => Type::list(Type::Event),
            Node::Path { of, names } => self.path(expr, of, names)?,
            Node::Word(_) => Type::Time,
            Node::Not(inner) => {
                self.expr(inner)?;
                Type::Boolean
            }
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().try_for_each(|part| self.expr(part).map(drop))?;
                Type::Boolean
            }
            Node::Compare(comparison, left, right) => self.comparison(*comparison, left, right)?,
            Node::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right)?,
            Node::Negate(inner) => {
                self.takes(inner, "a number", |kind| matches!(kind, Type::Number))?;
                Type::Number
            }
            Node::If { test, then, otherwise } => {
                self.expr(test)?;
                joined(self.expr(then)?, self.expr(otherwise)?)
            }
            Node::List(items) => {
                let mut of = None;
                for item in items {
                    let kind = self.expr(item)?;
                    of = Some(of.map_or(kind.clone(), |of| joined(of, kind)));
                }
                Type::list(of.unwrap_or(Type::Any))
            }
            Node::Object(members) => {
                members.iter().try_for_each(|(_, member)| self.expr(member).map(drop))?;
                Type::Object
            }
            Node::Filter { list, condition } => {
                let kind = self.takes(list, "a list", is_collection)?;
                let item = self.item(list, &kind, Some(condition));
                let holds = self.within(item, |inference| inference.expr(condition))?;
                meaning::filter(list, condition, &holds)?;
                kind
            }
            Node::Call { function, arguments } => self.call(*function, arguments)?,
            Node::Lambda { names, body } => {
                let item = self.contexts.last().cloned().unwrap_or(Subject::Of(Type::Any));
                let subjects = match &names[..] {
                    [key, item_name] => vec![(key.clone(), Subject::Of(Type::Any)), (item_name.clone(), item)],
                    names => names.iter().map(|name| (name.clone(), item.clone())).collect(),
                };
                self.with(subjects, |inference| inference.expr(body))?
            }
            Node::Occurs { subject, when } => {
                self.takes(subject, "a time", is_time)?;
                self.when(when)?;
                Type::Boolean
            }
            Node::Select(bindings) => {
                let kinds = self.bindings(bindings, None)?;
                Type::list(if let [kind] = &kinds[..] { kind.clone() } else { Type::Object })
            }
            Node::Quantifier(_, bindings) => {
                self.bindings(bindings, None)?;
                Type::Boolean
            }
            Node::Fold { function, value, bindings } => {
                self.bindings(bindings, value.as_deref())?;
                if matches!(function, Function::Sum | Function::Average) { Type::Number } else { Type::Any }
            }
            Node::Let { name, value, body } => {
                let kind = self.expr(value)?;
                let subject = match self.subject(value) {
                    Subject::Of(_) => Subject::Of(kind),
                    subject => subject,
                };
                self.with(vec![(name.clone(), subject)], |inference| inference.expr(body))?
            }
            Node::Chain { events, order, steps } => {
                let kind = self.takes(events, "a list", is_collection)?;
                self.within(self.item(events, &kind, None), |inference| {
                    inference.takes(order, "a time", is_time)?;
                    let before = inference.variables.len();
                    for step in steps {
                        inference.expr(&step.what)?;
                        if let Some(when) = &step.when {
                            meaning::labels(when, inference.variables[before..].iter().map(|(label, _)| &**label))?;
                            inference.when(when)?;
                        }
                        step.condition.iter().try_for_each(|condition| inference.expr(condition).map(drop))?;
                        let own = inference.contexts.last().cloned().unwrap_or(Subject::Of(Type::Any));
                        let own =
                            if let Subject::Event(None) = own { Subject::Event(one_type(&step.what)) } else { own };
                        inference.variables.push((step.label.clone(), own));
                    }
                    inference.variables.truncate(before);
                    Ok(Type::Boolean)
                })?
            }
            Node::Kept { naive, .. } => self.expr(naive)?,
        })
    }

    fn path(&mut self, expr: &Expr, of: &Expr, names: &[Name]) -> Result<Type> {
        let (known, beside) = match self.subject(of) {
            Subject::Profile => (self.model.attribute(names), self.model.attributes()),
            Subject::Event(event) => self.property(event.as_deref(), names),
            Subject::Of(_) => match self.expr(of)? {
                // A path through a list of events is that of each.
                Type::List(item) if *item == Type::Event => {
                    let event = self.event_type(of);
                    let (known, beside) = self.property(event.as_deref(), names);
                    let known = match known {
                        Known::Is(kind @ Type::List(_)) => Known::Is(kind),
                        Known::Is(kind) => Known::Is(Type::list(kind)),
                        known => known,
                    };
                    (known, beside)
                }
                _ => return Ok(Type::Any),
            },
        };
        match known {
            Known::Is(kind) => Ok(kind),
            Known::Perhaps => Ok(Type::Any),
            Known::Never => {
                let written = names.join(".");
                let problem = Problem::new(Code::UnknownAttribute, expr.at.clone(), "an attribute of the data model");
                Err(problem.did_you_mean(&written, beside.iter().map(String::as_str)))
            }
        }
    }

    fn property(&self, event: Option<&str>, names: &[Name]) -> (Known, Vec<String>) {
        match &*names[0] {
            "timestamp" if names.len() == 1 => (Known::Is(Type::Time), Vec::new()),
            "eventType" if names.len() == 1 => (Known::Is(Type::Text), Vec::new()),
            _ => (self.model.property(event, names), self.model.properties(event)),
        }
    }

    fn comparison(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<Type> {
        let (left_kind, right_kind) = (self.expr(left)?, self.expr(right)?);
        meaning::comparison(comparison, (left, &left_kind), (right, &right_kind))?;
        let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if !is_order {
            self.note(left, right);
            self.note(right, left);
        }
        let fits = |kind: &Type, other: &Type, literal: &Expr| match (kind, other) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Time, Type::Time | Type::Number | Type::Text) | (Type::Number | Type::Text, Type::Time) => true,
            (Type::Number, Type::Number) => true,
            (Type::Number, Type::Text) => {
                matches!(&literal.node, Node::Literal(Literal::Text(text)) if Decimal::parse(text).is_ok())
            }
            (Type::Boolean, Type::Text) => {
                matches!(&literal.node, Node::Literal(Literal::Text(text)) if matches!(&**text, "true" | "false"))
            }
            (Type::Text, Type::Number | Type::Boolean) => matches!(literal.node, Node::Literal(_)),
            _ => !is_order && std::mem::discriminant(kind) == std::mem::discriminant(other),
        };
        if fits(&left_kind, &right_kind, right) || fits(&right_kind, &left_kind, left) {
            let names_time = |expr: &Expr| match &expr.node {
                Node::Literal(Literal::Text(text)) => calendar::read(text, &Zone::utc()).is_some(),
                _ => false,
            };
            let is_texts = left_kind == Type::Text && right_kind == Type::Text;
            if !is_order || !is_texts || names_time(left) || names_time(right) {
                return Ok(Type::Boolean);
            }
        }
        let expected = if is_order && left_kind == Type::Text {
            "two numbers or two times: texts are not ordered".to_owned()
        } else if is_order && !matches!(left_kind, Type::Number | Type::Time) {
            format!("two numbers or two times, and not {left_kind}")
        } else {
            format!("{left_kind} as on the other side, and not {right_kind}")
        };
        let problem = Problem::new(Code::WrongType, right.at.clone(), expected);
        Err(Problem { hint: meaning::of_a_list(comparison, (left, &left_kind), right), ..problem })
    }

    fn arithmetic(&mut self, operator: Arithmetic, left: &Expr, right: &Expr) -> Result<Type> {
        let takes = |kind: &Type| match kind {
            Type::Number => true,
            Type::Map(_) | Type::Object => operator == Arithmetic::Divide,
            Type::Any | Type::Boolean | Type::Text | Type::Time | Type::List(_) | Type::Event => false,
        };
        let left = self.takes(left, "a number", takes)?;
        let right = self.takes(right, "a number", takes)?;
        Ok(match (left, right) {
            (Type::Number, _) | (_, Type::Number) => Type::Number,
            (Type::Map(_) | Type::Object, _) | (_, Type::Map(_) | Type::Object) => Type::map(Type::Number),
            _ if operator == Arithmetic::Divide => Type::Any,
            _ => Type::Number,
        })
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Type> {
        use Function as F;
        if let (F::InSegment | F::EnteredSegment | F::LeftSegment, [name]) = (function, arguments) {
            self.segment(name)?;
        }
        let mut kinds = Vec::with_capacity(arguments.len());
        for (place, (argument, takes)) in arguments.iter().zip(function.spec().arguments).enumerate() {
            kinds.push(match takes {
                Argument::Value => match expects(function, place) {
                    Some((what, fits)) => self.takes(argument, what, fits)?,
                    None => self.expr(argument)?,
                },
                Argument::Body => {
                    let condition = (function == F::Exists).then_some(argument);
                    let item = self.item(&arguments[0], kinds.first().unwrap_or(&Type::Any), condition);
                    self.within(item, |inference| match function {
                        F::Sum | F::Average | F::Median | F::Percentile => {
                            inference.takes(argument, "a number", |kind| *kind == Type::Number)
                        }
                        F::Min | F::Max | F::TopN | F::BottomN => {
                            inference
                                .takes(argument, "a number or a time", |kind| matches!(kind, Type::Number | Type::Time))
                        }
                        _ => inference.expr(argument),
                    })?
                }
            });
        }
        let minds_case = |argument: Option<&Expr>| {
            argument.is_none_or(|argument| argument.node == Node::Literal(Literal::Bool(true)))
        };
        match (function, arguments) {
            (F::Equals | F::NotEqualTo, [subject, text, rest @ ..]) if minds_case(rest.first()) => {
                self.note(subject, text);
            }
            (F::In | F::NotIn | F::Includes, [subject, texts, ..]) => self.note(subject, texts),
            _ => {}
        }
        Ok(result(function, &kinds))
    }

    /// Tells the model that what stands at a path is compared with a text, or with each text of a list.
    fn note(&self, subject: &Expr, with: &Expr) {
        let Node::Path { of, names } = &subject.node else { return };
        let own = self.subject(of);
        let compared = match &own {
            Subject::Profile => Compared::Attribute(names),
            Subject::Event(event) => Compared::Property(event.as_deref(), names),
            Subject::Of(_) => return,
        };
        let items = if let Node::List(items) = &with.node { &items[..] } else { std::slice::from_ref(with) };
        for item in items {
            if let Node::Literal(Literal::Text(text)) = &item.node {
                self.model.compared(compared, text);
            }
        }
    }

    /// The segment that a rule asks about is there.
    fn segment(&self, name: &Expr) -> Result<()> {
        let Node::Literal(Literal::Text(text)) = &name.node else { return Ok(()) };
        if self.model.segment(text) != Known::Never {
            return Ok(());
        }
        let there = self.model.segments();
        let problem = Problem::new(Code::UnknownSegment, name.at.clone(), "the name of a segment that there is");
        Err(problem.did_you_mean(text, there.iter().map(String::as_str)))
    }

    /// Of an operand whose type is known it is one that fits.
    fn takes(&mut self, operand: &Expr, what: &str, fits: impl Fn(&Type) -> bool) -> Result<Type> {
        let kind = self.expr(operand)?;
        if kind == Type::Any || fits(&kind) {
            return Ok(kind);
        }
        Err(Problem::new(Code::WrongType, operand.at.clone(), format!("{what}, and not {kind}")))
    }

    fn when(&mut self, when: &When) -> Result<()> {
        let mut moment = |moment: &Moment| match moment {
            Moment::Calendar(..) => Ok(()),
            Moment::At(expr) => {
                self.takes(expr, "a time", is_time)?;
                meaning::moment(expr)
            }
        };
        match when {
            When::Distance { amount, moment: of, .. } => {
                moment(of)?;
                self.takes(amount, "a number", |kind| *kind == Type::Number).map(drop)
            }
            When::Side(_, of) | When::On(of) => moment(of),
            When::Between(start, end) => {
                moment(start)?;
                moment(end)
            }
        }
    }

    fn bindings(&mut self, bindings: &[Binding], value: Option<&Expr>) -> Result<Vec<Type>> {
        let before = self.variables.len();
        let mut kinds = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let kind = self.takes(&binding.list, "a list", is_collection)?;
            let item = self.item(&binding.list, &kind, None);
            kinds.push(match &item {
                Subject::Event(_) => Type::Event,
                Subject::Of(kind) => kind.clone(),
                Subject::Profile => Type::Object,
            });
            self.variables.push((binding.name.clone(), item));
            binding.condition.iter().try_for_each(|condition| self.expr(condition).map(drop))?;
        }
        value.iter().try_for_each(|value| self.expr(value).map(drop))?;
        self.variables.truncate(before);
        Ok(kinds)
    }

    /// What a body over a list speaks of.
    fn item(&self, list: &Expr, kind: &Type, condition: Option<&Expr>) -> Subject {
        match kind {
            Type::List(item) if **item == Type::Event => {
                let own = condition.and_then(one_type);
                Subject::Event(own.or_else(|| self.event_type(list)))
            }
            Type::List(item) | Type::Map(item) => Subject::Of((**item).clone()),
            _ => Subject::Of(Type::Any),
        }
    }

    /// The type of the events of a list, if a filter says which.
    fn event_type(&self, list: &Expr) -> Option<Name> {
        match &list.node {
            Node::Filter { list, condition } => one_type(condition).or_else(|| self.event_type(list)),
            Node::Call { function: Function::TopN | Function::BottomN | Function::Distinct, arguments } => {
                arguments.first().and_then(|list| self.event_type(list))
            }
            _ => None,
        }
    }

    fn subject(&self, expr: &Expr) -> Subject {
        let any = Subject::Of(Type::Any);
        match &expr.node {
            Node::Profile => Subject::Profile,
            Node::Context(scopes) => {
                let scopes = usize::try_from(*scopes).unwrap_or(usize::MAX);
                let at = self.contexts.len().checked_sub(1).and_then(|last| last.checked_sub(scopes));
                at.map_or(any, |at| self.contexts[at].clone())
            }
            Node::Variable(name) => {
                let bound = self.variables.iter().rev().find(|(bound, _)| bound == name);
                bound.map_or(any, |(_, subject)| subject.clone())
            }
            _ => any,
        }
    }

    fn within(&mut self, item: Subject, inner: impl FnOnce(&mut Self) -> Result<Type>) -> Result<Type> {
        self.contexts.push(item);
        let kind = inner(self);
        self.contexts.pop();
        kind
    }

    fn with(&mut self, names: Vec<(Name, Subject)>, inner: impl FnOnce(&mut Self) -> Result<Type>) -> Result<Type> {
        let before = self.variables.len();
        self.variables.extend(names);
        let kind = inner(self);
        self.variables.truncate(before);
        kind
    }
}

/// The one type of event that a condition on an event names.
fn one_type(condition: &Expr) -> Option<Name> {
    let types = crate::plan::types_of(condition, &Node::Context(0))?;
    let mut types = types.into_iter().filter(|known| known.minds_case);
    let first = types.next()?;
    types.next().is_none().then_some(first.name)
}

type Expected = (&'static str, fn(&Type) -> bool);

/// What an argument of a function must be, where its type is known.
fn expects(function: Function, place: usize) -> Option<Expected> {
    use Function as F;
    let text: Expected = ("a text", |kind| *kind == Type::Text);
    let number: Expected = ("a number", |kind| *kind == Type::Number);
    let list: Expected = ("a list", |kind| matches!(kind, Type::List(_)));
    let collection: Expected = ("a list", is_collection);
    let map: Expected = ("a map", |kind| matches!(kind, Type::Map(_) | Type::Object));
    match (function, place) {
        (F::Like | F::Matches | F::RegexGroup, 0 | 1) => Some(text),
        (F::Upper | F::Lower | F::Length | F::Substring | F::Trim, 0) => Some(text),
        (F::Substring, _) | (F::Round, _) | (F::Percentile, 2) => Some(number),
        (F::RegexGroup, 2) => Some(number),
        (
            F::StartsWith
            | F::DoesNotStartWith
            | F::EndsWith
            | F::DoesNotEndWith
            | F::Contains
            | F::DoesNotContain
            | F::Equals
            | F::NotEqualTo,
            place,
        ) => Some(if place < 2 { text } else { ("a Boolean", |kind| *kind == Type::Boolean) }),
        (F::In | F::NotIn, 1) | (F::Includes | F::Distinct | F::Head, 0) => Some(list),
        (F::Intersects | F::Intersection | F::SubsetOf | F::SupersetOf, _) => Some(list),
        (F::TopN | F::BottomN, 2) => Some(number),
        (F::TopN | F::BottomN | F::GroupBy, 0) => Some(list),
        // `exists` may be asked of anything: a filter compares with what may be one value or a list of them.
        (F::Median | F::Percentile, 0) => Some(collection),
        (F::Map | F::Count | F::Sum | F::Average | F::Min | F::Max | F::MostFrequent, 0) => Some(collection),
        (F::Get | F::Keys | F::Values, 0) => Some(map),
        (F::GetMonth | F::GetYear | F::GetDayOfMonth, 0) | (F::DaysUntil, _) => Some(("a time", is_time)),
        (F::Visits, 0) => Some(list),
        (F::Date, _) | (F::Visits, 1) => Some(number),
        _ => None,
    }
}

fn result(function: Function, kinds: &[Type]) -> Type {
    use Function as F;
    let first = kinds.first().cloned().unwrap_or(Type::Any);
    match function {
        F::RegexGroup | F::ToText | F::Upper | F::Lower | F::Substring | F::Trim => Type::Text,
        F::Coalesce => kinds.iter().cloned().reduce(joined).unwrap_or(Type::Any),
        F::Intersection | F::Distinct | F::TopN | F::BottomN => match first {
            Type::List(_) => first,
            _ => Type::list(Type::Any),
        },
        F::GroupBy => Type::map(if matches!(first, Type::List(_)) { first } else { Type::Any }),
        F::Map => match first {
            Type::List(_) => Type::list(kinds.get(1).cloned().unwrap_or(Type::Any)),
            _ => Type::Any,
        },
        F::Head => match first {
            Type::List(item) => *item,
            _ => Type::Any,
        },
        F::Count | F::Sum | F::Average | F::Median | F::Percentile | F::Length | F::Round => Type::Number,
        F::Min | F::Max | F::MostFrequent => kinds.get(1).cloned().unwrap_or(Type::Any),
        F::Get => match first {
            Type::Map(value) => *value,
            _ => Type::Any,
        },
        F::Keys => Type::list(Type::Any),
        F::Values => match first {
            Type::Map(value) => Type::list(*value),
            _ => Type::list(Type::Any),
        },
        F::MapEntry => Type::map(kinds.get(1).cloned().unwrap_or(Type::Any)),
        F::CurrentMonth
        | F::CurrentYear
        | F::CurrentDayOfMonth
        | F::GetMonth
        | F::GetYear
        | F::GetDayOfMonth
        | F::DaysUntil
        | F::Visits
        | F::ToNumber => Type::Number,
        F::Date | F::EnteredSegment | F::LeftSegment => Type::Time,
        F::In
        | F::NotIn
        | F::Like
        | F::Matches
        | F::StartsWith
        | F::DoesNotStartWith
        | F::EndsWith
        | F::DoesNotEndWith
        | F::Contains
        | F::DoesNotContain
        | F::Equals
        | F::NotEqualTo
        | F::Intersects
        | F::SubsetOf
        | F::SupersetOf
        | F::Includes
        | F::Exists
        | F::IsNull
        | F::IsNotNull
        | F::InSegment => Type::Boolean,
    }
}

fn joined(a: Type, b: Type) -> Type {
    if a == b { a } else { Type::Any }
}

/// Texts and numbers may name a time.
fn is_time(kind: &Type) -> bool {
    matches!(kind, Type::Time | Type::Text | Type::Number)
}

fn is_collection(kind: &Type) -> bool {
    matches!(kind, Type::List(_) | Type::Map(_) | Type::Object)
}
