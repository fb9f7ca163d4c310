//! The paths of this door (spec/optimizely.md section 3). The case of their letters does not matter.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post, put};
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;

use super::asked::List;
use super::wire::{
    Export, PreviewBody, Profile, ProfileBody, QueryBody, Scope, ScopeBody, Segment, SegmentBody, Track, Tracked,
};
use super::{blacklists, definitions, events, export, kql, matching, profiles, scopes, segments, track};

type Handler = MethodRouter<std::sync::Arc<App>>;

const READ: Access = Access::Workspace(Permission::Read);
const INGEST: Access = Access::Workspace(Permission::Ingest);
const ERASE: Access = Access::Workspace(Permission::Erase);
const EXPORT: Access = Access::Workspace(Permission::Export);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const ADMINISTER: Access = Access::Workspace(Permission::Administer);

/// All routes of this door.
pub(super) fn routes() -> Vec<Route> {
    [of_profiles(), of_events(), of_segments(), of_definitions(), of_exports(), of_scopes(), of_blacklists()]
        .into_iter()
        .flatten()
        .collect()
}

/// A route of this door. Tools in pages call it.
fn route(method: Method, path: &'static str, access: Access, handler: Handler, summary: &'static str) -> Route {
    Route::new(method, path, access, handler, Tag::Optimizely, summary).open_to_pages()
}

/// The options of a list.
fn listed(route: Route, example: &str) -> Route {
    let number = |default: u32| json!({ "type": "integer", "minimum": 0, "maximum": 10_000, "default": default });
    route
        .query(
            "$filter",
            "Members, `eq ne gt ge lt le`, values, `and or not`. All where it is left out.",
            json!({ "type": "string", "example": example }),
        )
        .query("$skip", "How many to leave out.", number(0))
        .query("$top", "How many; with `$skip` at most 10,000.", number(100))
        .query(
            "$orderBy",
            "Up to 3 members with `asc` or `desc` behind them, separated by commas.",
            json!({ "type": "string" }),
        )
}

const ID: &str = "0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11";

fn example_profile() -> Value {
    json!({
        "ProfileId": ID, "DeviceIds": ["dev-a1"], "Name": "Tove Holm", "ProfileManager": null, "FirstSeen": "2020-02-01T08:00:00Z",
        "LastSeen": "2020-03-05T17:42:10Z", "Visits": 9, "UpdateTime": "2020-03-05T17:45:00.1234567Z", "Scope": "default",
        "VisitorGroups": [], "Info": { "Email": "tove@holm.example" }, "ContactInformation": ["Mailable", "Known"],
        "Payload": { "loyaltyTier": "gold" }
    })
}

fn example_body() -> Value {
    json!({
        "DeviceIds": ["dev-a1"], "Name": "Tove Holm", "Scope": "default", "Info": { "Email": "tove@holm.example" },
        "Payload": { "loyaltyTier": "gold" }
    })
}

fn list_of(item: &Value) -> Value {
    json!({ "total": 1, "count": 1, "items": [item] })
}

