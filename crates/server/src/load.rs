//! `tessera load`: rows of a file become events or records, and go to a server in batches.
//!
//! Every row gets an id derived from what it says (or from a column), so that a load that was broken off is simply started
//! again: rows that arrived are answered as duplicates. Start reading at [`run`], then [`mapping`].

mod ids;
mod mapping;
mod rows;
mod sender;
mod template;
mod values;

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{Client, Target};
use ids::Ids;
pub(crate) use mapping::{Mapping, MappingLayer};
use rows::{Rows, Unread};
pub(crate) use sender::Counts;
use sender::{Sender, Sent};

/// Flags of `tessera load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The file to load; `-` is standard input.
    file: PathBuf,
    /// What the columns mean, as a TOML file with the names of the flags below, dashes written as underscores.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    #[command(flatten)]
    layer: MappingLayer,
    /// Rows in a batch. A batch is also closed before it passes what a server accepts.
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    batch: u16,
    /// Where rows go that were refused, with the reason [default: beside the file, with .rejected.jsonl].
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

/// Loads the file and reports; rows that were refused make it fail at the end.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let file = match &arguments.mapping {
        Some(path) => MappingLayer::read(path)?,
        None => MappingLayer::default(),
    };
    let source = arguments.file.file_name().map_or("load".into(), |name| name.to_string_lossy().into_owned());
    let is_stdin = source == "-";
    let source = if is_stdin { "stdin".to_owned() } else { source };
    let rejected = arguments.rejected.unwrap_or_else(|| {
        let name = format!("{source}.rejected.jsonl");
        if is_stdin { PathBuf::from(name) } else { arguments.file.with_file_name(name) }
    });
    let mapping = Mapping::resolve(arguments.layer, file, &source)?;
    let (mut file_hash, mut bytes) = (None, None);
    let input: Box<dyn Read> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = File::open(&arguments.file);
        let mut opened = opened.with_context(|| format!("cannot read {}", arguments.file.display()))?;
        let metadata = opened.metadata()?;
        // What is no regular file, as a pipe, can be read only once.
        if metadata.is_file() {
            bytes = Some(metadata.len());
            if mapping.speaks_of_its_file() {
                file_hash = Some(ids::of_file(&mut opened)?);
            }
        }
        Box::new(opened)
    };
    let load = Load { mapping, source, file_hash, batch: arguments.batch.into(), rejected, bytes };
    let counts = load.run(Client::new(&arguments.target)?, input)?;
    println!("{counts}");
    if counts.rejected > 0 {
        bail!("{} rows were refused; see {}", counts.rejected, load.rejected.display());
    }
    Ok(())
}

/// One load, told what to do.
pub(crate) struct Load {
    /// What the columns mean.
    pub(crate) mapping: Mapping,
    /// The name of what is loaded.
    pub(crate) source: String,
    /// The hash of the whole file, where ids are made of it.
    pub(crate) file_hash: Option<[u8; 32]>,
    /// Rows in a batch.
    pub(crate) batch: usize,
    /// Where refused rows go.
    pub(crate) rejected: PathBuf,
    /// Bytes to come, for the progress bar, if known.
    pub(crate) bytes: Option<u64>,
}

impl Load {
    /// Reads everything and sends it.
    pub(crate) fn run(&self, client: Client, input: impl Read) -> Result<Counts> {
        let progress = bar(self.bytes);
        let counted = progress.wrap_read(input);
        let mut sender = Sender::new(client, self.mapping.delivery(), self.batch);
        let mut rejects = Rejects { path: &self.rejected, file: None };
        let mut ids = Ids::new(&self.source, self.file_hash);
        let rows = Rows::new(&self.mapping, counted)?;
        rows.told().iter().for_each(|told| eprintln!("tessera: {told}"));
        for row in rows {
            let (number, body) = match row {
                Ok(row) => (row.number, self.mapping.render(&row, &mut ids)),
                Err(Unread::Row { number, reason }) => (number, Err(reason.into())),
                Err(Unread::File(error)) => return Err(error.context(format!("{} so far", sender.counts()))),
            };
            match body {
                Ok(body) => {
                    if let Some(sent) = sender.push(number, body)? {
                        rejects.note(&sent)?;
                        progress.set_message(sender.counts().to_string());
                    }
                }
                Err(refusal) => rejects.note(&sender.refuse(number, refusal))?,
            }
        }
        let sent = sender.finish()?;
        rejects.note(&sent)?;
        progress.finish_and_clear();
        rejects.close()?;
        Ok(*sender.counts())
    }
}

/// A bar over the bytes of the input, a counter where they are not known, nothing but a last line where nobody looks.
fn bar(bytes: Option<u64>) -> ProgressBar {
    let bar = match bytes {
        Some(bytes) => ProgressBar::new(bytes),
        None => ProgressBar::no_length(),
    };
    let template = match bytes {
        Some(_) => "{elapsed:>4} [{wide_bar}] {percent:>3}% {msg}",
        None => "{elapsed:>4} {spinner} {bytes} {msg}",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is constant").progress_chars("=> "));
    if std::io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// The file of refused rows, made when the first one comes.
struct Rejects<'a> {
    path: &'a PathBuf,
    file: Option<File>,
}

impl Rejects<'_> {
    fn note(&mut self, sent: &Sent) -> Result<()> {
        for rejection in &sent.rejected {
            let file = match &mut self.file {
                Some(file) => file,
                None => {
                    let made = File::create(self.path);
                    self.file.insert(made.with_context(|| format!("cannot write {}", self.path.display()))?)
                }
            };
            let mut line = serde_json::to_vec(rejection)?;
            line.push(b'\n');
            file.write_all(&line).with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        match self.file {
            Some(file) => file.sync_all().with_context(|| format!("cannot write {}", self.path.display())),
            None => Ok(()),
        }
    }
}
