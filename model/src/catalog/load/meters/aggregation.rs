//! A meter's aggregation and the keys that only some aggregations have.

use super::super::super::toml_reader::{Item, Table};
use super::super::optional;
use super::super::prices::positive;
use crate::aggregation::{
    Aggregation, Carry, Decrease, Fill, LevelValues, Percentile, PercentileSlot, Readings, WeightedSum,
};
use crate::number::{QUANTITY_SCALE_MAX, Quantity, Scale};

/// How a meter folds events, and what it reads for that.
pub(super) struct Folding<'a> {
    pub(super) aggregation: Aggregation,
    /// The dimension that tells one counter from another.
    pub(super) series: Option<Item<'a>>,
    /// Path of the mark of an estimated reading.
    pub(super) estimated: Option<Item<'a>>,
}

/// Keys that belong to some aggregations, and which those are.
const OWN_KEYS: [(&str, &[&str]); 11] = [
    ("rank", &["percentile"]),
    ("slot", &["percentile"]),
    ("slot_value", &["percentile"]),
    ("fill", &["percentile"]),
    ("values", &["weighted_sum", "sum"]),
    ("per", &["weighted_sum"]),
    ("carry", &["weighted_sum"]),
    ("series", &["sum"]),
    ("wrap_at", &["sum"]),
    ("reset", &["sum"]),
    ("estimated", &["sum"]),
];

/// Reads the aggregation. `scale` is `None` if the meter's has an error.
pub(super) fn read<'a>(table: &mut Table<'a>, scale: Option<Scale>) -> Option<Folding<'a>> {
    let name = table.required("aggregation", "\"sum\"").and_then(|item| {
        let names = Aggregation::NAMES.map(|name| (name, name));
        item.choice(&names)
    });
    let Some(name) = name else {
        // Which keys belong here is not known: none is reported.
        for (key, _) in OWN_KEYS {
            let _ = table.optional(key);
        }
        return None;
    };
    for (key, owners) in OWN_KEYS {
        if !owners.contains(&name) {
            let reason = format!("is a key of {}, not of {name}", owners.join(" and "));
            table.refuse(key, &reason, "leave it out");
        }
    }
    let plain = |aggregation| Some(Folding { aggregation, series: None, estimated: None });
    match name {
        "count" => plain(Aggregation::Count),
        "sum" => read_sum(table, scale),
        "max" => plain(Aggregation::Max),
        "min" => plain(Aggregation::Min),
        "latest" => plain(Aggregation::Latest),
        "unique_count" => plain(Aggregation::UniqueCount),
        "weighted_sum" => plain(Aggregation::WeightedSum(read_weighted_sum(table)?)),
        _ => plain(Aggregation::Percentile(read_percentile(table)?)),
    }
}

fn read_percentile(table: &mut Table<'_>) -> Option<Percentile> {
    let rank = table.required("rank", "95").and_then(|item| read_rank(&item));
    let slot = table.required("slot", "\"5m\"").and_then(|item| {
        let fix = "write for example \"1m\", \"5m\", \"15m\" or \"30s\"";
        item.parsed("a length of time that divides 15 minutes", fix, slot_seconds)
    });
    let slot_values = [("sum", PercentileSlot::Sum), ("max", PercentileSlot::Max)];
    let slot_value = table.optional("slot_value").map_or(Some(PercentileSlot::Sum), |item| item.choice(&slot_values));
    let fills = [("skip", Fill::Skip), ("zero", Fill::Zero)];
    let fill = table.optional("fill").map_or(Some(Fill::Skip), |item| item.choice(&fills));
    let slot_micros = slot?.checked_mul(1_000_000)?;
    Some(Percentile { rank: rank?, slot_micros, slot_value: slot_value?, fill: fill? })
}

/// The rank as a fraction of 1.
fn read_rank(item: &Item<'_>) -> Option<(u64, u64)> {
    let rank = item.decimal()?;
    let hundred = rank.scale.checked_add(2).and_then(crate::decimal::power_of_ten);
    let fraction = match (rank.scale <= QUANTITY_SCALE_MAX, hundred) {
        (true, Some(hundred)) if rank.mantissa > 0 && rank.mantissa <= hundred => (rank.mantissa, hundred),
        _ => {
            let reason =
                format!("must be above 0 and at most 100, with at most {QUANTITY_SCALE_MAX} decimals, not {rank}");
            item.error(reason, "write for example 95 or \"99.9\"");
            return None;
        }
    };
    Some((u64::try_from(fraction.0).ok()?, u64::try_from(fraction.1).ok()?))
}

/// `5m`, `30s`.
fn slot_seconds(text: &str) -> Option<i64> {
    let (count, seconds) = match (text.strip_suffix('m'), text.strip_suffix('s')) {
        (Some(count), _) => (count, 60_i64),
        (_, Some(count)) => (count, 1),
        _ => return None,
    };
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let length = count.parse::<i64>().ok().filter(|_| digits)?.checked_mul(seconds)?;
    (900_i64.checked_rem(length) == Some(0)).then_some(length)
}

fn read_weighted_sum(table: &mut Table<'_>) -> Option<WeightedSum> {
    let values = [("delta", LevelValues::Delta), ("level", LevelValues::Level)];
    let values = table.required("values", "\"level\"").and_then(|item| item.choice(&values));
    let second = 1_000_000_i64;
    let lengths = [
        ("second", second),
        ("minute", second.saturating_mul(60)),
        ("hour", second.saturating_mul(3_600)),
        ("day", second.saturating_mul(86_400)),
    ];
    let per = table.required("per", "\"hour\"").and_then(|item| item.choice(&lengths));
    let carry = optional(table, "carry", Item::boolean)?;
    let carry = if carry == Some(false) { Carry::Bucket } else { Carry::Over };
    Some(WeightedSum { values: values?, per_micros: per?, carry })
}

fn read_sum<'a>(table: &mut Table<'a>, scale: Option<Scale>) -> Option<Folding<'a>> {
    let values = table.optional("values").map(|item| item.choice(&[("reading", ())]));
    let Some(values) = values else {
        for key in ["series", "wrap_at", "reset", "estimated"] {
            table.refuse(key, "is a key of readings", "add values = \"reading\", or leave it out");
        }
        return Some(Folding { aggregation: Aggregation::Sum, series: None, estimated: None });
    };
    let wrap_at = table.optional("wrap_at");
    let reset = optional(table, "reset", Item::boolean);
    let (series, estimated) = (table.optional("series"), table.optional("estimated"));
    if let (Some(item), Some(Some(true))) = (&wrap_at, reset) {
        item.warn("stands beside `reset`, which then has no effect", "keep one of the two");
    }
    let wrap_at: Option<Option<Quantity>> = match wrap_at {
        Some(item) => positive(&item).and_then(|literal| literal.at_scale(scale?, item.report())).map(Some),
        None => Some(None),
    };
    let decrease = match (wrap_at?, reset?) {
        (Some(at), _) => Decrease::Wrap(at),
        (None, Some(true)) => Decrease::Reset,
        (None, _) => Decrease::Nothing,
    };
    values?;
    Some(Folding { aggregation: Aggregation::Readings(Readings { decrease }), series, estimated })
}
