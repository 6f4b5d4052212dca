//! Compiles the protocol's messages to `$OUT_DIR/crake.namenode.rs` and `$OUT_DIR/crake.datanode.rs`.

fn main() -> Result<(), crake_wire_gen::Error> {
    crake_wire_gen::Config::new()
        .file("proto/namenode.proto")
        .file("proto/datanode.proto")
        .include("proto")
        .compile_to_out_dir()
}
