//! An error that points into the .proto file.

use std::fmt;

/// Why a .proto file was refused. Displays as `file:line: what is wrong`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    file: Option<String>,
    line: Option<u32>,
    message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            file: None,
            line: None,
            message: message.into(),
        }
    }

    pub(crate) fn at(file: impl Into<String>, line: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            file: Some(file.into()),
            line,
            message: message.into(),
        }
    }

    /// The .proto file, as it is named relative to its include folder.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line in the file, from 1, where it is known.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// What is wrong, and what to do instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            write!(f, " ")?;
        }
        f.write_str(&self.message)
    }
}

/// As displayed: this is what cargo shows when a `build.rs` returns the error from `main`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// protox shows the place only in its `Debug` text, as `file:line:column: message`.
impl From<protox::Error> for Error {
    fn from(error: protox::Error) -> Self {
        let text = format!("{error:?}");
        let Some(file) = error.file() else {
            return Self::new(text);
        };
        let Some(rest) = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')) else {
            return Self::at(file, None, text);
        };
        let mut parts = rest.splitn(3, ':');
        match (
            parts.next().map(str::parse),
            parts.next().map(str::parse::<u32>),
            parts.next(),
        ) {
            (Some(Ok(line)), Some(Ok(_column)), Some(message)) => {
                Self::at(file, Some(line), instead_of(message.trim()))
            }
            _ => Self::at(file, None, rest.trim()),
        }
    }
}

/// The parser does not know what to use instead of what it refuses.
fn instead_of(message: &str) -> &str {
    match message {
        _ if message.ends_with("but found 'edition'") => {
            "editions are not supported: begin the file with `syntax = \"proto3\";`, and say `optional` of fields that \
             have to tell whether they are set"
        }
        "groups are not allowed in proto3 syntax" => "groups are not supported: use a message field",
        "required fields are not allowed in proto3 syntax" => {
            "required fields are not supported: say `optional`, and let the service refuse what it needs and does not get"
        }
        "default values are not allowed in proto3" => {
            "default values are not supported: say `optional`, and let who reads the field choose what it is when not set"
        }
        _ => message,
    }
}
