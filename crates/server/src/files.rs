//! How many files the process may have open: connections are files too, and those that come in must leave the store its own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files of the store, its journals and whatever else is no connection. The store keeps up to 900 tables open.
const RESERVED: u64 = 1_200;

/// How the files of the process are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Files {
    /// Connections.
    pub(crate) connections: usize,
    /// Tables that the store keeps open.
    pub(crate) tables: usize,
}

/// Raises what the process may have open as far as it is allowed to, and shares it out among at most so many connections and the
/// store.
pub(crate) fn share_out(connections_max: u32) -> Files {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the bound of open files cannot be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    let files = shared(allowed, connections_max);
    if files.connections < connections_max as usize {
        let connections = files.connections;
        tracing::warn!(allowed, connections, connections_max, "open files bound the connections: raise `ulimit -n`");
    }
    files
}

/// Where few files are allowed, half are the store's.
fn shared(allowed: Option<u64>, connections_max: u32) -> Files {
    let allowed = allowed.unwrap_or(u64::MAX);
    let reserved = RESERVED.min(allowed / 2);
    let connections = (allowed - reserved).clamp(1, u64::from(connections_max));
    let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Files { connections: whole(connections), tables: whole((reserved * 3 / 4).max(16)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_has_its_files_however_few_there_are() {
        let check = |allowed, connections_max, connections, tables| {
            assert_eq!(
                shared(allowed, connections_max),
                Files { connections, tables },
                "{allowed:?} {connections_max}"
            );
        };
        check(None, 10_000, 10_000, 900);
        check(Some(1_048_576), 10_000, 10_000, 900);
        check(Some(4_096), 10_000, 2_896, 900);
        check(Some(1_024), 10_000, 512, 384);
        check(Some(1_024), 100, 100, 384);
        check(Some(20), 10_000, 10, 16);
    }
}
