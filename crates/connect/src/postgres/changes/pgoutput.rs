//! Messages of the output plugin `pgoutput`, version 1, as far as they tell which rows were changed.

use std::collections::BTreeMap;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The changes of a transaction begin.
    Begin {
        /// Its number.
        transaction: u32,
    },
    /// They end.
    Commit {
        /// The place behind it.
        end: u64,
    },
    /// A row was changed: the keys that it had and has.
    Change(Vec<String>),
    /// All rows were removed.
    Emptied,
    /// Something that tells nothing of the table.
    Other,
}

/// A message that cannot be read, and where that shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// Reads messages about one table.
pub(super) struct Messages {
    table: u32,
    key: String,
    /// The place of the key in the rows of the table, as it was told last.
    place: Option<usize>,
}

impl Messages {
    pub(super) fn new(table: u32, key: &str) -> Self {
        Self { table, key: key.to_owned(), place: None }
    }

    /// Whether a message of which this is the beginning is about another table.
    pub(super) fn is_of_another(&self, beginning: &[u8]) -> bool {
        let of = beginning.get(1..5).and_then(|own| own.try_into().ok()).map(u32::from_be_bytes);
        matches!(beginning.first(), Some(b'I' | b'U' | b'D')) && of != Some(self.table)
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Message, Unreadable> {
        let mut rest = Rest(bytes);
        match rest.byte("a kind")? {
            b'B' => {
                rest.take(16, "the beginning of a transaction")?;
                Ok(Message::Begin { transaction: rest.u32("a transaction")? })
            }
            b'C' => {
                rest.take(9, "a commit")?;
                Ok(Message::Commit { end: rest.u64("the end of a commit")? })
            }
            b'R' => self.relation(&mut rest),
            b'I' if rest.u32("a table")? == self.table => self.changed(&mut rest),
            b'U' if rest.u32("a table")? == self.table => self.changed(&mut rest),
            b'D' if rest.u32("a table")? == self.table => self.changed(&mut rest),
            b'T' => {
                let count = rest.u32("tables")?;
                rest.byte("how they were emptied")?;
                let tables = (0..count).map(|_| rest.u32("a table")).collect::<Result<Vec<u32>, _>>()?;
                Ok(if tables.contains(&self.table) { Message::Emptied } else { Message::Other })
            }
            b'I' | b'U' | b'D' | b'O' | b'Y' | b'M' => Ok(Message::Other),
            _ => Err(Unreadable("a message of a kind that version 1 does not have")),
        }
    }

    fn relation(&mut self, rest: &mut Rest<'_>) -> Result<Message, Unreadable> {
        if rest.u32("a table")? != self.table {
            return Ok(Message::Other);
        }
        rest.text("a schema")?;
        rest.text("the name of a table")?;
        rest.byte("a replica identity")?;
        let mut places = BTreeMap::new();
        for at in 0..usize::from(rest.u16("columns")?) {
            rest.byte("a column")?;
            places.insert(rest.text("the name of a column")?, at);
            rest.take(8, "the type of a column")?;
        }
        self.place = places.get(&*self.key).copied();
        match self.place {
            Some(_) => Ok(Message::Other),
            None => Err(Unreadable("the publication leaves out the column that says which row one is")),
        }
    }

    /// The keys of all rows that stand in a change: what it was, where that is told, and what it is.
    fn changed(&self, rest: &mut Rest<'_>) -> Result<Message, Unreadable> {
        let place = self.place.ok_or(Unreadable("a change of a table that was not told before"))?;
        let (mut keys, mut is_known, mut has_old) = (Vec::new(), true, false);
        if rest.0.is_empty() {
            return Err(Unreadable("a change without a row"));
        }
        while !rest.0.is_empty() {
            let is_old = match rest.byte("a row")? {
                b'K' | b'O' => true,
                b'N' => false,
                _ => return Err(Unreadable("a row of a kind that version 1 does not have")),
            };
            has_old |= is_old;
            match rest.value(place)? {
                Value::Text(key) => keys.push(key),
                Value::None => {}
                Value::Unchanged => is_known = false,
            }
        }
        // A key that is kept out of line and was not changed stands in what the row was.
        if !(is_known || has_old && !keys.is_empty()) {
            return Err(Unreadable("the change of a row whose key is kept out of line and is not told"));
        }
        keys.dedup();
        Ok(Message::Change(keys))
    }
}

enum Value {
    None,
    Unchanged,
    Text(String),
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unreadable(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Unreadable> {
        Ok(self.take(1, what)?[0])
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, Unreadable> {
        self.take(2, what)?.try_into().map(u16::from_be_bytes).map_err(|_| Unreadable(what))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Unreadable> {
        self.take(4, what)?.try_into().map(u32::from_be_bytes).map_err(|_| Unreadable(what))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Unreadable> {
        self.take(8, what)?.try_into().map(u64::from_be_bytes).map_err(|_| Unreadable(what))
    }

    /// A text that a zero ends.
    fn text(&mut self, what: &'static str) -> Result<String, Unreadable> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Unreadable(what))?;
        let text = String::from_utf8(self.take(end, what)?.to_vec()).map_err(|_| Unreadable(what))?;
        self.byte(what)?;
        Ok(text)
    }

    /// The value at a place of a row; the others are passed over.
    fn value(&mut self, place: usize) -> Result<Value, Unreadable> {
        let mut found = None;
        for at in 0..usize::from(self.u16("values of a row")?) {
            let value = match self.byte("a value")? {
                b'n' => Value::None,
                b'u' => Value::Unchanged,
                b't' => {
                    let length = usize::try_from(self.u32("a length")?).map_err(|_| Unreadable("a length"))?;
                    let text = self.take(length, "a value")?;
                    if at != place {
                        continue;
                    }
                    Value::Text(String::from_utf8(text.to_vec()).map_err(|_| Unreadable("a value that is no UTF-8"))?)
                }
                _ => return Err(Unreadable("a value of a kind that version 1 does not have")),
            };
            if at == place {
                found = Some(value);
            }
        }
        found.ok_or(Unreadable("a row without the column that says which row it is"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: u32 = 16_385;

    fn relation(table: u32, columns: &[&str]) -> Vec<u8> {
        let mut bytes = vec![b'R'];
        bytes.extend(table.to_be_bytes());
        bytes.extend(b"public\0t\0d");
        bytes.extend(u16::try_from(columns.len()).expect("a few").to_be_bytes());
        for name in columns {
            bytes.push(1);
            bytes.extend(name.as_bytes());
            bytes.extend([0; 9]);
        }
        bytes
    }

    fn row(kind: u8, values: &[Option<&str>]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(u16::try_from(values.len()).expect("a few").to_be_bytes());
        for value in values {
            match value {
                None => bytes.push(b'n'),
                Some("unchanged") => bytes.push(b'u'),
                Some(text) => {
                    bytes.push(b't');
                    bytes.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes
    }

    fn change(kind: u8, table: u32, rows: &[Vec<u8>]) -> Vec<u8> {
        [&[kind][..], &table.to_be_bytes(), &rows.concat()].concat()
    }

    #[test]
    fn messages_tell_which_rows_were_changed() {
        let mut messages = Messages::new(TABLE, "id");
        let mut read = |bytes: Vec<u8>| messages.read(&bytes);
        let keys = |keys: &[&str]| Ok(Message::Change(keys.iter().map(|key| (*key).to_owned()).collect()));
        let mut begin = vec![b'B'];
        begin.extend([0; 16]);
        begin.extend(753_u32.to_be_bytes());
        assert_eq!(read(begin), Ok(Message::Begin { transaction: 753 }));
        let early = change(b'I', TABLE, &[row(b'N', &[Some("x"), Some("7")])]);
        assert!(read(early).is_err(), "the table is told first");
        assert_eq!(read(relation(TABLE + 1, &["id"])), Ok(Message::Other));
        assert_eq!(read(relation(TABLE, &["note", "id"])), Ok(Message::Other));
        assert_eq!(read(change(b'I', TABLE, &[row(b'N', &[Some("x"), Some("7")])])), keys(&["7"]));
        assert_eq!(read(change(b'I', TABLE + 1, &[row(b'N', &[Some("x")])])), Ok(Message::Other));
        assert_eq!(read(change(b'U', TABLE, &[row(b'N', &[Some("unchanged"), Some("7")])])), keys(&["7"]));
        let moved = [row(b'K', &[None, Some("7")]), row(b'N', &[Some("x"), Some("8")])];
        assert_eq!(read(change(b'U', TABLE, &moved)), keys(&["7", "8"]));
        let whole = [row(b'O', &[Some("x"), Some("8")]), row(b'N', &[Some("y"), Some("8")])];
        assert_eq!(read(change(b'U', TABLE, &whole)), keys(&["8"]));
        let far = [row(b'K', &[None, Some("8")]), row(b'N', &[Some("y"), Some("unchanged")])];
        assert_eq!(read(change(b'U', TABLE, &far)), keys(&["8"]));
        assert!(read(change(b'U', TABLE, &[row(b'N', &[Some("y"), Some("unchanged")])])).is_err());
        assert_eq!(read(change(b'D', TABLE, &[row(b'K', &[None, Some("8")])])), keys(&["8"]));
        assert_eq!(read(change(b'D', TABLE, &[row(b'O', &[None, None])])), keys(&[]));
        let emptied =
            |table: u32| [&[b'T'][..], &2_u32.to_be_bytes(), &[0], &9_u32.to_be_bytes(), &table.to_be_bytes()].concat();
        assert_eq!((read(emptied(TABLE)), read(emptied(TABLE + 1))), (Ok(Message::Emptied), Ok(Message::Other)));
        let mut commit = vec![b'C'];
        commit.extend([0; 9]);
        commit.extend(0x16_B374_D848_u64.to_be_bytes());
        commit.extend([0; 8]);
        assert_eq!(read(commit), Ok(Message::Commit { end: 0x16_B374_D848 }));
        assert_eq!(read(b"O".to_vec()), Ok(Message::Other));
        assert!(read(relation(TABLE, &["note"])).is_err(), "the key is left out");
    }

    #[test]
    fn what_is_cut_off_is_told_and_nothing_panics() {
        let mut messages = Messages::new(TABLE, "id");
        messages.read(&relation(TABLE, &["id"])).expect("a table");
        let whole = [
            relation(TABLE, &["id"]),
            change(b'U', TABLE, &[row(b'K', &[Some("7")]), row(b'N', &[Some("8")])]),
            [&[b'T'][..], &1_u32.to_be_bytes(), &[0], &TABLE.to_be_bytes()].concat(),
        ];
        for bytes in whole {
            assert!(messages.read(&bytes).is_ok());
            // A change may end behind its first row: then it is another change.
            let first = 5 + 1 + 2 + 1 + 4 + 1;
            for end in (0..bytes.len()).filter(|end| !(bytes[0] == b'U' && *end == first)) {
                assert!(messages.read(&bytes[..end]).is_err(), "{end} of {bytes:?}");
            }
        }
        assert!(messages.read(b"x").is_err());
        assert!(
            messages.is_of_another(&change(b'I', TABLE + 1, &[])) && !messages.is_of_another(&change(b'I', TABLE, &[]))
        );
        assert!(!messages.is_of_another(b"B") && messages.is_of_another(b"I"));
    }
}
