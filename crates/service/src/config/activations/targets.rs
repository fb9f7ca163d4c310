//! What activations write to. A table and a path belong to one activation each: another one would remove what it wrote.

use super::{Activation, ActivationContent, Destination, activations};
use crate::base::error::{Error, ErrorKind};
use crate::base::secrets::Secret;
use crate::config::sources::{Connection, Text, connection_among};
use crate::config::workspace::StoredConfig;

/// Refuses to write where another activation writes.
///
/// # Errors
/// `Conflict` with `activation_target_taken`, naming the other where `is_shown` says that it may be.
pub(super) fn check_target<'a>(
    config: &StoredConfig,
    own: (&ActivationContent, &Connection),
    others: impl Iterator<Item = &'a (String, Activation)>,
    is_shown: impl Fn(&Activation) -> bool,
) -> Result<(), Error> {
    for (name, other) in others {
        let Some(over) = connection_among(config.objects(), &other.content.connection)? else { continue };
        if is_one_target(own, (&other.content, &over)) {
            let other =
                if is_shown(other) { format!("the activation {name}") } else { "another activation".to_owned() };
            let what = match &own.0.to {
                Destination::Table(table) => {
                    format!("table: {table} belongs to {other}, which would remove what this one writes")
                }
                Destination::Files { path, .. } => format!("path: {other} writes to {path}, above it or below it"),
            };
            let message = format!("{what}; name another one, or change that one first");
            return Err(Error::new(ErrorKind::Conflict, "activation_target_taken", message));
        }
    }
    Ok(())
}

/// Whether each activation over a connection still writes where no other one does.
///
/// # Errors
/// `Conflict` with `activation_target_taken`; `Corrupt`.
pub(crate) fn check_targets_over(config: &StoredConfig, connection: &str) -> Result<(), Error> {
    let all = activations(config)?;
    for (name, own) in all.iter().filter(|(_, own)| own.content.connection == connection) {
        let Some(over) = connection_among(config.objects(), connection)? else { return Ok(()) };
        // Those over the same connection were beside each other before.
        let others = all.iter().filter(|(other, own)| other != name && own.content.connection != connection);
        check_target(config, (&own.content, &over), others, |_| false)?;
    }
    Ok(())
}

/// Whether two activations write to one table, or to one path or one below the other, each over its connection. Connections that lead to one place in
/// other words are not known to.
#[must_use]
pub fn is_one_target(one: (&ActivationContent, &Connection), other: (&ActivationContent, &Connection)) -> bool {
    match (&one.0.to, &other.0.to) {
        (Destination::Table(own), Destination::Table(table)) => {
            let is_one_database = one.0.connection == other.0.connection || database(one.1) == database(other.1);
            is_one_database && table_of(own) == table_of(table)
        }
        (Destination::Files { path: own, .. }, Destination::Files { path, .. }) => {
            let (own, other) = (folder(one.1, own), folder(other.1, path));
            let (Some((own_store, own)), Some((store, folder))) = (own, other) else { return false };
            own_store == store && (own.starts_with(&folder) || folder.starts_with(&own))
        }
        (Destination::Table(_) | Destination::Files { .. }, _) => false,
    }
}

/// A table in the words that all have for it.
fn table_of(name: &str) -> (&str, &str) {
    let mut parts = name.rsplit('.');
    let table = parts.next().unwrap_or_default();
    (parts.next().unwrap_or("public"), table)
}

/// The host and the database of a connection, whoever asks there.
fn database(connection: &Connection) -> Option<Result<&str, &Secret>> {
    match connection {
        Connection::Postgres { url: Text::Secret(secret), .. } => Some(Err(secret)),
        Connection::Postgres { url: Text::Plain(url), .. } => {
            let url = url.split_once("://").map_or(&**url, |(_, rest)| rest);
            let url = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
            Some(Ok(url.split('?').next().unwrap_or_default()))
        }
        Connection::Files { .. } | Connection::Adbc { .. } => None,
    }
}

