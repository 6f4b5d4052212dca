//! What can be measured, and the raw traffic that each is measured beside.

use anyhow::Result;
use clap::ValueEnum;

use super::arguments::{Arguments, Direction, Transport};
use super::client::Client;
use super::operations::{
    self, BufferedRead, BufferedWrite, CreateFile, EnumerateDir, GetFile, GetKey, Order, PutFile, PutKey,
    PutKeys, Read, ReadMultifile, Rpc, ScanTable, View, Write,
};
use super::raw::{Course, MESSAGE_BYTES, Shape, Walk};
use super::runner::Operation;
use crate::exit::Usage;
use crate::size::Size;

/// The types of `crake bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Writes to a file, one at a time
    Write,
    /// Writes to a file, several in flight
    WriteAsync,
    /// Reads of a file from the first byte to the last, one at a time
    ReadSequential,
    /// Reads of a file from the first byte to the last, several in flight
    ReadSequentialAsync,
    /// Reads of the parts of a multifile, looked up as they are read, several in flight
    ReadMultifile,
    /// Reads of a file in random order
    ReadRandom,
    /// Whole files from memory, as `crake fs put` stores them: created, written and sealed, one at a time
    PutFile,
    /// Views of a file, each opened anew and let go of when its first byte was read, one at a time
    View,
    /// Creations of files, one at a time
    CreateFile,
    /// Creations of files, many in flight
    CreateFileAsync,
    /// Lookups of files, one at a time
    GetFile,
    /// Lookups of files, many in flight
    GetFileAsync,
    /// Puts to a table
    PutKey,
    /// Gets from a table, one at a time
    GetKey,
    /// Gets from a table, many in flight
    GetKeyAsync,
    /// Puts to a table, as many as go into one request, one request at a time
    PutKeys,
    /// Pages of a table's keys with their values
    ScanTable,
    /// Pages of a directory's listing
    EnumerateDir,
    /// Messages that the namenode sends back
    Rpc,
    /// Messages whose fields are copied, beside the same ones sent from where they lie: from what size on that is better
    Wire,
    /// The raw loop beside itself: the transport's limit, and by its ratio how steady this machine is
    Raw,
}

/// A slice of a buffered stream, and how many it has: what goes over the wire instead of the small operations.
const SLICE_BYTES: u64 = 512 << 10;
const SLICES: u64 = 2;

/// Leases that one client may hold are bounded, and each created file has one until the clock has stopped.
const CREATIONS_MAX: u64 = 60_000;

/// A measurement as it was asked for, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What.
    pub kind: Kind,
    /// Bytes of one operation.
    pub size: Size,
    /// Of each client.
    pub in_flight: u64,
    /// Operations of a repetition.
    pub count: u64,
    /// Through a buffered stream.
    pub buffered: bool,
    /// The raw traffic.
    pub shape: Shape,
    /// How many operations one exchange of the raw traffic stands for.
    pub operations_per_exchange: u64,
    /// Keys of one operation, where it has many.
    pub keys: Option<u64>,
    /// Whether `raw` is to copy.
    copies: bool,
}

impl Plan {
    /// Checks what only together makes sense.
    pub fn new(arguments: &Arguments) -> Result<Plan, Usage> {
        let kind = arguments.kind;
        let size = arguments.size.unwrap_or(kind.default_size());
        let in_flight = arguments.in_flight.unwrap_or(kind.default_in_flight());
        let buffered = arguments.buffered;
        check(arguments, size, in_flight)?;
        let shape = match buffered {
            true => kind.shape(arguments, Size(SLICE_BYTES), SLICES),
            false => kind.shape(arguments, size, in_flight * arguments.clients),
        };
        let operations_per_exchange = if buffered { SLICE_BYTES / size.0 } else { 1 };
        let count = arguments
            .count
            .unwrap_or_else(|| kind.default_count(shape, operations_per_exchange));
        if kind.creates() && count > CREATIONS_MAX {
            return Err(Usage(format!(
                "--count of creations may be at most {CREATIONS_MAX}"
            )));
        }
        Ok(Plan {
            kind,
            size,
            in_flight,
            count,
            buffered,
            shape,
            operations_per_exchange,
            keys: kind.keys(arguments.files, size.0),
            copies: arguments.shape == Direction::Copy,
        })
    }

