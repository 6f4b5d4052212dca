//! Messages in Protobuf's text format, as far as their parser does not look after itself.

/// How deep messages lie within each other at most in a message that is a text, without the outermost one.
///
/// For who reads such text of a stranger: `DynamicMessage::parse_text_format` goes as deep as its input, and takes the stack for that. What
/// lies within each other [`DEPTH_MAX`](super::DEPTH_MAX) times and more cannot be [`encode`](super::encode)d anyway.
pub fn text_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut string = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (string, letter) {
            (Some(_), '\\') => {
                letters.next();
            }
            (Some(quote), _) if letter == quote => string = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => string = Some(letter),
            (None, '#') => {
                letters.find(|letter| *letter == '\n');
            }
            (None, '{' | '<') => depth += 1,
            (None, '}' | '>') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_count_where_they_open_messages() {
        assert_eq!(text_depth("a: 1"), 0);
        assert_eq!(text_depth("a { b < c: 1 > } d {}"), 2);
        assert_eq!(text_depth(r#"a: "{{\"{{" b: '{"{' # {{{"#), 0);
        assert_eq!(text_depth("# {\n{ a: '\\'' { } }"), 2);
    }
}