/// What tells stores of one kind apart whose buckets have one name.
const OF_STORE: [&str; 2] = ["endpoint", "account_name"];

/// The store of a connection, and the whole path of a folder there.
fn folder<'a>(connection: &'a Connection, path: &str) -> Option<([Option<&'a Text>; 2], String)> {
    match connection {
        Connection::Files { url, options, .. } => {
            Some((OF_STORE.map(|name| options.get(name)), format!("{}/{path}/", url.trim_end_matches('/'))))
        }
        Connection::Postgres { .. } | Connection::Adbc { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::activations::RowsWritten;

    fn content(connection: &str, to: Destination) -> ActivationContent {
        let (segment, merge_policy, columns, schedule) = (None, None, None, None);
        ActivationContent {
            connection: connection.to_owned(),
            segment,
            merge_policy,
            columns,
            to,
            rows: RowsWritten::Full,
            schedule,
        }
    }

    #[test]
    fn two_tables_are_one() {
        let check = |(one, table): (&str, &str), (other, own): (&str, &str), expected: bool| {
            let over = |url: &str| Connection::Postgres { url: Text::Plain(url.to_owned()), password: None, ca: None };
            let to = |connection: &str, table: &str| content(connection, Destination::Table(table.to_owned()));
            let (first, second) = (to(one, table), to(other, own));
            let (over_one, over_other) = (over(one), over(other));
            let found = is_one_target((&first, &over_one), (&second, &over_other));
            assert_eq!(found, expected, "{one} {table} {other} {own}");
            assert_eq!(is_one_target((&second, &over_other), (&first, &over_one)), expected);
        };
        let (crm, same) = ("postgres://ann@db:5432/shop", "postgresql://bob@db:5432/shop?sslmode=require");
        check((crm, "lapsed"), (crm, "lapsed"), true);
        check((crm, "lapsed"), (crm, "public.lapsed"), true);
        check((crm, "shop.public.lapsed"), (crm, "lapsed"), true);
        check((crm, "lapsed"), (same, "lapsed"), true);
        check((crm, "lapsed"), (crm, "Lapsed"), false);
        check((crm, "crm.lapsed"), (crm, "lapsed"), false);
        check((crm, "lapsed"), ("postgres://ann@db:5432/other", "lapsed"), false);
    }

    #[test]
    fn two_paths_are_one() {
        let check = |(one, path): (&str, &str), (other, own): (&str, &str), expected: bool| {
            let over = |url: &str| {
                let (url, endpoint) = url.split_once(' ').map_or((url, None), |(url, endpoint)| (url, Some(endpoint)));
                let endpoint = endpoint.map(|own| ("endpoint".to_owned(), Text::Plain(own.to_owned())));
                Connection::Files { url: url.to_owned(), options: BTreeMap::from_iter(endpoint), ca: None }
            };
            let to = |connection: &str, path: &str| {
                let (format, compression) = ("csv".to_owned(), "none".to_owned());
                let path = path.to_owned();
                content(connection, Destination::Files { path, format, compression, keep_runs: 2 })
            };
            let (first, second) = (to(one, path), to(other, own));
            let (over_one, over_other) = (over(one), over(other));
            let found = is_one_target((&first, &over_one), (&second, &over_other));
            assert_eq!(found, expected, "{one} {path} {other} {own}");
            assert_eq!(is_one_target((&second, &over_other), (&first, &over_one)), expected);
        };
        let lake = "file:///lake";
        check((lake, "out"), (lake, "out"), true);
        check((lake, "out"), (lake, "out/lapsed"), true);
        check((lake, "out"), (lake, "outer"), false);
        check((lake, "out/lapsed"), ("file:///lake/out/", "lapsed"), true);
        check((lake, "out"), ("file:///lake/out", "lapsed"), true);
        check((lake, "out"), ("file:///other", "out"), false);
        check(("s3://b http://one", "out"), ("s3://b http://one", "out"), true);
        check(("s3://b http://one", "out"), ("s3://b http://other", "out"), false);
    }
}
