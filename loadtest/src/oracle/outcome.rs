//! What the oracle answers: verdicts, buckets, amounts, documents.
//!
//! Owns: the shapes that a harness compares with the real program, all exact and in a fixed order.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use super::number::Exact;

/// Everything that a log comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// How many events came to which verdict.
    pub verdicts: Verdicts,
    /// Why usages had no price, with their number. An event without a plan is one usage.
    pub unpriced: BTreeMap<Unpriced, u64>,
    /// Buckets at the end of the log, settled. Those without usage are there if they owe P(0) or carry a level.
    pub buckets: BTreeMap<BucketKey, Bucket>,
    /// Sum of the buckets' amounts by currency, in 10^-18 units.
    pub amounts: BTreeMap<String, BigInt>,
    /// The documents of each close, in the order of the log.
    pub closes: Vec<Vec<Document>>,
}

/// Counts of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// An identity repeated with the same payload.
    pub duplicate: u64,
    /// An identity repeated with another payload.
    pub conflict: u64,
    /// A usage has no price, or the subject has no plan.
    pub unpriced: u64,
    /// A usage came after its period's seal, at a charge that refuses it.
    pub late_refused: u64,
    /// Every usage has a price.
    pub rated: u64,
    /// No charge selects it.
    pub unmetered: u64,
}

impl Verdicts {
    /// Events that count once: none of the copies.
    pub fn accepted(&self) -> u64 {
        self.unpriced + self.late_refused + self.rated + self.unmetered
    }

    /// All events.
    pub fn received(&self) -> u64 {
        self.accepted() + self.duplicate + self.conflict
    }
}

/// Why a usage has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unpriced {
    /// The subject has no customer and there is no default plan, or the customer has none.
    NoPlan,
    /// The subject bears the id of a customer who does not claim it.
    SubjectNotClaimed,
    /// Before the customer's `starts_on`.
    BeforeStart,
    /// At or after the customer's `ends_on`.
    AfterEnd,
    /// No matrix cell and no schedule window has it.
    NoCell,
}

impl Unpriced {
    /// The code in reports.
    pub fn code(self) -> &'static str {
        match self {
            Unpriced::NoPlan => "no_plan",
            Unpriced::SubjectNotClaimed => "subject_not_claimed",
            Unpriced::BeforeStart => "before_start",
            Unpriced::AfterEnd => "after_end",
            Unpriced::NoCell => "no_cell",
        }
    }
}

/// Which bucket. Instants are microseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// The customer's id; for an undeclared one the subject.
    pub customer: String,
    /// First instant of the period.
    pub period_start: i64,
    /// First instant after the period.
    pub period_end: i64,
    /// First instant at which the charge was active in the period: the greater of the segment's start and the period's.
    /// For a bucket that goes on over plan changes that of the first segment.
    pub active_start: i64,
    /// The plan's name; for a bucket that goes on over plan changes the first one's.
    pub plan: String,
    /// The charge's name.
    pub charge: String,
    /// Values of `group_by`, in its order; "" where the event has none.
    pub group: Vec<String>,
    /// Number of the leaf among the price's cells and windows, depth first; 0 for a price without them.
    pub leaf: usize,
}

/// What a bucket came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// First instant at which the charge was no longer active.
    pub active_end: i64,
    /// Usages in it.
    pub events: usize,
    /// The quantity in whole units of the meter, before conversion. A capacity has one per meter, in the order of their
    /// names in `meters`.
    pub quantities: Vec<Exact>,
    /// A(S) after settlement, in 10^-18 units of the currency.
    pub amount: BigInt,
}

/// What kind a document is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Bills a period, with late differences of earlier ones.
    Invoice,
    /// A document with a total below zero.
    CreditNote,
    /// Late differences that no invoice takes along.
    DebitNote,
}

/// What a customer gets at a close.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Document {
    /// Whose it is.
    pub customer: String,
    /// First instant of the period that it bills.
    pub period_start: i64,
    /// First instant after that period.
    pub period_end: i64,
    /// Whether a late difference of this period alone.
    pub is_note: bool,
    /// The kind; a `CreditNote` may be the negative form of either.
    pub kind: DocumentKind,
    /// Sum of the lines, in minor units. Below zero exactly on credit notes.
    pub total: i128,
    /// Minor units by line, with their sign.
    pub lines: BTreeMap<LineKey, i128>,
    /// What it is in.
    pub currency: String,
}

/// What a line bills. Lines of earlier periods stand in invoices, too, so the period is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey {
    /// First instant of the line's own period.
    pub period_start: i64,
    /// First instant after it.
    pub period_end: i64,
    /// As in [`BucketKey::active_start`].
    pub active_start: i64,
    /// Which of the period's lines.
    pub line: Line,
}

/// Which of a period's lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// A plan's fee, by name.
    Fee(String),
    /// A charge and one of its groups.
    Usage {
        /// The charge's name.
        charge: String,
        /// Values of `group_by`.
        group: Vec<String>,
    },
    /// The discount of this charge.
    Discount(String),
    /// What the maximum of this charge takes off.
    Maximum(String),
    /// What the minimum of this charge adds.
    Minimum(String),
}
