//! What one asks of a running server at the command line: a file for each group of commands. Start reading at [`ask`].

pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod connection;
pub(crate) mod dump;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod operate;
pub(crate) mod profile;
pub(crate) mod ready;
pub(crate) mod rule;
pub(crate) mod shell;
pub(crate) mod stored;
pub(crate) mod table;
pub(crate) mod workspace;
