//! `crake fs get` and `crake fs cat`: files of the store onto the local disk, or to standard output.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use crake_mem::Region;
use crake_store::{Entry, Node, Parts};
use tempfile::NamedTempFile;

use super::crew::Crew;
use super::path::RemotePath;
use super::report::Report;
use super::transfer::{CHUNK_BYTES, Chunks, FILES_IN_FLIGHT, Whole, read_whole};
use crate::client::{self, Client};
use crate::config::Config;
use crate::exit::Usage;
use crate::output::Output;
use crate::stdio::Stdout;

/// Arguments of `crake fs get`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs get /data/report.csv .
  crake fs get -r /data/results /tmp          as /tmp/results
  crake fs get /backup.tar - | tar t

A multifile becomes one file: its complete parts in the order of their names.
A file is written under another name and takes its place when it is whole: what fails half-way leaves nothing.
The others go on.")]
pub struct GetArguments {
    /// Directories, too, with all below them
    #[arg(short, long)]
    recursive: bool,
    /// Paths in the store, then a local file or directory, or - for standard output
    #[arg(required = true, num_args = 2.., value_names = ["SOURCE", "TARGET"])]
    paths: Vec<OsString>,
}

/// Arguments of `crake fs cat`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs cat /data/report.csv
  crake fs cat /data/part1 /data/part2 > whole
  crake fs cat -f /data/log                   as it is written, until its writer closes it

Of a multifile it prints the complete parts, in the order of their names; with -f all of them, as they are completed, when the
multifile is sealed.")]
pub struct CatArguments {
    /// Wait for what is still to be written
    #[arg(short, long)]
    follow: bool,
    /// Files in the store
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<RemotePath>,
}

/// Slices of a multifile in flight.
const SLICES_OF_PARTS: usize = 8;

/// Something to be fetched.
enum Job {
    /// What has this path, whatever it is.
    Path { remote: RemotePath, local: PathBuf },
    /// A file, or a multifile as one.
    File { remote: RemotePath, local: PathBuf },
    /// A directory that is made already: its entries after this one.
    Entries {
        remote: RemotePath,
        local: PathBuf,
        after: String,
    },
}

struct Getting {
    client: Client,
    report: Report,
    chunks: Chunks,
    recursive: bool,
}

/// Fetches all sources.
pub fn get(arguments: &GetArguments, config: &Config, output: Output) -> Result<()> {
    let Some((target, sources)) = arguments.paths.split_last() else {
        return Err(Usage("get takes a source and a target".into()).into());
    };
    let sources = sources
        .iter()
        .map(|path| {
            path.to_str()
                .ok_or_else(|| Usage("a name is not UTF-8".into()))?
                .parse()
        })
        .collect::<Result<Vec<RemotePath>, Usage>>()?;
    if target == "-" {
        return print(&sources, config, output);
    }
    let target = PathBuf::from(target);
    let jobs = first_jobs(sources, &target)?;
    client::run(config, async |client| {
        let getting = Rc::new(Getting {
            report: Report::new(output, "get"),
            chunks: Chunks::new(),
            recursive: arguments.recursive,
            client,
        });
        getting.clone().work(jobs).await;
        getting.report.finish()
    })
}

fn first_jobs(sources: Vec<RemotePath>, target: &Path) -> Result<Vec<Job>> {
    let into = target.is_dir();
    if !into && sources.len() > 1 {
        return Err(anyhow!(
            "{}: several sources need a directory that is there",
            target.display()
        ));
    }
    let jobs = sources.into_iter().map(|remote| {
        let local = if into {
            target.join(remote.name())
        } else {
            target.into()
        };
        Job::Path { remote, local }
    });
    Ok(jobs.collect())
}

impl Getting {
    async fn work(self: Rc<Self>, jobs: Vec<Job>) {
        let runtime = self.client.runtime().clone();
        Crew::work(&runtime, FILES_IN_FLIGHT, jobs, move |crew, job| {
            let getting = self.clone();
            async move {
                if let Err(error) = getting.get(&crew, job).await
                    && getting.report.fail(&error)
                {
                    crew.stop();
                }
            }
        })
        .await;
    }

    async fn get(&self, crew: &Crew<Job>, job: Job) -> Result<()> {
        match job {
            Job::Path { remote, local } => self.get_path(crew, remote, local).await,
            Job::File { remote, local } => self.get_file(&remote, &local).await,
            Job::Entries { remote, local, after } => self.get_entries(crew, remote, local, &after).await,
        }
    }

    async fn get_path(&self, crew: &Crew<Job>, remote: RemotePath, local: PathBuf) -> Result<()> {
        let attributes = self.client.store.lookup(remote.as_str()).await?;
        match attributes.kind {
            Node::Directory if !self.recursive => Err(anyhow!(
                "{remote}: is a directory; -r fetches it and all below it"
            )),
            kind => self.get_node(crew, kind, remote, local),
        }
    }

    /// Leaves a node to whoever is free; a directory is made at once.
    fn get_node(&self, crew: &Crew<Job>, kind: Node, remote: RemotePath, local: PathBuf) -> Result<()> {
        match kind {
            Node::File | Node::Multifile => crew.add(Job::File { remote, local }),
            Node::Directory => {
                if !local.is_dir() {
                    fs::create_dir(&local).with_context(|| local.display().to_string())?;
                }
                self.report.directory();
                let after = String::new();
                crew.add(Job::Entries { remote, local, after });
            }
            other => return Err(anyhow!("{remote}: left out: it is a {}", other.name())),
        }
        Ok(())
    }

