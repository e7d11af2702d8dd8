//! What becomes of each event.

use weir_loadtest::oracle::{Entry, Unpriced};

use super::{Book, event, one_charge};

#[test]
fn identities() {
    let mut book = Book::new(one_charge(r#"price = { model = "unit", unit_amount = 1 }"#));
    let first = event("acme", "1", "2026-01-05", "v=1");
    let mut conflict = first.clone();
    conflict.time_micros += 1;
    // Another route key is another identity.
    let mut elsewhere = first.clone();
    elsewhere.partitionkey = Some("p".to_owned());
    let copies = [first.clone(), first.clone(), conflict, elsewhere];
    book.log.extend(copies.map(Entry::Event));
    let verdicts = book.outcome().verdicts;
    assert_eq!((verdicts.rated, verdicts.duplicate, verdicts.conflict), (2, 1, 1));
    assert_eq!((verdicts.accepted(), verdicts.received()), (2, 4));
    assert_eq!(book.amount(), "2");
}

#[test]
fn events_without_a_price() {
    let catalog = one_charge(r#"price = { model = "unit", unit_amount = 1 }"#).replace(
        "starts_on = \"2026-01-01\"",
        "starts_on = \"2026-01-01\"\nends_on = \"2026-02-01\"\nsubjects = [\"a\", \"b\"]\n[customers.other]",
    );
    let book = Book::new(catalog)
        .event_of("a", "2025-12-31T23:59:59.999999Z", "v=1")
        .event_of("a", "2026-01-01", "v=1")
        .event_of("b", "2026-01-31T23:59:59.999999Z", "v=1")
        .event_of("b", "2026-02-01", "v=1")
        .event_of("a", "2026-01-05", "w=1")
        .event_of("acme", "2026-01-05", "v=1")
        .event_of("stranger", "2026-01-05", "v=1")
        // A customer without a plan.
        .event_of("other", "2026-01-05", "v=1");
    let outcome = book.outcome();
    let expected =
        [(Unpriced::NoPlan, 2), (Unpriced::SubjectNotClaimed, 1), (Unpriced::BeforeStart, 1), (Unpriced::AfterEnd, 1)];
    assert_eq!(outcome.unpriced.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((outcome.verdicts.rated, outcome.verdicts.unmetered, outcome.verdicts.unpriced), (2, 1, 5));
}

/// One charge refuses late usage, the other takes it: the event is late_refused, and still is in the other's bucket.
#[test]
fn the_worst_of_an_events_usages_is_its_verdict() {
    let catalog = one_charge(
        "price = { model = \"unit\", unit_amount = 1 }\nlate_policy = \"refuse\"\n\
        [[plans.p.charges]]\nname = \"d\"\nmeter = \"m\"\nprice = { model = \"unit\", unit_amount = 2 }",
    );
    let book = Book::new(catalog)
        .event("2026-01-05", "v=1")
        .close("2026-02-01")
        .event("2026-01-06", "v=1")
        .close("2026-03-01");
    let outcome = book.outcome();
    assert_eq!((outcome.verdicts.rated, outcome.verdicts.late_refused), (1, 1));
    assert_eq!(
        book.buckets(),
        ["2026-01-01: 1, 1, 1", "2026-01-01: 2, 2, 4", "2026-02-01: 0, 0, 0", "2026-02-01: 0, 0, 0"]
    );
    // Nothing was used in February: there is no next invoice.
    assert_eq!(book.documents(), ["note DebitNote 01-01 = 200: d 200"]);
}

/// Filters pass what they name; what a filter's dimension is absent from is not selected, a group's is "".
#[test]
fn filters_and_groups() {
    let charge = "price = { model = \"unit\", unit_amount = 1 }\n";
    let grouped = Book::new(one_charge(&format!("{charge}group_by = [\"d\"]")));
    let filtered = Book::new(one_charge(&format!("{charge}filter = {{ d = [\"eu\", \"us\"] }}")));
    let fill = |book: Book| {
        book.event("2026-01-05", "v=1 d=eu")
            .event("2026-01-06", "v=2")
            .event("2026-01-07", "v=4 d=us")
            .event("2026-01-08", "v=8 d=ap")
    };
    let groups = ["2026-01-01/: 1, 2, 2", "2026-01-01/ap: 1, 8, 8", "2026-01-01/eu: 1, 1, 1", "2026-01-01/us: 1, 4, 4"];
    assert_eq!(fill(grouped).buckets(), groups);
    let filtered = fill(filtered);
    assert_eq!((filtered.amount().as_str(), filtered.outcome().verdicts.unmetered), ("5", 2));
}