    /// What is copied by the raw loop, if the operation comes down to one copy: where client and datanode share its memory.
    pub fn walk(&self, transport: Transport) -> Option<Walk> {
        let course = match self.kind {
            Kind::ReadSequential | Kind::ReadSequentialAsync | Kind::ReadMultifile => {
                Course::Read(Order::Sequential)
            }
            Kind::ReadRandom => Course::Read(Order::Random),
            Kind::Write | Kind::WriteAsync | Kind::PutFile => Course::Write,
            Kind::Raw if self.copies => Course::Read(Order::Sequential),
            _ => return None,
        };
        let is_shared = matches!(transport, Transport::Shm | Transport::Embedded);
        (is_shared && !self.buffered).then_some(Walk {
            size: self.size.0,
            // A file is put from where the one before came from.
            count: if self.kind == Kind::PutFile { 1 } else { self.count },
            in_flight: self.shape.in_flight,
            course,
        })
    }

    /// Bytes that lie in the cluster at a time.
    pub fn stored_bytes(&self, files: u64) -> u64 {
        match self.kind {
            Kind::Write | Kind::WriteAsync | Kind::PutFile => self.count * self.size.0,
            Kind::View => self.size.0,
            Kind::ReadSequential | Kind::ReadSequentialAsync | Kind::ReadMultifile | Kind::ReadRandom => {
                self.count * self.size.0
            }
            Kind::PutKey | Kind::PutKeys | Kind::GetKey | Kind::GetKeyAsync | Kind::ScanTable => {
                files * self.size.0.next_multiple_of(4096)
            }
            _ => 0,
        }
    }

    /// Bytes that one operation moves.
    pub fn moved_bytes(&self) -> u64 {
        match self.kind {
            Kind::View => 1,
            _ => self.size.0 * self.keys.unwrap_or(1),
        }
    }

    /// Makes the operation ready. Not for [`Kind::Raw`], which has no cluster.
    pub fn operation(&self, client: Client, arguments: &Arguments) -> Result<Box<dyn Operation>> {
        let (size, count, files) = (self.size.0, self.count, arguments.files);
        Ok(match self.kind {
            Kind::Write | Kind::WriteAsync if self.buffered => Box::new(BufferedWrite::new(client, size)),
            Kind::Write | Kind::WriteAsync => Box::new(Write::new(client, size)),
            Kind::ReadSequential | Kind::ReadSequentialAsync if self.buffered => {
                Box::new(BufferedRead::new(client, size, count)?)
            }
            Kind::ReadSequential | Kind::ReadSequentialAsync => {
                Box::new(Read::new(client, size, count, Order::Sequential)?)
            }
            Kind::ReadRandom => Box::new(Read::new(client, size, count, Order::Random)?),
            Kind::ReadMultifile => Box::new(ReadMultifile::new(client, size, count)?),
            Kind::PutFile => Box::new(PutFile::new(client, size)),
            Kind::View => Box::new(View::new(client, size)?),
            Kind::CreateFile | Kind::CreateFileAsync => Box::new(CreateFile::new(client, count)?),
            Kind::GetFile | Kind::GetFileAsync => {
                Box::new(GetFile::new(client, files, arguments.directories)?)
            }
            Kind::PutKey => Box::new(PutKey::new(client, files, size)?),
            Kind::GetKey | Kind::GetKeyAsync => Box::new(GetKey::new(client, files, size)?),
            Kind::PutKeys => Box::new(PutKeys::new(client, files, size)?),
            Kind::ScanTable => Box::new(ScanTable::new(client, files, size)?),
            Kind::EnumerateDir => Box::new(EnumerateDir::new(client, files)?),
            Kind::Rpc => Box::new(Rpc::new(client, size)),
            Kind::Raw | Kind::Wire => unreachable!("it has no cluster"),
        })
    }
}

