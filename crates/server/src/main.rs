//! The binary: the command line, the settings, the wiring, the clock and the random source, the clean stop.
//!
//! What it is not: it holds no business rule and knows no stored byte. Everything that it tells the service about the world
//! (time, random bits, where the data lies) it gives at construction. Start reading at [`serve`].

mod admin;
mod apply;
mod background;
mod client;
mod data;
mod demo;
mod files;
mod gauges;
mod interrupt;
mod jobs;
mod load;
mod logging;
mod serve;
mod settings;
mod start;
mod world;

use std::process::ExitCode;

/// Lanes make and drop many small values; the system's allocator took a third of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::{Parser, Subcommand};
use rustix::fs::Mode;

/// Self-hosted real-time customer profiles.
#[derive(Debug, Parser)]
#[command(name = "tessera", version, about, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(Box<serve::Arguments>),
    /// Send the rows of a CSV, JSON lines or blank-separated file to a server, as events or as records.
    Load(Box<load::Arguments>),
    /// Start a server on this machine, load the bundled purchase log and show what to try.
    Demo(demo::Arguments),
    /// Bring the configuration of a workspace to what files say: data model, namespaces, merge policies and more.
    Apply(apply::Arguments),
    /// Make, list, rotate and revoke keys.
    #[command(subcommand)]
    Key(admin::KeyCommand),
    /// Make and list workspaces.
    #[command(subcommand)]
    Workspace(admin::WorkspaceCommand),
    /// Ask for long work, watch it, pause, resume or cancel it.
    #[command(subcommand)]
    Job(jobs::JobCommand),
    /// Verify a data folder that no server is using.
    Check(data::CheckArguments),
    /// Write everything in a data folder that no server is using to one file.
    Backup(data::BackupArguments),
    /// Fill a new data folder from a backup.
    Restore(data::RestoreArguments),
    /// Print the OpenAPI document of the HTTP API.
    Openapi,
}

fn main() -> ExitCode {
    // What is written, data and backups above all, is for the owner alone.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let done = match CommandLine::parse().command {
        // It tells more by how it ends than that it did.
        Command::Apply(arguments) => return end(apply::run(&arguments)),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Load(arguments) => return end(load::run(&arguments)),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Key(command) => admin::run_key(command),
        Command::Workspace(command) => admin::run_workspace(command),
        Command::Job(command) => jobs::run(command),
        Command::Check(arguments) => data::check(&arguments),
        Command::Backup(arguments) => data::backup(&arguments),
        Command::Restore(arguments) => data::restore(&arguments),
        Command::Openapi => {
            println!("{}", tessera_api::openapi_document().trim_end());
            Ok(())
        }
    };
    end(done.map(|()| ExitCode::SUCCESS))
}

fn end(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tessera: {error:#}");
            ExitCode::FAILURE
        }
    }
}
