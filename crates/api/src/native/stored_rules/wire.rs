//! Computed attributes and segments on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tessera_engine::config::Kind;
use utoipa::ToSchema;

use crate::native::rules::Warning;

/// What a rule is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WantedRuleStatus)]
pub(crate) enum Wanted {
    /// Checked and kept, and not evaluated.
    Draft,
    /// Evaluated: `building` until everybody has been looked at, then `active`.
    Active,
}

/// Of whom a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SegmentOf)]
pub(crate) enum Of {
    /// Of people: whoever has an identity of a person.
    #[default]
    People,
    /// Of accounts, such as companies.
    Accounts,
}

impl From<Kind> for Of {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::People,
            Kind::Account => Self::Accounts,
        }
    }
}

impl From<Of> for Kind {
    fn from(of: Of) -> Self {
        match of {
            Of::People => Self::Person,
            Of::Accounts => Self::Account,
        }
    }
}

/// Where the values of a computed attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttributeTarget)]
pub(crate) enum Target {
    /// In profiles: computed whenever somebody asks.
    #[default]
    Profiles,
    /// In events: computed once, when an event is taken in, of the event and of its profile as that stood right before, and kept with the event.
    /// Names are those of the event, such as `properties.total`; `$1` is the profile.
    Events,
}

/// A share of a segment that activations leave out. A profile is in it if the first 32 bits of the SHA-256 of `seed:id`, as a whole number, are
/// below the share of 2^32; `id` is the id of the profile, 24 hexadecimal digits.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlGroup {
    /// Between 0 and 1, with at most six digits behind the point. A greater share of the same seed holds everybody whom a smaller one holds.
    pub(crate) share: f64,
    /// 1 to 64 bytes. Another seed draws anew.
    pub(crate) seed: String,
}

/// What all bodies of rules say: the members of a computed attribute and those of a segment, of which each body has its own.
#[derive(Debug, Default)]
pub(super) struct RuleBody {
    pub(super) pql: Option<String>,
    pub(super) pql_json: Option<Json>,
    pub(super) tree: Option<Json>,
    pub(super) filter: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) status: Option<Wanted>,
    pub(super) into: Option<Target>,
    pub(super) merge_policy: Option<String>,
    pub(super) of: Option<Of>,
    pub(super) control_group: Option<ControlGroup>,
}

