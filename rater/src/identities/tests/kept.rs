//! What snapshots keep: at any point, whatever a crash leaves of the rest, and with files that are not what was written.

use proptest::prelude::*;

use super::*;

/// A snapshot, with what was known then.
#[derive(Debug, Clone)]
struct Point {
    kept: Kept,
    model: Model,
    weeks: i64,
}

#[derive(Debug, Clone)]
enum Step {
    Known(Vec<(u64, u64)>),
    Fresh(u64),
    Week,
    /// A snapshot is begun, and then it is written, with whatever comes in between.
    Take,
    Write,
    /// The process ends; the next one has another budget, and maybe the newest snapshot is broken.
    Restart {
        memory_kib: u64,
        before_last: bool,
    },
}

fn budget() -> impl Strategy<Value = u64> {
    prop_oneof![380..900_u64, 2500..5000_u64]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec((0..4000_u64, 0..2_u64), 0..700).prop_map(Step::Known),
        6 => (1..6000_u64).prop_map(Step::Fresh),
        1 => Just(Step::Week),
        4 => Just(Step::Take),
        4 => Just(Step::Write),
        3 => (budget(), any::<bool>()).prop_map(|(memory_kib, before_last)| Step::Restart { memory_kib, before_last }),
    ]
}

/// A shard's identities with all that is around them.
struct Life {
    disk: MemoryDisk,
    memory_bytes: u64,
    identities: Identities,
    model: Model,
    weeks: i64,
    /// The number of the next identity that nobody has seen.
    next: u64,
    /// A snapshot that was begun.
    taken: Option<(Settling, Model, i64)>,
    /// The last two snapshots.
    points: Vec<Point>,
}

impl Life {
    fn new(memory_kib: u64) -> Life {
        let (disk, memory_bytes) = (MemoryDisk::durable(), memory_kib << 10);
        let mut identities = Identities::new(settings(memory_bytes, &disk));
        identities.advance(Instant::from_micros(0)).unwrap();
        Life {
            disk,
            memory_bytes,
            identities,
            model: Model::new(),
            weeks: 0,
            next: 10_000,
            taken: None,
            points: Vec::new(),
        }
    }

    fn admit(&mut self, events: &[(u64, u64)]) {
        assert_eq!(admit(&mut self.identities, events).unwrap(), admit_model(&mut self.model, events));
        assert_eq!(self.identities.len(), self.model.len());
        let used = self.identities.used();
        assert!(used.memory_bytes_max <= self.memory_bytes, "{used:?} of {}", self.memory_bytes);
    }

    fn fresh(&mut self, count: u64) {
        self.admit(&(self.next..self.next + count).map(|number| (number, 1)).collect::<Vec<_>>());
        self.next += count;
    }

    fn week(&mut self) {
        live(&mut self.identities, self.weeks * 7, 7).unwrap();
        self.weeks += 1;
        self.model.seal();
    }

    fn snapshot(&mut self) {
        self.write();
        self.take();
        self.write();
    }

    fn take(&mut self) {
        if self.taken.is_none() {
            self.taken = Some((self.identities.settle(Copied::default()).unwrap(), self.model.clone(), self.weeks));
            self.retain();
        }
    }

    fn write(&mut self) {
        let Some((settling, model, weeks)) = self.taken.take() else { return };
        let runs = settling.runs();
        let (kept, _) = settling.write().unwrap();
        assert_eq!(kept.runs(), runs);
        self.points.push(Point { kept, model, weeks });
        self.points.drain(..self.points.len().saturating_sub(2));
        self.retain();
    }

    fn retain(&mut self) {
        let kept = self.points.iter().flat_map(|point| point.kept.runs());
        let taken = self.taken.iter().flat_map(|(settling, ..)| settling.runs());
        self.disk.retain(&kept.chain(taken).collect());
    }

