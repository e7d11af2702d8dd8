//! Who buys in the demo's month, how much, and at which hours. Agrees with `config/catalogs/ai-api.toml`: plans, subjects,
//! first days and zones are the catalog's.

/// Microseconds in an hour.
pub const HOUR: i64 = 3_600_000_000;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;
/// 2026-08-01T00:00:00Z, a Saturday, in microseconds since 1970.
pub const AUGUST: i64 = 1_785_542_400_000_000;
/// 2026-09-01T00:00:00Z.
pub const SEPTEMBER: i64 = AUGUST + 31 * DAY;
/// How far New York is behind UTC in August.
const NEW_YORK: i64 = 4;

/// A plan of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Tokens, images and storage; the default.
    PayAsYouGo,
    /// Seats and training too.
    Developer,
    /// Active users instead of seats.
    Enterprise,
}

/// A customer.
#[derive(Debug, Clone, Copy)]
pub struct Player {
    /// Id in the catalog, or the only subject of a customer that is not declared.
    pub customer: &'static str,
    /// Its subjects.
    pub subjects: &'static [&'static str],
    /// Its plan.
    pub plan: Plan,
    /// Local time minus UTC, in hours: decides when its people are awake.
    pub utc_offset: i64,
    /// Usage happens from then on.
    pub from: i64,
    /// And before then.
    pub until: i64,
    /// Starts of the billing periods that the month touches; twice the same if it is one.
    pub periods: [i64; 2],
}

impl Player {
    /// Which of its periods an instant lies in.
    pub fn period(&self, time: i64) -> usize {
        usize::from(time >= self.periods[1] && self.periods[0] != self.periods[1])
    }

    /// Relative number of events in one hour of the month, `rank` being the player's place in the cast.
    pub fn weight(&self, rank: usize, hour_start: i64) -> u64 {
        if hour_start < self.from || hour_start >= self.until {
            return 0;
        }
        let local = hour_start - AUGUST + self.utc_offset * HOUR;
        let hour = usize::try_from(local.rem_euclid(DAY) / HOUR).unwrap_or(0);
        // The month begins on a Saturday.
        let weekend = local.div_euclid(DAY).rem_euclid(7) < 2;
        let rank = u64::try_from(rank).unwrap_or(u64::MAX) + 1;
        // Heavy-tailed: the first has a third of everything, the last one in a thousand.
        let size = 4_000_000 / (rank * (rank + 8));
        size * RHYTHM[hour] * if weekend { 40 } else { 100 }
    }
}

/// Activity by local hour.
const RHYTHM: [u64; 24] =
    [22, 16, 12, 10, 10, 12, 20, 38, 66, 92, 100, 98, 86, 90, 98, 100, 96, 84, 66, 54, 46, 40, 34, 28];

/// Everybody, the largest first.
pub const CAST: [Player; 40] = [
    enterprise("meridian-bank", &["meridian-bank"], 1),
    developer("hexagon", &["hexagon-prod", "hexagon-staging", "hexagon-ci"], 2),
    developer("okapi-games", &["okapi-games"], 3),
    unclaimed(&["brightwave"], -4),
    in_new_york("northwind-support", &["northwind-support"]),
    developer("quince-health", &["quince-health"], 2),
    unclaimed(&["cobalt-labs"], -7),
    unclaimed(&["tern-analytics"], 1),
    developer("tidewater", &["tidewater"], 2),
    in_new_york("northwind-research", &["northwind-research"]),
    developer("paperplane", &["paperplane"], 10),
    unclaimed(&["lumen-legal"], -5),
    developer("librairie-lumiere", &["librairie-lumiere"], 2),
    unclaimed(&["pixelforge"], 9),
    developer("saffron-kitchen", &["saffron-kitchen"], 5),
    unclaimed(&["aurora-maps"], 2),
    starting_late("vellum", &["vellum"]),
    unclaimed(&["basalt-energy"], -6),
    developer("umbra-studio", &["umbra-studio"], 9),
    unclaimed(&["carousel-travel"], 1),
    unclaimed(&["driftwood-media"], -7),
    unclaimed(&["ember-robotics"], 8),
    unclaimed(&["fathom-research"], 2),
    unclaimed(&["glasswing"], 0),
    unclaimed(&["harbor-freight-ai"], -4),
    unclaimed(&["inkwell"], 1),
    unclaimed(&["juniper-labs"], 2),
    unclaimed(&["kestrel-security"], -4),
    unclaimed(&["lattice-bio"], -7),
    unclaimed(&["mosaic-retail"], 2),
    unclaimed(&["nimbus-weather"], 0),
    unclaimed(&["oxbow-farming"], -5),
    unclaimed(&["pinecone-tutors"], 8),
    unclaimed(&["quarry-data"], 2),
    unclaimed(&["rivet-manufacturing"], 2),
    unclaimed(&["sundial"], -7),
    unclaimed(&["thistle-news"], 1),
    unclaimed(&["undertow"], 10),
    unclaimed(&["vireo-audio"], -4),
    unclaimed(&["wren"], 2),
];

