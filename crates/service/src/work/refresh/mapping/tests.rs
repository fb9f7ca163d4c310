use serde_json::json;

use super::*;
use crate::config::sources::{Ask, EVICT_MAX_SHARE, Primary, SourceContent};
use crate::config::workspace::StoredConfig;

fn column(name: &str, kind: ColumnKind) -> Column {
    Column { name: name.into(), kind, source_type: kind.name().into() }
}

fn content() -> SourceContent {
    SourceContent {
        connection: "crm".into(),
        ask: Ask::Table("customers".into()),
        event: None,
        primary: Primary { column: "id".into(), namespace: "user_id".into() },
        identifiers: BTreeMap::from([("mail".into(), "email".into())]),
        audiences: vec!["vip".into()],
        attributes: None,
        types: BTreeMap::new(),
        schedule: None,
        evict_max_share: EVICT_MAX_SHARE,
        changes: None,
    }
}

fn columns() -> Vec<Column> {
    vec![
        column("id", ColumnKind::Number),
        column("mail", ColumnKind::Text),
        column("vip", ColumnKind::Boolean),
        column("city", ColumnKind::Text),
        column("ltv", ColumnKind::Number),
        column("seen", ColumnKind::Timestamp),
        column("more", ColumnKind::Json),
        column("photo", ColumnKind::Binary),
        column("_audiences", ColumnKind::Text),
    ]
}

fn mapping(content: SourceContent) -> Result<Mapping, Error> {
    let config = StoredConfig::default().to_engine().expect("the default configuration");
    Mapping::new("crm", &Source::tried(content), &columns(), &config)
}

fn row() -> Row {
    vec![
        Cell::Number("17".into()),
        Cell::Text("Ann@Shop.example".into()),
        Cell::Boolean(true),
        Cell::Null,
        Cell::Number("318.40".into()),
        Cell::Timestamp("2026-01-31T10:00:00Z".into()),
        Cell::Json(json!({ "size": { "shoe": 38 }, "tags": ["a", null] })),
        Cell::Unfit(Unfit::Binary),
        Cell::Text("x".into()),
    ]
}

#[test]
fn a_row_becomes_what_its_source_says_of_one_person() {
    let mapping = mapping(content()).expect("it fits");
    let mut left_out = Vec::new();
    let fact = mapping.fact(row(), &mut left_out).expect("a fact");
    assert_eq!(left_out, []);
    assert_eq!(&*fact.dataset, "crm");
    let document = fact.document.expect("whose it is");
    assert_eq!((&*document.namespace, &*document.value), ("user_id", "17"));
    assert_eq!(fact.claims.len(), 1);
    let mut paths: Vec<&str> = fact.attributes.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["audiences.vip", "email", "ltv", "more.size.shoe", "more.tags", "seen"]);
    let unused: Vec<LeftOut<'_>> = mapping.unused().collect();
    assert_eq!(unused, [("photo", "value_binary"), ("_audiences", "attribute_name_reserved")]);
}

#[test]
fn what_can_be_no_value_is_left_out_and_named() {
    let mapping = mapping(content()).expect("it fits");
    let check = |at: usize, cell: Cell, expected: &'static str| {
        let mut row = row();
        row[at] = cell;
        let mut left_out = Vec::new();
        mapping.fact(row, &mut left_out).expect("the rest of the row stands");
        assert_eq!(left_out, [(&*columns()[at].name, expected)]);
    };
    check(4, Cell::Unfit(Unfit::NotFinite), "value_not_finite");
    check(4, Cell::Number("12345678901234567890123456789012345678".into()), "number_out_of_range");
    check(4, Cell::Number("0.1234567890123456789".into()), "number_too_precise");
    check(4, Cell::Number("1e-19".into()), "number_too_precise");
    check(5, Cell::Unfit(Unfit::OutOfRange), "value_out_of_range");
    check(2, Cell::Unfit(Unfit::NotOfKind), "value_not_of_kind");
    check(1, Cell::Unfit(Unfit::NotUnicode), "value_not_unicode");
    for fine in ["0.100000000000000000000", "1e2", "-0.0", "0e-30", "99999999999999999999.999999999999999999"] {
        number(fine).unwrap_or_else(|code| panic!("{fine}: {code}"));
    }
}

#[test]
fn a_row_is_known_by_whose_it_is_and_by_what_it_says() {
    let mapping = mapping(content()).expect("it fits");
    let mut buffer = Vec::new();
    let mut look = |change: &dyn Fn(&mut Row)| {
        let mut row = row();
        change(&mut row);
        mapping.look(&row, &mut buffer).map(|own| (own.key, own.hash))
    };
    let same = look(&|_| {}).expect("somebody's");
    assert_eq!(look(&|row| row[0] = Cell::Text("17".into())), Ok(same), "a number that names somebody is a text");
    assert_eq!(look(&|row| row[0] = Cell::Number("17.00".into())), Ok(same), "equal numbers are one name");
    assert_eq!(look(&|row| row[0] = Cell::Number("1.7e1".into())), Ok(same), "equal numbers are one name");
    assert_eq!(look(&|row| row[0] = Cell::Text(" 17 ".into())).expect("somebody's").0, same.0, "one spelling");
    assert_eq!(look(&|row| row[8] = Cell::Null), Ok(same), "what nothing becomes of changes nothing");
    let (key, hash) = look(&|row| row[3] = Cell::Text(String::new())).expect("somebody's");
    assert!(key == same.0 && hash != same.1, "nothing and an empty text differ");
    assert_eq!(look(&|row| row[0] = Cell::Null), Err("row_primary_null"));
    assert_eq!(look(&|row| row[0] = Cell::Text("  ".into())), Err("row_primary_null"));
    assert_eq!(look(&|row| row[0] = Cell::Text("null".into())), Err("identity_blocked"));
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let code = |change: &dyn Fn(&mut SourceContent)| {
        let mut own = content();
        change(&mut own);
        mapping(own).err().map(|error| error.code)
    };
    assert_eq!(code(&|_| {}), None);
    assert_eq!(code(&|own| own.primary.column = "none".into()), Some("source_column_unknown"));
    assert_eq!(code(&|own| own.primary.column = "more".into()), Some("source_column_unfit"));
    assert_eq!(code(&|own| own.audiences = vec!["city".into()]), Some("source_column_unfit"));
    let only =
        |own: &mut SourceContent| own.attributes = Some(BTreeMap::from([("city".into(), "address.city".into())]));
    assert_eq!(code(&only), None);
}
