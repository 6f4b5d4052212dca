//! `crake fs stat`, `du` and `tree`.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::{ArgAction, Args};
use crake_store::{Attributes, Datanode, Entry, Node};
use serde::Serialize;

use super::ls::printable;
use super::path::RemotePath;
use super::report::Report;
use crate::client::{self, Client};
use crate::config::Config;
use crate::output::Output;
use crate::paths;
use crate::size::Size;
use crate::wall;

/// Arguments of `crake fs stat`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs stat /data/report.csv
  crake fs stat /data/report.csv --json

Of a file it shows each block: its first byte, its capacity, and the datanodes that hold it. Below that it says how the
namenode, and the datanodes of a file, are reached, and why not through shared memory if they are not.")]
pub struct StatArguments {
    /// Paths in the store
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs du`.
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  crake fs du /data
  crake fs du -sh /data /tmp

Counts the bytes of files; --json also has the bytes of the blocks that they take."
)]
pub struct DuArguments {
    /// Only the paths that were named, not each directory below
    #[arg(short, long)]
    summarize: bool,
    /// Sizes with units
    #[arg(short, long)]
    human: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Paths in the store
    #[arg(default_value = "/", value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// Arguments of `crake fs tree`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs tree /data
  crake fs tree -L 2 /")]
pub struct TreeArguments {
    /// So many levels at most
    #[arg(short = 'L', long, value_name = "LEVELS", value_parser = clap::value_parser!(u64).range(1..))]
    levels: Option<u64>,
    /// Paths in the store
    #[arg(default_value = "/", value_name = "PATH")]
    paths: Vec<RemotePath>,
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
            match act(&client, path).await {
                // The reader of the output has gone.
                Err(error) if error.is::<std::io::Error>() => return Err(error),
                Err(error) => {
                    if report.fail(&error) {
                        break;
                    }
                }
                Ok(()) => {}
            }
        }
        report.outcome()
    })
}

#[derive(Serialize)]
struct DuRow<'a> {
    path: &'a str,
    bytes: u64,
    allotted: u64,
    files: u64,
    directories: u64,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    allotted: u64,
    files: u64,
    directories: u64,
}

impl Sum {
    fn of(attributes: &Attributes) -> Sum {
        let is_file = attributes.kind == Node::File;
        Sum {
            bytes: if is_file { attributes.size } else { 0 },
            allotted: attributes.capacity,
            files: is_file.into(),
            directories: attributes.kind.holds_files().into(),
        }
    }

    fn add(&mut self, other: Sum) {
        self.bytes += other.bytes;
        self.allotted += other.allotted;
        self.files += other.files;
        self.directories += other.directories;
    }
}

/// Counts bytes, directory by directory.
pub fn du(arguments: &DuArguments, config: &Config, output: Output) -> Result<()> {
    for_each(&arguments.paths, config, output, async |client, path| {
        let attributes = client.store.lookup(path.as_str()).await?;
        let show = |path: &RemotePath, sum: Sum| show_sum(path, sum, arguments.human, output);
        let total = sum_below(client, path, attributes, !arguments.summarize, &show).await?;
        show(path, total)
    })
}

fn show_sum(path: &RemotePath, sum: Sum, human: bool, output: Output) -> Result<()> {
    output.row(&DuRow {
        path: path.as_str(),
        bytes: sum.bytes,
        allotted: sum.allotted,
        files: sum.files,
        directories: sum.directories,
    })?;
    let bytes = if human {
        Size(sum.bytes).rounded()
    } else {
        sum.bytes.to_string()
    };
    Ok(output.line(&format!("{bytes}\t{}", printable(path.as_str())))?)
}

/// Walks down without recursion, for a path may have two thousand levels; shows each directory below when it is summed up.
async fn sum_below(
    client: &Client,
    top: &RemotePath,
    attributes: Attributes,
    show_each: bool,
    show: &impl Fn(&RemotePath, Sum) -> Result<()>,
) -> Result<Sum> {
    if !attributes.kind.holds_files() {
        return Ok(Sum::of(&attributes));
    }
    let mut open = vec![(top.clone(), Sum::of(&attributes), client.store.list(top.as_str()))];
    while let Some((path, sum, entries)) = open.last_mut() {
        match entries.next().await? {
            Some(Entry { name, attributes }) if attributes.kind.holds_files() => {
                let below = path.join(&name);
                let entries = client.store.list(below.as_str());
                open.push((below, Sum::of(&attributes), entries));
            }
            Some(Entry { attributes, .. }) => sum.add(Sum::of(&attributes)),
            None => {
                let (path, sum) = (path.clone(), *sum);
                open.pop();
                let Some((_, above, _)) = open.last_mut() else {
                    return Ok(sum);
                };
                above.add(sum);
                if show_each {
                    show(&path, sum)?;
                }
            }
        }
    }
    Ok(Sum::default())
}

#[derive(Serialize)]
struct TreeRow<'a> {
    path: &'a str,
    kind: &'static str,
    size: u64,
    level: usize,
}

/// A directory that is being drawn, with the entry that comes next: the last one is drawn with a corner.
struct Branch {
    path: RemotePath,
    entries: crake_store::Listing,
    next: Option<Entry>,
}

impl Branch {
    async fn open(client: &Client, path: RemotePath) -> Result<Branch> {
        let mut entries = client.store.list(path.as_str());
        let next = entries.next().await?;
        Ok(Branch { path, entries, next })
    }

    async fn take(&mut self) -> Result<Option<Entry>> {
        let entry = self.next.take();
        if entry.is_some() {
            self.next = self.entries.next().await?;
        }
        Ok(entry)
    }
}

/// Draws trees.
pub fn tree(arguments: &TreeArguments, config: &Config, output: Output) -> Result<()> {
    let levels = arguments.levels.map_or(usize::MAX, |levels| levels as usize);
    for_each(&arguments.paths, config, output, async |client, path| {
        draw(client, path, levels, output).await
    })
}

async fn draw(client: &Client, top: &RemotePath, levels: usize, output: Output) -> Result<()> {
    let attributes = client.store.lookup(top.as_str()).await?;
    output.row(&TreeRow {
        path: top.as_str(),
        kind: attributes.kind.name(),
        size: attributes.size,
        level: 0,
    })?;
    output.line(&printable(top.as_str()))?;
    let (mut directories, mut others) = (0, 0);
    let mut open = Vec::new();
    if attributes.kind.holds_files() {
        open.push(Branch::open(client, top.clone()).await?);
    }
    while let Some(branch) = open.last_mut() {
        let Some(entry) = branch.take().await? else {
            open.pop();
            continue;
        };
        let path = branch.path.join(&entry.name);
        show_entry(&open, &path, &entry, output)?;
        if entry.attributes.kind.holds_files() {
            directories += 1;
            if open.len() < levels {
                open.push(Branch::open(client, path).await?);
            }
        } else {
            others += 1;
        }
    }
    let plural = |count| if count == 1 { "" } else { "s" };
    Ok(output.line(&format!(
        "\n{directories} director{}, {others} file{}",
        if directories == 1 { "y" } else { "ies" },
        plural(others)
    ))?)
}

fn show_entry(open: &[Branch], path: &RemotePath, entry: &Entry, output: Output) -> Result<()> {
    output.row(&TreeRow {
        path: path.as_str(),
        kind: entry.attributes.kind.name(),
        size: entry.attributes.size,
        level: open.len(),
    })?;
    let mut line = String::new();
    let (this, above) = open.split_last().expect("an entry is in a directory");
    for branch in above {
        line.push_str(if branch.next.is_some() { "│   " } else { "    " });
    }
    line.push_str(if this.next.is_some() {
        "├── "
    } else {
        "└── "
    });
    line.push_str(&printable(&entry.name));
    Ok(output.line(&line)?)
}

#[derive(Serialize)]
struct StatRow<'a> {
    #[serde(flatten)]
    node: super::ls::Row<'a>,
    id: u64,
    /// Whose `id` it is, if that is not partition 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u16>,
    version: u64,
    storage_class: u32,
    location_class: u64,
    replicas: u32,
    blocks: Vec<BlockRow>,
    paths: Vec<paths::Row>,
}

#[derive(Serialize)]
struct BlockRow {
    offset: u64,
    bytes: u32,
    lost: bool,
    datanodes: Vec<String>,
}

/// Shows all that is known.
pub fn stat(arguments: &StatArguments, config: &Config, output: Output) -> Result<()> {
    for_each(&arguments.paths, config, output, async |client, path| {
        let file = client.store.open(path.as_str()).await?;
        let attributes = super::ls::with_all_keys(client, path, file.attributes()).await?;
        let (blocks, datanodes) = match attributes.kind {
            Node::File => blocks(client, &file).await?,
            _ => Default::default(),
        };
        let row = StatRow {
            node: super::ls::Row::new(path.as_str(), &attributes),
            id: attributes.id,
            partition: (attributes.partition != 0).then_some(attributes.partition),
            version: attributes.version,
            storage_class: attributes.storage_class,
            location_class: attributes.location_class,
            replicas: attributes.replicas,
            blocks,
            paths: paths::of(&client.store, datanodes).await,
        };
        output.row(&row)?;
        describe(path, &attributes, &row.blocks, output)?;
        for path in &row.paths {
            output.line(&format!("  reached   {}", path.text()))?;
        }
        Ok(())
    })
}

/// The blocks of a file, and the datanodes that have any of them.
async fn blocks(client: &Client, file: &crake_store::File) -> Result<(Vec<BlockRow>, BTreeSet<u32>)> {
    let datanodes = client.store.datanodes().await?;
    let places = file.places().await?;
    let holders = places.iter().flat_map(|place| place.datanodes.iter().copied());
    let holders = holders.collect();
    let blocks = places
        .into_iter()
        .map(|place| BlockRow {
            offset: place.offset,
            bytes: place.len_bytes,
            lost: place.lost,
            datanodes: place
                .datanodes
                .iter()
                .map(|id| name_of(*id, &datanodes))
                .collect(),
        })
        .collect();
    Ok((blocks, holders))
}

fn name_of(id: u32, datanodes: &[Datanode]) -> String {
    match datanodes.iter().find(|datanode| datanode.id == id) {
        Some(datanode) => format!("datanode {id} ({})", datanode.name),
        None => format!("datanode {id}, which is gone"),
    }
}

fn describe(path: &RemotePath, attributes: &Attributes, blocks: &[BlockRow], output: Output) -> Result<()> {
    let unit = if attributes.is_container() {
        "entries"
    } else {
        "bytes"
    };
    let open = match (attributes.open, attributes.kind) {
        (true, Node::Multifile) => ", more parts may come",
        (true, _) => ", being written",
        _ => "",
    };
    output.line(&format!(
        "{}: a {}{open}, node {}{}
  size      {} {unit}
  allotted  {} bytes in blocks
  created   {} UTC
  modified  {} UTC
  class     storage {}, location {}, replicas {}",
        printable(path.as_str()),
        attributes.kind.name(),
        attributes.id,
        match attributes.partition {
            0 => String::new(),
            partition => format!(" of partition {partition}"),
        },
        attributes.size,
        attributes.capacity,
        wall::seconds(attributes.created_ns),
        wall::seconds(attributes.modified_ns),
        attributes.storage_class,
        attributes.location_class,
        attributes.replicas,
    ))?;
    if attributes.expires_ns > 0 {
        let expires = wall::seconds(attributes.expires_ns);
        output.line(&format!("  expires   {expires} UTC"))?;
    }
    for block in blocks {
        let lost = if block.lost { "lost; was " } else { "" };
        output.line(&format!(
            "  block     from byte {}, {}, {lost}on {}",
            block.offset,
            Size(block.bytes.into()),
            block.datanodes.join(" and "),
        ))?;
    }
    Ok(())
}
