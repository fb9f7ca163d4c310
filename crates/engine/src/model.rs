//! The data model of a workspace: which attributes and event types it knows, of which types, and what becomes of data that
//! does not fit.
//!
//! It is pure: values go in, problems come out, and nothing is ever converted. Start reading at [`Definition`], what is
//! registered; [`DataModel`] is that, checked and ready. Which value is of which type stands in [`Scalar`] and [`Type`].
//!
//! Null is admitted wherever an attribute may stand, registered or not: it removes, and what is not wanted must be removable.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::{Path, Value};

mod change;
mod check;
mod invalid;
mod iso;
mod keeping;
mod shape;
mod types;
mod window;

#[cfg(test)]
mod tests;

pub use change::Stricter;
pub use check::Problem;
pub use invalid::InvalidModel;
pub use keeping::{Ended, Keeping, Windowed, ended_between};
pub use types::{Kind, Scalar, Type};
pub use window::{InvalidWindow, Window};

use check::Properties;
use shape::Shape;

/// What becomes of data that is not registered, or not of its registered type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// It is stored.
    #[default]
    Open,
    /// It is stored, and its sender is told.
    Warn,
    /// It is refused: an attribute by itself, an event whole.
    Strict,
}

impl Mode {
    /// All of them, the freest first.
    pub const ALL: [Self; 3] = [Self::Open, Self::Warn, Self::Strict];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Warn => "warn",
            Self::Strict => "strict",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Whether something that is registered takes new data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Status {
    /// It does.
    #[default]
    Active,
    /// For new data it is as if it were not registered. What is stored is read as before, under its flags and windows.
    Inactive,
}

impl Status {
    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Inactive].into_iter().find(|status| status.name() == name)
    }
}

/// Who may see something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags {
    /// Only those who configure the workspace.
    pub internal: bool,
    /// Only those who may read private data.
    pub private: bool,
}

impl Flags {
    /// Whether a reader who may see what carries `allowed` may not see what carries these.
    #[must_use]
    pub const fn exceed(self, allowed: Self) -> bool {
        (self.internal && !allowed.internal) || (self.private && !allowed.private)
    }
}

/// The values that something may take: itself, or the members of a set or a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed {
    /// The values, sorted, each once.
    pub values: Vec<Value>,
    /// Whether others are taken too: then these only say what is usual.
    pub others: bool,
}

/// A registered attribute of persons and accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub r#type: Type,
    /// Whether it takes new data.
    pub status: Status,
    /// Who may see it, and all below it.
    pub flags: Flags,
    /// What people call it: at most [`DataModel::LABEL_CHARS_MAX`] characters.
    pub label: Option<Arc<str>>,
    /// What it is: at most [`DataModel::DESCRIPTION_CHARS_MAX`] characters.
    pub description: Option<Arc<str>>,
    /// The values that it may take.
    pub allowed: Option<Allowed>,
    /// How long after its time a value counts as relevant.
    pub relevance: Option<Window>,
    /// How long after its time a value is kept; not shorter than the relevance.
    pub retention: Option<Window>,
}

impl Attribute {
    /// An active attribute of this type that everyone may see and that is kept for good.
    #[must_use]
    pub fn new(r#type: Type) -> Self {
        Self {
            r#type,
            status: Status::Active,
            flags: Flags::default(),
            label: None,
            description: None,
            allowed: None,
            relevance: None,
            retention: None,
        }
    }
}

/// A registered property of an event, or of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its type.
    pub r#type: Type,
    /// Whether each event has to have it, and not null.
    pub required: bool,
    /// Who may see it.
    pub flags: Flags,
    /// What it is: at most [`DataModel::DESCRIPTION_CHARS_MAX`] characters.
    pub description: Option<Arc<str>>,
    /// The values that it may take.
    pub allowed: Option<Allowed>,
}

impl Property {
    /// An optional property of this type that everyone may see.
    #[must_use]
    pub fn new(r#type: Type) -> Self {
        Self { r#type, required: false, flags: Flags::default(), description: None, allowed: None }
    }
}

/// A property that holds a list of objects: the products of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemList {
    /// Whether each event has to have it.
    pub required: bool,
    /// The properties of each item.
    pub properties: BTreeMap<Path, Property>,
}

/// A registered type of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventType {
    /// Whether it takes new events.
    pub status: Status,
    /// Who may see events of it at all.
    pub flags: Flags,
    /// What people call it: at most [`DataModel::LABEL_CHARS_MAX`] characters.
    pub label: Option<Arc<str>>,
    /// What it is: at most [`DataModel::DESCRIPTION_CHARS_MAX`] characters.
    pub description: Option<Arc<str>>,
    /// Its properties.
    pub properties: BTreeMap<Path, Property>,
    /// Its lists of items.
    pub items: BTreeMap<Path, ItemList>,
    /// How long after its time an event is kept.
    pub retention: Option<Window>,
}

/// What is registered: plain data, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definition {
    /// The mode of datasets that have none of their own.
    pub mode: Mode,
    /// The modes of datasets.
    pub datasets: BTreeMap<Arc<str>, Mode>,
    /// The attributes.
    pub attributes: BTreeMap<Path, Attribute>,
    /// The event types, by the name of their events.
    pub event_types: BTreeMap<Arc<str>, EventType>,
}

