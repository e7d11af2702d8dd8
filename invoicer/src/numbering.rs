//! Numbers: gapless per seller and series, given in one deterministic order. Keeps L6, L8.
//!
//! A number is taken only for a document that exists. Invoices, credit notes and debit notes share the seller's one series,
//! in the order in which [`Closing`](crate::Closing) makes them.

/// Digits that a number has at least.
const DIGITS_MIN: usize = 6;

/// The number of a finalized document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceNumber {
    /// The series it belongs to: the seller's prefix.
    pub series: String,
    /// Position in the series, from 1.
    pub sequence: u64,
}

impl std::fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = if self.series.ends_with(char::is_alphanumeric) { "-" } else { "" };
        write!(f, "{}{gap}{:0width$}", self.series, self.sequence, width = DIGITS_MIN)
    }
}

/// A series and the next number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The seller's prefix (`Seller::invoice_prefix`).
    pub prefix: String,
    /// The next position.
    pub next: u64,
}

impl Numbering {
    /// A new series, beginning at 1.
    pub fn new(prefix: impl Into<String>) -> Numbering {
        Numbering { prefix: prefix.into(), next: 1 }
    }

    /// Takes the next number. It must be used: a series has no gaps.
    #[must_use]
    pub fn take(&mut self) -> InvoiceNumber {
        let sequence = self.next;
        self.next = sequence.saturating_add(1);
        self.number(sequence)
    }

    /// The number at a position of the series.
    pub fn number(&self, sequence: u64) -> InvoiceNumber {
        InvoiceNumber { series: self.prefix.clone(), sequence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (prefix, next, expected, after) in [
            ("INV-2026-", 1, "INV-2026-000001", 2),
            ("ACME", 42, "ACME-000042", 43),
            ("", 7, "000007", 8),
            ("F/", 1_234_567, "F/1234567", 1_234_568),
        ] {
            let mut numbering = Numbering { prefix: prefix.into(), next };
            assert_eq!(numbering.take().to_string(), expected);
            assert_eq!(numbering.next, after);
        }
    }
}
