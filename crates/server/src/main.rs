//! The binary: the command line, the settings, the wiring, the clock and the random source, the clean stop.
//!
//! What it is not: it holds no business rule and knows no stored byte. Everything that it tells the service about the world
//! (time, random bits, where the data lies) it gives at construction. Start reading at [`serve`].

mod apply;
mod background;
mod client;
mod commands;
mod data;
mod demo;
mod files;
mod gauges;
mod guesses;
mod interrupt;
mod load;
mod logging;
mod measured;
mod notify;
mod otlp;
mod reload;
mod serve;
mod settings;
mod start;
mod world;

use std::process::ExitCode;

/// Lanes make and drop many small values; the system's allocator took a third of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::{CommandFactory as _, Parser, Subcommand};
use commands::{ask, audit, connection, dump, job, key, operate, profile, ready, rule, shell, stored, workspace};
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
    /// Send the rows of a CSV, JSON lines, Parquet or blank-separated file to a server, as events or as records.
    Load(Box<load::Arguments>),
    /// Start a server on this machine, load the bundled purchase log and show what to try.
    Demo(demo::Arguments),
    /// Bring the configuration of a workspace to what files say: data model, namespaces, merge policies and more.
    Apply(apply::Arguments),
    /// Show, find, explain, export and erase profiles.
    #[command(subcommand)]
    Profile(Box<profile::ProfileCommand>),
    /// List, preview, make and explain segments, and list their members.
    #[command(subcommand)]
    Segment(Box<stored::SegmentCommand>),
    /// List, make and explain computed attributes.
    #[command(subcommand)]
    Attribute(Box<stored::AttributeCommand>),
    /// Check a rule, or try it on a profile.
    #[command(subcommand)]
    Rule(Box<rule::RuleCommand>),
    /// Look at what was refused, and send it again.
    #[command(subcommand)]
    Quarantine(Box<operate::QuarantineCommand>),
    /// See to it that identities are let in no more.
    #[command(subcommand)]
    Suppression(Box<operate::SuppressionCommand>),
    /// Tell whether a server takes requests, by how it ends; no key is needed.
    Ready(ready::ReadyArguments),
    /// Count what a workspace holds.
    Counts(ask::Ask),
    /// The configuration of a workspace, as `apply` reads it.
    #[command(subcommand)]
    Config(dump::ConfigCommand),
    /// Make, list, rotate and revoke keys.
    #[command(subcommand)]
    Key(Box<key::KeyCommand>),
    /// Make and list workspaces.
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// Read the audit log: who changed, read in bulk, exported or erased what.
    Audit(Box<audit::AuditArguments>),
    /// Ask for long work, watch it, pause, resume or cancel it.
    #[command(subcommand)]
    Job(Box<job::JobCommand>),
    /// Keep a server and a key under a name.
    Login(connection::LoginArguments),
    /// Forget a connection that `login` made.
    Logout(connection::LogoutArguments),
    /// List the connections that `login` made.
    Connections,
    /// Verify a data folder that no server is using.
    Check(data::CheckArguments),
    /// Write everything in a data folder that no server is using to one file.
    Backup(data::BackupArguments),
    /// Fill a new data folder from a backup.
    Restore(data::RestoreArguments),
    /// Print the OpenAPI document of the HTTP API.
    Openapi,
    /// Print what a shell needs to complete commands and flags.
    Completions(shell::CompletionsArguments),
    /// Print a man page, or write those of all commands.
    Man(shell::ManArguments),
}

fn main() -> ExitCode {
    end_with_the_reader();
    // What is written, data and backups above all, is for the owner alone.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let done = match guesses::parse().command {
        // It tells more by how it ends than that it did.
        Command::Apply(arguments) => return end(apply::run(&arguments)),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Load(arguments) => return end(load::run(&arguments)),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Profile(command) => profile::run(*command),
        Command::Segment(command) => stored::run_segment(*command),
        Command::Attribute(command) => stored::run_attribute(*command),
        Command::Rule(command) => rule::run(*command),
        Command::Quarantine(command) => operate::run_quarantine(*command),
        Command::Suppression(command) => operate::run_suppression(*command),
        Command::Ready(arguments) => ready::run(arguments),
        Command::Counts(ask) => operate::run_counts(&ask),
        Command::Config(command) => dump::run(&command),
        Command::Key(command) => key::run(*command),
        Command::Workspace(command) => workspace::run(command),
        Command::Audit(arguments) => audit::run(*arguments),
        Command::Job(command) => job::run(*command),
        Command::Login(arguments) => connection::login(arguments),
        Command::Logout(arguments) => connection::logout(&arguments),
        Command::Connections => connection::list(),
        Command::Completions(arguments) => {
            shell::completions(&arguments, CommandLine::command());
            Ok(())
        }
        Command::Man(arguments) => shell::man(&arguments, CommandLine::command()),
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

/// How a shell names the end of a program whose reader went away, as in `tessera job list | head`.
const READER_GONE: u8 = 141;

/// Printing to a reader that went away is a panic of the standard library; here it is the end, without a word.
fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(READER_GONE.into());
        }
        usual(panic);
    }));
}

fn end(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) if is_reader_gone(&error) => ExitCode::from(READER_GONE),
        Err(error) => {
            let said = error.downcast_ref::<client::Said>().and_then(client::Said::json);
            match said.filter(|_| std::env::args_os().any(|argument| argument == "--json")) {
                Some(json) => eprintln!("{json}"),
                None => eprintln!("tessera: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether what could not be written was for a reader that went away. A server that closes a connection is another thing, and is no
/// plain error of writing.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let csv = error.downcast_ref::<csv::Error>().and_then(|error| match error.kind() {
        csv::ErrorKind::Io(error) => Some(error.kind()),
        _ => None,
    });
    io.or(csv) == Some(std::io::ErrorKind::BrokenPipe)
}
