//! `tessera completions` and `tessera man`: made of the command line itself, so that they say what it takes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Flags of `tessera completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// The shell that they are for.
    shell: clap_complete::Shell,
}

/// Flags of `tessera man`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArguments {
    /// Write the pages of all commands into this folder [default: print that of tessera itself].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints what a shell needs to complete commands and flags.
pub(crate) fn completions(arguments: &CompletionsArguments, mut command: clap::Command) {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tessera", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
}

/// Writes man pages.
pub(crate) fn man(arguments: &ManArguments, command: clap::Command) -> Result<()> {
    match &arguments.to {
        Some(folder) => {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            clap_mangen::generate_to(command, folder).with_context(|| format!("cannot write into {}", folder.display()))
        }
        None => Ok(clap_mangen::Man::new(command).render(&mut std::io::stdout().lock())?),
    }
}
