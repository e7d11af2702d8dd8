//! Hours against a plain map: any order of times and events, restored at any point.

use proptest::prelude::*;
use weir_model::verdict::UnpricedReason;

use super::*;

const CUSTOMERS: u32 = 5;
const VERDICTS: [Verdict; 6] = [
    Verdict::Duplicate,
    Verdict::Conflict,
    Verdict::Unpriced(UnpricedReason::NoCell),
    Verdict::LateRefused,
    Verdict::Rated,
    Verdict::Unmetered,
];

#[derive(Debug, Clone)]
enum Step {
    /// So many minutes, which may be fewer than none.
    Time(i64),
    /// Customer, verdict, how often.
    Events(u32, usize, u64),
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (-30..150_i64).prop_map(Step::Time),
        4 => (prop_oneof![0..CUSTOMERS, Just(NONE)], 0..6_usize, 1..300_u64).prop_map(|(c, v, n)| Step::Events(c, v, n)),
        1 => Just(Step::Restore),
    ]
}

type Counted = BTreeMap<Option<u32>, VerdictCounts>;

fn restored(hours: &Hours) -> Option<Hours> {
    let (current, by_customer, closed) = hours.kept();
    Hours::restored(current, &Compact::from_bytes(by_customer.bytes()), (closed.clone(), at(CUSTOMERS)))
}

fn total(counted: &Counted) -> VerdictCounts {
    counted.values().fold(VerdictCounts::default(), |sum, counts| sum.checked_add(*counts).unwrap())
}

proptest! {
    #[test]
    fn agree_with_a_map(steps in proptest::collection::vec(step(), 0..400)) {
        let (mut hours, mut time) = (Hours::default(), 1_000_000 * HOUR_US);
        let mut model: BTreeMap<i64, Counted> = BTreeMap::new();
        hours.advance(Instant::from_micros(time));
        let mut hour = 1_000_000;
        for step in steps {
            match step {
                Step::Time(minutes) => {
                    time += minutes * 60_000_000;
                    let ended = hours.advance(Instant::from_micros(time));
                    let is_over = time.div_euclid(HOUR_US) > hour;
                    prop_assert_eq!(ended, (is_over && model.contains_key(&hour)).then_some(start_of(hour)));
                    hour = hour.max(time.div_euclid(HOUR_US));
                }
                Step::Events(customer, verdict, count) => {
                    let counted = model.entry(hour).or_default();
                    let counts = counted.entry((customer != NONE).then_some(customer)).or_default();
                    for _ in 0..count {
                        hours.count(customer, VERDICTS[verdict]);
                        counts.count(VERDICTS[verdict]);
                    }
                }
                Step::Restore => hours = restored(&hours).unwrap(),
            }
        }
        let totals: Vec<_> = model.iter().map(|(hour, counted)| (start_of(*hour), total(counted))).collect();
        prop_assert_eq!(hours.totals().collect::<Vec<_>>(), totals);
        let is_current = usize::from(model.contains_key(&hour));
        for (age, (hour, counted)) in model.iter().rev().enumerate() {
            let expected = if age < DETAILS_MAX + is_current { counted.clone().into_iter().collect() } else { vec![] };
            prop_assert_eq!(hours.by_customer(start_of(*hour)), expected);
        }
    }
}

#[test]
fn so_many_hours_are_kept_and_no_more() {
    let mut hours = Hours::default();
    for hour in 0..1000 {
        // A leap of a year forgets no more than an hour does.
        let ended = hours.advance(start_of(hour * 24 * 365));
        assert_eq!(ended, (hour > 0).then(|| start_of((hour - 1) * 24 * 365)));
        hours.count(3, Verdict::Rated);
    }
    assert_eq!(hours.totals().count(), TOTALS_MAX + 1);
    let detailed = hours.totals().filter(|(start, _)| !hours.by_customer(*start).is_empty()).count();
    assert_eq!(detailed, DETAILS_MAX + 1);
    assert!(restored(&hours).unwrap().totals().eq(hours.totals()));
}

#[test]
fn what_no_shard_keeps_is_refused() {
    let one = VerdictCounts { rated: 1, ..VerdictCounts::default() };
    let by_customer: Compact = [Entry { row: 1, counts: one }].into_iter().collect();
    let none = Compact::default();
    let closed = |hour, total, by_customer: &Compact| {
        BTreeMap::from([(hour, Closed { total, by_customer: by_customer.clone() })])
    };
    let is_refused = |current, now: &Compact, closed| Hours::restored(current, now, (closed, 1)).is_none();
    assert!(!is_refused(Some(8), &by_customer, closed(7, one, &by_customer)));
    assert!(is_refused(None, &by_customer, BTreeMap::new()), "events of no hour");
    assert!(is_refused(Some(7), &none, closed(7, one, &by_customer)), "an hour that is over and going on");
    assert!(is_refused(Some(8), &none, closed(7, VerdictCounts::default(), &by_customer)), "another total");
    assert!(is_refused(Some(8), &Compact::from_bytes(&[2, 16, 1]), BTreeMap::new()), "a customer that is not there");
}