const fn developer(customer: &'static str, subjects: &'static [&'static str], utc_offset: i64) -> Player {
    let periods = [AUGUST, AUGUST];
    Player { customer, subjects, plan: Plan::Developer, utc_offset, from: AUGUST, until: SEPTEMBER, periods }
}

/// On the default plan.
const fn unclaimed(subjects: &'static [&'static str; 1], utc_offset: i64) -> Player {
    Player { plan: Plan::PayAsYouGo, ..developer(subjects[0], subjects, utc_offset) }
}

/// Its periods begin on the 14th.
const fn enterprise(customer: &'static str, subjects: &'static [&'static str], utc_offset: i64) -> Player {
    let periods = [AUGUST - 18 * DAY, AUGUST + 13 * DAY];
    Player { plan: Plan::Enterprise, periods, ..developer(customer, subjects, utc_offset) }
}

/// Its August begins and ends four hours after that of UTC.
const fn in_new_york(customer: &'static str, subjects: &'static [&'static str]) -> Player {
    let (from, until) = (AUGUST + NEW_YORK * HOUR, SEPTEMBER + NEW_YORK * HOUR);
    Player { from, until, periods: [from, from], ..developer(customer, subjects, -NEW_YORK) }
}

/// A customer since the 10th.
const fn starting_late(customer: &'static str, subjects: &'static [&'static str]) -> Player {
    Player { from: AUGUST + 9 * DAY, ..developer(customer, subjects, 1) }
}

/// Hours from the first of August in UTC to the last in New York.
pub const HOURS: i64 = 31 * 24 + NEW_YORK;

/// The player with this id.
///
/// # Panics
/// If nobody has it.
pub fn player(customer: &str) -> usize {
    CAST.iter().position(|player| player.customer == customer).expect("named after an entry of the cast")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn august_is_where_it_says() {
        let start: jiff::Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
        assert_eq!(start.as_microsecond(), AUGUST);
        assert_eq!(start.to_zoned(jiff::tz::TimeZone::UTC).weekday(), jiff::civil::Weekday::Saturday);
    }

    #[test]
    fn everybody_is_there_once() {
        let subjects: Vec<_> = CAST.iter().flat_map(|player| player.subjects).collect();
        assert_eq!(subjects.iter().collect::<BTreeSet<_>>().len(), subjects.len());
        assert_eq!(subjects.len(), 42);
    }

    #[test]
    fn rests_at_night_and_on_sundays() {
        let weight = |day: i64, hour: i64| CAST[1].weight(1, AUGUST + day * DAY + hour * HOUR);
        assert!(weight(2, 8) > 5 * weight(2, 1), "Monday morning and night");
        assert!(weight(2, 8) > 2 * weight(1, 8), "Monday and Sunday");
        assert_eq!(CAST[player("vellum")].weight(16, AUGUST), 0);
    }
}
