use std::sync::Arc;

use super::{Mapping, MappingLayer};
use crate::load::ids::Ids;
use crate::load::rows::{Cells, Place, Raw, Row};
use crate::load::values::Refusal;

const CDNOW: &str = include_str!("../../../../../testdata/cdnow/mapping.toml");

fn layer(text: &str) -> Result<MappingLayer, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn mapping(text: &str) -> Result<Mapping, String> {
    Mapping::resolve(layer(text)?, MappingLayer::default(), "file.csv").map_err(|error| format!("{error:#}"))
}

fn row(mapping: &Mapping, cells: &[(&str, &str)]) -> Row {
    let header = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    let values: Vec<&str> = cells.iter().map(|(_, text)| *text).collect();
    let cells = Cells::Named(Arc::new(header), values.iter().map(|text| (*text).to_owned()).collect());
    let raw = Raw::Columns(values.into());
    Row { place: Place { row: 3, line: 4 }, cells, defaults: Arc::clone(mapping.defaults()), raw }
}

fn rendered(text: &str, cells: &[(&str, &str)]) -> Result<String, Refusal> {
    let mapping = mapping(text).expect("a mapping");
    let done = mapping.render(&row(&mapping, cells), &mut Ids::new("there", None));
    done.map(|done| String::from_utf8(done.body).expect("JSON is UTF-8"))
}

fn render(text: &str, cells: &[(&str, &str)]) -> Result<String, String> {
    rendered(text, cells).map_err(|refusal| refusal.message)
}

#[test]
fn a_purchase_becomes_an_order() {
    let cells = [("customer", "00004"), ("sample", "0001"), ("date", "19970118"), ("cds", "2"), ("dollars", "29.70")];
    assert_eq!(
        render(CDNOW, &cells).expect("valid"),
        r#"{"type":"track","messageId":"cdnow-3","event":"Order Completed","userId":"00004","timestamp":"1997-01-18T00:00:00Z","properties":{"currency":"USD","order_id":"cdnow-3","quantity":2,"total":29.70}}"#
    );
}

