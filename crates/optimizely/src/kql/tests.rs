use std::collections::HashMap;

use tessera_engine::time::Timestamp;

use super::super::filter::OfEvents;
use super::run::may_hold;
use super::*;

fn read(text: &str) -> Result<Query, (usize, String)> {
    let parameters = [("kind", Kind::Text("scan".into())), ("n", Kind::Number(Decimal::from_i64(5)))];
    let parameters = parameters.map(|(name, kind)| (name.to_owned(), kind)).into();
    parse(text, &parameters).map_err(|fault| (fault.at, fault.expected))
}

fn planned(text: &str) -> Result<table::Plan, (usize, String)> {
    let query = read(text)?;
    let emails = HashMap::new();
    let clock = translate::Clock::At(Timestamp::from_micros(1_700_000_000_000_000).expect("a time"));
    table::plan(&query, OfEvents { scope: "default", emails: &emails }, clock)
        .map_err(|fault| (fault.at, fault.expected))
}

#[test]
fn queries_of_the_documents_are_read() {
    for text in [
        "Events",
        "Events | take 5",
        "Events | limit {{n}}",
        "Events | where EventType == \"x\" and CountryCode == \"SE\" | take 25",
        "Events | where DeviceId in (\"a\",\"b\")",
        "Events | where EventType == {{kind}} | take {{ n }}",
        "Events | where EventType == kind",
        "Events\n| where EventTime between (datetime(2020-01-01) .. 7d) // a week\n| where Value has 'red shoe'",
        "Events | where EventTime > ago(7d) | where Payload.a.b[\"c d\"] >= 4.5 | order by EventTime asc, Value | take 3",
        "Events | extend amount = todouble(Payload.amount) | summarize total = sum(amount), n = count(), dcount(DeviceId) by EventType",
        "Events | distinct EventType, Scope | sort by EventType | top 2 by Scope desc | count",
        "Events | where not(Value contains 'x') and Value !startswith 'y' or Value =~ \"Z\" and PageUri !endswith @'\\z'",
        "Events | project EventTime, kind2 = iff(isempty(Value), 'none', tostring(Payload.n)), n = toint(Payload.n) % 2 - 1",
        "Events | where EventTime >= datetime(\"2020-01-01T00:00:00Z\") - 1.5h and EventTime < now()",
        "Events | summarize by DeviceId",
    ] {
        assert!(planned(text).is_ok(), "{text}: {:?}", planned(text).err());
    }
}

