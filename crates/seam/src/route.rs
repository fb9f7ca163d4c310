//! A route: a path with a method, who may call it, what answers, and its documentation, in one place. The router and the
//! OpenAPI document are both made of these, so neither can have what the other lacks.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::MethodRouter;
use serde_json::Value;
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::app::App;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Open,
    /// A key with this permission, in a workspace that it holds.
    Workspace(Permission),
    /// As [`Self::Workspace`], but refusals are answered with 200 too: the caller is an `<img>`.
    Silent(Permission),
    /// A key with one of these permissions; the route is about the organization, not about one workspace's data.
    Directory(&'static [Permission]),
}

/// Which groups of paths a route is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their descriptions say what they are")]
pub enum Tag {
    Profiles,
    Erasures,
    MergePolicies,
    Directives,
    Records,
    Events,
    DataModel,
    Rules,
    Attributes,
    Segments,
    Sources,
    Jobs,
    Administration,
    Operation,
    Wyng,
    Documents,
    Optimizely,
    Dfinery,
    SegmentProfiles,
    Regulations,
    Adobe,
}

impl Tag {
    /// All of them, in the order in which people need them; those of other services at the end.
    pub const ALL: [Self; 21] = [
        Self::Events,
        Self::Records,
        Self::Sources,
        Self::Profiles,
        Self::Segments,
        Self::Attributes,
        Self::Rules,
        Self::MergePolicies,
        Self::Directives,
        Self::DataModel,
        Self::Erasures,
        Self::Documents,
        Self::Jobs,
        Self::Administration,
        Self::Operation,
        Self::SegmentProfiles,
        Self::Regulations,
        Self::Wyng,
        Self::Optimizely,
        Self::Dfinery,
        Self::Adobe,
    ];

    /// Its name in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Erasures => "erasures",
            Self::MergePolicies => "merge policies",
            Self::Directives => "directives",
            Self::Records => "records",
            Self::Events => "events",
            Self::DataModel => "data model",
            Self::Rules => "rules",
            Self::Attributes => "computed attributes",
            Self::Segments => "segments",
            Self::Sources => "sources",
            Self::Jobs => "jobs",
            Self::Administration => "administration",
            Self::Operation => "operation",
            Self::Wyng => "wyng profiles",
            Self::Documents => "documents",
            Self::Optimizely => "optimizely profile store",
            Self::Dfinery => "dfinery open api",
            Self::SegmentProfiles => "segment profiles",
            Self::Regulations => "regulations",
            Self::Adobe => "adobe real-time customer profile",
        }
    }

    /// What stands in it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Erasures => "What was erased, who is let in no more, and when it was gone from the disk.",
            Self::Profiles => "Profiles, their timelines and their identity graphs.",
            Self::MergePolicies => "Which identities and datasets count in a profile, and which value wins.",
            Self::Directives => "What people say of who is who: joins, separations, and how to take them back.",
            Self::Records => "Attributes of one or many identities, into a dataset.",
            Self::Events => "The wire of Segment's and RudderStack's SDKs.",
            Self::DataModel => "Which attributes and events a workspace knows, and what becomes of others.",
            Self::Rules => "What is asked of profiles: checked, and tried on one.",
            Self::Attributes => {
                "Values that are computed of a profile's events, attributes and segments, exact at every instant."
            }
            Self::Segments => "Conditions on profiles, who meets them, since when, and why.",
            Self::Sources => {
                "Where rows come from that are profiles, what becomes of their columns, and when they are read again."
            }
            Self::Jobs => "Long work: made, watched, paused, resumed, cancelled.",
            Self::Administration => "Organizations, workspaces, keys, namespaces, quarantine.",
            Self::Operation => "Health, metrics and this description.",
            Self::Wyng => "The wire of Wyng's Profiles API.",
            Self::Dfinery => "The wire of DFINERY's Open API.",
            Self::Documents => "Profiles as documents, found by the identities that they name.",
            Self::Optimizely => "The wire of Optimizely's Profile Store and Tracking API.",
            Self::SegmentProfiles => "The wire of Segment's Profile API.",
            Self::Regulations => "Users suppressed and deleted, on the wire of Segment's Public API.",
            Self::Adobe => "The wire of Adobe's Real-Time Customer Profile API.",
        }
    }
}

/// The form of server-sent events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// One parameter of a route.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `path`, `query` or `header`.
    pub place: &'static str,
    /// Whether a call needs it.
    pub is_required: bool,
    /// What it says.
    pub description: &'static str,
    /// Its form.
    pub schema: Value,
}

/// The schema of a body, with those that it refers to.
#[derive(Clone)]
pub struct Named {
    /// Its name among the schemas.
    pub name: String,
    /// The schema.
    pub schema: RefOr<Schema>,
    /// Those that it refers to, by their names.
    pub others: Vec<(String, RefOr<Schema>)>,
}

impl Named {
    fn of<T: ToSchema>() -> Self {
        let mut others = Vec::new();
        T::schemas(&mut others);
        Self { name: T::name().into_owned(), schema: T::schema(), others }
    }
}

/// What a route takes or gives.
#[derive(Clone)]
pub struct Content {
    /// The media type.
    pub media: &'static str,
    /// The schema; none where its members depend on the workspace.
    pub schema: Option<Named>,
    /// An example.
    pub example: Option<Value>,
}

