//! What came in and what was turned away, counted while decoding.

use std::collections::BTreeMap;

use weir_model::event::Chunk;
use weir_model::verdict::RejectCode;

/// How many rejections the report shows; the quarantine holds them all.
const SAMPLES_MAX: usize = 5;

/// Counts of decoded input. The same for any number of threads.
#[derive(Debug, Default)]
pub struct Intake {
    /// Events received: accepted, duplicate, conflict or rejected.
    pub received: u64,
    /// Rows that the mapping's `where` left out.
    pub skipped: u64,
    /// Rejections by code.
    pub rejected: BTreeMap<RejectCode, u64>,
    /// The first rejections in log order.
    pub samples: Vec<Sample>,
}

/// One rejection, for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Index of the input.
    pub file: u32,
    /// Record in the file, from 0.
    pub position: u64,
    /// Its code.
    pub code: RejectCode,
    /// What is wrong.
    pub sentence: String,
}

impl Intake {
    /// Counts a decoded chunk.
    pub fn count(&mut self, chunk: &Chunk) {
        self.received += chunk.received;
        self.skipped += chunk.skipped;
        for rejection in &chunk.rejected {
            *self.rejected.entry(rejection.code).or_default() += 1;
        }
        // A worker's chunks come in log order, so its first ones are enough.
        let room = SAMPLES_MAX.saturating_sub(self.samples.len());
        self.samples.extend(chunk.rejected.iter().take(room).map(|rejection| Sample {
            file: chunk.file,
            position: chunk.first_position + u64::from(rejection.position),
            code: rejection.code,
            sentence: rejection.sentence.clone(),
        }));
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: Intake) {
        self.received += other.received;
        self.skipped += other.skipped;
        for (code, count) in other.rejected {
            *self.rejected.entry(code).or_default() += count;
        }
        self.samples.extend(other.samples);
        self.samples.sort();
        self.samples.truncate(SAMPLES_MAX);
    }

    /// All rejections.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }
}
