//! What a namespace is made with.

use super::state::fields;
use super::watches;

/// Limits and times of a namespace; reaching a limit is [`super::Failure::Full`].
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Keys of names' hashes and datanodes' secrets are derived from it: random in production, fixed in a simulation.
    pub seed: u128,
    /// Of this life of the namenode; not 0. Blocks of datanodes belong to one.
    pub incarnation: u64,
    /// Nodes, with the root, and one for each large value on its way. Below 2^31.
    pub nodes_max: u32,
    /// Sessions that hold something.
    pub sessions_max: u32,
    /// Leases and values on their way, of one session.
    pub leases_per_session_max: u32,
    /// Watches of one session.
    pub watches_per_session_max: u32,
    /// Names of datanodes.
    pub datanodes_max: u32,
    /// Bytes of the largest value kept in the namenode; at most 16 KiB.
    pub inline_value_max: u32,
    /// Bytes that a page may take on the wire: below the message limit, above one entry with the largest value.
    pub page_bytes_max: u32,
    /// How long a session's leases live after its last sign of life.
    pub lease_ns: u64,
    /// How long a datanode may be silent.
    pub heartbeat_timeout_ns: u64,
    /// Jobs, with those that are being removed.
    pub jobs_max: u32,
    /// Which partition of its namespace it is; that with the root is 0.
    pub partition: u16,
    /// How many there are.
    pub partitions: u16,
}

fields!(Config {
    seed,
    incarnation,
    nodes_max,
    sessions_max,
    leases_per_session_max,
    watches_per_session_max,
    datanodes_max,
    inline_value_max,
    page_bytes_max,
    lease_ns,
    heartbeat_timeout_ns,
    jobs_max,
    partition,
    partitions,
});

impl Config {
    /// Limits of who is told what.
    pub(super) fn watches(&self) -> watches::Limits {
        watches::Limits {
            sessions_max: self.sessions_max,
            watches_per_session_max: self.watches_per_session_max,
            page_bytes_max: self.page_bytes_max,
            silence_max_ns: self.lease_ns,
        }
    }

    /// The other partitions.
    pub(super) fn others(&self) -> impl Iterator<Item = u16> + use<> {
        let own = self.partition;
        (0..self.partitions).filter(move |&partition| partition != own)
    }

    /// Whether no limit contradicts another: see the fields.
    pub(super) fn is_sound(&self) -> bool {
        let inline_value_max = self.inline_value_max;
        self.nodes_max > 0
            && self.nodes_max < 1 << 31
            && inline_value_max <= 16 * 1024
            && self.page_bytes_max >= inline_value_max + 2048
            && self.incarnation != 0
            && self.partition < self.partitions
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            incarnation: 1,
            nodes_max: 100_000_000,
            sessions_max: 65_536,
            leases_per_session_max: 65_536,
            watches_per_session_max: 65_536,
            datanodes_max: 4096,
            inline_value_max: 1024,
            page_bytes_max: 60 * 1024,
            lease_ns: 10_000_000_000,
            heartbeat_timeout_ns: 5_000_000_000,
            jobs_max: 65_536,
            partition: 0,
            partitions: 1,
        }
    }
}