#[test]
fn what_is_not_understood_is_told_with_its_place() {
    for (text, at, expected) in [
        ("", 0, "the table Events"),
        ("events", 0, "the table Events"),
        ("Events take", 7, "| and a stage"),
        ("Events | sample 1", 9, "where, project"),
        ("Events | where", 14, "a column, a value"),
        ("Events | where Kind == 'x'", 15, "one of the columns CountryCode"),
        ("Events | where EventType", 15, ""),
        ("Events | where 'x'", 15, "a condition"),
        ("Events | where Value > 'abc'", 23, "a number or a time"),
        ("Events | where Value == 'abc", 24, "a text that ends with '"),
        ("Events | where EventType == {{other}}", 28, "a parameter that has a value"),
        ("Events | where EventType == {{1}}", 30, "a name of letters"),
        ("Events | where EventTime > 7d", 27, "a value; a length of time"),
        ("Events | where EventTime + 1d > now()", 15, ""),
        ("Events | where EventTime > ago(7x)", 32, "d, h, m, s"),
        ("Events | where EventTime > datetime(yesterday)", 27, "a time in ISO 8601"),
        ("Events | where Value has ''", 25, "a text that is not empty"),
        ("Events | where bin(EventTime, 1d) == 1", 15, "ago, now, datetime"),
        ("Events | summarize percentile(Value, 5)", 19, "count, countif"),
        ("Events | summarize count(), count()", 9, "a name for each column"),
        ("Events | take -1", 14, "a whole number"),
        ("Events | take 1.5", 14, "a whole number"),
        ("Events | project Value, Value", 24, "a name that no other"),
        ("Events | project Value | where EventType == 'x'", 31, "one of the columns Value,"),
        ("Events | where User == 'x'", 15, "one of the columns"),
        ("Events | order by Value, Value, Value, Value", 39, "at most 3 values"),
        ("Events | where (Value == 'x'", 28, ")"),
        ("Events | where Value == 'x' ; drop", 28, "a name, a value or an operator"),
    ] {
        let refused = planned(text).err();
        // What has no place of its own here is a condition all the same.
        let Some((own, said)) = refused else {
            assert!(expected.is_empty() && !text.contains("1d >"), "{text} is understood");
            continue;
        };
        if !expected.is_empty() {
            assert_eq!(own, at, "{text}: {said}");
        }
        assert!(said.starts_with(expected), "{text}: {said}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let long = format!("Events | where Value == '{}'", "x".repeat(QUERY_BYTES_MAX));
    let deep = format!("Events | where {}true{}", "(".repeat(40), ")".repeat(40));
    let chain = format!("Events | where 1{} == 1", " + 1".repeat(30));
    let stages = "Events".to_owned() + &" | take 1".repeat(40);
    let columns: Vec<String> = (0..70).map(|at| format!("c{at} = 1")).collect();
    let columns = format!("Events | project {}", columns.join(", "));
    let doubled = "Events | extend a = Payload.a + 1".to_owned() + &" | extend a = a + a".repeat(20);
    for (text, expected) in [
        (long, "a query of at most"),
        (deep, "something simpler"),
        (chain, "something simpler"),
        (stages, "an end, as a query has at most"),
        (columns, "at most 64 columns"),
        (doubled, ""),
    ] {
        let (_, said) = planned(&text).err().expect("too much");
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn the_scope_that_a_query_names_is_the_one_that_is_asked() {
    for (text, shop, other) in [
        ("Events", true, true),
        ("Events | where Scope == 'shop'", true, false),
        ("Events | where Value == 'x' | where 'shop' != 'x' and Scope == 'shop'", true, false),
        ("Events | where Scope in ('a', 'shop')", true, false),
        ("Events | where Scope == 'shop' or Value == 'x'", true, true),
        ("Events | where not(Scope == 'shop')", false, true),
        ("Events | where Scope != 'shop'", false, true),
        ("Events | take 5 | where Scope == 'shop'", true, true),
    ] {
        let query = read(text).expect("a query");
        assert_eq!((may_hold(&query, "shop"), may_hold(&query, "other")), (shop, other), "{text}");
    }
}

#[test]
fn lengths_of_time_are_read_in_their_forms() {
    for (text, micros) in [
        ("7d", Some(604_800_000_000)),
        ("1.5h", Some(5_400_000_000)),
        ("2m", Some(120_000_000)),
        ("3ms", Some(3_000)),
        ("1.02:03:04", Some(93_784_000_000)),
        ("00:00:05.5", Some(5_500_000)),
        ("7", None),
        ("7x", None),
        ("25:00", None),
        ("00:00:xx", None),
        ("", None),
    ] {
        assert_eq!(lexer::span(text), micros, "{text}");
    }
}

#[test]
fn only_conditions_are_kept_at_every_event() {
    let of = |text: &str| {
        of_own_events(&read(text).expect("a query"), "default").map_err(|fault| (fault.at, fault.expected))
    };
    for text in [
        "Events",
        "Events | where EventType == 'x' | where Payload.amount > 5 and EventTime > ago(30d)",
        "Events | where EventTime <= ago(1h) and EventTime < now() and Scope == 'default'",
    ] {
        assert!(of(text).is_ok(), "{text}");
    }
    for (text, at) in [
        ("Events | take 5", 9),
        ("Events | where Value == 'x' | summarize count() by DeviceId", 30),
        ("Events | where DeviceId == 'x'", 15),
        ("Events | where User.Email contains 'x'", 15),
        ("Events | where EventTime == ago(1d)", 15),
        ("Events | where EventTime > now() + 1d", 15),
        ("Events | where Value == tostring(now())", 33),
    ] {
        assert_eq!(of(text).err().map(|(at, _)| at), Some(at), "{text}");
    }
}

/// Whatever is cut off, put in or left out, a query is read or refused at a place of its own.
#[test]
fn no_text_is_too_odd() {
    let texts = [
        "Events | where Payload.a[\"é\"] has 'x' and EventTime between (datetime(2020-01-01) .. 7d) // é",
        "Events | summarize n = count(), sum(toint(Payload.n)) by EventType | top 3 by n desc | project @'a''b', datetime",
        "Events | where EventType in~ ({{kind}}, \"a\\nb\") and not(-1.5h !contains ago(1.02:03:04)) | take {{n}}",
    ];
    let mut asked = 0;
    for text in texts {
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let letter = text[at..].chars().next().map_or(0, char::len_utf8);
            let odd = ["", "\"", "'", "{{", "}}", "(", ")", "[", "|", ".", "é", "@", "!", "\\", "//", "1d"];
            let changed = odd.map(|odd| format!("{}{odd}{}", &text[..at], &text[at + letter..]));
            for text in changed.into_iter().chain([text[..at].to_owned()]) {
                asked += 1;
                if let Err((at, said)) = planned(&text) {
                    assert!(at <= text.len() && !said.is_empty(), "{text}");
                }
            }
        }
    }
    assert!(asked > 4_000, "{asked}");
}
