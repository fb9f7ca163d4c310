//! Who may depend on whom, and what a crate must never know; the same for the rooms inside a crate.

pub(crate) mod rooms;
#[cfg(test)]
mod tests;

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What one crate of the workspace may and must not name in its manifest.
pub(crate) struct Rule {
    /// The package.
    package: &'static str,
    /// Crates of the workspace that it may depend on.
    may: &'static [&'static str],
    /// Crates of the workspace that its tests may use besides.
    tests_may: &'static [&'static str],
    /// Crates from outside that it must never know. Tests are free.
    never: &'static [&'static str],
}

/// Wire formats, HTTP and everything that waits.
const OUTSIDE: [&str; 9] =
    ["axum", "hyper", "hyper-util", "tower", "tower-http", "ureq", "rustls", "tokio-rustls", "governor"];

/// What a door that is a crate must never know: stores, as all doors, and what happens around a request, which the seam does for all of them.
const DOOR_NEVER: &[&str] = &[
    "clap",
    "fjall",
    "getrandom",
    "governor",
    "hyper",
    "hyper-util",
    "metrics",
    "postcard",
    "rand",
    "rustls",
    "tokio-rustls",
    "tower",
    "tower-http",
    "ureq",
    "uuid",
];

/// The table of `ARCHITECTURE.md`. A new edge between crates needs a decision page first, then a line here.
pub(crate) const TABLE: &[Rule] = &[
    Rule {
        package: "tessera-expr",
        may: &[],
        tests_may: &[],
        never: &[
            "async-trait",
            "axum",
            "clap",
            "fjall",
            "getrandom",
            "hyper",
            "metrics",
            "postcard",
            "rand",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
            "ureq",
            "uuid",
        ],
    },
    Rule {
        package: "tessera-engine",
        may: &["tessera-expr"],
        tests_may: &[],
        never: &[
            "async-trait",
            "axum",
            "clap",
            "fjall",
            "getrandom",
            "hyper",
            "jiff",
            "metrics",
            "postcard",
            "rand",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
            "ureq",
            "uuid",
        ],
    },
    Rule {
        package: "tessera-store",
        may: &[],
        tests_may: &[],
        never: &[
            "axum",
            "clap",
            "fjall",
            "getrandom",
            "hyper",
            "jiff",
            "postcard",
            "serde",
            "serde_json",
            "ureq",
            "uuid",
        ],
    },
    Rule {
        package: "tessera-store-lsm",
        may: &["tessera-store"],
        tests_may: &[],
        never: &["axum", "clap", "getrandom", "hyper", "jiff", "postcard", "serde_json", "ureq", "uuid"],
    },
    Rule {
        package: "tessera-connect",
        may: &[],
        tests_may: &[],
        never: &["axum", "clap", "fjall", "getrandom", "hyper", "postcard", "rand", "tower", "uuid"],
    },
    Rule {
        package: "tessera-service",
        may: &["tessera-connect", "tessera-engine", "tessera-expr", "tessera-store"],
        tests_may: &["tessera-store-lsm"],
        never: &["axum", "clap", "fjall", "getrandom", "hyper", "rand", "tower", "ureq", "uuid"],
    },
    Rule {
        package: "tessera-seam",
        may: &["tessera-engine", "tessera-expr", "tessera-service"],
        tests_may: &[],
        never: &["clap", "fjall", "getrandom", "postcard", "rand", "ureq", "uuid"],
    },
    Rule {
        package: "tessera-adobe",
        may: &["tessera-engine", "tessera-expr", "tessera-seam", "tessera-service"],
        tests_may: &[],
        never: DOOR_NEVER,
    },
    Rule {
        package: "tessera-optimizely",
        may: &["tessera-engine", "tessera-expr", "tessera-seam", "tessera-service"],
        tests_may: &[],
        never: DOOR_NEVER,
    },
    Rule {
        package: "tessera-api",
        may: &[
            "tessera-adobe",
            "tessera-engine",
            "tessera-expr",
            "tessera-optimizely",
            "tessera-seam",
            "tessera-service",
        ],
        tests_may: &["tessera-store"],
        never: &["clap", "fjall", "getrandom", "postcard", "rand", "ureq", "uuid"],
    },
    Rule {
        package: "tessera-server",
        may: &[
            "tessera-api",
            "tessera-connect",
            "tessera-engine",
            "tessera-service",
            "tessera-store",
            "tessera-store-lsm",
        ],
        tests_may: &[],
        never: &["axum", "fjall", "postcard"],
    },
    Rule { package: "xtask", may: &[], tests_may: &[], never: &OUTSIDE },
];

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null` for an ordinary dependency, `dev` or `build` for the others.
    kind: Option<String>,
    /// Present when the dependency lies in the workspace.
    path: Option<String>,
}

/// Fails when an edge is not in the table.
pub(crate) fn run() -> Result<()> {
    let metadata = read()?;
    let mut faults = check(&metadata, TABLE);
    faults.extend(rooms::check(&crate::root(), rooms::HOUSES)?);
    if faults.is_empty() {
        println!("deps: {} crates and their rooms keep to the table", metadata.packages.len());
        return Ok(());
    }
    bail!("{}", faults.join("\n       "))
}

/// Asks cargo.
pub(crate) fn read() -> Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crate::root())
        .output()
        .context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata answered something else")
}

/// Every fault, in the order of the manifests.
pub(crate) fn check(metadata: &Metadata, table: &[Rule]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        match table.iter().find(|rule| rule.package == package.name) {
            Some(rule) => check_package(package, rule, &mut faults),
            None => faults.push(format!("{} is not in the table of crates/xtask/src/deps.rs", package.name)),
        }
    }
    faults
}

fn check_package(package: &Package, rule: &Rule, faults: &mut Vec<String>) {
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let in_tests = dependency.kind.as_deref() == Some("dev");
        let listed = rule.may.contains(&name) || (in_tests && rule.tests_may.contains(&name)) || name == package.name;
        if dependency.path.is_some() && !listed {
            faults.push(format!("{} may not depend on {name}", package.name));
        }
        if !in_tests && rule.never.contains(&name) {
            faults.push(format!("{} must never know {name}", package.name));
        }
    }
}