fn of_profiles() -> Vec<Route> {
    let (all, one) = ("/api/v1.0/profiles", "/api/v1.0/profiles/{id}");
    let in_scope = "/api/v1.0/profiles/{scope}/{id}";
    let id = |route: Route| route.segment("id", "The id of a profile.");
    let scoped = |route: Route| id(route.segment("scope", "The name of a scope."));
    let (example, body) = (example_profile(), example_body());
    vec![
        listed(route(Method::GET, all, READ, get(profiles::list), "Lists profiles"), "Info.Email eq tove@holm.example")
            .describe(
                "Of all scopes that the key holds, unless the filter says which. A filter on `ProfileId`, `DeviceIds` or `Info.Email` is a \
                 look-up; any other looks at everybody, within 5 seconds. Without `$orderBy` they come in the order in which they are kept.",
            )
            .audited(Action::Read)
            .answer::<List>(200, "Those for which the filter holds.", list_of(&example)),
        scoped(route(Method::GET, in_scope, READ, get(profiles::retrieve), "Reads a profile")).answer::<Profile>(
            200,
            "The profile.",
            example.clone(),
        ),
        id(route(Method::GET, one, READ, get(profiles::retrieve_anywhere), "Reads a profile of whatever scope"))
            .answer::<Profile>(200, "The profile.", example.clone()),
        route(Method::POST, all, INGEST, post(profiles::create), "Makes a profile")
            .describe("Taken from private keys. 409 where another profile of the scope has one of its devices or its e-mail address. At most 256 KB.")
            .body::<ProfileBody>(body.clone())
            .answer::<Profile>(201, "It is made; `Location` says where.", example.clone()),
        id(route(Method::PUT, one, INGEST, put(profiles::replace), "Replaces a profile, or makes it under this id"))
            .describe("What is not sent is no more, whoever said it: devices are let go of, values removed. Members that are computed are passed over.")
            .body::<ProfileBody>(body)
            .answer::<Profile>(200, "It is replaced.", example.clone())
            .answer::<Profile>(201, "It is made.", example),
        scoped(route(Method::DELETE, in_scope, ERASE, delete(profiles::delete), "Deletes a profile with its events"))
            .describe("429 where too many events would wait to be purged.")
            .answer_empty(200, "It is in no answer any more."),
    ]
}

fn of_events() -> Vec<Route> {
    let event = json!({
        "TrackId": "t-1", "DeviceId": "dev-a1", "EventType": "kiosk-scan", "Value": "Scanned SKU 77", "PageUri": "https://shop.example/p/77",
        "PageTitle": "P77", "RemoteAddress": "203.0.113.7", "EventTime": "2020-03-05T17:42:10.0000000Z", "CountryCode": null,
        "Scope": "default", "User": { "Name": "Tove Holm", "Email": "tove@holm.example", "Info": {} }, "Payload": { "sku": "77" }
    });
    let sent = json!({
        "deviceId": "dev-a1", "eventType": "kiosk-scan", "value": "Scanned SKU 77", "user": { "email": "tove@holm.example" },
        "payload": { "sku": "77" }
    });
    let tracked = json!({ "accepted": 1, "duplicates": 0, "rejected": [] });
    let lists = ["/api/v1.0/TrackEvents", "/api/v2.0/TrackEvents"].map(|path| {
        listed(route(Method::GET, path, READ, get(events::list), "Lists track events"), "EventType eq epiPageView and EventTime gt 2020-01-31")
            .describe(
                "Events of all doors, the newest first unless `$orderBy` says otherwise. A filter on `DeviceId` or `User.Email` is a look-up; any \
                 other looks at all events, within 5 seconds.",
            )
            .audited(Action::Read)
            .answer::<List>(200, "Those for which the filter holds.", list_of(&event))
    });
    let deletes = [
        "/api/v2.0/TrackEvents/{scope}/{id}",
        "/api/v1.0/trackingevents/{scope}/{id}",
        "/api/v1.0/TrackEvents/{scope}/{id}",
    ]
    .map(|path| {
        route(Method::DELETE, path, ERASE, delete(events::delete), "Deletes a track event")
            .segment("scope", "The name of a scope.")
            .segment("id", "The `TrackId` of an event.")
            .answer_empty(200, "It is in no answer any more.")
    });
    let sends = [
        route(Method::POST, "/api/v1.0/Track", INGEST, post(track::one), "Takes a track event")
            .describe("Durable and visible when this answers. A scope that is not there is made, as far as the key may. At most 256 KB.")
            .body::<Track>(sent.clone())
            .answer::<Tracked>(200, "It is taken, or was there already.", tracked.clone()),
        route(Method::POST, "/api/v1.0/TrackBulk", INGEST, post(track::bulk), "Takes up to 100 track events")
            .describe("The body is a list. One that cannot be read refuses the call, and none is taken.")
            .body::<Vec<Track>>(json!([sent]))
            .answer::<Tracked>(200, "What became of them.", tracked),
    ];
    let preview = route(Method::POST, "/api/v2.0/TrackEvents/preview", READ, post(kql::preview), "Runs a query in KQL")
        .describe(
            "Over the table `Events` of all scopes that the key holds, unless `where Scope == …` says which: `where`, `project`, `extend`, \
             `summarize`, `distinct`, `order by`, `top`, `take`, `count`. At most 1,000 rows are answered; `total` says how many there are. An \
             answer is exact; a query that is too heavy is a 400.",
        )
        .audited(Action::Read)
        .body::<QueryBody>(json!({ "Query": "Events | where EventType == {{t}} | take 5", "Parameters": { "t": "kiosk-scan" } }))
        .answer::<List>(200, "The rows: whole events, or the columns that the query names.", list_of(&event));
    lists.into_iter().chain(deletes).chain(sends).chain([preview]).collect()
}

