//! What rating depends on beside events: catalog, customers, keys, closes. A pure function of the control records (design.md 4.4).
//!
//! Owns: what each control record changes, and which change is refused. Does not own: the log, nor the state of shards; whatever is
//! compiled of the catalog is an [`Epoch`](super::epoch::Epoch).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_model::catalog::{self, Catalog, CatalogError, CatalogFiles, Problem};
use weir_model::time::Instant;

use super::keys::Pattern;
use super::record::{Control, Numbered};

/// A customer as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerDocument {
    /// Its id.
    pub id: String,
    /// The plan that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Subjects whose usage is this customer's; none given: its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// The declared account that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// First day with a plan, and anchor of anniversaries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<String>,
    /// First day without a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_on: Option<String>,
    /// Name on documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Lines of the postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Vec<String>>,
    /// Tax id on documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
    /// Language of documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Later plans; only subscriptions add them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// A customer goes on under another plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// From when on: a date in the customer's zone, or an instant.
    pub effective_at: String,
    /// The plan.
    pub plan: String,
}

/// A new subscription of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The customer.
    pub customer: String,
    /// From when on.
    pub effective_at: String,
    /// The plan.
    pub plan: String,
}

/// What a key may do; each role may do what those before it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Send events.
    Ingest,
    /// Ask for usage.
    Read,
    /// Everything.
    Admin,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Ingest => "ingest",
            Role::Read => "read",
            Role::Admin => "admin",
        })
    }
}

/// An API key as it is kept: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Its public part, which stands in the key and in lists.
    pub id: String,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the key, hexadecimal.
    pub sha256: String,
    /// Subjects that it may send and ask for; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Pattern>,
    /// Sources that it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Pattern>,
    /// When it ends, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_us: Option<i64>,
}

/// The texts of a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogTexts {
    /// The catalog itself.
    pub text: String,
    /// The files that it names.
    pub files: BTreeMap<String, String>,
}

impl CatalogFiles for CatalogTexts {
    fn read(&self, path: &str) -> std::io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// Everything that control records have said so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlState {
    /// The number of the last control record.
    pub sequence: u64,
    /// The deployment's secret of hashes, hexadecimal.
    pub fingerprint_key: String,
    /// Number of shards.
    pub shards: u16,
    /// The catalog, once there is one.
    pub catalog: Option<CatalogTexts>,
    /// The numbers of what is in the catalog, where its text alone would give others: see [`weir_model::catalog::Numbering`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<[Vec<u32>; 6]>,
    /// Customers that came over the API, in the order in which they came: their numbers never change.
    pub customers: Vec<CustomerDocument>,
    /// Keys by public part.
    pub keys: BTreeMap<String, KeyRecord>,
    /// Through when each close has sealed, in microseconds since 1970.
    pub closes_us: Vec<i64>,
}

/// Why a control record cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A number is missing: something else wrote to the log, or it is not the log that it was.
    #[error("control record {found} follows {last}; a record is missing")]
    Gap {
        /// The number that is there.
        found: u64,
        /// The last one.
        last: u64,
    },
    /// The record's kind is known but has no behaviour yet.
    #[error("{0} is not supported yet; its record kind is reserved")]
    Reserved(&'static str),
    /// Nobody of that name came over the API.
    #[error("there is no customer {0:?} that came over the API; customers of the catalog are changed with the catalog")]
    NoCustomer(String),
    /// A customer is in the catalog already.
    #[error("customer {0:?} is declared in the catalog; change it there")]
    Declared(String),
    /// There is no such key.
    #[error("there is no key {0:?}")]
    NoKey(String),
    /// A close would seal less than one before.
    #[error("a close through {through} would seal less than the one through {before}")]
    Earlier {
        /// What is asked.
        through: Instant,
        /// What is sealed already.
        before: Instant,
    },
}

impl ControlState {
    /// Applies a record: the one after the last changes the state, earlier ones are known, later ones are an error.
    pub fn apply(&mut self, record: &Numbered) -> Result<(), ControlError> {
        if record.sequence <= self.sequence {
            return Ok(());
        }
        if record.sequence != self.sequence + 1 {
            return Err(ControlError::Gap { found: record.sequence, last: self.sequence });
        }
        self.change(&record.control)?;
        self.sequence = record.sequence;
        Ok(())
    }

