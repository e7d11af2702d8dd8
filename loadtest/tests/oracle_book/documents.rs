//! Lines and documents: rounding (c), discount, maximum, minimum, fees, late usage.

use super::{Book, one_charge};

const UNIT: &str = "price = { model = \"unit\", unit_amount = \"0.333\" }\n";

fn invoice(rest: &str, values: &[&str]) -> Vec<String> {
    let book = values.iter().fold(Book::new(one_charge(&format!("{UNIT}{rest}"))), |book, value| {
        book.event("2026-01-05", &format!("v={value} d=g{value}"))
    });
    book.close("2026-02-01").documents()
}

#[test]
fn lines() {
    for (rest, values, expected) in [
        // 0.333 × 10 = 3.33; the half of a cent goes away from zero: 0.333 × 5 = 1.665.
        ("", vec!["10"], "Invoice 01-01 = 333: c 333"),
        ("", vec!["5"], "Invoice 01-01 = 167: c 167"),
        // A line with usage is billed at 0.
        ("", vec!["0"], "Invoice 01-01 = 0: c 0"),
        // Each group is rounded by itself: 1.665 and 0.333.
        ("group_by = [\"d\"]", vec!["5", "1"], "Invoice 01-01 = 200: c/g1 33, c/g5 167"),
        // 10% of the unrounded 1.998 is 0.1998.
        (
            "group_by = [\"d\"]\ndiscount = { rate = \"0.10\" }",
            vec!["5", "1"],
            "Invoice 01-01 = 180: c/g1 33, c/g5 167, c discount -20",
        ),
        // 3.33 − 0.33 = 3.00 is cut to 2.
        (
            "discount = { rate = \"0.10\" }\nmaximum = 2",
            vec!["10"],
            "Invoice 01-01 = 200: c 333, c discount -33, c maximum -100",
        ),
        ("maximum = 4", vec!["10"], "Invoice 01-01 = 333: c 333"),
        ("minimum = 4", vec!["10"], "Invoice 01-01 = 400: c 333, c minimum 67"),
        // All of it is discounted, and the minimum is owed.
        (
            "discount = { rate = 1 }\nminimum = \"1.50\"\nmaximum = 2",
            vec!["10"],
            "Invoice 01-01 = 150: c 333, c discount -333, c minimum 150",
        ),
        // The minimum is owed without usage, too.
        ("minimum = 4", vec![], "Invoice 01-01 = 400: c minimum 400"),
    ] {
        assert_eq!(invoice(rest, &values), [expected], "{rest}");
    }
    assert_eq!(invoice("", &[]), [""; 0]);
}

/// 21 of 31 days: a maximum of 10 is 6.774193..., a minimum 10.161290... of 15, a fee of 49 is 33.193548...
#[test]
fn bounds_and_fees_are_pro_rated() {
    for (rest, expected) in [
        ("maximum = 10", "Invoice 01-11 = 3996: fee base 3319, c 3330, c maximum -2653"),
        ("minimum = 100", "Invoice 01-11 = 10093: fee base 3319, c 3330, c minimum 3444"),
    ] {
        let catalog = one_charge(&format!("{UNIT}{rest}"))
            .replace("[plans.p]", "[plans.p]\nfees = [{ name = \"base\", amount = 49, when = \"arrears\" }]")
            .replace("\"2026-01-01\"", "\"2026-01-11\"");
        let book = Book::new(catalog).event("2026-01-15", "v=100").close("2026-02-01");
        assert_eq!(book.documents(), [expected.replace("01-11 =", "01-01 =")]);
    }
}

fn late(policy: &str, rest: &str) -> Book {
    let charge = format!("{UNIT}{rest}\nlate_policy = \"{policy}\"");
    Book::new(one_charge(&charge)).event("2026-01-05", "v=5").close("2026-02-01")
}

/// January's 1.665 was billed as 1.67; with 1 more it is 1.998, that is 2.00: the difference is 0.33.
#[test]
fn late_usage_is_a_difference_of_rounded_values() {
    let book = late("next_invoice", "").event("2026-01-06", "v=1").event("2026-02-06", "v=10");
    assert_eq!(book.close("2026-03-01").documents(), ["Invoice 02-01 = 366: 01-01 c 33, c 333"]);
    let book = late("credit_or_debit_note", "").event("2026-01-06", "v=1").event("2026-02-06", "v=10");
    assert_eq!(book.close("2026-03-01").documents(), ["note DebitNote 01-01 = 33: c 33", "Invoice 02-01 = 333: c 333"]);
    let book = late("refuse", "").event("2026-01-06", "v=1").event("2026-02-06", "v=10");
    assert_eq!(book.close("2026-03-01").documents(), ["Invoice 02-01 = 333: c 333"]);
    // An event of January that comes before the seal is not late, nor one of February after January's.
    assert_eq!(late("refuse", "").event("2026-02-06", "v=10").outcome().verdicts.late_refused, 0);
}

