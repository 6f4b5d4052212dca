//! What was found to be worth keeping, on a compiler of every day.

use crate::corpus::replay;
use crate::{log, namenode};

#[test]
fn requests_of_any_shape_harm_no_namenode() {
    replay(include_str!("corpus/server_namenode.hex"), namenode::run);
}

#[test]
fn a_log_of_any_bytes_harms_no_namenode() {
    replay(include_str!("corpus/server_log.hex"), log::run);
}
