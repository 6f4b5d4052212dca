//! Where .proto files are found: our own is built in, as Protobuf's are.

use std::path::PathBuf;

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

/// The file that declares our options.
pub(crate) const WIRE_PROTO: &str = "crake/wire.proto";

/// A parser that looks for files in these folders. Whoever has a copy of our file there, for other tools, gets what this
/// crate was built with all the same.
pub(crate) fn compiler(includes: &[PathBuf]) -> Compiler {
    let mut resolver = ChainFileResolver::new();
    resolver.add(BuiltIn);
    for include in includes {
        resolver.add(IncludeFileResolver::new(include.clone()));
    }
    resolver.add(GoogleFileResolver::new());
    Compiler::with_file_resolver(resolver)
}

struct BuiltIn;

impl FileResolver for BuiltIn {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            WIRE_PROTO => File::from_source(name, include_str!("../proto/crake/wire.proto")),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
