//! Identities against a plain map: budgets that spill all the time, generations, and a disk that fails at every operation.

mod kept;
mod memory_disk;

use std::collections::HashMap;

use super::*;
use memory_disk::MemoryDisk;

fn settings(memory_bytes: u64, disk: &MemoryDisk) -> IdentitySettings {
    IdentitySettings { memory_bytes, identities_max: u64::MAX, store: Box::new(disk.clone()) }
}

/// What identities are by definition: generations of maps.
#[derive(Debug, Default, Clone)]
struct Model {
    generations: Vec<HashMap<u128, u64>>,
}

impl Model {
    fn new() -> Model {
        Model { generations: vec![HashMap::new()] }
    }

    fn admit(&mut self, fingerprint: u128, payload: u64) -> Admission {
        match self.generations.iter().find_map(|generation| generation.get(&fingerprint)) {
            Some(first) if *first == payload => return Admission::Duplicate,
            Some(_) => return Admission::Conflict,
            None => self.generations.last_mut().unwrap().insert(fingerprint, payload),
        };
        Admission::New
    }

    fn seal(&mut self) {
        self.generations.push(HashMap::new());
        if self.generations.len() > 6 {
            self.generations.remove(0);
        }
    }

    fn len(&self) -> u64 {
        self.generations.iter().map(|generation| generation.len() as u64).sum()
    }
}

/// The i-th identity; equal numbers are equal identities.
fn fingerprint(number: u64) -> Fingerprint {
    let low = xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
    Fingerprint(u128::from(low) | (u128::from(number) << 64))
}

fn admit(identities: &mut Identities, batch: &[(u64, u64)]) -> Result<Vec<Admission>, IdentitiesError> {
    let (fingerprints, payloads): (Vec<_>, Vec<_>) =
        batch.iter().map(|(number, payload)| (fingerprint(*number), PayloadDigest(*payload))).unzip();
    let mut admissions = Vec::new();
    identities.admit(&fingerprints, &payloads, |admission| admissions.push(admission))?;
    Ok(admissions)
}

fn admit_model(model: &mut Model, batch: &[(u64, u64)]) -> Vec<Admission> {
    batch.iter().map(|(number, payload)| model.admit(fingerprint(*number).0, *payload)).collect()
}

/// `fresh` new identities from `first` on, every 64th followed by a repeat of an earlier one, with or without the same payload.
fn batch(first: u64, fresh: u64) -> Vec<(u64, u64)> {
    let mut events = Vec::new();
    for number in first..first + fresh {
        events.push((number, number % 7));
        if number % 64 == 3 {
            let earlier = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (number + 1);
            events.push((earlier, earlier % 7 + number / 64 % 2));
        }
    }
    events
}

const DAY_US: i64 = 24 * 3_600_000_000;

