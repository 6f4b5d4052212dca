//! Values by key, and lists of them that are longer than a frame.

#![forbid(unsafe_code)]

use std::{cell::RefCell, collections::BTreeMap, error::Error, rc::Rc};

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::Buf;
use crake_rpc::{CallOptions, Client, ClientConfig, Server, ServerConfig};
use messages::{Entry, Key, key_value};
use store::Store;

mod store;
#[allow(dead_code, reason = "not all of it is used")]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/example.key_value.rs"));
}

fn named(key: &str) -> Key<'_> {
    Key { key: key.into() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let store = Store {
        runtime: runtime.clone(),
        values: BTreeMap::new(),
    };
    let service = Rc::new(RefCell::new(key_value::Server(store)));
    let address = "tcp://127.0.0.1:0".parse()?;
    let server = Server::bind(&runtime, &address, ServerConfig::default(), service)?;
    runtime.block_on(async {
        let client = Client::connect(&runtime, server.local_address(), ClientConfig::default()).await?;
        let client = key_value::Client(client);
        let options = CallOptions::new;
        for (key, len) in [("image/1", 100_000), ("image/2", 3_000_000), ("text/1", 10)] {
            let value = Buf::from_vec(vec![7; len]);
            let (key, value) = (key.into(), (&value).into());
            client.put(&Entry { key, value }, options()).await?;
        }
        let reply = client.get(&named("image/1"), options()).await?;
        println!("image/1 has {} bytes", reply.view()?.value()?.len());
        let missing = client.get(&named("image/3"), options()).await;
        println!("image/3: {}", missing.expect_err("nobody put it"));
        let mut images = client.scan(&named("image/"), options());
        while let Some(part) = images.next().await {
            let part = part?;
            let entry = part.view()?;
            println!("{} has {} bytes", entry.key()?.to_str()?, entry.value()?.len());
        }
        server.shutdown().await;
        Ok(())
    })
}
