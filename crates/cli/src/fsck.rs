//! `crake fsck`: whether the bytes of all files and values are there, and what of that can be mended.

use anyhow::{Error, Result};
use clap::Args;
use crake_store::{
    BrokenTie, Checked, Damage, Datanode, Error as StoreError, FreedBlocks, Holder, Mismatch, Node, Table,
    Trouble, UnnamedBlock, UnnamedBlocks,
};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::client::{self, Client};
use crate::config::{Config, Flag, URL};
use crate::exit::{Exited, Told, Usage};
use crate::fs::RemotePath;
use crate::interrupt::Interrupted;
use crate::output::Output;

/// Exit code when not everything could be looked at.
const NOT_CHECKED: u8 = 3;
/// Blocks without a name that are listed one by one, those that have leaked first; the rest is counted.
const LISTED_MAX: usize = 1000;

/// Arguments of `crake fsck`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fsck
  crake fsck /data --json
  crake fsck --namenode crake://10.0.0.1:9060
  crake fsck --remove-lost                  removes files and values of which bytes are gone for good
  crake fsck --free-leaked                  frees blocks that have leaked
  crake fsck --remove-orphans               removes nodes without a name, names without a node, keys without a table
  crake fsck --repair                       all three

It asks datanodes whether they have the bytes of each file and value, while clients go on to work, and reads none of them. Bytes are `lost` if their
datanode has begun anew without them, `missing` if it is there and does not have them, and `away` if it is silent and may come back.

Of the whole namespace it also tells which blocks are in use without a name, by datanode, slot (of 1 MiB) and unit (of 4 KiB), and who has them: views of a file that is
no more, a value on its way into a table, something that is being removed. These go by themselves. Those of nobody have `leaked`: freed, they can be used again.

Of a namespace of several partitions it tells what they have of one another that does not match: a node that no name leads to is an `orphan`, a name that leads to nothing
is `dangling`, a table whose keys at another partition are gone `lacks_keys`, and these `orphan_keys` if their table is gone.

Exit codes: 0 nothing is wrong, or all that was is mended; 1 something is wrong and is left so; 2 wrong usage; 3 not everything could be looked at.")]
pub struct Arguments {
    /// What to look at, with all below it
    #[arg(default_value = "/")]
    path: RemotePath,
    /// The namenode of the cluster [default: the setting url]
    #[arg(long, value_name = "URL")]
    namenode: Option<String>,
    /// Remove files and values with bytes that are lost or missing; none whose datanode is away, and none that is being written
    #[arg(long)]
    remove_lost: bool,
    /// Free all blocks that have leaked, of the whole namespace. The namenode looks at all owners again before it does
    #[arg(long)]
    free_leaked: bool,
    /// Remove what partitions of the namespace have and others do not know: nodes that no name leads to, with all below them, names that lead to nothing, and keys whose table is gone
    #[arg(long)]
    remove_orphans: bool,
    /// Mend all that can be: --remove-lost and, of the whole namespace, --free-leaked and --remove-orphans
    #[arg(long)]
    repair: bool,
}

impl Arguments {
    fn check_path(&self) -> Result<(), Usage> {
        let flags = [
            ("--free-leaked", self.free_leaked),
            ("--remove-orphans", self.remove_orphans),
        ];
        match flags.iter().find(|(_, is_set)| *is_set && !self.path.is_root()) {
            Some((flag, _)) => Err(Usage(format!(
                "{flag} is for the whole namespace: leave the path out"
            ))),
            None => Ok(()),
        }
    }

    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flag = Flag::new("--namenode", &URL, self.namenode.as_ref());
        flag.into_iter().collect()
    }
}

/// Bytes of a file or value that cannot be read.
#[derive(Serialize)]
struct DamageRow<'a> {
    problem: &'static str,
    path: &'a str,
    /// Of a table at `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    offset: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    datanode: Option<u32>,
    open: bool,
}

