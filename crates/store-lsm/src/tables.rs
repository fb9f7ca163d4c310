//! The tables of the trees, verified as whole files against the checksums that the trees keep of them. Changes nothing.
//!
//! A keyspace is a folder `keyspaces/NUMBER`: `current` names the version of the tree and holds its checksum, `vVERSION` lists the
//! tables with a checksum each, `tables/ID` are the tables. fjall verifies the blocks that it reads; this verifies all.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A file that is not as it was written.
#[derive(Debug)]
pub(crate) struct TableFault {
    pub(crate) file: PathBuf,
    pub(crate) found: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) tables: usize,
    pub(crate) faults: Vec<TableFault>,
}

/// Verifies all tables of a store that nobody changes meanwhile. Reads all of them.
pub(crate) fn verify(tree: &Path) -> Verified {
    let mut verified = Verified::default();
    let folder = tree.join("keyspaces");
    match folders(&folder) {
        Ok(keyspaces) => keyspaces.iter().for_each(|keyspace| verify_keyspace(keyspace, &mut verified)),
        Err(error) => verified.fault(&folder, error),
    }
    verified
}

impl Verified {
    fn fault(&mut self, file: &Path, found: impl ToString) {
        self.faults.push(TableFault { file: file.to_path_buf(), found: found.to_string() });
    }
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        found.extend(path.is_dir().then_some(path));
    }
    found.sort();
    Ok(found)
}

fn verify_keyspace(keyspace: &Path, verified: &mut Verified) {
    let current = keyspace.join("current");
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        // fjall removes what was being made when the process ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return verified.fault(&current, error),
    };
    let mut input = &bytes[..];
    let (Some(version), Some(checksum)) = (array(&mut input).map(u64::from_le_bytes), array(&mut input)) else {
        return verified.fault(&current, "it is cut short");
    };
    let list = keyspace.join(format!("v{version}"));
    match fs::read(&list) {
        Ok(bytes) if xxh3_128(&bytes) != u128::from_le_bytes(checksum) => {
            return verified.fault(&list, "its checksum differs");
        }
        Ok(_) => {}
        Err(error) => return verified.fault(&list, error),
    }
    match tables(&list) {
        Ok(tables) => tables.into_iter().for_each(|(id, checksum)| {
            let table = keyspace.join("tables").join(id.to_string());
            verified.tables += 1;
            match checksum_of(&table) {
                Ok(found) if found == checksum => {}
                Ok(_) => verified.fault(&table, "its checksum differs"),
                Err(error) => verified.fault(&table, error),
            }
        }),
        Err(error) => verified.fault(&list, error),
    }
}

/// The tables of a version: number and checksum.
fn tables(list: &Path) -> io::Result<Vec<(u64, u128)>> {
    let reader = sfa::Reader::new(list).map_err(|error| io::Error::other(error.to_string()))?;
    let section = reader.toc().section(b"tables").ok_or_else(|| io::Error::other("it lists no tables"))?;
    let mut bytes = Vec::new();
    section.reader(list)?.read_to_end(&mut bytes)?;
    read_tables(&bytes).ok_or_else(|| io::Error::other("its list of tables is malformed"))
}

fn read_tables(mut input: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut found = Vec::new();
    for _ in 0..array::<1>(&mut input)?[0] {
        for _ in 0..array::<1>(&mut input)?[0] {
            for _ in 0..u32::from_le_bytes(array(&mut input)?) {
                let id = u64::from_le_bytes(array(&mut input)?);
                let [_kind] = array(&mut input)?;
                let checksum = u128::from_le_bytes(array(&mut input)?);
                let _seqno: [u8; 8] = array(&mut input)?;
                found.push((id, checksum));
            }
        }
    }
    Some(found)
}

fn array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*taken)
}

fn checksum_of(path: &Path) -> io::Result<u128> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.digest128()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
