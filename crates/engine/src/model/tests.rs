//! Cases of types, windows, bounds and checks.

use super::*;
use crate::time::Timestamp;
use crate::value::Decimal;

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

/// `null`, `true`, `1.5`, `'text'`, `t7` (an instant), `[1 2]`, `<1 2>` (a set), `{a:1 b:{c:2}}`. Texts hold no blanks.
fn value(text: &str) -> Value {
    let mut rest = text;
    let value = read(&mut rest);
    assert_eq!(rest, "", "all of {text} is read");
    value
}

fn read(rest: &mut &str) -> Value {
    let first = rest.chars().next().expect("a value");
    match first {
        '[' => Value::List(read_items(rest, ']').into_iter().map(|(_, value)| value).collect()),
        '<' => Value::set(read_items(rest, '>').into_iter().map(|(_, value)| value).collect()),
        '{' => Value::object(read_items(rest, '}')),
        _ => {
            let end = rest.find([' ', ']', '>', '}']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            *rest = after;
            match word {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ if word.starts_with('\'') => Value::text(word.trim_matches('\'')),
                _ => match word.strip_prefix('t') {
                    Some(micros) => {
                        let micros = micros.parse().expect("microseconds");
                        Value::Timestamp(Timestamp::from_micros(micros).expect("an instant"))
                    }
                    None => Value::Number(Decimal::parse(word).expect("a number")),
                },
            }
        }
    }
}

fn read_items(rest: &mut &str, close: char) -> Vec<(Arc<str>, Value)> {
    *rest = &rest[1..];
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return items;
        }
        let name = if close == '}' {
            let (name, after) = rest.split_once(':').expect("a name");
            *rest = after;
            name
        } else {
            ""
        };
        items.push((name.into(), read(rest)));
    }
}

fn r#type(text: &str) -> Type {
    match text.split_once('/').map_or((text, None), |(own, of)| (own, Scalar::parse(of))) {
        ("set", of) => Type::Set { of },
        ("list", of) => Type::List { of },
        ("object", None) => Type::Object,
        (name, _) => Type::Scalar(Scalar::parse(name).expect("a type")),
    }
}

fn allowed(text: &str) -> Allowed {
    let others = text.ends_with('+');
    Allowed { values: text.trim_end_matches('+').split(',').map(value).collect(), others }
}

