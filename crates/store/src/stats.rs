//! What a store did: counts, bytes and latencies per kind of operation.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// The kinds of operation that are counted apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OperationKind {
            $($(#[$doc])* $name),+
        }

        impl OperationKind {
            /// All kinds, in the order of their declaration.
            pub const ALL: &'static [OperationKind] = &[$(OperationKind::$name),+];

            /// The kind's name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(OperationKind::$name => $text),+
                }
            }
        }
    };
}

kinds! {
    /// Attributes of a node.
    Lookup = "lookup",
    /// A new node.
    Create = "create",
    /// A page of entries.
    List = "list",
    /// A new name.
    Rename = "rename",
    /// Nodes removed.
    Delete = "delete",
    /// Another end set.
    SetTtl = "set-ttl",
    /// A file opened at its end.
    Append = "append",
    /// More blocks for a writer.
    Allocate = "allocate",
    /// Blocks for a reader.
    Blocks = "blocks",
    /// What was written made visible.
    Publish = "publish",
    /// A value stored.
    Put = "put",
    /// Several values stored.
    MultiPut = "multi-put",
    /// A value fetched.
    Get = "get",
    /// Several values fetched.
    MultiGet = "multi-get",
    /// A value removed.
    Remove = "remove",
    /// A number added to.
    Add = "add",
    /// A page of keys and values.
    Scan = "scan",
    /// Leases renewed.
    Renew = "renew",
    /// What happened to watched nodes; it waits until something did.
    Events = "events",
    /// Echo, usage and the list of datanodes.
    Other = "other",
    /// Bytes written to a datanode.
    Write = "write",
    /// Bytes read from a datanode.
    Read = "read",
}

const KINDS: usize = OperationKind::ALL.len();

/// What was counted since the store was made. A copy: it does not change any more.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    kinds: [KindStats; KINDS],
    /// How often a connection to the namenode or to a datanode was made.
    pub connects: u64,
    /// How often an operation was sent again after a lost connection or a busy server.
    pub repeats: u64,
    /// How many reads found their bytes in the memory of a datanode on this machine, without a request.
    pub in_place: u64,
    /// How many answers were found in the memory of a namenode on this machine, without a request.
    pub found: u64,
    /// How many writes put their bytes into the memory of a datanode on this machine by themselves.
    pub written_in_place: u64,
}

/// Counts of one kind of operation.
#[derive(Clone, Default)]
pub struct KindStats {
    /// Operations that succeeded.
    pub done: u64,
    /// Operations that failed.
    pub failed: u64,
    /// Payload of those that succeeded.
    pub bytes: u64,
    /// Nanoseconds from call to answer; made when it is needed first, for it takes some 10 KiB.
    latency_ns: Option<Box<Histogram<u64>>>,
    /// The last latency, and how often in a row it was seen: not in the histogram yet. Answers that come together to
    /// calls that were made together took the same time, so this saves most of the histogram's cost.
    last_ns: u64,
    last_times: u64,
}

/// Latencies above this count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

impl Stats {
    /// The counts of one kind.
    pub fn kind(&self, kind: OperationKind) -> &KindStats {
        &self.kinds[kind as usize]
    }

    /// The kinds that happened at all.
    pub fn iter(&self) -> impl Iterator<Item = (OperationKind, &KindStats)> {
        OperationKind::ALL
            .iter()
            .map(|&kind| (kind, self.kind(kind)))
            .filter(|(_, stats)| stats.done + stats.failed > 0)
    }

    #[inline]
    pub(crate) fn done(&mut self, kind: OperationKind, bytes: usize, latency_ns: u64) {
        let stats = &mut self.kinds[kind as usize];
        stats.done += 1;
        stats.bytes += bytes as u64;
        if latency_ns != stats.last_ns {
            stats.record_last();
            stats.last_ns = latency_ns;
        }
        stats.last_times += 1;
    }

    /// Everything up to now, for the caller to keep.
    pub(crate) fn up_to_now(&mut self) -> Stats {
        self.kinds.iter_mut().for_each(KindStats::record_last);
        self.clone()
    }

