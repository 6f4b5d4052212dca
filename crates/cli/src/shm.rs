//! The shared-memory endpoint that a server offers besides the addresses that it is told to listen at.
//!
//! Its socket lies in a directory of this user alone: `$XDG_RUNTIME_DIR/crake` if there is such a runtime directory, else
//! `/tmp/crake-UID`. The name says role and process and is never used twice, so nobody can take one server for another. What a
//! killed server left there is removed by the next one that starts.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crake_datapath::{Address, Runtime};
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, getpid, test_kill_process};

use crate::config::{Config, SHM};

/// Addresses that a namenode takes of one server.
const ENDPOINTS_MAX: usize = crake_server::namenode::command::ENDPOINTS_MAX;

/// How the names of sockets end.
const EXTENSION: &str = "shm";

/// What a server tells of where it is, besides the addresses that it was told to listen at.
pub struct Offer<'r> {
    runtime: &'r Runtime,
    host: String,
    directory: Option<PathBuf>,
    /// Whether it was said that there is none.
    told: Cell<bool>,
}

impl<'r> Offer<'r> {
    /// Of all servers of this process. Says so if there can be no shared memory, although the settings want it.
    pub fn new(runtime: &'r Runtime, config: &Config) -> Offer<'r> {
        let host = crake_store::this_host();
        let mut offer = Offer {
            runtime,
            host,
            directory: None,
            told: Cell::new(false),
        };
        if config.text(&SHM) == "on" {
            match directory(&offer.host) {
                Ok(path) => offer.directory = Some(path),
                Err(why) => offer.go_without(&why),
            }
        }
        offer
    }

    /// The identity of this host, as servers are started with it.
    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// Adds an endpoint of a role to what it was told to listen at, unless that has one.
    pub fn add_to(&self, listen: Vec<Address>, role: &str) -> Vec<Address> {
        let has_one = listen.iter().any(|address| matches!(address, Address::Shm(_)));
        let Some(directory) = self.directory.as_deref().filter(|_| !has_one) else {
            return listen;
        };
        if listen.len() >= ENDPOINTS_MAX {
            self.go_without("there is no place for one more address");
            return listen;
        }
        let name = name(role, self.runtime.random());
        match usable(directory.join(name)) {
            Ok(path) => listen.into_iter().chain([Address::Shm(path)]).collect(),
            Err(why) => {
                self.go_without(&why);
                listen
            }
        }
    }

    /// Whether a server was given this address here.
    fn is_ours(&self, address: &Address) -> bool {
        match (address, &self.directory) {
            (Address::Shm(path), Some(directory)) => path.parent() == Some(directory),
            _ => false,
        }
    }

    /// As people are told of where a server is: without its names for shared memory, which clients find by themselves.
    pub fn described(&self, addresses: &[Address], describe: impl Fn(&Address) -> String) -> String {
        let (ours, told) = addresses
            .iter()
            .partition::<Vec<&Address>, _>(|address| self.is_ours(address));
        let told = told.into_iter().map(describe).collect::<Vec<_>>().join(" and ");
        match ours.is_empty() {
            true => told,
            false => format!("{told} (on this machine through shared memory)"),
        }
    }

    /// Says so once, however many servers go without.
    fn go_without(&self, why: &str) {
        if !self.told.replace(true) {
            tracing::warn!("no shared memory is offered: {why}; with --shm off none is meant to be");
        }
    }
}

/// The random part keeps processes of the same number apart: each container has a first one.
fn name(role: &str, random: u64) -> String {
    format!("{role}-{}-{random:016x}.{EXTENSION}", getpid().as_raw_nonzero())
}

/// The number of the process that made a socket of this name.
fn maker(name: &OsStr) -> Option<Pid> {
    let stem = Path::new(name).file_stem()?.to_str()?;
    let mut parts = stem.rsplit('-');
    let _random = parts.next()?;
    Pid::from_raw(parts.next()?.parse().ok()?)
}

/// The directory of this user's sockets, with nothing in it that dead servers left.
fn directory(host: &str) -> Result<PathBuf, String> {
    if host.is_empty() {
        return Err("the kernel does not tell who this host is".into());
    }
    let path = place(std::env::var_os("XDG_RUNTIME_DIR").as_deref());
    make_private(&path)?;
    remove_stale(&path);
    Ok(path)
}

/// A runtime directory counts only if it is this user's own: one that another user left in the environment (sudo does) is
/// not.
fn place(runtime_directory: Option<&OsStr>) -> PathBuf {
    let own = runtime_directory
        .map(Path::new)
        .filter(|path| path.is_absolute() && path.to_str().is_some())
        .filter(|path| fs::metadata(path).is_ok_and(|status| is_private(&status).is_ok()));
    match own {
        Some(path) => path.join("crake"),
        None => PathBuf::from(format!("/tmp/crake-{}", geteuid().as_raw())),
    }
}

/// Makes a directory for this user alone, or makes sure that it is one.
fn make_private(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    // Of a link itself: where it leads may change.
    let status = fs::symlink_metadata(path).map_err(failed)?;
    is_private(&status).map_err(|why| format!("{} {why}", path.display()))
}

fn is_private(status: &Metadata) -> Result<(), &'static str> {
    match status {
        status if !status.is_dir() => Err("is not a directory"),
        status if status.uid() != geteuid().as_raw() => Err("belongs to another user"),
        status if status.mode() & 0o022 != 0 => Err("can be written by other users"),
        _ => Ok(()),
    }
}

