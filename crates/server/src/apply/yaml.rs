//! YAML, and JSON, which is part of it, with the line of every value.
//!
//! What is read becomes JSON in which every value stands on the line that it had: whoever reads that JSON names lines of the file.
//! Numbers keep their digits. What two readers of YAML could take for two things is refused: a number that JSON does not know, a
//! tag, an anchor.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Lists and objects within each other.
const DEPTH_MAX: usize = 64;

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    /// The line on which it begins, counted from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// A text, number, boolean or null, as JSON.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the file; no name stands twice.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Member {
    /// The line of its name.
    pub(super) line: usize,
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) value: Node,
}

/// What is wrong, and on which line.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) message: String,
}

/// The documents of a text; empty ones are left out.
pub(super) fn read(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut events = Events(Parser::new_from_str(text));
    let mut documents = Vec::new();
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => {
                let root = events.next()?;
                let root = events.node(root, 0)?;
                if !root.is_null() {
                    documents.push(root);
                }
            }
            _ => {}
        }
    }
}

impl Node {
    /// The value as JSON, each part on its line.
    pub(super) fn json(&self) -> String {
        self.json_within("", "")
    }

    /// The value as JSON between these, which have no line ends.
    pub(super) fn json_within(&self, before: &str, behind: &str) -> String {
        let mut writer = Writer { text: String::new(), line: 1 };
        writer.go_to(self.line);
        writer.text.push_str(before);
        writer.node(self);
        writer.text.push_str(behind);
        writer.text
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(json) => serde_json::from_str(json).ok(),
            Content::List(_) | Content::Object(_) => None,
        }
    }

    /// The members, if it is an object.
    pub(super) fn members(&self) -> Option<&[Member]> {
        match &self.content {
            Content::Object(members) => Some(members),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(json) if json == "null")
    }
}

struct Events<'a>(Parser<'a, saphyr_parser::StrInput<'a>>);

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.0.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(Wrong { line: error.marker().line(), message: format!("no YAML: {}", error.info()) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, Wrong> {
        let line = span.start.line();
        let wrong = |message: &str| Err(Wrong { line, message: message.to_owned() });
        if depth > DEPTH_MAX {
            return wrong(&format!("lists and objects lie more than {DEPTH_MAX} deep"));
        }
        let content = match event {
            Event::Alias(_) => return wrong("anchors and aliases are not taken; write it twice"),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                return wrong("anchors and aliases are not taken; write it twice");
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return wrong("tags are not taken; quote what is a text");
            }
            Event::Scalar(text, style, _, None) => Content::Scalar(scalar(&text, style, line)?),
            Event::SequenceStart(_, None) => Content::List(self.list(depth)?),
            Event::MappingStart(_, None) => Content::Object(self.object(depth)?),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return wrong("a value is expected"),
        };
        Ok(Node { line, content })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Wrong> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member>, Wrong> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            let (name, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(members),
                (Event::Scalar(name, _, 0, None), span) => (name.into_owned(), span.start.line()),
                (_, span) => {
                    let message = "the name of a member is a plain text".to_owned();
                    return Err(Wrong { line: span.start.line(), message });
                }
            };
            if let Some(first) = members.iter().find(|member| member.name == name) {
                let message = format!("`{name}` stands twice, first on line {}", first.line);
                return Err(Wrong { line, message });
            }
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            members.push(Member { line, name, value });
        }
    }
}

/// A scalar as JSON. Only what stands plain may be anything but a text.
fn scalar(text: &str, style: ScalarStyle, line: usize) -> Result<String, Wrong> {
    let quoted = || serde_json::Value::from(text).to_string();
    if style != ScalarStyle::Plain {
        return Ok(quoted());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok("null".to_owned()),
        "true" | "True" | "TRUE" => return Ok("true".to_owned()),
        "false" | "False" | "FALSE" => return Ok("false".to_owned()),
        _ => {}
    }
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Ok(text.to_owned());
    }
    let unsigned = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let has_digit = text.contains(|letter: char| letter.is_ascii_digit());
    let is_number = has_digit && text.parse::<f64>().is_ok()
        || unsigned.starts_with("0x")
        || unsigned.starts_with("0o")
        || matches!(&*unsigned, ".inf" | ".nan");
    if is_number {
        let message = format!("a number is written as in JSON, a text in quotes: {text}");
        return Err(Wrong { line, message });
    }
    Ok(quoted())
}

struct Writer {
    text: String,
    line: usize,
}

impl Writer {
    fn go_to(&mut self, line: usize) {
        while self.line < line {
            self.text.push('\n');
            self.line += 1;
        }
    }

    fn node(&mut self, node: &Node) {
        self.go_to(node.line);
        match &node.content {
            Content::Scalar(json) => self.text.push_str(json),
            Content::List(items) => {
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.text.push_str(if at > 0 { "," } else { "" });
                    self.node(item);
                }
                self.text.push(']');
            }
            Content::Object(members) => {
                self.text.push('{');
                for (at, member) in members.iter().enumerate() {
                    self.text.push_str(if at > 0 { "," } else { "" });
                    self.go_to(member.line);
                    self.text.push_str(&serde_json::Value::from(&*member.name).to_string());
                    self.text.push(':');
                    self.node(&member.value);
                }
                self.text.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests;
