//! What becomes of an event (L3): verdicts, reasons and rejections, each with a stable code.

use crate::event::Span;

/// The verdict on one received event. Exactly one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Its identity and content are known: counted, otherwise without effect.
    Duplicate,
    /// Its identity is known with another content: quarantined.
    Conflict,
    /// Accepted, but some usage has no price.
    Unpriced(UnpricedReason),
    /// Accepted, but its period is sealed and a charge refuses late usage: kept and listed.
    LateRefused,
    /// Accepted and rated at every charge that selects it.
    Rated,
    /// Accepted; no charge selects it.
    Unmetered,
}

impl Verdict {
    /// Whether the event counts: it is neither known nor contradicts a known one.
    pub const fn is_accepted(self) -> bool {
        !matches!(self, Verdict::Duplicate | Verdict::Conflict)
    }
}

/// How many events got each verdict, of any number of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Events that repeat an identity with the same content.
    pub duplicate: u64,
    /// Events that repeat an identity with another content.
    pub conflict: u64,
    /// Accepted events with a usage that has no price.
    pub unpriced: u64,
    /// Accepted events, of which a charge refused usage of a sealed period.
    pub late_refused: u64,
    /// Accepted events, all of whose usages have a price.
    pub rated: u64,
    /// Accepted events that no charge selects.
    pub unmetered: u64,
}

impl VerdictCounts {
    /// Counts one event.
    #[inline]
    pub const fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Duplicate => &mut self.duplicate,
            Verdict::Conflict => &mut self.conflict,
            Verdict::Unpriced(_) => &mut self.unpriced,
            Verdict::LateRefused => &mut self.late_refused,
            Verdict::Rated => &mut self.rated,
            Verdict::Unmetered => &mut self.unmetered,
        };
        // 2^64 events take longer than the sun has left.
        *counter = counter.saturating_add(1);
    }

    /// The counts of both. `None`: one does not fit.
    pub fn checked_add(self, other: VerdictCounts) -> Option<VerdictCounts> {
        let mut sum = [0; 6];
        for (sum, (ours, theirs)) in sum.iter_mut().zip(self.to_array().into_iter().zip(other.to_array())) {
            *sum = ours.checked_add(theirs)?;
        }
        Some(VerdictCounts::from_array(sum))
    }

    /// Accepted events (L3). `None`: the sum does not fit.
    pub fn accepted(self) -> Option<u64> {
        let VerdictCounts { unpriced, late_refused, rated, unmetered, .. } = self;
        [unpriced, late_refused, rated, unmetered].into_iter().try_fold(0_u64, u64::checked_add)
    }

    /// In the order of the fields.
    pub const fn to_array(self) -> [u64; 6] {
        let VerdictCounts { duplicate, conflict, unpriced, late_refused, rated, unmetered } = self;
        [duplicate, conflict, unpriced, late_refused, rated, unmetered]
    }

    /// From [`VerdictCounts::to_array`].
    pub const fn from_array(counts: [u64; 6]) -> VerdictCounts {
        let [duplicate, conflict, unpriced, late_refused, rated, unmetered] = counts;
        VerdictCounts { duplicate, conflict, unpriced, late_refused, rated, unmetered }
    }
}

/// Why a usage has no price: lost revenue, always shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnpricedReason {
    /// No customer claims the subject and there is no default plan, or its customer has no plan.
    NoPlan,
    /// The subject bears the name of a customer who does not claim it.
    SubjectNotClaimed,
    /// The matrix has no cell for these dimension values and no `otherwise`.
    NoCell,
    /// The figure does not fit.
    Overflow,
    /// Before the customer's `starts_on`.
    BeforeStart,
    /// The customer's `ends_on` has come.
    AfterEnd,
}

impl UnpricedReason {
    /// All reasons, in order.
    pub const ALL: [UnpricedReason; 6] = [
        UnpricedReason::NoPlan,
        UnpricedReason::SubjectNotClaimed,
        UnpricedReason::NoCell,
        UnpricedReason::Overflow,
        UnpricedReason::BeforeStart,
        UnpricedReason::AfterEnd,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            UnpricedReason::NoPlan => "no_plan",
            UnpricedReason::SubjectNotClaimed => "subject_not_claimed",
            UnpricedReason::NoCell => "no_cell",
            UnpricedReason::Overflow => "overflow",
            UnpricedReason::BeforeStart => "before_start",
            UnpricedReason::AfterEnd => "after_end",
        }
    }
}

