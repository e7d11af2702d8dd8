//! What a crash leaves: of what was not synced nothing, everything, or a part that a seed chooses.
//!
//! Owns: which states a legal file system may show. Data: every unsynced write by itself is lost, kept, cut at a byte, or
//! kept in some of its sectors; the file is as long as what it kept or longer; where it has no data it shows zeros,
//! noise, or what another file holds at that place. Names: every unsynced change by itself is lost or kept.

use std::collections::BTreeMap;

use super::tree::{Change, Content, Named, Step, Tree, WriteState};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Which of the unsynced changes a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Some of them, chosen by this number.
    Seeded(u64),
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Chance(u64);

/// What becomes of an unsynced write.
enum Fate {
    Lost,
    Kept,
    /// Its first so many bytes are kept.
    Cut(usize),
    /// Each of its sectors is kept or lost.
    Sectors,
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is at least 1.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn heads(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }
}

/// The tree after a crash; all that is there is durable now.
pub(super) fn of(tree: &Tree, which: Survivors) -> Tree {
    let mut chance = Chance(if let Survivors::Seeded(seed) = which { seed } else { 0 });
    let named = names(&tree.changes, which, &mut chance);
    let contents = tree.contents.iter().map(|content| match which {
        Survivors::Nothing => until_synced(content),
        Survivors::Everything => content.bytes.clone(),
        Survivors::Seeded(_) => some(content, &tree.contents, &mut chance),
    });
    let contents = contents.map(Content::synced).collect();
    let link = |(path, named): (&String, &Named)| Change {
        step: Step::Link { path: path.clone(), named: *named },
        is_synced: true,
    };
    let changes = named.iter().map(link).collect();
    Tree { contents, names: named, changes, capacity: tree.capacity }
}

fn names(changes: &[Change], which: Survivors, chance: &mut Chance) -> BTreeMap<String, Named> {
    let mut names = BTreeMap::new();
    for change in changes {
        let is_kept = match which {
            _ if change.is_synced => true,
            Survivors::Nothing => false,
            Survivors::Everything => true,
            Survivors::Seeded(_) => chance.heads(),
        };
        if is_kept {
            change.step.apply(&mut names);
        }
    }
    // What is in a folder that is lost is lost with it.
    let whole = |path: &str, names: &BTreeMap<String, Named>| {
        path.match_indices('/').all(|(at, _)| names.get(&path[..at]) == Some(&Named::Folder))
    };
    let all = names.clone();
    names.retain(|path, _| whole(path, &all));
    names
}

/// Only what is known to be durable, with zeros for what is missing between.
fn until_synced(content: &Content) -> Vec<u8> {
    let mut survived = Vec::new();
    let mut start = 0;
    for write in &content.writes {
        if write.state == WriteState::Synced {
            survived.resize(start, 0);
            survived.extend_from_slice(&content.bytes[start..write.end]);
        }
        start = write.end;
    }
    survived
}

fn some(content: &Content, others: &[Content], chance: &mut Chance) -> Vec<u8> {
    let mut survived = filler(content, others, chance);
    let (mut start, mut durable_end, mut kept_end) = (0, 0, 0);
    for write in &content.writes {
        let fate = if write.state == WriteState::Synced { Fate::Kept } else { fate(write.end - start, chance) };
        if write.state == WriteState::Synced {
            durable_end = write.end;
        }
        let kept = |range: std::ops::Range<usize>, survived: &mut Vec<u8>| {
            survived[range.clone()].copy_from_slice(&content.bytes[range.clone()]);
            range.end
        };
        match fate {
            Fate::Lost => {}
            Fate::Kept => kept_end = kept(start..write.end, &mut survived),
            Fate::Cut(count) => kept_end = kept(start..start + count, &mut survived),
            Fate::Sectors => {
                let mut at = start;
                while at < write.end {
                    let end = (at / SECTOR * SECTOR + SECTOR).min(write.end);
                    if chance.heads() {
                        kept_end = kept(at..end, &mut survived);
                    }
                    at = end;
                }
            }
        }
        start = write.end;
    }
    // The length is written by itself: it may be ahead of the data, or behind.
    let length = match chance.below(3) {
        0 => durable_end + chance.below(content.bytes.len() - durable_end + 1),
        1 => content.bytes.len(),
        _ => kept_end.max(durable_end),
    };
    survived.truncate(length);
    survived
}

fn fate(len: usize, chance: &mut Chance) -> Fate {
    match chance.below(4) {
        0 => Fate::Lost,
        1 => Fate::Kept,
        2 => Fate::Cut(chance.below(len + 1)),
        _ => Fate::Sectors,
    }
}

/// What may stand where nothing was written.
fn filler(content: &Content, others: &[Content], chance: &mut Chance) -> Vec<u8> {
    let len = content.bytes.len();
    let other = &others[chance.below(others.len())];
    let mut filler = match chance.below(3) {
        0 => Vec::new(),
        1 => (0..len).map(|_| chance.next().to_le_bytes()[0]).collect(),
        _ if std::ptr::eq(content, other) => Vec::new(),
        _ => other.bytes.clone(),
    };
    filler.resize(len, 0);
    filler
}
