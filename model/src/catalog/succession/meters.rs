//! What a meter has measured must mean the same; it may learn dimensions. Event types have no meaning but what meters read of them.

use super::{Pair, Refusals};
use crate::catalog::Meter;

const REASON: &str = "what the meter has measured would mean something else";
const FIX: &str = "keep it, and declare a new meter beside it";

pub(super) fn check(Pair { before, after, .. }: Pair<'_>, refusals: &mut Refusals) {
    for (meter, later) in before.meters.iter().zip(&after.meters) {
        check_meter(meter, later, refusals);
    }
}

fn check_meter(before: &Meter, after: &Meter, refusals: &mut Refusals) {
    // Slots of one type with one number say the same of an event: path, decimals and bounds.
    let Meter {
        name,
        event_type,
        aggregation,
        scale,
        value,
        distinct,
        series,
        estimated,
        amount,
        dimensions,
        filter,
        allow_negative,
    } = before;
    let key = |key: &str| format!("meters.{name}.{key}");
    refusals.same((key("event_type"), event_type, &after.event_type), REASON, FIX);
    refusals.same((key("aggregation"), aggregation, &after.aggregation), REASON, FIX);
    refusals.same((key("scale"), scale, &after.scale), REASON, FIX);
    refusals.same((key("allow_negative"), allow_negative, &after.allow_negative), REASON, FIX);
    if event_type != &after.event_type || scale != &after.scale || allow_negative != &after.allow_negative {
        // The slots follow from these.
        return;
    }
    refusals.same((key("value"), &(value, distinct), &(&after.value, &after.distinct)), REASON, FIX);
    refusals.same((key("series"), series, &after.series), REASON, FIX);
    refusals.same((key("estimated"), estimated, &after.estimated), REASON, FIX);
    refusals.same((key("amount"), amount, &after.amount), REASON, FIX);
    refusals.same((key("filter"), filter, &after.filter), REASON, FIX);
    for dimension in dimensions {
        let key = key(&format!("dimensions.{}", dimension.name));
        let later = after.dimensions.iter().find(|later| later.name == dimension.name);
        match later {
            None => refusals.refuse(key, "is gone, but groups, filters and prices may have looked at it", "keep it"),
            Some(later) => {
                refusals.same((key, &dimension.slot, &later.slot), REASON, "keep it, and name a new dimension");
            }
        }
    }
}
