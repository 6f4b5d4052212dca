//! The suite for sockets of the kernel, and what only they do.

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crake_datapath::{Address, Runtime, RuntimeConfig};

#[macro_use]
mod conformance;

/// Both ends in one runtime.
struct Kernel {
    runtime: Runtime,
    family: Family,
    directory: tempfile::TempDir,
    names: std::cell::Cell<u32>,
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Unix,
}

impl Kernel {
    fn new(config: RuntimeConfig, family: Family) -> Kernel {
        Kernel {
            runtime: Runtime::new(config).expect("a runtime"),
            family,
            directory: tempfile::tempdir().expect("a directory"),
            names: Default::default(),
        }
    }
}

impl conformance::World for Kernel {
    fn client(&self) -> &Runtime {
        &self.runtime
    }

    fn server(&self) -> &Runtime {
        &self.runtime
    }

    fn address(&self) -> Address {
        self.names.set(self.names.get() + 1);
        match self.family {
            Family::V4 => Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            Family::V6 => Address::Tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))),
            Family::Unix => Address::Unix(self.directory.path().join(self.names.get().to_string())),
        }
    }

    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.runtime.block_on(future)
    }
}

mod tcp_v4 {
    conformance!(|config| crate::Kernel::new(config, crate::Family::V4));
}

mod tcp_v6 {
    conformance!(|config| crate::Kernel::new(config, crate::Family::V6));
}

mod unix {
    conformance!(|config| crate::Kernel::new(config, crate::Family::Unix));
}
