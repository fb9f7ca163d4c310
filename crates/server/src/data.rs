//! Commands on a data folder that no server is using: verify it, copy it out, fill a new one.

use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tessera_store::{Store, backup};
use tessera_store_lsm::{Aside, LsmStore, Settings, inspect};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};

/// What to do about damage.
const RESTORE: &str = "keep it as it is, and restore a backup into another folder with `tessera restore`";

/// Flags of `tessera check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArguments {
    /// The folder to verify.
    #[arg(long, env = "TESSERA_DATA", value_name = "FOLDER")]
    data: PathBuf,
}

/// Flags of `tessera backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArguments {
    /// The folder to copy.
    #[arg(long, env = "TESSERA_DATA", value_name = "FOLDER")]
    data: PathBuf,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Flags of `tessera restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArguments {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The folder to make; it must not exist.
    #[arg(long, env = "TESSERA_DATA", value_name = "FOLDER")]
    data: PathBuf,
}

/// Verifies a folder; says what it counted, or what is wrong. Writes nothing to it.
pub(crate) fn check(arguments: &CheckArguments) -> Result<()> {
    ensure_filled(&arguments.data)?;
    let inspection = inspect(&arguments.data)?;
    for torn in &inspection.torn {
        println!("note: a batch was never finished, and nobody was told that it was done {torn}");
    }
    for damage in &inspection.damage {
        println!("fault: {damage}");
    }
    println!(
        "files: {} journals with {} groups of commits, {} tables, {} faults",
        inspection.journals,
        inspection.groups,
        inspection.tables,
        inspection.damage.len()
    );
    ensure!(inspection.damage.is_empty(), "files of the folder are damaged: {RESTORE}");
    let aside = Aside::open(&arguments.data)?;
    let report = block_on(tessera_service::check::run(aside.store()))?.context("the folder cannot be verified")?;
    for (workspace, counts) in &report.workspaces {
        println!(
            "workspace {}: {} profiles, {} identities, {} events, {} facts",
            workspace.number(),
            counts.profiles,
            counts.identities,
            counts.events,
            counts.facts
        );
    }
    if report.outdated > 0 {
        println!(
            "note: {} records follow rules from before a change of configuration, until their links are touched",
            report.outdated
        );
    }
    for fault in &report.faults {
        println!("fault: {fault}");
    }
    println!("check: {} rows, {} faults", report.rows, report.faults.len());
    ensure!(report.faults.is_empty(), "records of the folder are damaged: {RESTORE}");
    Ok(())
}

/// Copies a folder to one file. The file appears under its name only when it is whole and on disk.
pub(crate) fn backup(arguments: &BackupArguments) -> Result<()> {
    ensure!(!arguments.to.exists(), "{} exists already", arguments.to.display());
    let store = open_existing(&arguments.data)?;
    let partial = beside(&arguments.to, ".partial");
    let summary = block_on(async {
        let mut out = BufWriter::new(File::create(&partial).await?);
        let summary = backup::backup(store.as_ref(), &mut out).await?;
        out.flush().await?;
        out.get_ref().sync_all().await?;
        anyhow::Ok(summary)
    })?
    .with_context(|| format!("cannot write {}", partial.display()))?;
    put_in_place(&partial, &arguments.to)?;
    println!("backup: {} rows, {} feed rows, as of version {}", summary.rows, summary.feed_rows, summary.as_of.0);
    Ok(())
}

/// Fills a new folder from a backup. The folder appears under its name only when it is whole.
pub(crate) fn restore(arguments: &RestoreArguments) -> Result<()> {
    ensure!(!arguments.data.exists(), "{} exists already", arguments.data.display());
    let partial = beside(&arguments.data, ".partial");
    ensure!(!partial.exists(), "{} is left of a restore that was broken off: remove it first", partial.display());
    let summary = block_on(async {
        let mut input = BufReader::new(File::open(&arguments.from).await.context("cannot read it")?);
        let store = LsmStore::open(Settings::new(&partial))?;
        let summary = backup::restore(&mut input, &store).await;
        store.close().await;
        anyhow::Ok(summary?)
    })?;
    let summary = summary.with_context(|| format!("cannot restore {}", arguments.from.display()))?;
    put_in_place(&partial, &arguments.data)?;
    println!("restore: {} rows, {} feed rows, as of version {}", summary.rows, summary.feed_rows, summary.as_of.0);
    Ok(())
}

/// A mistyped path must not make a new folder.
fn ensure_filled(path: &Path) -> Result<()> {
    let is_filled = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    ensure!(is_filled, "there is no data folder {}", path.display());
    Ok(())
}

/// Opens a store that is there already.
fn open_existing(path: &Path) -> Result<Arc<dyn Store>> {
    ensure_filled(path)?;
    Ok(Arc::new(LsmStore::open(Settings::new(path))?))
}

fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    Ok(runtime.context("cannot start the runtime")?.block_on(future))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// Renames, and makes the new name durable.
fn put_in_place(partial: &Path, target: &Path) -> Result<()> {
    fs::rename(partial, target)
        .with_context(|| format!("cannot rename {} to {}", partial.display(), target.display()))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all().with_context(|| format!("cannot sync {}", folder.display()))
}