fn check(arguments: &Arguments, size: Size, in_flight: u64) -> Result<(), Usage> {
    const SIZE_MAX: Size = Size(1 << 30);
    if !(Size(1)..=SIZE_MAX).contains(&size) {
        return Err(Usage(format!("--size must be from 1 to {SIZE_MAX}")));
    }
    if arguments.kind.keys(arguments.files, 1).is_some() && size > Size(1024) {
        return Err(Usage("--size of many values in a message is at most 1KiB".into()));
    }
    if arguments.files < arguments.directories {
        return Err(Usage("--files must be at least as many as --directories".into()));
    }
    if arguments.kind.is_one_at_a_time() && (in_flight > 1 || arguments.clients > 1) {
        return Err(Usage(format!(
            "{} is measured with one client, one at a time",
            arguments.kind.name()
        )));
    }
    let is_apart = matches!(arguments.transport, Transport::Tcp | Transport::Unix);
    if arguments.kind == Kind::Raw && arguments.shape == Direction::Copy && is_apart {
        return Err(Usage(
            "--shape copy needs memory on both sides: --transport shm or embedded".into(),
        ));
    }
    if !arguments.buffered {
        return Ok(());
    }
    if !arguments.kind.streams() || matches!(arguments.kind, Kind::ReadRandom | Kind::ReadMultifile) {
        return Err(Usage("--buffered is for writes and sequential reads".into()));
    }
    if in_flight > 1 || arguments.clients > 1 {
        return Err(Usage(
            "a buffered stream is written or read by one client, one operation at a time".into(),
        ));
    }
    if !SLICE_BYTES.is_multiple_of(size.0) {
        return Err(Usage(format!(
            "--size of a buffered stream must divide its slices of {}",
            Size(SLICE_BYTES)
        )));
    }
    Ok(())
}