/// Declares a body: members of its own before `beside`, those of its kind of rule behind it, and what all bodies have. `parts` takes it apart so.
macro_rules! rule_body {
    (
        $(#[$doc:meta])* $name:ident, $schema:ident { $($(#[$own_doc:meta])* $own:ident: $own_type:ty,)* }
        beside { $($(#[$rule_doc:meta])* $rule:ident: $rule_type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $schema)]
        pub(crate) struct $name {
            $($(#[$own_doc])* $own: $own_type,)*
            $($(#[$rule_doc])* $rule: $rule_type,)*
            /// The rule as PQL text. A rule stands in exactly one of `pql`, `pql_json`, `tree`, `filter`.
            #[serde(default)]
            pql: Option<String>,
            /// The rule as a tree of named nodes.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            pql_json: Option<Json>,
            /// The rule as a tree of operators.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            tree: Option<Json>,
            /// The rule as a `$filter`.
            #[serde(default)]
            filter: Option<String>,
            /// What people call it, 1 to 255 characters, where that is not its name.
            #[serde(default)]
            display_name: Option<String>,
            /// What people say of it, at most 500 characters.
            #[serde(default)]
            description: Option<String>,
            /// Where its days begin, by its name in the database of time zones. `UTC` where it is left out.
            #[serde(default)]
            time_zone: Option<String>,
            /// `active` where it is left out. A rule that runs cannot become a draft.
            #[serde(default)]
            status: Option<Wanted>,
        }

        impl $name {
            pub(super) fn parts(self) -> (($($own_type,)*), RuleBody) {
                let Self { $($own,)* $($rule,)* pql, pql_json, tree, filter, display_name, description, time_zone, status } = self;
                let common = RuleBody { pql, pql_json, tree, filter, display_name, description, time_zone, status, ..RuleBody::default() };
                (($($own,)*), RuleBody { $($rule,)* ..common })
            }
        }
    };
}

macro_rules! attribute_body {
    ($(#[$doc:meta])* $name:ident, $schema:ident { $($own:tt)* }) => {
        rule_body!(
            $(#[$doc])*
            $name, $schema { $($own)* }
            beside {
                /// Where its values are: `profiles` where it is left out. It stays as it is made.
                #[serde(default)]
                into: Option<Target>,
            }
        );
    };
}

macro_rules! segment_body {
    ($(#[$doc:meta])* $name:ident, $schema:ident { $($own:tt)* }) => {
        rule_body!(
            $(#[$doc])*
            $name, $schema { $($own)* }
            beside {
                /// The id of the merge policy under which it sees profiles; the workspace's default one where it is left out.
                #[serde(default)]
                merge_policy: Option<String>,
                /// Of whom it is: nobody else is a member, whatever the rule comes to. `people` where it is left out.
                #[serde(default)]
                of: Option<Of>,
                /// A share of its members that activations leave out. There is none where it is left out.
                #[serde(default)]
                control_group: Option<ControlGroup>,
            }
        );
    };
}

attribute_body!(
    /// A computed attribute to be made.
    NewAttribute, NewComputedAttribute {
        /// Its name: 1 to 64 letters, digits and `_`, beginning with a letter or `_`. Profiles show it under this name. Any other text of up
        /// to 255 characters is taken for its `display_name`, and its name is made of it.
        name: String,
    }
);
attribute_body!(
    /// What a computed attribute is to be.
    AttributeReplacement, ComputedAttributeReplacement {
        /// The version that is meant to be replaced, if that matters; 0 for none.
        #[serde(default)]
        version: Option<u64>,
    }
);
attribute_body!(
    /// A computed attribute as a file declares it.
    DeclaredAttribute, DeclaredAttribute {}
);
segment_body!(
    /// A segment to be made.
    NewSegment, NewSegment {
        /// Its name: 1 to 64 letters, digits, `_` and `-`, such as a UUID. Any other text of up to 255 characters is taken for its
        /// `display_name`, and its name is made of it.
        name: String,
    }
);
segment_body!(
    /// What a segment is to be.
    SegmentReplacement, SegmentReplacement {
        /// The version that is meant to be replaced, if that matters; 0 for none.
        #[serde(default)]
        version: Option<u64>,
    }
);
segment_body!(
    /// A segment as a file declares it.
    DeclaredSegment, DeclaredSegment {}
);

/// A page of computed attributes, or of segments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredRules {
    /// By name.
    pub(crate) items: Vec<StoredRule>,
    /// Where the next page begins; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A computed attribute or a segment as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredRule {
    /// Its name: what paths and rules say.
    pub(crate) name: String,
    /// `draft`, `building`, `active`, `archived`.
    pub(crate) status: &'static str,
    /// 1 when it is made; each replacement makes the next.
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) content: Content,
    /// What it costs to keep its answer: `constant` (a few numbers for each identity, whatever the history), `bounded` (a bounded
    /// number of values) or `sequence` (a scan of the newest 10,000 events).
    pub(crate) kind: &'static str,
    /// The attributes that it reads, by path; null if it may read any.
    pub(crate) attributes: Option<Vec<String>>,
    /// The types of events that can change its answer; null if any can.
    pub(crate) events: Option<Vec<String>>,
    /// The segments that it asks about.
    pub(crate) segments: Vec<String>,
    /// Whether its answer may change by time alone.
    pub(crate) reads_clock: bool,
    /// What it will be once a job has brought it to everybody, where it is shown as it was until then.
    pub(crate) next: Option<Content>,
    /// The job that brings it to everybody, while one does.
    pub(crate) building: Option<Building>,
    /// When it was made.
    pub(crate) created_at: String,
    /// When it was replaced or archived last.
    pub(crate) updated_at: String,
    /// Where it was made or replaced just now, what is to be said of it: advice, for which nothing is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<Warning>,
    /// Of a segment, how many members it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// Of a segment, for how many profiles its last answer stays because an aggregate of it holds more values than it may for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overflowed: Option<u64>,
    /// Of a segment, for how many profiles its last answer stays because it took more steps than it may for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_budget: Option<u64>,
    /// Of a segment, for how many profiles its last answer stays because they have more events than rules look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncated: Option<u64>,
}

/// What a rule says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleContent)]
pub(crate) struct Content {
    /// What people call it; null where that is its name.
    pub(crate) display_name: Option<String>,
    /// What people say of it.
    pub(crate) description: Option<String>,
    /// The rule in the one spelling that all of its spellings have.
    pub(crate) pql: String,
    /// Where its days begin.
    pub(crate) time_zone: String,
    /// Of a segment, the id of the merge policy under which it sees profiles; null for the workspace's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) merge_policy: Option<Option<String>>,
    /// Of a segment, of whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<Of>,
    /// Of a segment with a control group, that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control_group: Option<ControlGroup>,
    /// `events` of a computed attribute that is written into events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) into: Option<Target>,
    /// `draft` where a file declares one.
    #[serde(skip_serializing_if = "Option::is_none", rename = "status")]
    #[schema(ignore)]
    pub(crate) declared: Option<Wanted>,
}

/// A job that brings a rule to everybody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleBuilding)]
pub(crate) struct Building {
    /// Its id, for `/v1/jobs/{id}`: it can be watched, paused and resumed there.
    pub(crate) job: String,
    /// How it stands.
    pub(crate) state: &'static str,
    /// Records looked at.
    pub(crate) done: u64,
    /// About how many there are, once it is known.
    pub(crate) total: Option<u64>,
}
