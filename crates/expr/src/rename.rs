//! Rules in the names of a dialect, and back: what stands somewhere in its profiles and events stands elsewhere in those of a workspace.
//!
//! A tree says of each name what it is a name of: of the profile, of an event, or of something within them. The first two are the dialect's
//! to give; what is within a value is as it was sent.

use std::rc::Rc;

use crate::ast::{Argument, Binding, Comparison, Expr, Function, Literal, Moment, Name, Node, When};

/// What names of a dialect are in a workspace, or the other way round. No names stand for none.
pub trait Names {
    /// Those of something in a profile.
    fn attribute(&self, names: &[Name]) -> Vec<Name>;

    /// Those of something in an event.
    fn property(&self, names: &[Name]) -> Vec<Name>;

    /// That of a segment.
    fn segment(&self, name: &Name) -> Name;

    /// Where what stands there is a list of objects in the dialect and of values in a workspace: the name under which each object has its value.
    fn value(&self, names: &[Name]) -> Option<Name> {
        let _ = names;
        None
    }

    /// How a text is spelled where values of these names, those of the workspace, have one spelling; none where it stays as it is.
    fn spelled(&self, names: &[Name], text: &str) -> Option<Name> {
        let _ = (names, text);
        None
    }
}

/// The same rule in other names.
#[must_use]
pub fn renamed(mut expr: Expr, names: &dyn Names) -> Expr {
    Renaming { names, contexts: vec![Subject::Profile], variables: Vec::new() }.expr(&mut expr);
    expr
}

/// What something is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Profile,
    Event,
    /// A list of events.
    Events,
    /// Lists of events by a key.
    Groups,
    /// A value that is an object in the dialect.
    Value(Rc<Valued>),
    /// A list of such.
    Values(Rc<Valued>),
    Other,
}

/// Objects of a dialect that are values in a workspace.
#[derive(Debug, PartialEq, Eq)]
struct Valued {
    /// The name under which each object has its value.
    by: Name,
    /// Where the values stand in a workspace.
    at: Vec<Name>,
}

impl Subject {
    /// What one item of it is.
    fn item(&self) -> Self {
        match self {
            Self::Events => Self::Event,
            Self::Groups => Self::Events,
            Self::Values(own) => Self::Value(Rc::clone(own)),
            Self::Profile | Self::Event | Self::Value(_) | Self::Other => Self::Other,
        }
    }

    /// Whether these names are of the value itself.
    fn is_by(&self, names: &[Name]) -> bool {
        match self {
            Self::Value(own) | Self::Values(own) => *names == [own.by.clone()],
            Self::Profile | Self::Event | Self::Events | Self::Groups | Self::Other => false,
        }
    }
}

struct Renaming<'a> {
    names: &'a dyn Names,
    contexts: Vec<Subject>,
    variables: Vec<(Name, Subject)>,
}

