//! Partitions by UTC date: the names of folders, each made once.

use std::collections::HashMap;

use weir_model::time::Instant;

use crate::dictionary::at;

const DAY_MICROS: i64 = 86_400_000_000;

/// Number of a partition.
pub(crate) type PartitionId = u32;

/// How instants become partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Granularity {
    /// `month=2026-08`
    Month,
    /// `period=2026-08-01`
    Period,
}

/// The partitions seen so far; there are at most as many as days that events or periods fall on.
pub(crate) struct Partitions {
    granularity: Granularity,
    names: Vec<String>,
    by_name: HashMap<String, PartitionId>,
    by_day: HashMap<i64, PartitionId>,
    last: Option<(i64, PartitionId)>,
}

impl Partitions {
    pub(crate) fn new(granularity: Granularity) -> Partitions {
        Partitions { granularity, names: Vec::new(), by_name: HashMap::new(), by_day: HashMap::new(), last: None }
    }

    /// The partition of an instant.
    pub(crate) fn of(&mut self, at: Instant) -> PartitionId {
        let day = at.micros().div_euclid(DAY_MICROS);
        if let Some((last, id)) = self.last
            && last == day
        {
            return id;
        }
        let id = match self.by_day.get(&day) {
            Some(&id) => id,
            None => self.add(day, at),
        };
        self.last = Some((day, id));
        id
    }

    /// `key=value`, the folder's name.
    pub(crate) fn name(&self, id: PartitionId) -> &str {
        usize::try_from(id).ok().and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }

    fn add(&mut self, day: i64, at: Instant) -> PartitionId {
        let text = at.to_string();
        let date = text.split_once('T').map_or(text.as_str(), |(date, _)| date);
        let name = match self.granularity {
            Granularity::Month => format!("month={}", date.rsplit_once('-').map_or(date, |(month, _)| month)),
            Granularity::Period => format!("period={date}"),
        };
        let names = &mut self.names;
        let id = *self.by_name.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            // An i64 of microseconds has fewer days than u32 has numbers.
            PartitionId::try_from(names.len() - 1).unwrap_or(PartitionId::MAX)
        });
        self.by_day.insert(day, id);
        id
    }
}

/// What belongs to a partition, in a list of all partitions; it is entered, empty, if it is not there.
pub(crate) fn of_partition<T: Default>(lists: &mut Vec<T>, id: PartitionId) -> &mut T {
    let at = at(id);
    if lists.len() <= at {
        lists.resize_with(at + 1, T::default);
    }
    &mut lists[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (micros, month, period) in [
            (0, "month=1970-01", "period=1970-01-01"),
            (-1, "month=1969-12", "period=1969-12-31"),
            (951_782_399_999_999, "month=2000-02", "period=2000-02-28"),
            (951_868_799_999_999, "month=2000-02", "period=2000-02-29"),
            (951_868_800_000_000, "month=2000-03", "period=2000-03-01"),
            (7_258_118_399_999_999, "month=2199-12", "period=2199-12-31"),
        ] {
            for (granularity, expected) in [(Granularity::Month, month), (Granularity::Period, period)] {
                let mut partitions = Partitions::new(granularity);
                let id = partitions.of(Instant::from_micros(micros));
                assert_eq!(partitions.name(id), expected);
                assert_eq!(partitions.of(Instant::from_micros(micros)), id);
            }
        }
    }

    #[test]
    fn days_of_one_month_share_a_partition() {
        let mut months = Partitions::new(Granularity::Month);
        let ids: Vec<_> = [0, 31, 1, 32, 30].map(|day| months.of(Instant::from_micros(day * DAY_MICROS))).into();
        assert_eq!(ids, [0, 1, 0, 1, 0]);
        assert_eq!(months.names.len(), 2);
    }
}
