//! Classes of characters.

use super::escape::Escaped;
use super::{Refusal, Result, Translator, escaped, other_case};

/// Classes in each other.
const DEPTH_MAX: usize = 16;

impl Translator<'_> {
    /// A class; its `[` has been read.
    pub(super) fn class(&mut self, depth: usize) -> Result<String> {
        if depth >= DEPTH_MAX {
            return Err(Refusal::new("a class of at most 16 classes in each other"));
        }
        let mut class = String::from("[");
        if self.takes("^") {
            class.push('^');
        }
        let start = self.at;
        loop {
            // `]` right behind the opening stands for itself.
            let is_first = self.at == start;
            let Some(character) = self.next() else { return Err(Refusal::new("a class that is closed")) };
            match character {
                ']' if !is_first => break,
                '[' => class.push_str(&self.class(depth + 1)?),
                '&' if self.peek() == Some('&') => {
                    while self.takes("&") {}
                    class.push_str("&&");
                }
                '\\' => match self.escaped()? {
                    Escaped::Character(character) => self.range(character, &mut class)?,
                    Escaped::Class(inner) => class.push_str(&inner),
                    Escaped::Quote => {
                        while !self.takes("\\E") {
                            let Some(character) = self.next() else { break };
                            self.push_range(character, character, &mut class);
                        }
                    }
                    Escaped::Place(_) => return Err(Refusal::new("a character or a class within [ and ]")),
                },
                space if self.flags.has_comments && space.is_ascii_whitespace() => {}
                character => self.range(character, &mut class)?,
            }
        }
        class.push(']');
        Ok(class)
    }

    /// A character, or a range that begins with it.
    fn range(&mut self, first: char, class: &mut String) -> Result<()> {
        let begins = self.peek() == Some('-') && !matches!(self.pattern.get(self.at + 1), None | Some(']' | '['));
        if !begins {
            self.push_range(first, first, class);
            return Ok(());
        }
        self.at += 1;
        let last = match self.next() {
            Some('\\') => match self.escaped()? {
                Escaped::Character(last) => last,
                Escaped::Class(_) | Escaped::Quote | Escaped::Place(_) => {
                    return Err(Refusal::new("a character at the end of a range"));
                }
            },
            Some(last) => last,
            None => return Err(Refusal::new("a class that is closed")),
        };
        if last < first {
            return Err(Refusal::new("a range that ends behind its beginning"));
        }
        self.push_range(first, last, class);
        Ok(())
    }

    fn push_range(&self, first: char, last: char, class: &mut String) {
        let mut push = |first: char, last: char| {
            class.push_str(&escaped(first));
            if last != first {
                class.push('-');
                class.push_str(&escaped(last));
            }
        };
        push(first, last);
        if self.flags.ignores_case && !self.flags.folds_unicode {
            for letters in ['a'..='z', 'A'..='Z'] {
                let (first, last) = (first.max(*letters.start()), last.min(*letters.end()));
                if first <= last {
                    push(other_case(first).unwrap_or(first), other_case(last).unwrap_or(last));
                }
            }
        }
    }
}
