//! Several closes: what is late goes on the next invoice or on a note, always as the difference to what was billed.

use weir_invoicer::{Biller, DocumentKind, Invoice, Item, Line, Numbering, Remember};
use weir_model::catalog::{Catalog, ChargeIdx, LatePolicy};
use weir_model::rated::{CustomerPeriod, Seal};
use weir_model::time::{Instant, Period};

use crate::figures::text;
use crate::fixture::{SEPTEMBER, amount, at, catalog, charge, fee, month, unit, unit_amount, usage};

pub const OCTOBER: Period = Period { start: SEPTEMBER.end, end: Instant::from_micros(1_793_487_600_000_000) };
pub const NOVEMBER: Period = Period { start: OCTOBER.end, end: Instant::from_micros(1_796_079_600_000_000) };

/// The documents of each close: through the ends of September, October, November. Each sees the periods given for it.
pub fn closes(catalog: &Catalog, closes: &[Vec<CustomerPeriod>]) -> Vec<Vec<Invoice>> {
    let mut biller = Biller::new(catalog, Numbering::new("T-"));
    let mut documents = Vec::new();
    for ((through, number), periods) in [SEPTEMBER, OCTOBER, NOVEMBER].iter().zip(1..).zip(closes) {
        let remember = if number == closes.len() { Remember::Nothing } else { Remember::Lines };
        let mut closing = biller.close(through.end, remember);
        for period in periods {
            closing.revisit(period).unwrap();
        }
        let mut these = Vec::new();
        for period in periods {
            these.extend(closing.bill(period).unwrap().map(|document| document.write().unwrap()));
        }
        these.extend(closing.finish().unwrap());
        documents.push(these);
    }
    documents
}

/// A period with usage of some charges.
fn used(catalog: &Catalog, period: Period, seal: Seal, quantities: &[(ChargeIdx, i128)]) -> CustomerPeriod {
    let mut totals = CustomerPeriod { seal, ..month(period, period) };
    for (charge, quantity) in quantities {
        usage(catalog, &mut totals, *charge, &[], *quantity);
    }
    totals
}

/// `KIND NUMBER PERIOD SUBTOTAL [LINE AMOUNT, LINE OF PERIOD OWED-BILLED=AMOUNT]`.
fn shape(invoice: &Invoice) -> String {
    let kind = match invoice.kind {
        DocumentKind::Invoice => "invoice",
        DocumentKind::CreditNote => "credit",
        DocumentKind::DebitNote => "debit",
    };
    let lines: Vec<String> = invoice.lines.iter().map(line_shape).collect();
    let number = invoice.number.as_ref().unwrap().sequence;
    let month = invoice.period.first_on.strftime("%b");
    format!("{kind} {number} {month} {} [{}]", text(invoice.subtotal), lines.join(", "))
}

fn line_shape(line: &Line) -> String {
    let name = match &line.item {
        Item::Fee(fee) => fee.name.clone(),
        Item::Usage(usage) => usage.charge.clone(),
        Item::Discount(_) => "discount".into(),
        Item::Maximum(_) => "maximum".into(),
        Item::Minimum(_) => "minimum".into(),
    };
    let Some(late) = &line.late else { return format!("{name} {}", text(line.amount)) };
    assert_eq!(line.amount.minor(), late.owed.minor() - late.billed.minor());
    if let Item::Usage(usage) = &line.item {
        assert_eq!(usage.details.iter().map(|detail| detail.amount.minor()).sum::<i128>(), late.owed.minor());
    }
    let month = late.period.first_on.strftime("%b");
    format!("{name} of {month} {}-{}={}", text(late.owed), text(late.billed), text(line.amount))
}

fn shapes(documents: &[Vec<Invoice>]) -> Vec<Vec<String>> {
    documents.iter().map(|close| close.iter().map(shape).collect()).collect()
}

/// One charge at 1.005 a unit.
fn one_charge(policy: LatePolicy) -> (Catalog, ChargeIdx) {
    let mut catalog = catalog("USD", "en");
    let calls = charge(&mut catalog, "calls", 0, unit("1.005"), &[]);
    catalog.charges[0].late_policy = policy;
    (catalog, calls)
}

