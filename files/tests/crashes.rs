//! What a crash and a failure may leave, as a table of what a script did before.

use std::collections::BTreeSet;
use std::io::{ErrorKind, IoSlice};

use weir_files::{AppendFile, Failure, FileError, Files, Simulated, Survivors, for_each_crash, for_each_failure};

fn put(file: &mut dyn AppendFile, bytes: &[u8]) -> Result<(), FileError> {
    file.append(&mut [IoSlice::new(bytes)])
}

/// Every state that 2,000 seeds and the extremes show of a file.
fn states(files: &Simulated, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    let seeded = (0..2000).map(Survivors::Seeded);
    let all = [Survivors::Nothing, Survivors::Everything].into_iter().chain(seeded);
    all.map(|which| files.survivors(which).content(path)).collect()
}

#[test]
fn what_is_synced_survives_everything() {
    let files = Simulated::new();
    let mut file = files.create("a").unwrap();
    put(&mut *file, b"one").unwrap();
    file.sync().unwrap();
    files.sync_folder("").unwrap();
    assert_eq!(states(&files, "a"), BTreeSet::from([Some(b"one".to_vec())]));
    let again = files.survivors(Survivors::Nothing);
    assert_eq!(again.operations(), 0);
    assert_eq!(states(&again, "a"), BTreeSet::from([Some(b"one".to_vec())]));
}

#[test]
fn data_and_name_are_lost_or_kept_independently() {
    let files = Simulated::new();
    let mut file = files.create("a").unwrap();
    put(&mut *file, b"one").unwrap();
    assert_eq!(files.survivors(Survivors::Nothing).content("a"), None);
    assert_eq!(files.survivors(Survivors::Everything).content("a").unwrap(), b"one");
    let seen = states(&files, "a");
    for expected in [None, Some(&b""[..]), Some(b"o"), Some(b"one"), Some(&[0; 3])] {
        assert!(seen.contains(&expected.map(<[u8]>::to_vec)), "{expected:?} of {seen:?}");
    }
    // With the name synced the data may still be lost, and the other way about.
    files.sync_folder("").unwrap();
    assert_eq!(files.survivors(Survivors::Nothing).content("a").unwrap(), b"");
    let files = Simulated::new();
    let mut file = files.create("a").unwrap();
    put(&mut *file, b"one").unwrap();
    file.sync().unwrap();
    assert_eq!(states(&files, "a"), BTreeSet::from([None, Some(b"one".to_vec())]));
}

#[test]
fn a_later_write_may_survive_an_earlier_one() {
    let files = Simulated::new();
    let mut file = files.create("a").unwrap();
    files.sync_folder("").unwrap();
    put(&mut *file, b"one").unwrap();
    put(&mut *file, b"two").unwrap();
    assert!(states(&files, "a").contains(&Some(b"\0\0\0two".to_vec())));
}

#[test]
fn sectors_are_torn_apart() {
    let files = Simulated::new();
    let mut file = files.create("a").unwrap();
    files.sync_folder("").unwrap();
    put(&mut *file, &[1; 1536]).unwrap();
    let torn = [[0; 512], [1; 512], [0; 512]].concat();
    assert!(states(&files, "a").contains(&Some(torn)));
}

#[test]
fn renames_and_removals_are_lost_or_kept() {
    let files = Simulated::new();
    for (path, bytes) in [("old", b"1"), ("new", b"2"), ("gone", b"3")] {
        let mut file = files.create(path).unwrap();
        put(&mut *file, bytes).unwrap();
        file.sync().unwrap();
    }
    files.sync_folder("").unwrap();
    files.rename("new", "old").unwrap();
    files.remove("gone").unwrap();
    let seen: BTreeSet<Vec<String>> =
        (0..50).map(|seed| files.survivors(Survivors::Seeded(seed)).list("").unwrap()).collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let expected = [&["gone", "new", "old"][..], &["gone", "old"], &["new", "old"], &["old"]];
    assert_eq!(seen, expected.map(names).into_iter().collect());
    assert_eq!(states(&files, "old"), BTreeSet::from([Some(b"1".to_vec()), Some(b"2".to_vec())]));
}

