//! The kinds of configuration: how each is declared, read from a server and written to it. A new kind is a line in each table here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};
use tessera_api::declared::{self, RuleKind, Wrong};
use ureq::http::Method;

use super::plan::Change;
use super::rules;
use crate::client::{Answer, Client};
use crate::commands::ask::segment;

/// A kind of document, in the order in which they are written: what others name comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Limits,
    Namespace,
    PrimaryNamespace,
    DataModel,
    MergePolicy,
    DefaultMergePolicy,
    Attribute,
    Segment,
    ErasureRules,
    RateLimit,
    TokenIssuer,
    Connection,
    Source,
    Activation,
}

/// One thing that is configured: a namespace, the limits; of a data model each attribute, event type, mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The kind of document that it is declared by.
    pub(super) kind: Kind,
    /// What it is called in a difference.
    pub(super) part: &'static str,
    /// Its name, where there are several.
    pub(super) name: Option<String>,
}

/// What a server has of some kinds.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// Each thing.
    pub(super) things: BTreeMap<Key, Value>,
    /// The version of the data model.
    model_version: Option<u64>,
    /// The versions of merge policies, computed attributes and segments; also of archived ones, which are no things.
    pub(super) versions: BTreeMap<Key, u64>,
    /// The ids of all merge policies, where they were read.
    pub(super) policies: BTreeSet<String>,
    /// The default one of them.
    pub(super) default_policy: Option<String>,
    /// The names of all namespaces, where they were read.
    pub(super) namespaces: BTreeSet<String>,
}

