//! Prices and modifiers: what `weir quote` makes of the vectors' figures.
//!
//! What is asked is `Q`, `Q from Q0`, `values V1,V2`, or `name=Q,name=Q`; several that are joined by ` + ` are quotes whose
//! figures sum. Bounds are inclusive at `up_to`, so tiers that begin at 11, 21 are written as up to 10, 20.

use std::collections::BTreeMap;

use weir::quote::{Quote, Request, Usage, quote};
use weir_model::catalog::{NoFiles, PriceFile};
use weir_model::number::Amount;

use crate::Theirs::{Agreed, Differs};
use crate::{Theirs, amount};

/// Which of a quote's figures is compared.
#[derive(Debug, Clone, Copy)]
enum Figure {
    /// `amount`: as a document bills it.
    Billed,
    /// `exact_amount`: theirs is not rounded.
    Exact,
}
use Figure::{Billed, Exact};

struct Case {
    id: &'static str,
    /// The model and its keys.
    price: &'static str,
    /// Modifiers; none.
    charge: &'static str,
    asked: &'static str,
    figure: Figure,
    ours: &'static str,
    theirs: Theirs,
}

const fn case(
    id: &'static str,
    price: &'static str,
    charge: &'static str,
    asked: &'static str,
    ours: (Figure, &'static str),
) -> Case {
    Case { id, price, charge, asked, figure: ours.0, ours: ours.1, theirs: Agreed }
}

impl Case {
    /// Where their figure is another.
    const fn but(self, theirs: &'static str, why: &'static str) -> Case {
        Case { theirs: Differs(theirs, why), ..self }
    }
}

// OpenMeter.
const STEPS: &str = "model = 'graduated', tiers = [{ up_to = 5, unit_amount = 0, flat_amount = 100 }, \
    { up_to = 10, flat_amount = 50 }, { up_to = 15, unit_amount = 5 }, { unit_amount = 1 }]";
const STEEPER: &str = "model = 'graduated', tiers = [{ up_to = 5, flat_amount = 100 }, { up_to = 10, flat_amount = 50 }, \
    { up_to = 15, unit_amount = 10 }, { unit_amount = 5 }]";
const VOLUME: &str = "model = 'volume', tiers = [{ up_to = 5, flat_amount = 100 }, { up_to = 10, flat_amount = 150 }, \
    { up_to = 15, unit_amount = 10 }, { unit_amount = 5 }]";
const CLIFF: &str = "model = 'volume', tiers = [{ up_to = 15, unit_amount = 10 }, { unit_amount = 5 }]";
const TENS: &str = "model = 'package', size = 10, amount = 1";
const FIFTEEN: &str = "model = 'package', size = 10, amount = 15";
const TEN_EACH: &str = "model = 'unit', unit_amount = 10";
const THOUSANDS: &str = "conversion = { divide = 1000, round = 'up' }";

// Lago.
const RANGES: &str = "model = 'graduated', tiers = [{ up_to = 10, unit_amount = 10, flat_amount = 2 }, \
    { up_to = 20, unit_amount = 5, flat_amount = 3 }, { unit_amount = 5, flat_amount = 3 }]";
const DECIMAL_RANGES: &str = "model = 'graduated', tiers = [{ up_to = '0.1', unit_amount = 10 }, { up_to = 1, unit_amount = 5 }, { unit_amount = 2 }]";
const VOLUME_RANGES: &str = "model = 'volume', tiers = [{ up_to = 100, unit_amount = 2, flat_amount = 10 }, \
    { up_to = 200, unit_amount = 1 }, { unit_amount = '0.5', flat_amount = 50 }]";
const HUNDRED_PER_TEN: &str = "model = 'package', size = 10, amount = 100";
/// Running totals of 50, 150, 400 and 800.
const EVENTS: &str = "values 50,100,250,400";
const BETWEEN: &str = "model = 'percentage', rate = '0.0299', min = '1.75', max = 12";
const BETWEEN_AFTER_TWO: &str = "model = 'percentage', rate = '0.0299', min = '1.75', max = 12, free_events = 2";
const BETWEEN_AFTER_AMOUNT: &str =
    "model = 'percentage', rate = '0.0299', min = '1.75', max = 12, free_events = 3, free_amount = 10000";
const PERCENTAGES: &str = "model = 'graduated_percentage', tiers = [{ up_to = 10, rate = '0.01', flat_amount = 200 }, \
    { up_to = 20, rate = '0.02', flat_amount = 300 }, { rate = '0.03', flat_amount = 400 }]";

// Flexprice.
const HUNDREDS: &str = "model = 'package', size = 100, amount = 1";
const VOLUME_50: &str = "model = 'volume', tiers = [{ up_to = 10, unit_amount = 50 }, { up_to = 20, unit_amount = 40 }, { unit_amount = 30 }]";
const SLAB_50: &str = "model = 'graduated', tiers = [{ up_to = 10, unit_amount = 50 }, { up_to = 20, unit_amount = 40 }, { unit_amount = 30 }]";
const SLAB_0: &str = "model = 'graduated', tiers = [{ up_to = 5, unit_amount = 0 }, { up_to = 10, unit_amount = 2 }, { unit_amount = 3 }]";
const SLAB_FLAT: &str = "model = 'graduated', tiers = [{ up_to = 5, unit_amount = 0, flat_amount = 1 }, \
    { up_to = 10, unit_amount = 1, flat_amount = 2 }, { unit_amount = 2, flat_amount = 0 }]";
const SLAB_10: &str = "model = 'graduated', tiers = [{ up_to = 1, unit_amount = 10 }, { up_to = 2, unit_amount = 20 }, { unit_amount = 30 }]";
const SLAB_CENTS: &str = "model = 'graduated', tiers = [{ up_to = 10, unit_amount = '0.1' }, \
    { up_to = 20, unit_amount = '0.05' }, { unit_amount = '0.02' }]";

// Kill Bill: tiers of blocks, `max_blocks` wide.
const ALL_TIERS: &str = "model = 'graduated', tiers = [{ up_to = 10, unit_amount = '1.5' }, { up_to = 110, unit_amount = 1 }, { unit_amount = '0.5' }]";
const TOP_TIER: &str = "model = 'volume', tiers = [{ up_to = 1000, unit_amount = 1, per = 100 }, \
    { up_to = 101_000, unit_amount = 1, per = 1000 }, { unit_amount = '0.5', per = 1000 }]";
const TOP_TIER_OPEN: &str =
    "model = 'volume', tiers = [{ up_to = 1000, unit_amount = 10, per = 100 }, { unit_amount = 1, per = 100 }]";
const FOO_TOP: &str = "model = 'volume', tiers = [{ up_to = 10, unit_amount = 1 }, { up_to = 60, unit_amount = 10 }, { unit_amount = 100 }]";
const BAR_TOP: &str = "model = 'volume', tiers = [{ up_to = 100, unit_amount = 2 }, { up_to = 600, unit_amount = 20 }, { unit_amount = 200 }]";
const FOO_ALL: &str = "model = 'graduated', tiers = [{ up_to = 10, unit_amount = 1 }, { up_to = 60, unit_amount = 10 }, { unit_amount = 100 }]";
const BAR_ALL: &str = "model = 'graduated', tiers = [{ up_to = 100, unit_amount = 2 }, { up_to = 600, unit_amount = 20 }, { unit_amount = 200 }]";
const CAPACITY: &str = "model = 'capacity', tiers = [{ up_to = { unit1 = 100, unit2 = 1000, unit3 = 50 }, flat_amount = 10 }, \
    { up_to = { unit1 = 200, unit2 = 2000, unit3 = 100 }, flat_amount = 20 }, { flat_amount = 30 }]";
const MINUTES: &str =
    "model = 'volume', tiers = [{ up_to = 1000, unit_amount = 1, per = 10 }, { unit_amount = '0.5', per = 10 }]";
const MBYTES: &str = "model = 'volume', tiers = [{ up_to = 1024, unit_amount = '0.5' }, { unit_amount = '0.1' }]";

// Stripe's table.
const STRIPE: &str = "model = 'volume', tiers = [{ up_to = 5, unit_amount = 7 }, { up_to = 10, unit_amount = '6.5' }, { unit_amount = 6 }]";
const THIRTY_SIX: &str = "model = 'increments', steps = [{ up_to = 30, every = 30, unit_amount = '0.006', per = 60 }, \
    { every = 6, unit_amount = '0.006', per = 60 }]";

const CASES: &[Case] = &[
    case("a000", STEPS, "", "22", (Billed, "182.00")),
    case("a002", STEPS, "", "8 from 7", (Billed, "0.00")),
    case("a004", STEPS, "minimum = 1000", "2 from 2", (Billed, "900.00")),
    case("a006", STEPS, "maximum = 170", "22 from 12", (Billed, "10.00")),
    case("a008", STEEPER, "", "3", (Billed, "100.00")),
    case("a010", STEEPER, "", "5.001", (Billed, "150.00")),
    case("a012", STEEPER, "", "12", (Billed, "170.00")),
    case("a014", VOLUME, "", "0", (Billed, "100.00")),
    case("a016", VOLUME, "", "5", (Billed, "100.00")),
    case("a018", VOLUME, "", "15", (Billed, "150.00")),
    case("a020", VOLUME, "", "100", (Billed, "500.00")),
    case("a022", VOLUME, "minimum = 150", "0", (Billed, "150.00")),
    case("a024", VOLUME, "maximum = 125", "7", (Billed, "125.00")),
    case("a026", TENS, "", "1", (Billed, "1.00")),
    case("a028", TENS, "", "10", (Billed, "1.00")),
    case("a030", FIFTEEN, "", "10", (Billed, "15.00")),
    case("a032", FIFTEEN, "maximum = 100", "110 from 60", (Billed, "10.00")),
    case("a034", "model = 'unit', unit_amount = 100", "", "10", (Billed, "1000.00")),
    case("a036", TEN_EACH, "discount = { rate = '0.5' }\nmaximum = 100", "27 from 7", (Billed, "65.00")),
    case("a038", "model = 'dynamic', multiplier = '1.33333'", "", "values 10", (Billed, "13.33")),
    case("a040", TEN_EACH, THOUSANDS, "1400", (Billed, "20.00")),
    case(
        "a042",
        "model = 'graduated', tiers = [{ up_to = 5, unit_amount = 1 }, { unit_amount = '0.5' }]",
        THOUSANDS,
        "7400",
        (Billed, "6.50"),
    ),
    case("a044", "model = 'unit', unit_amount = 1", "allowance = { quantity = 10 }", "20 from 5", (Billed, "10.00")),
    case("a054", CLIFF, "", "16 from 15", (Billed, "-70.00")),
    case("a064", RANGES, "", "0", (Billed, "2.00")),
    case("a066", RANGES, "", "10", (Billed, "102.00")),
    case("a068", RANGES, "", "12", (Billed, "115.00")),
    case("a070", DECIMAL_RANGES, "", "0.05", (Billed, "0.50")),
    case("a072", VOLUME_RANGES, "", "0", (Billed, "10.00")),
    case("a074", VOLUME_RANGES, "", "100", (Billed, "210.00")),
    case("a076", VOLUME_RANGES, "", "101", (Billed, "101.00")),
    case("a078", VOLUME_RANGES, "", "300", (Billed, "200.00")),
    case("a080", HUNDRED_PER_TEN, "", "121", (Billed, "1300.00")),
    case("a082", HUNDRED_PER_TEN, "allowance = { quantity = 200 }", "121", (Billed, "0.00")),
    case(
        "a084",
        "model = 'percentage', rate = '0.013', fixed = 2, free_events = 3, free_amount = 250",
        "",
        EVENTS,
        (Billed, "11.15"),
    ),
    case("a086", "model = 'percentage', rate = '0.013', fixed = 2, free_events = 3", "", EVENTS, (Billed, "7.20")),
    case(
        "a088",
        "model = 'percentage', rate = '0.013', fixed = 2, free_events = 3, free_amount = 500",
        "",
        EVENTS,
        (Billed, "7.20"),
    ),
    case("a090", "model = 'percentage', rate = 0, fixed = 2", "", EVENTS, (Billed, "8.00")),
    case("a092", BETWEEN, "", "values 10,80,10000", (Exact, "16.142")),
    case("a094", BETWEEN_AFTER_TWO, "", "values 10,80,10000", (Exact, "12")),
    case("a096", BETWEEN_AFTER_AMOUNT, "", "values 10,80,10000", (Exact, "2.691")),
    case("a098", PERCENTAGES, "", "1", (Billed, "200.01")),
    case("a100", PERCENTAGES, "", "11", (Billed, "500.12")),
    case("a102", PERCENTAGES, "", "21", (Billed, "900.33")),
    // 40.2 cents.
    case("a104", "model = 'dynamic'", "", "values 0.402", (Exact, "0.402"))
        .but("0", "the event brings its own amount, and what it measures beside that does not take it back"),
    // 10.00 at least, 7.00 used: the other 3.00.
    case("a124", "model = 'unit', unit_amount = 7", "minimum = 10", "1 from 1", (Billed, "3.00")),
    // 1,000,000 units were billed at the threshold of 200.00. Theirs bills everything again and takes 200.00 off: 231.00 with a
    // fee of 31.00.
    case("a134", "model = 'unit', unit_amount = '0.0002'", "", "2000000 from 1000000", (Billed, "200.00")),
    case("a144", "model = 'package', size = 10, amount = 50", "", "25", (Billed, "150.00")),
    case("a146", HUNDREDS, "", "2", (Billed, "1.00")),
    case("a148", HUNDREDS, "", "100", (Billed, "1.00")),
    case("a150", HUNDREDS, "", "150", (Billed, "2.00")),
    case("a152", "model = 'package', size = 100, amount = 1, partial = 'down'", "", "50", (Billed, "0.00")),
    case("a154", VOLUME_50, "", "5", (Billed, "250.00")),
    case("a156", VOLUME_50, "", "25", (Billed, "750.00")),
    case("a158", SLAB_50, "", "15", (Billed, "700.00")),
    case("a160", SLAB_0, "", "3", (Billed, "0.00")),
    case("a162", SLAB_0, "", "7", (Billed, "4.00")),
    case("a164", SLAB_0, "", "11", (Billed, "13.00")),
    case("a166", SLAB_FLAT, "", "3", (Billed, "1.00")),
    case("a168", SLAB_FLAT, "", "12", (Billed, "12.00")),
    case("a170", SLAB_10, "", "1", (Billed, "10.00")),
    case("a172", SLAB_10, "", "3", (Billed, "60.00")),
    // Each time bucket or group is a bucket of its own, as the groups and windows of a charge are.
    case("a174", "model = 'unit', unit_amount = '0.1'", "", "9 + 10", (Billed, "1.90")),
    case("a176", SLAB_CENTS, "", "9 + 15", (Billed, "2.15")),
    case(
        "a178",
        "model = 'graduated', tiers = [{ up_to = 10, unit_amount = 1 }, { unit_amount = 2 }]",
        "",
        "3 + 12",
        (Billed, "17.00"),
    ),
    case("a200", "model = 'unit', unit_amount = 1", "discount = { rate = '0.155' }", "10", (Billed, "8.45")),
    case(
        "a202",
        "model = 'unit', unit_amount = 1, currency = 'JPY'",
        "discount = { rate = '0.33333' }",
        "1000",
        (Billed, "667"),
    ),
    case(
        "b000",
        "model = 'graduated', tiers = [{ up_to = 100, unit_amount = '1.0' }, { up_to = 200, unit_amount = '0.5' }, \
         { unit_amount = '0.25' }]",
        "",
        "150",
        (Billed, "125.00"),
    ),
    // The cap of the one tier is the charge's maximum.
    case("b002", "model = 'graduated', tiers = [{ unit_amount = '1.0' }]", "maximum = 3", "5", (Billed, "3.00")),
    case(
        "b004",
        "model = 'volume', tiers = [{ up_to = 100, unit_amount = '1.0' }, { up_to = 200, unit_amount = '0.5' }, \
         { unit_amount = '0.25' }]",
        "",
        "99.5",
        (Billed, "99.50"),
    )
    .but("0.00", "tiers have no gaps between whole numbers: each begins right above the one before"),
    case("b006", "model = 'package', size = 20, amount = 5", "", "45", (Billed, "15.00")),
    case("b042", ALL_TIERS, "", "111", (Billed, "115.50")),
    case("b044", TOP_TIER, "", "1000", (Billed, "10.00")),
    case("b046", TOP_TIER, "", "101001", (Billed, "51.00")),
    case("b048", TOP_TIER_OPEN, "", "2000", (Billed, "20.00")),
    case("b050", FOO_TOP, "", "5", (Billed, "5.00")),
    case("b050", BAR_TOP, "", "99", (Billed, "198.00")),
    case("b052", FOO_ALL, "", "70 from 50", (Billed, "1100.00")),
    case("b052", BAR_ALL, "", "200 from 80", (Billed, "2040.00")),
    case("b054", CAPACITY, "", "unit1=100,unit2=1000,unit3=50", (Billed, "10.00")),
    case("b056", CAPACITY, "", "unit1=10,unit2=2001", (Billed, "30.00")),
    case("b058", MINUTES, "", "1500", (Billed, "75.00")),
    case("b058", MBYTES, "", "2048", (Billed, "204.80")),
    // Theirs has a fee of 30 beside it: 2430.
    case(
        "b060",
        "model = 'volume', tiers = [{ up_to = 1000, unit_amount = '1.50' }, { unit_amount = '2.0' }]",
        "",
        "1200",
        (Billed, "2400.00"),
    ),
    case(
        "b076",
        "model = 'increments', steps = [{ every = 10, unit_amount = '0.002', per = 10 }]",
        "",
        "20",
        (Exact, "0.004"),
    ),
    case(
        "b078",
        "model = 'increments', steps = [{ every = 1, unit_amount = '0.1', per = 60 }]",
        "",
        "180",
        (Exact, "0.3"),
    )
    .but("0.3001", "theirs rounds each increment as a float; Weir divides once"),
    case("b080", THIRTY_SIX, "", "32", (Exact, "0.0036")),
    case("b080", THIRTY_SIX, "", "57", (Exact, "0.006")),
    case("b080", THIRTY_SIX, "", "75", (Exact, "0.0078")),
    case("b082", STRIPE, "", "1", (Billed, "7.00")),
    case("b084", STRIPE, "", "6", (Billed, "39.00")),
    case("b086", STRIPE, "", "25", (Billed, "150.00")),
    // Minor units: 1750.
    case(
        "b092",
        "model = 'graduated', tiers = [{ up_to = 100, unit_amount = '0.10' }, { unit_amount = '0.05', flat_amount = 5 }]",
        "",
        "150",
        (Billed, "17.50"),
    ),
];

/// Where a vector states the lines too: kind, tier, quantity and amount of ours.
const LINES: &[(&str, &str)] = &[
    ("a000", "flat 1 100.00, flat 2 50.00, usage 3 5 25.00, usage 4 7 7.00; usage 1 5 0.00, usage 2 5 0.00"),
    // Theirs takes 5 and 7 off tiers 3 and 4; ours states the maximum once.
    ("a006", "usage 3 3 15.00, usage 4 7 7.00, maximum -12.00"),
    ("a022", "flat 1 100.00, minimum 50.00"),
    ("a024", "flat 2 150.00, maximum -25.00; usage 2 7 0.00"),
    ("a032", "blocks 50 75.00, maximum -65.00"),
    // Percentages come before the maximum: 200 - 100 - 35.
    ("a036", "usage 20 200.00, discount -100.00, maximum -35.00"),
    ("a040", "usage 2 20.00; conversion 2 0.00"),
    ("a042", "usage 1 5 5.00, usage 2 3 1.50; conversion 8 0.00"),
    // 5 were free before, 5 more are now.
    ("a044", "usage 10 10.00; allowance 5 0.00"),
    ("a054", "usage 1 -15 -150.00, usage 2 16 80.00"),
    ("a124", "minimum 3.00"),
    ("a200", "usage 10 10.00, discount -1.55"),
    ("a202", "usage 1000 1000, discount -333"),
    ("b042", "usage 1 10 15.00, usage 2 100 100.00, usage 3 1 0.50"),
];

/// The ids that stand in this table.
pub fn ids() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.id)
}

