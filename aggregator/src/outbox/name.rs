//! What a batch's files are called: `g0001-e000001-o00000000000000004711`, the log's generation, the owner's epoch, and the log's
//! offset after the batch. There is one log for all shards, so names have no shard.

use std::fmt;

/// Who writes: the latest owner of a log. Generations and epochs only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The log's generation: its offsets begin anew.
    pub generation: u64,
    /// The owner's epoch.
    pub epoch: u64,
}

/// Which batch, and whose. Ordered as names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchName {
    pub(crate) owner: Owner,
    /// The log's offset after the batch.
    pub(crate) offset: u64,
}

impl BatchName {
    /// From a file's name, whatever its extension. `None`: another file.
    pub(crate) fn of_file(file: &str) -> Option<BatchName> {
        let (stem, _) = file.split_once('.')?;
        let mut parts = stem.split('-');
        let mut number = |prefix: char| parts.next()?.strip_prefix(prefix)?.parse().ok();
        let owner = Owner { generation: number('g')?, epoch: number('e')? };
        let name = BatchName { owner, offset: number('o')? };
        (name.to_string() == stem).then_some(name)
    }
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchName { owner: Owner { generation, epoch }, offset } = self;
        write!(f, "g{generation:04}-e{epoch:06}-o{offset:020}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (generation, epoch, offset, text) in [
            (1, 1, 0, "g0001-e000001-o00000000000000000000"),
            (12, 345, 123_456_789, "g0012-e000345-o00000000000123456789"),
            (12_345, 1_234_567, u64::MAX, "g12345-e1234567-o18446744073709551615"),
        ] {
            let name = BatchName { owner: Owner { generation, epoch }, offset };
            assert_eq!(name.to_string(), text);
            assert_eq!(BatchName::of_file(&format!("{text}.parquet")), Some(name));
        }
        for other in [
            "g0001-e000001-o00000000000000000000",
            "g1-e000001-o00000000000000000000.json",
            "g0001-e000001-o+0000000000000000001.json",
            "g0001-e000001-o00000000000000000000-x.json",
            "part-00000.parquet",
            "",
        ] {
            assert_eq!(BatchName::of_file(other), None, "{other}");
        }
    }
}
