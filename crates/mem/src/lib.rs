//! Registered memory: regions, pools, reference-counted buffers, rings.