fn example_segment() -> Value {
    json!({
        "SegmentId": ID, "Name": "Gold", "Description": null, "Scope": "default", "SegmentManager": null,
        "ProfileQuery": "Payload.loyaltyTier eq 'gold'", "ProfileFilter": null, "SegmentFilter": null, "MatchingProfiles": 1,
        "LastProfileCount": "2020-03-05T17:45:00+00:00", "AvailableForPersonalization": true, "Archived": false, "FavoredBy": [],
        "LabelIds": [], "Labels": [], "Created": "2020-03-05T17:45:00+00:00", "Modified": "2020-03-05T17:45:00+00:00", "ModifiedBy": null
    })
}

fn of_segments() -> Vec<Route> {
    let body = json!({ "Name": "Gold", "Scope": "default", "ProfileQuery": "Payload.loyaltyTier eq 'gold'", "AvailableForPersonalization": true });
    let (example, profile) = (example_segment(), example_profile());
    let id = |route: Route| route.segment("id", "The id of a segment.");
    let lists = ["/api/v1.0/segments", "/api/v2.0/segments"];
    let ones = ["/api/v1.0/segments/{id}", "/api/v2.0/segments/{id}"];
    let matches = "/api/v1.0/segments/{id}/matchbyprofileid";
    let by_email = "/api/v1.0/segments/{id}/matchbyemail";
    let of_all = lists.into_iter().flat_map(|path| {
        let list = listed(
            route(Method::GET, path, READ, get(segments::list), "Lists segments"),
            "AvailableForPersonalization eq true",
        );
        let create = route(Method::POST, path, CONFIGURE, post(segments::create), "Makes a segment");
        [
            list.answer::<List>(200, "Those for which the filter holds.", list_of(&example)),
            create.body::<SegmentBody>(body.clone()).answer::<Segment>(
                201,
                "It is made; `Location` says where.",
                example.clone(),
            ),
        ]
    });
    let of_one = ones.into_iter().flat_map(|path| {
        let read =
            id(route(Method::GET, path, READ, get(segments::retrieve), "Reads a segment, its profiles counted now"));
        let replace = id(route(
            Method::PUT,
            path,
            CONFIGURE,
            put(segments::replace),
            "Replaces a segment, or makes it under this id",
        ));
        [
            read.answer::<Segment>(200, "The segment.", example.clone()),
            replace
                .describe("One that says what no filter can say is not replaced.")
                .body::<SegmentBody>(body.clone())
                .answer::<Segment>(200, "It is replaced.", example.clone())
                .answer::<Segment>(201, "It is made.", example.clone()),
        ]
    });
    let others = [
        id(route(
            Method::POST,
            matches,
            READ,
            post(matching::match_ids),
            "Tells which of some profiles are in a segment",
        ))
        .describe("The body is a list of up to 1,000 ids of profiles.")
        .audited(Action::Read)
        .body::<Vec<String>>(json!([ID]))
        .answer::<List>(200, "Those that are.", list_of(&profile)),
        id(route(
            Method::POST,
            by_email,
            READ,
            post(matching::match_emails),
            "Tells which of some e-mail addresses are in a segment",
        ))
        .describe("The body is a list of up to 1,000 addresses.")
        .audited(Action::Read)
        .body::<Vec<String>>(json!(["tove@holm.example"]))
        .answer::<List>(200, "The profiles that are.", list_of(&profile)),
        listed(
            route(
                Method::POST,
                "/api/v2.0/segments/preview",
                READ,
                post(segments::preview),
                "Tells whom a draft would hold of",
            ),
            "",
        )
        .describe(
            "`ProfileQuery` of the draft is asked, or the filter definitions of its `SegmentFilter`; nothing is kept. A definition of events may have any \
             stages here, and then comes to at most 1,000 devices.",
        )
        .audited(Action::Read)
        .body::<SegmentBody>(body.clone())
        .answer::<List>(200, "The profiles.", list_of(&profile)),
    ];
    of_all.chain(of_one).chain(others).collect()
}