/// Removes sockets of servers that did not end in good order. If that fails they do no harm.
fn remove_stale(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if is_socket && is_stale(&entry.path(), &entry.file_name()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A process of another container may have the number of a dead one here, or none that is seen from here: so of a dead
/// number's socket it is asked whether anybody listens.
fn is_stale(path: &Path, name: &OsStr) -> bool {
    let is_dead = maker(name).is_some_and(|maker| test_kill_process(maker) == Err(Errno::SRCH));
    is_dead && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Makes sure that a socket can be made there, for one that cannot must not keep its server from starting.
fn usable(path: PathBuf) -> Result<PathBuf, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    drop(UnixListener::bind(&path).map_err(failed)?);
    fs::remove_file(&path).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn directory(mode: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        directory
    }

    fn refusal(path: &Path) -> String {
        make_private(path).unwrap_err()
    }

    #[test]
    fn the_directory_is_made_for_this_user_alone() {
        let above = directory(0o700);
        let path = above.path().join("crake");
        for _ in 0..2 {
            make_private(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn what_others_could_write_or_exchange_is_refused() {
        assert!(refusal(directory(0o777).path()).contains("written by other users"));
        assert!(refusal(directory(0o770).path()).contains("written by other users"));
        let above = directory(0o700);
        let (file, link) = (above.path().join("file"), above.path().join("link"));
        fs::write(&file, "").unwrap();
        assert!(refusal(&file).contains("not a directory"));
        symlink(above.path(), &link).unwrap();
        assert!(refusal(&link).contains("not a directory"));
        assert!(refusal(&above.path().join("none/crake")).contains("No such file"));
        if !geteuid().is_root() {
            assert!(refusal(Path::new("/usr")).contains("another user"));
        }
    }

    #[test]
    fn a_runtime_directory_that_is_not_ours_is_passed_over() {
        let ours = directory(0o700);
        assert_eq!(place(Some(ours.path().as_os_str())), ours.path().join("crake"));
        let other = PathBuf::from(format!("/tmp/crake-{}", geteuid().as_raw()));
        let open = directory(0o777);
        for unusable in [
            None,
            Some(OsStr::new("")),
            Some(OsStr::new("relative")),
            Some(OsStr::new("/nonexistent")),
            Some(open.path().as_os_str()),
        ] {
            assert_eq!(place(unusable), other, "{unusable:?}");
        }
    }

    #[test]
    fn only_what_a_dead_server_left_is_removed() {
        let directory = directory(0o700);
        let path = |name: &str| directory.path().join(name);
        // A number that was given, and is not any more.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let of = |role: &str, process: u32| path(&format!("{role}-{process}-0123456789abcdef.shm"));
        let (stale, asleep) = (of("namenode", dead), of("namenode", std::process::id()));
        let (answered, foreign) = (of("datanode0", dead), path("somebody.sock"));
        for left in [&stale, &asleep, &foreign] {
            drop(UnixListener::bind(left).unwrap());
        }
        let listening = UnixListener::bind(&answered).unwrap();
        let file = of("file", dead);
        fs::write(&file, "").unwrap();
        remove_stale(directory.path());
        assert!(!stale.exists());
        for kept in [asleep, answered, foreign, file] {
            assert!(kept.exists(), "{}", kept.display());
        }
        drop(listening);
    }

    #[test]
    fn a_name_tells_its_process_and_is_not_used_twice() {
        let names = [name("datanode0", 1), name("datanode0", 2)];
        assert_ne!(names[0], names[1]);
        for name in names {
            assert_eq!(maker(OsStr::new(&name)), Some(getpid()));
        }
        assert_eq!(maker(OsStr::new("crake.shm")), None);
    }

    #[test]
    fn a_path_that_is_too_long_is_told_before_the_server_starts() {
        let above = directory(0o700);
        let long = above.path().join("x".repeat(100));
        fs::create_dir(&long).unwrap();
        assert!(usable(long.join(name("namenode", 1))).is_err());
        let path = usable(above.path().join(name("namenode", 1))).unwrap();
        assert!(!path.exists());
    }
}
