//! Exact dedup (L2): the identities of one shard.

mod table;

pub use table::{Admission, Table as Identities};
