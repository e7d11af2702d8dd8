//! The invoices of the demo's run, read back from what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::audit::minor_units;

/// What the tour says about a document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub customer: String,
    /// Name on it.
    pub customer_name: String,
    /// The plan.
    pub plan: String,
    /// What is due.
    pub total: String,
    /// Of which currency.
    pub currency: String,
    /// Whether it gives money back.
    is_credit: bool,
}

/// All documents.
#[derive(Debug)]
pub struct Documents(Vec<Document>);

impl Documents {
    /// Reads `invoices.ndjson`.
    pub fn read(results: &Path) -> Result<Documents> {
        let path = results.join("invoices/invoices.ndjson");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let documents: Result<Vec<_>> = text.lines().map(document).collect();
        Ok(Documents(documents.with_context(|| format!("cannot read {}", path.display()))?))
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sums by currency in minor units, credit notes subtracted.
    pub fn sums(&self) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for document in &self.0 {
            let total = minor_units(&document.total);
            *sums.entry(document.currency.clone()).or_default() += if document.is_credit { -total } else { total };
        }
        sums
    }

    /// The largest first; equal ones by number.
    pub fn largest_first(&self) -> Vec<&Document> {
        let mut documents: Vec<_> = self.0.iter().collect();
        documents.sort_by(|a, b| minor_units(&b.total).cmp(&minor_units(&a.total)).then(a.number.cmp(&b.number)));
        documents
    }

    /// A customer's first document.
    pub fn of(&self, customer: &str) -> Option<&Document> {
        self.0.iter().find(|document| document.customer == customer)
    }
}

fn document(line: &str) -> Result<Document> {
    let json: Value = serde_json::from_str(line)?;
    let text = |pointer: &str| {
        let found = json.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| anyhow!("a document has no {pointer}"))
    };
    Ok(Document {
        number: text("/number")?,
        customer: text("/customer/id")?,
        customer_name: text("/customer/name")?,
        plan: text("/segments/0/plan")?,
        total: text("/total")?,
        currency: text("/currency")?,
        is_credit: text("/kind")? == "credit_note",
    })
}
