//! Every state: one more event gives what all of them give, in any order and in any parts (L4), and an overflow changes
//! nothing.

use proptest::prelude::*;

use super::*;
use crate::catalog::{Catalog, Charge};
use crate::charge::tests::{charge_of, terms};
use crate::charge::{Fraction, Terms, meter_of};
use crate::price::CellIdx;
use crate::time::Instant;

const SUM: &str = "aggregation = 'sum'; value = 'data.v'; scale = 1";
const COUNT: &str = "aggregation = 'count'";
const SPLIT: &str = "[[prices.v.versions]]; effective_at = '1970-01-01T00:00:00.0005Z'; mid_period = 'split'";

/// A meter and a charge for every kind of state.
fn kinds() -> Vec<(String, String)> {
    let row = |meter: &str, charge: String| (meter.to_owned(), charge);
    let tiers = "price = { model = 'graduated', tiers = [{ up_to = 20, unit_amount = 3, flat_amount = 1 }, { unit_amount = 1 }] }";
    vec![
        row(SUM, tiers.to_owned()),
        row(SUM, format!("{tiers}; allowance = {{ quantity = 7 }}; conversion = {{ divide = 3, round = 'up' }}")),
        row(COUNT, tiers.to_owned()),
        row("aggregation = 'max'; value = 'data.v'", tiers.to_owned()),
        row("aggregation = 'min'; value = 'data.v'", tiers.to_owned()),
        row("aggregation = 'latest'; value = 'data.v'", tiers.to_owned()),
        row("aggregation = 'unique_count'; value = 'data.v'", tiers.to_owned()),
        row("aggregation = 'percentile'; value = 'data.v'; rank = 90; slot = '1s'", tiers.to_owned()),
        row(SUM, format!("price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; {SPLIT}; model = 'package'; size = 7; amount = 5")),
        row(SUM, "price = { model = 'unit', unit_amount = '0.07' }; round = { scale = 1 }".to_owned()),
        row(SUM, "price = { model = 'percentage', rate = '0.1', fixed = '0.3', min = 1, max = 4 }".to_owned()),
        row(SUM, "price = { model = 'percentage', rate = '0.1', fixed = 1, free_events = 3, free_amount = 25 }".to_owned()),
        row(SUM, "price = { model = 'percentage', rate = '0.13', free_amount = 9 }; round = { scale = 0, mode = 'up' }".to_owned()),
        row(SUM, "price = { model = 'increments', connect = 1, steps = [{ up_to = 5, every = 5, unit_amount = 1 }, { every = 2, unit_amount = '0.3', per = 7 }] }".to_owned()),
        row(SUM, "price = { model = 'dynamic', multiplier = '1.1' }".to_owned()),
        row(SUM, format!("price = 'v'; [prices.v]; model = 'percentage'; rate = '0.1'; {SPLIT}; model = 'unit'; unit_amount = 1").replace("model = 'unit'; unit_amount = 1", "model = 'percentage'; rate = '0.2'; fixed = 1")),
    ]
}

struct Bucket {
    catalog: Catalog,
    charge: Charge,
    terms: Terms,
}

impl Bucket {
    fn new(meter: &str, lines: &str) -> Bucket {
        let (catalog, charge) = charge_of(meter, lines);
        let terms = terms(&charge, Fraction::WHOLE, &catalog);
        Bucket { catalog, charge, terms }
    }

    fn rule(&self) -> Rule<'_> {
        Rule { charge: &self.charge, cell: CellIdx::ONLY, terms: &self.terms }
    }

    fn empty(&self) -> BucketState {
        BucketState::new(&self.rule(), &[meter_of(&self.catalog, &self.charge).aggregation]).unwrap()
    }

    fn frame(&self) -> Frame {
        Frame { one: Quantity::from_scaled(meter_of(&self.catalog, &self.charge).scale.unit()), slots: 1 }
    }
}

/// `(time, value)`, told apart by its number.
fn observation(number: u128, (time, value): (i64, i128)) -> Observation<'static> {
    Observation {
        value: Quantity::from_scaled(value),
        own: Amount::from_scaled(value * 1_000_000_000_000_000_000).unwrap(),
        distinct: value.unsigned_abs(),
        time: Instant::from_micros(time),
        source: b"s",
        id: b"i",
        estimated: false,
        fingerprint: number,
    }
}

