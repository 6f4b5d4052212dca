//! From the comments of a .proto file to rustdoc.

use prost_types::source_code_info::Location;

/// The comment before a declaration, and the one after it on its line, as paragraphs of Markdown.
pub(crate) fn doc_lines(location: Option<&Location>) -> Vec<String> {
    let Some(location) = location else {
        return Vec::new();
    };
    let mut lines = paragraph(location.leading_comments());
    let trailing = paragraph(location.trailing_comments());
    if !lines.is_empty() && !trailing.is_empty() {
        lines.push(String::new());
    }
    lines.extend(trailing);
    lines
}

/// What rustdoc would take for something else than text is made text: an indented block would be compiled as a test,
/// brackets would be links, angles HTML. What Rust refuses in a comment is left out: a carriage return ends a line, by itself, too, and
/// nothing changes the direction of text.
fn paragraph(comment: &str) -> Vec<String> {
    const INDENT_MAX: usize = 3;
    let comment = comment.replace("\r\n", "\n").replace(changes_direction, "");
    let mut lines: Vec<String> = Vec::new();
    let mut in_fence = false;
    for line in comment.trim_end().split(['\n', '\r']) {
        let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
        let text = line.trim_start();
        if text.starts_with("```") {
            in_fence = !in_fence;
            lines.push(if in_fence {
                "```text".to_owned()
            } else {
                "```".to_owned()
            });
        } else if in_fence {
            lines.push(line.to_owned());
        } else {
            let indent = (line.len() - text.len()).min(INDENT_MAX);
            lines.push(" ".repeat(indent) + &escaped(text));
        }
    }
    if in_fence {
        lines.push("```".to_owned());
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.split_off(blank)
}

/// Unicode's embeddings, overrides and isolates.
fn changes_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes outside of `code`.
fn escaped(text: &str) -> String {
    // A lone backtick opens nothing.
    let ticks = text.matches('`').count();
    let mut in_code = false;
    let mut escaped = String::with_capacity(text.len());
    let mut seen = 0;
    for letter in text.chars() {
        match letter {
            '`' => {
                seen += 1;
                in_code = !in_code && seen < ticks;
            }
            '[' | ']' | '<' | '>' if !in_code => escaped.push('\\'),
            _ => {}
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(leading: &str, trailing: &str) -> Location {
        Location {
            leading_comments: Some(leading.to_owned()),
            trailing_comments: Some(trailing.to_owned()),
            ..Location::default()
        }
    }

    #[test]
    fn both_comments_are_kept_apart() {
        assert_eq!(
            doc_lines(Some(&location(" Before,\n in two lines.\n", " after\n"))),
            ["Before,", "in two lines.", "", "after"]
        );
        assert_eq!(doc_lines(Some(&location("", " after\n"))), ["after"]);
        assert!(doc_lines(None).is_empty());
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(paragraph("      indented\n"), ["   indented"]);
        assert_eq!(
            paragraph(" a[0] <T> `b[0] <T>` c[1]"),
            ["a\\[0\\] \\<T\\> `b[0] <T>` c\\[1\\]"]
        );
        assert_eq!(
            paragraph(" ```\n assert!(false);"),
            ["```text", "assert!(false);", "```"]
        );
        assert_eq!(paragraph(" a\u{202e}b\u{2069}"), ["ab"]);
        assert_eq!(paragraph(" a\r b\r\n c\n\r"), ["a", "b", "c"]);
    }
}
