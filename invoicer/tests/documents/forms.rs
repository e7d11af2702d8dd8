//! The forms of a document, as snapshots (`UPDATE_EXPECT=1` writes them anew), and what no form may ever do.

use expect_test::{ExpectFile, expect_file};
use unicode_width::UnicodeWidthStr;
use weir_invoicer::{Invoice, Numbering, build, to_html, to_json, to_text};
use weir_model::catalog::Catalog;
use weir_model::rated::CustomerPeriod;

use crate::fixture::{amount, at, bucket, catalog, charge, fee, long, rich, september, unit_at, usage};

fn check(actual: &str, expected: &ExpectFile) {
    expected.assert_eq(actual);
}

fn finalized((catalog, totals): &(Catalog, CustomerPeriod)) -> Invoice {
    build(catalog, totals, Some(Numbering::new("INV-2026-").take())).unwrap()
}

fn partial() -> (Catalog, CustomerPeriod) {
    let (catalog, mut totals) = rich("EUR", "fr");
    totals.active.start = at("2026-09-13T22:00:00Z");
    (catalog, totals)
}

fn credit_note() -> (Catalog, CustomerPeriod) {
    let mut catalog = catalog("KWD", "en");
    fee(&mut catalog, "Platform", "10");
    let returns = charge(&mut catalog, "Returns", 2, unit_at(2, "0.0125"), &["reason"]);
    let mut totals = september();
    usage(&catalog, &mut totals, returns, &["damaged"], -123_456);
    (catalog, totals)
}

#[test]
fn text() {
    check(&to_text(&finalized(&rich("USD", "en"))), &expect_file!["snapshots/english.txt"]);
    check(&to_text(&finalized(&partial())), &expect_file!["snapshots/french_partial.txt"]);
    check(&to_text(&finalized(&credit_note())), &expect_file!["snapshots/credit_note.txt"]);
}

#[test]
fn html() {
    check(&to_html(&finalized(&rich("USD", "en"))), &expect_file!["snapshots/english.html"]);
    check(&to_html(&finalized(&partial())), &expect_file!["snapshots/french_partial.html"]);
}

#[test]
fn json_is_stable() {
    check(&to_json(&finalized(&rich("USD", "en"))), &expect_file!["snapshots/english.json"]);
    check(&to_json(&finalized(&partial())), &expect_file!["snapshots/french_partial.json"]);
    let (catalog, totals) = credit_note();
    check(&to_json(&build(&catalog, &totals, None).unwrap()), &expect_file!["snapshots/credit_note_draft.json"]);
}

#[test]
fn text_fits_100_columns() {
    let mut huge = catalog("KWD", "fr");
    let dear = charge(
        &mut huge,
        "a_name_without_any_place_to_break_it_that_is_longer_than_the_column",
        12,
        unit_at(12, "1"),
        &["g"],
    );
    let mut totals = september();
    let quantity = weir_model::number::Quantity::from_scaled(10_i128.pow(37) + 1);
    bucket(&mut totals, dear, (&["日本".repeat(60).as_str()], weir_model::price::CellIdx::NONE), quantity, amount("0"));
    totals.active.start = at("2026-09-13T22:00:00Z");
    totals.buckets[0].amount = amount("99999999999999999999.999999999999999999");
    let price = unit_at(12, "0.000000000000000001");
    huge.charges[0].price = price;
    for sample in [rich("USD", "en"), partial(), credit_note(), long(3), (huge, totals)] {
        let text = to_text(&finalized(&sample));
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
    totals.buckets[0].group = vec![hostile.into()];
    let seller = catalog.seller.as_mut().unwrap();
    seller.name = hostile.into();
    seller.legal_mentions = vec![hostile.into()];
    let invoice = build(&sample.0, &sample.1, Some(Numbering::new(hostile).take())).unwrap();
    let html = to_html(&invoice);
    for forbidden in ["<script", "<img", "http:", "https:", "url(", "@import", "<link", "src=x onerror=alert(1)>"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(
        html.matches("&#60;img").count() + html.matches("&lt;img").count(),
        12,
        "every hostile text is shown as text"
    );
}