/// A datanode that is silent.
#[derive(Serialize)]
struct SilentRow<'a> {
    problem: &'static str,
    datanode: u32,
    name: &'a str,
    used: u64,
}

/// A block in use that no name leads to.
#[derive(Serialize)]
struct UnnamedRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'static str>,
    partition: u16,
    datanode: u32,
    slot: u32,
    unit: u32,
    bytes: u32,
    /// Of a value on its way: its table.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u64>,
    /// Its key, or the last name of what is being removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// What partitions have of one another that does not match.
#[derive(Serialize)]
struct BrokenRow<'a> {
    problem: &'static str,
    partition: u16,
    node: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    /// The partition that does not have its side of it.
    other: u16,
}

/// What was removed of that.
#[derive(Serialize)]
struct RemovedTieRow {
    removed_node: u64,
    partition: u16,
    /// With all below it.
    nodes: u64,
}

/// A file or value that was removed.
#[derive(Serialize)]
struct RemovedRow<'a> {
    removed: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// What was seen, in the end.
#[derive(Serialize, Default)]
struct Summary {
    /// Files and values with blocks.
    checked: u64,
    blocks: u64,
    /// Bytes of these blocks.
    allotted: u64,
    /// Bytes in use, as the namenode counts: also what nobody can see any more and somebody still holds.
    used: u64,
    lost_bytes: u64,
    missing_bytes: u64,
    away_bytes: u64,
    /// Files and values of which bytes cannot be read.
    damaged: u64,
    removed: u64,
    silent_datanodes: u64,
    /// Blocks without a name that somebody has; of a part of the namespace they are not looked for.
    held_blocks: u64,
    held_bytes: u64,
    leaked_blocks: u64,
    leaked_bytes: u64,
    /// How many of both are not listed.
    unlisted_blocks: u64,
    /// Of those that have leaked: how many were freed.
    freed_blocks: u64,
    freed_bytes: u64,
    /// How many were free already, because somebody else has had them freed.
    absent_blocks: u64,
    /// How many may be other blocks by now, and are left as they are.
    changed_blocks: u64,
    /// How many have an owner after all.
    owned_blocks: u64,
    /// What partitions have of one another that does not match; of a part of the namespace that is not looked for.
    broken_ties: u64,
    /// How many of these are removed.
    removed_ties: u64,
}

/// Looks, tells, and mends what it is told to.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.check_path()?;
    let outcome = client::run(config, async |client| {
        let mut check = Check {
            client: &client,
            remove_lost: arguments.remove_lost || arguments.repair,
            free_leaked: arguments.free_leaked || arguments.repair,
            remove_orphans: arguments.remove_orphans || arguments.repair,
            output,
            is_whole: true,
            progress: output.activity("checked"),
            summary: Summary::default(),
        };
        check.run(&arguments.path).await
    });
    match outcome {
        Err(error) if error.is::<Told>() || error.is::<Exited>() || error.is::<Interrupted>() => Err(error),
        Err(error) => {
            output.note(format!("{error:#}"));
            Err(Exited(NOT_CHECKED).into())
        }
        Ok(()) => Ok(()),
    }
}

struct Check<'a> {
    client: &'a Client,
    remove_lost: bool,
    free_leaked: bool,
    remove_orphans: bool,
    output: Output,
    /// All that was to be looked at was.
    is_whole: bool,
    progress: ProgressBar,
    summary: Summary,
}

