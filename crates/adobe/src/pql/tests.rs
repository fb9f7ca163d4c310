//! Rules of this API in our names, and back: each sample of spec/adobe.md sections 6, 7, 14 to 16 in words of its own.

use tessera_expr::pql::{parse, print};

use super::*;

fn places() -> Places {
    let place = |names: &[&str], own: &str| (names.iter().map(|name| Name::from(*name)).collect(), Name::from(own));
    Places::new([
        place(&["_acme", "purchaseSummary", "totalSpend"], "_acme_purchaseSummary_totalSpend"),
        place(&["_acme", "purchaseSummary", "countPurchases"], "_acme_purchaseSummary_countPurchases"),
        place(&["_acme", "SystemComputedAttributes", "orders"], "orders"),
    ])
}

/// What is read of a rule, and that it is told as it was said, in the language's one spelling.
fn check(theirs_said: &str, ours_said: &str) {
    let (read, expected) = (parse(theirs_said).expect(theirs_said), parse(ours_said).expect(ours_said));
    let own = ours(read.clone(), &places());
    assert_eq!(own, expected, "{theirs_said}");
    assert_eq!(print(&theirs(own, &places())), print(&read), "{ours_said}");
}

#[test]
fn samples_of_computed_attributes_are_read() {
    for (said, own) in [
        // Section 6.7: the functions of the current generation.
        (
            "xEvent[(commerce.checkouts.value > 0.0 or commerce.purchases.value > 1.0) and (timestamp occurs <= 7 days before now)].sum(commerce.order.priceTotal)",
            "xEvent[(properties.commerce.checkouts.value > 0.0 or properties.commerce.purchases.value > 1.0) and (timestamp occurs <= 7 days before now)].sum(properties.commerce.order.priceTotal)",
        ),
        ("xEvent[eventType = \"application.login\"].count()", "xEvent[eventType = \"application.login\"].count()"),
        (
            "xEvent[commerce.shipping.shipDate occurs <= 1 days before now].min(commerce.shipping.shipDate)",
            "xEvent[properties.commerce.shipping.shipDate occurs <= 1 days before now].min(properties.commerce.shipping.shipDate)",
        ),
        ("xEvent.max(timestamp)", "xEvent.max(timestamp)"),
        (
            "xEvent[web.webPageDetails.name.isNotNull()].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": web.webPageDetails.name}).head()",
            "xEvent[properties.web.webPageDetails.name.isNotNull()].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": properties.web.webPageDetails.name}).head()",
        ),
        // Section 7: the flavours of the alpha.
        ("person.birthDate.getMonth() = currentMonth()", "person.birthDate.getMonth() = currentMonth()"),
        (
            "_acme.purchaseSummary.totalSpend / _acme.purchaseSummary.countPurchases",
            "_acme_purchaseSummary_totalSpend / _acme_purchaseSummary_countPurchases",
        ),
        ("_acme.purchaseSummary.totalSpend > 100", "_acme_purchaseSummary_totalSpend > 100"),
        (
            "chain(xEvent, timestamp, [A: WHAT(eventType = \"web.login\") WHEN(< 8 days before now), B: WHAT(commerce.purchases.value > 0)])",
            "chain(xEvent, timestamp, [A: WHAT(eventType = \"web.login\") WHEN(< 8 days before now), B: WHAT(properties.commerce.purchases.value > 0)])",
        ),
        (
            "xEvent[eventType = \"x\"].groupBy(commerce.order.currencyCode).map((K, G) => mapEntry(K, G.count()))",
            "xEvent[eventType = \"x\"].groupBy(properties.commerce.order.currencyCode).map((K, G) => mapEntry(K, G.count()))",
        ),
        ("{\"a\": xEvent.count(), \"b\": loyalty.tier}", "{\"a\": xEvent.count(), \"b\": loyalty.tier}"),
        (
            "let x = xEvent[device.type = \"mobile\"] in {x.count() / xEvent.count()}",
            "let x = xEvent[properties.device.type = \"mobile\"] in (x.count() / xEvent.count())",
        ),
        (
            "let Y = xEvent[_acme.event.kind = \"get\"].groupBy(_acme.about[name = \"thing\"].value).map({\"what\": this.head()._acme.about.head().value, \"sum\": this.count(), \"today\": this[timestamp occurs today].count()}) in {{\"things\": Y.count(), \"each\": Y}}",
            "let Y = xEvent[properties._acme.event.kind = \"get\"].groupBy(properties._acme.about[name = \"thing\"].value).map({\"what\": this.head().properties._acme.about.head().value, \"sum\": this.count(), \"today\": this[timestamp occurs today].count()}) in ({\"things\": Y.count(), \"each\": Y})",
        ),
        ("favouriteColours[this = \"blue\"].count()", "favouriteColours[this = \"blue\"].count()"),
        ("if(loyalty.points >= 500, \"gold\", \"base\")", "if(loyalty.points >= 500, \"gold\", \"base\")"),
        (
            "xEvent[productListItems[SKU = \"A1\" or ^eventType = \"x\" or ^^loyalty.tier = \"gold\"]].count()",
            "xEvent[properties.productListItems[SKU = \"A1\" or ^eventType = \"x\" or ^^loyalty.tier = \"gold\"]].count()",
        ),
    ] {
        check(said, own);
    }
}