/// Why a record is no event: a stable code for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectCode {
    /// Not JSON: truncated, trailing bytes, bare NaN ...
    JsonInvalid,
    /// JSON, but not an object.
    JsonNotObject,
    /// Bytes that are no UTF-8.
    Utf8Invalid,
    /// Objects or arrays nested too deep.
    NestingTooDeep,
    /// The record is longer than a record may be.
    RecordTooLong,
    /// A key stands twice in one object.
    KeyDuplicate,
    /// A required attribute is missing or empty.
    AttributeMissing,
    /// An attribute has the wrong JSON type or is too long.
    AttributeInvalid,
    /// `specversion` is not 1.0.
    SpecversionUnsupported,
    /// `time` is not RFC 3339, or the mapping's format does not fit.
    TimeInvalid,
    /// `time` is outside 1970 to 2199.
    TimeOutOfRange,
    /// A value is no decimal number.
    ValueInvalid,
    /// A value has more decimals than its meter keeps.
    ValueTooFine,
    /// A value is beyond 10^24 at its meter's scale.
    ValueTooLarge,
    /// A value is negative and its meter does not allow that.
    ValueNegative,
    /// A dimension is an object, an array or too long.
    DimensionInvalid,
    /// A row has another number of columns than the header, or broken quotes.
    RowMalformed,
    /// The event's type is reserved for Weir (`weir.*`).
    TypeReserved,
    /// The key may not send events of this subject or source.
    ForbiddenSubject,
    /// `time` lies further in the future than clocks differ.
    TimeInFuture,
}

impl RejectCode {
    /// All codes, in order.
    pub const ALL: [RejectCode; 20] = [
        RejectCode::JsonInvalid,
        RejectCode::JsonNotObject,
        RejectCode::Utf8Invalid,
        RejectCode::NestingTooDeep,
        RejectCode::RecordTooLong,
        RejectCode::KeyDuplicate,
        RejectCode::AttributeMissing,
        RejectCode::AttributeInvalid,
        RejectCode::SpecversionUnsupported,
        RejectCode::TimeInvalid,
        RejectCode::TimeOutOfRange,
        RejectCode::ValueInvalid,
        RejectCode::ValueTooFine,
        RejectCode::ValueTooLarge,
        RejectCode::ValueNegative,
        RejectCode::DimensionInvalid,
        RejectCode::RowMalformed,
        RejectCode::TypeReserved,
        RejectCode::ForbiddenSubject,
        RejectCode::TimeInFuture,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            RejectCode::JsonInvalid => "json_invalid",
            RejectCode::JsonNotObject => "json_not_object",
            RejectCode::Utf8Invalid => "utf8_invalid",
            RejectCode::NestingTooDeep => "nesting_too_deep",
            RejectCode::RecordTooLong => "record_too_long",
            RejectCode::KeyDuplicate => "key_duplicate",
            RejectCode::AttributeMissing => "attribute_missing",
            RejectCode::AttributeInvalid => "attribute_invalid",
            RejectCode::SpecversionUnsupported => "specversion_unsupported",
            RejectCode::TimeInvalid => "time_invalid",
            RejectCode::TimeOutOfRange => "time_out_of_range",
            RejectCode::ValueInvalid => "value_invalid",
            RejectCode::ValueTooFine => "value_too_fine",
            RejectCode::ValueTooLarge => "value_too_large",
            RejectCode::ValueNegative => "value_negative",
            RejectCode::DimensionInvalid => "dimension_invalid",
            RejectCode::RowMalformed => "row_malformed",
            RejectCode::TypeReserved => "type_reserved",
            RejectCode::ForbiddenSubject => "forbidden_subject",
            RejectCode::TimeInFuture => "time_in_future",
        }
    }
}

/// A record that did not become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Position in the file, counted from the chunk's `first_position`.
    pub position: u32,
    /// For machines.
    pub code: RejectCode,
    /// For people: names the key and says what is wrong; one sentence without the position.
    pub sentence: String,
    /// The record itself in the chunk's text, cut off at a limit.
    pub record: Span,
}