/// A data model, checked and ready. Immutable; a change makes another one.
#[derive(Debug, Clone)]
pub struct DataModel {
    definition: Definition,
    attributes: Shape<Attribute>,
    events: BTreeMap<Arc<str>, Properties>,
    /// The flagged attributes that a reader of each pair of rights may not see.
    hidden: [Vec<Path>; 4],
    /// The flagged properties of each event type that has any, those of items by the path of their list and their own.
    flagged: BTreeMap<Arc<str>, BTreeMap<Path, Flags>>,
}

impl DataModel {
    /// Attributes that may be registered.
    pub const ATTRIBUTES_MAX: usize = 2_000;
    /// Event types that may be registered.
    pub const EVENT_TYPES_MAX: usize = 500;
    /// Properties that one event type may have, those of its items included.
    pub const PROPERTIES_MAX: usize = 200;
    /// Lists of items that one event type may have.
    pub const ITEM_LISTS_MAX: usize = 10;
    /// Datasets that may have a mode of their own.
    pub const DATASETS_MAX: usize = 1_000;
    /// Allowed values that one attribute or property may have.
    pub const ALLOWED_MAX: usize = 1_000;
    /// Bytes of one allowed text.
    pub const ALLOWED_BYTES_MAX: usize = 500;
    /// Bytes of the name of an event type.
    pub const EVENT_NAME_BYTES_MAX: usize = 200;
    /// Characters of the name of a dataset.
    pub const DATASET_CHARS_MAX: usize = 100;
    /// Characters of a label.
    pub const LABEL_CHARS_MAX: usize = 100;
    /// Characters of a description.
    pub const DESCRIPTION_CHARS_MAX: usize = 500;

    /// The model of a definition.
    ///
    /// # Errors
    /// [`InvalidModel`] when a bound is passed, something lies below what is no object, an allowed value is not of the type, a
    /// window of relevance is longer than that of retention, or a name is none.
    pub fn new(mut definition: Definition) -> Result<Self, InvalidModel> {
        invalid::check(&mut definition)?;
        let mut attributes = Shape::default();
        for (path, attribute) in &definition.attributes {
            attributes.put(path, Arc::new(attribute.clone()));
        }
        let events = definition.event_types.iter().map(|(name, own)| (name.clone(), Properties::of(own))).collect();
        let hidden = [(false, false), (false, true), (true, false), (true, true)].map(|(internal, private)| {
            let visibility = Flags { internal, private };
            let flagged = definition.attributes.iter().filter(|(_, own)| own.flags.exceed(visibility));
            flagged.map(|(path, _)| path.clone()).collect()
        });
        let flagged = definition.event_types.iter().filter_map(|(name, own)| {
            let flagged = flagged_properties(own);
            (!flagged.is_empty()).then(|| (name.clone(), flagged))
        });
        let flagged = flagged.collect();
        Ok(Self { definition, attributes, events, hidden, flagged })
    }

    /// What it was made of, allowed values sorted.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The mode of a dataset.
    #[must_use]
    pub fn mode_of(&self, dataset: &str) -> Mode {
        self.definition.datasets.get(dataset).copied().unwrap_or(self.definition.mode)
    }

    /// Whether everything is stored without a word, whatever it is and wherever it comes from.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.definition.mode == Mode::Open && self.definition.datasets.values().all(|mode| *mode == Mode::Open)
    }

    /// The registered type of events of this name.
    #[must_use]
    pub fn event_type(&self, name: &str) -> Option<&EventType> {
        self.definition.event_types.get(name)
    }

    /// The attributes that a reader with these rights may not see, with all below them, by path.
    #[must_use]
    pub fn hidden(&self, visibility: Flags) -> &[Path] {
        &self.hidden[usize::from(visibility.internal) << 1 | usize::from(visibility.private)]
    }

    /// Whether a reader with these rights may not see events of this name at all.
    #[must_use]
    pub fn is_event_hidden(&self, name: &str, visibility: Flags) -> bool {
        self.event_type(name).is_some_and(|own| own.flags.exceed(visibility))
    }

    /// The properties of events of this name that carry flags; none where there are none.
    #[must_use]
    pub fn flagged_properties(&self, name: &str) -> Option<&BTreeMap<Path, Flags>> {
        self.flagged.get(name)
    }

    /// Whether a reader with these rights may not see an attribute.
    #[must_use]
    pub fn is_hidden(&self, path: &Path, visibility: Flags) -> bool {
        self.attributes.along(path).any(|attribute| attribute.flags.exceed(visibility))
    }
}

fn flagged_properties(event_type: &EventType) -> BTreeMap<Path, Flags> {
    let own = event_type.properties.iter().map(|(path, property)| (path.clone(), property.flags));
    let of_items = event_type.items.iter().flat_map(|(list, items)| {
        let below = |path: &Path| path.segments().try_fold(list.clone(), |above, segment| above.child(&segment));
        // What is too deep for a path is nowhere to be found in an event either.
        items.properties.iter().filter_map(move |(path, property)| Some((below(path).ok()?, property.flags)))
    });
    own.chain(of_items).filter(|(_, flags)| *flags != Flags::default()).collect()
}

/// The model of a new workspace: nothing is registered, everything is taken.
impl Default for DataModel {
    fn default() -> Self {
        Self::new(Definition::default()).expect("an empty definition passes no bound")
    }
}

impl PartialEq for DataModel {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition
    }
}

impl Eq for DataModel {}
