//! Checks of the workspace that no ready-made tool does.
//!
//! `cargo xtask deps` holds the crates to the table of who may depend on whom; `cargo xtask sizes` names the source files that
//! have grown too long to read; `cargo xtask sbom` prints what the binary is made of; `cargo xtask bench` measures the release binary against its budgets (by `scripts/bench.sh`, which
//! builds what it needs). Start reading at [`deps::TABLE`].

mod bench;
mod deps;
mod sbom;
mod sizes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["deps"] => deps::run(),
        ["sizes"] => sizes::run(),
        ["sbom"] => sbom::run(),
        ["bench", ..] => bench::run(&arguments[1..]),
        // A part of the bench, in a process of its own.
        ["bench-append", file, seconds, group] => bench::floor::append(file, seconds, group),
        _ => Err(anyhow::anyhow!("usage: cargo xtask deps | sizes | sbom | bench")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace, wherever the command was started.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate lies two folders below the root").to_path_buf()
}