/// Why a server did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Refused {
    /// It answered so.
    Answered(Answer),
    /// Something has changed since it was compared.
    Changed,
    /// It was not asked.
    NotAsked(anyhow::Error),
    /// It did not answer, or not in words that are understood; it may have happened.
    Unknown(anyhow::Error),
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Limits,
        Self::Namespace,
        Self::PrimaryNamespace,
        Self::DataModel,
        Self::MergePolicy,
        Self::DefaultMergePolicy,
        Self::Attribute,
        Self::Segment,
        Self::ErasureRules,
        Self::RateLimit,
        Self::TokenIssuer,
        Self::Connection,
        Self::Source,
        Self::Activation,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Namespace => "namespace",
            Self::PrimaryNamespace => "primary_namespace",
            Self::DataModel => "data_model",
            Self::MergePolicy => "merge_policy",
            Self::DefaultMergePolicy => "default_merge_policy",
            Self::Attribute => "attribute",
            Self::Segment => "segment",
            Self::ErasureRules => "erasure_rules",
            Self::RateLimit => "rate_limit",
            Self::TokenIssuer => "token_issuer",
            Self::Connection => "connection",
            Self::Source => "source",
            Self::Activation => "activation",
        }
    }

    /// The kind of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// All names, for people.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether a document of it says which one it is about.
    pub(super) fn is_named(self) -> bool {
        match self {
            Self::Namespace
            | Self::MergePolicy
            | Self::Attribute
            | Self::Segment
            | Self::RateLimit
            | Self::TokenIssuer
            | Self::Connection
            | Self::Source
            | Self::Activation => true,
            Self::Limits | Self::PrimaryNamespace | Self::DataModel | Self::DefaultMergePolicy | Self::ErasureRules => {
                false
            }
        }
    }

    /// The name that paths have for what a document calls so.
    pub(super) fn key_of(self, called: String) -> String {
        match self {
            Self::Attribute => declared::rule_name(RuleKind::Attribute, &called),
            Self::Segment => declared::rule_name(RuleKind::Segment, &called),
            Self::Limits
            | Self::Namespace
            | Self::PrimaryNamespace
            | Self::DataModel
            | Self::MergePolicy
            | Self::DefaultMergePolicy
            | Self::ErasureRules
            | Self::RateLimit
            | Self::TokenIssuer
            | Self::Connection
            | Self::Source
            | Self::Activation => called,
        }
    }

    /// Whether what no file names can be removed.
    pub(super) fn is_pruned(self) -> bool {
        match self {
            Self::DataModel
            | Self::MergePolicy
            | Self::Attribute
            | Self::Segment
            | Self::TokenIssuer
            | Self::Connection
            | Self::Source
            | Self::Activation => true,
            Self::Limits
            | Self::Namespace
            | Self::PrimaryNamespace
            | Self::DefaultMergePolicy
            | Self::ErasureRules
            | Self::RateLimit => false,
        }
    }

    /// What is declared, in the form of answers. The name is given where [`Kind::is_named`].
    pub(super) fn read(self, name: Option<&str>, json: &str) -> Result<Value, Wrong> {
        let name = name.unwrap_or_default();
        match self {
            Self::Limits => declared::limits(json),
            Self::Namespace => declared::namespace(name, json),
            Self::PrimaryNamespace => declared::primary_namespace(json),
            Self::DataModel => declared::data_model(json),
            Self::MergePolicy => declared::merge_policy(name, json),
            Self::DefaultMergePolicy => declared::default_merge_policy(json),
            Self::Attribute => declared::attribute(name, json),
            Self::Segment => declared::segment(name, json),
            Self::ErasureRules => declared::erasure_rules(json),
            Self::RateLimit => declared::rate_limit(json),
            Self::TokenIssuer => declared::token_issuer(name, json),
            Self::Connection => declared::connection(name, json),
            Self::Source => declared::source(name, json),
            Self::Activation => declared::activation(name, json),
        }
    }

    /// Where those of a kind are listed that are put and deleted by name.
    fn all(self) -> &'static str {
        match self {
            Self::Connection => "/v1/connections",
            Self::Source => "/v1/sources",
            Self::Activation => "/v1/activations",
            _ => "/v1/admin/token-issuers",
        }
    }

    /// What the server has of this kind. `names` are those that are asked about, for kinds of which not all are listed.
    pub(super) fn current(self, client: &Client, names: &[&str], current: &mut Current) -> Result<()> {
        let get = |path: &str| client.json(Method::GET, path, None);
        match self {
            Self::Limits => current.put(self, None, get("/v1/admin/limits")?),
            Self::ErasureRules => current.put(self, None, get("/v1/admin/erasures")?),
            Self::Namespace | Self::PrimaryNamespace => {
                let mut answer = get("/v1/admin/namespaces")?;
                let primary = answer["primary_namespace"].take();
                for mut item in items(answer)? {
                    let name = taken_text(&mut item, "name")?;
                    current.namespaces.insert(name.clone());
                    if self == Self::Namespace {
                        current.put(self, Some(name), item)?;
                    }
                }
                if self == Self::Namespace {
                    return Ok(());
                }
                current.put(self, None, json!({ "namespace": primary }))
            }
            Self::DataModel => {
                let mut answer = get("/v1/data-model?learned=false")?;
                current.model_version = answer["version"].as_u64();
                current.put_model(answer["model"].take())
            }
            Self::MergePolicy | Self::DefaultMergePolicy => {
                for mut item in current.read_policies(client)? {
                    let id = taken_text(&mut item, "id")?;
                    if item["default"] == json!(true) {
                        current.default_policy = Some(id.clone());
                    }
                    if self == Self::MergePolicy && item["built_in"] == json!(false) {
                        let version = item["version"].as_u64();
                        current.versions.extend(version.map(|version| (Key::new(self, Some(id.clone())), version)));
                        for own in ["version", "default", "built_in", "created_at", "updated_at"] {
                            item.as_object_mut().and_then(|members| members.remove(own));
                        }
                        current.put(self, Some(id), item)?;
                    }
                }
                match (self, &current.default_policy) {
                    (Self::DefaultMergePolicy, Some(id)) => {
                        let chosen = json!({ "merge_policy": id });
                        current.put(self, None, chosen)
                    }
                    (Self::DefaultMergePolicy, None) => bail!("the server names no default merge policy"),
                    _ => Ok(()),
                }
            }
            Self::Attribute => rules::read(self, client, current),
            Self::Segment => {
                current.read_policies(client)?;
                rules::read(self, client, current)
            }
            Self::TokenIssuer => {
                for mut item in items(get("/v1/admin/token-issuers")?)? {
                    let name = taken_text(&mut item, "name")?;
                    current.put(self, Some(name), item)?;
                }
                Ok(())
            }
            Self::Connection | Self::Source | Self::Activation => {
                for mut item in items(get(self.all())?)? {
                    let name = taken_text(&mut item, "name")?;
                    for own in ["status", "job", "next_run", "runs", "created_at", "updated_at"] {
                        item.as_object_mut().and_then(|members| members.remove(own));
                    }
                    // How changes stand is the server's to say.
                    if let Some(changes) = item.get_mut("changes") {
                        *changes = json!({ "publication": changes["publication"] });
                    }
                    current.put(self, Some(name), item)?;
                }
                Ok(())
            }
            Self::RateLimit => {
                for name in names {
                    let limit = get(&format!("/v1/admin/workspaces/{}", segment(name)?))?["rate_limit"].take();
                    current.put(self, Some((*name).to_owned()), json!({ "rate_limit": limit }))?;
                }
                Ok(())
            }
        }
    }
}

