//! What is compiled of a control state: decoder and rating plan.
//!
//! An epoch is immutable and shared: connections decode with the newest one, shards rate with the one in force at their offset.

use std::sync::Arc;

use weir_ingest::{Decoder, MissingTime};
use weir_model::catalog::{Catalog, Numbering, Problem, numbered, numbering, succeed};
use weir_model::hash::HashKey;
use weir_model::time::Instant;
use weir_rater::RatingPlan;

use super::control::ControlState;

/// A control state, compiled.
#[derive(Debug)]
pub struct Epoch {
    /// The state.
    pub control: ControlState,
    /// What there is with a catalog.
    pub rules: Option<Rules>,
}

/// A catalog, compiled.
#[derive(Debug)]
pub struct Rules {
    /// The catalog with the customers that came over the API.
    pub catalog: Arc<Catalog>,
    /// For rating.
    pub plan: Arc<RatingPlan>,
    /// For decoding.
    pub decoder: Arc<Decoder>,
    /// What looks like a mistake in the catalog.
    pub warnings: Vec<Problem>,
}

/// Why a state cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The catalog is wrong.
    #[error(transparent)]
    Catalog(#[from] weir_model::catalog::CatalogError),
    /// The catalog cannot be rated.
    #[error(transparent)]
    Plan(#[from] weir_rater::PlanError),
    /// What is rated already would cost something else.
    #[error(transparent)]
    Retroactive(#[from] weir_model::catalog::SuccessionError),
    /// The numbers that were kept are not this catalog's.
    #[error("the numbers that were kept with the catalog are another catalog's")]
    Numbering,
    /// The deployment's secret is no secret.
    #[error("the log's first record is damaged: its fingerprint key is not 32 hexadecimal digits")]
    Key,
}

impl Epoch {
    /// Compiles a state that was kept: its catalog has the numbers that it had.
    pub fn compile(control: ControlState) -> Result<Epoch, EpochError> {
        let rules = match control.load_catalog()? {
            Some((text, warnings)) => {
                let catalog = match &control.numbering {
                    Some(lists) => numbered(text, &Numbering(lists.clone())).ok_or(EpochError::Numbering)?,
                    None => text,
                };
                Some(Rules::compile(&control, catalog, warnings)?)
            }
            None => None,
        };
        Ok(Epoch { control, rules })
    }

    /// Compiles a state that follows one in force: what is rated already must cost the same, and nothing may change before
    /// `not_before`. When the log is read again that has been seen to, and `not_before` is `None`.
    pub fn follow(mut control: ControlState, before: &Epoch, not_before: Option<Instant>) -> Result<Epoch, EpochError> {
        if before.control.catalog == control.catalog && before.control.customers == control.customers {
            return Ok(Epoch { control, rules: before.rules.as_ref().map(Rules::share) });
        }
        let Some((text, warnings)) = control.load_catalog()? else { return Ok(Epoch { control, rules: None }) };
        let catalog = match &before.rules {
            Some(rules) => {
                let not_before = not_before.unwrap_or(Instant::from_micros(i64::MIN));
                let succeeded = succeed(&rules.catalog, text.clone(), not_before)?;
                control.numbering = numbering(&succeeded, &text).map(|Numbering(lists)| lists);
                // As a restart will have it: without slots that no meter reads any more.
                match &control.numbering {
                    Some(lists) => numbered(text, &Numbering(lists.clone())).ok_or(EpochError::Numbering)?,
                    None => text,
                }
            }
            None => text,
        };
        let rules = Some(Rules::compile(&control, catalog, warnings)?);
        Ok(Epoch { control, rules })
    }

    /// Whether two epochs decode and rate alike.
    pub fn has_rules_of(&self, other: &Epoch) -> bool {
        match (&self.rules, &other.rules) {
            (Some(rules), Some(others)) => Arc::ptr_eq(&rules.catalog, &others.catalog),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Rules {
    fn compile(control: &ControlState, catalog: Catalog, warnings: Vec<Problem>) -> Result<Rules, EpochError> {
        let key = HashKey::new(secret(&control.fingerprint_key).ok_or(EpochError::Key)?);
        let catalog = Arc::new(catalog);
        let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), key.clone())?);
        let decoder = Decoder::new(&catalog, key, control.shards).with_missing_time(MissingTime::LogTime);
        Ok(Rules { catalog, plan, decoder: Arc::new(decoder), warnings })
    }

    fn share(&self) -> Rules {
        Rules {
            catalog: Arc::clone(&self.catalog),
            plan: Arc::clone(&self.plan),
            decoder: Arc::clone(&self.decoder),
            warnings: self.warnings.clone(),
        }
    }
}

fn secret(hex: &str) -> Option<[u8; 16]> {
    let number = (hex.len() == 32).then(|| u128::from_str_radix(hex, 16).ok()).flatten()?;
    Some(number.to_be_bytes())
}
