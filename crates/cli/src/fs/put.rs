//! `crake fs put`: local files into the store.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, Metadata, ReadDir};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use crake_store::{CreateOptions, Error, Node};

use super::crew::Crew;
use super::path::RemotePath;
use super::report::Report;
use super::transfer::{Chunks, FILES_IN_FLIGHT, LocalFile, store_file};
use crate::client::{self, Client};
use crate::config::Config;
use crate::exit::Usage;
use crate::output::Output;
use crate::stdio::Stdin;
use crate::ttl::Ttl;

/// Arguments of `crake fs put`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs put report.csv /data               into the directory /data, or as the file /data
  crake fs put a.txt b.txt /data
  crake fs put -r results /data               as /data/results, or as /data if there is none
  tar c . | crake fs put - /backup.tar
  crake fs put --ttl 1h -r results /tmp       all that is made is removed an hour later

A file takes the place of a file. Symbolic links and special files in a tree are told about and left out; -L follows
links. A file of which a part could not be stored is removed, and the others go on.")]
pub struct Arguments {
    /// Directories, too, with all below them
    #[arg(short, long)]
    recursive: bool,
    /// Follow symbolic links in directories
    #[arg(short = 'L', long)]
    follow: bool,
    /// What is made is removed after this time: 500ms, 10s, 5m, 2h or 7d
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,
    /// Local files and directories, or - for standard input; then where to put them
    #[arg(required = true, num_args = 2.., value_names = ["SOURCE", "TARGET"])]
    paths: Vec<OsString>,
}

/// Something to be put.
enum Job {
    /// A file or directory of this name.
    Path {
        local: PathBuf,
        remote: RemotePath,
        above: Option<Rc<Directory>>,
    },
    /// The rest of a directory.
    Entries {
        entries: ReadDir,
        remote: RemotePath,
        this: Rc<Directory>,
    },
}

/// A local directory on the way down, to find links that lead up again.
struct Directory {
    identity: (u64, u64),
    above: Option<Rc<Directory>>,
}

impl Directory {
    fn is_below(self: &Rc<Self>, identity: (u64, u64)) -> bool {
        let mut level = Some(self);
        while let Some(directory) = level {
            if directory.identity == identity {
                return true;
            }
            level = directory.above.as_ref();
        }
        false
    }
}

/// What all jobs share.
pub struct Putting {
    client: Client,
    report: Report,
    chunks: Chunks,
    recursive: bool,
    follow: bool,
    ttl: Option<Duration>,
    /// Files of which only a part is there.
    unfinished: Rc<RefCell<BTreeSet<String>>>,
}

/// Entries of a directory that are taken at once.
const ENTRIES_AT_ONCE: usize = 64;

/// Puts all sources.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    let Some((target, sources)) = arguments.paths.split_last() else {
        return Err(Usage("put takes a source and a target".into()).into());
    };
    let target = target
        .to_str()
        .ok_or_else(|| Usage("the target's name is not UTF-8".into()))?
        .parse::<Target>()?;
    let unfinished = Rc::new(RefCell::new(BTreeSet::new()));
    let tidy = unfinished.clone();
    client::run_and_tidy(
        config,
        async |client| {
            let putting = Rc::new(Putting {
                report: Report::new(output, "put"),
                chunks: Chunks::new(),
                recursive: arguments.recursive,
                follow: arguments.follow,
                ttl: arguments.ttl.map(|Ttl(ttl)| ttl),
                unfinished,
                client,
            });
            let jobs = putting.first_jobs(sources, &target).await?;
            putting.clone().work(jobs).await;
            putting.report.finish()
        },
        async |client| remove(&client, &tidy).await,
    )
}

/// Removes what an interrupted command has left half-way.
async fn remove(client: &Client, unfinished: &RefCell<BTreeSet<String>>) {
    let paths = unfinished.take();
    let deletions: Vec<_> = paths
        .iter()
        .map(|path| client.store.delete(path, false))
        .collect();
    for deletion in deletions {
        // The command has ended; what stays is as a broken copy would be.
        let _ = deletion.await;
    }
}

