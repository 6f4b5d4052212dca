//! Commands and time-driven changes as the bodies of records (`docs/format/log.md`).
//!
//! Each command is written out field by field, so that one that is added is not forgotten here: the compiler asks for it.

use super::super::command::{
    Command, Create, ENDPOINTS_MAX, Errand, IssuedSlot, JobCreate, KEYS_MAX, Loan, MemberNews, Put, PutItem,
    Register, SLOTS_MAX, SessionId,
};
use super::super::config::Config;
use super::super::state::{Input, Malformed, State, save_bytes};
use super::partners;

/// A change of the state that no command makes: on replay it happens where it happened, whatever the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::namenode) enum Event {
    /// A session was silent for the time of a lease: all that it held is given up.
    SessionEnded(SessionId),
    /// A datanode was silent for too long.
    DatanodeSilent(u32),
    /// A datanode that was silent is heard again.
    DatanodeHeard(u32),
    /// A slice of what is left of jobs that have ended was removed.
    SliceRemoved,
    /// Some of the log may have been lost in a crash of the machine: ids, versions and generations go on far above those that are
    /// known, for others may have been given out.
    Gap,
}

/// What a record says.
#[derive(Debug)]
pub(in crate::namenode) enum Entry<'a> {
    /// Of a session.
    Command(SessionId, Command<'a>),
    Event(Event),
    /// A namenode has started with these limits.
    Limits(Config),
}

/// Room for the lists that a command borrows.
#[derive(Default)]
pub(super) struct Lists<'a> {
    endpoints: Vec<&'a str>,
    items: Vec<PutItem<'a>>,
    errand: Option<Errand>,
    slots: Vec<IssuedSlot>,
    pub(super) loans: Vec<Loan>,
    pub(super) members: Vec<MemberNews<'a>>,
}

/// Numbers of kinds. One is never given a second meaning.
mod kind {
    pub(super) const CREATE: u16 = 1;
    pub(super) const RENAME: u16 = 2;
    pub(super) const DELETE: u16 = 3;
    pub(super) const APPEND: u16 = 4;
    pub(super) const ALLOCATE: u16 = 5;
    pub(super) const PUBLISH: u16 = 6;
    pub(super) const PIN: u16 = 7;
    pub(super) const UNPIN: u16 = 8;
    pub(super) const PUT: u16 = 9;
    pub(super) const PUT_COMMIT: u16 = 10;
    pub(super) const REMOVE: u16 = 11;
    pub(super) const REGISTER: u16 = 12;
    pub(super) const SEAL: u16 = 13;
    pub(super) const JOB_CREATE: u16 = 14;
    pub(super) const JOB_END: u16 = 15;
    pub(super) const MULTI_PUT: u16 = 16;
    pub(super) const ADD: u16 = 17;
    pub(super) const SET_TTL: u16 = 18;
    pub(super) const DO_ERRAND: u16 = 19;
    pub(super) const ERRAND_DONE: u16 = 20;
    pub(super) const MEET_PARTNER: u16 = 21;
    pub(super) const RENAME_TO: u16 = 22;
    pub(super) const FREE_LEAKED: u16 = 23;
    pub(super) const REMOVE_TIE: u16 = 24;
    pub(super) const SESSION_ENDED: u16 = 100;
    pub(super) const DATANODE_SILENT: u16 = 101;
    pub(super) const DATANODE_HEARD: u16 = 102;
    pub(super) const GAP: u16 = 103;
    pub(super) const LIMITS: u16 = 104;
    pub(super) const SLICE_REMOVED: u16 = 105;
}

