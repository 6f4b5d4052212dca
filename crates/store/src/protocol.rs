//! What goes over the wire between clients, namenodes and datanodes: the messages of `proto/*.proto`, the status
//! codes of their services and the block handle.

pub mod code;
pub mod handle;

pub use code::Code;
pub use handle::Handle;
