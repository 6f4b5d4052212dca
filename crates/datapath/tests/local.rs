//! The suite for streams within one runtime.

use std::future::Future;

use crake_datapath::{Address, Runtime, RuntimeConfig};

#[macro_use]
mod conformance;

struct Local {
    runtime: Runtime,
    names: std::cell::Cell<u32>,
}

impl conformance::World for Local {
    fn client(&self) -> &Runtime {
        &self.runtime
    }

    fn server(&self) -> &Runtime {
        &self.runtime
    }

    fn address(&self) -> Address {
        self.names.set(self.names.get() + 1);
        Address::Local(format!("name-{}", self.names.get()))
    }

    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.runtime.block_on(future)
    }
}

fn local(config: RuntimeConfig) -> Local {
    Local {
        runtime: Runtime::new(config).expect("a runtime"),
        names: Default::default(),
    }
}

conformance!(local);
