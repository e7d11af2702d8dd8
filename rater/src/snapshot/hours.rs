//! What a snapshot says about verdicts per hour and customer.

use std::collections::BTreeMap;

use weir_model::verdict::VerdictCounts;

use super::SnapshotError;
use super::codec::{Reader, Writer};
use crate::hours::{Closed, Compact, Hours};

pub fn write(out: &mut Writer, hours: &Hours) {
    let (current, by_customer, closed) = hours.kept();
    out.option(current, Writer::i64);
    out.bytes(by_customer.bytes());
    out.list(closed.len(), closed.iter(), |out, (hour, closed)| {
        out.i64(*hour);
        closed.total.to_array().into_iter().for_each(|count| out.u64(count));
        out.bytes(closed.by_customer.bytes());
    });
}

/// Of a shard with so many customers.
pub fn read(from: &mut Reader<'_>, customers: usize) -> Result<Hours, SnapshotError> {
    let current = from.option(Reader::i64)?;
    let by_customer = Compact::from_bytes(from.bytes()?);
    let closed = from.list(|from| {
        let (hour, mut counts) = (from.i64()?, [0; 6]);
        for count in &mut counts {
            *count = from.u64()?;
        }
        let total = VerdictCounts::from_array(counts);
        Ok((hour, Closed { total, by_customer: Compact::from_bytes(from.bytes()?) }))
    })?;
    let closed: BTreeMap<i64, Closed> = closed.into_iter().collect();
    Hours::restored(current, &by_customer, (closed, customers)).ok_or(SnapshotError::Invalid("hours"))
}
