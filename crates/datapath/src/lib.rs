//! Queues over any device, and the runtime that drives them.
