//! Who uses: customers, and the subjects that their events name.
//!
//! The first customers have two subjects each and are declared; a declared customer without a plan has one; all others are
//! their own subjects, whom the default plan serves.

use super::digits::write_padded;
use super::shape::to_u64;

/// The subject, and the customer, without a plan.
pub(super) const PLANLESS: &str = "planless";

/// Numbers and names of customers and subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parties {
    pub(super) customers: usize,
    pub(super) shared: usize,
}

impl Parties {
    /// Customers with a plan.
    pub fn customers(&self) -> usize {
        self.customers
    }

    /// Subjects of customers with a plan.
    pub fn subjects(&self) -> usize {
        self.customers + self.shared
    }

    /// Whether the customer has two subjects, and so is declared in the catalog.
    pub fn is_shared(&self, customer: usize) -> bool {
        customer < self.shared
    }

    /// Whose usage the subject's is.
    #[inline]
    pub fn customer_of(&self, subject: usize) -> usize {
        if subject < 2 * self.shared { subject / 2 } else { subject - self.shared }
    }

    /// The customer's subjects, in order.
    pub fn subjects_of(&self, customer: usize) -> std::ops::Range<usize> {
        if self.is_shared(customer) {
            2 * customer..2 * customer + 2
        } else {
            customer + self.shared..customer + self.shared + 1
        }
    }

    /// The customer's id.
    pub fn customer_name(customer: usize) -> String {
        format!("c{customer:07}")
    }

    /// The customer with this id.
    pub fn customer_named(&self, name: &str) -> Option<usize> {
        let customer = name.strip_prefix('c')?.parse().ok()?;
        (customer < self.customers && Parties::customer_name(customer) == name).then_some(customer)
    }

    /// Appends the subject's name; `None` is the one without a plan.
    #[inline]
    pub(crate) fn write_subject(&self, subject: Option<usize>, out: &mut Vec<u8>) {
        let Some(subject) = subject else {
            out.extend_from_slice(PLANLESS.as_bytes());
            return;
        };
        out.push(b'c');
        write_padded(out, to_u64(self.customer_of(subject)), 7);
        if subject < 2 * self.shared {
            out.extend_from_slice(if subject.is_multiple_of(2) { b"-a" } else { b"-b" });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_belong_to_their_customers() {
        let parties = Parties { customers: 5, shared: 2 };
        let mut names = Vec::new();
        for customer in 0..5 {
            for subject in parties.subjects_of(customer) {
                assert_eq!(parties.customer_of(subject), customer);
                let mut name = Vec::new();
                parties.write_subject(Some(subject), &mut name);
                names.push(String::from_utf8(name).unwrap());
            }
            assert_eq!(parties.customer_named(&Parties::customer_name(customer)), Some(customer));
        }
        assert_eq!(names.len(), parties.subjects());
        assert_eq!(names.join(" "), "c0000000-a c0000000-b c0000001-a c0000001-b c0000002 c0000003 c0000004");
        for stranger in ["c0000005", "c1", "1", "planless", "c0000001-a"] {
            assert_eq!(parties.customer_named(stranger), None, "{stranger}");
        }
    }
}
