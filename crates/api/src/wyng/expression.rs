//! Expressions as trees of operators (spec/wyng.md section 8.1): read into the one tree of rules, and written from it. What has no operator
//! here is written as `pql`, which is read as well.

use serde_json::{Value as Json, json};
use tessera_engine::config::Namespace;
use tessera_engine::normalise::normalise;
use tessera_expr::ast::{Comparison, Expr, Function, Literal, Node};
use tessera_expr::pql;
use tessera_expr::value::Decimal;
use tessera_service::error::Error;
use tessera_service::workspace_config::{RuleKind, StoredConfig, StoredRule};

use super::errors::invalid_expression;
use super::model::{self, meant};

/// Levels of nesting.
const DEPTH_MAX: usize = 32;
/// Operators of one expression.
const OPERATORS_MAX: usize = 500;

/// The operators that compare a field with a value.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("profile-attribute-equal", Comparison::Equal),
    ("profile-attribute-not-equal", Comparison::NotEqual),
    ("profile-attribute-greater", Comparison::Greater),
    ("profile-attribute-greater-equal", Comparison::GreaterEqual),
    ("profile-attribute-less", Comparison::Less),
    ("profile-attribute-less-equal", Comparison::LessEqual),
];
/// Those that are a function of a field and a value.
const FUNCTIONS: [(&str, Function); 3] = [
    ("profile-attribute-contains", Function::Contains),
    ("profile-attribute-starts-with", Function::StartsWith),
    ("profile-attribute-set-contains", Function::Includes),
];
/// Those that are a function of a field alone.
const PRESENCE: [(&str, Function); 2] =
    [("profile-attribute-exists", Function::IsNotNull), ("profile-attribute-not-exists", Function::IsNull)];
const IN: &str = "profile-attribute-in";
const SEGMENT: &str = "profile-in-segment";
const PQL: &str = "pql";

/// Reads an expression under a configuration.
///
/// # Errors
/// `expression_invalid`, with the place: `expression.operands[1]`.
pub(super) fn read(json: &Json, config: &StoredConfig) -> Result<Expr, Error> {
    Reader { config, spellings: config.spellings(), operators: 0 }.expr(json, "expression", 0)
}

struct Reader<'a> {
    config: &'a StoredConfig,
    /// How values of namespaces are spelled.
    spellings: Vec<Namespace>,
    operators: usize,
}

