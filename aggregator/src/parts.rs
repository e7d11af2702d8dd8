//! Where the tables' parts go.

use parquet::errors::Result as ParquetResult;

use crate::error::ArchiveError;
use crate::files::TableReport;
use crate::part::Part;
use crate::table::Table;

/// Takes the parts of a table, batch by batch.
pub(crate) trait Parts: Send + 'static {
    /// Which batch.
    type Batch: Clone + Send + 'static;

    /// Writes a part of so many rows: that of a batch in a partition, which is a folder's name, `key=value`.
    fn write_part(
        &self,
        table: &Table,
        at: (&Self::Batch, &str),
        rows: usize,
        columns: impl FnOnce(&mut Part<'_>) -> ParquetResult<()>,
    ) -> Result<TableReport, ArchiveError>;

    /// The table has no more parts of the batch.
    fn end(&self, batch: &Self::Batch) -> Result<(), ArchiveError>;

    /// Why the table stops; what its thread is to say of it.
    fn failed(&self, error: ArchiveError) -> ArchiveError;
}
