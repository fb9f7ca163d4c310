use std::fs;

use tempfile::TempDir;

use super::{Folder, OpenError};

fn fresh() -> TempDir {
    TempDir::new().expect("temporary folder")
}

/// A folder that was a store.
fn sealed() -> TempDir {
    let root = fresh();
    let folder = Folder::claim(root.path()).expect("an empty folder");
    fs::create_dir(folder.tree()).expect("tree folder");
    folder.seal(true).expect("sealed");
    root
}

#[test]
fn a_folder_is_claimed_once() {
    let root = sealed();
    let first = Folder::claim(root.path()).expect("nobody has it");
    assert!(matches!(Folder::claim(root.path()), Err(OpenError::InUse { .. })));
    drop(first);
    assert!(Folder::claim(root.path()).is_ok());
}

#[test]
fn a_missing_folder_is_made() {
    let root = fresh();
    assert!(Folder::claim(&root.path().join("deep/er")).is_ok());
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let root = fresh();
    fs::write(root.path().join("thesis.doc"), "x").expect("write");
    assert!(matches!(Folder::claim(root.path()), Err(OpenError::NotAStore { .. })));
    assert_eq!(fs::read_dir(root.path()).expect("list").count(), 1);
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    let root = fresh();
    let file = root.path().join("notes.txt");
    fs::write(&file, "x").expect("write");
    for path in [file.clone(), file.join("data")] {
        let error = Folder::claim(&path).expect_err("a file");
        assert!(matches!(&error, OpenError::NotAFolder { file: named, .. } if *named == file), "{error}");
        assert!(error.to_string().contains("notes.txt is a file, and a folder is expected"), "{error}");
    }
}

#[test]
fn a_newer_format_is_named() {
    let root = sealed();
    fs::write(root.path().join("FORMAT"), "tessera-lsm 9\n").expect("write");
    assert!(matches!(Folder::claim(root.path()), Err(OpenError::Newer { found: 9, .. })));
}

#[test]
fn an_unreadable_format_is_damage() {
    for text in ["", "tessera-lsm\n", "other 1\n", "tessera-lsm 0\n", "tessera-lsm -1\n"] {
        let root = sealed();
        fs::write(root.path().join("FORMAT"), text).expect("write");
        assert!(matches!(Folder::claim(root.path()), Err(OpenError::Damaged { .. })), "{text:?}");
    }
    let root = sealed();
    fs::write(root.path().join("FORMAT"), [0xff, 0xfe]).expect("write");
    assert!(matches!(Folder::claim(root.path()), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_store_without_its_trees_is_damaged() {
    let root = sealed();
    fs::remove_dir(root.path().join("tree")).expect("remove");
    assert!(matches!(Folder::claim(root.path()), Err(OpenError::Damaged { .. })));
}

#[test]
fn an_interrupted_creation_is_taken_up_again() {
    let root = fresh();
    let folder = Folder::claim(root.path()).expect("an empty folder");
    fs::create_dir(folder.tree()).expect("tree folder");
    drop(folder);
    let folder = Folder::claim(root.path()).expect("only our own files");
    folder.seal(true).expect("sealed");
}

#[test]
fn rows_without_a_format_are_damage() {
    let root = fresh();
    let folder = Folder::claim(root.path()).expect("an empty folder");
    assert!(matches!(folder.seal(false), Err(OpenError::Damaged { .. })));
}
