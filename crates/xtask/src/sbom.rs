//! A list of what the binary is made of, as CycloneDX has it: name, version, licence and checksum of each crate, and who needs whom.
//!
//! It is made of `cargo metadata` and `Cargo.lock`: what a build for this machine takes, without what only tests and build scripts of the workspace's own
//! tools use. Two runs over the same lock file write the same bytes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The version of the specification that is written.
const SPEC_VERSION: &str = "1.5";
/// The crate that the binary is of.
const BINARY: &str = "tessera-server";
/// Where crates are from that are packages of `pkg:cargo` without further words.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `null` for what the crate itself needs, `build` for its build script, `dev` for its tests.
    kind: Option<String>,
}

/// Prints the list.
pub(crate) fn run() -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&made()?)?);
    Ok(())
}

fn made() -> Result<Value> {
    let root = super::root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let target = host()?;
    command.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &target]).current_dir(&root);
    let output = command.output().context("cargo metadata does not start")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata says something else")?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    document(&metadata, &checksums(&lock))
}

/// What this machine is called where binaries are built for it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}

/// The SHA-256 of crates, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    let of = |block: &str| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?));
    lock.split("[[package]]").skip(1).filter_map(of).collect()
}

fn document(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let packages: BTreeMap<&str, &Package> = metadata.packages.iter().map(|one| (one.id.as_str(), one)).collect();
    let needs: BTreeMap<&str, BTreeSet<&str>> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), needed(node))).collect();
    let binary =
        metadata.packages.iter().find(|one| one.name == BINARY).context("the crate of the binary is missing")?;
    let mut reached = BTreeSet::from([binary.id.as_str()]);
    let mut open = vec![binary.id.as_str()];
    while let Some(id) = open.pop() {
        let next = needs.get(id).into_iter().flatten();
        open.extend(next.filter(|id| reached.insert(id)));
    }
    let named = |id: &&str| packages.get(*id).copied().with_context(|| format!("cargo metadata has no package {id}"));
    let mut parts: Vec<&Package> = reached.iter().map(named).collect::<Result<_>>()?;
    parts.sort_by_key(|one| (&one.name, &one.version));
    let graph: Vec<Value> = parts
        .iter()
        .map(|one| {
            let on: Vec<String> = needs
                .get(one.id.as_str())
                .into_iter()
                .flatten()
                .filter_map(|id| Some(purl(packages.get(id)?)))
                .collect();
            json!({ "ref": purl(one), "dependsOn": sorted(on) })
        })
        .collect();
    let components: Vec<Value> =
        parts.iter().filter(|one| one.name != BINARY).map(|one| component(one, "library", checksums)).collect();
    Ok(json!({
        "$schema": format!("http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json"),
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": component(binary, "application", checksums),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom", "version": binary.version }] },
        },
        "components": components,
        "dependencies": graph,
    }))
}

/// Whom a crate and its build script need.
fn needed(node: &Node) -> BTreeSet<&str> {
    let is_needed = |one: &&Dependency| one.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
    node.deps.iter().filter(is_needed).map(|one| one.pkg.as_str()).collect()
}

fn component(package: &Package, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let Package { name, version, .. } = package;
    let purl = purl(package);
    let mut component = json!({ "type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl });
    if let Some(license) = &package.license {
        // Older manifests have a slash where an expression has `OR`.
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksums.get(&(name.clone(), version.clone())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// The package's name as other tools write it.
fn purl(package: &Package) -> String {
    let Package { name, version, source, .. } = package;
    // A plus has another meaning in such names.
    let version = version.replace('+', "%2B");
    match source.as_deref() {
        None | Some(REGISTRY) => format!("pkg:cargo/{name}@{version}"),
        Some(source) => format!(
            "pkg:cargo/{name}@{version}?vcs_url={}",
            source.replace('#', "%23").replace('?', "%3F").replace('&', "%26")
        ),
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}
