//! Compiles the protocol's messages to `$OUT_DIR/crake.namenode.rs` and `$OUT_DIR/crake.datanode.rs`.

fn main() -> Result<(), crake_wire_gen::Error> {
    crake_wire_gen::Config::new()
        .file("proto/namenode.proto")
        .file("proto/datanode.proto")
        .include("proto")
        // The answers to lookups and gets: called for, they cost a lookup 145 instructions of 1,818, a get 67 of 1,748.
        .inlined("crake.namenode.LookupReply")
        .inlined("crake.namenode.Attributes")
        .inlined("crake.namenode.Value")
        .compile_to_out_dir()
}