    /// What a record changes, whatever its number.
    pub fn change(&mut self, control: &Control) -> Result<(), ControlError> {
        match control {
            Control::Genesis { fingerprint_key, shards } => {
                self.fingerprint_key.clone_from(fingerprint_key);
                self.shards = *shards;
            }
            Control::Catalog { text, files } => {
                self.catalog = Some(CatalogTexts { text: text.clone(), files: files.iter().cloned().collect() });
            }
            Control::Customers { customers } => customers.iter().for_each(|customer| self.set_customer(customer)),
            Control::Subscription(Subscription { customer, effective_at, plan }) => {
                let change = Change { effective_at: effective_at.clone(), plan: plan.clone() };
                self.customer_mut(customer)?.changes.push(change);
            }
            Control::Close { through_us } => {
                if let Some(before) = self.closes_us.last().filter(|before| *before > through_us) {
                    let (through, before) = (Instant::from_micros(*through_us), Instant::from_micros(*before));
                    return Err(ControlError::Earlier { through, before });
                }
                self.closes_us.push(*through_us);
            }
            Control::Void {} => return Err(ControlError::Reserved("weir.void")),
            Control::Replace {} => return Err(ControlError::Reserved("weir.replace")),
            Control::Erase { customer } => {
                let customer = self.customer_mut(customer)?;
                (customer.name, customer.address, customer.tax_id) = (None, None, None);
            }
            Control::Key(key) => {
                self.keys.insert(key.id.clone(), key.clone());
            }
            Control::KeyRevoked { id } => {
                self.keys.remove(id).ok_or_else(|| ControlError::NoKey(id.clone()))?;
            }
        }
        Ok(())
    }

    /// The customer of an id, if it came over the API.
    pub fn customer(&self, id: &str) -> Option<&CustomerDocument> {
        self.customers.iter().find(|customer| customer.id == id)
    }

    fn customer_mut(&mut self, id: &str) -> Result<&mut CustomerDocument, ControlError> {
        let found = self.customers.iter_mut().find(|customer| customer.id == id);
        found.ok_or_else(|| ControlError::NoCustomer(id.to_owned()))
    }

    /// A customer described anew keeps its place and its later plans.
    fn set_customer(&mut self, document: &CustomerDocument) {
        match self.customers.iter_mut().find(|customer| customer.id == document.id) {
            Some(known) => {
                let changes = std::mem::take(&mut known.changes);
                *known = CustomerDocument { changes, ..document.clone() };
            }
            None => self.customers.push(CustomerDocument { changes: Vec::new(), ..document.clone() }),
        }
    }

    /// Loads the catalog with the customers that came over the API behind its own. `None` without a catalog.
    pub fn load_catalog(&self) -> Result<Option<(Catalog, Vec<Problem>)>, CatalogError> {
        let Some(texts) = &self.catalog else { return Ok(None) };
        let mut text = texts.text.clone();
        text.push('\n');
        for customer in &self.customers {
            text.push_str(&as_toml(customer));
        }
        catalog::load("catalog", &text, texts).map(Some)
    }

    /// Through when the last close has sealed.
    pub fn sealed_through(&self) -> Option<Instant> {
        self.closes_us.last().copied().map(Instant::from_micros)
    }
}

/// A customer as the catalog would have it.
fn as_toml(customer: &CustomerDocument) -> String {
    let mut table = toml::Table::new();
    let CustomerDocument { id, plan, subjects, account, starts_on, ends_on, name, address, tax_id, locale, changes } =
        customer;
    let texts = [
        ("plan", plan),
        ("account", account),
        ("starts_on", starts_on),
        ("ends_on", ends_on),
        ("name", name),
        ("tax_id", tax_id),
        ("locale", locale),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            table.insert(key.to_owned(), value.clone().into());
        }
    }
    for (key, values) in [("subjects", subjects), ("address", address)] {
        if let Some(values) = values {
            table.insert(key.to_owned(), values.clone().into());
        }
    }
    if !changes.is_empty() {
        let change = |change: &Change| {
            let mut table = toml::Table::new();
            table.insert("effective_at".to_owned(), change.effective_at.clone().into());
            table.insert("plan".to_owned(), change.plan.clone().into());
            toml::Value::Table(table)
        };
        table.insert("changes".to_owned(), changes.iter().map(change).collect::<Vec<_>>().into());
    }
    let mut of_id = toml::Table::new();
    of_id.insert(id.clone(), table.into());
    let mut customers = toml::Table::new();
    customers.insert("customers".to_owned(), of_id.into());
    toml::to_string(&customers).expect("texts and lists of them are TOML")
}