/// Writes a command that may change the state, and gives its kind; nothing of one that only reads, or that only says that somebody
/// is alive.
pub(super) fn save_command(session: SessionId, command: &Command<'_>, out: &mut Vec<u8>) -> Option<u16> {
    session.save(out);
    Some(match *command {
        Command::Create(ref request) => save_create(request, out),
        Command::Rename {
            from_base,
            from,
            to_base,
            to,
            no_replace,
        } => {
            from_base.save(out);
            save_bytes(from.as_bytes(), out);
            to_base.save(out);
            save_bytes(to.as_bytes(), out);
            no_replace.save(out);
            kind::RENAME
        }
        Command::RenameTo {
            from_base,
            from,
            partition,
            directory,
            name,
            no_replace,
        } => {
            from_base.save(out);
            save_bytes(from.as_bytes(), out);
            (partition, directory).save(out);
            save_bytes(name.as_bytes(), out);
            no_replace.save(out);
            kind::RENAME_TO
        }
        Command::Delete {
            base,
            path,
            recursive,
        } => {
            base.save(out);
            save_bytes(path.as_bytes(), out);
            recursive.save(out);
            kind::DELETE
        }
        Command::Append { base, path } => {
            base.save(out);
            save_bytes(path.as_bytes(), out);
            kind::APPEND
        }
        Command::Allocate {
            node,
            lease,
            offset,
            want,
        } => {
            (node, lease).save(out);
            (offset, want).save(out);
            kind::ALLOCATE
        }
        Command::Publish {
            node,
            lease,
            size,
            seal,
        } => {
            (node, lease).save(out);
            (size, seal).save(out);
            kind::PUBLISH
        }
        Command::Pin { node } => {
            node.save(out);
            kind::PIN
        }
        Command::Unpin { pin } => {
            pin.save(out);
            kind::UNPIN
        }
        Command::Seal { base, path } => {
            base.save(out);
            save_bytes(path.as_bytes(), out);
            kind::SEAL
        }
        Command::JobCreate(JobCreate { name, quota }) => {
            save_bytes(name.as_bytes(), out);
            quota.save(out);
            kind::JOB_CREATE
        }
        Command::JobEnd { job, kill } => {
            (job, kill).save(out);
            kind::JOB_END
        }
        Command::FreeLeaked { incarnation, slots } => {
            incarnation.save(out);
            (slots.len() as u32).save(out);
            slots.iter().for_each(|slot| slot.save(out));
            kind::FREE_LEAKED
        }
        Command::RemoveTie { of, node } => {
            of.save(out);
            node.save(out);
            kind::REMOVE_TIE
        }
        Command::Put(ref request) => save_put(request, out),
        Command::MultiPut { table, path, items } => {
            table.save(out);
            save_bytes(path.as_bytes(), out);
            (items.len() as u32).save(out);
            items.iter().for_each(|item| save_item(item, out));
            kind::MULTI_PUT
        }
        Command::Add {
            table,
            path,
            key,
            delta,
        } => {
            table.save(out);
            save_bytes(path.as_bytes(), out);
            save_bytes(key, out);
            delta.save(out);
            kind::ADD
        }
        Command::SetTtl {
            base,
            path,
            key,
            ttl_ns,
        } => {
            base.save(out);
            save_bytes(path.as_bytes(), out);
            save_bytes(key, out);
            ttl_ns.save(out);
            kind::SET_TTL
        }
        Command::PutCommit { pending, abort } => {
            (pending, abort).save(out);
            kind::PUT_COMMIT
        }
        Command::Remove {
            table,
            path,
            key,
            condition,
        } => {
            table.save(out);
            save_bytes(path.as_bytes(), out);
            save_bytes(key, out);
            condition.save(out);
            kind::REMOVE
        }
        Command::Register(ref request) => save_register(request, out),
        Command::DoErrand {
            partition,
            id,
            errand,
        } => {
            (partition, id).save(out);
            errand.save(out);
            kind::DO_ERRAND
        }
        Command::ErrandDone {
            to,
            id,
            refused,
            node,
        } => {
            (to, id).save(out);
            refused.save(out);
            node.save(out);
            kind::ERRAND_DONE
        }
        Command::MeetPartner {
            partition,
            incarnation,
        } => {
            (partition, incarnation).save(out);
            kind::MEET_PARTNER
        }
        Command::BorrowerBegan { .. }
        | Command::Lend(_)
        | Command::TakeBack { .. }
        | Command::MembersChanged { .. }
        | Command::Borrowed { .. }
        | Command::GiveBack { .. }
        | Command::GivenBack { .. } => partners::save(command, out),
        Command::Lookup { .. }
        | Command::List { .. }
        | Command::Blocks { .. }
        | Command::OpenTable { .. }
        | Command::Get { .. }
        | Command::MultiGet { .. }
        | Command::Scan(_)
        | Command::JobList { .. }
        | Command::Watch { .. }
        | Command::Unwatch { .. }
        | Command::Events { .. }
        | Command::Renew
        | Command::Usage
        | Command::Datanodes { .. }
        | Command::Members { .. }
        | Command::Heartbeat { .. } => return None,
    })
}

fn save_create(request: &Create<'_>, out: &mut Vec<u8>) -> u16 {
    let Create {
        base,
        path,
        kind,
        parents,
        replace,
        existing_ok,
        storage_class,
        location_class,
        size_hint,
        ttl_ns,
        branch,
        spread,
    } = *request;
    base.save(out);
    save_bytes(path.as_bytes(), out);
    kind.save(out);
    [parents, replace, existing_ok, spread].save(out);
    storage_class.save(out);
    (location_class, size_hint).save(out);
    ttl_ns.save(out);
    branch.save(out);
    kind::CREATE
}

