//! What was found to be worth keeping, on a compiler of every day.

use crate::corpus::replay;
use crate::{client, server};

#[test]
fn a_client_that_sends_anything_harms_no_server() {
    replay(include_str!("corpus/rpc_server.hex"), server::run);
}

#[test]
fn a_server_that_sends_anything_harms_no_client() {
    replay(include_str!("corpus/rpc_client.hex"), client::run);
}