impl Check<'_> {
    async fn run(&mut self, path: &RemotePath) -> Result<()> {
        let datanodes = self.client.store.datanodes().await?;
        self.tell_silent(&datanodes)?;
        self.walk(path).await?;
        if path.is_root() {
            self.compare_partitions().await?;
            let unnamed = self.client.store.unnamed_blocks(LISTED_MAX).await?;
            self.tell_unnamed(&unnamed)?;
            if self.free_leaked && unnamed.leaked > 0 {
                self.free(&unnamed).await?;
            }
        }
        self.progress.finish_and_clear();
        self.summary.used = self.client.store.usage().await?.used;
        self.output.row(&SummaryRow {
            summary: &self.summary,
        })?;
        self.output.line(&self.summary.described(path))?;
        match (self.is_whole, self.summary.is_clean()) {
            (false, _) => Err(Exited(NOT_CHECKED).into()),
            (true, false) => Err(Told.into()),
            (true, true) => Ok(()),
        }
    }

    /// If they cannot be compared, the rest is looked at all the same.
    async fn compare_partitions(&mut self) -> Result<()> {
        let broken = match self.client.store.broken_ties().await {
            Ok(broken) => broken,
            Err(error) => {
                self.is_whole = false;
                self.output.note(format!("comparing partitions: {error}"));
                return Ok(());
            }
        };
        self.tell_broken(&broken)?;
        match self.remove_orphans {
            true => self.remove_orphans(&broken).await,
            false => Ok(()),
        }
    }

    /// Of one that has no blocks nobody misses anything.
    fn tell_silent(&mut self, datanodes: &[Datanode]) -> Result<()> {
        let silent = |datanode: &&Datanode| !datanode.alive && datanode.used > 0;
        for datanode in datanodes.iter().filter(silent) {
            self.summary.silent_datanodes += 1;
            self.output.row(&SilentRow {
                problem: "silent",
                datanode: datanode.id,
                name: &datanode.name,
                used: datanode.used,
            })?;
            self.output.line(&format!(
                "datanode {} ({}) is silent; it has blocks of {} bytes",
                datanode.id, datanode.name, datanode.used
            ))?;
        }
        Ok(())
    }

    /// What is removed by others meanwhile is none of its business.
    async fn walk(&mut self, path: &RemotePath) -> Result<()> {
        let attributes = self.client.store.lookup(path.as_str()).await?;
        let mut todo = vec![(path.clone(), attributes.kind)];
        while let Some((path, kind)) = todo.pop() {
            let looked = match kind {
                Node::Directory | Node::Multifile => self.list(&path, &mut todo).await,
                Node::Table => self.table(&path).await,
                Node::File | Node::KeyValue => self.file(&path).await,
            };
            match looked {
                Err(error) if is_gone(&error) => {}
                looked => looked?,
            }
        }
        Ok(())
    }

    async fn list(&mut self, path: &RemotePath, todo: &mut Vec<(RemotePath, Node)>) -> Result<()> {
        let mut entries = self.client.store.list(path.as_str());
        while let Some(entry) = entries.next().await? {
            let at = path.join(&entry.name);
            // Files at once: a directory may have more of them than there is room to remember.
            match entry.attributes.kind {
                Node::File => match self.file(&at).await {
                    Err(error) if is_gone(&error) => {}
                    looked => looked?,
                },
                kind => todo.push((at, kind)),
            }
        }
        Ok(())
    }

    async fn file(&mut self, path: &RemotePath) -> Result<()> {
        let checked = self.client.store.open(path.as_str()).await?.check().await?;
        self.tell(path, None, &checked)?;
        if self.is_to_go(&checked) && !checked.open {
            // Somebody may have put another file there.
            if self.client.store.lookup(path.as_str()).await?.id == checked.node {
                self.client.store.delete(path.as_str(), false).await?;
                self.tell_removed(path, None)?;
            }
        }
        Ok(())
    }

    async fn table(&mut self, path: &RemotePath) -> Result<()> {
        let table = self.client.store.table(path.as_str()).await?;
        let mut after = Some(Vec::new());
        while let Some(key) = after.take() {
            let (values, last) = table.check_page(&key).await?;
            for (key, checked) in values {
                self.tell(path, Some(&key), &checked)?;
                if self.is_to_go(&checked) {
                    self.remove(&table, path, &key, checked.version).await?;
                }
            }
            after = last;
        }
        Ok(())
    }

    async fn remove(&mut self, table: &Table, path: &RemotePath, key: &[u8], version: u64) -> Result<()> {
        let condition = crake_store::Condition::IfVersion(version);
        match table.remove_when(key, condition).await {
            Ok(_) => self.tell_removed(path, Some(key)),
            // Somebody has put another value there.
            Err(StoreError::VersionMismatch { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether some of it is gone for good, and it is to be removed for that.
    fn is_to_go(&self, checked: &Checked) -> bool {
        self.remove_lost && !checked.damages.is_empty() && checked.damages.iter().all(is_for_good)
    }

    fn tell(&mut self, path: &RemotePath, key: Option<&[u8]>, checked: &Checked) -> Result<()> {
        let summary = &mut self.summary;
        if checked.blocks > 0 {
            summary.checked += 1;
            summary.blocks += checked.blocks;
            summary.allotted += checked.allotted;
            self.progress
                .set_message(format!("{} files and values", summary.checked));
            self.progress.tick();
        }
        summary.damaged += u64::from(!checked.damages.is_empty());
        for damage in &checked.damages {
            self.tell_damage(path, key, checked.open, damage)?;
        }
        Ok(())
    }

    fn tell_damage(
        &mut self,
        path: &RemotePath,
        key: Option<&[u8]>,
        open: bool,
        damage: &Damage,
    ) -> Result<()> {
        let bytes = damage.bytes.end - damage.bytes.start;
        let (problem, why, count) = match damage.trouble {
            Trouble::Lost => (
                "lost",
                "are lost with their datanode",
                &mut self.summary.lost_bytes,
            ),
            Trouble::Missing => ("missing", "are not at", &mut self.summary.missing_bytes),
            Trouble::Away => ("away", "are away with", &mut self.summary.away_bytes),
        };
        *count += bytes;
        self.output.row(&DamageRow {
            problem,
            path: path.as_str(),
            key: key.map(text_of),
            offset: damage.bytes.start,
            bytes,
            datanode: damage.datanode,
            open,
        })?;
        let who = damage.datanode.map(|id| format!(" datanode {id}"));
        Ok(self.output.line(&format!(
            "{}: bytes {} to {} {why}{}{}",
            name_of(path, key),
            damage.bytes.start,
            damage.bytes.end,
            who.unwrap_or_default(),
            if open { " (being written)" } else { "" },
        ))?)
    }

    fn tell_broken(&mut self, broken: &[BrokenTie]) -> Result<()> {
        self.summary.broken_ties = broken.len() as u64;
        for tie in broken {
            let name = text_of(&tie.name);
            self.output.row(&BrokenRow {
                problem: problem_of(tie.mismatch),
                partition: tie.partition,
                node: tie.node,
                kind: tie.kind.name(),
                name: &name,
                other: tie.other,
            })?;
            self.output.line(&broken_line(tie, &name))?;
        }
        Ok(())
    }

    /// What cannot be removed is told, and stays as it is.
    async fn remove_orphans(&mut self, broken: &[BrokenTie]) -> Result<()> {
        for tie in broken.iter().filter(|tie| tie.mismatch.is_mendable()) {
            match self.client.store.remove_broken(tie).await {
                Ok(nodes) => {
                    self.summary.removed_ties += 1;
                    self.output.row(&RemovedTieRow {
                        removed_node: tie.node,
                        partition: tie.partition,
                        nodes,
                    })?;
                    self.output.line(&format!(
                        "node {} of partition {}: removed, {nodes} nodes with it",
                        tie.node, tie.partition
                    ))?;
                }
                Err(error) => self.output.note(format!(
                    "removing node {} of partition {}: {error}",
                    tie.node, tie.partition
                )),
            }
        }
        Ok(())
    }

    fn tell_unnamed(&mut self, unnamed: &UnnamedBlocks) -> Result<()> {
        self.summary.held_blocks = unnamed.held;
        self.summary.held_bytes = unnamed.held_bytes;
        self.summary.leaked_blocks = unnamed.leaked;
        self.summary.leaked_bytes = unnamed.leaked_bytes;
        self.summary.unlisted_blocks = unnamed.unlisted();
        for block in &unnamed.blocks {
            self.output.row(&UnnamedRow::of(block))?;
            self.output.line(&described(block))?;
        }
        if unnamed.unlisted() > 0 {
            self.output
                .line(&format!("and {} blocks more without a name", unnamed.unlisted()))?;
        }
        Ok(())
    }

    /// What cannot be freed is told, and stays as it is: what was seen is told all the same.
    async fn free(&mut self, unnamed: &UnnamedBlocks) -> Result<()> {
        match self.client.store.free_leaked(unnamed).await {
            Ok(freed) => self.tell_freed(&freed),
            Err(error) => {
                self.output.note(format!("freeing what has leaked: {error}"));
                Ok(())
            }
        }
    }

    fn tell_freed(&mut self, freed: &FreedBlocks) -> Result<()> {
        self.summary.freed_blocks = freed.freed;
        self.summary.freed_bytes = freed.freed_bytes;
        self.summary.absent_blocks = freed.absent;
        self.summary.changed_blocks = freed.changed;
        self.summary.owned_blocks = freed.owned;
        for (count, what) in [
            (freed.absent, "have been freed by somebody else"),
            (
                freed.changed,
                "are left: others were given out of their slots meanwhile, run it again",
            ),
            (freed.owned, "are left: they have an owner after all"),
        ] {
            if count > 0 {
                self.output
                    .line(&format!("{count} of the blocks that had leaked {what}"))?;
            }
        }
        Ok(())
    }

    fn tell_removed(&mut self, path: &RemotePath, key: Option<&[u8]>) -> Result<()> {
        self.summary.removed += 1;
        self.output.row(&RemovedRow {
            removed: path.as_str(),
            key: key.map(text_of),
        })?;
        Ok(self.output.line(&format!("{}: removed", name_of(path, key)))?)
    }
}

impl UnnamedRow {
    fn of(block: &UnnamedBlock) -> UnnamedRow {
        let (held, node, name) = match &block.holder {
            Holder::Put { table, key } => (Some("put"), Some(*table), Some(text_of(key))),
            Holder::View { node } => (Some("view"), Some(*node), None),
            Holder::Removal { node, name } => (Some("removal"), Some(*node), Some(text_of(name))),
            Holder::Nobody => (None, None, None),
        };
        UnnamedRow {
            problem: held.is_none().then_some("leaked"),
            held,
            partition: block.partition,
            datanode: block.datanode,
            slot: block.slot,
            unit: block.unit,
            bytes: block.len_bytes,
            node,
            name,
        }
    }
}

fn described(block: &UnnamedBlock) -> String {
    let holder = match &block.holder {
        Holder::Put { table, key } => {
            format!("a value on its way into table {table}, key {}", text_of(key))
        }
        Holder::View { node } => format!("views of file {node}, which is no more"),
        Holder::Removal { node, name } => format!("node {node} ({}), which is being removed", text_of(name)),
        Holder::Nobody => "nobody: they have leaked".to_owned(),
    };
    format!(
        "datanode {} slot {} unit {}: {} bytes of {holder} (partition {})",
        block.datanode, block.slot, block.unit, block.len_bytes, block.partition
    )
}

#[derive(Serialize)]
struct SummaryRow<'a> {
    summary: &'a Summary,
}

impl Summary {
    /// Nothing is wrong, or all that was is mended.
    fn is_clean(&self) -> bool {
        self.damaged == self.removed
            && self.silent_datanodes == 0
            && self.leaked_blocks == self.freed_blocks + self.absent_blocks
            && self.broken_ties == self.removed_ties
    }

    fn described(&self, path: &RemotePath) -> String {
        let mut text = format!(
            "{} files and values with {} blocks of {} bytes below {path}",
            self.checked, self.blocks, self.allotted
        );
        if path.is_root() {
            text += &format!("; {} bytes are in use", self.used);
            if self.held_blocks > 0 {
                text += &format!(
                    ", {} of them in {} blocks without a name that somebody has",
                    self.held_bytes, self.held_blocks
                );
            }
        }
        if self.broken_ties > 0 {
            text += &format!(
                "; {} times partitions do not agree, {} times what is there of it was removed",
                self.broken_ties, self.removed_ties
            );
        }
        if self.leaked_blocks > 0 {
            text += &format!(
                "; {} blocks of {} bytes have leaked",
                self.leaked_blocks, self.leaked_bytes
            );
            if self.freed_blocks > 0 {
                text += &format!(", {} of {} bytes are freed", self.freed_blocks, self.freed_bytes);
            }
        } else if self.damaged == 0 && self.silent_datanodes == 0 && self.broken_ties == 0 {
            return text + "; nothing is wrong";
        }
        text += &format!(
            "; {} damaged: {} bytes lost, {} missing, {} away",
            self.damaged, self.lost_bytes, self.missing_bytes, self.away_bytes
        );
        match self.removed {
            0 => text,
            removed => text + &format!("; {removed} removed"),
        }
    }
}

fn problem_of(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Orphan => "orphan",
        Mismatch::OrphanKeys => "orphan_keys",
        Mismatch::Dangling => "dangling",
        Mismatch::LacksKeys => "lacks_keys",
    }
}

fn broken_line(tie: &BrokenTie, name: &str) -> String {
    let BrokenTie {
        partition,
        node,
        other,
        ..
    } = tie;
    let kind = tie.kind.name();
    match tie.mismatch {
        Mismatch::Orphan => {
            format!(
                "{kind} `{name}`, node {node} of partition {partition}: no name at partition {other} leads to it"
            )
        }
        Mismatch::OrphanKeys => {
            format!(
                "keys at partition {partition}, node {node}: their table at partition {other} is not there"
            )
        }
        Mismatch::Dangling => {
            format!("name `{name}` at partition {partition}: its {kind} at partition {other} is not there")
        }
        Mismatch::LacksKeys => {
            format!(
                "table `{name}`, node {node} of partition {partition}: its keys at partition {other} are not there"
            )
        }
    }
}

fn is_for_good(damage: &Damage) -> bool {
    matches!(damage.trouble, Trouble::Lost | Trouble::Missing)
}

fn is_gone(error: &Error) -> bool {
    matches!(
        error.downcast_ref::<StoreError>(),
        Some(StoreError::NotFound { .. })
    )
}

fn name_of(path: &RemotePath, key: Option<&[u8]>) -> String {
    let path = crate::fs::printable(path.as_str());
    key.map_or(path.clone(), |key| format!("{path} key {}", text_of(key)))
}

/// A key as it can be shown: what is no printable ASCII is escaped.
fn text_of(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaked(freed: u64, absent: u64) -> Summary {
        Summary {
            leaked_blocks: 3,
            leaked_bytes: 3 * 4096,
            freed_blocks: freed,
            freed_bytes: freed * 4096,
            absent_blocks: absent,
            ..Summary::default()
        }
    }

    #[test]
    fn what_has_leaked_is_mended_when_all_of_it_is_free() {
        assert!(leaked(3, 0).is_clean() && leaked(1, 2).is_clean());
        assert!(!leaked(0, 0).is_clean() && !leaked(2, 0).is_clean());
    }

    #[test]
    fn it_is_told_how_much_was_freed() {
        let root: RemotePath = "/".parse().unwrap();
        let text = leaked(2, 0).described(&root);
        assert!(
            text.contains("; 3 blocks of 12288 bytes have leaked, 2 of 8192 bytes are freed; 0 damaged"),
            "{text}"
        );
        let text = leaked(0, 0).described(&root);
        assert!(text.contains("have leaked; 0 damaged"), "{text}");
        let text = Summary::default().described(&root);
        assert!(text.ends_with("; nothing is wrong"), "{text}");
    }
}
