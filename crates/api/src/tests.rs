//! Whole exchanges.
