//! What was counted (L3), as people ask for it: in all, by hour of log time, by customer.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::time::Instant;
use weir_model::verdict::VerdictCounts;
use weir_rater::Counters;

use super::apply::{Applier, HOUR_US};

/// What was counted since the deployment began (L3): received = accepted + duplicate + conflict + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Stats {
    offset: u64,
    received: u64,
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    rejected: u64,
    rated: u64,
    unpriced: u64,
    unmetered: u64,
    late_refused: u64,
    rows: u64,
    rows_digest: String,
    /// By hour of log time.
    hours: BTreeMap<String, HourStats>,
}

/// What was counted in an hour of log time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct HourStats {
    received: u64,
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    /// By code.
    rejected: BTreeMap<String, u64>,
    rated: u64,
    unpriced: u64,
    unmetered: u64,
    late_refused: u64,
}

impl HourStats {
    fn add(&mut self, counts: VerdictCounts) {
        let VerdictCounts { duplicate, conflict, unpriced, late_refused, rated, unmetered } = counts;
        let accepted = unpriced + late_refused + rated + unmetered;
        self.received += accepted + duplicate + conflict;
        self.accepted += accepted;
        self.duplicate += duplicate;
        self.conflict += conflict;
        self.rated += rated;
        self.unpriced += unpriced;
        self.unmetered += unmetered;
        self.late_refused += late_refused;
    }
}

impl Applier {
    /// Everything that was counted (L3).
    pub fn stats(&self) -> Stats {
        let mut counters = Counters::default();
        self.shards.iter().for_each(|shard| counters.add(shard.counters()));
        let rejected = self.rejected().values().flat_map(BTreeMap::values).sum();
        Stats {
            offset: self.next_offset(),
            received: counters.accepted() + counters.duplicate + counters.conflict + rejected,
            accepted: counters.accepted(),
            duplicate: counters.duplicate,
            conflict: counters.conflict,
            rejected,
            rated: counters.rated,
            unpriced: counters.unpriced,
            unmetered: counters.unmetered,
            late_refused: counters.late_refused,
            rows: counters.rows,
            rows_digest: format!("{:032x}", counters.rows_digest.0),
            hours: self.hours(None),
        }
    }

    /// What was counted in each hour of log time, of one customer or of all. Rejections are nobody's.
    pub fn hours(&self, customer: Option<&str>) -> BTreeMap<String, HourStats> {
        let mut hours: BTreeMap<String, HourStats> = BTreeMap::new();
        for shard in &self.shards {
            for (start, total) in shard.hours() {
                match customer {
                    None => hours.entry(start.to_string()).or_default().add(total),
                    Some(customer) => {
                        for (_, counts) in shard.hour(start).filter(|(name, _)| *name == Some(customer)) {
                            hours.entry(start.to_string()).or_default().add(counts);
                        }
                    }
                }
            }
        }
        let rejected = self.rejected().iter().filter(|_| customer.is_none());
        for (hour, codes) in rejected {
            let of_hour = hours.entry(Instant::from_micros(hour * HOUR_US).to_string()).or_default();
            of_hour.received += codes.values().sum::<u64>();
            of_hour.rejected.clone_from(codes);
        }
        hours
    }
}
