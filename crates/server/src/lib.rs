//! The roles: namenode and datanode.
