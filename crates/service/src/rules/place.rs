//! A place of a profile or of its events that a rule compares with texts.

use tessera_expr::ast::{Comparison, Expr, Literal, Name, Node};
use tessera_expr::check::Compared;

/// Something that a rule compares with texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// What stands at these names of a profile.
    Attribute(Vec<Name>),
    /// What stands at these names below `properties` of events; of this type, if the rule says which.
    Property(Option<Name>, Vec<Name>),
}

impl Place {
    /// What was compared, if it can be looked at.
    pub(super) fn of(compared: Compared<'_>) -> Option<Self> {
        match compared {
            Compared::Attribute(names) => Some(Self::Attribute(names.to_vec())),
            Compared::Property(event, [root, below @ ..]) if &**root == "properties" && !below.is_empty() => {
                Some(Self::Property(event.map(Name::from), below.to_vec()))
            }
            Compared::Property(..) => None,
        }
    }

    /// Its names.
    pub(super) fn names(&self) -> &[Name] {
        match self {
            Self::Attribute(names) | Self::Property(_, names) => names,
        }
    }

    /// Its names as they are written.
    pub(super) fn shown(&self) -> String {
        self.names().join(".")
    }

    /// What stands there, as a rule asks for it.
    pub(super) fn expr(&self) -> Expr {
        let path = |of: Expr, names: Vec<Name>| Expr::new(Node::Path { of: Box::new(of), names });
        match self {
            Self::Attribute(names) => path(Expr::new(Node::Profile), names.clone()),
            Self::Property(event, names) => {
                let mut events = Expr::new(Node::Events);
                if let Some(event) = event {
                    let own = path(Expr::new(Node::Context(0)), vec!["eventType".into()]);
                    let name = Expr::new(Node::Literal(Literal::Text(event.clone())));
                    let condition = Expr::new(Node::Compare(Comparison::Equal, Box::new(own), Box::new(name)));
                    events = Expr::new(Node::Filter { list: Box::new(events), condition: Box::new(condition) });
                }
                let names = std::iter::once("properties".into()).chain(names.iter().cloned()).collect();
                path(events, names)
            }
        }
    }
}
