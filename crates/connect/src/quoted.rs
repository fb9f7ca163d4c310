//! CSV row by row: values with something between them, in quotes where they hold that, a quote or the end of a line.
//!
//! A quote that was opened by mistake would make one value of all rows until the next one. It shows there: something else stands behind the quote
//! that ends the value, or nothing ends it. Such a row is told as a [`Fault`], is its first line alone, and reading goes on with the next line.

use std::io::{self, Read};

use csv::ByteRecord;

/// Bytes that are read in one go.
const READ_BYTES: usize = 1 << 16;

/// Reads rows; blank lines are none.
pub struct Quoted<R> {
    input: R,
    delimiter: u8,
    bytes_max: usize,
    /// What was read, and from where on it was not given out.
    buffer: Vec<u8>,
    start: usize,
    is_begun: bool,
    is_at_end: bool,
    place: Place,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The line that it begins in, from 1.
    pub line: u64,
    /// Its values; those of its first line as they stand there, where it has a fault.
    pub values: ByteRecord,
    /// Why it is no row.
    pub fault: Option<Fault>,
}

/// What a quote may be that is no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The value that it begins ends in this line, and something else stands behind that.
    Astray(u64),
    /// The value that it begins does not end before the file does.
    Open,
    /// The value that it begins is larger than a row may be.
    Endless,
}

/// Why nothing more is read.
#[derive(Debug)]
pub enum Broken {
    /// The input cannot be read.
    Input(io::Error),
    /// A row without quotes that do not end is larger than a row may be.
    TooLarge,
}

#[derive(Clone, Copy)]
struct Place {
    line: u64,
    before: u8,
}

impl Place {
    /// Goes past a byte: behind the end of a line, which is LF, CR or both, stands the next one.
    fn pass(&mut self, byte: u8) {
        self.line += u64::from(self.before == b'\n' || (self.before == b'\r' && byte != b'\n'));
        self.before = byte;
    }
}

enum State {
    /// Before the first byte of a row.
    Row,
    /// Before the first byte of a value.
    Value,
    /// In a value without quotes.
    Plain,
    /// Behind a quote that begins a value.
    Inside,
    /// Behind a quote within such a value: its end, or the first of two.
    Quote,
}

enum Came {
    Row(Found),
    Fault(Fault),
    End,
}

impl<R: Read> Quoted<R> {
    /// Of text with this byte between values, and rows of no more than so many bytes. A mark of the order of bytes at its beginning is none of them.
    pub fn new(input: R, delimiter: u8, bytes_max: usize) -> Self {
        let place = Place { line: 1, before: 0 };
        Self { input, delimiter, bytes_max, buffer: Vec::new(), start: 0, is_begun: false, is_at_end: false, place }
    }

    /// The next row; none behind the last.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn read(&mut self) -> Result<Option<Found>, Broken> {
        if !self.is_begun {
            self.skip_mark()?;
            self.is_begun = true;
        }
        match self.scan()? {
            Came::Row(found) => Ok(Some(found)),
            Came::End => Ok(None),
            Came::Fault(fault) => self.first_line(fault).map(Some),
        }
    }

    fn skip_mark(&mut self) -> Result<(), Broken> {
        while self.buffer.len() < 3 && self.fill()? {}
        if self.buffer.starts_with("\u{feff}".as_bytes()) {
            self.start = 3;
        }
        Ok(())
    }

    fn scan(&mut self) -> Result<Came, Broken> {
        let (mut values, mut value) = (ByteRecord::new(), Vec::new());
        let (mut state, mut place, mut line) = (State::Row, self.place, self.place.line);
        let mut at = 0;
        loop {
            if at > self.bytes_max {
                return if matches!(state, State::Inside) {
                    Ok(Came::Fault(Fault::Endless))
                } else {
                    Err(Broken::TooLarge)
                };
            }
            let Some(byte) = self.byte(at)? else {
                return Ok(self.ended(at, (state, place, line), (values, value)));
            };
            place.pass(byte);
            at += 1;
            if matches!(state, State::Row) {
                line = place.line;
            }
            let ends_line = matches!(byte, b'\n' | b'\r');
            state = match (state, byte) {
                (State::Row, _) if ends_line => {
                    // Blank lines are left behind for good, so that a fault of the next row does not bring them back.
                    (self.start, self.place) = (self.start + at, place);
                    at = 0;
                    State::Row
                }
                (State::Row | State::Value, b'"') => State::Inside,
                (State::Inside, b'"') => State::Quote,
                (State::Inside, _) | (State::Quote, b'"') => {
                    value.push(byte);
                    State::Inside
                }
                (State::Row | State::Value | State::Plain | State::Quote, _) if ends_line || byte == self.delimiter => {
                    values.push_field(&value);
                    value.clear();
                    if ends_line {
                        (self.start, self.place) = (self.start + at, place);
                        return Ok(Came::Row(Found { line, values, fault: None }));
                    }
                    State::Value
                }
                (State::Quote, _) => return Ok(Came::Fault(Fault::Astray(place.line))),
                (State::Row | State::Value | State::Plain, _) => {
                    value.push(byte);
                    State::Plain
                }
            };
        }
    }

    /// What the end of the input makes of a row.
    fn ended(
        &mut self,
        at: usize,
        (state, place, line): (State, Place, u64),
        (mut values, value): (ByteRecord, Vec<u8>),
    ) -> Came {
        match state {
            State::Row => Came::End,
            State::Inside => Came::Fault(Fault::Open),
            State::Value | State::Plain | State::Quote => {
                values.push_field(&value);
                (self.start, self.place) = (self.start + at, place);
                Came::Row(Found { line, values, fault: None })
            }
        }
    }

    /// The byte so far behind the beginning of the row; none behind the last.
    fn byte(&mut self, at: usize) -> Result<Option<u8>, Broken> {
        while self.start + at == self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.start + at]))
    }

    /// Reads more behind what is there. Answers whether there was more.
    fn fill(&mut self) -> Result<bool, Broken> {
        if self.is_at_end {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(Broken::Input)?;
        self.is_at_end = read == 0;
        Ok(read > 0)
    }

    /// The line that the row begins in, which was read with the fault, taken off without a look at quotes.
    fn first_line(&mut self, fault: Fault) -> Result<Found, Broken> {
        let end = loop {
            let rest = &self.buffer[self.start..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            if end.map_or(rest.len(), |end| end + 1) > self.bytes_max.saturating_add(1) {
                return Err(Broken::TooLarge);
            }
            if end.is_some() || !self.fill()? {
                break end;
            }
        };
        let rest = &self.buffer[self.start..];
        let text = &rest[..end.unwrap_or(rest.len())];
        let values = text.split(|byte| *byte == self.delimiter).collect();
        let taken = text.len() + usize::from(end.is_some());
        let mut place = self.place;
        rest[..taken].iter().for_each(|byte| place.pass(*byte));
        let line = if text.is_empty() { place.line } else { first(self.place, text[0]) };
        (self.start, self.place) = (self.start + taken, place);
        Ok(Found { line, values, fault: Some(fault) })
    }
}

fn first(mut place: Place, byte: u8) -> u64 {
    place.pass(byte);
    place.line
}
