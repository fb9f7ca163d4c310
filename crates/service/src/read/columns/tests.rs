//! Which columns rows have, and what stands in them.

use super::*;

fn see(rows: &[&str], choice: &Choice) -> Vec<(String, String)> {
    let mut seen = Seen::default();
    rows.iter().for_each(|row| seen.see(row.as_bytes(), choice).expect("a row"));
    let times = |name: &str| match name {
        "at" => Some(TimeKind::Instant),
        "day" => Some(TimeKind::Day),
        _ => None,
    };
    seen.fields(choice, times).into_iter().map(|field| (field.name, field.kind.name())).collect()
}

#[test]
fn a_column_has_a_type_if_all_its_values_are_of_it() {
    let check = |values: &[&str], expected: &str| {
        let rows: Vec<String> =
            values.iter().map(|own| format!("{{\"x\":{own},\"at\":{own},\"day\":{own}}}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let found: Vec<String> =
            see(&rows, &Choice::All).into_iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        assert_eq!(found.join(", "), expected, "{values:?}");
    };
    let all = |kind: &str| format!("at {kind}, day {kind}, x {kind}");
    check(&["null"], &all("text"));
    check(&["true", "null", "false"], &all("boolean"));
    check(&["1", "-9223372036854775808"], &all("integer"));
    check(&["1", "9223372036854775808"], &all("decimal(38,0)"));
    check(&["1.50", "2"], &all("decimal(38,1)"));
    check(&["170000000000000000000", "0.000000000000000001"], "at json, day json, x json");
    check(&["1e400"], &all("json"));
    check(&["\"a\"", "\"\""], &all("text"));
    check(&["1", "\"1\""], &all("json"));
    check(&["[1]"], &all("json"));
    check(&["true", "1"], &all("json"));
    check(&["\"2026-01-31T10:00:00Z\""], "at timestamp, day text, x text");
    check(&["\"2026-01-31T10:00:00.000001+02:00\""], "at timestamp, day text, x text");
    check(&["\"2026-01-31T10:00:00.0000001Z\""], &all("text"));
    check(&["\"2026-01-31T10:00:00Z\"", "\"soon\""], &all("text"));
    check(&["\"2026-01-31\""], "at text, day date, x text");
    check(&["\"2026-02-30\""], &all("text"));
}

#[test]
fn columns_come_in_an_order_of_their_own_or_as_chosen() {
    let rows = [r#"{"z":1,"_audiences":{},"profile_id":"a"}"#, r#"{"b":{"c":{"d":2}},"b.c":3}"#];
    let names = |choice: &Choice| see(&rows, choice).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&Choice::All), ["profile_id", "b", "b.c", "z", "_audiences"]);
    let chosen = ["b.c.d", "b.c", "none", "z"].map(str::to_owned).to_vec();
    let these = Choice::These(chosen.clone());
    assert_eq!(names(&these), chosen);
    let fields: Vec<Field> = chosen.iter().map(|name| Field { name: name.clone(), kind: FieldKind::Integer }).collect();
    let row = row(rows[1].as_bytes(), &fields.into(), &these, Typing::Strict).expect("json").expect("it stands");
    let number = |own: &str| Value::Number(own.to_owned());
    assert_eq!(row, [number("2"), number("3"), Value::Null, Value::Null]);
    let mut line = Vec::new();
    super::line(rows[1].as_bytes(), &these, &mut line).expect("json");
    assert_eq!(String::from_utf8(line).expect("text"), "{\"b.c.d\":2,\"b.c\":3,\"none\":null,\"z\":null}\n");
}

#[test]
fn what_is_new_or_of_another_kind_does_not_stand() {
    let check = |kind: FieldKind, json: &str, expected: Option<Value>| {
        let fields = [Field { name: "x".to_owned(), kind }];
        let found = row(json.as_bytes(), &fields.to_vec().into(), &Choice::All, Typing::Strict).expect("json");
        assert_eq!(found.ok().map(|mut row| row.remove(0)), expected, "{json} {}", kind.name());
    };
    check(FieldKind::Integer, r#"{"x":1.0}"#, Some(Value::Number("1.0".into())));
    check(FieldKind::Integer, r#"{"x":1.5}"#, None);
    check(FieldKind::Decimal(1), r#"{"x":1.25}"#, None);
    check(FieldKind::Text, r#"{"x":1}"#, None);
    check(FieldKind::Text, r#"{"y":"a"}"#, None);
    check(FieldKind::Timestamp, r#"{"x":"soon"}"#, None);
    check(FieldKind::Json, r#"{"x":"a"}"#, Some(Value::Json("a".into())));
    check(FieldKind::Boolean, r#"{"x":null}"#, Some(Value::Null));
    check(FieldKind::Boolean, "{}", Some(Value::Null));
    let free = row(
        br#"{"x":"a"}"#,
        &vec![Field { name: "x".into(), kind: FieldKind::Text }].into(),
        &Choice::All,
        Typing::Free,
    );
    assert_eq!(free.expect("json"), Ok(vec![Value::Text("a".into())]));
}

#[test]
fn a_table_has_so_many_columns() {
    let members: Vec<String> = (0..=COLUMNS_MAX).map(|at| format!("\"c{at}\":1")).collect();
    let json = format!("{{{}}}", members.join(","));
    let error = Seen::default().see(json.as_bytes(), &Choice::All).expect_err("one too many");
    assert_eq!(error.code, "export_columns_too_many");
}