    fn restart(&mut self, memory_kib: u64, before_last: bool) {
        // What must be in memory does not fit into less.
        self.memory_bytes = (memory_kib << 10).max((380 << 10) + self.model.len() * 8);
        if before_last && self.points.len() > 1 {
            self.points.pop();
        }
        self.taken = None;
        self.disk.crash();
        let settings = settings(self.memory_bytes, &self.disk);
        let Some(point) = self.points.last().cloned() else {
            self.identities = Identities::new(settings);
            self.identities.advance(Instant::from_micros(0)).unwrap();
            (self.model, self.weeks) = (Model::new(), 0);
            return;
        };
        self.identities = Identities::restored(settings, point.kept.clone()).unwrap().unwrap();
        assert_eq!(self.identities.disk.kept(), point.kept.generations);
        (self.model, self.weeks) = (point.model, point.weeks);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Verdicts are those of a map, wherever snapshots were, whatever was under way, and whichever of them it goes on from.
    #[test]
    fn restored_identities_agree_with_a_map(memory_kib in budget(), steps in proptest::collection::vec(step(), 1..50)) {
        let mut life = Life::new(memory_kib);
        for step in steps {
            match step {
                Step::Known(events) => life.admit(&events),
                Step::Fresh(count) => life.fresh(count),
                Step::Week => life.week(),
                Step::Take => life.take(),
                Step::Write => life.write(),
                Step::Restart { memory_kib, before_last } => life.restart(memory_kib, before_last),
            }
        }
        let all: Vec<(u64, u64)> = (0..4000).chain(10_000..life.next).map(|number| (number, 1)).collect();
        life.admit(&all);
    }
}

/// Runs of which a merge has taken a part, and the one that it was put into.
fn parts(kept: &Kept) -> usize {
    let is_part = |run: &&KeptRun| run.sections.len() < 1 << kept.range_bits;
    kept.generations.iter().flatten().filter(is_part).count()
}

#[test]
fn a_merge_on_its_way_is_kept() {
    let mut life = Life::new(4 << 10);
    let mut merging = 0;
    for round in 0..60 {
        life.fresh(2000);
        life.snapshot();
        merging += usize::from(parts(&life.points.last().unwrap().kept) > 1);
        if round % 3 == 0 {
            life.restart(4 << 10, round % 2 == 0);
        }
    }
    assert!(merging > 10, "{merging} snapshots of merges");
    life.admit(&(10_000..life.next).map(|number| (number, number % 2)).collect::<Vec<_>>());
}

#[test]
fn what_a_snapshot_wrote_is_not_looked_at() {
    let mut life = Life::new(64 << 20);
    for _ in 0..13 {
        life.fresh(10_000);
        life.snapshot();
    }
    // 13 is 8 and 4 and 1.
    assert_eq!(life.points[1].kept.runs().len(), 3);
    let read = life.disk.bytes_read();
    life.admit(&(10_000..life.next).map(|number| (number, number % 2)).collect::<Vec<_>>());
    assert_eq!(life.disk.bytes_read(), read);
    // A week's end takes the runs over, and what came since the last of them.
    let written = life.disk.bytes();
    life.fresh(500);
    life.week();
    assert!(life.disk.bytes() < written + 300_000, "{written} bytes, then {}", life.disk.bytes());
    life.admit(&(10_000..life.next).map(|number| (number, number % 2)).collect::<Vec<_>>());
    assert!(life.disk.bytes_read() > read);
    life.snapshot();
    life.restart(4 << 10, false);
    life.admit(&(10_000..life.next).map(|number| (number, 1)).collect::<Vec<_>>());
}

#[test]
fn only_filters_are_read_and_nothing_is_written() {
    let mut life = Life::new(4 << 10);
    for _ in 0..20 {
        life.fresh(10_000);
        life.snapshot();
    }
    let kept = &life.points.last().unwrap().kept;
    assert!(kept.newest.is_empty());
    let sections: usize = kept.generations.iter().flatten().map(|run| run.sections.len()).sum();
    let (read, bytes) = (life.disk.bytes_read(), life.disk.bytes());
    life.restart(4 << 10, false);
    let read = life.disk.bytes_read() - read;
    // 10.5 bits of each, maybe four more, some words for each section, and a page for each run.
    assert!(read < 200_000 * 29 / 16 + sections * 24 + 4096 * life.disk.files(), "{read} bytes");
    life.disk.crash();
    assert_eq!(life.disk.bytes(), bytes);
}

#[test]
fn a_table_that_is_hardly_worth_a_run_is_kept_as_it_is() {
    let mut life = Life::new(400);
    life.fresh(255);
    life.snapshot();
    assert_eq!((life.disk.files(), life.points[0].kept.newest.len()), (0, 255));
    life.fresh(1);
    life.snapshot();
    assert_eq!((life.disk.files(), life.points[1].kept.newest.len()), (1, 0));
    life.restart(400, true);
    life.fresh(1000);
}

#[test]
fn an_identity_that_is_kept_twice_is_refused() {
    let identity = (fingerprint(1), PayloadDigest(1));
    let kept = Kept { clock: Clock::default(), range_bits: 0, generations: vec![vec![]], newest: vec![identity; 2] };
    assert!(Identities::restored(IdentitySettings::in_memory(), kept).unwrap().is_none());
}

#[test]
fn a_file_that_is_missing_short_or_damaged_is_named() {
    let build = || {
        let mut life = Life::new(400);
        for _ in 0..3 {
            life.fresh(2000);
            life.snapshot();
        }
        life.disk.crash();
        let kept = life.points.pop().unwrap().kept;
        let run = kept.generations[0].last().unwrap().number;
        (life.disk, kept, run)
    };
    let error = |disk: &MemoryDisk, kept: &Kept| {
        Identities::restored(settings(400 << 10, disk), kept.clone()).unwrap_err().to_string()
    };
    let (disk, kept, run) = build();
    disk.cut(run, None);
    assert!(error(&disk, &kept).starts_with(&format!("cannot open run {run};")), "{}", error(&disk, &kept));
    let (disk, kept, run) = build();
    disk.cut(run, Some(disk.length(run) - 1));
    assert!(error(&disk, &kept).contains(&format!("run {run} is damaged at page")), "{}", error(&disk, &kept));

    let (disk, kept, _) = build();
    let restored = |disk: &MemoryDisk, kept: &Kept| Identities::restored(settings(400 << 10, disk), kept.clone());
    let (read, mut noticed) = (disk.bytes_read(), 0_usize);
    restored(&disk, &kept).unwrap();
    let read = disk.bytes_read() - read;
    for at in (0..disk.bytes()).step_by(61) {
        disk.flip(at);
        match restored(&disk, &kept) {
            Ok(_) => {}
            Err(IdentitiesError::Damaged { .. }) => noticed += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
        disk.flip(at);
    }
    // All that is read is checked.
    assert!((noticed * 61).abs_diff(read) < read / 20, "{noticed} of {read} bytes");
}

/// Another file under the same number, which is sound by itself.
#[test]
fn a_file_of_another_time_is_noticed() {
    let build = |first: u64| {
        let mut life = Life::new(400);
        life.next = first;
        life.fresh(2000);
        life.snapshot();
        life
    };
    let (one, other) = (build(0), build(5000));
    let (kept, kept_other) = (&one.points[0].kept, &other.points[0].kept);
    assert_ne!(kept, kept_other);
    let error = Identities::restored(settings(400 << 10, &one.disk), kept_other.clone()).unwrap_err();
    assert!(error.to_string().contains("this filter is not the one that was written"), "{error}");
}

/// A disk that fails while a snapshot is made: an error, no verdicts after it, and the snapshot before is as good as it was.
#[test]
fn a_disk_that_fails_leaves_the_snapshot_before() {
    let mut life = Life::new(400);
    for _ in 0..4 {
        life.fresh(2000);
        life.snapshot();
    }
    life.fresh(2000);
    let operations = life.disk.operations();
    life.disk.fail_after(Some(operations + 3));
    let settled = life.identities.settle(Copied::default()).and_then(Settling::write);
    assert!(matches!(settled, Err(IdentitiesError::Store { .. })));
    let settled = life.identities.settle(Copied::default()).and_then(Settling::write);
    assert!(matches!(settled, Err(IdentitiesError::Failed | IdentitiesError::Store { .. })));
    life.disk.fail_after(None);
    life.restart(400, false);
    life.fresh(2000);
    life.admit(&(10_000..life.next).map(|number| (number, 1)).collect::<Vec<_>>());
}
