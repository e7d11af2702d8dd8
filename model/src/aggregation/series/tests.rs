//! Series: what an event changes is what the whole series says afterwards, in any order.

use proptest::prelude::*;

use super::*;

fn event(time: i64, value: i128, number: u128) -> OrderedEvent {
    OrderedEvent {
        time: Instant::from_micros(time),
        source: Box::default(),
        id: Box::default(),
        value: Quantity::from_scaled(value),
        estimated: false,
        fingerprint: number,
    }
}

fn period(start: i64, end: i64) -> Period {
    Period { start: Instant::from_micros(start), end: Instant::from_micros(end) }
}

fn series(values: LevelValues, events: &[(i64, i128)]) -> Series {
    let mut series = Series::default();
    for (number, (time, value)) in (0_u128..).zip(events) {
        let event = event(*time, *value, number);
        let effect = series.level_effect(values, &event).unwrap();
        series.insert(event, &effect);
    }
    series
}

#[test]
fn levels_last() {
    use LevelValues::{Delta, Level};
    for (values, events, (start, end), weighted, opening) in [
        (Level, vec![], (0, 10), 0, 0),
        (Level, vec![(4, 3)], (0, 10), 18, 0),
        (Level, vec![(4, 3)], (10, 20), 30, 30),
        (Level, vec![(4, 3), (8, 1)], (0, 10), 14, 0),
        (Delta, vec![(4, 3), (8, 1)], (0, 10), 20, 0),
        (Delta, vec![(4, 3), (8, -1)], (10, 20), 20, 20),
        // An event on the boundary belongs to the later period.
        (Level, vec![(0, 2), (10, 5)], (0, 10), 20, 0),
        (Level, vec![(0, 2), (10, 5)], (10, 20), 50, 20),
        // Of two at one instant the later in order counts.
        (Level, vec![(5, 2), (5, 7)], (0, 10), 35, 0),
        (Delta, vec![(5, 9), (7, -12)], (0, 10), 18 - 9, 0),
    ] {
        let found = series(values, &events).weighted(values, &period(start, end)).unwrap();
        assert_eq!((found.0.scaled(), found.1.scaled()), (weighted, opening), "{values:?} {events:?} {start}..{end}");
    }
}

#[test]
fn readings_differ() {
    let wrap = Decrease::Wrap(Quantity::from_scaled(100));
    // (time, reading, estimated)
    for (decrease, readings, expected) in [
        (Decrease::Nothing, vec![(1, 50, false)], 0),
        (Decrease::Nothing, vec![(1, 50, false), (2, 70, false)], 20),
        (Decrease::Nothing, vec![(1, 50, false), (2, 20, false), (3, 25, false)], 5),
        (Decrease::Reset, vec![(1, 50, false), (2, 20, false), (3, 25, false)], 25),
        (wrap, vec![(1, 90, false), (2, 20, false)], 30),
        // An estimate counts until a real reading replaces it.
        (Decrease::Nothing, vec![(1, 50, false), (2, 80, true)], 30),
        (Decrease::Nothing, vec![(1, 50, false), (2, 80, true), (3, 60, false)], 10),
        (Decrease::Nothing, vec![(3, 60, false), (2, 80, true), (1, 50, false)], 10),
    ] {
        let rule = Readings { decrease };
        let mut series = Series::default();
        for (number, (time, value, estimated)) in (0_u128..).zip(&readings) {
            let event = OrderedEvent { estimated: *estimated, ..event(*time, *value, number) };
            let effect = series.reading_effect(&rule, &event).unwrap();
            series.insert(event, &effect);
        }
        let usage = series.usage(&rule, &period(0, 10)).unwrap();
        assert_eq!(usage.scaled(), expected, "{decrease:?} {readings:?}");
    }
}

proptest! {
    #[test]
    fn level_effects_sum_to_the_level(
        events in prop::collection::vec((0_i64..30, -9_i128..9), 0..25), start in 0_i64..30, length in 1_i64..30, delta: bool,
    ) {
        let values = if delta { LevelValues::Delta } else { LevelValues::Level };
        let active = period(start, start + length);
        let (mut series, mut sum, mut opening) = (Series::default(), 0, 0);
        for (number, (time, value)) in (0_u128..).zip(events) {
            let event = event(time, value, number);
            let effect = series.level_effect(values, &event).unwrap();
            let change = effect.level.unwrap();
            sum += change.weighted(&active).unwrap().scaled();
            opening += change.weighted_opening(&active).unwrap().scaled();
            series.insert(event, &effect);
            let (weighted, before) = series.weighted(values, &active).unwrap();
            prop_assert_eq!((weighted.scaled(), before.scaled()), (sum, opening));
            let level = series.level_before(values, active.start).unwrap().scaled();
            prop_assert_eq!(before.scaled(), level * i128::from(length));
        }
    }

    /// In any order, and in parts, readings come to what they come to in order.
    #[test]
    fn reading_effects_sum_to_the_usage(
        readings in prop::collection::vec((0_i64..30, 0_i128..50, any::<bool>()), 0..25),
        start in 0_i64..30, length in 1_i64..30, decrease in 0_usize..3, cut in 0_usize..25,
    ) {
        let decrease = [Decrease::Nothing, Decrease::Reset, Decrease::Wrap(Quantity::from_scaled(60))][decrease];
        let (rule, active) = (Readings { decrease }, period(start, start + length));
        let all: Vec<OrderedEvent> = (0_u128..)
            .zip(&readings)
            .map(|(number, (time, value, estimated))| OrderedEvent { estimated: *estimated, ..event(*time, *value, number) })
            .collect();
        let fold = |events: &[OrderedEvent]| {
            let (mut series, mut sum) = (Series::default(), 0);
            for event in events {
                let effect = series.reading_effect(&rule, event).unwrap();
                let inside = effect.usage.iter().filter(|(at, _)| active.contains(*at));
                sum += inside.map(|(_, by)| by.scaled()).sum::<i128>();
                series.insert(event.clone(), &effect);
                assert_eq!(series.usage(&rule, &active).unwrap().scaled(), sum);
            }
            series
        };
        let mut ordered = all.clone();
        ordered.sort();
        let whole = fold(&all);
        prop_assert_eq!(&whole, &fold(&ordered));
        let (first, rest) = all.split_at(cut.min(all.len()));
        let mut merged = fold(first);
        merged.merge(&fold(rest));
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(Series::from_events(whole.iter().cloned().collect()), whole);
    }
}

#[test]
fn what_lies_between_two_readings() {
    let wrap = Decrease::Wrap(Quantity::from_scaled(100));
    for (decrease, before, reading, expected) in [
        (wrap, 40, 40, 0),
        (wrap, 40, 41, 1),
        (wrap, 90, 5, 15),
        (Decrease::Reset, 40, 40, 0),
        (Decrease::Reset, 40, 7, 7),
        (Decrease::Nothing, 40, 7, 0),
        (Decrease::Nothing, 40, 47, 7),
    ] {
        let usage = Readings { decrease }.usage(Quantity::from_scaled(before), Quantity::from_scaled(reading));
        assert_eq!(usage, Ok(Quantity::from_scaled(expected)), "{decrease:?} from {before} to {reading}");
    }
}
