//! Lines of Rust, indented by the braces that they open and close.

#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    depth: usize,
}

impl Text {
    /// Adds a line. One that starts by closing a brace or parenthesis is indented less, and what follows one that ends
    /// by opening one is indented more.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if line.trim_start().starts_with(['}', ')']) {
            self.depth -= 1;
        }
        self.text.push_str(&"    ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
        if line.ends_with(['{', '(']) {
            self.depth += 1;
        }
    }

    pub(super) fn lines<L: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = L>) {
        for line in lines {
            self.line(line);
        }
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Documentation: the comments of the .proto file or, when there are none, `otherwise`.
    pub(super) fn docs(&mut self, comments: &[String], otherwise: &str) {
        if comments.is_empty() {
            self.doc(otherwise);
        }
        for comment in comments {
            self.doc(comment);
        }
    }

    /// A line of documentation. It has a depth of its own: no brace in it counts.
    pub(super) fn doc(&mut self, doc: &str) {
        let line = format!("/// {doc}");
        self.text.push_str(&"    ".repeat(self.depth));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        assert_eq!(self.depth, 0, "the emitter closes what it opens");
        self.text
    }
}
