//! The examples do what `docs/services.md` says.

use std::fs;
use std::path::Path;
use std::process::Command;

fn printed(program: &str) -> String {
    let output = Command::new(program).output().expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn echo() {
    assert_eq!(printed(env!("CARGO_BIN_EXE_echo")), "hello\n");
}

#[test]
fn key_value() {
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_key_value")),
        "image/1 has 100000 bytes\n\
         image/3: status 100: no such key\n\
         image/1 has 100000 bytes\n\
         image/2 has 3000000 bytes\n"
    );
}

#[test]
fn the_page_shows_them_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/services.md")).expect("the page is there");
    for file in [
        "proto/echo.proto",
        "proto/key_value.proto",
        "src/echo.rs",
        "src/key_value/main.rs",
        "src/key_value/store.rs",
    ] {
        let text = fs::read_to_string(root.join(file)).expect("the file is there");
        assert!(
            page.contains(text.trim()),
            "docs/services.md shows another {file}"
        );
    }
}