impl Renaming<'_> {
    fn expr(&mut self, expr: &mut Expr) -> Subject {
        if let Node::Path { .. } = expr.node {
            return self.path(expr);
        }
        match &mut expr.node {
            Node::Literal(_) | Node::Word(_) => Subject::Other,
            Node::Events => Subject::Events,
            Node::Profile => Subject::Profile,
            Node::Context(scopes) => self.context(*scopes),
            Node::Variable(name) => self.variable(name),
            Node::Filter { list, condition } => {
                let subject = self.expr(list);
                self.within(subject.item(), condition);
                subject
            }
            Node::Call { function, arguments } => self.call(*function, arguments),
            Node::Lambda { names, body } => {
                let item = self.contexts.last().cloned().unwrap_or(Subject::Other);
                let count = names.len();
                let own = names.iter().enumerate().map(|(at, name)| {
                    let is_key = count == 2 && at == 0;
                    (name.clone(), if is_key { Subject::Other } else { item.clone() })
                });
                self.with(own.collect(), |renaming| renaming.expr(body))
            }
            Node::Let { name, value, body } => {
                let subject = self.expr(value);
                self.with(vec![(name.clone(), subject)], |renaming| renaming.expr(body))
            }
            Node::If { test, then, otherwise } => {
                self.expr(test);
                let (then, otherwise) = (self.expr(then), self.expr(otherwise));
                if then == otherwise { then } else { Subject::Other }
            }
            Node::Select(bindings) => {
                let items = self.bindings(bindings, None);
                if items == [Subject::Event] { Subject::Events } else { Subject::Other }
            }
            Node::Quantifier(_, bindings) => {
                self.bindings(bindings, None);
                Subject::Other
            }
            Node::Fold { value, bindings, .. } => {
                self.bindings(bindings, value.as_deref_mut());
                Subject::Other
            }
            Node::Kept { naive, .. } => self.expr(naive),
            node => {
                self.parts(node);
                Subject::Other
            }
        }
    }

    fn path(&mut self, expr: &mut Expr) -> Subject {
        let Node::Path { of, names } = &mut expr.node else { return Subject::Other };
        match self.expr(of) {
            Subject::Profile => {
                let by = self.names.value(names);
                *names = self.names.attribute(names);
                return by.map_or(Subject::Other, |by| Subject::Values(Rc::new(Valued { by, at: names.clone() })));
            }
            Subject::Event | Subject::Events => *names = self.names.property(names),
            own @ (Subject::Value(_) | Subject::Values(_)) if own.is_by(names) => {
                *expr = Expr::clone(of);
                return own;
            }
            Subject::Value(_) | Subject::Values(_) | Subject::Groups | Subject::Other => {}
        }
        Subject::Other
    }

    fn part(&mut self, expr: &mut Expr) {
        self.expr(expr);
    }

    /// Spells texts that are compared with a value of the profile as those are.
    fn spell(&self, of: &Expr, with: &mut Expr) {
        let subject = |expr: &Expr| match &expr.node {
            Node::Context(scopes) => self.context(*scopes),
            Node::Variable(name) => self.variable(name),
            Node::Profile => Subject::Profile,
            _ => Subject::Other,
        };
        let names = match &of.node {
            Node::Path { of, names } if subject(of) == Subject::Profile => names.clone(),
            _ => match subject(of) {
                Subject::Value(own) => own.at.clone(),
                _ => return,
            },
        };
        let spell = |expr: &mut Expr| {
            if let Node::Literal(Literal::Text(text)) = &mut expr.node
                && let Some(own) = self.names.spelled(&names, text)
            {
                *text = own;
            }
        };
        match &mut with.node {
            Node::List(items) => items.iter_mut().for_each(spell),
            _ => spell(with),
        }
    }

    /// What is neither a place nor a list of events, and makes no scope but its own.
    fn parts(&mut self, node: &mut Node) {
        match node {
            Node::Not(part) | Node::Negate(part) => self.part(part),
            Node::And(parts) | Node::Or(parts) | Node::List(parts) => {
                parts.iter_mut().for_each(|part| self.part(part));
            }
            Node::Object(members) => members.iter_mut().for_each(|(_, part)| self.part(part)),
            Node::Compare(comparison, left, right) => {
                self.expr(left);
                self.expr(right);
                if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                    self.spell(left, right);
                    self.spell(right, left);
                }
            }
            Node::Arithmetic(_, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            Node::Occurs { subject, when } => {
                self.expr(subject);
                self.when(when);
            }
            Node::Chain { events, order, steps } => {
                let item = self.expr(events).item();
                self.contexts.push(item);
                self.expr(order);
                for step in steps {
                    self.expr(&mut step.what);
                    step.when.iter_mut().for_each(|when| self.when(when));
                    step.condition.iter_mut().for_each(|condition| self.part(condition));
                }
                self.contexts.pop();
            }
            Node::Literal(_)
            | Node::Context(_)
            | Node::Profile
            | Node::Events
            | Node::Variable(_)
            | Node::Path { .. }
            | Node::Word(_)
            | Node::If { .. }
            | Node::Filter { .. }
            | Node::Call { .. }
            | Node::Lambda { .. }
            | Node::Select(_)
            | Node::Quantifier(..)
            | Node::Fold { .. }
            | Node::Let { .. }
            | Node::Kept { .. } => {}
        }
    }

    fn call(&mut self, function: Function, arguments: &mut [Expr]) -> Subject {
        use Function as F;
        if let (F::InSegment | F::EnteredSegment | F::LeftSegment, [name]) = (function, &mut *arguments)
            && let Node::Literal(crate::ast::Literal::Text(text)) = &mut name.node
        {
            *text = self.names.segment(text);
            return Subject::Other;
        }
        let mut first = Subject::Other;
        for (place, (argument, takes)) in arguments.iter_mut().zip(function.spec().arguments).enumerate() {
            match takes {
                Argument::Value if place == 0 => first = self.expr(argument),
                Argument::Value => self.part(argument),
                Argument::Body => self.within(first.item(), argument),
            }
        }
        if let (F::In | F::NotIn | F::Includes | F::Intersects | F::Intersection, [one, other]) =
            (function, &mut *arguments)
        {
            self.spell(one, other);
            self.spell(other, one);
        }
        match function {
            F::TopN | F::BottomN | F::Distinct | F::Intersection => first,
            F::GroupBy if first == Subject::Events => Subject::Groups,
            F::Head | F::Get => first.item(),
            _ => Subject::Other,
        }
    }

    fn when(&mut self, when: &mut When) {
        match when {
            When::Distance { amount, moment, .. } => {
                self.expr(amount);
                self.moment(moment);
            }
            When::Side(_, moment) | When::On(moment) => self.moment(moment),
            When::Between(start, end) => {
                self.moment(start);
                self.moment(end);
            }
        }
    }

    fn moment(&mut self, moment: &mut Moment) {
        match moment {
            Moment::Calendar(..) => {}
            Moment::At(part) => self.part(part),
        }
    }

    fn bindings(&mut self, bindings: &mut [Binding], value: Option<&mut Expr>) -> Vec<Subject> {
        let before = self.variables.len();
        let mut items = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let item = self.expr(&mut binding.list).item();
            items.push(item.clone());
            self.variables.push((binding.name.clone(), item));
            binding.condition.iter_mut().for_each(|condition| self.part(condition));
        }
        value.into_iter().for_each(|value| self.part(value));
        self.variables.truncate(before);
        items
    }

    fn context(&self, scopes: u32) -> Subject {
        let scopes = usize::try_from(scopes).unwrap_or(usize::MAX);
        let at = self.contexts.len().checked_sub(1).and_then(|last| last.checked_sub(scopes));
        at.map_or(Subject::Other, |at| self.contexts[at].clone())
    }

    fn variable(&self, name: &Name) -> Subject {
        let bound = self.variables.iter().rev().find(|(bound, _)| bound == name);
        bound.map_or(Subject::Other, |(_, subject)| subject.clone())
    }

    fn within(&mut self, item: Subject, inner: &mut Expr) {
        self.contexts.push(item);
        self.expr(inner);
        self.contexts.pop();
    }

    fn with(&mut self, names: Vec<(Name, Subject)>, inner: impl FnOnce(&mut Self) -> Subject) -> Subject {
        let before = self.variables.len();
        self.variables.extend(names);
        let subject = inner(self);
        self.variables.truncate(before);
        subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pql;

    /// Attributes stand below `a`, properties below `p`; what is there already is none.
    struct Below;

    impl Names for Below {
        fn attribute(&self, names: &[Name]) -> Vec<Name> {
            [Name::from("a")].into_iter().chain(names.iter().cloned()).collect()
        }

        fn property(&self, names: &[Name]) -> Vec<Name> {
            match &*names[0] {
                "timestamp" | "eventType" => names.to_vec(),
                _ => [Name::from("p")].into_iter().chain(names.iter().cloned()).collect(),
            }
        }

        fn segment(&self, name: &Name) -> Name {
            format!("s-{name}").into()
        }

        fn value(&self, names: &[Name]) -> Option<Name> {
            (names.len() == 1 && *names[0] == *"ids").then(|| "id".into())
        }

        fn spelled(&self, names: &[Name], text: &str) -> Option<Name> {
            (*names[1] == *"mail" || *names[1] == *"ids").then(|| text.to_lowercase().into())
        }
    }

    #[test]
    fn names_are_those_of_what_is_spoken_of() {
        for (dialect, own) in [
            ("x.y = 1", "a.x.y = 1"),
            ("xEvent[eventType = \"b\" and c.d > 2].sum(c.e)", "xEvent[eventType = \"b\" and p.c.d > 2].sum(p.c.e)"),
            ("xEvent.c.d", "xEvent.p.c.d"),
            (
                "xEvent[items[sku = \"1\" or ^c = 2 or ^^x = 3]].count() > 0",
                "xEvent[p.items[sku = \"1\" or ^p.c = 2 or ^^a.x = 3]].count() > 0",
            ),
            (
                "xEvent[c > 1].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": c.d}).head()",
                "xEvent[p.c > 1].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": p.c.d}).head()",
            ),
            ("xEvent.topN(timestamp, 1).head().c", "xEvent.topN(timestamp, 1).head().p.c"),
            (
                "xEvent.groupBy(c.d).map((K, G) => mapEntry(K, G.sum(c.e)))",
                "xEvent.groupBy(p.c.d).map((K, G) => mapEntry(K, G.sum(p.c.e)))",
            ),
            ("xEvent.map((E) => E.c + x)", "xEvent.map((E) => E.p.c + p.x)"),
            (
                "select A from xEvent where A.c = 1, B from xEvent where B.timestamp occurs <= 14 days after A.c.d",
                "select A from xEvent where A.p.c = 1, B from xEvent where B.timestamp occurs <= 14 days after A.p.c.d",
            ),
            ("exists E from xEvent where E.c = x", "exists E from xEvent where E.p.c = a.x"),
            ("let V = xEvent[c = 1] in (V.count() + y)", "let V = xEvent[p.c = 1] in (V.count() + a.y)"),
            ("sum E.c over E from xEvent where E.d > 1", "sum E.p.c over E from xEvent where E.p.d > 1"),
            ("if(x, xEvent.c, y)", "if(a.x, xEvent.p.c, a.y)"),
            ("(P) => P.x = P.y.z", "(P) => P.a.x = P.a.y.z"),
            (
                "chain(xEvent, timestamp, [A: WHAT(c = 1) WHEN(< 8 days before now), B: WHAT(d.e = 2) COUNT(2)])",
                "chain(xEvent, timestamp, [A: WHAT(p.c = 1) WHEN(< 8 days before now), B: WHAT(p.d.e = 2) COUNT(2)])",
            ),
            ("inSegment(\"one\") and not x.exists(y = 1)", "inSegment(\"s-one\") and not a.x.exists(y = 1)"),
            ("[x, 1].includes(date(y, 1, 1))", "[a.x, 1].includes(date(a.y, 1, 1))"),
            ("x occurs between y and z", "a.x occurs between a.y and a.z"),
            ("-x + m.get(\"k\")", "-a.x + a.m.get(\"k\")"),
            ("ids.exists(id = \"A\")", "a.ids.exists(this = \"a\")"),
            ("ids[id = \"a\"].count() > 0", "a.ids[this = \"a\"].count() > 0"),
            (
                "exists I from ids where I.id = \"A\" and I.more = 1",
                "exists I from a.ids where I = \"a\" and I.more = 1",
            ),
            ("ids.head().id = \"a\"", "a.ids.head() = \"a\""),
            ("ids.includes(\"A\") or ids.head().more = 1", "a.ids.includes(\"a\") or a.ids.head().more = 1"),
            ("mail = \"A\" or \"A\" != mail or x = \"A\"", "a.mail = \"a\" or \"a\" != a.mail or a.x = \"A\""),
            (
                "mail in [\"A\", \"b\", 1] and mail.contains(\"A\")",
                "a.mail in [\"a\", \"b\", 1] and a.mail.contains(\"A\")",
            ),
            ("xEvent[mail = \"A\"].count()", "xEvent[p.mail = \"A\"].count()"),
        ] {
            let parse = |text: &str| pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
            assert_eq!(renamed(parse(dialect), &Below), parse(own), "{dialect}");
        }
    }
}