fn of_definitions() -> Vec<Route> {
    let (all, one) = ("/api/v2.0/FilterDefinitions", "/api/v2.0/FilterDefinitions/{id}");
    let body = json!({
        "Name": "bigSpend", "Type": "Events", "Query": "Events | where EventType == 'order' and Payload.amount > {{amount}}",
        "Parameters": [{ "Name": "amount", "Type": "decimal" }], "Category": "Orders"
    });
    let mut example = body.clone();
    for (name, value) in [
        ("FilterDefinitionId", json!("bigSpend")),
        ("Description", Value::Null),
        ("Shared", json!(false)),
        ("Products", json!([])),
    ] {
        example[name] = value;
    }
    let id = |route: Route| route.segment("id", "The id of a filter definition.");
    let asked = json!({ "FilterDefinitionId": "bigSpend", "Parameters": { "amount": 500.0 } });
    vec![
        listed(route(Method::GET, all, READ, get(definitions::list), "Lists filter definitions"), "Type eq 'Events'")
            .describe("They are shared by the scopes of the key. The vendor's own are not brought.")
            .answer::<List>(200, "Those for which the filter holds.", list_of(&example)),
        id(route(Method::GET, one, READ, get(definitions::retrieve), "Reads a filter definition"))
            .answer::<definitions::Shown>(200, "The definition.", example.clone()),
        route(Method::POST, all, CONFIGURE, post(definitions::create), "Makes a filter definition")
            .describe("Its name is its id. 409 where another one has it.")
            .body::<definitions::Body>(body.clone())
            .answer::<definitions::Shown>(201, "It is made; `Location` says where.", example.clone()),
        id(route(Method::PUT, one, CONFIGURE, put(definitions::replace), "Replaces a filter definition, or makes it under this id"))
            .describe("Segments go on with what it said when they bound it, until they are put again.")
            .body::<definitions::Body>(body)
            .answer::<definitions::Shown>(200, "It is replaced.", example.clone())
            .answer::<definitions::Shown>(201, "It is made.", example),
        id(route(Method::DELETE, one, CONFIGURE, delete(definitions::delete), "Deletes a filter definition"))
            .describe("409 while a segment binds it.")
            .answer_empty(200, "It is no more."),
        route(Method::POST, "/api/v2.0/FilterDefinitions/preview", READ, post(definitions::preview), "Runs a filter definition")
            .audited(Action::Read)
            .describe("One that is kept, or a draft, with values for its parameters. At most 1,000 rows or profiles are answered.")
            .body::<PreviewBody>(asked)
            .answer::<List>(200, "Rows of events, or profiles.", list_of(&example_profile())),
    ]
}

