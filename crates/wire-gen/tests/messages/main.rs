//! The compiled messages at work: round trips, other versions of a schema, hostile bytes, and the format text.
//!
//! What is compiled here is what `tests/golden.rs` holds equal to the compiler's output.

mod circles;
mod evolution;
mod fixed;
mod format_text;
mod gathered;
mod guide;
mod hostile;
mod maps;
mod oneofs;
mod read;
mod round_trip;
mod sample;
mod walk;

/// Every kind of field under every label.
#[allow(dead_code)]
mod every {
    include!("../golden/every.rs");
}

/// What need not be copied.
#[allow(dead_code)]
mod bulk {
    include!("../golden/bulk.rs");
}

/// The worked example of the format text.
#[allow(dead_code)]
mod example {
    include!("../golden/example.rs");
}

/// A schema, and the same after a while.
#[allow(dead_code)]
mod old {
    include!("../golden/old.rs");
}
#[allow(dead_code)]
mod new {
    include!("../golden/new.rs");
}