/// Where to put things, and whether that was typed as a directory.
struct Target {
    path: RemotePath,
    is_directory: bool,
}

impl std::str::FromStr for Target {
    type Err = Usage;

    fn from_str(typed: &str) -> Result<Target, Usage> {
        Ok(Target {
            path: typed.parse()?,
            is_directory: typed.ends_with('/') || typed.ends_with("/.") || typed == ".",
        })
    }
}

impl Putting {
    /// How something is made.
    fn options(&self, kind: Node) -> CreateOptions {
        CreateOptions {
            ttl: self.ttl,
            ..kind.into()
        }
    }

    async fn first_jobs(self: &Rc<Self>, sources: &[OsString], target: &Target) -> Result<Vec<Job>> {
        let into = match self.client.store.lookup(target.path.as_str()).await {
            Ok(attributes) => attributes.kind.holds_files(),
            Err(Error::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !into && sources.len() > 1 {
            return Err(anyhow!(
                "{}: several sources need a directory that is there",
                target.path
            ));
        }
        let mut jobs = Vec::new();
        for source in sources {
            if source == "-" {
                if into || target.is_directory {
                    return Err(Usage(format!(
                        "{}: standard input needs the name of a file",
                        target.path
                    ))
                    .into());
                }
                self.put_stdin(&target.path).await;
                continue;
            }
            let local = PathBuf::from(source);
            let remote = match source_name(&local) {
                Some(name) if into => target.path.join(&name),
                None if into => {
                    self.report
                        .fail(&anyhow!("{}: its name is not UTF-8", local.display()));
                    continue;
                }
                _ => target.path.clone(),
            };
            if target.is_directory && !into && !local.is_dir() {
                self.report
                    .fail(&anyhow!("{}: there is no such directory", target.path));
                continue;
            }
            jobs.push(Job::Path {
                local,
                remote,
                above: None,
            });
        }
        Ok(jobs)
    }

    async fn put_stdin(&self, remote: &RemotePath) {
        let mut source = match Stdin::open() {
            Ok(source) => source,
            Err(error) => {
                self.report.fail(&error);
                return;
            }
        };
        let put = self.store(remote.as_str(), 0, &mut source).await;
        self.tell("-", remote, put.context("standard input"));
    }

    async fn work(self: Rc<Self>, jobs: Vec<Job>) {
        let runtime = self.client.runtime().clone();
        Crew::work(&runtime, FILES_IN_FLIGHT, jobs, move |crew, job| {
            let putting = self.clone();
            async move {
                if let Err(error) = putting.clone().put(&crew, job).await
                    && putting.report.fail(&error)
                {
                    crew.stop();
                }
            }
        })
        .await;
    }

    async fn put(self: Rc<Self>, crew: &Crew<Job>, job: Job) -> Result<()> {
        match job {
            Job::Path { local, remote, above } => self.put_path(crew, local, remote, above).await,
            Job::Entries {
                entries,
                remote,
                this,
            } => {
                self.put_entries(crew, entries, remote, this);
                Ok(())
            }
        }
    }

    async fn put_path(
        self: Rc<Self>,
        crew: &Crew<Job>,
        local: PathBuf,
        remote: RemotePath,
        above: Option<Rc<Directory>>,
    ) -> Result<()> {
        // What the command line names is meant, also through a link.
        let is_named = above.is_none();
        let metadata = if self.follow || is_named {
            fs::metadata(&local)
        } else {
            fs::symlink_metadata(&local)
        };
        let metadata = metadata.with_context(|| local.display().to_string())?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.put_directory(crew, local, remote, above, &metadata).await;
        }
        if !kind.is_file() {
            let what = what_it_is(kind);
            self.report
                .skip(format!("{}: left out: it is {what}", local.display()));
            return Ok(());
        }
        self.put_file(&local, &remote, metadata.len()).await
    }

    async fn put_directory(
        &self,
        crew: &Crew<Job>,
        local: PathBuf,
        remote: RemotePath,
        above: Option<Rc<Directory>>,
        metadata: &Metadata,
    ) -> Result<()> {
        if !self.recursive {
            return Err(anyhow!(
                "{}: is a directory; -r puts it and all below it",
                local.display()
            ));
        }
        let identity = (metadata.dev(), metadata.ino());
        if above.as_ref().is_some_and(|above| above.is_below(identity)) {
            return Err(anyhow!(
                "{}: left out: the link leads to a directory above it",
                local.display()
            ));
        }
        let entries = fs::read_dir(&local).with_context(|| local.display().to_string())?;
        if !remote.is_root() {
            let options = self.options(Node::Directory).existing_ok();
            self.client.store.create(remote.as_str(), options).await?;
        }
        self.report.directory();
        crew.add(Job::Entries {
            entries,
            remote,
            this: Rc::new(Directory { identity, above }),
        });
        Ok(())
    }

    /// Takes some entries, and leaves the rest to be taken later.
    fn put_entries(&self, crew: &Crew<Job>, mut entries: ReadDir, remote: RemotePath, this: Rc<Directory>) {
        let some: Vec<_> = entries.by_ref().take(ENTRIES_AT_ONCE).collect();
        if some.len() == ENTRIES_AT_ONCE {
            crew.add(Job::Entries {
                entries,
                remote: remote.clone(),
                this: this.clone(),
            });
        }
        for entry in some {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.report.fail(&anyhow!(
                        "{remote}: its local directory could not be read on: {error}"
                    ));
                    continue;
                }
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.report.fail(&anyhow!(
                    "{}: left out: its name is not UTF-8",
                    entry.path().display()
                ));
                continue;
            };
            crew.add(Job::Path {
                local: entry.path(),
                remote: remote.join(name),
                above: Some(this.clone()),
            });
        }
    }

    async fn put_file(&self, local: &Path, remote: &RemotePath, len_bytes: u64) -> Result<()> {
        let file = File::open(local).with_context(|| local.display().to_string())?;
        let mut source = LocalFile::new(file, len_bytes);
        let put = self.store(remote.as_str(), len_bytes, &mut source).await;
        // The store's errors name the file there.
        let bytes = put.with_context(|| format!("{}", local.display()))?;
        self.report.file(&local.to_string_lossy(), remote.as_str(), bytes);
        Ok(())
    }

    async fn store(
        &self,
        remote: &str,
        len_bytes: u64,
        source: &mut impl super::transfer::Source,
    ) -> Result<u64> {
        // It stays noted when this is dropped half-way: then a signal has ended the command.
        self.unfinished.borrow_mut().insert(remote.into());
        let report = &self.report;
        let stored = store_file(
            &self.client.store,
            &self.chunks,
            remote,
            self.options(Node::File).size_hint(len_bytes),
            source,
            |bytes| report.moved(bytes.len() as u64),
        );
        let stored = stored.await;
        self.unfinished.borrow_mut().remove(remote);
        Ok(stored?.size)
    }

    fn tell(&self, from: &str, remote: &RemotePath, put: Result<u64>) {
        match put {
            Ok(bytes) => self.report.file(from, remote.as_str(), bytes),
            Err(error) => drop(self.report.fail(&error)),
        }
    }
}

/// The name that a source has in a directory: empty for `.` and what ends in it, which is the content of the source.
fn source_name(local: &Path) -> Option<String> {
    let bytes = local.as_os_str().as_bytes();
    let is_content = bytes == b"." || bytes.ends_with(b"/.") || bytes == b"/";
    let name = local
        .file_name()
        .filter(|_| !is_content)
        .unwrap_or(OsStr::new(""));
    name.to_str().map(String::from)
}

fn what_it_is(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_symlink() => "a symbolic link (-L follows it)",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "no file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_the_name_that_cp_gives_it() {
        for (source, name) in [
            ("a", "a"),
            ("/x/a/", "a"),
            (".", ""),
            ("a/.", ""),
            ("..", ""),
            ("/", ""),
            ("a/..", ""),
        ] {
            assert_eq!(source_name(Path::new(source)).unwrap(), name, "{source}");
        }
        assert!(source_name(Path::new(OsStr::from_bytes(b"\xff"))).is_none());
    }
}
