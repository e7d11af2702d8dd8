//! What can keep a document from being made. None of these is transient: trying again changes nothing.

use weir_model::currency::Currency;
use weir_model::number::Overflow;

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// The document's figures are too large (caller: the catalog's prices or the usage).
    #[error("an amount of customer {customer} is too large for a document")]
    Overflow {
        /// The customer's id.
        customer: String,
    },
    /// FX never enters rating, so an account pays in its plan's currency (caller: the catalog).
    #[error(
        "customer {customer}: the account is billed in {account}, but the plan {plan} is priced in {plan_currency}"
    )]
    Currency {
        /// The customer's id.
        customer: String,
        /// What the account pays in.
        account: Currency,
        /// The plan's name.
        plan: String,
        /// What the plan is priced in.
        plan_currency: Currency,
    },
    /// The totals name something that this catalog does not have: they are another catalog's (internal).
    #[error("the totals of customer {customer} name a {what} that the catalog does not have")]
    Foreign {
        /// The customer's id.
        customer: String,
        /// The kind of thing.
        what: &'static str,
    },
    /// A price's lines do not sum to the bucket's amount: one of them is wrong, so nothing is billed (internal).
    #[error("charge {charge} of customer {customer}: the price lines do not explain the amount")]
    Unexplained {
        /// The customer's id.
        customer: String,
        /// The charge's name.
        charge: String,
    },
}

impl InvoiceError {
    pub(crate) fn overflow(customer: &str) -> impl Fn(Overflow) -> InvoiceError + '_ {
        move |Overflow| InvoiceError::Overflow { customer: customer.to_owned() }
    }
}
