//! What stands behind a backslash.

use super::{Refusal, Result, Translator};

const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x{0B}\x{0C}\r\x{85}\x{2028}\x{2029}";
const WRONG_HEX: Refusal = Refusal::new("a character in hexadecimal digits, as in \\x41, \\x{1F600} or \\u00E9");
const WRONG_OCTAL: Refusal = Refusal::new("a character in octal digits, as in \\012");

/// What an escape stands for.
pub(super) enum Escaped {
    Character(char),
    Class(String),
    /// Everything until `\E`, as it is.
    Quote,
    /// Something that is no character.
    Place(char),
}

impl Translator<'_> {
    /// An escape outside of classes; the backslash has been read.
    pub(super) fn escape(&mut self) -> Result<()> {
        match self.escaped()? {
            Escaped::Character(character) => self.literal(character),
            Escaped::Class(class) => self.push_class(&class),
            Escaped::Quote => {
                while !self.takes("\\E") {
                    let Some(character) = self.next() else { return Ok(()) };
                    self.literal(character);
                }
            }
            Escaped::Place(place) => self.place(place)?,
        }
        Ok(())
    }

    fn place(&mut self, place: char) -> Result<()> {
        const WORD: &str = "[a-zA-Z0-9_]";
        match place {
            'A' => self.push(r"\A"),
            'z' => self.push(r"\z"),
            'Z' => {
                let before = std::mem::take(&mut self.flags.is_multi_line);
                self.end();
                self.flags.is_multi_line = before;
            }
            'R' => self.push(&format!(r"(?:\r\n|[{VERTICAL}])")),
            'b' if self.peek() == Some('{') => return Err(super::UNREAD),
            'b' if self.flags.has_unicode_classes => self.push(r"\b"),
            'b' if !self.for_ways => self.push(r"(?-u:\b)"),
            'b' => self.push(&format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")),
            'B' => {
                self.tries_ways = true;
                self.push(&format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))"));
            }
            'k' => {
                if !self.takes("<") {
                    return Err(Refusal::new("the name of a group, as in \\k<name>"));
                }
                let name = self.name()?;
                let group = self.names.iter().position(|own| *own == name);
                self.group_again(group.ok_or(Refusal::new("the name of a group that stands before"))? + 1);
            }
            digit if digit.is_ascii_digit() => {
                let mut group = digit.to_digit(10).map_or(0, |digit| digit as usize);
                // More digits belong to it as long as there are so many groups.
                while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer > self.groups {
                        break;
                    }
                    group = longer;
                    self.at += 1;
                }
                if group > self.groups {
                    return Err(Refusal::new("the number of a group that stands before"));
                }
                self.group_again(group);
            }
            _ => return Err(super::UNREAD),
        }
        Ok(())
    }

    fn group_again(&mut self, group: usize) {
        self.tries_ways = true;
        let flag = if self.flags.ignores_case { "i" } else { "" };
        self.push(&format!(r"(?{flag}:\{group})"));
    }

    /// Reads what stands behind a backslash.
    pub(super) fn escaped(&mut self) -> Result<Escaped> {
        let Some(letter) = self.next() else { return Err(Refusal::new("something behind the backslash")) };
        let is_unicode = self.flags.has_unicode_classes;
        let class = |ascii: &str, unicode: &str| {
            Ok(Escaped::Class(if is_unicode { unicode.to_owned() } else { ascii.to_owned() }))
        };
        match letter {
            'd' => class("[0-9]", r"\d"),
            'D' => class("[^0-9]", r"\D"),
            'w' => class("[a-zA-Z0-9_]", r"\w"),
            'W' => class("[^a-zA-Z0-9_]", r"\W"),
            's' => class(r"[ \t\n\x{0B}\x{0C}\r]", r"\s"),
            'S' => class(r"[^ \t\n\x{0B}\x{0C}\r]", r"\S"),
            'h' => Ok(Escaped::Class(format!("[{HORIZONTAL}]"))),
            'H' => Ok(Escaped::Class(format!("[^{HORIZONTAL}]"))),
            'v' => Ok(Escaped::Class(format!("[{VERTICAL}]"))),
            'V' => Ok(Escaped::Class(format!("[^{VERTICAL}]"))),
            'p' | 'P' => self.property(letter == 'P').map(Escaped::Class),
            'Q' => Ok(Escaped::Quote),
            't' => Ok(Escaped::Character('\t')),
            'n' => Ok(Escaped::Character('\n')),
            'r' => Ok(Escaped::Character('\r')),
            'f' => Ok(Escaped::Character('\u{0C}')),
            'a' => Ok(Escaped::Character('\u{07}')),
            'e' => Ok(Escaped::Character('\u{1B}')),
            'c' => {
                let control = self.next().and_then(|own| char::from_u32(u32::from(own) ^ 64));
                control.map(Escaped::Character).ok_or(Refusal::new("a control character, as in \\cM"))
            }
            '0' => self.octal().map(Escaped::Character),
            'x' if self.takes("{") => {
                self.braced(WRONG_HEX).and_then(|digits| code_point(&digits)).map(Escaped::Character)
            }
            'x' => self.hex(2).and_then(|digits| code_point(&digits)).map(Escaped::Character),
            'u' => self.utf16().map(Escaped::Character),
            letter if letter.is_ascii_alphanumeric() => Ok(Escaped::Place(letter)),
            other => Ok(Escaped::Character(other)),
        }
    }

    /// Everything until `}`.
    fn braced(&mut self, wrong: Refusal) -> Result<String> {
        let inner: String = self.pattern[self.at..].iter().take_while(|own| **own != '}').collect();
        self.at += inner.chars().count();
        if self.takes("}") { Ok(inner) } else { Err(wrong) }
    }

    fn octal(&mut self) -> Result<char> {
        let (mut number, mut digits) = (0, 0);
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) {
            if digits == 3 || number * 8 + digit > 0o377 {
                break;
            }
            (number, digits) = (number * 8 + digit, digits + 1);
            self.at += 1;
        }
        char::from_u32(number).filter(|_| digits > 0).ok_or(WRONG_OCTAL)
    }

    fn hex(&mut self, count: usize) -> Result<String> {
        let digits: String = self.pattern.iter().skip(self.at).take(count).collect();
        if digits.len() != count || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(WRONG_HEX);
        }
        self.at += count;
        Ok(digits)
    }

    /// A character in one unit of UTF-16, or in two.
    fn utf16(&mut self) -> Result<char> {
        let unit = |digits: String| u16::from_str_radix(&digits, 16).unwrap_or_default();
        let mut units = vec![unit(self.hex(4)?)];
        if (0xD800..0xDC00).contains(&units[0]) && self.takes("\\u") {
            units.push(unit(self.hex(4)?));
        }
        String::from_utf16(&units).ok().and_then(|text| text.chars().next()).ok_or(WRONG_HEX)
    }

    /// `{name}` or one letter behind `\p` or `\P`.
    fn property(&mut self, is_other: bool) -> Result<String> {
        const WRONG: Refusal = Refusal::with(
            "a class that is supported",
            "classes are \\p{Alpha} and the like, \\p{L}, \\p{Lu} and the like, \\p{IsAlphabetic}, \\p{IsGreek}; for a block name a script",
        );
        let name: String = match self.next() {
            Some('{') => self.braced(WRONG)?,
            Some(letter) => letter.into(),
            None => return Err(WRONG),
        };
        let is_named = |own: char| own.is_ascii_alphanumeric() || matches!(own, '_' | '-' | ' ' | '=');
        if name.is_empty() || !name.chars().all(is_named) {
            return Err(WRONG);
        }
        let not = if is_other { "^" } else { "" };
        if let Some(posix) = self.posix(&name).filter(|_| !self.flags.has_unicode_classes) {
            return Ok(format!("[{not}{posix}]"));
        }
        let unicode = match name.as_str() {
            "Lower" | "javaLowerCase" => "Lowercase",
            "Upper" | "javaUpperCase" => "Uppercase",
            "Alpha" | "javaAlphabetic" => "Alphabetic",
            "Digit" | "javaDigit" => "Nd",
            "Space" => "White_Space",
            "Punct" => "P",
            "javaLetter" => "L",
            other if other.starts_with("In") || other.starts_with("java") => return Err(WRONG),
            other => other.strip_prefix("Is").unwrap_or(other),
        };
        Ok(format!(r"[{not}\p{{{unicode}}}]"))
    }

    /// What stands in a class of ASCII.
    fn posix(&self, name: &str) -> Option<&'static str> {
        Some(match name {
            "Lower" | "Upper" if self.flags.ignores_case => "a-zA-Z",
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`\{-\x7E",
            "Graph" => r"!-\x7E",
            "Print" => r"\x20-\x7E",
            "Blank" => r" \t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => r" \t\n\x{0B}\x{0C}\r",
            _ => return None,
        })
    }
}

fn code_point(digits: &str) -> Result<char> {
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or(WRONG_HEX)
}
