//! What somebody types who knows other servers: flags and commands that there are not, and what to write instead.

use std::collections::BTreeSet;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, Parser as _};

use crate::CommandLine;

/// Where a flag is typed.
enum Where {
    /// Behind `tessera serve`.
    Serve,
    /// Behind any other command.
    Elsewhere,
}

/// Flags, and what to write instead.
const FLAGS: &[(Where, &[&str], &str)] = &[
    (
        Where::Serve,
        &["--port", "-p", "--host", "--bind", "--address", "--addr"],
        "address and port are one: --listen 127.0.0.1:PORT",
    ),
    (
        Where::Serve,
        &["--data-dir", "--datadir", "--data-path", "--dir", "--path", "-d"],
        "the folder of the data is --data FOLDER",
    ),
    (
        Where::Serve,
        &["--key", "--api-key", "--bootstrap-key", "--token", "--password"],
        "the first key is told in the environment, where other users do not see it: TESSERA_BOOTSTRAP_KEY=… tessera serve",
    ),
    (Where::Serve, &["--verbose", "-v", "--debug"], "what is logged is --log-level debug"),
    (Where::Serve, &["-c"], "a file of settings is --config FILE"),
    (
        Where::Elsewhere,
        &["--host", "--port", "-p", "--address", "--endpoint"],
        "the server is --url http://127.0.0.1:8640",
    ),
    (Where::Elsewhere, &["--api-key", "--token"], "the key is in TESSERA_KEY, or --key"),
    (Where::Elsewhere, &["--separator", "--sep"], "what separates columns is --delimiter"),
    (Where::Elsewhere, &["--name"], "the name stands alone, without a flag"),
    (Where::Elsewhere, &["--force", "-y"], "what asks before it does something takes --yes"),
    (Where::Elsewhere, &["--output", "--format"], "for machines: --json"),
];

/// Commands, and what to write instead.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["version"], "tessera --version"),
    (&["server", "start", "run", "up"], "tessera serve"),
    (&["import", "ingest", "upload", "send"], "tessera load"),
    (
        &["export", "delete", "erase", "query", "find", "get", "events"],
        "tessera profile, whose commands find, show, export and erase people",
    ),
    (
        &["status", "health", "ping"],
        "tessera ready tells whether a server takes requests; tessera counts, what it holds",
    ),
    (&["user", "users", "token", "apikey"], "tessera key"),
    (
        &["rules", "attributes", "segments", "keys", "jobs", "profiles", "workspaces"],
        "names of commands are singular, as in tessera segment list",
    ),
    (&["logs", "log"], "tessera audit tells who did what; the server logs to standard error"),
];

/// Variables of the environment that are no flags, and what those begin with that connections name.
const VARIABLES: [&str; 2] = ["TESSERA_BOOTSTRAP_KEY", "TESSERA_KEY"];
const SECRETS: &str = "TESSERA_SECRET_";

/// Of these names, those that begin as the variables of this program do and are none of them: misspelled, most likely.
pub(crate) fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let command = CommandLine::command();
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let known: BTreeSet<&str> = arguments.filter_map(|one| one.get_env()?.to_str()).chain(VARIABLES).collect();
    let is_ours = |name: &String| name.starts_with("TESSERA_") && !name.starts_with(SECRETS);
    names.filter(is_ours).filter(|name| !known.contains(name.as_str())).collect()
}

/// Reads the command line, or ends with what is wrong with it.
pub(crate) fn parse() -> CommandLine {
    CommandLine::try_parse().unwrap_or_else(|mut error| {
        let tip = tip(&error, std::env::args().nth(1).as_deref());
        if let Some(tip) = tip {
            hint(&mut error, tip);
        }
        error.exit()
    })
}

fn hint(error: &mut Error, tip: &'static str) {
    // What is merely spelled like it is farther from what was meant.
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
        error.remove(kind);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

/// What to write instead of what is not known; none where nobody would guess it.
fn tip(error: &Error, command: Option<&str>) -> Option<&'static str> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            // Below a command that there is, its help names those that it has.
            let typed = text(ContextKind::InvalidSubcommand).filter(|typed| command == Some(typed))?;
            COMMANDS.iter().find(|(names, _)| names.contains(&typed)).map(|(_, tip)| *tip)
        }
        ErrorKind::UnknownArgument => {
            let flag = text(ContextKind::InvalidArg)?;
            let is_serve = command == Some("serve");
            let is_there = |place: &Where| matches!(place, Where::Serve) == is_serve;
            FLAGS.iter().find(|(place, names, _)| is_there(place) && names.contains(&flag)).map(|(_, _, tip)| *tip)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut error = CommandLine::try_parse_from(&words).expect_err("no command");
        if let Some(tip) = tip(&error, words.get(1).copied()) {
            hint(&mut error, tip);
        }
        error.to_string()
    }

    #[test]
    fn what_other_servers_take_is_answered_by_what_this_one_takes() {
        for (line, expected) in [
            ("tessera serve --port 9000", "tip: address and port are one: --listen 127.0.0.1:PORT"),
            ("tessera serve --data d -p 9000", "--listen 127.0.0.1:PORT"),
            ("tessera serve --data-dir d", "tip: the folder of the data is --data FOLDER"),
            ("tessera serve --key k", "TESSERA_BOOTSTRAP_KEY=… tessera serve"),
            ("tessera workspace create --name shop", "tip: the name stands alone, without a flag"),
            ("tessera version", "tip: tessera --version"),
            ("tessera start", "tip: tessera serve"),
            ("tessera segments list", "tip: names of commands are singular"),
        ] {
            let said = said(line);
            assert!(said.contains(expected), "{line}: {said}");
        }
        let near = said("tessera serv");
        assert!(near.contains("'serve'"), "{near}");
        assert!(!said("tessera version").contains("suppression"));
    }

    #[test]
    fn misspelled_variables_are_found() {
        let names =
            ["TESSERA_LISTEN", "TESSERA_LISTN", "TESSERA_URL", "TESSERA_SECRET_CRM", "TESSERA_BOOTSTRAP_KEY", "PATH"];
        assert_eq!(unknown_variables(names.map(str::to_owned).into_iter()), ["TESSERA_LISTN"]);
    }

    /// What is told to be written is there, and what is told not to be is not.
    #[test]
    fn guesses_are_none_of_what_there_is() {
        let command = CommandLine::command();
        for (names, _) in COMMANDS {
            assert!(names.iter().all(|name| command.find_subcommand(name).is_none()), "{names:?}");
        }
        let serve = command.find_subcommand("serve").expect("a command");
        for (_, names, _) in FLAGS.iter().filter(|(place, ..)| matches!(place, Where::Serve)) {
            for name in *names {
                let is_there = serve.get_arguments().any(|one| {
                    one.get_long().is_some_and(|long| *name == format!("--{long}"))
                        || one.get_short().is_some_and(|short| *name == format!("-{short}"))
                });
                assert!(!is_there, "{name}");
            }
        }
    }
}
