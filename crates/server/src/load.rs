//! `tessera load`: rows of files become events or records, and go to a server in batches.
//!
//! Every row gets an id derived from what it says (or from a column), so that a load that was broken off is simply started
//! again: rows that arrived are answered as duplicates. Start reading at [`run`], then `mapping`.

mod formats;
mod ids;
mod input;
mod layer;
mod mapping;
mod parquet;
mod progress;
mod rejects;
mod report;
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
use crate::{interrupt, world};
use layer::Format;
pub(crate) use layer::MappingLayer;
pub(crate) use mapping::Mapping;
use rejects::Rejects;
pub(crate) use report::Report;
use report::{Outcome, Sum};
use run::Done;
pub(crate) use run::{Destination, End, Load};
pub(crate) use sender::Counts;
use sources::Source;

/// Flags of `tessera load`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Files are CSV, JSON lines, blank-separated, or Parquet. They may be packed with gzip or zstd (but for Parquet); how characters are written is told by a byte order mark or --encoding. A pattern in quotes, such as
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
    /// Stop when so many rows were refused [default: when the first 1,000 were all refused, nearly all alike].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    max_errors: Option<u64>,
    /// Read everything and send nothing: print the first rows as they would be sent, and count.
    #[arg(long)]
    dry_run: bool,
    /// Without a terminal, and with --json: a line about the progress as often as this.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    progress: u32,
    /// Print lines of JSON for machines, and nothing else on standard output: rows of --dry-run, progress, each file, and a summary at
    /// the end.
    #[arg(long)]
    json: bool,
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
    let started = world::now();
    let is_lenient = mappings.iter().all(Mapping::is_lenient);
    let mut sum = Sum {
        end: Outcome::Complete,
        is_trial: arguments.dry_run,
        files: (0, sources.len()),
        counts: Counts::default(),
        micros: 0,
    };
    for (source, mapping) in sources.iter().zip(mappings) {
        sum.files = (sum.files.0 + 1, sum.files.1 - 1);
        let done = one(arguments, source, mapping).with_context(|| source.name())?;
        sum.counts.add(&done.counts);
        sum.end = Outcome::from(&done.end);
        report(arguments, source).file(&done);
        if !arguments.json && !is_one {
            println!("{}: {}", source.name(), done.counts);
        }
        tell(source, &done, arguments.dry_run);
        if let End::Failed(error) = done.end {
            sum.micros = u128::try_from(world::now().micros() - started.micros()).unwrap_or(0);
            if arguments.json {
                report(arguments, source).sum(&sum);
            }
            return Err(error.context(source.name()));
        }
        tell_end(source, &done, sum.files.1);
        if sum.end != Outcome::Complete {
            break;
        }
    }
    sum.micros = u128::try_from(world::now().micros() - started.micros()).unwrap_or(0);
    report(arguments, &sources[0]).sum(&sum);
    let is_refused = sum.counts.rejected > 0 && !(is_lenient && sum.counts.rejected < sum.counts.rows());
    Ok(match sum.end {
        Outcome::Interrupted => ExitCode::from(interrupt::EXIT_CODE),
        Outcome::Complete if !is_refused => ExitCode::SUCCESS,
        Outcome::Complete | Outcome::TooManyErrors | Outcome::Failed => ExitCode::FAILURE,
    })
}

fn report(arguments: &Arguments, source: &Source) -> Report {
    if arguments.json { Report::Json { file: source.name() } } else { Report::People }
}

/// Says why a file was not read to its end, and how to go on.
fn tell_end(source: &Source, done: &Done, not_begun: usize) {
    match &done.end {
        End::Complete | End::Failed(_) => {}
        End::TooMany(reason) => {
            eprintln!("tessera: {reason}");
            eprintln!(
                "tessera: correct the mapping or the file and start again: rows that are stored are known by then"
            );
        }
        End::Interrupted => {
            let not_begun = match not_begun {
                0 => String::new(),
                count => format!(", with {count} of the files not begun"),
            };
            eprintln!(
                "tessera: ended by Ctrl-C behind line {} of {}{not_begun}; start it again with the same flags to go on: rows that are stored are told as duplicates",
                done.line,
                source.name()
            );
        }
    }
}

/// Loads one file.
fn one(arguments: &Arguments, source: &Source, mapping: Mapping) -> Result<Done> {
    let opened = source.open(mapping.speaks_of_its_file())?;
    let ending = Rejects::ending(mapping.has_columns());
    let rejected = arguments.rejected.clone().unwrap_or_else(|| source.rejected(ending));
    let load = Load {
        path: source.path(),
        // Bytes of Parquet are read from many places: what is left cannot be told by them.
        bytes: if mapping.format() == Format::Parquet { None } else { opened.bytes },
        mapping,
        file_hash: opened.hash,
        batch: arguments.batch.into(),
        rejected,
        errors_max: arguments.max_errors,
        progress: Duration::from_secs(arguments.progress.into()),
        report: report(arguments, source),
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
