//! Patterns as `java.util.regex` writes them, in the words of the engines that match them here.
//!
//! What a pattern means is said in full: classes are those of ASCII, `.` and `$` know five ends of lines, case is ignored for ASCII
//! letters alone, unless flags say otherwise. Nothing is left to what an engine takes for granted.

mod class;
mod escape;

/// Groups, classes and repetitions in each other.
const DEPTH_MAX: usize = 64;
/// One of the characters that end a line, as part of a class.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What was expected.
    pub(crate) expected: &'static str,
    /// What may be written instead.
    pub(crate) hint: Option<&'static str>,
}

impl Refusal {
    const fn new(expected: &'static str) -> Self {
        Self { expected, hint: None }
    }

    const fn with(expected: &'static str, hint: &'static str) -> Self {
        Self { expected, hint: Some(hint) }
    }
}

/// An engine cannot read what a pattern was translated to: what it does not know, it names as one of these.
pub(super) const UNREAD: Refusal = Refusal::with(
    "a pattern as java.util.regex writes it",
    "\\G, \\X, \\N{…}, \\b{g} and blocks such as \\p{InGreek} are not supported",
);
pub(super) const UNREAD_OF_WAYS: Refusal = Refusal::with(
    "a pattern as java.util.regex writes it",
    "a look behind has a bounded length, and what looks around is not repeated; \\G, \\X, \\N{…} and blocks are not supported",
);
pub(super) const TOO_LARGE: Refusal = Refusal::with(
    "a pattern that needs at most 262144 bytes compiled",
    "repeat less often, or ask for the length otherwise",
);

type Result<T> = std::result::Result<T, Refusal>;

/// A pattern for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) text: String,
    /// Whether it looks around or back, so that ways have to be tried.
    pub(super) tries_ways: bool,
    /// Whether an end of a line at the end of the text may stand behind what it calls the end.
    pub(super) has_end: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    /// `i`
    ignores_case: bool,
    /// `m`
    is_multi_line: bool,
    /// `s`
    dot_is_all: bool,
    /// `x`
    has_comments: bool,
    /// `d`
    has_unix_lines: bool,
    /// `u`
    folds_unicode: bool,
    /// `U`
    has_unicode_classes: bool,
}

/// What is open.
struct Group {
    flags: Flags,
    /// Where it begins in what is written.
    at: usize,
}

