//! The files of a directory: made where there are none, and checked where there are.

use std::path::PathBuf;
use std::rc::Rc;

use crake_datapath::{KeptMemory, Runtime};
use crake_mem::Region;
use crake_store::canary::{Canary, planted};
use crake_store::protocol::tier;
use crake_store::protocol::tier::Layout;

use super::error::{PersistError, Reason};
use super::layout::{
    BLOCKS, HEAD_BYTES, HEAD_CHECK_AT, LEDGER, LIFE_AT, MAGIC, MAGIC_AT, NAME_AT, NAME_BYTES, NAME_LEN_AT,
    Places, TABLE, UNITS_AT, VERSION, VERSION_AT, check_of,
};
use super::ledger::Ledger;
use super::recover::Recovered;
use crate::datanode::UNIT_BYTES;
use crate::namenode::log::boot_of;

/// Where a datanode keeps its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistConfig {
    /// The directory, which is made if it is not there. It has room for all of the tier, and a little more.
    pub directory: PathBuf,
    /// The identity of this life of the machine ([`crake_store::this_host`]): in another one nothing of this one is believed. Empty is unknown, which is
    /// never the same.
    pub host: String,
}

/// What a datanode found in its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the directory is new, or its datanode has never been registered.
    Nothing,
    /// The blocks of the datanode that ended.
    Kept {
        /// Blocks with bytes in them.
        blocks: u64,
        /// These bytes.
        bytes: u64,
    },
    /// Blocks of an earlier life of the machine, which are not believed: they are lost.
    OtherBoot,
}

/// A directory that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) blocks: Rc<Region>,
    pub(crate) table: Rc<Region>,
    pub(crate) ledger: Ledger,
    /// The name that its datanode has.
    pub(crate) name: String,
    /// The blocks that it goes on with.
    pub(crate) recovered: Option<Recovered>,
    /// Whether there were others.
    pub(crate) is_other_boot: bool,
}

/// Opens the directory of a datanode that gives `len_bytes`, or makes one. It keeps the name that it has; `name`, if it is not empty, must be
/// that.
pub(crate) fn open(
    runtime: &Runtime,
    config: &PersistConfig,
    len_bytes: u64,
    name: &str,
) -> Result<Opened, PersistError> {
    let opened = runtime
        .kept_memory(&config.directory)
        .map_err(Reason::Directory)
        .and_then(|directory| {
            let wanted = Wanted {
                units: (len_bytes / UNIT_BYTES) as usize,
                name,
                boot: boot_of(&config.host),
            };
            match is_made(&*directory)? {
                true => wanted.open(directory),
                false => wanted.make(runtime, directory),
            }
        });
    opened.map_err(|reason| PersistError {
        directory: config.directory.clone(),
        reason,
    })
}

/// Whether the directory was finished once.
fn is_made(directory: &dyn KeptMemory) -> Result<bool, Reason> {
    match len_of(directory, LEDGER)? {
        None => match len_of(directory, BLOCKS)?.or(len_of(directory, TABLE)?) {
            None => Ok(false),
            Some(_) => Err(Reason::Missing { file: LEDGER }),
        },
        Some(0) => Ok(false),
        Some(len_bytes) => Ok(map_ledger(directory, len_bytes)?.load_u64(MAGIC_AT) != 0),
    }
}

fn len_of(directory: &dyn KeptMemory, file: &'static str) -> Result<Option<u64>, Reason> {
    directory
        .len_bytes(file)
        .map_err(|error| Reason::File { file, error })
}

/// One that is there, if it is long enough for a head.
fn map_ledger(directory: &dyn KeptMemory, len_bytes: u64) -> Result<Rc<Region>, Reason> {
    match len_bytes < HEAD_BYTES as u64 {
        true => Err(Reason::Foreign { file: LEDGER }),
        false => take(directory, LEDGER, len_bytes as usize),
    }
}

fn take(directory: &dyn KeptMemory, file: &'static str, len_bytes: usize) -> Result<Rc<Region>, Reason> {
    directory
        .region(file, len_bytes)
        .map_err(|error| Reason::Memory { file, error })
}

/// What a directory is to be.
struct Wanted<'a> {
    units: usize,
    name: &'a str,
    boot: u64,
}

