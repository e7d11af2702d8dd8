//! The forms of a document, as snapshots (`UPDATE_EXPECT=1` writes them anew), and what no form may ever do.

use expect_test::{ExpectFile, expect_file};
use unicode_width::UnicodeWidthStr;
use weir_invoicer::{Biller, Invoice, Numbering, Remember, draft, to_html, to_json, to_text};
use weir_model::catalog::{Catalog, LatePolicy};
use weir_model::charge::Measured;
use weir_model::number::Quantity;
use weir_model::price::{CellIdx, Percentage, Price};
use weir_model::rated::{CustomerPeriod, PoolTotal, Seal, Segment};
use weir_model::time::Period;

use crate::figures::finalized;
use crate::fixture::{
    SEPTEMBER, amount, at, catalog, charge, fee, graduated, long, measured, month, plan, rich, rich_from, september,
    september_from, split, unit, unit_amount, unit_at, usage,
};
use crate::late::{OCTOBER, closes};

fn check(actual: &str, expected: &ExpectFile) {
    expected.assert_eq(actual);
}

fn document((catalog, totals): &(Catalog, CustomerPeriod)) -> Invoice {
    finalized(catalog, totals)
}

fn partial() -> (Catalog, CustomerPeriod) {
    rich_from("EUR", "fr", at("2026-09-13T22:00:00Z"))
}

fn credit_note() -> (Catalog, CustomerPeriod) {
    let mut catalog = catalog("KWD", "en");
    fee(&mut catalog, "Platform", "10");
    let returns = charge(&mut catalog, "Returns", 2, unit_at(2, "0.0125"), &["reason"]);
    let mut totals = september();
    usage(&catalog, &mut totals, returns, &["damaged"], -123_456);
    (catalog, totals)
}

/// Two plans in one month, a price that changes inside, a percentage, a pool, and a minimum that shrinks.
fn plan_change(locale: &str) -> (Catalog, CustomerPeriod) {
    let mut catalog = catalog("EUR", locale);
    fee(&mut catalog, "Platform", "30");
    let calls = charge(&mut catalog, "Calls", 0, unit("0.01"), &[]);
    plan(&mut catalog, "max");
    fee(&mut catalog, "Platform", "90");
    let tokens = charge(&mut catalog, "Tokens", 0, graduated(&[(Some(1_000), "0.5", "5"), (None, "0.4", "0")]), &[]);
    let later = graduated(&[(Some(1_000), "0.6", "5"), (None, "0.45", "0")]);
    catalog.charges[tokens.at()].versions.push(split("2026-09-20T12:30:00Z", later));
    let payments = Percentage {
        rate: unit_amount("0.029"),
        fixed: amount("0.3"),
        min: None,
        max: None,
        free_events: None,
        free_amount: None,
        unit: 100,
    };
    let payments = charge(&mut catalog, "Payments", 2, Price::Percentage(payments), &[]);
    catalog.charges[payments.at()].minimum = Some(amount("40"));
    let pooled = charge(&mut catalog, "Pooled", 0, unit("0.02"), &[]);
    let change = at("2026-09-10T22:00:00Z");
    let mut totals = month(SEPTEMBER, Period { end: change, ..SEPTEMBER });
    let active = Period { start: change, ..SEPTEMBER };
    totals.segments.push(Segment { plan: weir_model::catalog::PlanIdx(1), active, buckets: Vec::new() });
    usage(&catalog, &mut totals, calls, &[], 1_234);
    let parts = [700, 800].map(Quantity::from_scaled).into();
    measured(&catalog, &mut totals, tokens, (&[], CellIdx::ONLY), Measured::ByVersion(parts));
    usage(&catalog, &mut totals, payments, &[], 12_345);
    usage(&catalog, &mut totals, pooled, &[], 1_000);
    let bucket = totals.segments[1].buckets.last_mut().unwrap();
    bucket.pool = Some(PoolTotal { quantity: Quantity::from_scaled(4_500), amount: amount("90") });
    (catalog, totals)
}

/// An invoice with a late line, and the debit note of the same close.
fn late(locale: &str) -> [Invoice; 2] {
    let mut catalog = catalog("EUR", locale);
    fee(&mut catalog, "Platform", "49");
    let calls =
        charge(&mut catalog, "Calls", 0, graduated(&[(Some(100), "0.5", "0"), (None, "0.4", "0")]), &["region"]);
    let seats = charge(&mut catalog, "Seats", 0, unit("12"), &[]);
    catalog.charges[seats.at()].late_policy = LatePolicy::Note;
    catalog.charges[seats.at()].minimum = Some(amount("60"));
    let september = |seal, quantity, seat_count| {
        let mut totals = CustomerPeriod { seal, ..month(SEPTEMBER, SEPTEMBER) };
        usage(&catalog, &mut totals, calls, &["eu"], quantity);
        usage(&catalog, &mut totals, seats, &[], seat_count);
        totals
    };
    let mut october = month(OCTOBER, OCTOBER);
    usage(&catalog, &mut october, calls, &["eu"], 70);
    let periods = [vec![september(Seal::Now, 90, 4)], vec![september(Seal::Before, 120, 6), october]];
    let mut documents = closes(&catalog, &periods);
    documents.pop().unwrap().try_into().unwrap()
}