#[test]
fn each_policy_over_three_closes() {
    use Seal::{Before, Now};
    for (policy, expected) in [
        (
            LatePolicy::NextInvoice,
            [
                &["invoice 1 Sep 10.05 [calls 10.05]"][..],
                &["invoice 2 Oct 7.04 [calls 5.03, calls of Sep 12.06-10.05=2.01]"],
                // No period is sealed for this customer: notes.
                &[
                    "credit 3 Sep -1.00 [calls of Sep 11.06-12.06=-1.00]",
                    "debit 4 Oct 1.00 [calls of Oct 6.03-5.03=1.00]",
                ],
            ],
        ),
        (
            LatePolicy::Note,
            [
                &["invoice 1 Sep 10.05 [calls 10.05]"],
                &["invoice 2 Oct 5.03 [calls 5.03]", "debit 3 Sep 2.01 [calls of Sep 12.06-10.05=2.01]"],
                &[
                    "credit 4 Sep -1.00 [calls of Sep 11.06-12.06=-1.00]",
                    "debit 5 Oct 1.00 [calls of Oct 6.03-5.03=1.00]",
                ],
            ],
        ),
    ] {
        let (catalog, calls) = one_charge(policy);
        let september = |seal, quantity| used(&catalog, SEPTEMBER, seal, &[(calls, quantity)]);
        let october = |seal, quantity| used(&catalog, OCTOBER, seal, &[(calls, quantity)]);
        let documents = closes(
            &catalog,
            &[
                vec![september(Now, 10), october(Seal::Open, 3)],
                vec![september(Before, 12), october(Now, 5)],
                vec![september(Before, 11), october(Before, 6)],
            ],
        );
        assert_eq!(shapes(&documents), expected, "{policy:?}");
    }
    // Refused usage is not in the totals: they stay, and nothing is billed.
    let (catalog, calls) = one_charge(LatePolicy::Refuse);
    let september = |seal| used(&catalog, SEPTEMBER, seal, &[(calls, 10)]);
    let documents = closes(&catalog, &[vec![september(Now)], vec![september(Before)], vec![september(Before)]]);
    assert_eq!(shapes(&documents), [vec!["invoice 1 Sep 10.05 [calls 10.05]"], vec![], vec![]]);
}

#[test]
fn the_difference_is_of_rounded_values() {
    // 0.335 thrice: 0.34 of 0.335, then 0.67 of 0.67, then 1.01 of 1.005. Rounding each difference would bill 0.34 thrice.
    let mut catalog = catalog("USD", "en");
    let calls = charge(&mut catalog, "calls", 0, unit("0.335"), &[]);
    let september = |seal, quantity| used(&catalog, SEPTEMBER, seal, &[(calls, quantity)]);
    let periods = [vec![september(Seal::Now, 1)], vec![september(Seal::Before, 2)], vec![september(Seal::Before, 3)]];
    let billed: Vec<_> = closes(&catalog, &periods).iter().flatten().map(|invoice| text(invoice.total)).collect();
    assert_eq!(billed, ["0.34", "0.33", "0.34"]);
}

#[test]
fn modifiers_follow_their_charge() {
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "49");
    let calls = charge(&mut catalog, "calls", 0, unit("1"), &[]);
    let charge = &mut catalog.charges[0];
    charge.discount = Some(unit_amount("0.1"));
    charge.minimum = Some(amount("20"));
    charge.maximum = Some(amount("40"));
    charge.late_policy = LatePolicy::Note;
    let september = |seal, quantity| used(&catalog, SEPTEMBER, seal, &[(calls, quantity)]);
    let periods =
        [vec![september(Seal::Now, 10)], vec![september(Seal::Before, 20)], vec![september(Seal::Before, 50)]];
    let documents = closes(&catalog, &periods);
    assert_eq!(
        shapes(&documents),
        [
            ["invoice 1 Sep 69.00 [platform 49.00, calls 10.00, discount -1.00, minimum 11.00]"],
            // The minimum gives back what the usage adds.
            [
                "debit 2 Sep 0.00 [calls of Sep 20.00-10.00=10.00, discount of Sep -2.00--1.00=-1.00, minimum of Sep 2.00-11.00=-9.00]"
            ],
            [
                "debit 3 Sep 20.00 [calls of Sep 50.00-20.00=30.00, discount of Sep -5.00--2.00=-3.00, maximum of Sep -5.00-0.00=-5.00, minimum of Sep 0.00-2.00=-2.00]"
            ],
        ]
    );
    let notes: Vec<_> = documents.iter().flatten().map(|note| note.issued_on.to_string()).collect();
    assert_eq!(notes, ["2026-10-01", "2026-11-01", "2026-12-01"]);
    assert_eq!(documents[2][0].due_on.to_string(), "2026-12-31");
    let late = documents[2][0].lines[0].late.as_ref().unwrap();
    assert_eq!((late.corrects.as_deref(), late.segment.plan.as_str()), (Some("T-000001"), "pro"));
    assert_eq!(documents[2][0].lines[0].segment, None);
}

