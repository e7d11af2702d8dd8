//! Which events are free: the rule as it is written against the prefix that rating keeps.

use proptest::prelude::*;

use super::*;
use crate::number::{Amount, UnitAmount};
use crate::time::Instant;

fn event(time: i64, value: i128) -> OrderedEvent {
    OrderedEvent {
        time: Instant::from_micros(time),
        source: Box::default(),
        id: Box::default(),
        value: Quantity::from_scaled(value),
        estimated: false,
        fingerprint: 0,
    }
}

/// A rate of one, so that an event pays its value, and a fixed amount of 1,000 on top.
fn price(free_events: Option<u64>, free_amount: Option<i128>) -> Percentage {
    Percentage {
        rate: UnitAmount::from_decimal(crate::decimal::Decimal { mantissa: 1, scale: 18 }).unwrap(),
        fixed: Amount::from_scaled(1_000).unwrap(),
        min: None,
        max: None,
        free_events,
        free_amount: free_amount.map(Quantity::from_scaled),
        unit: 1,
    }
}

/// What all events pay by the rule of rating.md: in order, an event is free while both number and amount are unspent; the
/// one that crosses the amount pays on the excess.
fn by_the_rule(mut events: Vec<OrderedEvent>, price: &Percentage) -> i128 {
    events.sort();
    let (mut count, mut sum, mut paid) = (0_u64, 0_i128, 0_i128);
    for event in events {
        let value = event.value.scaled();
        let free_amount = price.free_amount.map(Quantity::scaled);
        let free = price.free_events.is_none_or(|free| count < free) && free_amount.is_none_or(|free| sum < free);
        let billed = match free_amount {
            _ if !free => Some(value),
            Some(free) if sum + value > free => Some(sum + value - free),
            _ => None,
        };
        paid += billed.map_or(0, |billed| billed + 1_000);
        count += 1;
        sum += value;
    }
    paid
}

#[test]
fn table() {
    for (free_events, free_amount, values, expected) in [
        (Some(2), None, vec![5, 5, 5], 1_005),
        (None, Some(10), vec![5, 5, 5], 1_005),
        (None, Some(12), vec![5, 5, 5, 1], 1_003 + 1_001),
        (Some(1), Some(100), vec![5, 5], 1_005),
        (Some(3), Some(7), vec![5, 5, 5], 1_003 + 1_005),
        (None, Some(5), vec![5, 0], 1_000),
        (Some(9), Some(9), vec![], 0),
    ] {
        let events: Vec<_> = (0..).zip(&values).map(|(time, value)| event(time, *value)).collect();
        assert_eq!(
            by_the_rule(events, &price(free_events, free_amount)),
            expected,
            "{free_events:?} {free_amount:?} {values:?}"
        );
    }
}

proptest! {
    #[test]
    fn the_prefix_is_the_rule(
        events in prop::collection::vec((0_i64..20, 0_i128..9), 0..30),
        free_events in prop::option::of(1_u64..8), free_amount in prop::option::of(1_i128..40),
    ) {
        let price = price(free_events, free_amount.or(if free_events.is_none() { Some(7) } else { None }));
        let mut free = FreeEvents::default();
        let mut paid = 0;
        let mut seen = Vec::new();
        for (number, (time, value)) in events.into_iter().enumerate() {
            let event = OrderedEvent { fingerprint: number as u128, ..event(time, value) };
            let before = free.clone();
            let paying = free.insert(event.clone(), &price).unwrap();
            let mut undone = free.clone();
            undone.undo(&event, paying.clone());
            prop_assert_eq!(undone, before);
            paid += paying.iter().map(|event| event.value.scaled() + 1_000).sum::<i128>();
            seen.push(event);
            let excess = free.exact(&price).unwrap().round().unwrap().scaled();
            prop_assert_eq!(paid + excess, by_the_rule(seen.clone(), &price));
        }
        prop_assert_eq!(FreeEvents::from_events(free.iter().cloned().collect()).unwrap(), free);
    }
}
