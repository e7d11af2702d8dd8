//! The load driver against servers that count for themselves, refuse, stall, break connections and die.

#[path = "driver/retries.rs"]
mod retries;
#[path = "driver/served.rs"]
mod served;
#[path = "driver/totals.rs"]
mod totals;