#[test]
fn policies_of_one_period_part_and_meet() {
    let mut catalog = catalog("USD", "en");
    let a = charge(&mut catalog, "a", 0, unit("1"), &[]);
    let b = charge(&mut catalog, "b", 0, unit("1"), &[]);
    let c = charge(&mut catalog, "c", 0, unit("1"), &[]);
    catalog.charges[1].late_policy = LatePolicy::Note;
    let september = |seal, q| used(&catalog, SEPTEMBER, seal, &[(a, q), (b, q), (c, q)]);
    let october = |seal| used(&catalog, OCTOBER, seal, &[(a, 7)]);
    let periods = [
        vec![september(Seal::Now, 1)],
        vec![september(Seal::Before, 3), october(Seal::Now)],
        vec![september(Seal::Before, 2), october(Seal::Before)],
    ];
    assert_eq!(
        shapes(&closes(&catalog, &periods)),
        [
            vec!["invoice 1 Sep 3.00 [a 1.00, b 1.00, c 1.00]"],
            vec![
                "invoice 2 Oct 11.00 [a 7.00, a of Sep 3.00-1.00=2.00, c of Sep 3.00-1.00=2.00]",
                "debit 3 Sep 2.00 [b of Sep 3.00-1.00=2.00]"
            ],
            // Without an invoice to go on, all of one period stand on one note, in the order of documents.
            vec!["credit 4 Sep -3.00 [a of Sep 2.00-3.00=-1.00, b of Sep 2.00-3.00=-1.00, c of Sep 2.00-3.00=-1.00]"],
        ]
    );
}

#[test]
fn late_lines_go_on_the_earliest_invoice_of_their_customer() {
    let (catalog, calls) = one_charge(LatePolicy::NextInvoice);
    let of = |customer: &str, totals: CustomerPeriod| CustomerPeriod { customer: customer.into(), ..totals };
    let september = |customer, seal, quantity| of(customer, used(&catalog, SEPTEMBER, seal, &[(calls, quantity)]));
    let later = |customer, period, quantity| of(customer, used(&catalog, period, Seal::Now, &[(calls, quantity)]));
    let first = ["a", "b", "c", "d"].map(|customer| september(customer, Seal::Now, 100)).into();
    // The second close goes through November: b and c have two new periods, a none, and the first of c's has no lines of its own.
    let second = vec![
        september("a", Seal::Before, 200),
        september("b", Seal::Before, 200),
        september("c", Seal::Before, 0),
        september("d", Seal::Before, 0),
        later("b", OCTOBER, 1),
        of("c", CustomerPeriod { seal: Seal::Now, ..month(OCTOBER, OCTOBER) }),
        later("b", NOVEMBER, 2),
        later("c", NOVEMBER, 3),
    ];
    let documents = closes(&catalog, &[first, second]);
    let shown: Vec<_> =
        documents[1].iter().map(|invoice| [invoice.customer.id.clone(), shape(invoice)].join(" ")).collect();
    assert_eq!(
        shown,
        [
            "b invoice 5 Oct 101.51 [calls 1.01, calls of Sep 201.00-100.50=100.50]",
            "b invoice 6 Nov 2.01 [calls 2.01]",
            "c credit 7 Nov -97.48 [calls 3.02, calls of Sep 0.00-100.50=-100.50]",
            "a debit 8 Sep 100.50 [calls of Sep 201.00-100.50=100.50]",
            "d credit 9 Sep -100.50 [calls of Sep 0.00-100.50=-100.50]",
        ]
    );
}

