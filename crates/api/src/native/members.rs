//! Who is in a segment, page by page or all at once, and who came and went.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tessera_engine::model::Flags;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::bounds::{LIST_MAX, PAGE_BYTES};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Route, Tag};
use tessera_seam::stream::{self, Parts};
use tessera_seam::table::{self, Format};
use tessera_service::Fields;
use tessera_service::audit::Action;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::{ListQuery, Permission, WorkspaceId};
use tessera_service::error::Error;
use tessera_service::segments::{self, MemberChange, MemberChangeKind};
use utoipa::ToSchema;

use super::profiles::READ;
use super::segments::page;
use super::{parse, render};

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentMembers)]
struct Members {
    /// By the ids of their profiles.
    members: Vec<Member>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// A member of a segment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentMember)]
struct Member {
    /// The id of the profile; `profile_id` is another one where the workspace has a primary namespace.
    id: String,
    /// What the profile is called, as a read shows it.
    profile_id: String,
    /// Since when it is a member.
    entered_at: String,
    /// Where the segment has a control group, whether it is in that: activations leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<bool>,
    /// The profile as a read shows it, where `fields` asks for it; left out if it is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    profile: Option<Box<RawValue>>,
}

/// Who came into a segment and left it behind a cursor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentChanges)]
struct Changes {
    /// In the order in which they were committed.
    changes: Vec<Change>,
    /// Where to read on, now or later.
    next_cursor: String,
    /// Whether there is more to be read at once.
    has_more: bool,
}

/// That a profile came into a segment, or left it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentChange)]
struct Change {
    /// The id of the profile.
    id: String,
    /// What the profile is called now; null where there is none of this id any more.
    profile_id: Option<String>,
    /// When: of a write the instant of its commit, of time alone the instant at which it came true.
    at: String,
    /// `entered`; `left`; or `erased`, which is told of every profile of the workspace, whether it was a member or not.
    turn: &'static str,
}

pub(super) fn routes() -> Vec<Route> {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let text = json!({ "type": "string" });
    let segment = |path, handler, summary| Route::new(Method::GET, path, READ, handler, Tag::Segments, summary);
    let id = "019a0f3e5b2c7d41e0a8f5c2";
    let member = json!({ "id": id, "profile_id": id, "entered_at": "2026-01-31T10:00:00Z" });
    let members = segment("/v1/segments/{name}/members", get(members), "Lists the members of a segment")
        .audited(Action::Read)
        .describe(
            "Exact for what was said; what changes by time alone is listed when its timer has run, within moments. As CSV or JSON lines it is \
             all members from the cursor on in one answer; one that breaks off is not whole. Columns: `id`, `profile_id`, `entered_at`, where the segment \
             has a control group `control`, and with `fields` `profile`, in JSON.",
        )
        .segment("name", "The segment.")
        .query("limit", "How many on a page.", limit.clone())
        .query("cursor", "`next_cursor` of the page before.", text.clone())
        .query(
            "fields",
            "Which parts of each profile to show: a list of `identifiers`, `attributes`, `audiences`. None where it is left out. A page \
             with profiles ends when it has 4 MiB.",
            json!({ "type": "string", "example": "identifiers,attributes" }),
        );
    let change = json!({ "id": id, "profile_id": id, "at": "2026-01-31T10:00:00Z", "turn": "entered" });
    let changes = segment("/v1/segments/{name}/changes", get(changes), "Lists who entered a segment and left it")
        .audited(Action::Read)
        .describe(
            "Behind a cursor, in the order of the commits. Without one nothing is listed: the answer says where to begin. To keep a copy of \
             a segment elsewhere take a cursor, list the members, and then ask for changes behind the cursor, again and again; what is read twice says the \
             same. Go by `id`: a profile that was merged into another has left, and one that was erased is `erased`. A page may have some more than `limit`, or none, and `has_more` \
             says whether to ask again at once. Cursors go on for as long as the feed is kept and the rule stays the same; then `cursor_too_old` says to \
             begin anew.",
        )
        .segment("name", "The segment.")
        .query("limit", "How many, about.", limit)
        .query("cursor", "`next_cursor` of the answer before.", text)
        .answer::<Changes>(200, "Who came and went.", json!({ "changes": [change], "next_cursor": "AAAA", "has_more": false }));
    vec![
        table::formats(members)
            .answer::<Members>(200, "A page of members.", json!({ "members": [member], "next_cursor": null }))
            .answer_other(200, "All members, as one table.", table::CSV)
            .answer_other(200, "All members, one object a line.", table::LINES),
        changes,
    ]
}

async fn members(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let mut entered = app.enter(&headers, Permission::Read)?;
    let visibility = entered.visibility();
    let fields = query.get("fields").map(|list| parse::fields(Some(list), visibility)).transpose()?;
    let format = Format::of(&query, headers.get(ACCEPT))?;
    let asked = page(&query)?;
    if fields.is_some() {
        entered.reserve(&app, 2 * PAGE_BYTES).await?;
    }
    if format == Format::Json {
        let page = app.service.segment_members(entered.workspace, &name, &asked, (visibility, fields)).await?;
        let members = page.items.into_iter().map(shown).collect::<Result<_, Error>>()?;
        return Ok(entered.answer(json_answer(&Members { members, next_cursor: page.next_cursor })));
    }
    let asked = Some(ListQuery { limit: LIST_MAX, ..asked });
    let has_control = app.service.has_control_group(entered.workspace, &name).await?;
    let (workspace, has_begun) = (entered.workspace, false);
    let pages = Pages { app, workspace, name, asked, visibility, fields, has_control, format, has_begun };
    let mut response: Response = stream::body(pages).await?.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media()));
    Ok(entered.answer(response))
}