/// Their totals, summed over the rows of an id.
pub fn totals() -> BTreeMap<&'static str, Amount> {
    let mut totals = BTreeMap::new();
    for case in CASES {
        let theirs = match case.theirs {
            Agreed => case.ours,
            Differs(theirs, _) => theirs,
        };
        let total = totals.entry(case.id).or_insert(Amount::ZERO);
        *total = total.checked_add(amount(theirs)).unwrap();
    }
    totals
}

fn ask(case: &Case) -> Vec<Quote> {
    let text = format!("[prices]\np = {{ {} }}\n[charge]\n{}\n", case.price, case.charge).replace('\'', "\"");
    let file = PriceFile::new("p.toml", &text, &NoFiles).unwrap_or_else(|error| panic!("{}: {error}", case.id));
    let one = |asked: &str| {
        let (asked, from) = asked.split_once(" from ").map_or((asked, None), |(asked, from)| (asked, Some(from)));
        let usage = match asked.strip_prefix("values ") {
            Some(values) => Usage::values("values", values),
            None => Usage::quantity("quantity", asked),
        };
        let from = from.map(|from| Usage::quantity("from", from).unwrap());
        let request = Request { usage: usage.unwrap(), from, ..Request::default() };
        quote(&file, &request).unwrap_or_else(|error| panic!("{}: {error:#}", case.id))
    };
    case.asked.split(" + ").map(one).collect()
}