proptest! {
    #[test]
    fn any_order_and_any_parts(
        events in prop::collection::vec((0_i64..1_000, 0_i128..200), 0..16), cut in 0_usize..16, turn in 0_usize..16,
    ) {
        for (meter, lines) in kinds() {
            let bucket = Bucket::new(&meter, &lines);
            let (rule, frame) = (bucket.rule(), bucket.frame());
            let fold = |events: &[(u128, (i64, i128))]| {
                let mut state = bucket.empty();
                let mut last = state.amount(&rule, &[frame]).unwrap();
                for (number, event) in events {
                    let value = if meter == COUNT { (event.0, 1) } else { *event };
                    let amount = state.observe(&rule, &[frame], &[Some(observation(*number, value))]).unwrap();
                    assert_eq!(amount, state.amount(&rule, &[frame]).unwrap(), "{lines}");
                    last = amount;
                }
                (state, last)
            };
            let numbered: Vec<(u128, (i64, i128))> = (0..).zip(events.iter().copied()).collect();
            let mut turned = numbered.clone();
            turned.rotate_left(turn.min(numbered.len()));
            let (whole, amount) = fold(&numbered);
            prop_assert_eq!(&fold(&turned).1, &amount, "{}", lines);
            let (first, rest) = numbered.split_at(cut.min(numbered.len()));
            let mut merged = fold(first).0;
            merged.merge(&rule, &fold(rest).0).unwrap();
            prop_assert_eq!(merged.amount(&rule, &[frame]).unwrap(), amount, "{}", lines);
            prop_assert_eq!(merged.quantity(&frame).unwrap(), whole.quantity(&frame).unwrap(), "{}", lines);
        }
    }
}

#[test]
fn an_overflow_changes_nothing() {
    for (meter, lines) in kinds() {
        let bucket = Bucket::new(&meter, &lines);
        let (rule, frame) = (bucket.rule(), bucket.frame());
        let mut state = bucket.empty();
        for number in 0..3 {
            state.observe(&rule, &[frame], &[Some(observation(number, (i64::try_from(number).unwrap(), 30)))]).unwrap();
        }
        let before = state.clone();
        let huge = Observation {
            value: Quantity::from_scaled(10_i128.pow(38) - 1),
            own: Amount::from_scaled(10_i128.pow(38) - 1).unwrap(),
            ..observation(9, (1, 1))
        };
        if state.observe(&rule, &[frame], &[Some(huge)]).is_err() {
            assert_eq!(state, before, "{lines}");
        }
    }
}

/// Each resource folds by itself, and one event may concern several.
#[test]
fn resources() {
    let text = "name = 'n'; currency = 'USD'; [plans.p]; [meters.seats]; event_type = 'e'; aggregation = 'max'; value = 'data.s'; \
        [meters.storage]; event_type = 'e'; aggregation = 'sum'; value = 'data.g'; [[plans.p.charges]]; name = 'c'; meters = { \
        seats = 'seats', storage = 'storage' }; price = { model = 'capacity', tiers = [{ up_to = { seats = 5, storage = 100 }, \
        flat_amount = 10 }, { up_to = { seats = 20 }, flat_amount = 25 }, { flat_amount = 60 }] }";
    let (catalog, _) = crate::catalog::load("c.toml", &text.replace("; ", "\n"), &crate::catalog::NoFiles).unwrap();
    let charge = catalog.charges[0].clone();
    let terms = terms(&charge, Fraction::WHOLE, &catalog);
    let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
    let mut state = BucketState::new(&rule, &[Aggregation::Max, Aggregation::Sum]).unwrap();
    let frames = [Frame { one: Quantity::from_scaled(1), slots: 0 }; 2];
    assert_eq!(state.amount(&rule, &frames).unwrap().to_string(), "10");
    let seen = |value: i128| (value >= 0).then(|| observation(1, (1, value)));
    for (seats, storage, expected) in [(5, 60, "10"), (3, -1, "10"), (-1, 40, "10"), (-1, 1, "25"), (21, 0, "60")] {
        let amount = state.observe(&rule, &frames, &[seen(seats), seen(storage)]).unwrap();
        assert_eq!(amount.to_string(), expected, "{seats} seats, {storage} more storage");
        assert_eq!(state.amount(&rule, &frames).unwrap(), amount);
    }
    let mut other = BucketState::new(&rule, &[Aggregation::Max, Aggregation::Sum]).unwrap();
    other.observe(&rule, &frames, &[seen(2), seen(500)]).unwrap();
    other.merge(&rule, &state).unwrap();
    let quantities = Measured::ByResource(vec![Quantity::from_scaled(21), Quantity::from_scaled(601)]);
    assert_eq!(other.measured(&frames).unwrap(), quantities);
}
