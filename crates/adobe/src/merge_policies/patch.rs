//! Changes of members of a merge policy (spec/adobe.md section 5.6): one operation, or a list of them. Members within members stand behind a dot.

use serde::Deserialize;
use serde_json::Value as Json;
use tessera_seam::body;
use tessera_service::error::Error;
use utoipa::ToSchema;

use super::wire::{Merge, MergePolicyBody, NEWEST};
use crate::objects::{Schema, expected};

/// Operations of one call.
const OPERATIONS_MAX: usize = 50;

/// An operation.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeOperation)]
pub(super) struct Operation {
    /// `add` or `replace`.
    op: String,
    /// The member, as in `/identityGraph.type`.
    path: String,
    /// Its value. Truths may stand in texts.
    value: Json,
}

/// Reads operations.
///
/// # Errors
/// `member_invalid`; as [`body::json`].
pub(super) fn operations(bytes: &[u8]) -> Result<Vec<Operation>, Error> {
    let text = body::text(bytes)?;
    let operations = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<Operation>>(text).map_err(|error| body::json_error(&error))?
    } else {
        vec![body::json::<Operation>(bytes)?]
    };
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(expected("operations", format!("1 to {OPERATIONS_MAX} of them")));
    }
    Ok(operations)
}

/// A merge policy with these changes.
///
/// # Errors
/// `member_invalid`.
pub(super) fn applied(mut body: MergePolicyBody, operations: &[Operation]) -> Result<MergePolicyBody, Error> {
    for (index, operation) in operations.iter().enumerate() {
        if !matches!(operation.op.as_str(), "add" | "replace") {
            return Err(expected(&format!("[{index}].op"), "add or replace"));
        }
        set(&mut body, operation)
            .map_err(|error| Error { message: format!("[{index}].{}", error.message).into(), ..error })?;
    }
    Ok(body)
}

fn set(body: &mut MergePolicyBody, operation: &Operation) -> Result<(), Error> {
    let Operation { path, value, .. } = operation;
    let merge =
        |body: &mut MergePolicyBody| body.attribute_merge.take().unwrap_or(Merge { kind: String::new(), order: None });
    // Where two readings of the path are about, both are taken.
    match path.trim_start_matches('/').replace('/', ".").as_str() {
        "name" => body.name = Some(text(value)?),
        "schema.name" => body.schema = Some(Schema { name: text(value)? }),
        "identityGraph.type" => body.identity_graph = Some(super::wire::Graph { kind: text(value)? }),
        "attributeMerge.type" => {
            let kind = text(value)?;
            // The order goes with the type that it stands with.
            let order = merge(body).order.filter(|_| kind != NEWEST);
            body.attribute_merge = Some(Merge { kind, order });
        }
        "attributeMerge.order" => {
            let order =
                serde_json::from_value(value.clone()).map_err(|_| expected("value", "a list of ids of datasets"))?;
            let kind = merge(body).kind;
            body.attribute_merge = Some(Merge { kind, order: Some(order) });
        }
        // The specification's documents have the second spelling as well.
        "isActiveOnEdge" | "idActiveOnEdge" => body.is_active_on_edge = Some(truth(value)?),
        "default" => body.default = Some(truth(value)?),
        // It is counted here, whatever is sent.
        "version" => {}
        _ => {
            let members = "/name, /schema.name, /identityGraph.type, /attributeMerge.type, /attributeMerge.order, /default, /isActiveOnEdge or /version";
            return Err(expected("path", members));
        }
    }
    Ok(())
}

fn text(value: &Json) -> Result<String, Error> {
    value.as_str().map(str::to_owned).ok_or_else(|| expected("value", "a text"))
}

fn truth(value: &Json) -> Result<bool, Error> {
    match value {
        Json::Bool(truth) => Ok(*truth),
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => Err(expected("value", "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::PRECEDENCE;
    use super::*;

    fn check(operations: &str, expected: Result<&str, &str>) {
        let body = MergePolicyBody {
            name: Some("a".to_owned()),
            attribute_merge: Some(Merge { kind: PRECEDENCE.to_owned(), order: Some(vec!["d1".to_owned()]) }),
            ..MergePolicyBody::default()
        };
        let made = super::operations(operations.as_bytes()).and_then(|operations| applied(body, &operations));
        let told = made.map(|body| {
            let merge = body.attribute_merge.expect("there is one");
            format!("{:?} {} {:?} {:?} {:?}", body.name, merge.kind, merge.order, body.default, body.is_active_on_edge)
        });
        let told = told.as_deref().map_err(|error| error.message.as_ref());
        assert_eq!(told, expected, "{operations}");
    }

    #[test]
    fn members_are_changed_by_one_operation_or_several() {
        let order = r#"Some(["d1"])"#;
        let listed = |name: &str, rest: &str| format!(r#"Some("{name}") dataSetPrecedence {order} {rest}"#);
        check(r#"{"op":"add","path":"/name","value":"b"}"#, Ok(&listed("b", "None None")));
        check(r#"[{"op":"add","path":"/default","value":"true"}]"#, Ok(&listed("a", "Some(true) None")));
        check(r#"[{"op":"replace","path":"/idActiveOnEdge","value":false}]"#, Ok(&listed("a", "None Some(false)")));
        check(r#"[{"op":"add","path":"/version","value":7}]"#, Ok(&listed("a", "None None")));
        check(
            r#"[{"op":"add","path":"/attributeMerge.type","value":"timestampOrdered"}]"#,
            Ok(r#"Some("a") timestampOrdered None None None"#),
        );
        check(
            r#"[{"op":"add","path":"/attributeMerge/order","value":["d2","d3"]}]"#,
            Ok(r#"Some("a") dataSetPrecedence Some(["d2", "d3"]) None None"#),
        );
        check(r#"[{"op":"remove","path":"/name","value":1}]"#, Err("[0].op: add or replace is expected"));
        check(r#"[{"op":"add","path":"/name","value":1}]"#, Err("[0].value: a text is expected"));
        check(r#"[{"op":"add","path":"/default","value":"yes"}]"#, Err("[0].value: true or false is expected"));
        check("[]", Err("operations: 1 to 50 of them is expected"));
    }
}
