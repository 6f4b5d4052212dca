//! Which machine this is.

use std::fs;

/// The kernel's name for its own life: the same for all processes on it, also in containers, and different on every other
/// machine and after a restart.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The identity of the host that this process is on; empty if the kernel does not tell.
///
/// Servers are started with it (`host` of their configurations) and tell it to their clients, which compare it with their
/// own: those of the same host may share memory. It reads a file, so it is asked for once and passed on.
#[must_use]
pub fn this_host() -> String {
    fs::read_to_string(BOOT_ID)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same_and_fits_a_message() {
        let host = this_host();
        assert_eq!(this_host(), host);
        assert!(host.len() <= 255 && !host.contains(char::is_whitespace), "{host}");
    }
}
