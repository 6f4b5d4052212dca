//! From the names of a .proto file to Rust's.

/// A message's or enum's name; `foo_bar` becomes `FooBar`, `HTTPError` stays.
pub(crate) fn type_name(name: &str) -> String {
    name.split('_').map(capitalized).collect()
}

/// An enum value's name, without the enum's own name before it: `KIND_NONE` of `Kind` becomes `None`.
pub(crate) fn variant_name(enum_name: &str, value: &str) -> String {
    let variant: String = own_name(enum_name, value).split('_').map(camel_part).collect();
    if variant == "Self" {
        "Self_".to_owned()
    } else {
        variant
    }
}

/// The constant of a further name for an enum's value: `KIND_NOTHING` of `Kind` becomes `NOTHING`.
pub(crate) fn alias_name(enum_name: &str, value: &str) -> String {
    constant_name(own_name(enum_name, value))
}

fn own_name<'v>(enum_name: &str, value: &'v str) -> &'v str {
    value
        .strip_prefix(&snake_case(enum_name).to_uppercase())
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()))
        .unwrap_or(value)
}

/// A method's constant.
pub(crate) fn constant_name(name: &str) -> String {
    snake_case(name).to_uppercase()
}

/// A field's, or service module's, name; `fooBar` becomes `foo_bar`, and keywords are made usable.
pub(crate) fn identifier(name: &str) -> String {
    let name = snake_case(name);
    match name.as_str() {
        "self" | "super" | "crate" | "parse" => name + "_",
        name if KEYWORDS.contains(&name) => format!("r#{name}"),
        _ => name,
    }
}

/// Lower case, with `_` where a word starts: before a capital that follows a small letter or a digit, and before the
/// last capital of a run that a small letter follows.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if starts_word {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn camel_part(part: &str) -> String {
    if part.chars().any(|letter| letter.is_ascii_lowercase()) {
        capitalized(part)
    } else {
        capitalized(&part.to_lowercase())
    }
}

fn capitalized(part: &str) -> String {
    let mut letters = part.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}

/// Keywords that can be names when written raw.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names from Rust's prelude that the output uses, and that a message of the same name would hide.
pub(crate) const TAKEN: &[&str] = &["Default", "Option", "Result", "Self", "TryFrom"];

/// Functions of a service that are not its methods.
pub(crate) const TAKEN_METHODS: &[&str] = &["closed", "opened"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_start_where_case_changes() {
        for (name, snake) in [
            ("LookupRequest", "lookup_request"),
            ("fooBar", "foo_bar"),
            ("already_snake", "already_snake"),
            ("HTTPServer", "http_server"),
            ("crc32C", "crc32_c"),
            ("X", "x"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn values_lose_their_enums_name_unless_nothing_usable_is_left() {
        assert_eq!(variant_name("Kind", "KIND_NONE"), "None");
        assert_eq!(variant_name("Kind", "KINDNESS"), "Kindness");
        assert_eq!(variant_name("Kind", "KIND_2D"), "Kind2d");
        assert_eq!(variant_name("Condition", "IF_ABSENT"), "IfAbsent");
        assert_eq!(variant_name("NodeKind", "NODE_KIND_SELF"), "Self_");
    }

    #[test]
    fn keywords_become_usable() {
        assert_eq!(identifier("type"), "r#type");
        assert_eq!(identifier("self"), "self_");
        assert_eq!(identifier("parse"), "parse_");
        assert_eq!(identifier("size"), "size");
    }
}