fn shown(member: segments::Member) -> Result<Member, Error> {
    let profile = member.profile.map(|own| render::raw(&own.json)).transpose()?;
    Ok(Member {
        id: member.id,
        profile_id: member.profile_id,
        entered_at: format_timestamp(member.entered_at),
        control: member.is_control,
        profile,
    })
}

/// All members, page by page.
struct Pages {
    app: Arc<App>,
    workspace: WorkspaceId,
    name: String,
    /// The next page; none behind the last.
    asked: Option<ListQuery>,
    visibility: Flags,
    fields: Option<Fields>,
    has_control: bool,
    format: Format,
    has_begun: bool,
}

impl Pages {
    fn row(&self, part: &mut Vec<u8>, cells: [&str; 5]) {
        let shown = [true, true, true, self.has_control, self.fields.is_some()];
        table::row(part, cells.into_iter().zip(shown).filter(|(_, is_shown)| *is_shown).map(|(cell, _)| cell));
    }
}

impl Parts for Pages {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut part = Vec::new();
        // The head goes with the first page: what is wrong with the question is told before it.
        let mut begins = !std::mem::replace(&mut self.has_begun, true);
        if begins && self.format == Format::Csv {
            self.row(&mut part, ["id", "profile_id", "entered_at", "control", "profile"]);
        }
        while (std::mem::take(&mut begins) || part.is_empty())
            && let Some(asked) = self.asked.take()
        {
            let what = (self.visibility, self.fields);
            let page = self.app.service.segment_members(self.workspace, &self.name, &asked, what).await?;
            for member in page.items {
                let member = shown(member)?;
                match self.format {
                    Format::Csv => {
                        let profile = member.profile.as_ref().map_or("", |profile| profile.get());
                        let control = if member.control == Some(true) { "true" } else { "false" };
                        self.row(&mut part, [&member.id, &member.profile_id, &member.entered_at, control, profile]);
                    }
                    Format::Json | Format::Lines => table::line(&mut part, &member),
                }
            }
            self.asked = page.next_cursor.map(|cursor| ListQuery { cursor: Some(cursor), ..asked });
        }
        Ok((!part.is_empty()).then(|| part.into()))
    }
}

async fn changes(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let found = app.service.segment_changes(entered.workspace, &name, &page(&query)?, entered.visibility()).await?;
    let shown = |change: MemberChange| Change {
        id: change.id,
        profile_id: change.profile_id,
        at: format_timestamp(change.at),
        turn: match change.kind {
            MemberChangeKind::Entered => "entered",
            MemberChangeKind::Left => "left",
            MemberChangeKind::Erased => "erased",
        },
    };
    let changes = found.changes.into_iter().map(shown).collect();
    let changes = Changes { changes, next_cursor: found.next_cursor, has_more: found.has_more };
    Ok(entered.answer(json_answer(&changes)))
}
