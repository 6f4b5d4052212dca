//! Messages read where they lie.