    /// Takes a page of entries, and leaves the rest to be taken later.
    async fn get_entries(
        &self,
        crew: &Crew<Job>,
        remote: RemotePath,
        local: PathBuf,
        after: &str,
    ) -> Result<()> {
        let page = self.client.store.list_page(remote.as_str(), "", after, 0).await?;
        if let Some(last) = page.entries.last().filter(|_| page.more) {
            crew.add(Job::Entries {
                remote: remote.clone(),
                local: local.clone(),
                after: last.name.clone(),
            });
        }
        for Entry { name, attributes } in page.entries {
            if let Err(error) = self.get_node(crew, attributes.kind, remote.join(&name), local.join(&name)) {
                self.report.fail(&error);
            }
        }
        Ok(())
    }

    async fn get_file(&self, remote: &RemotePath, local: &Path) -> Result<()> {
        let whole = Whole::open(&self.client.store, remote.as_str()).await?;
        let target = LocalTarget::create(local).with_context(|| local.display().to_string())?;
        let doomed = target.path().map(|path| self.client.interrupt.doom(path));
        let bytes = read_whole(&whole, &self.chunks, remote.as_str(), async |_, chunk| {
            chunk
                .bytes(|bytes| target.file().write_all(bytes))
                .with_context(|| format!("{}: writing", local.display()))?;
            self.report.moved(chunk.len() as u64);
            Ok(())
        })
        .await?;
        target.finish().with_context(|| local.display().to_string())?;
        drop(doomed);
        self.report.file(remote.as_str(), &local.to_string_lossy(), bytes);
        Ok(())
    }
}

/// A local file that is being written.
enum LocalTarget {
    /// Under a name of its own until it is whole; dropped before that, it is removed.
    Beside { file: NamedTempFile, name: PathBuf },
    /// A device or pipe, which cannot be replaced.
    Through(File),
}

impl LocalTarget {
    fn create(local: &Path) -> io::Result<LocalTarget> {
        let there = match fs::metadata(local) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(there) = there else {
            return LocalTarget::beside(local.into(), Permissions::from_mode(0o666), false);
        };
        if there.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !there.is_file() {
            return File::options().write(true).open(local).map(LocalTarget::Through);
        }
        // Through a link, as cp does. Whoever may not write the file may not replace it, either.
        drop(File::options().write(true).open(local)?);
        LocalTarget::beside(fs::canonicalize(local)?, there.permissions(), true)
    }

    fn beside(name: PathBuf, permissions: Permissions, exactly: bool) -> io::Result<LocalTarget> {
        let folder = match name.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // The process' mask is applied to them, as for any new file.
        let file = tempfile::Builder::new()
            .prefix(".crake-")
            .permissions(permissions.clone())
            .tempfile_in(folder)?;
        if exactly {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(LocalTarget::Beside { file, name })
    }

    /// Written from its start to its end, as a pipe has to be.
    fn file(&self) -> &File {
        match self {
            LocalTarget::Beside { file, .. } => file.as_file(),
            LocalTarget::Through(file) => file,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            LocalTarget::Beside { file, .. } => Some(file.path()),
            LocalTarget::Through(_) => None,
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            LocalTarget::Beside { file, name } => file.persist(name).map(drop).map_err(|error| error.error),
            LocalTarget::Through(_) => Ok(()),
        }
    }
}

/// Prints files.
pub fn cat(arguments: &CatArguments, config: &Config, output: Output) -> Result<()> {
    match arguments.follow {
        true => print_each(&arguments.paths, config, output, follow),
        false => print(&arguments.paths, config, output),
    }
}

/// Prints as it grows.
async fn follow(client: &Client, _: &Chunks, path: &RemotePath, stdout: &Stdout) -> Result<()> {
    let file = client.store.open(path.as_str()).await?;
    if file.attributes().kind == Node::Multifile {
        let multifile = client.store.multifile(path.as_str()).await?;
        let mut parts = multifile.buffered_reader(Parts::All, SLICES_OF_PARTS);
        let mut bytes = vec![0; CHUNK_BYTES];
        loop {
            match parts.read(&mut bytes).await? {
                0 => return Ok(()),
                count => stdout.write(bytes[..count].to_vec()).await?,
            }
        }
    }
    let mut follower = file.reader()?.follow(0);
    let target = Region::allocated(CHUNK_BYTES)
        .context("memory for a chunk of a file")?
        .extent(..);
    loop {
        match follower.read(target.clone()).await? {
            0 => return Ok(()),
            count => stdout.write(target.slice(..count).to_vec()).await?,
        }
    }
}

fn print(paths: &[RemotePath], config: &Config, output: Output) -> Result<()> {
    print_each(paths, config, output, print_whole)
}

fn print_each(
    paths: &[RemotePath],
    config: &Config,
    output: Output,
    print: impl AsyncFn(&Client, &Chunks, &RemotePath, &Stdout) -> Result<()>,
) -> Result<()> {
    client::run(config, async |client| {
        let report = Report::quiet(output);
        let (stdout, chunks) = (Stdout::open()?, Chunks::new());
        for path in paths {
            match print(&client, &chunks, path, &stdout).await {
                // Nobody reads any more.
                Err(error) if error.is::<io::Error>() => return Err(error),
                Err(error) => {
                    if report.fail(&error) {
                        break;
                    }
                }
                Ok(()) => {}
            }
        }
        stdout.close().await?;
        report.outcome()
    })
}

async fn print_whole(client: &Client, chunks: &Chunks, path: &RemotePath, stdout: &Stdout) -> Result<()> {
    let whole = Whole::open(&client.store, path.as_str()).await?;
    read_whole(&whole, chunks, path.as_str(), async |_, chunk| {
        Ok(stdout.write(chunk.to_vec()).await?)
    })
    .await?;
    Ok(())
}
