//! The directory in which a datanode keeps its blocks, and what was found there.

use anyhow::{Context, Result};
use clap::Args;
use crake_server::datanode::persist::Found;
use crake_server::{Datanode, PersistConfig};
use serde::Serialize;

use crate::config::{Config, DATANODE_PERSIST, Flag};
use crate::size::Size;

/// Arguments of whoever runs datanodes.
#[derive(Args, Debug)]
pub struct PersistArguments {
    /// Where the blocks are kept in files, to be there again after the end of the process [default: the setting datanode.persist]
    #[arg(long, value_name = "DIR")]
    persist: Option<String>,
}

impl PersistArguments {
    /// The setting that the flag gives.
    pub fn flag(&self) -> Option<Flag> {
        Flag::new("--persist", &DATANODE_PERSIST, self.persist.as_ref())
    }
}

/// Where a datanode of this process keeps its blocks, if it does; `part` names it if there are several.
pub fn wanted(config: &Config, part: Option<&str>) -> Result<Option<PersistConfig>> {
    let directory = config.text(&DATANODE_PERSIST);
    if directory.is_empty() {
        return Ok(None);
    }
    let directory = std::path::absolute(directory).context("the path of the datanode's directory")?;
    Ok(Some(PersistConfig {
        directory: part.map_or_else(|| directory.clone(), |part| directory.join(part)),
        host: crake_store::this_host(),
    }))
}

/// What datanodes found in their directories, all together.
#[derive(Serialize, Default)]
pub struct Kept {
    /// Blocks with bytes in them.
    blocks: u64,
    /// These bytes.
    bytes: Size,
    /// Datanodes whose blocks are lost, for the machine was started anew.
    emptied: u64,
}

impl Kept {
    /// Nothing if they keep nothing.
    pub fn by<'a>(datanodes: impl IntoIterator<Item = &'a Datanode>) -> Option<Kept> {
        let found = datanodes.into_iter().filter_map(Datanode::found);
        found.fold(None, |kept, found| {
            let mut kept = kept.unwrap_or_default();
            match found {
                Found::Nothing => {}
                Found::Kept { blocks, bytes } => {
                    kept.blocks += blocks;
                    kept.bytes.0 += bytes;
                }
                Found::OtherBoot => kept.emptied += 1,
            }
            Some(kept)
        })
    }

    /// For people.
    pub fn described(&self) -> String {
        let mut text = match self.blocks {
            0 => "No blocks were kept from before.".to_owned(),
            blocks => format!("Kept from before: {blocks} blocks with {} bytes.", self.bytes.0),
        };
        if self.emptied > 0 {
            text += " The machine was started anew: what datanodes kept before that is lost.";
        }
        text
    }
}
