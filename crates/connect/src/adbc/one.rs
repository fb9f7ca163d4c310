//! Whether a text is one query, which cannot leave the query that it is put within.
//!
//! Dialects differ in how texts and comments are written, so what only some of them read is refused: nothing is taken for a text here that may be a
//! statement there.

use crate::Error;

/// Refuses what is more than one query, or may be.
pub(super) fn check(sql: &str) -> Result<(), Error> {
    let bytes = sql.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        let rest = &sql[at..];
        at += match byte {
            b'\'' | b'"' | b'`' => quoted(rest, char::from(*byte))?,
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => comment(rest)?,
            b'$' if is_dollar_quote(rest) => {
                return Err(refused("a text between dollar signs is not taken; write it between quotes"));
            }
            b';' => return Err(refused("one query is expected, without a semicolon in it")),
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth = depth.checked_sub(1).ok_or_else(|| refused("a bracket is closed that was not opened"))?;
                1
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    if depth > 0 { Err(refused("a bracket is opened that is not closed")) } else { Ok(()) }
}

/// Bytes of a text or a name in quotes. A quote within it is written twice, which reads as two texts side by side.
fn quoted(rest: &str, quote: char) -> Result<usize, Error> {
    let end = rest[1..].find(quote).ok_or_else(|| refused("a quote is opened that is not closed"))?;
    if rest[1..=end].ends_with('\\') {
        return Err(refused("a backslash before a quote is not taken; write a quote within a text twice"));
    }
    Ok(end + 2)
}

fn comment(rest: &str) -> Result<usize, Error> {
    let end = rest[2..].find("*/").ok_or_else(|| refused("a comment is opened that is not closed"))?;
    if rest[2..2 + end].contains("/*") {
        return Err(refused("a comment within a comment is not taken"));
    }
    Ok(end + 4)
}

fn is_dollar_quote(rest: &str) -> bool {
    let tag = rest[1..].find(|own: char| !own.is_alphanumeric() && own != '_').unwrap_or(rest.len() - 1);
    rest[1 + tag..].starts_with('$')
}

fn refused(message: &str) -> Error {
    Error::invalid("source_query_invalid", format!("sql: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_is_taken_and_what_may_be_more_is_not() {
        for sql in [
            "select 1",
            "select * from t where a = ';' and \"b;)\" = 'it''s' -- ; )",
            "select (1 + (2)) /* ; ) ' */ from `a;b`",
            "with t as (select 1) select * from t -- it's",
            "select $1 from @stage",
            "select 'é;' as é",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
        for sql in [
            "select 1; drop table t",
            "select 1); drop table t; select * from (select 1",
            "select 1)",
            "select (1",
            "select 'a",
            "select E'a\\'' ; drop table t --'",
            "select $$'$$ ; drop table t --'",
            "select $tag$'$tag$ ; drop table t --'",
            "select 1 /* /* */ ' */ ; drop table t -- '",
            "select 1 /* ",
            "select /*/ 1",
        ] {
            assert_eq!(check(sql).map_err(|error| error.code), Err("source_query_invalid"), "{sql}");
        }
    }
}