fn save_put(request: &Put<'_>, out: &mut Vec<u8>) -> u16 {
    let Put {
        table,
        path,
        key,
        value,
        condition,
        large,
        size,
        ttl_ns,
    } = *request;
    table.save(out);
    save_bytes(path.as_bytes(), out);
    save_bytes(key, out);
    save_bytes(value, out);
    condition.save(out);
    (large, size).save(out);
    ttl_ns.save(out);
    kind::PUT
}

fn save_item(item: &PutItem<'_>, out: &mut Vec<u8>) {
    let PutItem {
        key,
        value,
        condition,
        ttl_ns,
    } = *item;
    save_bytes(key, out);
    save_bytes(value, out);
    condition.save(out);
    ttl_ns.save(out);
}

fn save_register(request: &Register<'_>, out: &mut Vec<u8>) -> u16 {
    let Register {
        name,
        incarnation,
        capacity,
        endpoints,
        host,
        location_class,
        storage_class,
        namenode,
    } = *request;
    save_bytes(name.as_bytes(), out);
    (incarnation, capacity).save(out);
    (endpoints.len() as u32).save(out);
    for endpoint in endpoints {
        save_bytes(endpoint.as_bytes(), out);
    }
    save_bytes(host.as_bytes(), out);
    (location_class, storage_class).save(out);
    namenode.save(out);
    kind::REGISTER
}

/// Writes an event, and gives its kind.
pub(super) fn save_event(event: Event, out: &mut Vec<u8>) -> u16 {
    match event {
        Event::SessionEnded(session) => {
            session.save(out);
            kind::SESSION_ENDED
        }
        Event::DatanodeSilent(id) => {
            id.save(out);
            kind::DATANODE_SILENT
        }
        Event::DatanodeHeard(id) => {
            id.save(out);
            kind::DATANODE_HEARD
        }
        Event::Gap => kind::GAP,
        Event::SliceRemoved => kind::SLICE_REMOVED,
    }
}

/// Writes limits, and gives their kind.
pub(super) fn save_limits(config: &Config, out: &mut Vec<u8>) -> u16 {
    config.save(out);
    kind::LIMITS
}

/// Reads the body of a record of this kind, and hands it over. `lists` is room for what it borrows.
pub(super) fn load<'a>(kind: u16, body: &'a [u8], lists: &'a mut Lists<'a>) -> Result<Entry<'a>, Malformed> {
    let mut input = Input::new(body);
    let input = &mut input;
    let entry = match kind {
        kind::SESSION_ENDED => Entry::Event(Event::SessionEnded(State::load(input)?)),
        kind::DATANODE_SILENT => Entry::Event(Event::DatanodeSilent(State::load(input)?)),
        kind::DATANODE_HEARD => Entry::Event(Event::DatanodeHeard(State::load(input)?)),
        kind::GAP => Entry::Event(Event::Gap),
        kind::SLICE_REMOVED => Entry::Event(Event::SliceRemoved),
        kind::LIMITS => Entry::Limits(State::load(input)?),
        _ => {
            let session = State::load(input)?;
            Entry::Command(session, load_command(kind, input, lists)?)
        }
    };
    input.end()?;
    Ok(entry)
}

