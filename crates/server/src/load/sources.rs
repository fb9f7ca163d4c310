//! Which files are loaded: those that are named, those that a pattern finds, standard input.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::ids;
use super::input;
use super::rejects;

/// Files of one load.
const FILES_MAX: usize = 10_000;
/// What the names of packed files end with.
const PACKED: [&str; 4] = [".gz", ".zst", ".gzip", ".zstd"];

/// Something to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
}

/// What a source says, and how much of it there is, if that is known.
pub(crate) struct Opened {
    pub(crate) input: Box<dyn Read>,
    pub(crate) bytes: Option<u64>,
    /// The hash of all that it says, where ids are made of it.
    pub(crate) hash: Option<[u8; 32]>,
}

/// Everything that these name, in the order in which it is named, a pattern's files by name; and what to tell of it.
pub(crate) fn find(named: &[PathBuf]) -> Result<(Vec<Source>, Vec<String>)> {
    let (mut sources, mut told) = (Vec::new(), Vec::new());
    for path in named {
        if path.as_os_str() == "-" {
            sources.push(Source::Stdin);
            continue;
        }
        let pattern = path.to_string_lossy();
        let is_pattern = pattern.contains(['*', '?', '[']) && !path.exists();
        let found = if is_pattern { matching(&pattern)? } else { vec![path.clone()] };
        for file in found {
            let name = file.to_string_lossy();
            // A shell has the same file among those of `*.csv`; whoever names it alone means it.
            if rejects::origin(&name).is_some() && (is_pattern || named.len() > 1) {
                told.push(format!("{name} holds refused rows and is left out: load it by itself once it is corrected"));
            } else if !sources.contains(&Source::File(file.clone())) {
                sources.push(Source::File(file));
            }
        }
        ensure!(sources.len() <= FILES_MAX, "more than {FILES_MAX} files: load them in parts");
    }
    ensure!(!sources.is_empty(), "there is nothing to load");
    ensure!(
        sources.iter().filter(|source| **source == Source::Stdin).count() <= 1,
        "standard input (-) can be read once only"
    );
    Ok((sources, told))
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern).with_context(|| format!("no pattern of files: {pattern}"))?;
    let files: Vec<PathBuf> =
        paths.collect::<Result<Vec<_>, _>>().with_context(|| format!("cannot look for {pattern}"))?;
    let files: Vec<PathBuf> = files.into_iter().filter(|path| path.is_file()).collect();
    ensure!(!files.is_empty(), "no file is named like {pattern}");
    Ok(files)
}

impl Source {
    /// What it is called, without the ending that says how it is packed. Refused rows are called like the file that they are from, so
    /// that they go where its others went.
    pub(crate) fn name(&self) -> String {
        let name = self.own_name();
        rejects::origin(&name).map_or_else(|| name.clone(), str::to_owned)
    }

    /// Where it stands, if it is a regular file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.is_file().then(|| path.clone()),
        }
    }

    /// Whether it holds refused rows.
    pub(crate) fn is_refused(&self) -> bool {
        rejects::origin(&self.own_name()).is_some()
    }

    fn own_name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => {
                let name = path.file_name().map_or("load".into(), |name| name.to_string_lossy().into_owned());
                let plain = PACKED.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned);
                plain.filter(|name| !name.is_empty()).unwrap_or(name)
            }
        }
    }

    /// Where refused rows of it go if nothing else is said: beside it.
    pub(crate) fn rejected(&self, ending: &str) -> PathBuf {
        match self {
            Self::Stdin => PathBuf::from(format!("stdin{ending}")),
            Self::File(path) => path.with_file_name(format!("{}{ending}", self.own_name())),
        }
    }

    /// Opens it. Where ids are made of the whole, standard input is read to its end first.
    pub(crate) fn open(&self, is_hashed: bool) -> Result<Opened> {
        let path = match self {
            Self::Stdin if is_hashed => {
                eprintln!(
                    "tessera: rows state neither a time nor an id, so standard input is read to its end before anything is sent (see --timestamp, --message-id)"
                );
                let file = input::spooled(std::io::stdin().lock())?;
                return Opened::of_file(file, true);
            }
            Self::Stdin => return Ok(Opened { input: Box::new(std::io::stdin().lock()), bytes: None, hash: None }),
            Self::File(path) => path,
        };
        let opened = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        // What is no regular file, as a pipe, can be read only once.
        if opened.metadata()?.is_file() {
            return Opened::of_file(opened, is_hashed).with_context(|| shown(path));
        }
        ensure!(!opened.metadata()?.is_dir(), "{} is a folder: name its files, as in {0}/*.csv", path.display());
        let file = if is_hashed { return Opened::of_file(input::spooled(opened)?, true) } else { opened };
        Ok(Opened { input: Box::new(file), bytes: None, hash: None })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl Opened {
    fn of_file(file: File, is_hashed: bool) -> Result<Self> {
        use std::io::Seek as _;
        let bytes = Some(file.metadata()?.len());
        let hash = if is_hashed { Some(ids::of_all(input::unpacked(&file)?)?) } else { None };
        let mut file = file;
        file.rewind().context("cannot read it from its beginning")?;
        Ok(Self { input: Box::new(file), bytes, hash })
    }
}