#[test]
fn a_lost_folder_takes_its_files_along() {
    let files = Simulated::new();
    files.make_folder("f").unwrap();
    files.create("f/a").unwrap().sync().unwrap();
    files.sync_folder("f").unwrap();
    assert_eq!(files.survivors(Survivors::Nothing).list("f").unwrap_err().kind(), ErrorKind::NotFound);
    files.sync_folder("").unwrap();
    assert_eq!(files.survivors(Survivors::Nothing).list("f").unwrap(), ["a"]);
}

#[test]
fn a_sync_after_a_failed_one_proves_nothing() {
    let files = Simulated::new().failing_at(4, Failure::Broken);
    let mut file = files.create("a").unwrap();
    files.sync_folder("").unwrap();
    put(&mut *file, b"one").unwrap();
    file.sync().unwrap_err();
    put(&mut *file, b"two").unwrap();
    file.sync().unwrap();
    // Readers see it all along.
    assert_eq!(files.content("a").unwrap(), b"onetwo");
    assert_eq!(files.survivors(Survivors::Nothing).content("a").unwrap(), b"\0\0\0two");
    assert!(states(&files, "a").contains(&Some(b"onetwo".to_vec())));
}

#[test]
fn a_failing_write_leaves_a_part() {
    let files = Simulated::new().failing_at(2, Failure::NoSpace);
    let mut file = files.create("a").unwrap();
    assert_eq!(put(&mut *file, b"1234").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(files.content("a").unwrap(), b"12");
    put(&mut *file, b"5").unwrap();
    assert_eq!(files.content("a").unwrap(), b"125");
}

#[test]
fn a_small_disk_is_full() {
    let files = Simulated::new().with_capacity(10);
    let mut file = files.create("a").unwrap();
    file.preallocate(6).unwrap();
    assert_eq!(files.free_bytes().unwrap(), 4);
    put(&mut *file, b"1234").unwrap();
    assert_eq!(files.free_bytes().unwrap(), 4);
    assert_eq!(file.preallocate(11).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(put(&mut *file, b"567890+").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((files.content("a").unwrap(), files.free_bytes().unwrap()), (b"1234567890".to_vec(), 0));
    files.remove("a").unwrap();
    assert_eq!(files.free_bytes().unwrap(), 10);
}

/// Writes a file beside the old one, and puts it in its place; returns whether it is known to be there.
fn replace(files: &Simulated) -> Result<(), FileError> {
    let mut file = files.create("new")?;
    put(&mut *file, b"new")?;
    file.sync()?;
    files.rename("new", "file")?;
    files.sync_folder("")
}

fn with_old_file() -> Simulated {
    let files = Simulated::new();
    let mut file = files.create("file").unwrap();
    put(&mut *file, b"old").unwrap();
    file.sync().unwrap();
    files.sync_folder("").unwrap();
    files
}

#[test]
fn every_crash_of_a_replacement() {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    for_each_crash(&with_old_file(), replace, |done, files| {
        let content = files.content("file").unwrap();
        assert!(content == b"new" || (content == b"old" && done.is_err()), "{content:?} after {done:?}");
        seen.borrow_mut().insert((content, done.is_ok()));
        assert_eq!(files.operations(), 0);
    });
    let expected = [(&b"new"[..], false), (b"new", true), (b"old", false)];
    assert_eq!(seen.into_inner(), expected.map(|(content, done)| (content.to_vec(), done)).into_iter().collect());
}

#[test]
fn every_failure_of_a_replacement() {
    for_each_failure(&with_old_file(), replace, |done, files| {
        let error = done.as_ref().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Other), "{error:?}");
        let content = files.content("file").unwrap();
        assert!(content == b"new" || content == b"old", "{content:?}");
    });
}

#[test]
fn nothing_works_after_a_crash() {
    let files = Simulated::new().crashing_at(2);
    let mut file = files.create("a").unwrap();
    assert_eq!(put(&mut *file, b"1").unwrap_err().source.to_string(), "the machine has crashed");
    file.sync().unwrap_err();
    files.list("").unwrap_err();
    files.create("b").unwrap_err();
    assert_eq!((files.operations(), files.latest().as_str()), (2, "write a"));
}

#[test]
fn a_failing_check_says_where() {
    let run = || {
        for_each_crash(
            &with_old_file(),
            |files| {
                files.remove("file").unwrap_or(());
                let _ = replace(files);
            },
            |(), files| assert!(files.content("file").is_some(), "the file is gone"),
        );
    };
    let panic = std::panic::catch_unwind(run).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(message, "crash at operation 1 of 6 (remove file), survivors Everything: the file is gone");
}
