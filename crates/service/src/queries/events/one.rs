//! One event, as what is asked of it sees it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::rules::Event;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::IDENTITIES;
use tessera_expr::ast::Name;
use tessera_expr::facts::{Facts, Kept, Membership, look_into};
use tessera_expr::plan::Aggregate;

use crate::base::opened::open_payload;
use crate::read::pool::Patience;

/// No attributes.
static NOTHING: Tree = Tree::Node(BTreeMap::new());

/// One event, as its condition sees it.
pub(super) struct One<'a> {
    event: &'a Event,
    named: &'a [Identity],
    config: &'a Config,
    identities: OnceCell<Value>,
    patience: &'a Patience,
}

impl<'a> One<'a> {
    pub(super) fn new(event: &'a Event, named: &'a [Identity], config: &'a Config, patience: &'a Patience) -> Self {
        Self { event, named, config, identities: OnceCell::new(), patience }
    }

    /// The identities that it names: a list for each namespace.
    fn identities(&self) -> &Value {
        self.identities.get_or_init(|| {
            let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
            for identity in self.named {
                if let Some(namespace) = self.config.find(identity.namespace) {
                    all.entry(namespace.name.as_str()).or_default().push(Value::Text(identity.value.clone()));
                }
            }
            Value::object(all.into_iter().map(|(name, values)| (name.into(), Value::List(values.into()))).collect())
        })
    }
}

impl Facts for One<'_> {
    fn attributes(&self) -> &Tree {
        &NOTHING
    }

    fn event_count(&self) -> usize {
        1
    }

    fn event_time(&self, _: usize) -> Timestamp {
        self.event.time
    }

    fn event_name(&self, _: usize) -> Name {
        self.event.event_type()
    }

    fn event_value(&self, _: usize, names: &[Name]) -> (Value, usize) {
        match names {
            [first, rest @ ..] if **first == *IDENTITIES => {
                let (value, used) = look_into(self.identities(), rest);
                (value, used + 1)
            }
            _ => self.event.at(names, open_payload),
        }
    }

    fn event_bytes(&self, _: usize) -> usize {
        self.event.call.payload.len()
    }

    fn is_given_up(&self) -> bool {
        self.patience.is_over()
    }

    fn membership(&self, _: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }
}
