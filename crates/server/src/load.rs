//! `tessera load`: rows of files become events or records, and go to a server in batches.
//!
//! Every row gets an id derived from what it says (or from a column), so that a load that was broken off is simply started
//! again: rows that arrived are answered as duplicates. Start reading at [`run`], then `mapping`.

mod formats;
mod ids;
mod input;
mod layer;
mod mapping;
mod progress;
mod rejects;
mod rows;
mod run;
mod sender;
mod sources;
mod template;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::client::{Client, Target};
use crate::interrupt;
pub(crate) use layer::MappingLayer;
pub(crate) use mapping::Mapping;
use rejects::Rejects;
pub(crate) use run::{Destination, Load};
use run::{Done, End};
pub(crate) use sender::Counts;
use sources::Source;

/// Flags of `tessera load`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Files may be packed with gzip or zstd; how characters are written is told by a byte order mark or --encoding. A pattern in quotes, such as
'orders-*.csv', is looked up here.

A mapping file says the same as flags do:

  event = \"Order Completed\"
  user_id = \"{customer}\"
  timestamp = \"{day}\"
  decimal = \",\"
  [properties]
  \"total:number\" = \"{amount}\"
  \"gift:boolean\" = \"{gift}\"
  currency = \"EUR\"
  [column_formats]
  day = [\"%d.%m.%Y\", \"iso\"]
  gift = \"ja/nein\"
  [defaults]
  amount = \"0\"

The same file twice is stored once: a row's id is a hash of where it goes and of what the mapping makes of it, and of the whole file where
rows state no time. A row that was loaded through a wrong mapping therefore stays beside the corrected one; give --message-id where the
file has an id of its own, or erase what was loaded wrongly (POST /v1/erasures).

Refused rows go to a file beside the one that they are from, each as it came, and in front of it its line, a code, what was expected and
the value. Correct them there and load that file with the same flags: what stands in front is ignored.

Ends with 0: everything is stored; 1: rows were refused (with --lenient: no row was stored), or it did not come to its end; 130: Ctrl-C.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The files to load, patterns of them, or `-` for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the columns mean, as a TOML file with the names of the flags below, dashes written as underscores.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    #[command(flatten)]
    layer: MappingLayer,
    /// Rows in a batch. A batch is also closed before it passes what a server accepts.
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    batch: u16,
    /// Where rows of the one file go that were refused [default: beside it, with .rejected.csv or .rejected.jsonl].
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Stop when so many rows were refused [default: when the first 1,000 were all refused alike].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    max_errors: Option<u64>,
    /// Read everything and send nothing: print the first rows as they would be sent, and count.
    #[arg(long)]
    dry_run: bool,
    /// Without a terminal: a line about the progress as often as this.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    progress: u32,
}

/// Loads the files and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let file = match &arguments.mapping {
        Some(path) => MappingLayer::read(path)?,
        None => MappingLayer::default(),
    };
    let (sources, told) = sources::find(&arguments.files)?;
    told.iter().for_each(|told| eprintln!("tessera: {told}"));
    let is_one = sources.len() == 1;
    ensure!(is_one || arguments.rejected.is_none(), "--rejected names one file, and several are loaded: leave it out");
    let mut mappings = Vec::new();
    for source in &sources {
        let mapping = Mapping::resolve(arguments.layer.clone(), file.clone(), &source.name())?;
        mappings.push(if source.is_refused() { mapping.of_refused() } else { mapping });
    }
    ensure!(
        is_one || mappings.iter().all(|mapping| mapping.delivery() == mappings[0].delivery()),
        "records of several files go to one dataset: name it with --dataset"
    );
    if !arguments.dry_run {
        Client::new(&arguments.target)?.probe()?;
    }
    interrupt::listen()?;
    let (mut total, mut is_whole) = (Counts::default(), true);
    let is_lenient = mappings.iter().all(Mapping::is_lenient);
    for (at, (source, mapping)) in sources.iter().zip(mappings).enumerate() {
        let so_far = |total: &Counts| if at > 0 { format!("; {total} of the files before it") } else { String::new() };
        let done = one(arguments, source, mapping).with_context(|| format!("{}{}", source.name(), so_far(&total)))?;
        let sources_left = sources.len() - at - 1;
        total.add(&done.counts);
        if !is_one {
            println!("{}: {}", source.name(), done.counts);
        }
        tell(source, &done, arguments.dry_run);
        match done.end {
            End::Complete => {}
            End::TooMany(reason) => {
                eprintln!("tessera: {reason}");
                eprintln!(
                    "tessera: correct the mapping or the file and start again: rows that are stored are known by then"
                );
                is_whole = false;
            }
            End::Interrupted => {
                let not_begun = match sources_left {
                    0 => String::new(),
                    count => format!(", with {count} of the files not begun"),
                };
                eprintln!(
                    "tessera: ended by Ctrl-C behind line {} of {}{not_begun}; start it again with the same flags to go on: rows that are stored are told as duplicates",
                    done.line,
                    source.name()
                );
                println!("{total}");
                return Ok(ExitCode::from(interrupt::EXIT_CODE));
            }
        }
        if !is_whole {
            break;
        }
    }
    println!("{}", if arguments.dry_run { total.of_trial() } else { total.to_string() });
    let is_refused = total.rejected > 0 && !(is_lenient && total.rejected < total.rows());
    Ok(if is_refused || !is_whole { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Loads one file.
fn one(arguments: &Arguments, source: &Source, mapping: Mapping) -> Result<Done> {
    let opened = source.open(mapping.speaks_of_its_file())?;
    let ending = Rejects::ending(mapping.has_columns());
    let rejected = arguments.rejected.clone().unwrap_or_else(|| source.rejected(ending));
    let load = Load {
        mapping,
        file_hash: opened.hash,
        batch: arguments.batch.into(),
        rejected,
        bytes: opened.bytes,
        errors_max: arguments.max_errors,
        progress: Duration::from_secs(arguments.progress.into()),
    };
    let destination = if arguments.dry_run {
        Destination::Sample
    } else {
        Destination::Server(Box::new(Client::new(&arguments.target)?))
    };
    load.run(destination, opened.input)
}

/// Says what should be known of a file besides its counts.
fn tell(source: &Source, done: &Done, is_trial: bool) {
    if let Some(path) = &done.rejected {
        let what = if is_trial { "cannot be sent" } else { "refused" };
        eprintln!(
            "tessera: of {} {what}: {}; see {}",
            source.name(),
            sender::rows(done.counts.rejected),
            path.display()
        );
    } else if done.counts.rows() == 0 {
        eprintln!("tessera: {} has no rows", source.name());
    }
    for (reason, rows) in &done.reasons {
        eprintln!("tessera:   {}: {reason}", sender::rows(*rows));
    }
    if !done.differing.is_empty() {
        let lines: Vec<String> = done.differing.iter().map(u64::to_string).collect();
        eprintln!(
            "tessera: what is stored under an id stays: rows of {} that say something else begin with lines {}",
            source.name(),
            lines.join(", ")
        );
    }
}
