//! Weir's nouns and exact arithmetic: ids, quantities, money, periods, the catalog and price math.
//!
//! Owns: everything that several stages must agree on, and every function that decides about money. Knows no I/O, no
//! async, no clock and no randomness. Keeps L4, L5, L6.
#![deny(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division,
    clippy::arithmetic_side_effects,
    clippy::iter_over_hash_type
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::integer_division, clippy::as_conversions))]

pub mod aggregation;
pub mod bucket;
pub mod calendar;
pub mod catalog;
pub mod charge;
pub mod currency;
pub mod decimal;
pub mod event;
pub mod hash;
pub mod limits;
pub mod mapping;
pub mod number;
pub mod price;
pub mod rated;
pub mod rounding;
pub mod schema;
pub mod share;
pub mod time;
pub mod verdict;
