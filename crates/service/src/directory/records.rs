//! Stored records of the directory.