/// A close that seals nothing more for the customer has no invoice to go to.
#[test]
fn without_a_next_invoice_there_is_a_note() {
    let book = late("next_invoice", "").event("2026-01-06", "v=1").close("2026-02-15");
    assert_eq!(book.documents(), ["note DebitNote 01-01 = 33: c 33"]);
    // A second late event bills what is new; nothing is billed twice.
    let book = book.event("2026-01-07", "v=1").close("2026-02-16");
    assert_eq!(book.documents(), ["note DebitNote 01-01 = 33: c 33"]);
    let book = book.close("2026-02-17");
    assert_eq!(book.documents(), [""; 0]);
}

/// The minimum of 10 was billed as 8.33 above 1.67. Late usage of 3.33 fills it up: the lines change, the sum does not.
/// With more, the minimum's line is gone.
#[test]
fn a_late_difference_of_a_minimum() {
    let book = late("credit_or_debit_note", "minimum = 10").event("2026-01-06", "v=10").close("2026-02-15");
    assert_eq!(book.documents(), ["note DebitNote 01-01 = 0: c 333, c minimum -333"]);
    let book = book.event("2026-01-07", "v=100").close("2026-02-16");
    assert_eq!(book.documents(), ["note DebitNote 01-01 = 2830: c 3330, c minimum -500"]);
}

/// A cliff: 10 cost 10, 11 cost 5.50. The late unit gives 4.50 back.
#[test]
fn a_late_credit() {
    let price = r#"price = { model = "volume", tiers = [{ up_to = 10, unit_amount = 1 }, { unit_amount = "0.5" }] }"#;
    let book = |policy: &str| {
        Book::new(one_charge(&format!("{price}\nlate_policy = \"{policy}\"")))
            .event("2026-01-05", "v=10")
            .close("2026-02-01")
            .event("2026-01-06", "v=1")
    };
    let note = book("credit_or_debit_note").close("2026-03-01");
    assert_eq!(note.documents(), ["note CreditNote 01-01 = -450: c -450"]);
    // On the invoice of February, which has 2 of its own, and so becomes a credit note.
    let next = book("next_invoice").event("2026-02-05", "v=2").close("2026-03-01");
    assert_eq!(next.documents(), ["CreditNote 02-01 = -250: 01-01 c -450, c 200"]);
}

/// Several periods at once: the earliest takes the late lines along.
#[test]
fn the_earliest_invoice_takes_late_lines() {
    let book = late("next_invoice", "")
        .event("2026-01-06", "v=1")
        .event("2026-03-06", "v=10")
        .event("2026-02-06", "v=10")
        .close("2026-04-01");
    assert_eq!(book.documents(), ["Invoice 02-01 = 366: 01-01 c 33, c 333", "Invoice 03-01 = 333: c 333"]);
}

/// A declared customer without a date has the periods with usage and the last one of each close.
#[test]
fn periods_of_a_customer_without_a_date() {
    let catalog = one_charge(&format!("{UNIT}minimum = 1")).replace("starts_on = \"2026-01-01\"", "");
    let book = Book::new(catalog).event("2026-01-05", "v=10").close("2026-04-01");
    assert_eq!(book.documents(), ["Invoice 01-01 = 333: c 333", "Invoice 03-01 = 100: c minimum 100"]);
    assert_eq!(book.close("2026-06-01").documents(), ["Invoice 05-01 = 100: c minimum 100"]);
}

/// A subject that nobody claims has only periods with usage, under the default plan; P(0) is not owed without usage.
#[test]
fn undeclared_customers() {
    let catalog = one_charge(&format!("{UNIT}minimum = 1")) + "[defaults]\nplan = \"p\"\n";
    let book = Book::new(catalog).event_of("zoe", "2026-01-05", "v=1").close("2026-04-01");
    let documents = book.documents();
    assert_eq!(documents.last().unwrap(), "zoe Invoice 01-01 = 100: c 33, c minimum 67");
    assert_eq!(documents.iter().filter(|document| document.starts_with("zoe")).count(), 1);
}

/// Yen have no decimals, dinars three.
#[test]
fn minor_units() {
    for (currency, expected) in [("JPY", 2), ("KWD", 1665), ("CLF", 16650)] {
        let catalog = one_charge(UNIT).replace("USD", currency);
        let book = Book::new(catalog).event("2026-01-05", "v=5").close("2026-02-01");
        assert_eq!(book.documents(), [format!("Invoice 01-01 = {expected}: c {expected}")]);
    }
}
