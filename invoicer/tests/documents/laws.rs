//! Whatever the usage: both layers agree, details sum to lines, lines to the total, all closes together bill what is owed, and a
//! document is a function of its arguments.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_invoicer::{DocumentKind, Invoice, Item, Line, Modified, draft, invoiced, to_html, to_json, to_text};
use weir_model::catalog::{Catalog, ChargeIdx, LatePolicy, PlanIdx};
use weir_model::number::Money;
use weir_model::price::{CellIdx, Dynamic, Matrix, PartialBlock, Price};
use weir_model::rated::{CustomerPeriod, Seal, Segment};
use weir_model::time::{Instant, Period};

use crate::fixture::{
    SEPTEMBER, allowance, amount, bucket, catalog, charge, fee, graduated, month, package, plan, september,
    september_from, unit, unit_amount, usage, version, volume,
};
use crate::late::{NOVEMBER, OCTOBER, closes};

const GROUPS: [&str; 3] = ["a", "b", "c"];
const HOUR_MICROS: i64 = 3_600_000_000;

/// Adds one charge for each kind of price that has no cells to the last plan, some with modifiers.
fn add_all_prices(catalog: &mut Catalog) {
    let ladder = [(Some(1_000), "0.0333333", "1.005"), (Some(9_999), "0.001", "0"), (None, "0.00000007", "0.3335")];
    let prices = [
        unit("0.000123456789"),
        graduated(&ladder),
        volume(&ladder),
        package(997, "0.125", PartialBlock::Prorate),
        Price::Dynamic(Dynamic { multiplier: unit_amount("1") }),
    ];
    let policies = [LatePolicy::NextInvoice, LatePolicy::Note, LatePolicy::NextInvoice];
    for (i, price) in prices.into_iter().enumerate() {
        let index = charge(catalog, &format!("charge {i}"), 0, price, &["group"]);
        let charge = &mut catalog.charges[index.at()];
        charge.late_policy = policies[i % 3];
        charge.discount = (i % 2 == 1).then(|| unit_amount("0.0725"));
        charge.maximum = (i > 1).then(|| amount("75.5555"));
        charge.minimum = (i > 2).then(|| amount("12.34567"));
        charge.allowance = (i == 1).then(|| allowance(50));
    }
}

fn with_all_prices(currency: &str) -> Catalog {
    let mut catalog = catalog(currency, "en");
    add_all_prices(&mut catalog);
    catalog
}

type Used = BTreeMap<(u32, usize), i128>;

fn any_usage() -> impl Strategy<Value = Used> {
    prop::collection::btree_map((0..5_u32, 0..3_usize), -20_000_i128..2_000_000, 0..12)
}

fn sample() -> impl Strategy<Value = (Catalog, CustomerPeriod)> {
    let currency = prop::sample::select(vec!["USD", "JPY", "KWD", "CLF"]);
    let fees = prop::collection::vec(0..10_000_000_i64, 0..3);
    (currency, any_usage(), fees, 0..700_i64).prop_map(|(currency, used, fees, hours)| {
        let mut catalog = with_all_prices(currency);
        for (i, thousandths) in fees.iter().enumerate() {
            fee(&mut catalog, &format!("fee {i}"), &format!("{}.{:03}", thousandths / 1000, thousandths % 1000));
        }
        let start = Instant::from_micros(SEPTEMBER.start.micros() + hours * HOUR_MICROS);
        let mut totals = september_from(start);
        for ((charge, group), quantity) in used {
            usage(&catalog, &mut totals, ChargeIdx(charge), &[GROUPS[group]], quantity);
        }
        (catalog, totals)
    })
}

/// A line at every close: period, segment, what, and group.
type Key = (Instant, Instant, String, Vec<String>);