impl Wanted<'_> {
    fn files(&self) -> [(&'static str, usize); 3] {
        let layout = Layout::new(self.units);
        [
            (LEDGER, Places::new(self.units).len_bytes()),
            (TABLE, layout.len_bytes()),
            (BLOCKS, layout.blocks_bytes()),
        ]
    }

    /// A new directory, or one that was not finished. If there is no room, nothing is left of it.
    fn make(&self, runtime: &Runtime, directory: Rc<dyn KeptMemory>) -> Result<Opened, Reason> {
        for (file, _) in self.files() {
            if len_of(&*directory, file)?.is_some() {
                let removed = directory.remove(file);
                removed.map_err(|error| Reason::File { file, error })?;
            }
        }
        let [ledger, table, blocks] = self.take_all(&*directory)?;
        let name = match self.name {
            "" => format!("datanode-{:016x}", runtime.random()),
            name => name.to_owned(),
        };
        self.begin_table(&table);
        write_head(&ledger, self.units, &name);
        Ok(Opened {
            ledger: Ledger::new(ledger, table.clone(), self.units, self.boot, Some(directory)),
            table,
            blocks,
            name,
            recovered: None,
            is_other_boot: false,
        })
    }

    fn take_all(&self, directory: &dyn KeptMemory) -> Result<[Rc<Region>; 3], Reason> {
        let [ledger, table, blocks] = self
            .files()
            .map(|(file, len_bytes)| move || take(directory, file, len_bytes));
        let taken = ledger().and_then(|ledger| Ok([ledger, table()?, blocks()?]));
        if taken.is_err() {
            for (file, _) in self.files() {
                // What cannot be removed now is removed the next time.
                let _ = directory.remove(file);
            }
        }
        taken
    }

    /// A directory that is there.
    fn open(&self, directory: Rc<dyn KeptMemory>) -> Result<Opened, Reason> {
        let len_bytes = len_of(&*directory, LEDGER)?.unwrap_or_default();
        let ledger = map_ledger(&*directory, len_bytes)?;
        let name = self.check_head(&ledger)?;
        for (file, wanted_bytes) in self.files() {
            let has_bytes = len_of(&*directory, file)?.ok_or(Reason::Missing { file })?;
            if has_bytes != wanted_bytes as u64 {
                let at = has_bytes.min(wanted_bytes as u64) as usize;
                return Err(Reason::damaged(file, at, "the file has another length"));
            }
        }
        let [_, (_, table_bytes), (_, blocks_bytes)] = self.files();
        let table = take(&*directory, TABLE, table_bytes)?;
        let blocks = take(&*directory, BLOCKS, blocks_bytes)?;
        let ledger = Ledger::new(ledger, table.clone(), self.units, self.boot, Some(directory));
        let (recovered, is_other_boot) = self.recover(&ledger)?;
        if recovered.is_none() {
            self.begin_table(&table);
        }
        Ok(Opened {
            blocks,
            table,
            ledger,
            name,
            recovered,
            is_other_boot,
        })
    }

    /// A table without a life, whatever a crash of the machine has left of it. Who maps it finds none that is over.
    fn begin_table(&self, table: &Region) {
        table.store_u64(tier::INCARNATION_AT, 0);
        table.store_u32(tier::VERSION_AT, tier::VERSION);
        table.store_u64(tier::UNITS_AT, self.units as u64);
        table.store_u64(tier::MAGIC_AT, tier::MAGIC);
    }

    /// Gives the name.
    fn check_head(&self, ledger: &Region) -> Result<String, Reason> {
        if ledger.load_u64(MAGIC_AT) != MAGIC {
            return Err(Reason::Foreign { file: LEDGER });
        }
        let version = ledger.load_u32(VERSION_AT);
        if version != VERSION {
            return Err(Reason::Version {
                file: LEDGER,
                version,
                known: VERSION,
            });
        }
        if ledger.load_u64(HEAD_CHECK_AT) != head_check(ledger) {
            return Err(Reason::damaged(
                LEDGER,
                UNITS_AT,
                "the check of its head is wrong",
            ));
        }
        let name = name_of(ledger).ok_or(Reason::damaged(LEDGER, NAME_AT, "a name that no datanode has"))?;
        let units = ledger.load_u64(UNITS_AT);
        if units != self.units as u64 {
            return Err(Reason::Size {
                has_bytes: units.saturating_mul(UNIT_BYTES),
                wanted_bytes: self.units as u64 * UNIT_BYTES,
            });
        }
        if !self.name.is_empty() && self.name != name {
            return Err(Reason::Name {
                has: name,
                wanted: self.name.to_owned(),
            });
        }
        Ok(name)
    }

    /// What is there of this life of the machine, and whether there is something of another.
    fn recover(&self, ledger: &Ledger) -> Result<(Option<Recovered>, bool), Reason> {
        let life = ledger.life();
        let life = life.map_err(|()| Reason::damaged(LEDGER, LIFE_AT, "the check of its life is wrong"))?;
        let Some(life) = life else {
            return Ok((None, false));
        };
        let is_other_boot = life.boot != self.boot || self.boot == 0;
        if is_other_boot && !planted(Canary::BelieveOtherBoot) {
            return Ok((None, true));
        }
        let table = &ledger.table;
        let is_its_table = table.load_u64(tier::MAGIC_AT) == tier::MAGIC
            && table.load_u32(tier::VERSION_AT) == tier::VERSION
            && table.load_u64(tier::UNITS_AT) == self.units as u64
            && table.load_u64(tier::INCARNATION_AT) == life.incarnation
            && table.load_u32(tier::DATANODE_AT) == life.datanode;
        if !is_its_table {
            return Err(Reason::damaged(TABLE, 0, "its head is not that of this ledger"));
        }
        Ok((Some(ledger.recover(life)?), false))
    }
}

/// The magic number last: before it is there, there is no ledger.
fn write_head(ledger: &Region, units: usize, name: &str) {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(NAME_BYTES, 0);
    ledger.store_u32(VERSION_AT, VERSION);
    ledger.store_u64(UNITS_AT, units as u64);
    ledger.store_u64(NAME_LEN_AT, name.len() as u64);
    for (word, at) in bytes.chunks_exact(8).zip((NAME_AT..).step_by(8)) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        ledger.store_u64(at, word);
    }
    ledger.store_u64(HEAD_CHECK_AT, head_check(ledger));
    ledger.order_stores();
    ledger.store_u64(MAGIC_AT, MAGIC);
}

fn head_check(ledger: &Region) -> u64 {
    let words = (UNITS_AT..HEAD_CHECK_AT).step_by(8);
    check_of(&words.map(|at| ledger.load_u64(at)).collect::<Vec<_>>())
}

fn name_of(ledger: &Region) -> Option<String> {
    let len = usize::try_from(ledger.load_u64(NAME_LEN_AT)).ok()?;
    let words = (NAME_AT..NAME_AT + NAME_BYTES).step_by(8);
    let mut bytes = words
        .flat_map(|at| ledger.load_u64(at).to_le_bytes())
        .collect::<Vec<_>>();
    if len == 0 || len > crate::namenode::NAME_BYTES_MAX {
        return None;
    }
    bytes.truncate(len);
    String::from_utf8(bytes).ok()
}
