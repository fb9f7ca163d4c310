//! What only this product can do, shown on the purchases of the demo: who is who, rules over a history, a merge undone.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use super::CUSTOMER;
use crate::client::Client;

/// Another customer, who is taken for the same for a moment.
const OTHER: &str = "20873";
/// A browser that nobody is known by.
const BROWSER: &str = "browser-1";

/// Shows it, step by step.
pub(super) fn show(client: &Client, out: &mut dyn std::io::Write) -> Result<()> {
    visitor(client, out)?;
    rules(client, out)?;
    merge_undone(client, out)
}

/// A visitor becomes known.
fn visitor(client: &Client, out: &mut dyn std::io::Write) -> Result<()> {
    writeln!(out, "1. A visitor becomes known\n")?;
    let viewed = json!({ "anonymousId": BROWSER, "event": "Product Viewed", "properties": { "sku": "CD-17" } });
    post(client, "/v1/track", &viewed)?;
    let before = profile(client, "anonymous_id", BROWSER)?;
    writeln!(out, "   A browser looks at a product. It is a profile of its own: {}", before["profile_id"])?;
    let identify = json!({ "userId": CUSTOMER, "anonymousId": BROWSER,
        "traits": { "email": "ann@shop.example", "first_name": "Ann" } });
    post(client, "/v1/identify", &identify)?;
    let after = profile(client, "anonymous_id", BROWSER)?;
    writeln!(out, "   It signs in as customer {CUSTOMER}. Asked by the browser, the answer is now:\n")?;
    person(client, &after, out)?;
    Ok(())
}

/// A computed attribute and a segment over purchases that were there before.
fn rules(client: &Client, out: &mut dyn std::io::Write) -> Result<()> {
    writeln!(out, "2. A computed attribute and a segment, over a history that was there before\n")?;
    let revenue = "xEvent[eventType = \"Order Completed\"].sum(properties.total)";
    put(client, "/v1/attributes/revenue", &json!({ "pql": revenue, "description": "What somebody has spent" }))?;
    await_active(client, "/v1/attributes/revenue")?;
    let best = "revenue >= 500 and xEvent[eventType = \"Order Completed\"].count() >= 10";
    put(client, "/v1/segments/best_customers", &json!({ "pql": best }))?;
    let segment = await_active(client, "/v1/segments/best_customers")?;
    writeln!(out, "   revenue        = {revenue}")?;
    writeln!(out, "   best_customers = {best}")?;
    let page = get(client, "/v1/segments/best_customers/members?limit=3")?;
    let some = page["members"].as_array().map_or(0, Vec::len);
    writeln!(out, "   {} of 2,357 customers are in it; the first {some}:", segment["count"])?;
    for member in page["members"].as_array().into_iter().flatten() {
        let id = member["profile_id"].as_str().context("a member has an id")?;
        let shown = get(client, &format!("/v1/profiles/id/{id}"))?;
        writeln!(out, "     user {} with {}", shown["user_id"], shown["revenue"])?;
    }
    let why = get(client, &format!("/v1/segments/best_customers/explain?namespace=user_id&value={CUSTOMER}"))?;
    writeln!(out, "   Is customer {CUSTOMER}, and why?  {}", why["value"])?;
    for part in why["why"]["parts"].as_array().into_iter().flatten() {
        let inputs = part["inputs"].as_array().into_iter().flatten();
        let inputs: Vec<String> =
            inputs.map(|own| format!("{} is {}", own["pql"].as_str().unwrap_or("it"), own["value"])).collect();
        writeln!(
            out,
            "     {} {}   {}",
            mark(&part["holds"]),
            part["pql"].as_str().unwrap_or_default(),
            inputs.join(", ")
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn mark(holds: &Value) -> &'static str {
    if *holds == Value::Bool(true) { "yes" } else { "no " }
}

/// Two people are joined by hand, and parted again as if it had never been.
fn merge_undone(client: &Client, out: &mut dyn std::io::Write) -> Result<()> {
    writeln!(out, "3. A merge, undone\n")?;
    let before = (profile(client, "user_id", CUSTOMER)?, profile(client, "user_id", OTHER)?);
    let told = |what: &str, one: &Value, other: &Value| {
        format!("   {what:<22} {CUSTOMER}: {}, {OTHER}: {}", one["revenue"], other["revenue"])
    };
    writeln!(out, "{}", told("Before, the revenue of", &before.0, &before.1))?;
    let identity = |value: &str| json!({ "namespace": "user_id", "value": value });
    let join = json!({ "type": "join", "identities": [identity(CUSTOMER), identity(OTHER)] });
    let joined = post(client, "/v1/directives", &join)?;
    let (one, other) = (profile(client, "user_id", CUSTOMER)?, profile(client, "user_id", OTHER)?);
    ensure!(one["profile_id"] == other["profile_id"], "the two are one");
    writeln!(out, "{}", told("Joined, they are one", &one, &other))?;
    let id = joined["id"].as_str().or(joined["directive"]["id"].as_str()).context("a directive has an id")?;
    post(client, "/v1/directives", &json!({ "type": "undo", "directive": id }))?;
    let after = (profile(client, "user_id", CUSTOMER)?, profile(client, "user_id", OTHER)?);
    writeln!(out, "{}", told("Undone, as before", &after.0, &after.1))?;
    let kept = |shown: &Value| (shown["profile_id"].clone(), shown["revenue"].clone(), shown["_audiences"].clone());
    ensure!(kept(&before.0) == kept(&after.0) && kept(&before.1) == kept(&after.1), "nothing was lost");
    writeln!(out)?;
    Ok(())
}

/// A profile as a person would read it.
fn person(client: &Client, shown: &Value, out: &mut dyn std::io::Write) -> Result<()> {
    let members = shown.as_object().context("a profile is an object")?;
    for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('_')) {
        writeln!(out, "     {name:<14} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
    }
    let id = shown["profile_id"].as_str().context("a profile has an id")?;
    let events = get(client, &format!("/v1/profiles/id/{id}/events?limit=3"))?;
    for event in events["events"].as_array().or(events["items"].as_array()).into_iter().flatten() {
        let name = event["event"].as_str().or(event["type"].as_str()).unwrap_or("event");
        writeln!(out, "     {} {name} {}", event["timestamp"].as_str().unwrap_or_default(), event["properties"])?;
    }
    writeln!(out)?;
    Ok(())
}

fn profile(client: &Client, namespace: &str, value: &str) -> Result<Value> {
    get(client, &format!("/v1/profiles/identifier/{namespace}/{value}"))
}

/// Waits until a rule has been brought to everybody, and answers it.
fn await_active(client: &Client, path: &str) -> Result<Value> {
    loop {
        let rule = get(client, path)?;
        if rule["status"] == "active" && rule["next"].is_null() {
            return Ok(rule);
        }
        let job = rule["building"]["job"].as_str().map(|job| format!("/v1/jobs/{job}/watch"));
        match job {
            // It ends with the job.
            Some(job) => client.events(&job)?.for_each(drop),
            None => crate::world::pause(std::time::Duration::from_millis(20)),
        }
    }
}

fn get(client: &Client, path: &str) -> Result<Value> {
    client.json(Method::GET, path, None)
}

fn post(client: &Client, path: &str, body: &Value) -> Result<Value> {
    client.json(Method::POST, path, Some(body))
}

fn put(client: &Client, path: &str, body: &Value) -> Result<Value> {
    client.json(Method::PUT, path, Some(body))
}
