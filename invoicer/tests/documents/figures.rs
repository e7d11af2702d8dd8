//! What stands on a document: rounding, proration, credit notes, and documents that are refused.

use weir_invoicer::{
    Detail, DocumentKind, Invoice, InvoiceError, Line, Locale, Numbering, Status, UsageLine, build, invoiced,
    is_billable, numbering_order,
};
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, ChargeIdx, CustomerIdx, Dimension, PlanIdx, Proration};
use weir_model::currency::Currency;
use weir_model::number::Quantity;
use weir_model::price::{CellIdx, Dynamic, Graduated, Matrix, MatrixCell, Price};
use weir_model::rated::CustomerPeriod;

use crate::fixture::{amount, at, bucket, catalog, charge, fee, september, tiers, unit, unit_amount, usage};

fn finalized(catalog: &Catalog, totals: &CustomerPeriod) -> Invoice {
    build(catalog, totals, Some(Numbering::new("T-").take())).unwrap()
}

fn usage_line(invoice: &Invoice, position: usize) -> &UsageLine {
    match &invoice.lines[position] {
        Line::Usage(usage) => usage,
        Line::Fee(fee) => panic!("line {position} is the fee {}", fee.name),
    }
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
        let total = invoiced(&catalog, &totals).unwrap();
        assert_eq!(total.to_decimal_text(), expected, "{quantities:?} at {price} {currency}");
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
            bucket(&mut totals, charge, (&[], CellIdx(cell)), Quantity::from_scaled(1), amount("0.004"));
        }
        let invoice = finalized(&catalog, &totals);
        let line = usage_line(&invoice, 0);
        let shares: Vec<String> = line.details.iter().map(|detail| detail.amount.to_decimal_text()).collect();
        assert_eq!(line.amount.to_decimal_text(), "0.01");
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
        let mut totals = september();
        if let Some((start, end)) = period {
            totals.period.start = at(start);
            totals.period.end = at(end);
            totals.active = totals.period;
        }
        totals.active.start = at(active_from);
        let invoice = finalized(&catalog, &totals);
        assert_eq!(invoice.total.to_decimal_text(), expected, "from {active_from} {how:?}");
        assert_eq!(invoice.active.is_some(), totals.active != totals.period);
        assert_eq!(invoiced(&catalog, &totals).unwrap(), invoice.total);
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
        assert_eq!(
            (invoice.subtotal.to_decimal_text().as_str(), invoice.total.to_decimal_text().as_str()),
            (subtotal, total)
        );
        assert_eq!(invoiced(&catalog, &totals).unwrap(), invoice.subtotal);
    }
}

#[test]
fn there_are_no_empty_documents() {
    let mut with_fee = catalog("USD", "en");
    fee(&mut with_fee, "platform", "0");
    let mut with_charge = catalog("USD", "en");
    let calls = charge(&mut with_charge, "calls", 0, unit("0"), &[]);
    let silent = {
        let mut totals = september();
        bucket(&mut totals, calls, (&[], CellIdx::NONE), Quantity::ZERO, amount("0"));
        totals.buckets[0].events = 0;
        totals
    };
    let mut free = silent.clone();
    free.buckets[0].events = 1;
    for (what, catalog, totals, billable) in [
        ("no fee, no usage", &catalog("USD", "en"), september(), false),
        ("a bucket without usage", &with_charge, silent, false),
        ("usage that costs nothing", &with_charge, free, true),
        ("a fee of zero", &with_fee, september(), true),
    ] {
        assert_eq!(is_billable(catalog, &totals), billable, "{what}");
        let built = build(catalog, &totals, None).map(|invoice| invoice.lines.len());
        let expected = if billable { Ok(1) } else { Err(InvoiceError::Empty { customer: "acme".into() }) };
        assert_eq!(built, expected, "{what}");
        assert_eq!(invoiced(catalog, &totals).unwrap().minor(), 0, "{what}");
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
    let invoice = build(&catalog, &unclaimed, None).unwrap();
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
    let invoice = build(&catalog, &unclaimed, None).unwrap();
    assert_eq!((invoice.seller, invoice.due_on), (None, invoice.issued_on));
}

#[test]
fn documents_that_are_refused() {
    let customer = || "acme".to_owned();
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "1");
    let calls = charge(&mut catalog, "calls", 0, unit("2"), &[]);
    let open = CustomerPeriod { sealed: false, ..september() };
    let no_plan = CustomerPeriod { plan: PlanIdx(9), ..september() };
    let no_customer = CustomerPeriod { declared: Some(CustomerIdx(9)), ..september() };
    let with_bucket = |charge, text| {
        let mut totals = september();
        bucket(&mut totals, charge, (&[], CellIdx::NONE), Quantity::from_scaled(1), amount(text));
        totals
    };
    for (totals, expected) in [
        (open, InvoiceError::NotSealed { customer: customer() }),
        (no_plan, InvoiceError::Foreign { customer: customer(), what: "plan" }),
        (no_customer, InvoiceError::Foreign { customer: customer(), what: "customer" }),
        (with_bucket(ChargeIdx(9), "1"), InvoiceError::Foreign { customer: customer(), what: "charge" }),
        (with_bucket(calls, "2.01"), InvoiceError::Unexplained { customer: customer(), charge: "calls".into() }),
    ] {
        assert_eq!(build(&catalog, &totals, Some(Numbering::new("").take())).unwrap_err(), expected);
    }

    let euros = Currency::parse("EUR").unwrap();
    catalog.accounts[0].currency = euros;
    let refused = build(&catalog, &september(), None).unwrap_err();
    assert_eq!(refused.to_string(), "customer acme: the account is billed in EUR, but the plan pro is priced in USD");
    assert_eq!(invoiced(&catalog, &september()).unwrap_err(), refused);
}

