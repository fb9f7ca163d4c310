//! The data model as a part of the configuration: its changes, its version, its row.

use std::collections::BTreeMap;

use tessera_engine::model::{
    Allowed, Attribute, DataModel, Definition, EventType, Flags, ItemList, Mode, Property, Scalar, Status, Type, Window,
};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};

use super::*;

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn window(text: &str) -> Option<Window> {
    Some(Window::parse(text).expect("a window"))
}

fn plan() -> Attribute {
    Attribute::new(Type::Scalar(Scalar::Text))
}

/// One of everything that a model can hold.
fn full() -> Definition {
    let scalars = Scalar::ALL.into_iter().map(|scalar| (path(scalar.name()), Attribute::new(Type::Scalar(scalar))));
    let mut attributes: BTreeMap<Path, Attribute> = scalars.collect();
    let values = vec![Value::text("gold"), Value::Number(Decimal::ONE), Value::Bool(true)];
    let tags = Attribute {
        status: Status::Inactive,
        flags: Flags { internal: true, private: false },
        label: Some("Tags".into()),
        description: Some("What they like".into()),
        allowed: Some(Allowed { values, others: true }),
        relevance: window("12h"),
        retention: window("90d"),
        ..Attribute::new(Type::Set { of: None })
    };
    attributes.insert(path("tags"), tags);
    attributes.insert(path("codes"), Attribute::new(Type::List { of: Some(Scalar::Integer) }));
    attributes.insert(path("days"), Attribute::new(Type::Set { of: Some(Scalar::Date) }));
    attributes.insert(path(r"a\.b.c"), Attribute::new(Type::Object));
    let total = Property {
        required: true,
        flags: Flags { internal: false, private: true },
        description: Some("With taxes".into()),
        allowed: Some(Allowed { values: vec![Value::Number(Decimal::ZERO)], others: false }),
        ..Property::new(Type::Scalar(Scalar::Number))
    };
    let order = EventType {
        status: Status::Inactive,
        flags: Flags { internal: true, private: true },
        label: Some("Order".into()),
        description: Some("Somebody bought".into()),
        properties: BTreeMap::from([(path("total"), total)]),
        items: BTreeMap::from([(
            path("products"),
            ItemList {
                required: true,
                properties: BTreeMap::from([(path("sku"), Property::new(Type::Scalar(Scalar::Text)))]),
            },
        )]),
        retention: window("730d"),
    };
    Definition {
        mode: Mode::Warn,
        datasets: BTreeMap::from([("crm".into(), Mode::Strict), ("lab".into(), Mode::Open)]),
        attributes,
        event_types: BTreeMap::from([("Order".into(), order), ("Visit".into(), EventType::default())]),
    }
}

fn changed(config: &StoredConfig, change: ModelChange) -> StoredConfig {
    with_model(config, changed_model(config, &change, None).expect("a model"), Timestamp::MIN).expect("a configuration")
}

#[test]
fn the_record_of_the_model_is_frozen() {
    let config = changed(&StoredConfig::default(), ModelChange::Replace(Box::new(full())));
    let row = encode_model(config.model());
    codec::golden("config-model-1", &row);
    assert_eq!(&decode_model(&row).unwrap(), config.model());
}

#[test]
fn a_model_is_written_where_it_changes_and_read_with_the_rest() {
    let before = StoredConfig::default();
    let after = changed(&before, ModelChange::Replace(Box::new(full())));
    let parts = |config: &StoredConfig, before: &StoredConfig| -> Vec<Part> {
        rows(config, before).into_iter().map(|(part, _)| part).collect()
    };
    assert_eq!(parts(&after, &before), [Part::Main, Part::Model]);
    let limited = set_limits(&after, LimitOverrides { hub_links_max: Some(7), ..LimitOverrides::default() }).unwrap();
    assert_eq!(parts(&limited, &after), [Part::Main, Part::Sweeps], "hubs are found anew");
    let (written, more) = (rows(&after, &before), rows(&limited, &after));
    let stored = more.iter().chain(&written[1..]).map(|(part, bytes)| (*part, &**bytes));
    assert_eq!(read(stored).unwrap(), limited);
}

#[test]
fn a_model_has_a_version_of_its_own_and_stays_where_nothing_differs() {
    let set = || ModelChange::SetAttribute(path("plan"), Box::new(plan()));
    let one = changed(&StoredConfig::default(), set());
    assert_eq!((one.model().version, one.version()), (1, 2));
    assert_eq!(changed(&one, set()), one);
    let two = changed(&one, ModelChange::RemoveAttribute(path("plan")));
    assert_eq!((two.model().version, two.version()), (2, 3));
    let renamed = add_namespace(&two, new("member_card")).unwrap();
    assert_eq!((renamed.model().version, renamed.version()), (2, 4));
}

#[test]
fn changes_are_refused_by_code() {
    let config = changed(&StoredConfig::default(), ModelChange::Replace(Box::new(full())));
    let check = |change: ModelChange, expected: Option<u64>, code: &str| {
        let outcome =
            changed_model(&config, &change, expected).and_then(|model| with_model(&config, model, Timestamp::MIN));
        assert_eq!(outcome.map_or_else(|error| error.code, |_| "ok"), code);
    };
    let set = |name: &str| ModelChange::SetAttribute(path(name), Box::new(plan()));
    check(set("plan"), None, "ok");
    check(set("plan"), Some(1), "ok");
    check(set("plan"), Some(0), "data_model_changed");
    check(set("text.more"), None, "data_model_invalid");
    check(set("_updated_at"), None, "data_model_invalid");
    check(set("profile_id.x"), None, "data_model_invalid");
    check(set(r"profile_id\.x"), None, "ok");
    check(ModelChange::RemoveAttribute(path("plan")), None, "attribute_not_found");
    check(ModelChange::RemoveEventType("Nothing".into()), None, "event_type_not_found");
    check(ModelChange::RemoveDatasetMode("web".into()), None, "dataset_mode_not_found");
    let many = (0..=DataModel::ATTRIBUTES_MAX).map(|at| (path(&format!("a{at}")), plan())).collect();
    let many = Definition { attributes: many, ..Definition::default() };
    check(ModelChange::Replace(Box::new(many)), None, "data_model_full");
    let wordy = Attribute { description: Some("x".repeat(500).into()), ..plan() };
    let large = (0..1_500).map(|at| (path(&format!("a{at}")), wordy.clone())).collect();
    let large = Definition { attributes: large, ..Definition::default() };
    check(ModelChange::Replace(Box::new(large)), None, "config_too_large");
}
