//! Text and numbers as the page shows them.

/// Text for HTML. Characters that XML cannot have become the replacement character.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            character if character.is_control() => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

/// `10.0 ms` as `10 ms`: for values that are round, not measured.
pub fn trim(shown: &str) -> String {
    match shown.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        _ => shown.to_owned(),
    }
}

/// `0.25`, `12 000`.
pub fn short(value: f64) -> String {
    if value.fract() != 0.0 {
        return value.to_string();
    }
    group(value as u64)
}

/// Groups of three digits, separated by a space that does not break. Four digits stay together.
pub fn group(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        let escaped = "&lt;b&gt; &amp; &quot;it&#39;s&quot; \u{fffd}[31m";
        assert_eq!(escape("<b> & \"it's\" \u{1b}[31m"), escaped);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(group(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(group(1234), "1234");
        assert_eq!(short(0.25), "0.25");
        assert_eq!(trim("10.0 ms"), "10 ms");
    }
}