/// Lives `days` in steps that are no leaps.
fn live(identities: &mut Identities, from_day: i64, days: i64) -> Result<(), IdentitiesError> {
    for hour in 0..days * 24 {
        identities.advance(Instant::from_micros(from_day * DAY_US + (hour + 1) * 3_600_000_000))?;
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Action {
    Admit(Vec<(u64, u64)>),
    Fresh(u64),
    Week,
}

fn action() -> impl proptest::strategy::Strategy<Value = Action> {
    use proptest::prelude::*;
    prop_oneof![
        4 => proptest::collection::vec((0..4000_u64, 0..2_u64), 0..700).prop_map(Action::Admit),
        4 => (1..3000_u64).prop_map(Action::Fresh),
        1 => Just(Action::Week),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// In any order of batches and weeks, over hundreds of spills and merges.
    #[test]
    fn agree_with_a_map(actions in proptest::collection::vec(action(), 1..40), memory_kib in 380..900_u64) {
        let memory_bytes = memory_kib << 10;
        let disk = MemoryDisk::default();
        let mut identities = Identities::new(settings(memory_bytes, &disk));
        let mut model = Model::new();
        let (mut weeks, mut next) = (0, 10_000);
        identities.advance(Instant::from_micros(0)).unwrap();
        for action in actions {
            match action {
                Action::Admit(events) => {
                    proptest::prop_assert_eq!(admit(&mut identities, &events).unwrap(), admit_model(&mut model, &events));
                }
                Action::Fresh(count) => {
                    let events: Vec<(u64, u64)> = (next..next + count).map(|number| (number, 1)).collect();
                    next += count;
                    proptest::prop_assert_eq!(admit(&mut identities, &events).unwrap(), admit_model(&mut model, &events));
                }
                Action::Week => {
                    live(&mut identities, weeks * 7, 7).unwrap();
                    weeks += 1;
                    model.seal();
                }
            }
            proptest::prop_assert_eq!(identities.len(), model.len());
            let used = identities.used();
            proptest::prop_assert!(used.memory_bytes_max <= memory_bytes, "{:?} of {}", used, memory_bytes);
        }
    }
}

#[test]
fn many_spills_and_merges_lose_nothing() {
    let disk = MemoryDisk::default();
    let mut identities = Identities::new(settings(1 << 20, &disk));
    let mut model = Model::new();
    for first in (0..300_000).step_by(1000) {
        let events = batch(first, 1000);
        assert_eq!(admit(&mut identities, &events).unwrap(), admit_model(&mut model, &events), "from {first}");
    }
    let used = identities.used();
    assert_eq!(used.identities, 300_000);
    assert!(used.memory_bytes_max <= 1 << 20, "{used:?}");
    assert!(used.disk.spilled_bytes > 24 * 250_000 && used.disk.merged_bytes > used.disk.spilled_bytes / 2, "{used:?}");
    assert!(used.disk.runs_max < 16, "{used:?}");
}

/// Several ranges of hashes, a generation sealed amid a spill, runs of parts of them merged.
fn long_life(disk: &MemoryDisk) -> Result<(Vec<Admission>, IdentityUse), IdentitiesError> {
    let mut identities = Identities::new(settings(4 << 20, disk));
    let mut seen = Vec::new();
    for first in (0..500_000).step_by(5000) {
        seen.extend(admit(&mut identities, &batch(first, 5000))?);
        if first == 200_000 {
            live(&mut identities, 0, 7)?;
        }
    }
    Ok((seen, identities.used()))
}

#[test]
fn ranges_are_spilled_and_merged_one_by_one() {
    let disk = MemoryDisk::default();
    let (seen, used) = long_life(&disk).unwrap();
    let mut model = Model::new();
    let expected: Vec<Admission> =
        (0..500_000).step_by(5000).flat_map(|first| admit_model(&mut model, &batch(first, 5000))).collect();
    assert!(seen == expected);
    assert_eq!(used.identities, 500_000);
    assert!(used.memory_bytes_max <= 4 << 20, "{used:?}");
    assert!(used.disk.spilled_bytes > 24 * 350_000 && used.disk.merged_bytes > 24 * 100_000, "{used:?}");
    let operations = disk.operations();
    for after in (0..operations).step_by(usize::try_from(operations / 6).unwrap()) {
        let failed = long_life(&MemoryDisk::failing_after(after)).unwrap_err();
        assert!(failed.to_string().contains("run "), "after {after} operations: {failed}");
    }
}

/// A whole life on a small budget: spills, merges, seals, an expired generation.
fn life(disk: &MemoryDisk) -> Result<Vec<Admission>, IdentitiesError> {
    let mut identities = Identities::new(settings(380 << 10, disk));
    let mut seen = Vec::new();
    let mut first = 0;
    for week in 0..7 {
        for _ in 0..3 {
            seen.extend(admit(&mut identities, &batch(first, 900))?);
            first += 900;
        }
        live(&mut identities, week * 7, 7)?;
    }
    Ok(seen)
}

#[test]
fn a_disk_that_fails_is_an_error_and_never_a_verdict() {
    let disk = MemoryDisk::default();
    let expected = life(&disk).unwrap();
    let operations = disk.operations();
    assert!(operations > 300, "{operations}");
    for after in 0..operations {
        let failed = life(&MemoryDisk::failing_after(after)).unwrap_err();
        assert!(failed.to_string().contains("run "), "after {after} operations: {failed}");
    }
    assert_eq!(life(&MemoryDisk::failing_after(operations)).unwrap(), expected);
}

#[test]
fn after_an_error_there_are_no_verdicts() {
    let disk = MemoryDisk::failing_after(20);
    let mut identities = Identities::new(settings(380 << 10, &disk));
    let error = (0..100).find_map(|number| admit(&mut identities, &batch(number * 900, 900)).err());
    assert!(matches!(error, Some(IdentitiesError::Store { .. })), "{error:?}");
    assert!(matches!(admit(&mut identities, &[(1, 1)]), Err(IdentitiesError::Failed)));
    assert!(matches!(identities.advance(Instant::from_micros(1)), Err(IdentitiesError::Failed)));
}

#[test]
fn a_flipped_bit_is_an_error_and_never_a_verdict() {
    let build = || {
        let disk = MemoryDisk::default();
        let mut identities = Identities::new(settings(380 << 10, &disk));
        for first in (0..9000).step_by(900) {
            admit(&mut identities, &batch(first, 900)).unwrap();
        }
        (identities, disk)
    };
    let again: Vec<(u64, u64)> = (0..9000).map(|number| (number, number % 7)).collect();
    let (mut identities, disk) = build();
    let expected = admit(&mut identities, &again).unwrap();
    assert!(expected.iter().all(|admission| *admission == Admission::Duplicate));
    let bytes = disk.bytes();
    assert!(bytes > 100_000, "{bytes}");
    let mut noticed = 0;
    for at in (0..bytes).step_by(997) {
        let (mut identities, disk) = build();
        disk.flip(at);
        match admit(&mut identities, &again) {
            Ok(seen) => assert_eq!(seen, expected, "byte {at}"),
            Err(IdentitiesError::Damaged { .. }) => noticed += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    // Heads, and what a merge on its way has written of a section, are only read by merges.
    assert!(noticed > bytes / 997 * 4 / 5, "{noticed} of {}", bytes / 997);
}

#[test]
fn full_is_said_before_anything_changes() {
    let mut identities = Identities::new(IdentitySettings { identities_max: 1000, ..IdentitySettings::in_memory() });
    let all: Vec<(u64, u64)> = (0..1000).map(|number| (number, 0)).collect();
    assert_eq!(admit(&mut identities, &all).unwrap(), vec![Admission::New; 1000]);
    let error = admit(&mut identities, &[(1000, 0)]).unwrap_err();
    assert!(matches!(error, IdentitiesError::Full { identities_max: 1000 }), "{error}");
    assert_eq!(identities.len(), 1000);
    assert_eq!(admit(&mut identities, &[]).unwrap(), []);
}

#[test]
fn an_identity_is_remembered_for_35_to_42_days() {
    for (seen_on, forgotten_on) in [(0, 42), (1, 42), (6, 42), (7, 49), (13, 49)] {
        let disk = MemoryDisk::default();
        let mut identities = Identities::new(settings(380 << 10, &disk));
        identities.advance(Instant::from_micros(0)).unwrap();
        live(&mut identities, 0, seen_on).unwrap();
        assert_eq!(admit(&mut identities, &[(5, 5)]).unwrap(), [Admission::New]);
        live(&mut identities, seen_on, forgotten_on - seen_on - 1).unwrap();
        assert_eq!(admit(&mut identities, &[(5, 5), (5, 6)]).unwrap(), [Admission::Duplicate, Admission::Conflict]);
        live(&mut identities, forgotten_on - 1, 1).unwrap();
        assert_eq!((identities.len(), disk.files()), (0, 0), "seen on day {seen_on}");
        assert_eq!(admit(&mut identities, &[(5, 6)]).unwrap(), [Admission::New]);
    }
}

#[test]
fn a_leap_of_the_clock_forgets_nothing() {
    let mut identities = Identities::new(settings(380 << 10, &MemoryDisk::default()));
    let year = 365 * DAY_US;
    admit(&mut identities, &[(5, 5)]).unwrap();
    for leap in 0..800 {
        identities.advance(Instant::from_micros(leap * year)).unwrap();
        // Back again: log time stands still.
        identities.advance(Instant::from_micros(0)).unwrap();
    }
    assert_eq!(admit(&mut identities, &[(5, 5)]).unwrap(), [Admission::Duplicate]);
}

#[test]
fn a_budget_that_cannot_hold_what_must_be_in_memory_is_an_error() {
    let mut identities = Identities::new(settings(176 << 10, &MemoryDisk::default()));
    let error = (0..1000).find_map(|number| admit(&mut identities, &batch(number * 900, 900)).err());
    assert!(matches!(error, Some(IdentitiesError::OverBudget { .. })), "{error:?}");
}
