//! Compiles the messages of `crake bench wire` to `$OUT_DIR/crake.bench.rs`.

fn main() -> Result<(), crake_wire_gen::Error> {
    crake_wire_gen::Config::new()
        .file("proto/bench.proto")
        .include("proto")
        .gathered()
        .compile_to_out_dir()
}