    pub(crate) fn failed(&mut self, kind: OperationKind) {
        self.kinds[kind as usize].failed += 1;
    }
}

impl KindStats {
    /// Brings the histogram up to date.
    #[cold]
    fn record_last(&mut self) {
        let times = std::mem::take(&mut self.last_times);
        if times > 0 {
            let histogram = self.latency_ns.get_or_insert_with(new_histogram);
            histogram.saturating_record_n(self.last_ns, times);
        }
    }
}

fn new_histogram() -> Box<Histogram<u64>> {
    Box::new(
        Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2)
            .expect("two digits and an upper bound of more than twice the lower one are allowed"),
    )
}

impl KindStats {
    /// The latency that this part of the operations (0.5: half of them) did not exceed, to two digits; zero if there
    /// were none.
    pub fn latency(&self, part: f64) -> Duration {
        self.histogram(|latency| latency.value_at_quantile(part))
    }

    /// The longest latency, to two digits.
    pub fn latency_max(&self) -> Duration {
        self.histogram(Histogram::max)
    }

    fn histogram(&self, value: impl FnOnce(&Histogram<u64>) -> u64) -> Duration {
        Duration::from_nanos(self.latency_ns.as_deref().map_or(0, value))
    }
}

impl fmt::Debug for KindStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindStats")
            .field("done", &self.done)
            .field("failed", &self.failed)
            .field("bytes", &self.bytes)
            .field("p50", &self.latency(0.5))
            .field("p99", &self.latency(0.99))
            .field("max", &self.latency_max())
            .finish()
    }
}

/// A table, one row per kind that happened.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, stats) in self.iter() {
            writeln!(
                f,
                "{:10} {:>10} done {:>6} failed {:>14} bytes  p50 {:>9.1?}  p99 {:>9.1?}  max {:>9.1?}",
                kind.name(),
                stats.done,
                stats.failed,
                stats.bytes,
                stats.latency(0.5),
                stats.latency(0.99),
                stats.latency_max(),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_apart_by_kind() {
        let mut stats = Stats::default();
        stats.done(OperationKind::Read, 4096, 10_000);
        stats.done(OperationKind::Read, 100, 30_000);
        stats.failed(OperationKind::Lookup);
        assert_eq!(
            (
                stats.kind(OperationKind::Read).done,
                stats.kind(OperationKind::Read).bytes
            ),
            (2, 4196)
        );
        assert_eq!(stats.kind(OperationKind::Lookup).failed, 1);
        let seen = stats.iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(seen, [OperationKind::Lookup, OperationKind::Read]);
    }

    #[test]
    fn latencies_in_a_row_are_all_counted() {
        let mut stats = Stats::default();
        for micros in [10, 10, 10, 90, 10] {
            stats.done(OperationKind::Get, 0, micros * 1_000);
        }
        let stats = stats.up_to_now();
        let histogram = stats.kind(OperationKind::Get).latency_ns.as_ref().unwrap();
        assert_eq!(
            (
                histogram.len(),
                histogram.count_at(10_000),
                histogram.count_at(90_000)
            ),
            (5, 4, 1)
        );
    }

    #[test]
    fn latencies_are_right_to_two_digits_and_bounded() {
        let mut stats = Stats::default();
        for micros in 1..=100 {
            stats.done(OperationKind::Get, 0, micros * 1_000);
        }
        let mut stats = stats.up_to_now();
        let median = stats.kind(OperationKind::Get).latency(0.5).as_nanos() as f64;
        assert!((median - 50_000.0).abs() < 1_000.0, "{median}");
        stats.done(OperationKind::Get, 0, 3_600_000_000_000);
        let stats = stats.up_to_now();
        assert!(stats.kind(OperationKind::Get).latency_max() >= Duration::from_secs(60));
        assert_eq!(stats.kind(OperationKind::Put).latency(0.5), Duration::ZERO);
    }
}