impl Current {
    /// Reads from a server what it has of the kinds of these things.
    pub(super) fn read<'a>(client: &Client, keys: impl Iterator<Item = &'a Key>) -> Result<Self> {
        let mut names: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
        for key in keys {
            names.entry(key.kind).or_default().extend(key.name.as_deref());
        }
        let mut current = Self::default();
        for (kind, names) in names {
            kind.current(client, &names, &mut current)?;
        }
        Ok(current)
    }

    /// Notes which merge policies there are; answers what the server says of each.
    fn read_policies(&mut self, client: &Client) -> Result<Vec<Value>> {
        let policies = items(client.json(Method::GET, "/v1/merge-policies?limit=1000", None)?)?;
        self.policies.extend(policies.iter().filter_map(|policy| policy["id"].as_str()).map(str::to_owned));
        Ok(policies)
    }

    /// What a server says goes through the same reading as what files say: one that knows more than this binary is found out.
    pub(super) fn put(&mut self, kind: Kind, name: Option<String>, value: Value) -> Result<()> {
        let value = understood(kind, name.as_deref(), &value)?;
        self.things.insert(Key::new(kind, name), value);
        Ok(())
    }

    fn put_model(&mut self, model: Value) -> Result<()> {
        let mut model = understood(Kind::DataModel, None, &model)?;
        self.things.insert(Key::part("mode", None), model["mode"].take());
        for (part, members) in [("dataset", "datasets"), ("attribute", "attributes"), ("event_type", "event_types")] {
            let Value::Object(members) = model[members].take() else { continue };
            for (name, value) in members {
                self.things.insert(Key::part(part, Some(name)), value);
            }
        }
        Ok(())
    }

    /// Asks the server what a change of the data model would come to, without making it.
    pub(super) fn try_model(&self, client: &Client, changes: &[&Change]) -> Result<Value, Refused> {
        let path = "/v1/data-model?dry_run=true";
        self.send_model(client, path, changes)
    }

    /// Makes changes, all of one kind; several only of the data model, which is written as a whole.
    pub(super) fn write(&self, client: &Client, changes: &[&Change], force: bool) -> Result<(), Refused> {
        let Some(Change { key, before, after }) = changes.first().copied() else { return Ok(()) };
        let path = |prefix: &str, suffix: &str| -> Result<String, Refused> {
            let name = segment(key.name.as_deref().unwrap_or_default()).map_err(Refused::NotAsked)?;
            Ok(format!("{prefix}/{name}{suffix}"))
        };
        let put = |path: &str| {
            self.check_unchanged(client, key)?;
            send(client, Method::PUT, path, after.as_ref())
        };
        match key.kind {
            Kind::Limits => put("/v1/admin/limits"),
            Kind::PrimaryNamespace => put("/v1/admin/primary-namespace"),
            Kind::DefaultMergePolicy => put("/v1/default-merge-policy"),
            Kind::ErasureRules => put("/v1/admin/erasures"),
            Kind::RateLimit => put(&path("/v1/admin/workspaces", "/rate-limit")?),
            Kind::TokenIssuer | Kind::Connection | Kind::Source | Kind::Activation => {
                self.check_unchanged(client, key)?;
                let method = if after.is_some() { Method::PUT } else { Method::DELETE };
                send(client, method, &path(key.kind.all(), "")?, after.as_ref())
            }
            Kind::Namespace => {
                let (method, path) = match before {
                    None => (Method::POST, "/v1/admin/namespaces".to_owned()),
                    Some(_) => (Method::PUT, path("/v1/admin/namespaces", "")?),
                };
                self.check_unchanged(client, key)?;
                let body = after.as_ref().map(|rules| namespace_body(key, before.is_none(), rules));
                send(client, method, &path, body.as_ref())
            }
            Kind::DataModel => {
                let path = if force { "/v1/data-model?force=true" } else { "/v1/data-model" };
                self.send_model(client, path, changes).map(drop)
            }
            Kind::Attribute | Kind::Segment => {
                rules::write(client, key, after.as_ref(), self.versions.get(key).copied())
            }
            Kind::MergePolicy => {
                let (id, version) = (&key.name, self.versions.get(key));
                let with = |name: &str, value: Value| {
                    after.as_ref().map(|content| {
                        let mut body = content.clone();
                        body[name] = value;
                        body
                    })
                };
                match (before, after) {
                    (None, _) => send(client, Method::POST, "/v1/merge-policies", with("id", json!(id)).as_ref()),
                    (Some(_), Some(_)) => {
                        let body = with("version", json!(version));
                        send(client, Method::PUT, &path("/v1/merge-policies", "")?, body.as_ref())
                    }
                    (Some(_), None) => {
                        self.check_unchanged(client, key)?;
                        send(client, Method::DELETE, &path("/v1/merge-policies", "")?, None)
                    }
                }
            }
        }
    }

    /// What has no version is read again just before it is written. A change in the moment between is not noticed.
    fn check_unchanged(&self, client: &Client, key: &Key) -> Result<(), Refused> {
        let now = Self::read(client, std::iter::once(key)).map_err(Refused::NotAsked)?;
        if now.things.get(key) == self.things.get(key) { Ok(()) } else { Err(Refused::Changed) }
    }

    fn send_model(&self, client: &Client, path: &str, changes: &[&Change]) -> Result<Value, Refused> {
        let mut parts: BTreeMap<&Key, &Value> =
            self.things.iter().filter(|(key, _)| key.kind == Kind::DataModel).collect();
        for change in changes {
            match &change.after {
                Some(value) => parts.insert(&change.key, value),
                None => parts.remove(&change.key),
            };
        }
        let mut model = json!({ "mode": "open", "datasets": {}, "attributes": {}, "event_types": {} });
        for (key, value) in parts {
            match (key.part, &key.name) {
                ("dataset", Some(name)) => model["datasets"][name] = value.clone(),
                ("attribute", Some(name)) => model["attributes"][name] = value.clone(),
                ("event_type", Some(name)) => model["event_types"][name] = value.clone(),
                (_, _) => model["mode"] = value.clone(),
            }
        }
        let tag = self.model_version.map(|version| format!("\"{version}\""));
        let body = serde_json::to_vec(&model).map_err(|error| Refused::NotAsked(error.into()))?;
        let answer = client.send_if(Method::PUT, path, &body, tag.as_deref()).map_err(Refused::Unknown)?;
        if !answer.is_success() {
            return Err(Refused::Answered(answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| Refused::Unknown(error.into()))
    }
}

impl Key {
    /// The one thing that a document of this kind declares.
    pub(super) fn new(kind: Kind, name: Option<String>) -> Self {
        // The data model has attributes too.
        let part = if kind == Kind::Attribute { "computed attribute" } else { kind.name() };
        Self { kind, part, name }
    }

    /// A part of the data model.
    pub(super) fn part(part: &'static str, name: Option<String>) -> Self {
        Self { kind: Kind::DataModel, part, name }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part)?;
        self.name.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

fn understood(kind: Kind, name: Option<&str>, value: &Value) -> Result<Value> {
    kind.read(name, &value.to_string()).map_err(|wrong| {
        let what = Key::new(kind, name.map(str::to_owned));
        anyhow!("the server says of {what} what this version of tessera does not know: {}", wrong.message)
    })
}

pub(super) fn items(mut answer: Value) -> Result<Vec<Value>> {
    match answer["items"].take() {
        Value::Array(items) => Ok(items),
        _ => bail!("the answer is no list"),
    }
}

pub(super) fn taken_text(item: &mut Value, name: &str) -> Result<String> {
    match item.as_object_mut().and_then(|members| members.remove(name)) {
        Some(Value::String(text)) => Ok(text),
        _ => bail!("an item has no {name}"),
    }
}

/// A namespace is made with its rules apart, and changed without its kind.
fn namespace_body(key: &Key, is_new: bool, declared: &Value) -> Value {
    let mut rules: Map<String, Value> = declared.as_object().cloned().unwrap_or_default();
    let kind = rules.remove("kind");
    if !is_new {
        return Value::Object(rules);
    }
    let (normaliser, region) = (rules.remove("normaliser"), rules.remove("region"));
    json!({ "name": key.name, "kind": kind, "normaliser": normaliser, "region": region, "rules": rules })
}

pub(super) fn send(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<(), Refused> {
    let body = body.map(serde_json::to_vec).transpose().map_err(|error| Refused::NotAsked(error.into()))?;
    let answer = client.send_if(method, path, &body.unwrap_or_default(), None).map_err(Refused::Unknown)?;
    if answer.is_success() { Ok(()) } else { Err(Refused::Answered(answer)) }
}