#[test]
fn text() {
    check(&to_text(&document(&rich("USD", "en"))), &expect_file!["snapshots/english.txt"]);
    check(&to_text(&document(&partial())), &expect_file!["snapshots/french_partial.txt"]);
    check(&to_text(&document(&credit_note())), &expect_file!["snapshots/credit_note.txt"]);
    check(&to_text(&document(&plan_change("en"))), &expect_file!["snapshots/plan_change.txt"]);
    check(&to_text(&document(&plan_change("fr"))), &expect_file!["snapshots/french_plan_change.txt"]);
    let [invoice, note] = late("en");
    check(&to_text(&invoice), &expect_file!["snapshots/late.txt"]);
    check(&to_text(&note), &expect_file!["snapshots/debit_note.txt"]);
    check(&to_text(&late("fr")[1]), &expect_file!["snapshots/french_debit_note.txt"]);
}

#[test]
fn html() {
    check(&to_html(&document(&rich("USD", "en"))), &expect_file!["snapshots/english.html"]);
    check(&to_html(&document(&partial())), &expect_file!["snapshots/french_partial.html"]);
    check(&to_html(&late("en")[1]), &expect_file!["snapshots/debit_note.html"]);
}

#[test]
fn json_is_stable() {
    check(&to_json(&document(&rich("USD", "en"))), &expect_file!["snapshots/english.json"]);
    check(&to_json(&document(&partial())), &expect_file!["snapshots/french_partial.json"]);
    let (catalog, totals) = credit_note();
    check(&to_json(&draft(&catalog, &totals).unwrap().unwrap()), &expect_file!["snapshots/credit_note_draft.json"]);
    check(&to_json(&document(&plan_change("en"))), &expect_file!["snapshots/plan_change.json"]);
    let [invoice, note] = late("en");
    check(&to_json(&invoice), &expect_file!["snapshots/late.json"]);
    check(&to_json(&note), &expect_file!["snapshots/debit_note.json"]);
}

#[test]
fn text_fits_100_columns() {
    let mut huge = catalog("KWD", "fr");
    let dear = charge(
        &mut huge,
        "a_name_without_any_place_to_break_it_that_is_longer_than_the_column",
        12,
        unit_at(12, "0.000009999999999999"),
        &["g"],
    );
    let mut totals = september_from(at("2026-09-13T22:00:00Z"));
    let group = "日本".repeat(60);
    usage(&huge, &mut totals, dear, &[group.as_str()], 10_i128.pow(37) + 1);
    let samples = [rich("USD", "en"), partial(), credit_note(), long(3), plan_change("fr"), (huge, totals)];
    let documents = samples.iter().map(document).chain(late("en")).chain(late("fr"));
    for text in documents.map(|document| to_text(&document)) {
        for line in text.lines() {
            assert!(line.width() <= 100, "{} columns: {line}", line.width());
            assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        }
    }
}

#[test]
fn html_holds_nothing_but_itself() {
    let mut sample = rich("USD", "en");
    let hostile = "\"'><img src=x onerror=alert(1)>&lt;{{7*7}}</style><script>";
    let (catalog, totals) = &mut sample;
    catalog.customers[0].address = vec![hostile.into()];
    catalog.plans[0].fees[0].name = hostile.into();
    catalog.plans[0].name = hostile.into();
    catalog.charges[0].name = hostile.into();
    catalog.meters[0].name = hostile.into();
    totals.segments[0].buckets[0].group = vec![hostile.into()];
    let seller = catalog.seller.as_mut().unwrap();
    seller.name = hostile.into();
    seller.legal_mentions = vec![hostile.into()];
    let mut biller = Biller::new(&sample.0, Numbering::new(hostile));
    let mut closing = biller.close(SEPTEMBER.end, Remember::Nothing);
    let invoice = closing.bill(&sample.1).unwrap().unwrap().write().unwrap();
    assert_eq!(closing.finish().unwrap(), []);
    let html = to_html(&invoice);
    for forbidden in ["<script", "<img", "http:", "https:", "url(", "@import", "<link", "src=x onerror=alert(1)>"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(
        html.matches("&#60;img").count() + html.matches("&lt;img").count(),
        13,
        "every hostile text is shown as text"
    );
}
