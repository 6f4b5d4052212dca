//! Compiles the messages and services of the examples, and those of the tests both ways.

use std::path::Path;
use std::{env, fs};

use crake_wire_gen::{Config, Error};

fn main() -> Result<(), Error> {
    let config = || Config::new().include("proto").services();
    config().file("proto/echo.proto").compile_to_out_dir()?;
    config()
        .file("proto/key_value.proto")
        .gathered()
        .compile_to_out_dir()?;

    let every = || {
        Config::new()
            .file("tests/every.proto")
            .include("tests")
            .services()
    };
    println!("cargo::rerun-if-changed=tests/every.proto");
    write("every_plain.rs", every())?;
    write("every_gathered.rs", every().gathered())
}

/// One package under a name of its own.
fn write(file: &str, config: Config) -> Result<(), Error> {
    let module = config.compile()?.remove(0);
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&folder).join(file), module.text).expect("the folder is there");
    Ok(())
}
