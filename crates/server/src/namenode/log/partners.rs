//! What partitions tell each other of blocks, as the bodies of records.

use super::super::command::{Command, ENDPOINTS_MAX, LOANS_MAX, Lend, Loan, MEMBERS_MAX, MemberNews};
use super::super::state::{Input, Malformed, State, save_bytes};
use super::command::Lists;

/// Numbers of kinds, beside those of `command.rs`. One is never given a second meaning.
mod kind {
    pub(super) const BORROWER_BEGAN: u16 = 40;
    pub(super) const LEND: u16 = 41;
    pub(super) const TAKE_BACK: u16 = 42;
    pub(super) const MEMBERS_CHANGED: u16 = 43;
    pub(super) const BORROWED: u16 = 44;
    pub(super) const GIVE_BACK: u16 = 45;
    pub(super) const GIVEN_BACK: u16 = 46;
}

/// Writes one of these commands, and gives its kind.
pub(super) fn save(command: &Command<'_>, out: &mut Vec<u8>) -> u16 {
    match *command {
        Command::BorrowerBegan {
            partition,
            incarnation,
        } => {
            partition.save(out);
            incarnation.save(out);
            kind::BORROWER_BEGAN
        }
        Command::Lend(ref request) => save_lend(request, out),
        Command::TakeBack {
            partition,
            lender,
            loans,
        } => {
            (partition, lender).save(out);
            save_loans(loans, out);
            kind::TAKE_BACK
        }
        Command::MembersChanged {
            lender,
            version,
            members,
        } => {
            (lender, version).save(out);
            (members.len() as u32).save(out);
            members.iter().for_each(|member| save_member(member, out));
            kind::MEMBERS_CHANGED
        }
        Command::Borrowed {
            lender,
            sequence,
            loans,
        } => {
            (lender, sequence).save(out);
            save_loans(loans, out);
            kind::BORROWED
        }
        Command::GiveBack { wanted } => {
            wanted.save(out);
            kind::GIVE_BACK
        }
        Command::GivenBack { lender, loans } => {
            lender.save(out);
            save_loans(loans, out);
            kind::GIVEN_BACK
        }
        _ => unreachable!("the caller has the others"),
    }
}

fn save_lend(request: &Lend, out: &mut Vec<u8>) -> u16 {
    let Lend {
        partition,
        incarnation,
        lender,
        sequence,
        known,
        storage_class,
        only,
        wanted,
    } = *request;
    partition.save(out);
    (incarnation, lender).save(out);
    (sequence, known).save(out);
    (storage_class, only).save(out);
    wanted.save(out);
    kind::LEND
}

fn save_loans(loans: &[Loan], out: &mut Vec<u8>) {
    (loans.len() as u32).save(out);
    loans.iter().for_each(|loan| loan.save(out));
}

fn save_member(member: &MemberNews<'_>, out: &mut Vec<u8>) {
    let MemberNews {
        id,
        name,
        incarnation,
        epoch,
        capacity,
        ref endpoints,
        host,
        location_class,
        storage_class,
        secret,
        alive,
    } = *member;
    id.save(out);
    save_bytes(name.as_bytes(), out);
    (incarnation, epoch).save(out);
    capacity.save(out);
    for endpoint in endpoints {
        save_bytes(endpoint.as_bytes(), out);
    }
    save_bytes(host.as_bytes(), out);
    (location_class, storage_class).save(out);
    secret.save(out);
    alive.save(out);
}

/// Reads the body of a record of such a kind.
pub(super) fn load<'a>(
    kind: u16,
    input: &mut Input<'a>,
    lists: &'a mut Lists<'a>,
) -> Result<Command<'a>, Malformed> {
    Ok(match kind {
        kind::BORROWER_BEGAN => Command::BorrowerBegan {
            partition: State::load(input)?,
            incarnation: State::load(input)?,
        },
        kind::LEND => Command::Lend(Lend {
            partition: State::load(input)?,
            incarnation: State::load(input)?,
            lender: State::load(input)?,
            sequence: State::load(input)?,
            known: State::load(input)?,
            storage_class: State::load(input)?,
            only: State::load(input)?,
            wanted: State::load(input)?,
        }),
        kind::TAKE_BACK => Command::TakeBack {
            partition: State::load(input)?,
            lender: State::load(input)?,
            loans: load_loans(input, &mut lists.loans)?,
        },
        kind::MEMBERS_CHANGED => Command::MembersChanged {
            lender: State::load(input)?,
            version: State::load(input)?,
            members: load_members(input, &mut lists.members)?,
        },
        kind::BORROWED => Command::Borrowed {
            lender: State::load(input)?,
            sequence: State::load(input)?,
            loans: load_loans(input, &mut lists.loans)?,
        },
        kind::GIVE_BACK => Command::GiveBack {
            wanted: State::load(input)?,
        },
        kind::GIVEN_BACK => Command::GivenBack {
            lender: State::load(input)?,
            loans: load_loans(input, &mut lists.loans)?,
        },
        _ => return Err(Malformed("there is no such kind of record")),
    })
}

fn load_loans<'a>(input: &mut Input<'_>, loans: &'a mut Vec<Loan>) -> Result<&'a [Loan], Malformed> {
    let count = u32::load(input)? as usize;
    if count > LOANS_MAX {
        return Err(Malformed("too many slots"));
    }
    for _ in 0..count {
        loans.push(State::load(input)?);
    }
    Ok(loans)
}

fn load_members<'a>(
    input: &mut Input<'a>,
    members: &'a mut Vec<MemberNews<'a>>,
) -> Result<&'a [MemberNews<'a>], Malformed> {
    let count = u32::load(input)? as usize;
    if count > MEMBERS_MAX {
        return Err(Malformed("too many datanodes"));
    }
    for _ in 0..count {
        members.push(load_member(input)?);
    }
    Ok(members)
}

fn load_member<'a>(input: &mut Input<'a>) -> Result<MemberNews<'a>, Malformed> {
    Ok(MemberNews {
        id: State::load(input)?,
        name: input.text()?,
        incarnation: State::load(input)?,
        epoch: State::load(input)?,
        capacity: State::load(input)?,
        endpoints: load_endpoints(input)?,
        host: input.text()?,
        location_class: State::load(input)?,
        storage_class: State::load(input)?,
        secret: State::load(input)?,
        alive: State::load(input)?,
    })
}

fn load_endpoints<'a>(input: &mut Input<'a>) -> Result<[&'a str; ENDPOINTS_MAX], Malformed> {
    let mut endpoints = [""; ENDPOINTS_MAX];
    for endpoint in &mut endpoints {
        *endpoint = input.text()?;
    }
    Ok(endpoints)
}
