//! `tessera config dump`: the configuration of a workspace as the documents that `tessera apply` reads.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::ask::Ask;
use crate::apply;

/// `tessera config …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the configuration of a workspace as `tessera apply` reads it: YAML, or with --json one document a line.
    Dump {
        #[command(flatten)]
        ask: Ask,
    },
}

/// Runs `tessera config …`.
pub(crate) fn run(command: &ConfigCommand) -> Result<()> {
    let ConfigCommand::Dump { ask } = command;
    let documents = apply::documents(&ask.client()?)?;
    if ask.json {
        documents.iter().for_each(|document| println!("---\n{document}"));
    } else {
        print!("{}", documents.iter().map(yaml).collect::<String>());
    }
    Ok(())
}

/// A document as YAML, in blocks.
fn yaml(document: &Value) -> String {
    let mut text = "---\n".to_owned();
    block(document, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let _ = write!(text, "{indent}{}:", scalar(&Value::from(name.as_str())));
                behind(value, depth, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(text, "{indent}-");
                behind(item, depth, text);
            }
        }
        other => {
            let _ = writeln!(text, "{indent}{}", scalar(other));
        }
    }
}

/// A value behind its name: in the same line if it is short, otherwise as a block below.
fn behind(value: &Value, depth: usize, text: &mut String) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    };
    if is_block {
        text.push('\n');
        block(value, depth + 1, text);
        return;
    }
    let _ = match value {
        Value::Array(items) => writeln!(text, " [{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        other => writeln!(text, " {}", scalar(other)),
    };
}

/// A text stands bare only where no reader of YAML could take it for something else; JSON is YAML otherwise.
fn scalar(value: &Value) -> String {
    const TAKEN: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf"];
    match value {
        Value::String(text) => {
            let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
            let is_taken = TAKEN.contains(&text.to_lowercase().as_str());
            if starts && is_plain && !is_taken { text.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}
