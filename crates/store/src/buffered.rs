//! Streams through slices: small reads and writes at the speed of large ones.

mod reader;
mod slices;
mod writer;

pub use reader::BufferedReader;
pub(crate) use slices::Slices;
pub use writer::BufferedWriter;