#[test]
fn types_and_times_are_read_as_said() {
    let cells = [("id", "u"), ("t", "0"), ("v", "1"), ("empty", "")];
    for (text, expected) in [
        ("", r#""properties":{}"#),
        ("[properties]\nv = \"{v}\"", r#""properties":{"v":"1"}"#),
        ("[properties]\n\"v:number\" = \"{v}\"", r#""properties":{"v":1}"#),
        ("[properties]\n\"v:boolean\" = \"{v}\"", r#""properties":{"v":true}"#),
        ("[properties]\n\"v:json\" = \"[{v},{v}]\"", r#""properties":{"v":[1,1]}"#),
        ("[properties]\ne = \"{empty}\"", r#""properties":{}"#),
        ("rest = true", r#""properties":{"t":"0","v":"1"}"#),
        ("timestamp = \"{t}\"\ntime_format = \"unix\"", r#""timestamp":"1970-01-01T00:00:00Z""#),
        ("timestamp = \"{t}\"\ntime_format = \"unix_ms\"", r#""timestamp":"1970-01-01T00:00:00Z""#),
        ("timestamp = \"1997-01-01 2 +01:00\"\ntime_format = \"%Y-%m-%d %-H %:z\"", r#""timestamp":"#),
        ("message_id = \"m-{#}-{id}\"", r#""messageId":"m-3-u""#),
        ("", r#"{"messageId":"load-"#),
        ("[properties]\n\"v:timestamp\" = \"2026-01-3{v}\"", r#""properties":{"v":"2026-01-31"}"#),
    ] {
        let body = render(&format!("event = \"E\"\nuser_id = \"{{id}}\"\n{text}"), &cells).expect(text);
        assert!(body.contains(expected), "{text}: {body}");
    }
}

#[test]
fn a_row_that_does_not_fit_says_why_without_its_values() {
    let cells = [("id", ""), ("v", "secret")];
    for (text, expected) in [
        ("user_id = \"{id}\"", "user id and anonymous id are empty"),
        (
            "user_id = \"{v}\"\n[properties]\n\"n:number\" = \"{v}\"",
            "property n must be a number such as 12.50 (or give --decimal) (column v)",
        ),
        (
            "user_id = \"{v}\"\n[properties]\n\"n:timestamp\" = \"{v}\"",
            "property n must be a time in ISO 8601 such as 2026-01-31T10:00:00Z (or give --time-format) (column v)",
        ),
        (
            "user_id = \"{v}\"\ntimestamp = \"{v}\"\ntime_format = \"unix\"",
            "the time must be a whole number of seconds since 1970 (column v)",
        ),
        (
            "user_id = \"{v}\"\ntimestamp = \"{v}\"",
            "the time must be a time in ISO 8601 such as 2026-01-31T10:00:00Z (or give --time-format) (column v)",
        ),
        ("user_id = \"{v}\"\ntimestamp = \"{id}\"", "the time is empty"),
        ("user_id = \"{v}\"\nmessage_id = \"{id}\"", "the message id is empty"),
    ] {
        let refusal = rendered(&format!("event = \"E\"\n{text}"), &cells).expect_err(text);
        assert_eq!(refusal.message, expected, "{text}");
        // The value stands where the operator's own file lies, and nowhere else.
        assert!(refusal.value.is_none_or(|value| value == "secret") && !refusal.message.contains("secret"));
    }
}

#[test]
fn columns_of_one_name_are_told_with_their_numbers() {
    let header = ["id", "plan", "mail", "plan"].map(str::to_owned);
    let check = |text: &str| {
        let mapping = mapping(&format!("event = \"E\"\nuser_id = \"{{id}}\"\n{text}")).expect("valid");
        mapping.check_columns(&header).map_err(|error| error.to_string())
    };
    let refused = "columns 2 and 4 are all named \"plan\", and the mapping asks for it: rename all but one";
    assert_eq!(check("rest = true"), Err(refused.to_owned()));
    assert_eq!(check("[properties]\nplan = \"{plan}\""), Err(refused.to_owned()));
    let told = "columns 2 and 4 are all named \"plan\"; the mapping takes none of them";
    assert_eq!(check("[properties]\nmail = \"{mail}\""), Ok(vec![told.to_owned()]));
}

#[test]
fn a_header_that_does_not_fit_says_what_to_try() {
    let check = |text: &str, header: &[&str]| {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let mapping = mapping(&format!("event = \"E\"\n{text}")).expect("valid");
        mapping.check_columns(&header).map_err(|error| error.to_string())
    };
    let semicolons = "with --delimiter ';' the file would have 2 columns, and so it has one";
    let id = "user_id = \"{id}\"";
    assert_eq!(check(id, &["id;n"]), Err(format!("the file has no column id; it has: id;n ({semicolons})")));
    assert_eq!(check("user_id = \"u\"", &["id;n"]), Ok(vec![semicolons.to_owned()]));
    assert_eq!(check(id, &[]), Err("the file has no column id; it is empty".to_owned()));
    let constant = "user_id is \"id\" for every row, and a column is called so: write {id} for what it holds";
    assert_eq!(check("user_id = \"id\"", &["id", "n"]), Err(constant.to_owned()));
    assert_eq!(
        check(&format!("{id}\n[defaults]\nx = \"1\""), &["id"]),
        Err("the file has no column x; it has: id".to_owned())
    );
}

#[test]
fn a_row_that_says_something_else_is_another_fact() {
    let id = |text: &str, cells: &[(&str, &str)]| {
        let text =
            format!("kind = \"record\"\n{text}\n[identities]\ncrm_id = \"{{id}}\"\n[properties]\nplan = \"{{plan}}\"");
        let body: serde_json::Value = serde_json::from_str(&render(&text, cells).expect("valid")).expect("JSON");
        body["id"].as_str().expect("an id").to_owned()
    };
    let free = id("", &[("id", "D1"), ("plan", "free"), ("exported", "monday")]);
    assert_eq!(
        id("", &[("id", "D1"), ("plan", "free"), ("exported", "tuesday")]),
        free,
        "what is not sent says nothing"
    );
    assert_ne!(id("", &[("id", "D1"), ("plan", "gold"), ("exported", "monday")]), free);
    assert_ne!(id("", &[("id", "D2"), ("plan", "free"), ("exported", "monday")]), free);
    assert!(mapping("event = \"E\"\nuser_id = \"u\"").expect("valid").speaks_of_its_file());
    assert!(!mapping("event = \"E\"\nuser_id = \"u\"\ntimestamp = \"{t}\"").expect("valid").speaks_of_its_file());
    assert!(!mapping("event = \"E\"\nuser_id = \"u\"\nmessage_id = \"{t}\"").expect("valid").speaks_of_its_file());
}

#[test]
fn a_mapping_that_cannot_work_is_refused() {
    for (text, expected) in [
        ("user_id = \"{id}\"", "the mapping names no event"),
        ("event = \"E\"", "neither user_id nor anonymous_id"),
        ("event = \"E\"\nuser_id = \"{\"", "user_id: no template"),
        ("event = \"E\"\nuser_id = \"{id}\"\ntime_format = \"days\"", "no time_format: days"),
        ("event = \"E\"\nuser_id = \"{id}\"\n[properties]\n\"a:int\" = \"1\"", "no type int"),
        ("event = \"E\"\nusr_id = \"{id}\"", "unknown field `usr_id`"),
        ("kind = \"record\"", "names no identity"),
        ("event = \"E\"\nuser_id = \"{id}\"\ndelimiter = \";;\"", "delimiter must be one ASCII character"),
        ("event = \"E\"\nuser_id = \"{id}\"\nencoding = \"klingon\"", "no encoding: klingon"),
        ("event = \"E\"\nuser_id = \"{id}\"\ndecimal = \";\"", "decimal must be"),
        ("event = \"E\"\nuser_id = \"{id}\"\n[column_formats]\nd = \"days\"", "column d: no format days"),
        (
            "event = \"E\"\nuser_id = \"{id}\"\n[properties]\n\"a:number\" = \"EUR\"",
            "property a is always \"EUR\" and must be a number",
        ),
    ] {
        let error = mapping(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_flag_wins_over_the_file() {
    let flags = layer("event = \"Flag\"").expect("valid");
    let file = layer("event = \"File\"\nuser_id = \"{id}\"").expect("valid");
    let mapping = Mapping::resolve(flags, file, "f").expect("valid");
    let body = mapping.render(&row(&mapping, &[("id", "u")]), &mut Ids::new("f", None)).expect("valid").body;
    assert!(String::from_utf8(body).expect("UTF-8").contains("\"event\":\"Flag\""));
}

#[test]
fn a_row_becomes_a_record() {
    let text = "kind = \"record\"\nmessage_id = \"r-{#}\"\ndataset = \"crm\"\ntimestamp = \"{t}\"\n[identities]\nemail = \"{mail}\"\ncrm_id = \"{id}\"\n[properties]\ncity = \"{c}\"";
    let cells = [("mail", "ann@shop.example"), ("id", ""), ("t", "2025-01-01T00:00:00Z"), ("c", "Lyon")];
    assert_eq!(
        render(text, &cells).expect("valid"),
        r#"{"id":"r-3","identities":[{"namespace":"email","value":"ann@shop.example"}],"time":"2025-01-01T00:00:00Z","attributes":{"city":"Lyon"}}"#
    );
    assert_eq!(mapping(text).expect("valid").delivery(), ("/v1/records", r#"{"dataset":"crm","records":["#.to_owned()));
}

const SHOP: &str = r#"
event = "Bought"
user_id = "{id}"
timestamp = "{day}"
decimal = ","
[properties]
"total:number" = "{amount}"
"gift:boolean" = "{gift}"
"due:timestamp" = "{due}"
country = "{country}"
[column_formats]
day = ["%d.%m.%Y", "%Y/%m/%d"]
gift = "ja/nein"
due = "unix"
[defaults]
country = "FR"
"#;

#[test]
fn columns_have_formats_and_defaults_of_their_own() {
    let cells = |day, amount, country| {
        [("id", "u"), ("day", day), ("amount", amount), ("gift", "Ja"), ("due", "0"), ("country", country)]
    };
    for (day, amount, country, expected) in [
        (
            "31.01.2026",
            "1.234,50",
            "",
            r#""properties":{"country":"FR","due":"1970-01-01T00:00:00Z","gift":true,"total":1234.50}"#,
        ),
        ("2026/01/31", "2", "DE", r#""timestamp":"2026-01-31T00:00:00Z","properties":{"country":"DE","#),
    ] {
        let body = render(SHOP, &cells(day, amount, country)).expect(day);
        assert!(body.contains(expected), "{body}");
    }
    for (day, amount, code) in [
        ("31.01.26", "1", "time_invalid"),
        ("", "1", "time_missing"),
        ("31.01.2026", "1.234", "value_ambiguous"),
        ("31.01.2026", "x", "value_invalid"),
    ] {
        assert_eq!(rendered(SHOP, &cells(day, amount, "")).expect_err(day).code, code, "{day} {amount}");
    }
}

#[test]
fn a_lenient_load_leaves_out_what_cannot_be_read_and_says_so() {
    let mapping = mapping(&format!("lenient = true\n{SHOP}")).expect("valid");
    let cells =
        |id, day| [("id", id), ("day", day), ("amount", "n/a"), ("gift", "ja"), ("due", "soon"), ("country", "")];
    let done = mapping.render(&row(&mapping, &cells("u", "31.01.2026")), &mut Ids::new("f", None)).expect("valid");
    let body = String::from_utf8(done.body).expect("UTF-8");
    assert!(body.ends_with(r#""properties":{"country":"FR","gift":true}}"#), "{body}");
    assert_eq!(
        done.left_out.iter().map(|refusal| refusal.code).collect::<Vec<_>>(),
        ["value_invalid", "value_invalid"]
    );
    // Without an id or a time it would be another fact.
    for (id, day) in [("", "31.01.2026"), ("u", "soon")] {
        assert!(mapping.render(&row(&mapping, &cells(id, day)), &mut Ids::new("f", None)).is_err());
    }
}