#[test]
fn totals_too_large_are_refused() {
    let mut catalog = catalog("USD", "en");
    let calls = charge(&mut catalog, "calls", 0, Price::Dynamic(Dynamic { multiplier: unit_amount("1") }), &[]);
    let mut totals = september();
    for cell in 0..2 {
        let most = amount("99999999999999999999");
        bucket(&mut totals, calls, (&[], CellIdx(cell)), Quantity::from_scaled(1), most);
    }
    let refused = InvoiceError::Overflow { customer: "acme".into() };
    assert_eq!(invoiced(&catalog, &totals).unwrap_err(), refused);
    assert_eq!(build(&catalog, &totals, None).unwrap_err(), refused);
}

#[test]
fn details_explain_the_line() {
    let mut catalog = catalog("USD", "en");
    let ladder = tiers(&[(Some(100), "0.333", "10"), (None, "0.1", "0")]);
    let calls = charge(&mut catalog, "calls", 0, Price::Graduated(Graduated { tiers: ladder, unit: 1 }), &[]);
    catalog.charges[0].allowance = Some(Quantity::from_scaled(5));
    let mut totals = september();
    usage(&catalog, &mut totals, calls, &[], 112);
    // Half of the period, and so half of P(0): the price's own lines are those of a whole period.
    let half = at("2026-09-15T22:00:00Z");
    let mut partial = totals.clone();
    partial.active.start = half;
    partial.buckets[0].amount = amount("39");
    let shape = |detail: &Detail| {
        (detail.kind.code(), detail.quantity.clone().unwrap_or_default(), detail.amount.to_decimal_text())
    };
    let expected =
        [("allowance", "5", "0.00"), ("usage", "100", "33.30"), ("flat", "", "10.00"), ("usage", "7", "0.70")];
    let mut expected: Vec<_> =
        expected.map(|(kind, quantity, amount)| (kind, quantity.to_owned(), amount.to_owned())).into();
    let details = |totals| usage_line(&finalized(&catalog, totals), 0).details.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(details(&totals), expected);
    expected.push(("proration", String::new(), "-5.00".into()));
    assert_eq!(details(&partial), expected);
}

#[test]
fn numbers_follow_the_end_of_the_period_and_the_customer() {
    let named = |name: &str, end: &str| {
        let mut totals = september();
        totals.customer = name.into();
        totals.period.end = at(end);
        totals
    };
    let (early, late) = ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z");
    let mut periods = [named("b", late), named("a", late), named("é", early), named("z", early)];
    periods.sort_by(numbering_order);
    let order: Vec<&str> = periods.iter().map(|totals| totals.customer.as_str()).collect();
    assert_eq!(order, ["z", "é", "a", "b"]);
}
