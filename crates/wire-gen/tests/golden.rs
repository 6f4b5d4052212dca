//! The output is what is checked in under `tests/golden`, letter by letter. The other tests compile those files, so what
//! they say holds for what the compiler writes today.
//!
//! `CRAKE_UPDATE_GOLDEN=1 cargo test -p crake-wire-gen --test golden` writes the files anew; read the difference before
//! you commit it.

use std::{env, fs, path::Path};

use crake_wire_gen::Config;

#[test]
fn the_output_is_what_is_checked_in() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let update = env::var_os("CRAKE_UPDATE_GOLDEN").is_some();
    for name in ["bulk", "every", "example", "new", "old"] {
        let config = Config::new()
            .file(format!("{name}.proto"))
            .include(tests.join("proto"));
        let config = if name == "bulk" { config.gathered() } else { config };
        let text = config.compile().unwrap().remove(0).text;
        let golden = tests.join("golden").join(format!("{name}.rs"));
        if update {
            fs::write(&golden, &text).unwrap();
        }
        let checked_in = fs::read_to_string(&golden).unwrap();
        let differs = text
            .lines()
            .zip(checked_in.lines())
            .position(|(now, before)| now != before);
        assert!(
            text == checked_in,
            "{name}.rs differs from the output, first in line {:?}: see tests/golden.rs for how to update it",
            differs.map(|line| line + 1)
        );
    }
}
