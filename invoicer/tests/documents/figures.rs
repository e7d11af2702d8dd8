//! What stands on a document: rounding, proration, credit notes, and documents that are refused.

use weir_invoicer::{
    Biller, DocumentKind, Invoice, InvoiceError, Item, Line, Locale, Modified, Numbering, Remember, Status, Usage,
    draft, invoiced,
};
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, ChargeIdx, CustomerIdx, Dimension, PlanIdx, Proration};
use weir_model::currency::Currency;
use weir_model::number::Money;
use weir_model::price::{CellIdx, Dynamic, Matrix, MatrixCell, Price};
use weir_model::rated::{CustomerPeriod, Seal};
use weir_model::time::Period;

use crate::fixture::{
    SEPTEMBER, amount, at, bucket, catalog, charge, fee, month, plan, september, unit, unit_amount, usage,
};

/// The one document of a first and only close.
pub fn finalized(catalog: &Catalog, totals: &CustomerPeriod) -> Invoice {
    let mut biller = Biller::new(catalog, Numbering::new("INV-2026-"));
    let mut closing = biller.close(totals.period.end, Remember::Nothing);
    let document = closing.bill(totals).unwrap().expect("it has lines");
    assert_eq!(closing.finish().unwrap(), []);
    document.write().unwrap()
}

pub fn usage_of(line: &Line) -> &Usage {
    match &line.item {
        Item::Usage(usage) => usage,
        item => panic!("{item:?} is no usage"),
    }
}

pub fn text(money: Money) -> String {
    money.to_decimal_text()
}

#[test]
fn a_line_is_rounded_once_half_away_from_zero() {
    // Each row: units at a unit amount, as lines of their own.
    for (currency, price, quantities, expected) in [
        ("USD", "0.005", &[1][..], "0.01"),
        ("USD", "0.005", &[-1], "-0.01"),
        ("USD", "0.004999999999999999", &[1], "0.00"),
        ("USD", "0.005", &[1, 1], "0.02"),
        ("USD", "0.0025", &[2], "0.01"),
        ("USD", "0.0024", &[1, 1, 1, 1], "0.00"),
        ("JPY", "0.5", &[1], "1"),
        ("JPY", "0.5", &[3], "2"),
        ("JPY", "0.4", &[1], "0"),
        ("KWD", "0.0005", &[1], "0.001"),
        ("KWD", "0.0015", &[1, 1], "0.004"),
        ("CLF", "0.00005", &[1], "0.0001"),
    ] {
        let mut catalog = catalog(currency, "en");
        let charge = charge(&mut catalog, "calls", 0, unit(price), &["n"]);
        let mut totals = september();
        for (i, quantity) in quantities.iter().enumerate() {
            usage(&catalog, &mut totals, charge, &[&i.to_string()], *quantity);
        }
        let total = invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap().unwrap();
        assert_eq!(text(total), expected, "{quantities:?} at {price} {currency}");
        assert_eq!(finalized(&catalog, &totals).subtotal, total);
    }
}

#[test]
fn cells_are_summed_before_they_are_rounded() {
    let mut catalog = catalog("USD", "en");
    let cell = |value: &str| MatrixCell { when: vec![value.into()], price: unit("0.004") };
    let regions = vec![Dimension { name: "region".into(), slot: 0 }];
    let matrix = Matrix::new(regions, vec![cell("eu"), cell("us"), cell("ap")], None).unwrap();
    let charge = charge(&mut catalog, "storage", 0, Price::Matrix(matrix), &[]);
    for (aggregation, quantity) in [(Aggregation::Sum, Some("3")), (Aggregation::Max, None)] {
        catalog.meters[0].aggregation = aggregation;
        let mut totals = september();
        for cell in 0..3 {
            bucket(&catalog, &mut totals, charge, (&[], CellIdx(cell)), (1, amount("0.004")));
        }
        let invoice = finalized(&catalog, &totals);
        let line = usage_of(&invoice.lines[0]);
        let shares: Vec<String> = line.details.iter().map(|detail| text(detail.amount)).collect();
        assert_eq!(text(invoice.lines[0].amount), "0.01");
        assert_eq!(shares, ["0.01", "0.00", "0.00"]);
        assert_eq!(line.quantity.as_deref(), quantity, "{aggregation:?}");
        assert_eq!(line.events, 3);
    }
}

