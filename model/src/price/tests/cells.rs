//! Matrices and schedules: which cell an event falls into, and how cells are numbered and named.

use jiff::tz::TimeZone;

use super::*;
use crate::catalog::Dimension;

fn unit(amount: i128) -> Price {
    let unit_amount = UnitAmount::from_decimal(Decimal { mantissa: amount, scale: 0 }).unwrap();
    Price::Unit(Unit { unit_amount, per: quantity("1"), unit: UNIT })
}

fn dimensions(names: &[&str]) -> Vec<Dimension> {
    names.iter().zip(0..).map(|(name, slot)| Dimension { name: (*name).to_owned(), slot }).collect()
}

fn cell(when: &[&str], price: Price) -> MatrixCell {
    MatrixCell { when: when.iter().map(ToString::to_string).collect(), price }
}

/// Open from 08:00 to 20:00 UTC at `day`, otherwise `night`.
fn by_day(day: Price, night: Option<Price>) -> Price {
    let window = Window { days: Days::EVERY, from: 480, to: 1200, price: day };
    Price::Schedule(Schedule::new(TimeZone::UTC, [].into(), vec![window], night).unwrap())
}

/// The unit amount of the leaf that an event falls into, and the cell's number.
fn found(price: &Price, values: &[Option<&str>], hour: i64) -> Option<(u32, String)> {
    let value_of = |slot: u16| values[usize::from(slot)];
    let cell = price.cell(&value_of, Instant::from_micros(hour * 3_600_000_000))?;
    let Some(Leaf::Cumulative(Cumulative::Unit(unit))) = price.leaf(cell) else { panic!("a unit price") };
    Some((cell.0, unit.unit_amount.to_string()))
}

#[test]
fn matrix() {
    let cells = || vec![cell(&["eu", "s"], unit(1)), cell(&["eu", "l"], unit(2)), cell(&["e", "us"], unit(3))];
    let closed = Price::Matrix(Matrix::new(dimensions(&["region", "size"]), cells(), None).unwrap());
    let open = Price::Matrix(Matrix::new(dimensions(&["region", "size"]), cells(), Some(unit(9))).unwrap());
    let some = |cell, amount: &str| Some((cell, amount.to_owned()));
    for (values, in_closed, in_open) in [
        ([Some("eu"), Some("s")], some(0, "1"), some(0, "1")),
        ([Some("eu"), Some("l")], some(1, "2"), some(1, "2")),
        // Values are told apart by where they end.
        ([Some("e"), Some("us")], some(2, "3"), some(2, "3")),
        ([Some("us"), Some("l")], None, some(3, "9")),
        ([Some(""), Some("l")], None, some(3, "9")),
        ([Some("eu"), None], None, some(3, "9")),
    ] {
        assert_eq!((found(&closed, &values, 0), found(&open, &values, 0)), (in_closed, in_open), "{values:?}");
    }
    let of = |cells, otherwise| Matrix::new(dimensions(&["region", "size"]), cells, otherwise).err();
    assert_eq!(of(vec![cell(&["eu"], unit(1))], None), Some(MatrixError::Misfit(0)));
    assert_eq!(of(vec![cell(&["eu", "s"], open.clone())], None), Some(MatrixError::Misfit(0)));
    assert_eq!(of(vec![], Some(by_day(open.clone(), None))), Some(MatrixError::Misfit(0)));
    let twice = vec![cell(&["a", "b"], unit(1)), cell(&["c", "d"], unit(1)), cell(&["a", "b"], unit(1))];
    assert_eq!(of(twice, None), Some(MatrixError::Twice(2)));
}

/// Cells are numbered depth first in the catalog's order, `otherwise` last.
#[test]
fn nested() {
    let regions = |eu: i128, other: Option<Price>| {
        let matrix =
            Matrix::new(dimensions(&["region"]), vec![cell(&["eu"], unit(eu)), cell(&["us"], unit(eu + 1))], other);
        Price::Matrix(matrix.unwrap())
    };
    let outside = by_day(regions(10, Some(unit(19))), Some(unit(30)));
    let inside = Price::Matrix(
        Matrix::new(
            dimensions(&["region"]),
            vec![cell(&["eu"], by_day(unit(1), Some(unit(2)))), cell(&["us"], unit(3))],
            Some(by_day(unit(4), None)),
        )
        .unwrap(),
    );
    let some = |cell, amount: &str| Some((cell, amount.to_owned()));
    for (price, region, hour, expected) in [
        (&outside, Some("eu"), 12, some(0, "10")),
        (&outside, Some("us"), 12, some(1, "11")),
        (&outside, None, 12, some(2, "19")),
        (&outside, Some("eu"), 20, some(3, "30")),
        (&inside, Some("eu"), 8, some(0, "1")),
        (&inside, Some("eu"), 20, some(1, "2")),
        (&inside, Some("us"), 20, some(2, "3")),
        (&inside, Some("ap"), 8, some(3, "4")),
        (&inside, Some("ap"), 7, None),
    ] {
        assert_eq!(found(price, &[region], hour), expected, "{region:?} at {hour}");
    }
    assert_eq!((outside.cells(), inside.cells()), (4, 4));
    let amounts = |price: &Price| price.leaves().iter().map(|leaf| format!("{leaf:?}")).collect::<Vec<_>>();
    assert_eq!(amounts(&outside), [unit(10), unit(11), unit(19), unit(30)].map(|price| format!("{price:?}")));
    assert!(outside.leaf(CellIdx(4)).is_none() && inside.leaf(CellIdx(4)).is_none());
    assert!(outside.has_schedule() && inside.has_schedule() && !regions(1, None).has_schedule());
    assert_eq!((outside.slots(), inside.slots(), unit(1).slots()), (vec![0], vec![0], vec![]));
    let region = |value: Option<&str>| CellPart::Dimension("region".to_owned(), value.map(str::to_owned));
    let window = |text: Option<&str>| CellPart::Window(text.map(str::to_owned));
    for (price, cell, expected) in [
        (&outside, 1, vec![window(Some("08:00-20:00")), region(Some("us"))]),
        (&outside, 2, vec![window(Some("08:00-20:00")), region(None)]),
        (&outside, 3, vec![window(None)]),
        (&inside, 1, vec![region(Some("eu")), window(None)]),
        (&inside, 3, vec![region(None), window(Some("08:00-20:00"))]),
        (&unit(1), 0, vec![]),
    ] {
        assert_eq!(price.place(CellIdx(cell)), expected, "cell {cell}");
    }
}
