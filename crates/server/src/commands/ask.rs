//! How every command asks and answers: one server, one path, tables for people and JSON for machines.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use super::table::{self, Column};
use crate::client::{Client, Target};

/// Items of one page of a list.
const PAGE: u64 = 1_000;
/// Bytes of a rule that is read from standard input.
const RULE_BYTES_MAX: u64 = 1 << 20;

/// Which server is asked, and how the answer is shown.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    target: Target,
    /// Print what the server says, as JSON: answers as one object, lists as one item a line, errors too.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which items of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// The member of a page that holds them.
    pub(crate) items: &'static str,
    /// At most so many; all if none is said.
    pub(crate) limit: Option<u64>,
}

impl Ask {
    /// A client for the server.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(&self.target)
    }

    /// Reads what is there and shows it.
    pub(crate) fn get(&self, path: &str) -> Result<()> {
        self.show(&self.client()?.json(Method::GET, path, None)?)
    }

    /// Has something done and shows what came of it.
    pub(crate) fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
        self.show(&self.client()?.json(method, path, body)?)
    }

    /// Shows an answer.
    pub(crate) fn show(&self, answer: &Value) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(answer)?);
        } else if *answer == Value::Null {
            println!("done");
        } else {
            print!("{}", table::record(&warned(answer.clone())));
        }
        Ok(())
    }

    /// Shows every item of a list, page by page.
    pub(crate) fn list(&self, path: &str, listed: Listed, columns: &[Column<'_>]) -> Result<()> {
        let mut open = if self.json { None } else { Some(table::Table::new(columns)) };
        let mut shown = 0;
        self.each(path, listed, |item| {
            shown += 1;
            match &mut open {
                None => println!("{item}"),
                Some(table) => print!("{}", table.push(item)),
            }
            Ok(())
        })?;
        if let Some(table) = open {
            print!("{}", table.end());
            if shown == 0 {
                println!("none");
            }
        }
        Ok(())
    }

    /// Hands over every item of a list, page by page.
    pub(crate) fn each(&self, path: &str, listed: Listed, mut with: impl FnMut(&Value) -> Result<()>) -> Result<()> {
        let client = self.client()?;
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut left = listed.limit.unwrap_or(u64::MAX);
        let mut cursor: Option<String> = None;
        while left > 0 {
            let mut page_path = format!("{path}{joint}limit={}", PAGE.min(left));
            if let Some(cursor) = &cursor {
                write!(page_path, "&cursor={}", encoded(cursor)).expect("a text takes everything");
            }
            let page = client.json(Method::GET, &page_path, None)?;
            let items = page[listed.items].as_array().context("the answer is no list")?;
            for item in items {
                with(item)?;
            }
            left = left.saturating_sub(items.len() as u64);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The answer without its warnings, which are told apart.
fn warned(mut answer: Value) -> Value {
    let warnings = answer.as_object_mut().and_then(|members| members.remove("warnings"));
    for warning in warnings.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let texts = ["kind", "name", "message"].map(|name| warning[name].as_str().unwrap_or_default().to_owned());
        let [kind, name, message] = texts;
        eprintln!("warning: {}", table::plain(&format!("{kind} {name}: {message}")));
    }
    answer
}

/// A profile, as people name it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Who {
    /// An identity such as email=ann@shop.example, or the id of a profile.
    #[arg(value_name = "NAMESPACE=VALUE|ID")]
    who: String,
}

impl Who {
    /// The namespace and the value, or the id alone.
    fn parts(&self) -> (Option<&str>, &str) {
        match self.who.split_once('=') {
            Some((namespace, value)) => (Some(namespace), value),
            None => (None, &self.who),
        }
    }

    /// The identity.
    pub(crate) fn identity(&self) -> Result<(&str, &str)> {
        match self.parts() {
            (Some(namespace), value) => Ok((namespace, value)),
            (None, id) => bail!("an identity is expected, such as email=ann@shop.example, and {id} is none"),
        }
    }

    /// Where the profile stands.
    pub(crate) fn path(&self) -> String {
        match self.parts() {
            (Some(namespace), value) => {
                format!("/v1/profiles/identifier/{}/{}", encoded(namespace), encoded(value))
            }
            (None, id) => format!("/v1/profiles/id/{}", encoded(id)),
        }
    }

    /// As parameters of a query.
    pub(crate) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        let (namespace, value) = self.parts();
        vec![("namespace", namespace.map(str::to_owned)), ("value", Some(value.to_owned()))]
    }

    /// As a member of a body.
    pub(crate) fn body(&self) -> Value {
        match self.parts() {
            (Some(namespace), value) => json!({"namespace": namespace, "value": value}),
            (None, id) => json!({ "id": id }),
        }
    }
}

/// A rule in PQL, as it is typed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Pql {
    /// The rule, in PQL; `-` reads it from standard input.
    #[arg(value_name = "PQL")]
    pql: String,
}

impl Pql {
    /// The text.
    pub(crate) fn text(&self) -> Result<String> {
        if self.pql != "-" {
            return Ok(self.pql.clone());
        }
        let mut text = String::new();
        let read = std::io::stdin().lock().take(RULE_BYTES_MAX + 1).read_to_string(&mut text);
        let bytes = read.context("cannot read the rule from standard input")? as u64;
        ensure!(bytes <= RULE_BYTES_MAX, "the rule has more than {RULE_BYTES_MAX} bytes");
        Ok(text.trim().to_owned())
    }
}

/// A path with those parameters that are given.
pub(crate) fn with_query(path: &str, parameters: &[(&'static str, Option<String>)]) -> String {
    let mut whole = path.to_owned();
    for (name, value) in parameters.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
        let joint = if whole.contains('?') { '&' } else { '?' };
        write!(whole, "{joint}{name}={}", encoded(value)).expect("a text takes everything");
    }
    whole
}

/// The members of a body that are given.
pub(crate) fn body(members: &[(&str, Option<Value>)]) -> Value {
    let given = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(given.collect())
}

/// The text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut whole, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            whole.push(byte.into());
        } else {
            write!(whole, "%{byte:02X}").expect("a text takes everything");
        }
        whole
    })
}

/// A name that may stand in a path or a query as it is.
pub(crate) fn segment(text: &str) -> Result<&str> {
    let plain = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    plain.then_some(text).with_context(|| format!("no id or name: {text}"))
}

/// Whether somebody really means what cannot be undone: they said so, or say it now.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    ensure!(std::io::stdin().is_terminal(), "{what}: that cannot be undone; say --yes");
    eprint!("{what}: that cannot be undone. Type yes: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    ensure!(answer.trim() == "yes", "nothing was done");
    Ok(())
}
