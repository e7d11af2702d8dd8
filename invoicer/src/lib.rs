//! invoicer