/// `plan:text=free,gold age:integer? note:text!` where `=` begins allowed values (`+` at the end: others too), `?` is inactive.
fn attributes(text: &str) -> BTreeMap<Path, Attribute> {
    let one = |word: &str| {
        let (name, rest) = word.split_once(':').expect("path:type");
        let (own, values) = rest.split_once('=').map_or((rest, None), |(own, values)| (own, Some(allowed(values))));
        let mut attribute = Attribute::new(r#type(own.trim_end_matches('?')));
        attribute.status = if own.ends_with('?') { Status::Inactive } else { Status::Active };
        attribute.allowed = values;
        (path(name), attribute)
    };
    text.split_whitespace().map(one).collect()
}

/// `total:number! currency:text='EUR','USD'` where `!` is required.
fn properties(text: &str) -> BTreeMap<Path, Property> {
    let one = |word: &str| {
        let (name, rest) = word.split_once(':').expect("path:type");
        let (own, values) = rest.split_once('=').map_or((rest, None), |(own, values)| (own, Some(allowed(values))));
        let mut property = Property::new(r#type(own.trim_end_matches('!')));
        property.required = own.ends_with('!');
        property.allowed = values;
        (path(name), property)
    };
    text.split_whitespace().map(one).collect()
}

fn model(attributes_text: &str) -> DataModel {
    DataModel::new(Definition { attributes: attributes(attributes_text), ..Definition::default() }).expect("a model")
}

#[test]
fn values_are_of_a_type_or_they_are_not() {
    let types = ["text", "number", "integer", "boolean", "date", "date_time", "set", "list", "object"];
    let check = |written: &str, kind: &str, holds: &str| {
        let value = value(written);
        assert_eq!(Kind::of(&value).name(), kind, "{written}");
        let own: Vec<&str> = types.into_iter().filter(|name| r#type(name).holds(&value)).collect();
        assert_eq!(own.join(" "), holds, "{written}");
    };
    check("'gold'", "text", "text");
    check("''", "text", "text");
    check("'1'", "text", "text");
    check("'true'", "text", "text");
    check("1", "integer", "number integer");
    check("1.0", "integer", "number integer");
    check("-1e3", "integer", "number integer");
    check("1.5", "number", "number");
    check("true", "boolean", "boolean");
    check("'2026-02-28'", "date", "text date");
    check("'2026-02-28T10:00:00Z'", "date_time", "text date_time");
    check("t5", "date_time", "date_time");
    check("[]", "list", "set list");
    check("['a' 'b']", "list", "set list");
    check("['a' 'a']", "list", "list");
    check("[1 1.0]", "list", "list");
    check("['a' 1 true t5]", "list", "set list");
    check("['a' [1]]", "list", "list");
    check("['a' null]", "list", "list");
    check("<'a' 'b'>", "set", "set");
    check("<['a']>", "set", "");
    check("{}", "object", "object");
    check("{a:1}", "object", "object");
    check("null", "null", "text number integer boolean date date_time set list object");
}

#[test]
fn members_have_types_too() {
    let check = |own: &str, written: &str, expected: bool| {
        assert_eq!(r#type(own).holds(&value(written)), expected, "{own} {written}");
    };
    check("set/text", "['a' 'b']", true);
    check("set/text", "<'a' 1>", false);
    check("set/integer", "<1 2>", true);
    check("set/integer", "<1 2.5>", false);
    check("list/number", "[1 1 2.5]", true);
    check("list/number", "[1 '2']", false);
    check("list/date", "['2026-01-01']", true);
    check("list/date", "['2026-01-32']", false);
    check("list/number", "[1 null]", false);
    check("list", "[{a:1} null]", true);
    assert_eq!(r#type("set/text").to_string(), "set of text");
    assert_eq!(r#type("list").to_string(), "list");
}

#[test]
fn dates_and_instants_are_those_of_the_calendar() {
    let check = |text: &str, date: bool, date_time: bool| {
        let value = Value::text(text);
        assert_eq!((Scalar::Date.holds(&value), Scalar::DateTime.holds(&value)), (date, date_time), "{text}");
    };
    for date in ["2026-02-28", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
        check(date, true, false);
    }
    for instant in [
        "2026-02-28T00:00:00Z",
        "2026-02-28t23:59:60z",
        "2026-02-28 09:30:00Z",
        "2026-02-28T09:30:00.123456789+01:00",
        "2026-02-28T09:30:00-23:59",
    ] {
        check(instant, false, true);
    }
    for neither in [
        "",
        "2026",
        "2026-2-28",
        "2026-02-29",
        "1900-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "0000-01-01",
        "2026-04-31",
        "2026-01-01T",
        "2026-01-01T10:00",
        "2026-01-01T10:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T10:60:00Z",
        "2026-01-01T10:00:61Z",
        "2026-01-01T10:00:00.Z",
        "2026-01-01T10:00:00+1:00",
        "2026-01-01T10:00:00+24:00",
        "2026-01-01T10:00:00+01:00x",
        "2026-01-01Z",
        " 2026-01-01",
        "２０２６-01-01",
        "20é6-01-01",
    ] {
        check(neither, false, false);
    }
}

#[test]
fn windows_have_one_spelling_and_bounds() {
    let check = |text: &str, expected: Option<&str>| {
        let shown = Window::parse(text).ok().map(|window| window.to_string());
        assert_eq!(shown.as_deref(), expected, "{text}");
    };
    check("90d", Some("90d"));
    check("12h", Some("12h"));
    check("48h", Some("2d"));
    check("90m", Some("90m"));
    check("1m", Some("1m"));
    check("1440m", Some("1d"));
    check("36500d", Some("36500d"));
    for wrong in [
        "",
        "d",
        "0d",
        "09d",
        "36501d",
        "99999999999d",
        "4294967295d",
        "1.5h",
        "-1d",
        "+1d",
        "1w",
        "1 d",
        "1é",
        "1D",
        "90",
    ] {
        check(wrong, None);
    }
    let day = Window::parse("1d").expect("a window");
    assert_eq!(day.minutes(), 1_440);
    let time = Timestamp::from_micros(7).expect("an instant");
    assert_eq!(day.end(time).micros(), 86_400_000_007);
    assert_eq!(day.end(Timestamp::MAX), Timestamp::MAX);
}

#[test]
fn attributes_are_checked_leaf_by_leaf() {
    let model = model(
        "plan:text='free','gold' age:integer old:text? tags:set/text='a','b' hint:text='x'+ address:object \
         address.country:text home.city:text gone:object?",
    );
    let check = |own: &str, written: &str, expected: &str| {
        let checked = model.check_attribute(&path(own), &value(written));
        let shown = checked.map_or_else(|problem| format!("{}: {}", problem.code, problem.message()), |()| "ok".into());
        assert_eq!(shown, expected, "{own}={written}");
    };
    check("plan", "'gold'", "ok");
    check("plan", "'silver'", "attribute_not_allowed: one of free, gold is expected path=plan");
    check("plan", "1", "attribute_type_mismatch: text is expected path=plan found=integer");
    check("plan", "{}", "attribute_type_mismatch: text is expected path=plan found=object");
    check("plan.name", "'x'", "attribute_type_mismatch: text, not an object, is expected path=plan.name found=text");
    check("age", "3", "ok");
    check("age", "3.5", "attribute_type_mismatch: integer is expected path=age found=number");
    check("old", "'x'", "attribute_inactive: an active attribute is expected path=old");
    check("gone.x", "'x'", "attribute_inactive: an active attribute is expected path=gone.x");
    check("tags", "['a']", "ok");
    check("tags", "<'a' 'b'>", "ok");
    check("tags", "['a' 'c']", "attribute_not_allowed: one of a, b is expected path=tags");
    check("tags", "['a' 1]", "attribute_type_mismatch: set of text is expected path=tags found=list");
    check("hint", "'y'", "ok");
    check("address", "{}", "ok");
    check("address", "'x'", "attribute_type_mismatch: object is expected path=address found=text");
    check("address.city", "'x'", "ok");
    check("address.geo.lat", "1", "ok");
    check("address.country", "1", "attribute_type_mismatch: text is expected path=address.country found=integer");
    check("home", "{}", "ok");
    check("home", "'x'", "attribute_type_mismatch: object is expected path=home found=text");
    check(
        "home.street",
        "'x'",
        "attribute_unregistered: a registered attribute is expected path=home.street found=text",
    );
    check("homes", "t1", "attribute_unregistered: a registered attribute is expected path=homes found=date_time");
    let member = |own: &str, written: &str, expected: &str| {
        let member = value(written);
        let checked = model.check_attribute(&path(own).member(&member).expect("a member"), &member);
        let shown = checked.map_or_else(|problem| format!("{}: {}", problem.code, problem.message()), |()| "ok".into());
        assert_eq!(shown, expected, "{own} with {written}");
    };
    member("tags", "'a'", "ok");
    member("tags", "'c'", "attribute_not_allowed: one of a, b is expected path=tags");
    member("tags", "1", "attribute_type_mismatch: set of text is expected path=tags found=set");
    member("plan", "'gold'", "attribute_type_mismatch: text is expected path=plan found=set");
    member("old", "'x'", "attribute_inactive: an active attribute is expected path=old");
    member("address.any", "'x'", "ok");
    member("home", "'x'", "attribute_type_mismatch: object is expected path=home found=set");
    member("unknown", "'x'", "attribute_unregistered: a registered attribute is expected path=unknown found=set");
    for any in ["plan", "age", "old", "address.country", "home", "home.street", "unknown"] {
        check(any, "null", "ok");
    }
}

#[test]
fn many_allowed_values_are_not_all_listed() {
    let values = (0..12).map(|number| Value::Number(Decimal::from_u64(number))).collect();
    let mut attribute = Attribute::new(Type::Scalar(Scalar::Number));
    attribute.allowed = Some(Allowed { values, others: false });
    let attributes = BTreeMap::from([(path("n"), attribute)]);
    let model = DataModel::new(Definition { attributes, ..Definition::default() }).expect("a model");
    let problem = model.check_attribute(&path("n"), &value("99")).expect_err("not allowed");
    assert_eq!(problem.expected, "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
}

#[test]
fn events_are_checked_whole() {
    let order = EventType {
        properties: properties("total:number! currency:text='EUR','USD' cart:object cart.id:text! geo.lat:number"),
        items: BTreeMap::from([(
            path("products"),
            ItemList { required: true, properties: properties("sku:text! price:number size.width:integer") },
        )]),
        ..EventType::default()
    };
    let closed = EventType { status: Status::Inactive, ..EventType::default() };
    let event_types = BTreeMap::from([("Order".into(), order), ("Closed".into(), closed)]);
    let model = DataModel::new(Definition { event_types, ..Definition::default() }).expect("a model");
    let check = |name: &str, written: &str, expected: &[&str]| {
        let problems = model.check_event(name, &value(written));
        let shown: Vec<String> = problems.iter().map(|own| format!("{} {}", own.code, own.path)).collect();
        assert_eq!(shown, expected, "{name} {written}");
    };
    let whole = "total:1 cart:{id:'c'} products:[{sku:'a'}]";
    let with = |more: &str| format!("{{{whole} {more}}}");
    check("Order", &with(""), &[]);
    check("Order", &with("currency:'EUR' geo:{lat:1.5}"), &[]);
    check("Order", &with("currency:null"), &[]);
    check("Order", &with("currency:'GBP'"), &["property_not_allowed currency"]);
    check("Order", &with("coupon:'x'"), &["property_unregistered coupon"]);
    check("Order", &with("geo:{lat:1 lon:2}"), &["property_unregistered geo.lon"]);
    check("Order", &with("geo:7"), &["property_type_mismatch geo"]);
    check("Order", "{total:1 cart:{id:'c' more:{x:1}} products:[]}", &[]);
    check("Order", "{total:1 cart:{id:7} products:[]}", &["property_type_mismatch cart.id"]);
    check("Order", "{total:1 cart:'x' products:[]}", &["property_missing cart.id", "property_type_mismatch cart"]);
    check("Order", "{total:null cart:{id:'c'} products:[]}", &["property_missing total"]);
    check("Order", "{}", &["property_missing cart.id", "property_missing total", "property_missing products"]);
    check("Order", "null", &["property_missing cart.id", "property_missing total", "property_missing products"]);
    check("Order", "{total:1 cart:{id:'c'} products:{}}", &["property_type_mismatch products"]);
    check(
        "Order",
        "{total:1 cart:{id:'c'} products:[{sku:'a' price:'x'} {price:1} 7 {sku:'b' size:{width:1.5 height:2}}]}",
        &[
            "property_type_mismatch products[0].price",
            "property_missing products[1].sku",
            "property_type_mismatch products[2]",
            "property_unregistered products[3].size.height",
            "property_type_mismatch products[3].size.width",
        ],
    );
    check("Closed", "{}", &["event_type_inactive "]);
    check("Other", "{}", &["event_type_unregistered "]);
    check("order", "{}", &["event_type_unregistered "]);
    let many: String = (0..50).map(|at| format!("p{at}:1 ")).collect();
    assert_eq!(model.check_event("Order", &value(&with(&many))).len(), DataModel::PROBLEMS_MAX);
}

#[test]
fn definitions_have_bounds() {
    let check = |change: &dyn Fn(&mut Definition), expected: &str| {
        let mut definition = Definition {
            attributes: attributes("plan:text address:object address.city:text"),
            event_types: BTreeMap::from([("Order".into(), EventType::default())]),
            ..Definition::default()
        };
        change(&mut definition);
        let shown = DataModel::new(definition).map_or_else(|error| error.to_string(), |_| "ok".into());
        assert_eq!(shown, expected);
    };
    let order = |definition: &mut Definition, change: &dyn Fn(&mut EventType)| {
        change(definition.event_types.get_mut("Order").expect("it was put there"));
    };
    let many = |count: usize| -> String { (0..count).map(|at| format!("a{at}:text ")).collect() };
    check(&|_| {}, "ok");
    check(&|own| own.attributes = attributes(&many(2_000)), "ok");
    check(&|own| own.attributes = attributes(&many(2_001)), "too many attributes count=2001 max=2000");
    check(
        &|own| own.event_types = (0..501).map(|at| (format!("e{at}").into(), EventType::default())).collect(),
        "too many event types count=501 max=500",
    );
    check(
        &|own| own.datasets = (0..1_001).map(|at| (format!("d{at}").into(), Mode::Warn)).collect(),
        "too many datasets count=1001 max=1000",
    );
    check(
        &|own| order(own, &|order| order.properties = properties(&many(201))),
        "too many properties count=201 max=200 name=Order",
    );
    check(
        &|own| {
            order(own, &|order| {
                order.properties = properties(&many(150));
                let list = ItemList { required: false, properties: properties(&many(51)) };
                order.items = BTreeMap::from([(path("items"), list)]);
            });
        },
        "too many properties count=201 max=200 name=Order",
    );
    check(
        &|own| {
            order(own, &|order| {
                order.items = (0..11).map(|at| (path(&format!("i{at}")), ItemList::default())).collect();
            });
        },
        "too many item lists count=11 max=10 name=Order",
    );
    let names = "the name of an event type is 1 to 200 printable characters without blanks at its ends";
    for name in ["", " x", "x ", "a\nb", &"x".repeat(201)] {
        check(&|own| own.event_types = BTreeMap::from([(name.into(), EventType::default())]), names);
    }
    check(
        &|own| own.datasets = BTreeMap::from([("".into(), Mode::Open)]),
        "the name of a dataset is 1 to 100 printable characters without blanks at its ends",
    );
    check(
        &|own| own.attributes = attributes("plan:text plan.name:text"),
        "nothing can lie below what is no object path=plan.name above=plan",
    );
    check(
        &|own| own.attributes = attributes("a:object a.b:list a.b.c.d:text"),
        "nothing can lie below what is no object path=a.b.c.d above=a.b",
    );
    check(
        &|own| {
            order(own, &|order| {
                order.properties = properties("products.x:text");
                order.items = BTreeMap::from([(path("products"), ItemList::default())]);
            });
        },
        "nothing can lie below what is no object path=products.x above=products",
    );
    check(
        &|own| {
            order(own, &|order| {
                order.properties = properties("products:list");
                order.items = BTreeMap::from([(path("products"), ItemList::default())]);
            });
        },
        "a property and a list of items of one name path=Order: products",
    );
    let type_expected =
        |own: &str| format!("an allowed value is expected to be of type {own}, texts of at most 500 bytes path=a");
    check(&|own| own.attributes = attributes("a:integer=1,2.5"), &type_expected("integer"));
    check(&|own| own.attributes = attributes("a:set/text='x',1"), &type_expected("set of text"));
    check(&|own| own.attributes = attributes("a:list=null"), &type_expected("list"));
    let long = "x".repeat(501);
    check(&|own| own.attributes = attributes(&format!("a:text='{long}'")), &type_expected("text"));
    check(&|own| own.attributes = attributes("a:object='x'"), "an object has no allowed values path=a");
    let set = |change: &dyn Fn(&mut Attribute)| {
        let mut attribute = Attribute::new(Type::Scalar(Scalar::Number));
        change(&mut attribute);
        BTreeMap::from([(path("a"), attribute)])
    };
    check(
        &|own| own.attributes = set(&|a| a.allowed = Some(Allowed::default())),
        "allowed values are at least one, or left out path=a",
    );
    check(
        &|own| {
            let values = (0..1_001).map(|number| Value::Number(Decimal::from_u64(number))).collect::<Vec<_>>();
            own.attributes = set(&|a| a.allowed = Some(Allowed { values: values.clone(), others: true }));
        },
        "too many allowed values count=1001 max=1000 name=a",
    );
    let window = |text: &str| Some(Window::parse(text).expect("a window"));
    check(
        &|own| own.attributes = set(&|a| (a.relevance, a.retention) = (window("2d"), window("24h"))),
        "retention is at least as long as relevance path=a relevance=2d retention=1d",
    );
    check(&|own| own.attributes = set(&|a| (a.relevance, a.retention) = (window("1d"), window("24h"))), "ok");
    check(
        &|own| own.attributes = set(&|a| a.label = Some("x".repeat(101).into())),
        "a label has at most 100 characters name=a",
    );
    check(
        &|own| own.attributes = set(&|a| a.description = Some("x".repeat(501).into())),
        "a description has at most 500 characters name=a",
    );
}

#[test]
fn flags_hide_what_lies_below_too() {
    let mut registered = attributes("plan:text address:object address.geo:object ssn:text both:text");
    let mut flag = |name: &str, internal, private| {
        registered.get_mut(&path(name)).expect("it was put there").flags = Flags { internal, private };
    };
    flag("address", true, false);
    flag("ssn", false, true);
    flag("both", true, true);
    let model = DataModel::new(Definition { attributes: registered, ..Definition::default() }).expect("a model");
    let check = |internal, private, hidden: &str| {
        let visibility = Flags { internal, private };
        let shown: Vec<&str> = model.hidden(visibility).iter().map(Path::as_str).collect();
        assert_eq!(shown.join(" "), hidden);
        for own in ["plan", "address", "address.city", "address.geo.lat", "ssn", "both", "unknown"] {
            let root = own.split('.').next().unwrap_or_default();
            assert_eq!(model.is_hidden(&path(own), visibility), shown.contains(&root), "{own}");
        }
    };
    check(false, false, "address both ssn");
    check(true, false, "both ssn");
    check(false, true, "address both");
    check(true, true, "");
}

#[test]
fn a_dataset_has_its_own_mode_or_the_workspaces() {
    let of = |mode, datasets: &[(&str, Mode)]| {
        let datasets = datasets.iter().map(|(name, mode)| (Arc::from(*name), *mode)).collect();
        DataModel::new(Definition { mode, datasets, ..Definition::default() }).expect("a model")
    };
    let model = of(Mode::Warn, &[("crm", Mode::Strict), ("lab", Mode::Open)]);
    assert_eq!(["crm", "lab", "web"].map(|name| model.mode_of(name)), [Mode::Strict, Mode::Open, Mode::Warn]);
    assert!(!model.is_open());
    assert!(!of(Mode::Open, &[("crm", Mode::Warn)]).is_open());
    assert!(of(Mode::Open, &[("crm", Mode::Open)]).is_open());
    assert!(!of(Mode::Warn, &[("crm", Mode::Open)]).is_open());
    assert!(DataModel::default().is_open());
}

#[test]
fn what_is_stored_contradicts_by_type_and_value_alone() {
    let registered = model("plan:text='free','gold' old:text? address.country:text home:object tags:set/text");
    let check = |own: &str, written: &str, expected: &str| {
        let checked = registered.check_stored_attribute(&path(own), &value(written));
        assert_eq!(checked.map_or_else(|problem| problem.code, |()| "ok"), expected, "{own}={written}");
    };
    check("plan", "'gold'", "ok");
    check("plan", "null", "ok");
    check("plan", "7", "attribute_type_mismatch");
    check("plan", "'silver'", "attribute_not_allowed");
    check("plan.x", "7", "attribute_type_mismatch");
    check("old", "'x'", "ok");
    check("old", "7", "attribute_type_mismatch");
    check("unknown", "7", "ok");
    check("address", "7", "attribute_type_mismatch");
    check("address.city", "7", "ok");
    check("home.city", "7", "ok");
    let member = |written: &str| path("tags").member(&value(written)).expect("a member");
    assert!(registered.check_stored_attribute(&member("'a'"), &value("'a'")).is_ok());
    assert!(registered.check_stored_attribute(&member("7"), &value("7")).is_err());

    let order = EventType {
        status: Status::Inactive,
        properties: properties("total:number!"),
        items: BTreeMap::from([(path("l"), ItemList { required: false, properties: properties("sku:text!") })]),
        ..EventType::default()
    };
    let event_types = BTreeMap::from([("Order".into(), order)]);
    let model = DataModel::new(Definition { event_types, ..Definition::default() }).expect("a model");
    let check = |name: &str, written: &str, expected: &[&str]| {
        let problems = model.check_stored_event(name, &value(written));
        let shown: Vec<String> = problems.iter().map(|own| format!("{} {}", own.code, own.path)).collect();
        assert_eq!(shown, expected, "{name} {written}");
    };
    let many: String = (0..30).map(|at| format!("p{at}:1 ")).collect();
    check("Order", &format!("{{{many} total:1}}"), &[]);
    check("Order", &format!("{{{many} z:1 total:'x'}}"), &["property_type_mismatch total"]);
    check("Order", "{total:1 l:[{sku:'a' more:1} {more:1}]}", &["property_missing l[1].sku"]);
    check("Other", "{}", &[]);
}

#[test]
fn only_what_asks_otherwise_is_stricter() {
    let of = |attributes_text: &str, types: &[(&str, &str)]| {
        let event_types = types
            .iter()
            .map(|(name, text)| (Arc::from(*name), EventType { properties: properties(text), ..EventType::default() }));
        let definition = Definition {
            attributes: attributes(attributes_text),
            event_types: event_types.collect(),
            ..Definition::default()
        };
        DataModel::new(definition).expect("a model")
    };
    let check = |before: &DataModel, after: &DataModel, attributes: bool, event_types: &[&str]| {
        let stricter = after.stricter_than(before);
        assert_eq!(stricter.attributes, attributes);
        assert_eq!(stricter.event_types.iter().map(|name| &**name).collect::<Vec<_>>(), event_types);
        assert_eq!(stricter.is_nothing(), !attributes && event_types.is_empty());
    };
    let nothing = DataModel::default();
    let one = of("a:text='x'", &[("O", "total:number!"), ("E", "")]);
    check(&nothing, &nothing, false, &[]);
    check(&nothing, &one, true, &["O"]);
    check(&one, &one, false, &[]);
    check(&one, &nothing, false, &[]);
    check(&one, &of("a:text?='x'", &[("O", "total:number!")]), false, &[]);
    check(&one, &of("a:text='x'+", &[("O", "total:number")]), true, &["O"]);
    check(&one, &of("a:number", &[("O", "total:number! more:text")]), true, &["O"]);
    let mut quiet = one.definition().clone();
    quiet.mode = Mode::Strict;
    let order = quiet.event_types.get_mut("O").expect("it was put there");
    (order.status, order.flags.private, order.label) = (Status::Inactive, true, Some("Order".into()));
    quiet.attributes.get_mut(&path("a")).expect("it was put there").flags.private = true;
    check(&one, &DataModel::new(quiet).expect("a model"), false, &[]);
    let mut listed = one.definition().clone();
    listed.event_types.get_mut("O").expect("it was put there").items.insert(path("l"), ItemList::default());
    check(&one, &DataModel::new(listed).expect("a model"), false, &["O"]);
}