#[test]
fn a_period_that_no_document_has_billed_is_late_as_a_whole() {
    let (mut catalog, calls) = one_charge(LatePolicy::NextInvoice);
    fee(&mut catalog, "platform", "49");
    let september = |quantity| used(&catalog, SEPTEMBER, Seal::Before, &[(calls, quantity)]);
    let october = used(&catalog, OCTOBER, Seal::Now, &[]);
    let documents = closes(&catalog, &[vec![], vec![september(2), october], vec![september(4)]]);
    assert_eq!(
        shapes(&documents),
        [
            vec![],
            vec![
                "invoice 1 Oct 100.01 [platform 49.00, platform of Sep 49.00-0.00=49.00, calls of Sep 2.01-0.00=2.01]"
            ],
            vec!["debit 2 Sep 2.01 [calls of Sep 4.02-2.01=2.01]"],
        ]
    );
    let corrects: Vec<_> = documents
        .iter()
        .flatten()
        .filter_map(|invoice| invoice.lines.last()?.late.as_ref()?.corrects.clone())
        .collect();
    assert_eq!(corrects, Vec::<String>::new());
}

#[test]
fn usage_that_is_gone_is_given_back() {
    let mut catalog = catalog("USD", "en");
    let calls = charge(&mut catalog, "calls", 0, unit("2"), &["region", "model"]);
    let mut before = month(SEPTEMBER, SEPTEMBER);
    usage(&catalog, &mut before, calls, &["eu", "large"], 3);
    let after = CustomerPeriod { seal: Seal::Before, ..month(SEPTEMBER, SEPTEMBER) };
    let documents = closes(&catalog, &[vec![before], vec![after.clone()], vec![after]]);
    let expected =
        [vec!["invoice 1 Sep 6.00 [calls 6.00]"], vec!["credit 2 Sep -6.00 [calls of Sep 0.00-6.00=-6.00]"], vec![]];
    assert_eq!(shapes(&documents), expected);
    let Item::Usage(gone) = &documents[1][0].lines[0].item else { panic!("usage") };
    let group: Vec<_> = gone.group.iter().map(|d| [d.dimension.as_str(), &d.value]).collect();
    assert_eq!(group, [["region", "eu"], ["model", "large"]]);
    assert_eq!((gone.quantity.as_deref(), gone.events, gone.details.len()), (Some("0"), 0, 0));
}

#[test]
fn late_lines_of_a_plan_change_name_their_plan() {
    let mut catalog = catalog("USD", "en");
    let old = charge(&mut catalog, "calls", 0, unit("1"), &[]);
    let max = crate::fixture::plan(&mut catalog, "max");
    let new = charge(&mut catalog, "calls", 0, unit("3"), &[]);
    let change = at("2026-09-10T22:00:00Z");
    let period = |seal, quantity| {
        let mut totals = CustomerPeriod { seal, ..month(SEPTEMBER, Period { end: change, ..SEPTEMBER }) };
        let active = Period { start: change, ..SEPTEMBER };
        totals.segments.push(weir_model::rated::Segment { plan: max, active, buckets: Vec::new() });
        usage(&catalog, &mut totals, old, &[], 5);
        usage(&catalog, &mut totals, new, &[], quantity);
        totals
    };
    let documents = closes(&catalog, &[vec![period(Seal::Now, 5)], vec![period(Seal::Before, 6)]]);
    let expected =
        [["invoice 1 Sep 20.00 [calls 5.00, calls 15.00]"], ["debit 2 Sep 3.00 [calls of Sep 18.00-15.00=3.00]"]];
    assert_eq!(shapes(&documents), expected);
    let segment = &documents[1][0].lines[0].late.as_ref().unwrap().segment;
    assert_eq!((segment.plan.as_str(), segment.active.first_on.to_string()), ("max", "2026-09-11".to_owned()));
}

#[test]
#[should_panic(expected = "a close that remembers nothing is the last one")]
fn what_is_forgotten_is_not_billed_again() {
    let (catalog, _) = one_charge(LatePolicy::NextInvoice);
    let mut biller = Biller::new(&catalog, Numbering::new(""));
    biller.close(SEPTEMBER.end, Remember::Nothing).finish().unwrap();
    let _ = biller.close(OCTOBER.end, Remember::Nothing);
}
