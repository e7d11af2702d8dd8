//! The log through its public interface: on simulated files, where every crash and failure can be had.

mod crashes;
mod damage;
mod format;
mod inspection;
mod logs;
mod model;
mod writing;
