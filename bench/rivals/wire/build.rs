//! Compiles the schemas. What flatbuffers needs is in `src/` already: its compiler must be of the library's own version, which no
//! distribution has (`schema/README.md`).

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, anyhow};
use prost::Message;

const PROTO: &str = "schema/messages.proto";
/// Where `crake/wire.proto` is for other compilers.
const OPTIONS: &str = "../../../crates/wire-gen/proto";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rustc-check-cfg=cfg(has_capnp)");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    for rival in ["crake", "prost", "buffa"] {
        fs::create_dir_all(out.join(rival))?;
    }

    // Payload is gathered; what has small fields is read as plain strings, bytes and numbers.
    let plain = crake_wire_gen::Config::new().file(PROTO).include("schema");
    for (name, config) in [("gathered", plain.clone().gathered()), ("plain", plain)] {
        for module in config.compile()? {
            fs::write(out.join("crake").join(name).with_extension("rs"), module.text)?;
        }
    }

    // What says which messages are fixed means nothing to others.
    let mut descriptors = protox::compile([PROTO], ["schema", OPTIONS])?;
    descriptors.file.retain(|file| file.package() == "messages");
    descriptors
        .file
        .iter_mut()
        .for_each(|file| file.dependency.clear());
    let set = out.join("messages.binpb");
    let bytes = descriptors.encode_to_vec();
    // buffa has this run again whenever the file was written.
    if fs::read(&set).ok().as_ref() != Some(&bytes) {
        fs::write(&set, bytes)?;
    }
    prost_build::Config::new()
        .bytes(["."])
        .out_dir(out.join("prost"))
        .compile_fds(descriptors)?;
    buffa_build::Config::new()
        .descriptor_set(&set)
        .files(&["messages.proto"])
        .use_bytes_type()
        .preserve_unknown_fields(false)
        .file_per_package(true)
        .out_dir(out.join("buffa"))
        .compile()
        .map_err(|error| anyhow!("buffa: {error}"))?;

    if Command::new("capnp").arg("--version").output().is_ok() {
        capnpc::CompilerCommand::new()
            .src_prefix("schema")
            .file("schema/messages.capnp")
            .default_parent_module(vec!["rivals".into(), "capnp".into()])
            .output_path(&out)
            .run()?;
        println!("cargo::rustc-cfg=has_capnp");
    } else {
        // It is not there either, so this runs again until `capnp` is.
        println!("cargo::rerun-if-changed=capnp");
        println!("cargo::warning=no capnp (Debian: capnproto): its column will be missing");
    }
    Ok(())
}
