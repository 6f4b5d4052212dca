//! Queues over any device, and the runtime that drives them.
//!
//! A [`Runtime`] belongs to one thread. It runs tasks, fires timers, tells the time, draws random
//! numbers, and moves bytes over [`Stream`]s: TCP and Unix sockets of the kernel, memory that two
//! processes share, pairs within the runtime, and whatever else implements [`Driver`], such as a simulator. All that a program
//! sees of the outside comes through it, so that a program runs unchanged in a simulation.
//!
//! Where both ends have a way to the same memory, a listener can [share](Listener::share) regions, and who connects reads
//! them one-sidedly: [`Memory`].
//!
//! What must outlive a process goes to [`Files`] that are only appended to, or lies in [`KeptMemory`]; what waits for a device is done by a [`Worker`].
//!
//! It is not a general async runtime: there are no processes, no work stealing, and
//! nothing here is `Send` except [`Remote`] and [`Files`].
//!
//! What holds:
//! - Nothing blocks but [`Runtime::block_on`], the `wait` calls and [`Address::resolve`].
//! - Bytes of one stream are received in the order in which they were pushed, each once, until
//!   an end or an error; a cancelled or dropped `pop` loses none.
//! - A receive buffer is held only from the arrival of bytes on: idle streams hold none.
//! - A turn with one active stream makes one receive call, and a send call for each push.
//!
//! ```
//! use crake_datapath::{Address, Error, Runtime, RuntimeConfig};
//! use crake_mem::{Buf, Sga};
//!
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let listener = runtime.listen(&"tcp://127.0.0.1:0".parse()?)?;
//! let address = listener.local_address()?;
//! let echo = runtime.spawn(async move {
//!     let stream = listener.accept().await?;
//!     let bytes = stream.pop().await?;
//!     stream.push(Sga::from(bytes)).await
//! });
//! let answer = runtime.block_on(async {
//!     let stream = runtime.connect(&address).await?;
//!     stream.push(Sga::from(Buf::from_static(b"hello"))).await?;
//!     echo.await?;
//!     stream.pop().await
//! })?;
//! assert_eq!(&answer[..], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod driver;
mod error;
mod executor;
mod files;
mod kept;
mod kernel;
mod listener;
mod local;
mod lookup;
mod memory;
mod op;
mod random;
mod reactor;
mod runtime;
mod shm;
pub mod sim;
mod slab;
mod stream;
mod time;
mod timer;
mod worker;

pub use address::{Address, AddressError};
pub use async_task::Task;
pub use driver::{Attention, Driver, Event, ListenerDevice, PeerProcess, StreamDevice, Target, Token};
pub use error::{Error, Fault};
pub use executor::Alarm;
pub use files::{AppendFile, Files};
pub use kept::KeptMemory;
pub use listener::Listener;
pub use memory::{Held, Hold, Memory, Shared};
pub use op::{Op, Outcome};
pub use random::Random;
pub use reactor::LINGER;
pub use runtime::{Elapsed, Remote, Runtime, RuntimeConfig, Sleep, Usage, Waiting};
pub use stream::{Intake, Stream};
pub use time::{Time, WallTime};
pub use worker::Worker;
