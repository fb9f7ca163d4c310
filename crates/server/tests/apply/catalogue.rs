//! The catalogue of standard events that comes with the project: applied, it lets in what it names and nothing else.

use serde_json::{Value, json};

use super::{Ended, World};

const CATALOGUE: &str = include_str!("../../../../docs/models/dfinery.yaml");

fn event(at: u8, name: &str, items: &Value, properties: &Value) -> Value {
    json!({
        "event_log_id": format!("3b0d7c52-6a1f-4c6e-9d3a-0c6b5a2f7e{at:02}"), "event_name": name,
        "event_datetime": "2020-02-03T04:05:06Z", "event_items": items, "event_properties": properties
    })
}

#[test]
fn the_catalogue_of_standard_events_is_applied() {
    let world = World::new();
    world.write("dfinery.yaml", CATALOGUE);
    let Ended(code, told, complained) = world.apply(&[]);
    assert_eq!((code, complained.as_str()), (Some(0), ""), "{told}");
    let model = world.model();
    let (attributes, types) = (&model["model"]["attributes"], &model["model"]["event_types"]);
    assert_eq!(
        (attributes.as_object().map(serde_json::Map::len), types.as_object().map(serde_json::Map::len)),
        (Some(9), Some(15))
    );
    let Ended(_, again, _) = world.apply(&[]);
    assert!(again.starts_with("nothing to change"), "{again}");

    let item =
        json!([{ "df_item_id": "1", "df_item_name": "Mug", "df_price": 12.5, "df_quantity": 2, "df_discount": 0.0 }]);
    let order = json!({
        "df_order_id": "5", "df_payment_method": "Card", "df_total_purchase_amount": 25.0, "df_delivery_charge": 3.0
    });
    let sent = json!({ "common": { "identity": { "external_id": "ann" } }, "events": [
        event(1, "df_purchase", &item, &order),
        event(2, "df_login", &Value::Null, &Value::Null),
        event(3, "df_purchase", &item, &Value::Null),
        event(4, "df_purchase", &json!([{ "df_item_id": "1" }]), &order),
        event(5, "df_view_product_details", &Value::Null, &Value::Null),
        event(6, "df_dance", &Value::Null, &Value::Null),
    ] });
    let (status, answer) =
        world.client.send("POST", "/api/v1/events?service_id=default", sent.to_string().as_bytes()).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((status, &answer["code"]), (200, &json!("20000")), "{answer}");
    let timeline = world.client.get("/v1/profiles/identifier/user_id/ann/events").expect("a timeline");
    let mut names: Vec<&str> =
        timeline["events"].as_array().expect("events").iter().filter_map(|own| own["event"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["df_login", "df_purchase", "df_view_product_details"], "{timeline}");
}