fn key(invoice: &Invoice, line: &Line) -> Key {
    let segment = |position: u32| &invoice.segments[usize::try_from(position).unwrap() - 1];
    let (period, start) = match (&line.late, line.segment) {
        (Some(late), None) => (late.period.start_at, late.segment.active.start_at),
        (None, Some(position)) => (invoice.period.start_at, segment(position).active.start_at),
        both => panic!("{both:?}"),
    };
    let (what, group) = match &line.item {
        Item::Fee(fee) => (format!("fee {}", fee.name), Vec::new()),
        Item::Usage(usage) => (usage.charge.clone(), usage.group.iter().map(|d| d.value.clone()).collect()),
        Item::Discount(discount) => (format!("discount {}", discount.charge), Vec::new()),
        Item::Maximum(bound) => (format!("maximum {}", bound.charge), Vec::new()),
        Item::Minimum(bound) => (format!("minimum {}", bound.charge), Vec::new()),
    };
    (period, start, what, group)
}

/// Sums over documents, without lines that come to nothing.
fn by_key<'i>(invoices: impl IntoIterator<Item = &'i Invoice>) -> BTreeMap<Key, i128> {
    let mut sums = BTreeMap::new();
    for invoice in invoices {
        for line in &invoice.lines {
            *sums.entry(key(invoice, line)).or_default() += line.amount.minor();
        }
    }
    sums.retain(|_, minor| *minor != 0);
    sums
}

/// A month with a change of plan after so many hours.
fn changing(catalog: &Catalog, period: Period, hours: i64, used: &(Used, Used)) -> CustomerPeriod {
    let change = Instant::from_micros(period.start.micros() + hours * HOUR_MICROS);
    let mut totals = month(period, Period { end: change, ..period });
    totals.segments.push(Segment { plan: PlanIdx(1), active: Period { start: change, ..period }, buckets: Vec::new() });
    for (first_charge, used) in [(0, &used.0), (5, &used.1)] {
        for ((charge, group), quantity) in used {
            usage(catalog, &mut totals, ChargeIdx(first_charge + charge), &[GROUPS[*group]], *quantity);
        }
    }
    totals
}

