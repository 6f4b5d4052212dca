//! A service with one method, and a call of it.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_rpc::typed::{Answer, Outcome};
use crake_rpc::{CallOptions, Client, ClientConfig, Server, ServerConfig};
use messages::{Line, LineView, echo};

#[allow(dead_code, reason = "not all of it is used")]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/example.echo.rs"));
}

struct Echo;

impl echo::Service for Echo {
    fn say(&mut self, request: LineView<'_>, answer: Answer<'_, Line<'static>>) -> Outcome {
        answer.send(&Line {
            text: request.text()?,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let address = "tcp://127.0.0.1:0".parse()?;
    let service = Rc::new(RefCell::new(echo::Server(Echo)));
    let server = Server::bind(&runtime, &address, ServerConfig::default(), service)?;
    runtime.block_on(async {
        let client = Client::connect(&runtime, server.local_address(), ClientConfig::default()).await?;
        let client = echo::Client(client);
        let reply = client.say(&Line { text: "hello" }, CallOptions::new()).await?;
        println!("{}", reply.view()?.text()?);
        server.shutdown().await;
        Ok(())
    })
}
