//! Advice on a rule, in words.

use tessera_expr::pql;
use tessera_service::rules::{Advice, Letters, Thing, Unheard};

use super::Warning;

impl From<Advice> for Warning {
    fn from(advice: Advice) -> Self {
        match advice {
            Advice::Unheard(own) => unheard(own),
            Advice::OtherType { name, seen, expected, .. } => {
                let message = format!("all that was seen of it are {seen}, and here is expected {expected}");
                Self { kind: "type", name, message }
            }
            Advice::OtherCase { name, written, near, known } => {
                let message = match known {
                    Letters::Spelled => format!("nobody has {written:?}: values of {name} are kept as {near:?}"),
                    Letters::Allowed => format!("{written:?} is not among the allowed values; did you mean {near:?}?"),
                    Letters::Seen(profiles) => format!(
                        "none of {profiles} profiles that were looked at has {written:?}, and some have {near:?}: letters of another case are others"
                    ),
                };
                Self { kind: "letter_case", name, message }
            }
            Advice::NotAllowed { name, written, near } => {
                let meant = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                Self { kind: "value", name, message: format!("{written:?} is not among the allowed values{meant}") }
            }
            Advice::Ends { thing, name, kept, is_endless } => {
                let what = if thing == Thing::Attribute { "values of it" } else { "events of this type" };
                let asked =
                    if is_endless { "and the rule asks for all of them, ever" } else { "and the window is longer" };
                Self { kind: "retention", message: format!("{what} are kept for {kept}, {asked}"), name }
            }
            Advice::TakesNoPart { name, policy } => {
                let message =
                    format!("no dataset that has said it takes part in the merge policy {policy}, so it is nowhere");
                Self { kind: "merge_policy", name, message }
            }
        }
    }
}

fn unheard(own: Unheard) -> Warning {
    let (kind, message) = match (own.thing, own.of) {
        (Thing::Attribute, _) => {
            ("attribute", "no profile has had this attribute, and it is not registered".to_owned())
        }
        (Thing::EventType, _) => {
            ("event_type", "no event of this type has been received, and it is not registered".to_owned())
        }
        (Thing::Property, None) => ("property", "no event has had this property, and it is not registered".to_owned()),
        (Thing::Property, Some(event)) => {
            ("property", format!("no event {event} has had this property, and it is not registered"))
        }
        (Thing::EventPart, _) => (
            "event_part",
            "an event has eventType, timestamp, properties, items, traits and context, and nothing of this name"
                .to_owned(),
        ),
    };
    let meant = own.near.map(|near| format!("; did you mean {near}?"));
    // A word of another language reads as an attribute.
    let foreign =
        || (kind == "attribute").then(|| pql::foreign_function(&own.name)).flatten().map(|hint| format!("; {hint}"));
    // Or a text or the name of a segment does.
    let bare = || {
        (kind == "attribute").then(|| {
            "; a text stands in double quotes, and who is in a segment is asked by inSegment(\"…\")".to_owned()
        })
    };
    Warning { kind, message: message + &meant.or_else(foreign).or_else(bare).unwrap_or_default(), name: own.name }
}
