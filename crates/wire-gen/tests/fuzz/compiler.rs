//! The compiler, and the comparison of two versions.
//!
//! Input: texts with a byte 0xff between them, which no text has: of `a.proto`, of `b.proto`, which the first may import, and of an
//! `a.proto` of after.

use std::path::Path;
use std::{fs, io};

use crake_wire_gen::{Config, Error, Module, Protos, breaking};

const BETWEEN: u8 = 0xff;

/// What text there is at most, in bytes: the compiler's errors are looked at, not its speed.
const LEN_MAX: usize = 8 * 1024;

/// Compiles, if that can be, and gives what came of it.
pub fn run(input: &[u8]) -> Vec<Module> {
    if input.len() > LEN_MAX {
        return Vec::new();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut texts = input.splitn(3, |byte| *byte == BETWEEN);
    let [first, second, after] = [texts.next(), texts.next(), texts.next()].map(Option::unwrap_or_default);
    let old = folder.path().join("old");
    write(&old, first, second).expect("files in it");
    match config(&old).load() {
        Ok(before) => {
            compare(&before, after, second, &folder.path().join("new"));
            compile(&old)
        }
        Err(error) => {
            assert_has_place(&error, &old);
            Vec::new()
        }
    }
}

fn write(folder: &Path, first: &[u8], second: &[u8]) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::write(folder.join("a.proto"), first)?;
    fs::write(folder.join("b.proto"), second)
}

fn config(folder: &Path) -> Config {
    Config::new().file("a.proto").include(folder)
}

fn compile(folder: &Path) -> Vec<Module> {
    // Types of another package are known to be somewhere.
    let config = config(folder).package_path("b", "crate::b");
    let modules = config.compile();
    let gathered = config.gathered().compile();
    match (modules, gathered) {
        (Ok(mut modules), Ok(gathered)) => {
            modules.extend(gathered);
            // Rust takes one in a comment for a mistake.
            assert!(modules.iter().all(|module| !module.text.contains('\r')));
            modules
        }
        (Err(error), Err(_)) => {
            assert_has_place(&error, folder);
            Vec::new()
        }
        (modules, gathered) => panic!("{modules:?} and {gathered:?}"),
    }
}

/// An error says in which file, and a line that is there.
fn assert_has_place(error: &Error, folder: &Path) {
    let file = error.file().unwrap_or_else(|| panic!("in no file: {error}"));
    if let Some(line) = error.line() {
        let text = fs::read(folder.join(file)).unwrap_or_default();
        let lines = text.split(|byte| b"\r\n".contains(byte)).count();
        assert!(
            (1..=lines).contains(&(line as usize)),
            "{error}: of {lines} lines"
        );
    }
    assert!(!error.message().is_empty());
}

fn compare(before: &Protos, after: &[u8], second: &[u8], new: &Path) {
    assert_eq!(breaking(before, before), [], "nothing changed");
    write(new, after, second).expect("files in the folder");
    let Ok(after) = config(new).load() else {
        return;
    };
    assert_told(before, &after);
    assert_told(&after, before);
}

fn assert_told(old: &Protos, new: &Protos) {
    for told in breaking(old, new) {
        assert!(told.place.line > 0 && !told.what.is_empty());
    }
}