fn load_command<'a>(
    kind: u16,
    input: &mut Input<'a>,
    lists: &'a mut Lists<'a>,
) -> Result<Command<'a>, Malformed> {
    Ok(match kind {
        kind::CREATE => Command::Create(load_create(input)?),
        kind::RENAME => Command::Rename {
            from_base: State::load(input)?,
            from: input.text()?,
            to_base: State::load(input)?,
            to: input.text()?,
            no_replace: State::load(input)?,
        },
        kind::RENAME_TO => Command::RenameTo {
            from_base: State::load(input)?,
            from: input.text()?,
            partition: State::load(input)?,
            directory: State::load(input)?,
            name: input.text()?,
            no_replace: State::load(input)?,
        },
        kind::DELETE => Command::Delete {
            base: State::load(input)?,
            path: input.text()?,
            recursive: State::load(input)?,
        },
        kind::APPEND => Command::Append {
            base: State::load(input)?,
            path: input.text()?,
        },
        kind::ALLOCATE => Command::Allocate {
            node: State::load(input)?,
            lease: State::load(input)?,
            offset: State::load(input)?,
            want: State::load(input)?,
        },
        kind::PUBLISH => Command::Publish {
            node: State::load(input)?,
            lease: State::load(input)?,
            size: State::load(input)?,
            seal: State::load(input)?,
        },
        kind::PIN => Command::Pin {
            node: State::load(input)?,
        },
        kind::UNPIN => Command::Unpin {
            pin: State::load(input)?,
        },
        kind::SEAL => Command::Seal {
            base: State::load(input)?,
            path: input.text()?,
        },
        kind::JOB_CREATE => Command::JobCreate(JobCreate {
            name: input.text()?,
            quota: State::load(input)?,
        }),
        kind::JOB_END => Command::JobEnd {
            job: State::load(input)?,
            kill: State::load(input)?,
        },
        kind::FREE_LEAKED => Command::FreeLeaked {
            incarnation: State::load(input)?,
            slots: load_slots(input, &mut lists.slots)?,
        },
        kind::REMOVE_TIE => Command::RemoveTie {
            of: State::load(input)?,
            node: State::load(input)?,
        },
        kind::PUT => Command::Put(load_put(input)?),
        kind::MULTI_PUT => Command::MultiPut {
            table: State::load(input)?,
            path: input.text()?,
            items: load_items(input, &mut lists.items)?,
        },
        kind::ADD => Command::Add {
            table: State::load(input)?,
            path: input.text()?,
            key: input.bytes()?,
            delta: State::load(input)?,
        },
        kind::SET_TTL => Command::SetTtl {
            base: State::load(input)?,
            path: input.text()?,
            key: input.bytes()?,
            ttl_ns: State::load(input)?,
        },
        kind::PUT_COMMIT => Command::PutCommit {
            pending: State::load(input)?,
            abort: State::load(input)?,
        },
        kind::REMOVE => Command::Remove {
            table: State::load(input)?,
            path: input.text()?,
            key: input.bytes()?,
            condition: State::load(input)?,
        },
        kind::REGISTER => Command::Register(load_register(input, &mut lists.endpoints)?),
        kind::DO_ERRAND => Command::DoErrand {
            partition: State::load(input)?,
            id: State::load(input)?,
            errand: lists.errand.insert(State::load(input)?),
        },
        kind::ERRAND_DONE => Command::ErrandDone {
            to: State::load(input)?,
            id: State::load(input)?,
            refused: State::load(input)?,
            node: State::load(input)?,
        },
        kind::MEET_PARTNER => Command::MeetPartner {
            partition: State::load(input)?,
            incarnation: State::load(input)?,
        },
        _ => return partners::load(kind, input, lists),
    })
}

fn load_create<'a>(input: &mut Input<'a>) -> Result<Create<'a>, Malformed> {
    let (base, path, kind) = (State::load(input)?, input.text()?, State::load(input)?);
    let [parents, replace, existing_ok, spread] = State::load(input)?;
    Ok(Create {
        base,
        path,
        kind,
        parents,
        replace,
        existing_ok,
        storage_class: State::load(input)?,
        location_class: State::load(input)?,
        size_hint: State::load(input)?,
        ttl_ns: State::load(input)?,
        branch: State::load(input)?,
        spread,
    })
}

fn load_put<'a>(input: &mut Input<'a>) -> Result<Put<'a>, Malformed> {
    Ok(Put {
        table: State::load(input)?,
        path: input.text()?,
        key: input.bytes()?,
        value: input.bytes()?,
        condition: State::load(input)?,
        large: State::load(input)?,
        size: State::load(input)?,
        ttl_ns: State::load(input)?,
    })
}

fn load_items<'a>(
    input: &mut Input<'a>,
    items: &'a mut Vec<PutItem<'a>>,
) -> Result<&'a [PutItem<'a>], Malformed> {
    let count = u32::load(input)? as usize;
    if count > KEYS_MAX {
        return Err(Malformed("too many keys"));
    }
    for _ in 0..count {
        items.push(PutItem {
            key: input.bytes()?,
            value: input.bytes()?,
            condition: State::load(input)?,
            ttl_ns: State::load(input)?,
        });
    }
    Ok(items)
}

fn load_slots<'a>(
    input: &mut Input<'_>,
    slots: &'a mut Vec<IssuedSlot>,
) -> Result<&'a [IssuedSlot], Malformed> {
    let count = u32::load(input)? as usize;
    if count > SLOTS_MAX {
        return Err(Malformed("too many slots"));
    }
    for _ in 0..count {
        slots.push(State::load(input)?);
    }
    Ok(slots)
}

fn load_register<'a>(
    input: &mut Input<'a>,
    endpoints: &'a mut Vec<&'a str>,
) -> Result<Register<'a>, Malformed> {
    let name = input.text()?;
    let (incarnation, capacity) = State::load(input)?;
    let count = u32::load(input)? as usize;
    if count > ENDPOINTS_MAX {
        return Err(Malformed("too many endpoints"));
    }
    endpoints.clear();
    for _ in 0..count {
        endpoints.push(input.text()?);
    }
    let host = input.text()?;
    let (location_class, storage_class) = State::load(input)?;
    Ok(Register {
        name,
        incarnation,
        capacity,
        endpoints,
        host,
        location_class,
        storage_class,
        namenode: State::load(input)?,
    })
}
