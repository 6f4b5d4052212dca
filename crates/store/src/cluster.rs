//! The cluster as a whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::datanodes::Datanode;

/// How full the cluster is, and who is in it. Of a namespace with several partitions, what all of them have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Nodes in the namespace.
    pub nodes: u64,
    /// Bytes of all live datanodes.
    pub capacity: u64,
    /// Bytes of them in use.
    pub used: u64,
    /// All datanodes that the namenode knows.
    pub datanodes: Vec<Datanode>,
    /// Life of the namenode: of its partition 0.
    pub incarnation: u64,
    /// Clients that it knows; each is counted at each partition that knows it.
    pub sessions: u64,
    /// Files that are being written.
    pub leases: u64,
}

/// What all partitions have together, given what each has, in the order of their numbers.
pub(crate) fn sum(told: Vec<Usage>) -> Usage {
    let mut told = told.into_iter();
    let mut sum = told.next().unwrap_or_else(empty);
    for other in told {
        sum.nodes = sum.nodes.saturating_add(other.nodes);
        sum.capacity = sum.capacity.saturating_add(other.capacity);
        sum.used = sum.used.saturating_add(other.used);
        sum.sessions = sum.sessions.saturating_add(other.sessions);
        sum.leases = sum.leases.saturating_add(other.leases);
        sum.datanodes = join(vec![sum.datanodes, other.datanodes]);
    }
    sum
}

fn empty() -> Usage {
    Usage {
        nodes: 0,
        capacity: 0,
        used: 0,
        datanodes: Vec::new(),
        incarnation: 0,
        sessions: 0,
        leases: 0,
    }
}

/// The datanodes that any partition knows, in the order of their numbers, given what each knows. What the partitions have of a datanode
/// adds up; whoever knows it best, where it registers, comes first and tells the rest.
pub(crate) fn join(told: Vec<Vec<Datanode>>) -> Vec<Datanode> {
    if told.len() == 1 {
        return told.into_iter().flatten().collect();
    }
    let mut joined = BTreeMap::<u32, Datanode>::new();
    for datanode in told.into_iter().flatten() {
        match joined.entry(datanode.id) {
            Entry::Vacant(place) => {
                place.insert(datanode);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.capacity = known.capacity.saturating_add(datanode.capacity);
                known.used = known.used.saturating_add(datanode.used);
            }
        }
    }
    joined.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datanode(id: u32, capacity: u64, used: u64, name: &str) -> Datanode {
        Datanode {
            id,
            incarnation: 1,
            endpoints: vec![format!("tcp://10.0.0.{id}:1")],
            location_class: 0,
            capacity,
            used,
            alive: true,
            name: name.into(),
            host: String::new(),
        }
    }

    #[test]
    fn what_partitions_have_of_a_datanode_adds_up() {
        let first = Usage {
            nodes: 3,
            capacity: 100,
            used: 10,
            datanodes: vec![datanode(1, 60, 6, "one"), datanode(2, 40, 4, "two")],
            incarnation: 7,
            sessions: 2,
            leases: 1,
        };
        assert_eq!(sum(vec![first.clone()]), first);
        let second = Usage {
            nodes: 5,
            capacity: 30,
            used: u64::MAX,
            datanodes: vec![datanode(3, 20, 2, "three"), datanode(1, 10, 1, "")],
            incarnation: 8,
            sessions: 1,
            leases: 0,
        };
        let expected = Usage {
            nodes: 8,
            capacity: 130,
            used: u64::MAX,
            datanodes: vec![
                datanode(1, 70, 7, "one"),
                datanode(2, 40, 4, "two"),
                datanode(3, 20, 2, "three"),
            ],
            incarnation: 7,
            sessions: 3,
            leases: 1,
        };
        assert_eq!(sum(vec![first, second]), expected);
    }
}
