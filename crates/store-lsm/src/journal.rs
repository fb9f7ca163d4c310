//! The journals of fjall, read by ourselves before fjall opens them.
//!
//! fjall's checksum covers the rows of a batch and not the marks between batches, and it takes whatever it cannot read for the end
//! of a journal, which it then cuts off. So damage in the middle would pass for the end. Here every batch is verified, what comes
//! behind a place that cannot be read is looked for, and nothing is changed.
//!
//! A journal is a file `NUMBER.jnl`: batches, then zeros up to the size that was set aside. Numbers are little endian:
//!
//! ```text
//! start  1, rows (4), sequence number (8)
//! row    2, type (1), compression (1), keyspace (8), bytes of key (2), of value (4), of value as stored (4), key, value as stored
//! clear  4, keyspace (8)                                    in the place of a row
//! end    3, xxh3 of all rows as stored (8), "FJL" and a 3
//! ```
//!
//! What the checksum leaves out is the number of rows, which the end shows to be wrong, and the sequence number. For that one, and
//! to see that no batch is missing, each group of ours ends with a [`Mark`]: the groups are numbered without gaps, and a mark holds a
//! lower bound of its batch's sequence number and an upper bound of the one before.

mod batch;
mod scan;
mod successor;

pub(crate) use batch::{HEAD, MARK, Mark};
pub(crate) use scan::{Journal, Scan, ScanError, scan};
pub(crate) use successor::{begin_next, cut_torn};

#[cfg(test)]
mod tests;
