//! What proves Weir's figures from outside: a slow rater in exact fractions that follows the rules by the book, random
//! catalogs and logs for it, a workload that knows every outcome in advance, the auditor that checks a run against it, and
//! the job that Weir and other engines do side by side, and the driver that loads a server with it.
//!
//! Depends on neither `model` nor `rater`: a shared mistake would prove itself.

pub mod auditor;
pub mod cases;
pub mod driver;
pub mod job;
pub mod oracle;
pub mod workload;
