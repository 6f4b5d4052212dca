//! `crake fs mkdir`, `mv`, `rm` and `seal`.

use anyhow::{Error, Result, anyhow};
use clap::Args;
use crake_store::{CreateOptions, Error as StoreError, Node};
use serde::Serialize;

use super::path::RemotePath;
use super::report::Report;
use crate::client::{self, Client};
use crate::config::Config;
use crate::output::Output;
use crate::ttl::{Ttl, TtlOrNone};

/// Arguments of `crake fs mkdir`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs mkdir /data
  crake fs mkdir -p /data/2026/11
  crake fs mkdir --multifile /data/parts      to write parts into at the same time, and read them as one
  crake fs mkdir --ttl 1h /scratch            is removed after an hour, with all in it

What may be put into a multifile are files, until `crake fs seal` says that no more are to come.")]
pub struct MkdirArguments {
    /// Multifiles instead of directories
    #[arg(short, long)]
    multifile: bool,
    /// Removed after this time, with all in it: 500ms, 10s, 5m, 2h or 7d. Not one that is there already
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,
    /// Where there are several partitions, at any of them, however deep it is
    #[arg(long)]
    spread: bool,
    /// Also those above, and no error if it is there
    #[arg(short, long)]
    parents: bool,
    /// Directories to make
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs mv`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs mv /data/a /data/b                 a new name; a file takes the place of a file
  crake fs mv /data/a /data/b /old            into the directory /old
  crake fs mv -n /data/a /data/b              only if nothing has the name

Nothing is copied, and everybody sees either the old name or the new one.")]
pub struct MvArguments {
    /// Replace nothing
    #[arg(short, long)]
    no_replace: bool,
    /// What to move, then where to
    #[arg(required = true, num_args = 2.., value_names = ["SOURCE", "TARGET"])]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs seal`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs seal /data/parts

Those who wait for all parts of a multifile then know which these are. Parts that are there may still be written.")]
pub struct SealArguments {
    /// Multifiles that get no more parts
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs ttl`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs ttl 10s /data/a /data/b            removed ten seconds from now
  crake fs ttl none /data/a                   not removed by itself any more

A directory or table goes with all in it. From that moment on it is not found; who is writing a file then is told that it is gone.
`crake fs stat` and `ls -l` show when.")]
pub struct TtlArguments {
    /// The time from now on, 500ms, 10s, 5m, 2h or 7d; or none
    #[arg(value_name = "TIME")]
    ttl: TtlOrNone,
    /// What to remove then
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs rm`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs rm /data/a /data/b
  crake fs rm -r /data/results")]
pub struct RmArguments {
    /// Directories and tables, too, with all below them
    #[arg(short, long)]
    recursive: bool,
    /// No error for what is not there
    #[arg(short, long)]
    force: bool,
    /// What to remove
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<RemotePath>,
}

#[derive(Serialize)]
struct Made<'a> {
    path: &'a str,
}

#[derive(Serialize)]
struct Sealed<'a> {
    path: &'a str,
    parts: u64,
}

#[derive(Serialize)]
struct Expires<'a> {
    path: &'a str,
    expires_ns: Option<u64>,
}

#[derive(Serialize)]
struct Moved<'a> {
    from: &'a str,
    to: &'a str,
}

#[derive(Serialize)]
struct Removed<'a> {
    path: &'a str,
    nodes: u64,
}

/// Makes directories.
pub fn mkdir(arguments: &MkdirArguments, config: &Config, output: Output) -> Result<()> {
    for_each(&arguments.paths, config, output, async |client, path| {
        let kind = match arguments.multifile {
            true => Node::Multifile,
            false => Node::Directory,
        };
        let options = CreateOptions {
            parents: arguments.parents,
            existing_ok: arguments.parents,
            ttl: arguments.ttl.map(|Ttl(ttl)| ttl),
            spread: arguments.spread,
            ..kind.into()
        };
        client.store.create(path.as_str(), options).await?;
        Ok(output.row(&Made { path: path.as_str() })?)
    })
}

