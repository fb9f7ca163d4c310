//! How pages are filled, the same for every store that can iterate.

use crate::commit::Limits;
use crate::contract::{FeedHead, ReadError};
use crate::types::{Direction, FeedRow, Key, KeyRange, Page, Row, ScanLimit, Seq, Version};

/// Refuses a `get` of too many keys.
pub fn check_get(keys: &[Key], limits: &Limits) -> Result<(), ReadError> {
    if keys.len() > limits.get_keys { Err(ReadError::Invalid("too many keys in one get")) } else { Ok(()) }
}

/// Fills one page from rows that come in the direction of the scan and lie in the range. Draws one row more than
/// fits, so that `next` is exact.
pub fn fill(
    rows: impl IntoIterator<Item = Result<Row, ReadError>>,
    range: &KeyRange,
    limit: ScanLimit,
    direction: Direction,
    limits: &Limits,
    as_of: Version,
) -> Result<Page, ReadError> {
    if limit.rows == 0 {
        return Err(ReadError::Invalid("scan of zero rows"));
    }
    let mut page = Page { rows: Vec::new(), next: None, as_of };
    if range.is_empty() {
        return Ok(page);
    }
    let rows_max = limit.rows.min(limits.page_rows);
    let bytes_max = limit.bytes.min(limits.page_bytes);
    let mut bytes = 0;
    for row in rows {
        let row = row?;
        bytes += row.key.len() + row.value.len();
        if let Some(last) = page.rows.last()
            && (page.rows.len() == rows_max || bytes > bytes_max)
        {
            page.next = Some(range.after(&last.key, direction));
            break;
        }
        page.rows.push(row);
    }
    Ok(page)
}

/// Refuses a position that is not in the log.
pub fn check_log(head: &FeedHead, after: Seq, max: usize) -> Result<(), ReadError> {
    if max == 0 {
        return Err(ReadError::Invalid("log of zero rows"));
    }
    if after > head.last || after.0 + 1 < head.first.0 {
        return Err(ReadError::Trimmed { first: head.first, last: head.last });
    }
    Ok(())
}

/// Fills one page of the log from rows that come in order and begin behind the position asked for.
pub fn fill_log(
    rows: impl IntoIterator<Item = Result<FeedRow, ReadError>>,
    max: usize,
    limits: &Limits,
) -> Result<Vec<FeedRow>, ReadError> {
    let mut page: Vec<FeedRow> = Vec::new();
    let mut bytes = 0;
    for row in rows.into_iter().take(max.min(limits.page_rows)) {
        let row = row?;
        bytes += row.payload.len();
        if !page.is_empty() && bytes > limits.page_bytes {
            break;
        }
        page.push(row);
    }
    Ok(page)
}