#[test]
fn fees_shrink_with_the_active_part() {
    // September has 30 days in Paris; October has 31 and an hour more than that.
    let october = ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z");
    for (period, active_from, how, expected) in [
        (None, "2026-08-31T22:00:00Z", Proration::Exact, "30.00"),
        (None, "2026-09-15T22:00:00Z", Proration::Exact, "15.00"),
        (None, "2026-09-15T10:00:00Z", Proration::Exact, "15.50"),
        (None, "2026-09-15T10:00:00Z", Proration::Day, "16.00"),
        (None, "2026-09-30T21:59:59Z", Proration::Exact, "0.00"),
        (None, "2026-09-30T21:59:59Z", Proration::Day, "1.00"),
        (Some(october), "2026-10-25T22:00:00Z", Proration::Exact, "5.84"),
        (Some(october), "2026-10-25T23:00:00Z", Proration::Day, "5.81"),
    ] {
        let mut catalog = catalog("USD", "en");
        fee(&mut catalog, "platform", "30");
        catalog.plans[0].proration = how;
        let period = period.map_or(SEPTEMBER, |(start, end)| Period { start: at(start), end: at(end) });
        let totals = month(period, Period { start: at(active_from), ..period });
        let invoice = finalized(&catalog, &totals);
        assert_eq!(text(invoice.total), expected, "from {active_from} {how:?}");
        assert_eq!(invoice.segments[0].active.start_at, at(active_from));
        assert_eq!(invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap(), Some(invoice.total));
    }
}

#[test]
fn a_negative_sum_is_a_credit_note() {
    for (units, kind, subtotal, total) in [
        (-3, DocumentKind::CreditNote, "-6.00", "6.00"),
        (-15, DocumentKind::CreditNote, "-30.00", "30.00"),
        (0, DocumentKind::Invoice, "0.00", "0.00"),
        (4, DocumentKind::Invoice, "8.00", "8.00"),
    ] {
        let mut catalog = catalog("USD", "en");
        let charge = charge(&mut catalog, "credit", 0, unit("2"), &[]);
        let mut totals = september();
        usage(&catalog, &mut totals, charge, &[], units);
        let invoice = finalized(&catalog, &totals);
        assert_eq!(invoice.kind, kind, "{units}");
        assert_eq!((text(invoice.subtotal).as_str(), text(invoice.total).as_str()), (subtotal, total));
        assert_eq!(invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap(), Some(invoice.subtotal));
    }
}

#[test]
fn there_are_no_empty_documents() {
    let mut with_fee = catalog("USD", "en");
    fee(&mut with_fee, "platform", "0");
    let mut with_charge = catalog("USD", "en");
    let calls = charge(&mut with_charge, "calls", 0, unit("0"), &[]);
    let without_events = |text: &str| {
        let mut totals = september();
        bucket(&with_charge, &mut totals, calls, (&[], CellIdx::ONLY), (0, amount(text)));
        totals.segments[0].buckets[0].events = 0;
        totals
    };
    let mut without_plan = september();
    without_plan.segments.clear();
    let mut free = without_events("0");
    free.segments[0].buckets[0].events = 1;
    for (what, catalog, totals, lines) in [
        ("no fee, no usage", &catalog("USD", "en"), september(), None),
        ("no plan", &with_fee, without_plan, None),
        ("a bucket without usage", &with_charge, without_events("0"), None),
        ("less than a cent without usage", &with_charge, without_events("0.004"), None),
        ("usage that costs nothing", &with_charge, free, Some(1)),
        ("a fee of zero", &with_fee, september(), Some(1)),
    ] {
        assert_eq!(
            invoiced(catalog, &Modified::of_catalog(catalog), &totals).unwrap().map(Money::minor),
            lines.map(|_| 0),
            "{what}"
        );
        let mut biller = Biller::new(catalog, Numbering::new(""));
        let mut closing = biller.close(totals.period.end, Remember::Nothing);
        assert_eq!(closing.bill(&totals).unwrap().is_some(), lines.is_some(), "{what}");
        assert_eq!(draft(catalog, &totals).unwrap().map(|invoice| invoice.lines.len()), lines, "{what}");
        assert_eq!(closing.finish().unwrap(), []);
    }
}

#[test]
fn only_what_this_close_seals_is_billed_for_the_first_time() {
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "1");
    for (seal, billed) in [(Seal::Open, false), (Seal::Now, true), (Seal::Before, false)] {
        let totals = CustomerPeriod { seal, ..september() };
        let mut biller = Biller::new(&catalog, Numbering::new("T-"));
        let mut closing = biller.close(SEPTEMBER.end, Remember::Nothing);
        let number = closing.bill(&totals).unwrap().map(|document| document.number().to_string());
        assert_eq!(number, billed.then(|| "T-000001".to_owned()), "{seal:?}");
        assert_eq!(closing.finish().unwrap(), []);
        // What it would be is known at any time.
        let draft = draft(&catalog, &totals).unwrap().unwrap();
        assert_eq!((draft.status, draft.number, draft.lines.len()), (Status::Draft, None, 1));
    }
}