#[test]
fn amounts() {
    for case in CASES {
        let quotes = ask(case);
        let figure = match case.figure {
            Billed => {
                let sum = quotes.iter().map(|quote| quote.amount).reduce(|a, b| a.checked_add(b).unwrap());
                sum.unwrap().to_decimal_text()
            }
            Exact => {
                let sum = quotes.iter().map(|quote| quote.exact_amount).reduce(|a, b| a.checked_add(b).unwrap());
                sum.unwrap().to_string()
            }
        };
        assert_eq!(figure, case.ours, "{}", case.id);
        case.theirs.check(case.id, case.ours);
    }
}

#[test]
fn lines() {
    for (id, expected) in LINES {
        let case = CASES.iter().find(|case| case.id == *id).unwrap();
        let [quote] = ask(case).try_into().unwrap();
        // Theirs has no lines of nothing; ours are listed behind the semicolon.
        let text = |of_nothing: bool| {
            let lines = quote.lines.iter().filter(|line| (line.amount.minor() == 0) == of_nothing);
            let parts = lines.map(|line| {
                let tier = line.tier.map(|tier| tier.to_string());
                let parts =
                    [Some(line.kind.to_owned()), tier, line.quantity.clone(), Some(line.amount.to_decimal_text())];
                parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
            });
            parts.collect::<Vec<_>>().join(", ")
        };
        let found =
            [text(false), text(true)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        assert_eq!(found, *expected, "{id}");
    }
}
