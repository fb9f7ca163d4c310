//! Names in SQL, as whoever sets up a source writes them.

use crate::Error;

/// Bytes of a name in PostgreSQL, which cuts off what is longer and says nothing.
pub const POSTGRES_NAME_BYTES_MAX: usize = 63;

/// Whether a text names a table of PostgreSQL: `orders`, or `shop.orders`.
///
/// # Errors
/// `Invalid` with `source_table_invalid`.
pub fn check_postgres_table(name: &str) -> Result<(), Error> {
    quoted(name)?;
    if name.split('.').all(|part| part.len() <= POSTGRES_NAME_BYTES_MAX) {
        return Ok(());
    }
    let message = format!(
        "`table`: PostgreSQL takes names of at most {POSTGRES_NAME_BYTES_MAX} bytes, of a schema and of a table"
    );
    Err(Error::invalid("source_table_invalid", message))
}

/// The name of a table of PostgreSQL, in quotes.
pub(crate) fn quoted_of_postgres(name: &str) -> Result<String, Error> {
    check_postgres_table(name)?;
    quoted(name)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_postgresql_would_cut_is_refused() {
        let long = "é".repeat(31);
        for name in ["t", "shop.orders", "db.shop.orders", &format!("{long}a"), &format!("{long}.{long}")] {
            check_postgres_table(name).expect(name);
        }
        for name in ["", ".t", "t.", "a.b.c.d", "a\0b", &format!("{long}ab"), &format!("shop.{long}ab")] {
            assert_eq!(check_postgres_table(name).expect_err(name).code, "source_table_invalid");
        }
    }
}
