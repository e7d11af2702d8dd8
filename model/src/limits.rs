//! Every limit that one event meets, in one place. A limit is part of the contract: docs/limits.md lists them.

/// One line of NDJSON, or one row's generated event.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// `id`, `source`, `subject`, `type`, `partitionkey`, and each extracted dimension value.
pub const ATTRIBUTE_BYTES_MAX: usize = 1024;
/// Objects and arrays inside one another.
pub const NESTING_MAX: usize = 64;
