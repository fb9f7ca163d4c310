//! Which source files have grown too long. A report, not a gate: long tables are exempt, and only a reader can tell.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Lines that a file may have without its tests.
const LINES_MAX: usize = 500;

/// Prints every file over the limit, longest first.
pub(crate) fn run() -> Result<()> {
    let root = crate::root();
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files)?;
    let mut long = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let lines = lines_of_code(&text);
        if lines > LINES_MAX {
            long.push((lines, file));
        }
    }
    long.sort_unstable();
    for (lines, file) in long.iter().rev() {
        println!("{lines:5} lines  {}", file.strip_prefix(&root).unwrap_or(file).display());
    }
    println!("sizes: {} of {} files have more than {LINES_MAX} lines", long.len(), files.len());
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" && name != "target" {
            collect(&path, files)?;
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    Ok(())
}

/// Lines up to the tests, if the file has some at its end.
fn lines_of_code(text: &str) -> usize {
    text.lines().take_while(|line| *line != "mod tests {").count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_at_the_end_do_not_count() {
        assert_eq!(super::lines_of_code("a\nb\n#[cfg(test)]\nmod tests {\n  c\n}\n"), 3);
        assert_eq!(super::lines_of_code("a\nb\n"), 2);
    }
}