#[test]
fn dates_and_names() {
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "1");
    let totals = september();
    let invoice = finalized(&catalog, &totals);
    let dates = [invoice.period.first_on, invoice.period.last_on, invoice.issued_on, invoice.due_on];
    assert_eq!(dates.map(|date| date.to_string()), ["2026-09-01", "2026-09-30", "2026-10-01", "2026-10-31"]);
    assert_eq!(invoice.time_zone, "Europe/Paris");
    assert_eq!((invoice.customer.id.as_str(), invoice.customer.account.as_str()), ("acme", "acme-group"));

    // A subject that nobody claims: the catalog's zone, and its own id for everything.
    let unclaimed = CustomerPeriod { customer: "walk-in".into(), declared: None, ..totals };
    let invoice = draft(&catalog, &unclaimed).unwrap().unwrap();
    assert_eq!(invoice.period.first_on.to_string(), "2026-08-31");
    assert_eq!((invoice.time_zone.as_str(), invoice.status, invoice.number), ("UTC", Status::Draft, None));
    let customer = invoice.customer;
    assert_eq!([customer.id, customer.name, customer.account], ["walk-in", "walk-in", "walk-in"].map(str::to_owned));

    for (own, sellers, expected) in [
        (None, "fr", Locale::Fr),
        (Some("en-GB"), "fr", Locale::En),
        (Some("de"), "fr", Locale::Fr),
        (Some("de"), "nl", Locale::En),
    ] {
        catalog.customers[0].locale = own.map(str::to_owned);
        catalog.seller.as_mut().unwrap().locale = sellers.into();
        assert_eq!(finalized(&catalog, &september()).locale, expected, "{own:?}, seller {sellers}");
    }

    catalog.seller = None;
    let invoice = draft(&catalog, &unclaimed).unwrap().unwrap();
    assert_eq!((invoice.seller, invoice.due_on), (None, invoice.issued_on));
}

#[test]
fn documents_that_are_refused() {
    let customer = || "acme".to_owned();
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "1");
    let calls = charge(&mut catalog, "calls", 0, unit("2"), &[]);
    plan(&mut catalog, "max");
    let others = charge(&mut catalog, "others", 0, unit("2"), &[]);
    let mut no_plan = september();
    no_plan.segments[0].plan = PlanIdx(9);
    let no_customer = CustomerPeriod { declared: Some(CustomerIdx(9)), ..september() };
    let with_bucket = |charge, text| {
        let mut totals = september();
        bucket(&catalog, &mut totals, calls, (&[], CellIdx::ONLY), (1, amount(text)));
        totals.segments[0].buckets[0].charge = charge;
        totals
    };
    for (totals, expected) in [
        (no_plan, InvoiceError::Foreign { customer: customer(), what: "plan" }),
        (no_customer, InvoiceError::Foreign { customer: customer(), what: "customer" }),
        (with_bucket(ChargeIdx(9), "1"), InvoiceError::Foreign { customer: customer(), what: "charge" }),
        (with_bucket(others, "1"), InvoiceError::Foreign { customer: customer(), what: "charge" }),
        (with_bucket(calls, "2.01"), InvoiceError::Unexplained { customer: customer(), charge: "calls".into() }),
    ] {
        assert_eq!(draft(&catalog, &totals).unwrap_err(), expected);
    }

    let euros = Currency::parse("EUR").unwrap();
    catalog.accounts[0].currency = euros;
    let refused = draft(&catalog, &september()).unwrap_err();
    assert_eq!(refused.to_string(), "customer acme: the account is billed in EUR, but the plan pro is priced in USD");
    assert_eq!(invoiced(&catalog, &Modified::of_catalog(&catalog), &september()).unwrap_err(), refused);
}

#[test]
fn totals_too_large_are_refused() {
    let mut catalog = catalog("USD", "en");
    let calls = charge(&mut catalog, "calls", 0, Price::Dynamic(Dynamic { multiplier: unit_amount("1") }), &[]);
    let mut totals = september();
    for cell in 0..2 {
        let most = amount("99999999999999999999");
        bucket(&catalog, &mut totals, calls, (&[], CellIdx(cell)), (1, most));
    }
    let refused = InvoiceError::Overflow { customer: "acme".into() };
    assert_eq!(invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap_err(), refused);
    assert_eq!(draft(&catalog, &totals).unwrap_err(), refused);
}