impl Kind {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Write => "write",
            Kind::WriteAsync => "write-async",
            Kind::ReadSequential => "read-sequential",
            Kind::ReadSequentialAsync => "read-sequential-async",
            Kind::ReadMultifile => "read-multifile",
            Kind::ReadRandom => "read-random",
            Kind::PutFile => "put-file",
            Kind::View => "view",
            Kind::CreateFile => "create-file",
            Kind::CreateFileAsync => "create-file-async",
            Kind::GetFile => "get-file",
            Kind::GetFileAsync => "get-file-async",
            Kind::PutKey => "put-key",
            Kind::GetKey => "get-key",
            Kind::GetKeyAsync => "get-key-async",
            Kind::PutKeys => "put-keys",
            Kind::ScanTable => "scan-table",
            Kind::EnumerateDir => "enumerate-dir",
            Kind::Rpc => "rpc",
            Kind::Wire => "wire",
            Kind::Raw => "raw",
        }
    }

    /// Keys of one operation, where it has many: of `files` with values of so many bytes.
    fn keys(self, files: u64, size: u64) -> Option<u64> {
        match self {
            Kind::PutKeys => Some(operations::request_keys(files, size)),
            Kind::ScanTable => Some(operations::page_keys(files, size)),
            _ => None,
        }
    }

    fn streams(self) -> bool {
        use Kind::{ReadMultifile, ReadRandom, ReadSequential, ReadSequentialAsync, Write, WriteAsync};
        matches!(
            self,
            Write | WriteAsync | ReadSequential | ReadSequentialAsync | ReadMultifile | ReadRandom
        )
    }

    fn creates(self) -> bool {
        matches!(self, Kind::CreateFile | Kind::CreateFileAsync)
    }

    /// Whether an operation is several steps, one after the other.
    fn is_one_at_a_time(self) -> bool {
        matches!(self, Kind::PutFile | Kind::View | Kind::PutKeys)
    }

    fn default_size(self) -> Size {
        match self {
            Kind::PutFile | Kind::View => Size(100 << 20),
            _ if self.streams() => Size(1 << 20),
            _ => Size(MESSAGE_BYTES),
        }
    }

    fn default_in_flight(self) -> u64 {
        match self {
            Kind::WriteAsync | Kind::ReadSequentialAsync | Kind::ReadMultifile => 8,
            Kind::CreateFileAsync | Kind::GetFileAsync | Kind::GetKeyAsync => 128,
            _ => 1,
        }
    }

    /// The traffic of an operation of so many bytes, as a raw loop moves it.
    fn shape(self, arguments: &Arguments, size: Size, in_flight: u64) -> Shape {
        let message = size.0.max(MESSAGE_BYTES);
        let (request_bytes, reply_bytes) = match self {
            Kind::Write | Kind::WriteAsync | Kind::PutFile => (size.0, MESSAGE_BYTES),
            Kind::ReadSequential | Kind::ReadSequentialAsync | Kind::ReadMultifile | Kind::ReadRandom => {
                (MESSAGE_BYTES, size.0)
            }
            Kind::CreateFile | Kind::CreateFileAsync | Kind::GetFile | Kind::GetFileAsync | Kind::View => {
                (MESSAGE_BYTES, MESSAGE_BYTES)
            }
            Kind::PutKey => (message, MESSAGE_BYTES),
            Kind::GetKey | Kind::GetKeyAsync => (MESSAGE_BYTES, message),
            Kind::PutKeys => (operations::request_bytes(arguments.files, size.0), MESSAGE_BYTES),
            Kind::ScanTable => (MESSAGE_BYTES, operations::scan_bytes(arguments.files, size.0)),
            Kind::EnumerateDir => (MESSAGE_BYTES, operations::page_bytes(arguments.files)),
            Kind::Rpc | Kind::Wire => (message, message),
            Kind::Raw => match arguments.shape {
                Direction::Echo => (size.0, size.0),
                Direction::Write => (size.0, MESSAGE_BYTES),
                Direction::Read | Direction::Copy => (MESSAGE_BYTES, size.0),
            },
        };
        Shape {
            request_bytes,
            reply_bytes,
            in_flight,
        }
    }

    /// Operations that take about a tenth of a second: some 20,000 round trips, or a million when they overlap, but not more
    /// than half a GiB. Whole files are as few as come to that, for they lie there together.
    fn default_count(self, shape: Shape, operations_per_exchange: u64) -> u64 {
        let exchange_bytes = shape.request_bytes + shape.reply_bytes;
        let most = match shape.in_flight {
            1 => 20_000,
            _ if self.creates() => 20_000,
            _ => 1_000_000,
        };
        let least = if self == Kind::PutFile { 1 } else { 16 };
        let exchanges =
            ((512 << 20) / exchange_bytes).clamp(shape.in_flight.max(least), most.max(shape.in_flight));
        exchanges * operations_per_exchange
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn plan(line: &str) -> Result<Plan, Usage> {
        let line = Line::try_parse_from(["bench"].into_iter().chain(line.split(' '))).unwrap();
        Plan::new(&line.arguments)
    }

    fn shape(line: &str) -> (u64, u64, u64) {
        let shape = plan(line).unwrap().shape;
        (shape.request_bytes, shape.reply_bytes, shape.in_flight)
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for kind in Kind::value_variants() {
            let value = kind.to_possible_value().unwrap();
            assert_eq!(value.get_name(), kind.name());
        }
    }

    #[test]
    fn each_kind_has_the_traffic_of_its_operation() {
        assert_eq!(shape("get-file"), (64, 64, 1));
        assert_eq!(shape("get-file-async --clients 2"), (64, 64, 256));
        assert_eq!(shape("get-key -s 1000"), (64, 1000, 1));
        assert_eq!(shape("put-key -s 1000"), (1000, 64, 1));
        assert_eq!(shape("put-key -s 1"), (64, 64, 1));
        assert_eq!(shape("rpc -s 100 -b 7"), (100, 100, 7));
        assert_eq!(shape("write"), (1 << 20, 64, 1));
        assert_eq!(shape("read-sequential-async -s 64KiB"), (64, 65_536, 8));
        assert_eq!(shape("enumerate-dir --files 10000"), (64, 256 * 120, 1));
        assert_eq!(shape("scan-table --files 10000"), (64, 500 * 100, 1));
        assert_eq!(shape("put-keys --files 10000"), (128 * 140, 64, 1));
        assert_eq!(shape("raw -s 1000 --shape read"), (64, 1000, 1));
        assert_eq!(shape("read-multifile"), (64, 1 << 20, 8));
        assert_eq!(shape("view"), (64, 64, 1));
        assert_eq!(shape("put-file"), (100 << 20, 64, 1));
    }

    #[test]
    fn a_buffered_stream_is_compared_with_its_slices() {
        let plan = plan("write --buffered -s 1KiB").unwrap();
        assert_eq!(
            (
                plan.shape.request_bytes,
                plan.shape.reply_bytes,
                plan.shape.in_flight
            ),
            (512 << 10, 64, 2)
        );
        assert_eq!(plan.operations_per_exchange, 512);
        assert_eq!(plan.count % 512, 0);
    }

    #[test]
    fn where_memory_is_shared_files_are_compared_with_copies() {
        let walk = |line, transport| plan(line).unwrap().walk(transport);
        let copied = |line| {
            walk(line, Transport::Shm).map(|walk| (walk.size, walk.count, walk.in_flight, walk.course))
        };
        let (sequential, random) = (Course::Read(Order::Sequential), Course::Read(Order::Random));
        assert_eq!(copied("read-sequential -k 9"), Some((1 << 20, 9, 1, sequential)));
        assert_eq!(
            copied("read-sequential-async -k 9 --clients 2"),
            Some((1 << 20, 9, 16, sequential))
        );
        assert_eq!(copied("read-random -s 4KiB -k 9"), Some((4096, 9, 1, random)));
        assert_eq!(copied("write-async -k 9"), Some((1 << 20, 9, 8, Course::Write)));
        assert_eq!(copied("put-file -k 9"), Some((100 << 20, 1, 1, Course::Write)));
        assert_eq!(
            copied("raw --shape copy --transport shm -s 4KiB -k 9"),
            Some((4096, 9, 1, sequential))
        );
        for line in [
            "raw",
            "get-key",
            "rpc",
            "view",
            "read-sequential --buffered -s 1KiB",
            "write --buffered -s 1KiB",
        ] {
            assert_eq!(copied(line), None, "{line}");
        }
        assert!(walk("write", Transport::Embedded).is_some());
        for transport in [Transport::Tcp, Transport::Unix] {
            assert_eq!(walk("read-random", transport), None);
        }
    }

    #[test]
    fn the_default_count_is_bounded_by_operations_and_by_bytes() {
        assert_eq!(plan("get-file").unwrap().count, 20_000);
        assert_eq!(plan("raw -b 128").unwrap().count, 1_000_000);
        assert_eq!(plan("create-file-async").unwrap().count, 20_000);
        assert_eq!(plan("write").unwrap().count, 511);
        assert_eq!(plan("raw -s 1GiB --shape write -b 64").unwrap().count, 64);
        assert_eq!(plan("write -k 7").unwrap().count, 7);
        assert_eq!(plan("view").unwrap().count, 20_000);
        assert_eq!(plan("put-file").unwrap().count, 5);
        assert_eq!(plan("put-file -s 1GiB").unwrap().count, 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "write -s 0",
            "write -s 2GiB",
            "get-file --buffered",
            "read-random --buffered",
            "read-multifile --buffered",
            "write --buffered -s 1000",
            "write --buffered -s 1KiB -b 2",
            "create-file -k 60001",
            "get-file --files 10 --directories 11",
            "raw --shape copy --transport unix",
            "view -b 2",
            "view --clients 2",
            "put-file -b 2",
            "put-keys -b 2",
            "scan-table -s 2KiB",
            "put-file --buffered",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
