//! Which files are read, and what they declare.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use tessera_api::declared::Wrong;

use super::kinds::{Key, Kind};
use super::yaml::{self, Node};

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Where something stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    file: Rc<str>,
    line: usize,
}

/// Something that is wrong with what was given.
#[derive(Debug)]
pub(super) struct Problem {
    place: String,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What files declare.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Each thing, in the form of answers.
    pub(super) things: BTreeMap<Key, Value>,
    /// Everything that is wrong; nothing may be done while there is anything.
    pub(super) problems: Vec<Problem>,
    /// Documents that were read.
    pub(super) documents: usize,
    places: BTreeMap<Key, Place>,
}

/// Reads everything that these name: files, folders with all below them, `-` for standard input.
pub(super) fn read(paths: &[PathBuf]) -> Declared {
    let mut declared = Declared::default();
    for path in paths {
        let mut files = Vec::new();
        if let Err(error) = collect(path, &mut files) {
            declared.refuse(path.display(), format!("cannot be read: {error}"));
        } else if files.is_empty() {
            declared.refuse(path.display(), "holds no file that ends with .yaml, .yml or .json".to_owned());
        }
        for file in files {
            match text(&file) {
                Ok(text) => declared.file(&file.display().to_string().into(), &text),
                Err(message) => declared.refuse(file.display(), message),
            }
        }
    }
    declared
}

/// A file that is named is read whatever it is called; of a folder, those that look like ours, by name.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.as_os_str() == "-" || !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_ours =
            entry.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|own| extension == *own));
        if !is_hidden && (is_ours || fs::metadata(&entry)?.is_dir()) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn text(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
    };
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(format!("has more than {FILE_BYTES_MAX} bytes")),
        Ok(_) => Ok(text),
    }
}

impl Declared {
    fn refuse(&mut self, place: impl fmt::Display, message: String) {
        self.problems.push(Problem { place: place.to_string(), message });
    }

    fn file(&mut self, file: &Rc<str>, text: &str) {
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(wrong) => return self.refuse(Place { file: file.clone(), line: wrong.line }, wrong.message),
        };
        for document in documents {
            self.documents += 1;
            self.document(file, &document);
        }
    }

    fn document(&mut self, file: &Rc<str>, document: &Node) {
        let at = |line| Place { file: file.clone(), line };
        let Some(members) = document.members() else {
            let message = "a document is an object of `kind`, `name` where there are several, and `spec`";
            return self.refuse(at(document.line), message.to_owned());
        };
        let (mut kind, mut name, mut spec) = (None, None, None);
        for member in members {
            match &*member.name {
                "kind" => kind = Some(&member.value),
                "name" => name = Some(&member.value),
                "spec" => spec = Some(&member.value),
                other => {
                    let message = format!("unknown member `{other}`, expected `kind`, `name` or `spec`");
                    self.refuse(at(member.line), message);
                }
            }
        }
        let Some(kind) = kind else {
            return self.refuse(at(document.line), format!("missing member `kind`: {}", Kind::names()));
        };
        let Some(known) = kind.text().as_deref().and_then(Kind::parse) else {
            return self.refuse(at(kind.line), format!("unknown kind, expected {}", Kind::names()));
        };
        let named = match (known.is_named(), name) {
            (false, None) => None,
            (true, Some(node)) => match node.text() {
                Some(name) => Some(name),
                None => return self.refuse(at(node.line), "`name` is a text; quote it".to_owned()),
            },
            (true, None) => return self.refuse(at(kind.line), format!("missing member `name` of kind {known}")),
            (false, Some(name)) => return self.refuse(at(name.line), format!("kind {known} has no `name`")),
        };
        let Some(spec) = spec else {
            return self.refuse(at(kind.line), "missing member `spec`".to_owned());
        };
        if known == Kind::DataModel {
            return self.data_model(file, spec);
        }
        let value = known.read(named.as_deref(), &spec.json());
        let named = named.map(|called| known.key_of(called));
        let line = value.as_ref().err().and_then(|wrong| line_of(spec, wrong)).unwrap_or(spec.line);
        self.thing(Key::new(known, named), at(line), value);
    }

    /// A data model is taken apart, so that several files may each declare a part of it, and each error has its place.
    fn data_model(&mut self, file: &Rc<str>, spec: &Node) {
        let at = |line| Place { file: file.clone(), line };
        let Some(sections) = spec.members() else {
            return self.refuse(at(spec.line), "a data model is an object".to_owned());
        };
        for section in sections {
            let part = match &*section.name {
                "mode" => {
                    let json = section.value.json_within("{\"mode\":", "}");
                    let value = Kind::DataModel.read(None, &json).map(|model| model["mode"].clone());
                    self.thing(Key::part("mode", None), at(section.value.line), value);
                    continue;
                }
                "datasets" => "dataset",
                "attributes" => "attribute",
                "event_types" => "event_type",
                other => {
                    let expected = "expected `mode`, `datasets`, `attributes` or `event_types`";
                    self.refuse(at(section.line), format!("unknown member `{other}`, {expected}"));
                    continue;
                }
            };
            let Some(members) = section.value.members() else {
                self.refuse(at(section.value.line), format!("`{}` is an object, by name", section.name));
                continue;
            };
            for member in members {
                let name = Value::from(&*member.name);
                let json = member.value.json_within(&format!("{{\"{}\":{{{name}:", section.name), "}}");
                match Kind::DataModel.read(None, &json) {
                    Err(wrong) => self.wrong(at(member.line), &format!("{part} {}", member.name), &wrong),
                    Ok(model) => {
                        // In the one spelling of its path.
                        let own = model[&section.name].as_object().and_then(|own| own.iter().next());
                        if let Some((name, value)) = own {
                            self.thing(Key::part(part, Some(name.clone())), at(member.line), Ok(value.clone()));
                        }
                    }
                }
            }
        }
    }

    fn thing(&mut self, key: Key, place: Place, value: Result<Value, Wrong>) {
        match value {
            Err(wrong) => self.wrong(place, &key.to_string(), &wrong),
            Ok(value) => match self.places.get(&key) {
                Some(first) => {
                    let message = format!("{key} is declared twice, first at {first}");
                    self.refuse(place, message);
                }
                None => {
                    self.places.insert(key.clone(), place);
                    self.things.insert(key, value);
                }
            },
        }
    }

    fn wrong(&mut self, place: Place, what: &str, wrong: &Wrong) {
        let line = wrong.line.unwrap_or(place.line);
        self.refuse(Place { line, ..place }, format!("{what}: {} ({})", wrong.message, wrong.code));
    }

    /// Where something is declared.
    pub(super) fn place(&self, key: &Key) -> Option<&Place> {
        self.places.get(key)
    }

    /// Notes that what is declared cannot stand beside what is there.
    pub(super) fn contradict(&mut self, key: &Key, message: String) {
        let place = self.place(key).map_or_else(|| key.to_string(), Place::to_string);
        self.refuse(place, message);
    }
}

/// The line of the member that a message begins with.
fn line_of(spec: &Node, wrong: &Wrong) -> Option<usize> {
    let name = wrong.message.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
    spec.members()?.iter().find(|member| member.name == name).map(|member| member.line)
}
