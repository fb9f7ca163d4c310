//! Lists page by page. A cursor is sealed, and good for the list, the profile and the filters that it was given for.

use tessera_seam::app::App;
use tessera_service::cursor;
use tessera_service::error::Error;

use super::enter::Asked;
use super::wire::Cursor;

/// Which list is asked for, from where on.
pub(super) struct List<'a> {
    /// The list with its filters, which are part of what a cursor is good for.
    pub(super) question: Vec<&'a str>,
    pub(super) limit: usize,
    /// `next` of the page before.
    pub(super) next: Option<&'a str>,
}

impl List<'_> {
    /// The key behind which the page begins.
    ///
    /// # Errors
    /// `cursor_invalid`.
    pub(super) fn after(&self, app: &App, asked: &Asked) -> Result<Option<String>, Error> {
        let Some(next) = self.next else { return Ok(None) };
        let place = app.service.open_place(asked.entered.workspace, &self.whole(asked), next)?;
        String::from_utf8(place.into()).map(Some).map_err(|_| cursor::invalid())
    }

    /// What an answer says of the page after it.
    ///
    /// # Errors
    /// `cursor_too_large`.
    pub(super) fn cursor(&self, app: &App, asked: &Asked, last: Option<&str>) -> Result<Cursor, Error> {
        let seal = |last: &str| app.service.seal_place(asked.entered.workspace, &self.whole(asked), last.as_bytes());
        let next = last.map(seal).transpose()?;
        Ok(Cursor {
            url: asked.url.clone(),
            has_more: next.is_some(),
            next: next.unwrap_or_default(),
            limit: self.limit,
        })
    }

    fn whole<'a>(&'a self, asked: &'a Asked) -> Vec<&'a str> {
        [asked.url.as_str()].into_iter().chain(self.question.iter().copied()).collect()
    }
}

/// The page behind a key of what is in the order of its keys, and the key of its last item where there is more.
pub(super) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<(String, T)>, Option<String>) {
    let mut page: Vec<(String, T)> =
        items.skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after)).take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().map(|(key, _)| key.clone()).filter(|_| has_more);
    (page, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_everything_once() {
        let all = ["a", "b", "b\0c", "d"];
        for limit in 1..6 {
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            loop {
                let items = all.iter().map(|key| ((*key).to_owned(), ()));
                let (found, last) = page(items, after.as_deref(), limit);
                assert!(found.len() <= limit);
                seen.extend(found.into_iter().map(|(key, ())| key));
                match last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
            assert_eq!(seen, all, "limit={limit}");
        }
    }
}
