//! Copies of simulated files, with changes.

use std::io::IoSlice;

use weir_files::{Files, Simulated};

/// All files with their bytes, by path.
pub fn all_files(files: &Simulated) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in files.list(&folder).unwrap() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match files.content(&path) {
                Some(bytes) => found.push((path, bytes)),
                None => folders.push(path),
            }
        }
    }
    found.sort();
    found
}

/// A copy of the files that `keep` keeps, as it has changed them.
pub fn copied(files: &Simulated, mut keep: impl FnMut(&str, &mut Vec<u8>) -> bool) -> Simulated {
    let copy = Simulated::new();
    for (path, mut bytes) in all_files(files) {
        if !keep(&path, &mut bytes) {
            continue;
        }
        for (end, _) in path.match_indices('/') {
            if copy.list(&path[..end]).is_err() {
                copy.make_folder(&path[..end]).unwrap();
            }
        }
        let mut file = copy.create(&path).unwrap();
        file.append(&mut [IoSlice::new(&bytes)]).unwrap();
        file.sync().unwrap();
    }
    copy
}