fn of_exports() -> Vec<Route> {
    let example = json!({ "SegmentId": ID, "RequestId": "AAY…", "Status": "Finished", "ResultUrl": "https://cdp.example/api/v1.0/segments/…" });
    let begin = "/api/v1.0/segments/{id}/Export";
    let (poll, file) = ("/api/v1.0/segments/{id}/Export/{request}", "/api/v1.0/segments/{id}/Export/{request}/file");
    let id = |route: Route| route.segment("id", "The id of a segment.");
    let request = |route: Route| id(route).segment("request", "The `RequestId` of an export.");
    let begins = [(Method::GET, get(export::begin)), (Method::POST, post(export::begin))].map(|(method, handler)| {
        id(route(method, begin, EXPORT, handler, "Begins an export of a segment's profiles"))
            .describe("The file is written while it is read, so it is finished at once. The request lives for a day.")
            .answer::<Export>(200, "The request.", example.clone())
    });
    let others =
        [
            request(route(Method::GET, poll, EXPORT, get(export::poll), "Tells how far an export is"))
                .answer::<Export>(200, "The request.", example.clone()),
            request(route(Method::GET, file, EXPORT, get(export::file), "Reads the profiles of a segment"))
                .describe("One in a line. An answer that breaks off is not whole.")
                .answer_other(200, "The profiles.", "application/x-ndjson"),
        ];
    begins.into_iter().chain(others).collect()
}

fn of_scopes() -> Vec<Route> {
    let example = json!({ "ScopeId": "nordics", "Description": "Shops of the north" });
    let id = |route: Route| route.segment("id", "The name of a scope.");
    let one = "/api/v1.0/scopes/{id}";
    vec![
        listed(
            route(Method::GET, "/api/v1.0/scopes", READ, get(scopes::list), "Lists scopes, the default one last"),
            "ScopeId eq nordics",
        )
        .answer::<List>(200, "Those that the key holds.", list_of(&example)),
        id(route(Method::GET, one, READ, get(scopes::retrieve), "Reads a scope")).answer::<Scope>(
            200,
            "The scope.",
            example.clone(),
        ),
        id(route(Method::PUT, one, ADMINISTER, put(scopes::put), "Describes a scope, or makes it"))
            .describe("At most 20 besides the default one, which cannot be changed.")
            .body::<ScopeBody>(json!({ "Description": "Shops of the north" }))
            .answer::<Scope>(200, "It is described.", example.clone())
            .answer::<Scope>(201, "It is made.", example),
    ]
}

fn of_blacklists() -> Vec<Route> {
    let example = json!({ "BlacklistId": ID, "Email": "tove@holm.example", "Scope": "default" });
    let body = json!({ "Email": "tove@holm.example", "Scope": "default" });
    let (all, one) = ("/api/v1.0/blacklists", "/api/v1.0/blacklists/{id}");
    let id = |route: Route| route.segment("id", "The id of an entry.");
    let effect = "Who has the address is erased with all events. From then on events with it are dropped and profiles with it refused, by the paths \
                  of this API.";
    vec![
        listed(route(Method::GET, all, READ, get(blacklists::list), "Lists blacklisted addresses"), "Scope eq default")
            .answer::<List>(200, "Those for which the filter holds.", list_of(&example)),
        id(route(Method::GET, one, READ, get(blacklists::retrieve), "Reads an entry of a blacklist"))
            .answer::<blacklists::Entry>(200, "The entry.", example.clone()),
        route(Method::POST, all, ERASE, post(blacklists::create), "Blacklists an address")
            .describe(effect)
            .body::<blacklists::Sent>(body.clone())
            .answer::<blacklists::Entry>(201, "It is listed; `Location` says where.", example.clone()),
        id(route(Method::PUT, one, ERASE, put(blacklists::replace), "Replaces an entry of a blacklist, or makes it"))
            .describe(effect)
            .body::<blacklists::Sent>(body)
            .answer::<blacklists::Entry>(200, "It is replaced.", example.clone())
            .answer::<blacklists::Entry>(201, "It is made.", example),
        id(route(Method::DELETE, one, ERASE, delete(blacklists::delete), "Takes an address off a blacklist"))
            .answer_empty(200, "It is listed no more."),
    ]
}
