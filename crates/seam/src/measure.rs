//! The measures of a JSON text that are checked before anything is built from it.

/// How deep a JSON text is nested, and how many members or items its outermost level has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// How deep it is nested.
    pub depth: usize,
    /// Members or items of its outermost level.
    pub members: usize,
    /// Whether a number may lie beyond what ours hold: it has an exponent, or more than 20 digits in a row.
    pub(crate) great_numbers: bool,
}

/// Measures a text that is known to be JSON, in one pass over its bytes.
pub fn measure(json: &str) -> Measure {
    let (mut depth, mut deepest, mut commas) = (0_usize, 0, 0);
    let (mut is_empty, mut great_numbers, mut digits) = (true, false, 0_usize);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        if byte.is_ascii_digit() {
            digits += 1;
            great_numbers |= digits > 20;
            is_empty = false;
            continue;
        }
        great_numbers |= digits > 0 && matches!(byte, b'e' | b'E');
        digits = 0;
        match byte {
            b'{' | b'[' => {
                is_empty &= depth == 0;
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => commas += 1,
            b'"' => {
                is_empty = false;
                skip_text(&mut bytes);
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => is_empty = false,
        }
        // A container inside the outermost one is a member of it.
        is_empty &= depth < 2;
    }
    Measure { depth: deepest, members: if is_empty { 0 } else { commas + 1 }, great_numbers }
}

fn skip_text(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_members_are_counted_outside_texts() {
        let cases = [
            ("{}", 1, 0),
            (" { } ", 1, 0),
            ("[]", 1, 0),
            ("[[]]", 2, 1),
            ("{\"a\":1}", 1, 1),
            ("{\"a\":{\"b\":[1,2,{}]},\"c\":\"}{,\\\",\"}", 4, 2),
            ("[1,2,3]", 1, 3),
            ("[null]", 1, 1),
            ("\"text, with [\"", 0, 1),
        ];
        for (json, depth, members) in cases {
            assert_eq!(measure(json), Measure { depth, members, great_numbers: false }, "{json}");
        }
        for (json, expected) in [
            ("[12345678901234567890,true,1.5]", false),
            ("[123456789012345678901]", true),
            ("{\"a\":1e2}", true),
            ("{\"a\":-1.5E9}", true),
            ("{\"a\":\"1e2\",\"1e9\":false}", false),
        ] {
            assert_eq!(measure(json).great_numbers, expected, "{json}");
        }
    }
}
