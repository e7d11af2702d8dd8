//! Prices that each event has for itself.

use super::*;

fn exact(price: PerEvent<'_>, value: &str) -> String {
    price.exact(quantity(value), Amount::ZERO).unwrap().round().unwrap().to_string()
}

#[test]
fn dynamic() {
    let price = Dynamic { multiplier: unit_amount("1.2") };
    for (own, expected) in [("10", "12"), ("0.000000000000000003", "0.000000000000000004"), ("-5", "-6"), ("0", "0")] {
        assert_eq!(price.exact(amount(own)).unwrap().round().unwrap().to_string(), expected, "{own}");
    }
}

#[test]
fn percentage() {
    let price = |fixed: &str, min: Option<&str>, max: Option<&str>| Percentage {
        rate: unit_amount("0.029"),
        fixed: amount(fixed),
        min: min.map(amount),
        max: max.map(amount),
        free_events: None,
        free_amount: None,
        unit: UNIT,
    };
    for (price, value, expected) in [
        (price("0", None, None), "100", "2.9"),
        (price("0", None, None), "0.001", "0.000029"),
        (price("0", None, None), "-100", "-2.9"),
        (price("0.3", None, None), "100", "3.2"),
        (price("0.3", None, None), "0", "0.3"),
        (price("0.3", Some("1"), Some("3")), "10", "1"),
        (price("0.3", Some("1"), Some("3")), "50", "1.75"),
        (price("0.3", Some("1"), Some("3")), "100", "3"),
    ] {
        assert_eq!(exact(PerEvent::Percentage(&price), value), expected, "{value} by {price:?}");
    }
}

/// `up_to every amount per` for each step; `-` for none.
fn increments(connect: &str, rows: &[&str]) -> Option<Increments> {
    let steps = rows.iter().map(|row| {
        let [up_to, every, amount, per] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let up_to = (up_to != "-").then(|| quantity(up_to));
        Step { up_to, every: quantity(every), unit_amount: unit_amount(amount), per: quantity(per) }
    });
    Increments::new(amount(connect), steps.collect())
}

#[test]
fn increments_of_calls() {
    // 60/1: the first minute whole, then by the second; the price is per minute.
    let minute = increments("0.1", &["60 60 0.6 60", "- 1 0.6 60"]).unwrap();
    // 30/6, with a dearer start.
    let short = increments("0", &["30 30 0.02 1", "- 6 0.01 1"]).unwrap();
    // A third of a cent per second is exact until the end.
    let third = increments("0", &["- 1 0.01 3"]).unwrap();
    // Blocks that have little in common: the sum is over 10^24 scaled units, and fits.
    let apart = increments("0", &["51719803727757 1 9.9 1", "- 1 1 1000000000000000000.001"]).unwrap();
    for (price, value, expected) in [
        (&apart, "34633705791950", "342873687340305"),
        (&minute, "0", "0"),
        (&minute, "-5", "0"),
        (&minute, "0.001", "0.7"),
        (&minute, "60", "0.7"),
        (&minute, "60.001", "0.71"),
        (&minute, "90", "1"),
        (&short, "1", "0.6"),
        (&short, "30", "0.6"),
        (&short, "31", "0.66"),
        (&short, "36", "0.66"),
        (&short, "36.5", "0.72"),
        (&third, "1", "0.003333333333333333"),
        (&third, "2.5", "0.01"),
    ] {
        assert_eq!(exact(PerEvent::Increments(price), value), expected, "{value} by {price:?}");
    }
}

#[test]
fn steps_are_checked() {
    for (rows, valid) in [
        (vec![], false),
        (vec!["- 1 1 1"], true),
        (vec!["5 1 1 1"], false),
        (vec!["- 1 1 1", "- 1 1 1"], false),
        (vec!["5 1 1 1", "5 1 1 1", "- 1 1 1"], false),
        (vec!["- 0 1 1"], false),
        (vec!["- 1 1 0"], false),
        // Common multiple of 10^14 - 1 and 10^14 + 1 at 3 decimals: more than 10^30.
        (vec!["5 1 1 99999999999999", "- 1 1 100000000000001"], false),
    ] {
        assert_eq!(increments("0", &rows).is_some(), valid, "{rows:?}");
    }
}
