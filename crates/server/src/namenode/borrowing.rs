//! What a partition has of partition 0: datanodes as that one knows them, and slots for its files (docs/partitions.md, Blocks).

use super::command::{Command, ENDPOINTS_MAX, Failure, LOANS_MAX, Lend, Loan, Reply};
use super::namespace::Namespace;
use super::state::fields;

/// A datanode as partition 0 knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberNews<'a> {
    /// The number in its handles.
    pub id: u32,
    /// At most 255 bytes.
    pub name: &'a str,
    /// Of the datanode.
    pub incarnation: u64,
    /// Which of its lives this is, as partition 0 counts.
    pub epoch: u32,
    /// Bytes.
    pub capacity: u64,
    /// Addresses, best first, of at most 255 bytes; behind the last one empty texts.
    pub endpoints: [&'a str; ENDPOINTS_MAX],
    /// The identity of the host that it is on; at most 255 bytes.
    pub host: &'a str,
    /// As that of [`super::command::Register`].
    pub location_class: u64,
    /// Its tier.
    pub storage_class: u32,
    /// The key of its handles' MAC.
    pub secret: [u8; 16],
    /// Heard of within the heartbeat timeout.
    pub alive: bool,
}

impl<'a> MemberNews<'a> {
    /// The addresses that there are.
    pub fn addresses(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.endpoints.into_iter().filter(|text| !text.is_empty())
    }
}

/// How far this partition is in what partition 0 tells and lends.
#[derive(Debug, Default, Hash)]
pub(super) struct Borrowing {
    /// Which life of partition 0; 0 before it was heard of.
    pub(super) lender: u64,
    /// The one before, which is over.
    former: u64,
    /// Of its datanodes.
    version: u64,
    /// Of the latest loan.
    pub(super) sequence: u64,
    /// Given back; to be said again until partition 0 has heard it.
    pub(super) returning: Vec<Loan>,
}

fields!(Borrowing {
    lender,
    former,
    version,
    sequence,
    returning
});

impl Namespace {
    /// What is to be asked of partition 0 for so many slots of a tier (`only`: of no other).
    pub fn next_lend(&self, storage_class: u32, only: bool, wanted: u32) -> Lend {
        Lend {
            partition: self.config.partition,
            incarnation: self.lending_incarnation(),
            lender: self.borrowing.lender,
            sequence: self.borrowing.sequence + 1,
            known: self.borrowing.version,
            storage_class,
            only,
            wanted,
        }
    }

    /// The commands by which partition 0 is listened to.
    pub(super) fn apply_borrowing<'a>(&'a mut self, command: &Command<'a>) -> Result<Reply<'a>, Failure> {
        let changed = match *command {
            Command::GiveBack { wanted } => return Ok(self.return_slots(wanted)),
            // Partition 0 has all there is.
            _ if self.config.partition == 0 => false,
            Command::MembersChanged {
                lender,
                version,
                members,
            } => {
                members
                    .iter()
                    .try_for_each(|news| self.registry.check_news(news))?;
                self.meet_lender(lender)
                    || self.members_changed(lender, version, |namespace| {
                        members.iter().for_each(|news| namespace.registry.mirror(news));
                    })
            }
            Command::Borrowed {
                lender,
                sequence,
                loans,
            } => self.borrow((lender, sequence), loans),
            Command::GivenBack { lender, .. } if lender != self.borrowing.lender => false,
            Command::GivenBack { loans, .. } => {
                let before = self.borrowing.returning.len();
                self.borrowing.returning.retain(|loan| !loans.contains(loan));
                self.borrowing.returning.len() < before
            }
            _ => unreachable!("the caller has the others"),
        };
        Ok(Reply::Settled { changed })
    }

    /// Begins anew if this is another life of partition 0.
    fn meet_lender(&mut self, lender: u64) -> bool {
        let Borrowing {
            lender: known,
            former,
            ..
        } = self.borrowing;
        if lender == 0 || [known, former].contains(&lender) {
            return false;
        }
        self.forget_lender(lender);
        true
    }

    /// All that was borrowed is lost, and what is told from now on is told by this one; 0: by whoever is heard next.
    pub(super) fn forget_lender(&mut self, lender: u64) {
        self.registry.void(self.now.mono_ns);
        self.borrowing = Borrowing {
            lender,
            former: if lender == 0 { 0 } else { self.borrowing.lender },
            ..Borrowing::default()
        };
    }

    /// What was asked for before the lender was another one says nothing of this one's datanodes; neither does what was overtaken.
    fn members_changed(&mut self, lender: u64, version: u64, mirror: impl FnOnce(&mut Self)) -> bool {
        if lender != self.borrowing.lender || version <= self.borrowing.version {
            return false;
        }
        mirror(self);
        self.registry.told(self.now.mono_ns);
        self.borrowing.version = version;
        true
    }

    fn borrow(&mut self, (lender, sequence): (u64, u64), loans: &[Loan]) -> bool {
        if lender != self.borrowing.lender || sequence != self.borrowing.sequence + 1 {
            return false;
        }
        self.borrowing.sequence = sequence;
        for loan in loans {
            self.registry.borrow(loan);
        }
        true
    }

    fn return_slots(&mut self, wanted: u32) -> Reply<'_> {
        if self.config.partition != 0 {
            let max = LOANS_MAX.saturating_sub(self.borrowing.returning.len());
            let loans = self.registry.give_back(wanted as usize, max);
            self.borrowing.returning.extend(loans);
        }
        Reply::Returning {
            lender: self.borrowing.lender,
            loans: &self.borrowing.returning,
        }
    }
}