proptest! {
    #[test]
    fn layers_agree_and_parts_sum((catalog, totals) in sample()) {
        let Some(invoice) = draft(&catalog, &totals).unwrap() else {
            prop_assert_eq!(invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap(), None);
            return Ok(());
        };
        let net = invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap().unwrap();
        prop_assert_eq!(invoice.subtotal, net);
        prop_assert_eq!(invoice.lines.iter().map(|line| line.amount.minor()).sum::<i128>(), net.minor());
        prop_assert_eq!(invoice.total.minor(), net.minor().abs());
        prop_assert_eq!(invoice.kind == DocumentKind::CreditNote, net.minor() < 0);
        let minor_unit = 10_i128.pow(18 - u32::from(net.currency().exponent()));
        for line in &invoice.lines {
            let exact = match &line.item {
                Item::Fee(fee) => fee.exact_amount,
                Item::Usage(usage) => usage.exact_amount,
                Item::Discount(discount) => discount.exact_amount,
                Item::Maximum(bound) => {
                    prop_assert_eq!(line.amount.minor(), (bound.bound.minor() - bound.sum.minor()).min(0));
                    continue;
                }
                Item::Minimum(bound) => {
                    prop_assert_eq!(line.amount.minor(), (bound.bound.minor() - bound.sum.minor()).max(0));
                    continue;
                }
            };
            let off = line.amount.minor() * minor_unit - exact.scaled();
            prop_assert!(2 * off.abs() <= minor_unit, "{:?}", line);
            if let Item::Usage(usage) = &line.item {
                let details = usage.details.iter().map(|detail| detail.amount.minor()).sum::<i128>();
                prop_assert_eq!(details, line.amount.minor(), "{:?}", usage);
            }
        }
        let exact: i128 = invoice.lines.iter().filter_map(|line| match &line.item {
            Item::Usage(usage) => Some(usage.exact_amount.scaled()),
            _ => None,
        }).sum();
        prop_assert_eq!(exact, totals.buckets().map(|bucket| bucket.amount.scaled()).sum::<i128>());
    }

    #[test]
    fn a_charge_stays_within_its_bounds((catalog, totals) in sample()) {
        let Some(invoice) = draft(&catalog, &totals).unwrap() else { return Ok(()) };
        for charge in &catalog.charges {
            let of = |line: &&Line| key(&invoice, line).2.ends_with(&charge.name);
            let sum: i128 = invoice.lines.iter().filter(of).map(|line| line.amount.minor()).sum();
            let active = totals.segments[0].active;
            let zone = &catalog.accounts[0].time_zone;
            let part = weir_model::calendar::part_of(&active, &totals.period, catalog.plans[0].proration, zone);
            let bound = |whole| -> Money {
                part.of(whole).unwrap().to_money(catalog.currency, weir_model::rounding::RoundingMode::HalfAway)
            };
            prop_assert!(charge.maximum.is_none_or(|maximum| sum <= bound(maximum).minor()), "{}", charge.name);
            prop_assert!(charge.minimum.is_none_or(|minimum| sum >= bound(minimum).minor()), "{}", charge.name);
        }
    }

    #[test]
    fn all_closes_together_bill_what_is_owed_at_last(
        hours in 1..700_i64,
        usages in prop::array::uniform6((any_usage(), any_usage())),
        with_november: bool,
    ) {
        let mut catalog = with_all_prices("USD");
        fee(&mut catalog, "platform", "49.005");
        plan(&mut catalog, "max");
        add_all_prices(&mut catalog);
        let [september, later_september, last_september, october, last_october, november] = &usages;
        let at = |period, seal, used| CustomerPeriod { seal, ..changing(&catalog, period, hours, used) };
        let mut last = vec![at(SEPTEMBER, Seal::Before, last_september), at(OCTOBER, Seal::Before, last_october)];
        last.extend(with_november.then(|| at(NOVEMBER, Seal::Now, november)));
        let documents = closes(&catalog, &[
            vec![at(SEPTEMBER, Seal::Now, september)],
            vec![at(SEPTEMBER, Seal::Before, later_september), at(OCTOBER, Seal::Now, october)],
            last.clone(),
        ]);
        let documents: Vec<Invoice> = documents.into_iter().flatten().collect();
        let owed: Vec<Invoice> = last.iter().filter_map(|period| draft(&catalog, period).unwrap()).collect();
        prop_assert_eq!(by_key(&documents), by_key(&owed));
        let total = |invoices: &[Invoice]| invoices.iter().map(|invoice| invoice.subtotal.minor()).sum::<i128>();
        prop_assert_eq!(total(&documents), total(&owed));
        for (sequence, document) in (1_u64..).zip(&documents) {
            prop_assert_eq!(document.number.as_ref().unwrap().sequence, sequence);
            prop_assert_eq!(document.kind == DocumentKind::CreditNote, document.subtotal.minor() < 0);
            prop_assert!(!document.lines.is_empty());
            let numbers: Vec<u32> = document.lines.iter().map(|line| line.line).collect();
            prop_assert_eq!(numbers, (1..=u32::try_from(document.lines.len()).unwrap()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_document_is_a_function_of_its_arguments((catalog, totals) in sample()) {
        let forms = || {
            let invoice = draft(&catalog.clone(), &totals.clone()).unwrap()?;
            Some([to_json(&invoice), to_text(&invoice), to_html(&invoice)])
        };
        prop_assert_eq!(forms(), forms());
    }

    #[test]
    fn a_cell_index_from_elsewhere_is_an_error(cell in 0..u32::MAX) {
        let mut catalog = with_all_prices("USD");
        let matrix = Matrix::new(Vec::new(), Vec::new(), None).unwrap();
        catalog.charges[0].versions = vec![version(Price::Matrix(matrix))];
        let mut totals = september();
        bucket(&catalog, &mut totals, ChargeIdx(0), (&["a"], CellIdx(cell)), (1, amount("1")));
        prop_assert!(draft(&catalog, &totals).is_err());
    }
}
