//! `crake fs ls`.

use anyhow::Result;
use clap::{ArgAction, Args};
use crake_store::{Attributes, Node};
use serde::Serialize;

use super::path::RemotePath;
use super::report::Report;
use crate::client::{self, Client};
use crate::config::Config;
use crate::output::Output;
use crate::size::Size;
use crate::wall;

/// Arguments of `crake fs ls`.
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  crake fs ls
  crake fs ls -lh /data
  crake fs ls -R /data --json

With -l: kind (d directory, - file, t table, m multifile; w while it is written, or may get parts), size in bytes or number of
entries, time of the last change (UTC), name; and, of what is removed by itself, when. Names are in the order of their bytes."
)]
pub struct Arguments {
    /// One line each, with kind, size and time
    #[arg(short, long)]
    long: bool,
    /// Sizes with units
    #[arg(short, long)]
    human: bool,
    /// Directories below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// A directory itself, not what is in it
    #[arg(short, long)]
    directory: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Paths in the store
    #[arg(default_value = "/", value_name = "PATH")]
    paths: Vec<RemotePath>,
}

/// A node as JSON lines have it.
#[derive(Serialize)]
pub struct Row<'a> {
    path: &'a str,
    kind: &'static str,
    size: u64,
    allotted: u64,
    modified_ns: u64,
    created_ns: u64,
    open: bool,
    /// When it will be removed, if it will by itself.
    expires_ns: Option<u64>,
}

impl<'a> Row<'a> {
    /// Of the node at `path`.
    pub fn new(path: &'a str, attributes: &Attributes) -> Row<'a> {
        Row {
            path,
            kind: attributes.kind.name(),
            size: attributes.size,
            allotted: attributes.capacity,
            modified_ns: attributes.modified_ns,
            created_ns: attributes.created_ns,
            open: attributes.open,
            expires_ns: (attributes.expires_ns > 0).then_some(attributes.expires_ns),
        }
    }
}

struct Listing<'a> {
    client: &'a Client,
    arguments: &'a Arguments,
    output: Output,
    report: Report,
}

/// Lists all paths: what is no directory first, as `ls` does.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| {
        let listing = Listing {
            client: &client,
            arguments,
            output,
            report: Report::quiet(output),
        };
        listing.run().await?;
        listing.report.outcome()
    })
}

impl Listing<'_> {
    async fn run(&self) -> Result<()> {
        let mut directories = Vec::new();
        for path in &self.arguments.paths {
            match self.client.store.lookup(path.as_str()).await {
                Ok(attributes) if attributes.is_container() && !self.arguments.directory => {
                    directories.push(path.clone());
                }
                Ok(attributes) => {
                    let attributes = self.whole(path, attributes).await?;
                    self.entry(path, path.as_str(), &attributes)?;
                }
                Err(error) => {
                    if self.report.fail(&error.into()) {
                        return Ok(());
                    }
                }
            }
        }
        let with_heads = self.arguments.paths.len() > 1 || self.arguments.recursive;
        directories.reverse();
        let mut is_first = directories.len() == self.arguments.paths.len();
        while let Some(directory) = directories.pop() {
            if with_heads {
                let gap = if is_first { "" } else { "\n" };
                self.output.line(&format!("{gap}{directory}:"))?;
            }
            is_first = false;
            match self.directory(&directory).await {
                Ok(below) => directories.extend(below.into_iter().rev()),
                // The reader of the list has gone.
                Err(error) if error.is::<std::io::Error>() => return Err(error),
                Err(error) => {
                    if self.report.fail(&error) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Lists a directory; gives those below it if they are wanted.
    async fn directory(&self, path: &RemotePath) -> Result<Vec<RemotePath>> {
        let mut below = Vec::new();
        let mut entries = self.client.store.list(path.as_str());
        while let Some(entry) = entries.next().await? {
            let at = path.join(&entry.name);
            let attributes = self.whole(&at, entry.attributes).await?;
            self.entry(&at, &entry.name, &attributes)?;
            if self.arguments.recursive && entry.attributes.kind.holds_files() {
                below.push(at);
            }
        }
        Ok(below)
    }

    /// What is shown of an entry: only that asks for the keys of tables that are at other partitions.
    async fn whole(&self, path: &RemotePath, attributes: Attributes) -> Result<Attributes> {
        match self.arguments.long || self.output.is_json() {
            true => with_all_keys(self.client, path, attributes).await,
            false => Ok(attributes),
        }
    }

    fn entry(&self, path: &RemotePath, name: &str, attributes: &Attributes) -> Result<()> {
        self.output.row(&Row::new(path.as_str(), attributes))?;
        let name = printable(name);
        if !self.arguments.long {
            return Ok(self.output.line(&name)?);
        }
        let size = match self.arguments.human && !attributes.is_container() {
            true => Size(attributes.size).rounded(),
            false => attributes.size.to_string(),
        };
        let line = format!(
            "{}{} {size:>12} {} {name}{}",
            letter(attributes.kind),
            if attributes.open { 'w' } else { '-' },
            wall::minutes(attributes.modified_ns),
            match attributes.expires_ns {
                0 => String::new(),
                expires_ns => format!(" (expires {})", wall::seconds(expires_ns)),
            },
        );
        Ok(self.output.line(&line)?)
    }
}

/// Attributes of which the size counts the keys of a table wherever they are. A table that is gone meanwhile stays as it was found.
pub async fn with_all_keys(client: &Client, path: &RemotePath, attributes: Attributes) -> Result<Attributes> {
    if attributes.kind != Node::Table {
        return Ok(attributes);
    }
    match client.store.attributes(path.as_str()).await {
        Ok(whole) => Ok(whole),
        Err(crake_store::Error::NotFound { .. }) => Ok(attributes),
        Err(error) => Err(error.into()),
    }
}

fn letter(kind: Node) -> char {
    match kind {
        Node::Directory => 'd',
        Node::File => '-',
        Node::Multifile => 'm',
        Node::Table => 't',
        Node::KeyValue => 'v',
    }
}

/// A name that cannot play tricks on a terminal: control characters are escaped.
pub fn printable(name: &str) -> String {
    if !name.contains(char::is_control) {
        return name.into();
    }
    name.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}