/// An answer that is no error.
#[derive(Clone)]
pub struct Success {
    /// The status.
    pub status: u16,
    /// What it means.
    pub description: &'static str,
    /// Its body, where it has one.
    pub content: Option<Content>,
}

/// A path with a method.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with names in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What answers.
    pub handler: MethodRouter<Arc<App>>,
    /// Its group.
    pub tag: Tag,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The rest that there is to say.
    pub description: &'static str,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it takes.
    pub body: Option<Content>,
    /// What it answers where nothing is refused.
    pub answers: Vec<Success>,
    /// Whether pages of any origin may call it.
    pub from_browsers: bool,
    /// The name of its door.
    pub door: &'static str,
    /// Whether a parameter that it does not know is refused, although it changes nothing.
    pub minds_parameters: bool,
    /// Whether a parameter of its query names the workspace, and no header.
    pub workspace_in_query: bool,
    /// What the audit log calls it, where that is not told by its method and permission.
    pub audited: Option<Action>,
}

impl Route {
    /// A route of the native door, until the list of doors says whose it is.
    pub fn new(
        method: Method,
        path: &'static str,
        access: Access,
        handler: MethodRouter<Arc<App>>,
        tag: Tag,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            access,
            handler,
            tag,
            summary,
            description: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            from_browsers: false,
            door: "native",
            minds_parameters: false,
            workspace_in_query: false,
            audited: None,
        }
    }

    /// Says more of it than a line.
    pub fn describe(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Lets pages of any origin call it.
    pub fn open_to_pages(self) -> Self {
        Self { from_browsers: true, ..self }
    }

    /// Has each request stand in the audit log as this.
    pub fn audited(self, action: Action) -> Self {
        Self { audited: Some(action), ..self }
    }

    /// Has parameters refused that it does not know: left out of a question, they would have it be another one.
    pub fn known_parameters_only(self) -> Self {
        Self { minds_parameters: true, ..self }
    }

    /// Documents a segment of the path.
    pub fn segment(self, name: &'static str, description: &'static str) -> Self {
        self.parameter("path", name, description, serde_json::json!({ "type": "string", "minLength": 1 }))
    }

    /// Documents a query parameter.
    pub fn query(self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameter("query", name, description, schema)
    }

    /// Documents the query parameter that names the workspace, without which nothing is done.
    pub fn workspace_in_query(self, name: &'static str, description: &'static str, schema: Value) -> Self {
        let mut route = self.query(name, description, schema);
        if let Some(parameter) = route.parameters.last_mut() {
            parameter.is_required = true;
        }
        Self { workspace_in_query: true, ..route }
    }

    /// Documents a header.
    pub fn header(self, name: &'static str, description: &'static str) -> Self {
        self.parameter("header", name, description, serde_json::json!({ "type": "string" }))
    }

    /// Documents that it takes an `Idempotency-Key`.
    pub fn idempotent(self) -> Self {
        let description =
            "1 to 200 printable characters of ASCII; the same call under it gets the same answer for a day.";
        self.header("idempotency-key", description)
    }

    fn parameter(mut self, place: &'static str, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(Parameter { name, place, is_required: place == "path", description, schema });
        self
    }

    /// Documents the body.
    pub fn body<T: ToSchema>(mut self, example: Value) -> Self {
        let schema = Some(Named::of::<T>());
        self.body = Some(Content { media: "application/json", schema, example: Some(example) });
        self
    }

    /// Documents an answer in JSON.
    pub fn answer<T: ToSchema>(mut self, status: u16, description: &'static str, example: Value) -> Self {
        let content = Content { media: "application/json", schema: Some(Named::of::<T>()), example: Some(example) };
        self.answers.push(Success { status, description, content: Some(content) });
        self
    }

    /// Documents an answer that is a list of these, under a schema name of its own.
    pub fn answer_list<L: ToSchema, T: ToSchema>(self, description: &'static str, example: Value) -> Self {
        let mut route = self.answer::<L>(200, description, example);
        let contents = route.answers.iter_mut().filter_map(|answer| answer.content.as_mut());
        for schema in contents.filter_map(|content| content.schema.as_mut()) {
            schema.name = format!("{}List", T::name());
            // A list of something that no other path answers brings what it is.
            schema.others.push((T::name().into_owned(), T::schema()));
            T::schemas(&mut schema.others);
        }
        route
    }

    /// Documents an answer in another form than JSON.
    pub fn answer_other(mut self, status: u16, description: &'static str, media: &'static str) -> Self {
        let content = Content { media, schema: None, example: None };
        self.answers.push(Success { status, description, content: Some(content) });
        self
    }

    /// Documents an answer that is a stream of server-sent events, each with JSON of this form as its data.
    pub fn answer_events<T: ToSchema>(mut self, description: &'static str, example: &str) -> Self {
        let content =
            Content { media: EVENT_STREAM, schema: Some(Named::of::<T>()), example: Some(example.to_owned().into()) };
        self.answers.push(Success { status: 200, description, content: Some(content) });
        self
    }

    /// Documents an answer in JSON whose members depend on the workspace.
    pub fn answer_free(mut self, status: u16, description: &'static str, example: Value) -> Self {
        let content = Content { media: "application/json", schema: None, example: Some(example) };
        self.answers.push(Success { status, description, content: Some(content) });
        self
    }

    /// Documents an answer without body.
    pub fn answer_empty(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Success { status, description, content: None });
        self
    }
}