/// Seals multifiles.
pub fn seal(arguments: &SealArguments, config: &Config, output: Output) -> Result<()> {
    for_each(&arguments.paths, config, output, async |client, path| {
        let sealed = client.store.multifile(path.as_str()).await?.seal().await?;
        Ok(output.row(&Sealed {
            path: path.as_str(),
            parts: sealed.size,
        })?)
    })
}

/// Sets when something is removed.
pub fn ttl(arguments: &TtlArguments, config: &Config, output: Output) -> Result<()> {
    for_each(&arguments.paths, config, output, async |client, path| {
        let attributes = client.store.set_ttl(path.as_str(), arguments.ttl.0).await?;
        Ok(output.row(&Expires {
            path: path.as_str(),
            expires_ns: (attributes.expires_ns > 0).then_some(attributes.expires_ns),
        })?)
    })
}

/// Removes.
pub fn rm(arguments: &RmArguments, config: &Config, output: Output) -> Result<()> {
    for_each(
        &arguments.paths,
        config,
        output,
        async |client, path| match remove(client, path, arguments.recursive).await {
            Ok(nodes) => {
                let path = path.as_str();
                Ok(output.row(&Removed { path, nodes })?)
            }
            Err(error) if arguments.force && is_not_there(&error) => Ok(()),
            Err(error) => Err(error),
        },
    )
}

fn is_not_there(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::NotFound { .. }))
}

async fn remove(client: &Client, path: &RemotePath, recursive: bool) -> Result<u64> {
    if !recursive {
        let kind = client.store.lookup(path.as_str()).await?.kind;
        if kind.is_container() {
            return Err(anyhow!(
                "{path}: is a {}; -r removes it and all in it",
                kind.name()
            ));
        }
    }
    Ok(client.store.delete(path.as_str(), recursive).await?)
}

/// Does something with each path, and goes on after failures.
fn for_each(
    paths: &[RemotePath],
    config: &Config,
    output: Output,
    mut act: impl AsyncFnMut(&Client, &RemotePath) -> Result<()>,
) -> Result<()> {
    client::run(config, async |client| {
        let report = Report::quiet(output);
        for path in paths {
            if let Err(error) = act(&client, path).await
                && report.fail(&error)
            {
                break;
            }
        }
        report.outcome()
    })
}

/// Moves.
pub fn mv(arguments: &MvArguments, config: &Config, output: Output) -> Result<()> {
    let Some((target, sources)) = arguments.paths.split_last() else {
        return Ok(());
    };
    client::run(config, async |client| {
        let into = match client.store.lookup(target.as_str()).await {
            Ok(attributes) => attributes.kind.holds_files(),
            Err(StoreError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !into && sources.len() > 1 {
            return Err(anyhow!(
                "{target}: several sources need a directory that is there"
            ));
        }
        let report = Report::quiet(output);
        for source in sources {
            let to = if into {
                target.join(source.name())
            } else {
                target.clone()
            };
            if let Err(error) = rename(&client, source, &to, arguments.no_replace, output).await
                && report.fail(&error)
            {
                break;
            }
        }
        report.outcome()
    })
}

async fn rename(
    client: &Client,
    from: &RemotePath,
    to: &RemotePath,
    no_replace: bool,
    output: Output,
) -> Result<()> {
    if from == to {
        return Err(anyhow!("{from}: is where it should go"));
    }
    let (source, target) = (from.as_str(), to.as_str());
    let renamed = match no_replace {
        true => client.store.rename_new(source, target).await,
        false => client.store.rename(source, target).await,
    };
    // Which of the two names the store means is not always in its words.
    renamed.map_err(|error| anyhow!("{from} to {to}: {error}"))?;
    Ok(output.row(&Moved {
        from: source,
        to: target,
    })?)
}