impl Reader<'_> {
    fn expr(&mut self, json: &Json, place: &str, depth: usize) -> Result<Expr, Error> {
        if depth > DEPTH_MAX {
            return Err(invalid_expression(place, format!("at most {DEPTH_MAX} levels are expected")));
        }
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(invalid_expression(place, format!("at most {OPERATORS_MAX} operators are expected")));
        }
        if let Json::Bool(truth) = json {
            return Ok(Expr::new(Node::Literal(Literal::Bool(*truth))));
        }
        let malformed =
            || invalid_expression(place, r#"{"operator": name, "operands": [...]}, or true or false, is expected"#);
        let members = json.as_object().filter(|members| members.len() == 2).ok_or_else(malformed)?;
        let operator = members.get("operator").and_then(Json::as_str).ok_or_else(malformed)?;
        let operands = members.get("operands").and_then(Json::as_array).ok_or_else(malformed)?;
        self.operation(operator, operands, place, depth)
    }

    fn operation(&mut self, operator: &str, operands: &[Json], place: &str, depth: usize) -> Result<Expr, Error> {
        let at = |index: usize| format!("{place}.operands[{index}]");
        let counted = |count: usize| {
            let expected =
                || invalid_expression(place, format!("{operator} has {count} operands, not {}", operands.len()));
            if operands.len() == count { Ok(()) } else { Err(expected()) }
        };
        let call = |function, arguments| Expr::new(Node::Call { function, arguments });
        match operator {
            "and" | "or" => {
                if operands.is_empty() {
                    return Err(invalid_expression(place, format!("{operator} has at least one operand")));
                }
                let parts = operands.iter().enumerate().map(|(index, own)| self.expr(own, &at(index), depth + 1));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                let nowhere = tessera_expr::problem::Place::Nowhere;
                return Ok(if operator == "and" { Expr::and(parts, nowhere) } else { Expr::or(parts, nowhere) });
            }
            "not" => {
                counted(1)?;
                return Ok(Expr::new(Node::Not(Box::new(self.expr(&operands[0], &at(0), depth + 1)?))));
            }
            PQL => {
                counted(1)?;
                let text =
                    operands[0].as_str().ok_or_else(|| invalid_expression(&at(0), "a text in PQL is expected"))?;
                return pql::parse(text).map_err(|problem| invalid_expression(&at(0), problem.expected));
            }
            SEGMENT => {
                counted(1)?;
                let id = operands[0].as_str().unwrap_or_default();
                let segments = self.config.rules().of(RuleKind::Segment);
                let found = segments.keys().find(|name| name.stable_id(RuleKind::Segment) == id || name.as_str() == id);
                let unknown = || invalid_expression(&at(0), "the id of a segment of this data model is expected");
                return Ok(call(Function::InSegment, vec![Expr::text(found.ok_or_else(unknown)?.as_str())]));
            }
            _ => {}
        }
        if let Some((_, function)) = PRESENCE.iter().find(|(name, _)| *name == operator) {
            counted(1)?;
            let (field, _) = self.field(&operands[0], &at(0))?;
            return Ok(call(*function, vec![field]));
        }
        if operator == IN {
            counted(2)?;
            let (field, kind) = self.field(&operands[0], &at(0))?;
            let values =
                operands[1].as_array().ok_or_else(|| invalid_expression(&at(1), "a list of values is expected"))?;
            let values = values.iter().map(|value| self.literal(&operands[0], value, &at(1)));
            let values = Expr::new(Node::List(values.collect::<Result<_, _>>()?));
            // A set is in a list where one of its members is.
            let function = if kind == "set" { Function::Intersects } else { Function::In };
            return Ok(call(function, vec![field, values]));
        }
        if let Some((_, function)) = FUNCTIONS.iter().find(|(name, _)| *name == operator) {
            counted(2)?;
            let (field, _) = self.field(&operands[0], &at(0))?;
            return Ok(call(*function, vec![field, literal(&operands[1], &at(1))?]));
        }
        let Some((_, comparison)) = COMPARISONS.iter().find(|(name, _)| *name == operator) else {
            return Err(invalid_expression(place, format!("{operator:?} is no operator; {}", known())));
        };
        counted(2)?;
        let (field, kind) = self.field(&operands[0], &at(0))?;
        let value = self.literal(&operands[0], &operands[1], &at(1))?;
        match (kind.as_str(), comparison) {
            // A set equals what is a member of it.
            ("set", Comparison::Equal) => Ok(call(Function::In, vec![value, field])),
            ("set", Comparison::NotEqual) => Ok(call(Function::NotIn, vec![value, field])),
            ("set", _) => Err(invalid_expression(place, "the members of a set have no order")),
            _ => Ok(Expr::new(Node::Compare(*comparison, Box::new(field), Box::new(value)))),
        }
    }

    /// A value that a field is compared with: one that identifies in the one spelling that it has where it is stored.
    fn literal(&self, field: &Json, json: &Json, place: &str) -> Result<Expr, Error> {
        let id = field.as_str().map_or("", |id| meant(self.config.documents(), id));
        let key = self.config.documents().key(id);
        let namespace = key.and_then(|key| self.spellings.iter().find(|own| own.name == key.namespace));
        match (json, namespace) {
            (Json::String(text), Some(namespace)) => {
                let spelled = normalise(namespace, text).unwrap_or_else(|_| text.as_str().into());
                Ok(Expr::new(Node::Literal(Literal::Text(spelled))))
            }
            _ => literal(json, place),
        }
    }

    /// What a field is called in rules, and its type.
    fn field(&self, json: &Json, place: &str) -> Result<(Expr, String), Error> {
        let expected = |what: &str| invalid_expression(place, what);
        let id = json.as_str().ok_or_else(|| expected("the id of a field is expected"))?;
        let id = meant(self.config.documents(), id);
        let field = model::field(self.config, id).ok_or_else(|| expected("no field of the data model has this id"))?;
        let name = match self.config.documents().key(id) {
            Some(key) if key.many => return Err(expected("a field of many ids cannot be asked for")),
            Some(key) => key.namespace.as_str(),
            None => id,
        };
        let profile = Expr::new(Node::Context(0));
        Ok((profile.member(name.into(), tessera_expr::problem::Place::Nowhere), field.r#type))
    }
}

fn known() -> String {
    let names = COMPARISONS.iter().map(|(name, _)| *name);
    let names = names.chain(FUNCTIONS.iter().chain(&PRESENCE).map(|(name, _)| *name));
    let names: Vec<&str> = ["and", "or", "not"].into_iter().chain(names).chain([IN, SEGMENT, PQL]).collect();
    format!("one of these is expected: {}", names.join(", "))
}

fn literal(json: &Json, place: &str) -> Result<Expr, Error> {
    let literal = match json {
        Json::String(text) => Literal::Text(text.as_str().into()),
        Json::Bool(truth) => Literal::Bool(*truth),
        Json::Number(number) => {
            let out = |_| invalid_expression(place, "the number is out of range");
            Literal::Number(Decimal::parse(&number.to_string()).map_err(out)?)
        }
        _ => return Err(invalid_expression(place, "a text, a number, true or false is expected")),
    };
    Ok(Expr::new(Node::Literal(literal)))
}

/// The expression of a segment.
pub(super) fn of(rule: &StoredRule, config: &StoredConfig) -> Json {
    let text = &rule.definition().pql;
    pql::parse(text).map_or_else(|_| json!({ "operator": PQL, "operands": [**text] }), |expr| write(&expr, config))
}

/// Writes an expression.
fn write(expr: &Expr, config: &StoredConfig) -> Json {
    written(expr, config).unwrap_or_else(|| json!({ "operator": PQL, "operands": [pql::print(expr)] }))
}

/// The same in operators, where there are some for it.
fn written(expr: &Expr, config: &StoredConfig) -> Option<Json> {
    let operation = |operator: &str, operands: Vec<Json>| json!({ "operator": operator, "operands": operands });
    match &expr.node {
        Node::Literal(Literal::Bool(truth)) => Some(Json::from(*truth)),
        Node::And(parts) => Some(operation("and", parts.iter().map(|part| write(part, config)).collect())),
        Node::Or(parts) => Some(operation("or", parts.iter().map(|part| write(part, config)).collect())),
        Node::Not(part) => Some(operation("not", vec![write(part, config)])),
        Node::Compare(comparison, left, right) => {
            let (name, _) = COMPARISONS.iter().find(|(_, own)| own == comparison)?;
            Some(operation(name, vec![field_of(left, config)?, value_of(right)?]))
        }
        Node::Call { function, arguments } => call_written(*function, arguments, config),
        _ => None,
    }
}

fn call_written(function: Function, arguments: &[Expr], config: &StoredConfig) -> Option<Json> {
    let operation = |operator: &str, operands: Vec<Json>| json!({ "operator": operator, "operands": operands });
    let is_set = |field: &Json| {
        field.as_str().and_then(|id| model::field(config, id)).is_some_and(|field| field.r#type == "set")
    };
    match (function, arguments) {
        (Function::InSegment, [name]) => {
            let name = value_of(name)?;
            let rule = config.rules().find(RuleKind::Segment, name.as_str()?).ok()?;
            Some(operation(SEGMENT, vec![rule.name.stable_id(RuleKind::Segment).into()]))
        }
        (Function::In | Function::Intersects, [field, Expr { node: Node::List(values), .. }]) => {
            let values: Vec<Json> = values.iter().map(value_of).collect::<Option<_>>()?;
            Some(operation(IN, vec![field_of(field, config)?, values.into()]))
        }
        (Function::In | Function::NotIn, [value, field]) => {
            let field = field_of(field, config).filter(is_set)?;
            let name = if function == Function::In { COMPARISONS[0].0 } else { COMPARISONS[1].0 };
            Some(operation(name, vec![field, value_of(value)?]))
        }
        (_, [field]) => {
            let (name, _) = PRESENCE.iter().find(|(_, own)| *own == function)?;
            Some(operation(name, vec![field_of(field, config)?]))
        }
        (_, [field, value]) => {
            let (name, _) = FUNCTIONS.iter().find(|(_, own)| *own == function)?;
            Some(operation(name, vec![field_of(field, config)?, value_of(value)?]))
        }
        _ => None,
    }
}

/// The field that an expression is the value of.
fn field_of(expr: &Expr, config: &StoredConfig) -> Option<Json> {
    let Node::Path { of, names } = &expr.node else { return None };
    let (Node::Context(0) | Node::Profile, [name]) = (&of.node, &names[..]) else { return None };
    let key = config.documents().keys().find(|(_, key)| !key.many && key.namespace.as_str() == &**name);
    let id = key.map_or(&**name, |(id, _)| id);
    model::field(config, id).map(|field| field.id.into())
}

fn value_of(expr: &Expr) -> Option<Json> {
    match &expr.node {
        Node::Literal(Literal::Text(text)) => Some(Json::from(&**text)),
        Node::Literal(Literal::Bool(truth)) => Some(Json::from(*truth)),
        Node::Literal(Literal::Number(number)) => serde_json::from_str(&number.to_string()).ok(),
        _ => None,
    }
}
