//! Whatever the usage: both layers agree, details sum to lines, lines to the total, and a document is a function of its
//! arguments.

use proptest::prelude::*;
use weir_invoicer::{DocumentKind, Line, build, invoiced, is_billable, to_html, to_json, to_text};
use weir_model::catalog::{Catalog, ChargeIdx};
use weir_model::number::Quantity;
use weir_model::price::{CellIdx, Dynamic, Graduated, Package, PartialBlock, Price, Volume};
use weir_model::rated::CustomerPeriod;
use weir_model::time::Instant;

use crate::fixture::{catalog, charge, fee, september, tiers, unit, unit_amount, usage};

const GROUPS: [&str; 3] = ["a", "b", "c"];
const HOUR_MICROS: i64 = 3_600_000_000;

/// One charge for each price that has no cells.
fn with_all_prices(currency: &str) -> Catalog {
    let mut catalog = catalog(currency, "en");
    let ladder =
        tiers(&[(Some(1_000), "0.0333333", "1.005"), (Some(9_999), "0.001", "0"), (None, "0.00000007", "0.3335")]);
    let block =
        Package { size: Quantity::from_scaled(997), amount: unit_amount("0.125"), partial: PartialBlock::Prorate };
    let prices = [
        unit("0.000123456789"),
        Price::Graduated(Graduated { tiers: ladder.clone(), unit: 1 }),
        Price::Volume(Volume { tiers: ladder, unit: 1 }),
        Price::Package(block),
        Price::Dynamic(Dynamic { multiplier: unit_amount("1") }),
    ];
    for (i, price) in prices.into_iter().enumerate() {
        charge(&mut catalog, &format!("charge {i}"), 0, price, &["group"]);
    }
    catalog.charges[1].allowance = Some(Quantity::from_scaled(50));
    catalog
}

fn sample() -> impl Strategy<Value = (Catalog, CustomerPeriod)> {
    let currency = prop::sample::select(vec!["USD", "JPY", "KWD", "CLF"]);
    let used = prop::collection::btree_map((0..5_u32, 0..3_usize), -20_000_i128..2_000_000, 0..12);
    let fees = prop::collection::vec(0..10_000_000_i64, 0..3);
    (currency, used, fees, 0..700_i64).prop_map(|(currency, used, fees, hours)| {
        let mut catalog = with_all_prices(currency);
        for (i, thousandths) in fees.iter().enumerate() {
            fee(&mut catalog, &format!("fee {i}"), &format!("{}.{:03}", thousandths / 1000, thousandths % 1000));
        }
        let mut totals = september();
        totals.active.start = Instant::from_micros(totals.period.start.micros() + hours * HOUR_MICROS);
        for ((charge, group), quantity) in used {
            usage(&catalog, &mut totals, ChargeIdx(charge), &[GROUPS[group]], quantity);
        }
        (catalog, totals)
    })
}

proptest! {
    #[test]
    fn layers_agree_and_parts_sum((catalog, totals) in sample()) {
        let net = invoiced(&catalog, &totals).unwrap();
        if !is_billable(&catalog, &totals) {
            prop_assert!(build(&catalog, &totals, None).is_err());
            prop_assert_eq!(net.minor(), 0);
            return Ok(());
        }
        let invoice = build(&catalog, &totals, None).unwrap();
        prop_assert_eq!(invoice.subtotal, net);
        prop_assert_eq!(invoice.lines.iter().map(|line| line.amount().minor()).sum::<i128>(), net.minor());
        prop_assert_eq!(invoice.total.minor(), net.minor().abs());
        prop_assert_eq!(invoice.kind == DocumentKind::CreditNote, net.minor() < 0);
        let minor_unit = 10_i128.pow(18 - u32::from(net.currency().exponent()));
        for line in &invoice.lines {
            let off = line.amount().minor() * minor_unit - line.exact_amount().scaled();
            prop_assert!(2 * off.abs() <= minor_unit, "{:?}", line);
            if let Line::Usage(usage) = line {
                let details = usage.details.iter().map(|detail| detail.amount.minor()).sum::<i128>();
                prop_assert_eq!(details, usage.amount.minor(), "{:?}", usage);
            }
        }
        let exact: i128 = invoice.lines.iter().filter_map(|line| match line {
            Line::Usage(usage) => Some(usage.exact_amount.scaled()),
            Line::Fee(_) => None,
        }).sum();
        prop_assert_eq!(exact, totals.buckets.iter().map(|bucket| bucket.amount.scaled()).sum::<i128>());
    }

    #[test]
    fn a_document_is_a_function_of_its_arguments((catalog, totals) in sample()) {
        prop_assume!(is_billable(&catalog, &totals));
        let forms = || {
            let invoice = build(&catalog.clone(), &totals.clone(), None).unwrap();
            [to_json(&invoice), to_text(&invoice), to_html(&invoice)]
        };
        prop_assert_eq!(forms(), forms());
    }

    #[test]
    fn a_cell_index_from_elsewhere_is_an_error(cell in 0..u32::MAX) {
        let mut catalog = with_all_prices("USD");
        let matrix = weir_model::price::Matrix::new(Vec::new(), Vec::new(), None).unwrap();
        catalog.charges[0].price = Price::Matrix(matrix);
        let mut totals = september();
        let amount = crate::fixture::amount("1");
        crate::fixture::bucket(&mut totals, ChargeIdx(0), (&["a"], CellIdx(cell)), Quantity::from_scaled(1), amount);
        prop_assert!(build(&catalog, &totals, None).is_err());
    }
}