#[test]
fn samples_of_segments_are_read() {
    for (said, own) in [
        (
            "homeAddress.country = \"DE\" and workEmail.address.isNotNull()",
            "homeAddress.country = \"DE\" and workEmail.address.isNotNull()",
        ),
        ("_acme.SystemComputedAttributes.orders >= 3", "orders >= 3"),
        ("_acme.other.orders >= 3", "_acme.other.orders >= 3"),
        ("identityMap.Email.id.includes(\"a@example.org\")", "_identities.email.includes(\"a@example.org\")"),
        ("inSegment(\"4afe34ae-8c98-4513-8a1d-67ccaa54bc05\")", "inSegment(\"4afe34ae-8c98-4513-8a1d-67ccaa54bc05\")"),
        (
            "select A from xEvent where A.eventType = \"trial.start\", B from xEvent where B.eventType = \"commerce.purchases\" and B.timestamp occurs <= 14 days after A.timestamp",
            "select A from xEvent where A.eventType = \"trial.start\", B from xEvent where B.eventType = \"commerce.purchases\" and B.timestamp occurs <= 14 days after A.timestamp",
        ),
        (
            "person.gender in [\"female\"] and CHAIN(xEvent, timestamp, [C0: WHAT(eventType.equals(\"commerce.checkouts\", false)) WHEN(<= 24 hours before now)])",
            "person.gender in [\"female\"] and chain(xEvent, timestamp, [C0: WHAT(eventType.equals(\"commerce.checkouts\", false)) WHEN(<= 24 hours before now)])",
        ),
        ("xEvent.metrics.commerce.abandons.value > 0", "xEvent.properties.metrics.commerce.abandons.value > 0"),
        (
            "exists E from xEvent where E.device.model like \"pixel%\"",
            "exists E from xEvent where E.properties.device.model like \"pixel%\"",
        ),
        // What other doors have sent is found by its own names.
        (
            "xEvent[properties.total > 5 and items.exists(sku = \"1\")].count() > 0",
            "xEvent[properties.total > 5 and items.exists(sku = \"1\")].count() > 0",
        ),
    ] {
        let (read, expected) = (parse(said).expect(said), parse(own).expect(own));
        assert_eq!(ours(read, &places()), expected, "{said}");
    }
}

/// An item of `identityMap.<code>` is an identifier, and what one is compared with has the one spelling of its namespace.
#[test]
fn identifiers_are_asked_for_as_objects_and_as_values() {
    let places = places().spelled(StoredConfig::default().spellings());
    for (said, own) in [
        ("identityMap.Email.exists(id = \"Pia@Shop.EX\")", "_identities.email.exists(this = \"pia@shop.ex\")"),
        (
            "identityMap.email[id = \"pia@shop.ex\"].count() > 0",
            "_identities.email[this = \"pia@shop.ex\"].count() > 0",
        ),
        (
            "exists I from identityMap.email where I.id = \"Pia@Shop.EX\"",
            "exists I from _identities.email where I = \"pia@shop.ex\"",
        ),
        ("identityMap.email.id.includes(\"Pia@Shop.EX\")", "_identities.email.includes(\"pia@shop.ex\")"),
        ("email = \"Pia@Shop.EX\"", "email = \"pia@shop.ex\""),
        ("email in [\"Pia@Shop.EX\"]", "email in [\"pia@shop.ex\"]"),
        ("email.contains(\"Shop\")", "email.contains(\"Shop\")"),
        ("home.email = \"Pia@Shop.EX\"", "home.email = \"Pia@Shop.EX\""),
    ] {
        let (read, expected) = (parse(said).expect(said), parse(own).expect(own));
        assert_eq!(print(&ours(read, &places)), print(&expected), "{said}");
    }
}

#[test]
fn a_rule_is_read_from_text_and_from_nodes() {
    let nodes = r#"{"nodeType":"fnApply","fnName":"and","params":[
        {"nodeType":"fnApply","fnName":"=","params":[
            {"nodeType":"fieldLookup","fieldName":"tier","object":{"nodeType":"fieldLookup","fieldName":"loyalty","object":{"nodeType":"parameterReference","position":1}}},
            {"nodeType":"literal","literalType":"String","value":"gold"}]},
        {"nodeType":"fieldLookup","fieldName":"workEmail","object":{"nodeType":"literal","literalType":"XDMObject","value":"profile"}}]}"#;
    let expected = parse("loyalty.tier = \"gold\" and $1.workEmail").expect("a rule");
    let of = |format: &str, value: Json| {
        let expression = Expression { format: format.to_owned(), value, ..Expression::text(String::new()) };
        expression.read().map_err(|error| error.message.into_owned())
    };
    for (format, value) in [
        (NODES, Json::from(nodes)),
        (NODES, serde_json::from_str(nodes).expect("json")),
        (TEXT, "loyalty.tier = \"gold\" and $1.workEmail".into()),
    ] {
        assert_eq!(of(format, value).map(|read| print(&read)), Ok(print(&expected)), "{format}");
    }
    let nodes = Expression::nodes(&parse("a.b = 1 and xEvent[c].count() > 2").expect("a rule"));
    assert_eq!(nodes.read().map(|read| print(&read)).ok().as_deref(), Some("a.b = 1 and xEvent[c].count() > 2"));
    for (format, value, message) in [
        ("pql/xml", Json::from("a"), "expression.format: pql/text or pql/json is expected"),
        (TEXT, Json::Null, "expression.value: this member is expected"),
        (TEXT, 5.into(), "expression.value: a text is expected"),
        (NODES, "[".into(), "expression.value: a text with the JSON of nodes is expected"),
    ] {
        assert_eq!(of(format, value), Err(message.to_owned()));
    }
    let problem = of(TEXT, "a = \n = 1".into()).expect_err("no rule");
    assert!(
        problem.starts_with("expression.value: expression_syntax: expected ") && problem.contains(" at line 2 column "),
        "{problem}"
    );
}
