//! Commands on a data folder that no server is using: verify it, copy it out, fill a new one.

use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use tessera_store::{Store, backup};
use tessera_store_lsm::{LsmStore, Settings};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};

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

/// Verifies a folder; says what it counted, or what is wrong.
pub(crate) fn check(arguments: &CheckArguments) -> Result<()> {
    let store = open_existing(&arguments.data)?;
    let report = block_on(tessera_service::check::run(store.as_ref()))?.context("the folder cannot be verified")?;
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
    ensure!(report.faults.is_empty(), "the folder is damaged: restore a backup");
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

/// Opens a store that is there already: a mistyped path must not make a new one.
fn open_existing(path: &Path) -> Result<Arc<dyn Store>> {
    let is_filled = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if !is_filled {
        bail!("there is no data folder {}", path.display());
    }
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
