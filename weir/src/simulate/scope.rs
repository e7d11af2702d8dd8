//! What a simulation computes and compares: of whom, and of when.

use weir_model::time::{Instant, Period};

/// What is computed and compared.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only this customer.
    pub customer: Option<String>,
    /// Only periods that begin then or later.
    pub from: Option<Instant>,
    /// Only periods that end then or earlier.
    pub until: Option<Instant>,
}

impl Scope {
    /// Whether a customer's period is asked for.
    pub fn has(&self, customer: &str, period: &Period) -> bool {
        self.customer.as_deref().is_none_or(|only| only == customer)
            && self.from.is_none_or(|from| from <= period.start)
            && self.until.is_none_or(|until| period.end <= until)
    }

    /// Whether everything is.
    pub fn is_whole(&self) -> bool {
        self.customer.is_none() && self.from.is_none() && self.until.is_none()
    }
}
