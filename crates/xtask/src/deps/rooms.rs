//! Rooms of a crate: folders that stand on each other, so that none needs to know what stands above it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The rooms of a crate, lowest first. Each may name those before it; all other modules of the crate stand on top, and no room names one.
pub(crate) struct House {
    folder: &'static str,
    rooms: &'static [&'static str],
}

/// The crates that are divided into rooms.
pub(crate) const HOUSES: &[House] = &[House {
    folder: "crates/service/src",
    rooms: &["base", "stored", "directory", "config", "jobs", "read", "write", "work"],
}];

/// Every module of a room that names one above it.
pub(crate) fn check(root: &Path, houses: &[House]) -> Result<Vec<String>> {
    let mut faults = BTreeSet::new();
    for house in houses {
        let folder = root.join(house.folder);
        for (rank, room) in house.rooms.iter().enumerate() {
            let mut files = vec![folder.join(format!("{room}.rs"))];
            collect(&folder.join(room), &mut files)?;
            for file in files {
                let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
                for named in named(&text) {
                    if house.rooms.iter().position(|own| *own == named).is_none_or(|own| own > rank) {
                        let file = file.strip_prefix(root).unwrap_or(&file).display();
                        faults.insert(format!("{file} may not name crate::{named}: {room} stands below it"));
                    }
                }
            }
        }
    }
    Ok(faults.into_iter().collect())
}

/// The files of a folder and those inside it, tests aside.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            collect(&path, files)?;
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    Ok(())
}

/// The modules at the top of the crate that a file names outside of its comments and its tests.
fn named(text: &str) -> BTreeSet<String> {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.map(|line| line.split(" // ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => heads(group, &mut named),
            None => named.extend(word(rest)),
        }
    }
    named.retain(|name| name != "ALLOCATOR");
    named
}

/// The first names of the items of a group, up to its end.
fn heads(group: &str, named: &mut BTreeSet<String>) {
    let mut depth = 0;
    let mut is_head = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => is_head = true,
            letter if is_head && !letter.is_whitespace() => {
                named.extend(word(&group[at..]));
                is_head = false;
            }
            _ => {}
        }
    }
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_room_names_those_below_it_alone() {
        assert_eq!(check(&crate::root(), HOUSES).expect("the files"), Vec::<String>::new());
    }

    #[test]
    fn what_a_file_names_is_found() {
        let text = "use crate::base::error::Error;\nuse crate::{work, read::{find, crates::x}};\n// crate::comment\n\
                    fn f() { crate::write::lane(); my_crate::other(); }\n#[cfg(test)]\nmod tests {\n use crate::tested;\n}\n";
        let expected = ["base", "read", "work", "write"].map(str::to_owned);
        assert_eq!(named(text), BTreeSet::from(expected));
    }

    #[test]
    fn a_room_that_names_one_above_it_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join("src").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            fs::write(path, text).expect("it is written");
        };
        write("low.rs", "pub mod inner;\n");
        write("low/inner.rs", "use crate::high::Thing;\n");
        write("low/inner/tests.rs", "use crate::high::Thing;\n");
        write("high.rs", "use crate::low::inner;\nuse crate::handle::Thing;\n");
        let houses = [House { folder: "src", rooms: &["low", "high"] }];
        let faults = check(folder.path(), &houses).expect("the files");
        assert_eq!(
            faults,
            [
                "src/high.rs may not name crate::handle: high stands below it",
                "src/low/inner.rs may not name crate::high: low stands below it"
            ]
        );
    }
}