struct Translator<'p> {
    pattern: &'p [char],
    at: usize,
    flags: Flags,
    open: Vec<Group>,
    out: String,
    /// Where the last thing begins that may be repeated.
    atom: Option<usize>,
    names: Vec<String>,
    groups: usize,
    /// Whether it is written for the engine that tries ways.
    for_ways: bool,
    tries_ways: bool,
    has_end: bool,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translated> {
    let characters: Vec<char> = pattern.chars().collect();
    let translated = Translator::new(&characters, false).whole()?;
    if translated.tries_ways { Translator::new(&characters, true).whole() } else { Ok(translated) }
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p [char], for_ways: bool) -> Self {
        Self {
            pattern,
            at: 0,
            flags: Flags::default(),
            open: Vec::new(),
            out: String::with_capacity(pattern.len() * 2),
            atom: None,
            names: Vec::new(),
            groups: 0,
            for_ways,
            tries_ways: false,
            has_end: false,
        }
    }

    fn whole(mut self) -> Result<Translated> {
        while let Some(character) = self.next() {
            self.one(character)?;
        }
        if !self.open.is_empty() {
            return Err(Refusal::new("a group that is closed"));
        }
        Ok(Translated { text: self.out, tries_ways: self.tries_ways, has_end: self.has_end })
    }

    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += 1;
        Some(character)
    }

    fn takes(&mut self, text: &str) -> bool {
        let takes = text.chars().enumerate().all(|(at, own)| self.pattern.get(self.at + at) == Some(&own));
        if takes {
            self.at += text.chars().count();
        }
        takes
    }

    fn one(&mut self, character: char) -> Result<()> {
        match character {
            '\\' => self.escape(),
            '[' => {
                let class = self.class(0)?;
                self.push_class(&class);
                Ok(())
            }
            '(' => self.group(),
            ')' => {
                let Group { flags, at } = self.open.pop().ok_or(Refusal::new("a group that is opened"))?;
                self.flags = flags;
                self.out.push(')');
                self.atom = Some(at);
                Ok(())
            }
            '|' => {
                self.out.push('|');
                self.atom = None;
                Ok(())
            }
            '*' | '+' | '?' | '{' => self.repeat(character),
            '^' => {
                self.start();
                Ok(())
            }
            '$' => {
                self.end();
                Ok(())
            }
            '.' => {
                let dot = match (self.flags.dot_is_all, self.flags.has_unix_lines) {
                    (true, _) => "(?s:.)".to_owned(),
                    (false, true) => r"[^\n]".to_owned(),
                    (false, false) => format!("[^{LINE_ENDS}]"),
                };
                self.push(&dot);
                Ok(())
            }
            space if self.flags.has_comments && space.is_ascii_whitespace() => Ok(()),
            '#' if self.flags.has_comments => {
                while self.next().is_some_and(|character| !matches!(character, '\n' | '\r')) {}
                Ok(())
            }
            character => {
                self.literal(character);
                Ok(())
            }
        }
    }

    /// Something that may be repeated.
    fn push(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.out.push_str(text);
    }

    fn push_class(&mut self, class: &str) {
        if self.flags.ignores_case && self.flags.folds_unicode {
            self.push(&format!("(?i:{class})"));
        } else {
            self.push(class);
        }
    }

    fn literal(&mut self, character: char) {
        let Flags { ignores_case, folds_unicode, .. } = self.flags;
        let escaped = escaped(character);
        match other_case(character).filter(|_| ignores_case) {
            _ if ignores_case && folds_unicode => self.push(&format!("(?i:{escaped})")),
            Some(other) => self.push(&format!("[{character}{other}]")),
            None => self.push(&escaped),
        }
    }

    fn group(&mut self) -> Result<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Refusal::new("a pattern of at most 64 groups in each other"));
        }
        let mut inner = self.flags;
        let opens = if !self.takes("?") {
            self.groups += 1;
            self.names.push(String::new());
            "("
        } else if self.takes(":") {
            "(?:"
        } else if self.takes("=") {
            self.looking("(?=")
        } else if self.takes("!") {
            self.looking("(?!")
        } else if self.takes("<=") {
            self.looking("(?<=")
        } else if self.takes("<!") {
            self.looking("(?<!")
        } else if self.takes(">") {
            self.looking("(?>")
        } else if self.takes("<") {
            let name = self.name()?;
            self.groups += 1;
            self.names.push(name);
            "("
        } else {
            match self.flags_read()? {
                (flags, true) => inner = flags,
                (flags, false) => {
                    self.flags = flags;
                    self.atom = None;
                    return Ok(());
                }
            }
            "(?:"
        };
        self.open.push(Group { flags: self.flags, at: self.out.len() });
        self.flags = inner;
        self.out.push_str(opens);
        self.atom = None;
        Ok(())
    }

    fn looking(&mut self, opens: &'static str) -> &'static str {
        self.tries_ways = true;
        opens
    }

    /// The name of a group, which begins with a letter and ends with `>`.
    fn name(&mut self) -> Result<String> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some('>') if !name.is_empty() => break,
                Some(letter) if letter.is_ascii_alphabetic() || (letter.is_ascii_digit() && !name.is_empty()) => {
                    name.push(letter);
                }
                _ => {
                    return Err(Refusal::new(
                        "the name of a group: a letter, then letters and digits, as in (?<name>…)",
                    ));
                }
            }
        }
        Ok(name)
    }

    /// Flags behind `(?`, and whether they hold for a group of their own.
    fn flags_read(&mut self) -> Result<(Flags, bool)> {
        let (mut flags, mut is_on) = (self.flags, true);
        loop {
            match self.next() {
                Some('-') if is_on => is_on = false,
                Some('i') => flags.ignores_case = is_on,
                Some('m') => flags.is_multi_line = is_on,
                Some('s') => flags.dot_is_all = is_on,
                Some('x') => flags.has_comments = is_on,
                Some('d') => flags.has_unix_lines = is_on,
                Some('u') => flags.folds_unicode = is_on,
                Some('U') => (flags.has_unicode_classes, flags.folds_unicode) = (is_on, is_on),
                Some(':') => return Ok((flags, true)),
                Some(')') => return Ok((flags, false)),
                _ => {
                    return Err(Refusal::with(
                        "a group that java.util.regex knows",
                        "groups are (…), (?:…), (?<name>…), (?=…), (?!…), (?<=…), (?<!…), (?>…) and flags (?idmsuxU-idmsuxU)",
                    ));
                }
            }
        }
    }

    fn repeat(&mut self, character: char) -> Result<()> {
        let Some(atom) = self.atom.take() else {
            return Err(Refusal::with("something to repeat", "write \\* or \\{ where the character itself is meant"));
        };
        let mut repeat = String::from(character);
        if character == '{' {
            let inner: String = self.pattern[self.at..].iter().take_while(|own| **own != '}').collect();
            let is_number = |text: &str| (1..=9).contains(&text.len()) && text.bytes().all(|own| own.is_ascii_digit());
            let is_read = match inner.split_once(',') {
                None => is_number(&inner),
                Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
            };
            self.at += inner.chars().count();
            if !is_read || !self.takes("}") {
                return Err(Refusal::new("a repetition such as {2}, {2,} or {2,5}"));
            }
            repeat = format!("{{{inner}}}");
        }
        if self.takes("+") {
            self.tries_ways = true;
            self.out.insert_str(atom, "(?>");
            self.out.push_str(&repeat);
            self.out.push(')');
        } else {
            self.out.push_str(&repeat);
            if self.takes("?") {
                self.out.push('?');
            }
        }
        Ok(())
    }

    fn start(&mut self) {
        let start = match (self.flags.is_multi_line, self.for_ways) {
            (false, _) => r"\A".to_owned(),
            (true, false) if self.flags.has_unix_lines => "(?m:^)".to_owned(),
            (true, false) => "(?mR:^)".to_owned(),
            (true, true) => format!(r"(?:\A|(?<=[{}]))", self.line_ends()),
        };
        self.push(&start);
    }

    fn end(&mut self) {
        let end = match (self.flags.is_multi_line, self.for_ways) {
            (false, false) => {
                self.has_end = true;
                r"\z".to_owned()
            }
            (false, true) => {
                let ends = self.line_ends();
                format!(r"(?=(?:\r\n|[{ends}])?\z)")
            }
            (true, false) if self.flags.has_unix_lines => "(?m:$)".to_owned(),
            (true, false) => "(?mR:$)".to_owned(),
            (true, true) => format!(r"(?=[{}]|\z)", self.line_ends()),
        };
        self.push(&end);
    }

    const fn line_ends(&self) -> &'static str {
        if self.flags.has_unix_lines { r"\n" } else { LINE_ENDS }
    }
}

/// The same letter of ASCII in the other case.
fn other_case(character: char) -> Option<char> {
    match character {
        'a'..='z' => Some(character.to_ascii_uppercase()),
        'A'..='Z' => Some(character.to_ascii_lowercase()),
        _ => None,
    }
}

/// A character that stands for itself, in a class or outside.
fn escaped(character: char) -> String {
    let is_special = matches!(
        character,
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#' | '&' | '-' | '~'
    );
    if is_special { format!("\\{character}") } else { character.to_string() }
}
