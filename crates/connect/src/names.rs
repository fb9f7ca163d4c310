//! Names in SQL, as whoever sets up a source writes them.

use crate::Error;

/// The name of a table, `orders` or `shop.orders`, in the quotes that keep it a name.
pub(crate) fn quoted(name: &str) -> Result<String, Error> {
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.contains('\0')) {
        let message = "`table` is no name of a table; `orders` or `shop.orders` is expected";
        return Err(Error::invalid("source_table_invalid", message));
    }
    let quote = |part: &&str| format!("\"{}\"", part.replace('"', "\"\""));
    Ok(parts.iter().map(quote).collect::<Vec<_>>().join("."))
}
