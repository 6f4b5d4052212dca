//! Partition 0 lends slots of datanodes to the others, and takes them back (docs/partitions.md, Blocks).

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Command, Members, Reply};
use super::namespace::Namespace;
use super::state::fields;

/// Slots of one request at most.
pub const LOANS_MAX: usize = 512;
/// Datanodes of one request at most: so many have place in a message, and in a record of the log, however long their names are.
pub const MEMBERS_MAX: usize = 16;

/// A slot of 1 MiB on its way from partition 0 to another one, or back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loan {
    /// Its number.
    pub datanode: u32,
    /// The life of the datanode, as partition 0 counts.
    pub epoch: u32,
    /// Which of its slots.
    pub slot: u32,
    /// Blocks issued there from now on have higher ones.
    pub generation: u32,
}

/// [`Command::Lend`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Lend {
    /// Who borrows.
    pub partition: u16,
    /// Which life of it: that of [`Command::BorrowerBegan`].
    pub incarnation: u64,
    /// Of whom: another life of partition 0 counts its loans and versions anew.
    pub lender: u64,
    /// The number of this loan, from 1. Asked again for the latest one, it is the same loan.
    pub sequence: u64,
    /// The version up to which it knows the datanodes: only of these anything is lent, as they were then.
    pub known: u64,
    /// The tier to begin with, as that of [`super::command::Create`].
    pub storage_class: u32,
    /// And no other.
    pub only: bool,
    /// Slots at most.
    pub wanted: u32,
}

/// Who has borrowed. What is lent is known by the slots.
#[derive(Debug, Default, Hash)]
pub(super) struct Lending {
    partners: BTreeMap<u16, Partner>,
    /// So often the end of the log was lost.
    gaps: u64,
}

#[derive(Debug, Default, Hash)]
struct Partner {
    incarnation: u64,
    /// The one before, which may not have heard that it is over.
    former: u64,
    /// Of the latest loan, which may have to be told again.
    sequence: u64,
    latest: Vec<Loan>,
}

fields!(Loan {
    datanode,
    epoch,
    slot,
    generation
});
fields!(Lending { partners, gaps });
fields!(Partner {
    incarnation,
    former,
    sequence,
    latest
});

impl Lending {
    /// Whether it lends to this life of a partition.
    pub(super) fn knows(&self, partition: u16, incarnation: u64) -> bool {
        let partner = self.partners.get(&partition);
        partner.is_some_and(|partner| partner.incarnation == incarnation)
    }

    /// The number of the latest loan to a partition; 0 if there is none.
    pub(super) fn sequence(&self, partition: u16) -> u64 {
        self.partners
            .get(&partition)
            .map_or(0, |partner| partner.sequence)
    }
}

impl Namespace {
    /// What partition 0 knows a borrower by, and a borrower partition 0: another one after a loss, be it of everything or of the
    /// end of a log. Nothing that was lent before counts then.
    pub fn lending_incarnation(&self) -> u64 {
        self.config.incarnation.wrapping_add(self.lending.gaps)
    }

    /// The commands that other partitions cause at partition 0. Elsewhere nothing is known, and nothing lent.
    pub(super) fn apply_lending<'a>(&'a mut self, command: &Command<'a>) -> Reply<'a> {
        match *command {
            Command::BorrowerBegan {
                partition,
                incarnation,
            } => Reply::Settled {
                changed: self.borrower_began(partition, incarnation),
            },
            Command::Members { after } => self.members(after),
            Command::Lend(ref request) => self.lend(request),
            Command::TakeBack {
                partition,
                lender,
                loans,
            } => Reply::Settled {
                changed: self.take_back((partition, lender), loans),
            },
            _ => unreachable!("the caller has the others"),
        }
    }

    fn borrower_began(&mut self, partition: u16, incarnation: u64) -> bool {
        let is_another = partition != 0 && partition < self.config.partitions;
        if !is_another || self.config.partition != 0 || incarnation == 0 {
            return false;
        }
        let partner = self.lending.partners.entry(partition).or_default();
        if [partner.incarnation, partner.former].contains(&incarnation) {
            return false;
        }
        *partner = Partner {
            incarnation,
            former: partner.incarnation,
            ..Partner::default()
        };
        self.registry.reclaim(partition);
        true
    }

    fn members(&mut self, after: u64) -> Reply<'_> {
        self.member_page = self.registry.changed_since(after);
        let mut version = self.registry.version();
        if self.member_page.len() > MEMBERS_MAX {
            self.member_page.truncate(MEMBERS_MAX);
            let last = self.registry.news(self.member_page[MEMBERS_MAX - 1]);
            version = last.expect("it has changed").0;
        }
        Reply::Members {
            lender: self.lending_incarnation(),
            version,
            members: Members {
                registry: &self.registry,
                ids: self.member_page.iter(),
            },
        }
    }

    fn lend(&mut self, request: &Lend) -> Reply<'_> {
        let lender = self.lending_incarnation();
        let partner = self.lending.partners.get_mut(&request.partition);
        let is_meant = lender == request.lender;
        let Some(partner) = partner.filter(|partner| is_meant && partner.incarnation == request.incarnation)
        else {
            return Reply::Lent {
                lender,
                known: false,
                loans: &[],
            };
        };
        if request.sequence.checked_sub(1) == Some(partner.sequence) {
            // A part of what is free, so that others get some, too; what is not used is asked back.
            let share = self.registry.free_slots() / (2 * u64::from(self.config.partitions));
            let count = u64::from(request.wanted).min(share.max(1)) as usize;
            let tier = (request.storage_class, request.only);
            let loans = self
                .registry
                .lend(request.partition, tier, request.known, count.min(LOANS_MAX));
            if !loans.is_empty() {
                (partner.sequence, partner.latest) = (request.sequence, loans);
            }
        }
        let is_latest = partner.sequence == request.sequence;
        Reply::Lent {
            lender,
            known: true,
            loans: if is_latest { &partner.latest } else { &[] },
        }
    }

    /// What another life of partition 0 has lent may look like a loan of this one.
    fn take_back(&mut self, (partition, lender): (u16, u64), loans: &[Loan]) -> bool {
        if lender != self.lending_incarnation() {
            return false;
        }
        let back = loans
            .iter()
            .filter(|loan| self.registry.take_back(partition, loan));
        back.count() > 0
    }

    /// The end of the log is lost: it is not known any more who has what.
    pub(super) fn forget_loans(&mut self) {
        self.lending.gaps += 1;
        if self.config.partition != 0 {
            self.forget_lender(0);
        } else if self.config.partitions > 1 {
            self.lending.partners.clear();
            self.registry.reclaim_all();
        }
    }
}

/// Checks over all partitions of a namespace, by their numbers, that no slot has two owners and none is lost. For tests; each may have heard more or
/// less of what others have done.
///
/// # Errors
/// The first slot that is not as it should be.
pub fn check_loans(partitions: &[&Namespace]) -> Result<(), String> {
    let Some((lender, borrowers)) = partitions.split_first() else {
        return Ok(());
    };
    for (borrower, number) in borrowers.iter().zip(1..) {
        let partner = lender.lending.partners.get(&number);
        let known = partner.filter(|partner| partner.incarnation == borrower.lending_incarnation());
        if let Some(partner) = known.filter(|_| borrower.borrowing.lender == lender.lending_incarnation()) {
            check_partner(lender, borrower, number, partner)
                .map_err(|what| format!("partition {number}: {what}"))?;
        }
    }
    Ok(())
}

/// What is lent to a borrower, it has, or gives back, or has not heard of; and it has nothing else.
fn check_partner(
    lender: &Namespace,
    borrower: &Namespace,
    number: u16,
    partner: &Partner,
) -> Result<(), String> {
    let place = |loan: Loan| (loan.datanode, loan.epoch, loan.slot);
    let lent = lender.registry.loans();
    let lent = lent.filter(|&(_, holder)| holder == Some(number));
    let lent: BTreeMap<_, u32> = lent.map(|(loan, _)| (place(loan), loan.generation)).collect();
    let lives: BTreeSet<(u32, u32)> = lender.registry.lives().collect();
    let had = borrower.registry.loans().map(|(loan, _)| loan);
    let had = had.filter(|loan| lives.contains(&(loan.datanode, loan.epoch)));
    let mut had: BTreeMap<_, u32> = had.map(|loan| (place(loan), loan.generation)).collect();
    for (place, generation) in &had {
        let loan = lent.get(place);
        if loan.is_none_or(|loan| loan > generation) {
            return Err(format!("has {place:?}, which is not lent to it"));
        }
    }
    let on_way = partner.latest.iter();
    let on_way = on_way.filter(|_| partner.sequence > borrower.borrowing.sequence);
    for loan in borrower.borrowing.returning.iter().chain(on_way) {
        let is_lent = lent
            .get(&place(*loan))
            .is_some_and(|&known| known <= loan.generation);
        if is_lent && had.insert(place(*loan), loan.generation).is_some() {
            return Err(format!("has {loan:?} twice"));
        }
    }
    match lent.keys().find(|place| !had.contains_key(place)) {
        Some(place) if borrower.registry.knows(place.0, place.1) => Err(format!("has lost {place:?}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::command::{Now, Register, SessionId};
    use super::super::config::Config;
    use super::*;

    fn run<'a>(namespace: &'a mut Namespace, command: &Command<'a>) -> Reply<'a> {
        namespace.apply(Now::default(), SessionId(1), command).unwrap()
    }

    /// One of two partitions; number 0 has a datanode of 8 MiB.
    pub(in crate::namenode) fn partition(number: u16) -> Namespace {
        let mut namespace = Namespace::new(Config {
            partition: number,
            partitions: 2,
            ..Config::default()
        });
        let register = Register {
            name: "d",
            incarnation: 1,
            capacity: 8 << 20,
            ..Register::default()
        };
        if number == 0 {
            run(&mut namespace, &Command::Register(register));
        }
        namespace
    }

    /// Partition 1 hears of the datanodes and asks for two slots; says how many it got.
    pub(in crate::namenode) fn borrow(lender: &mut Namespace, borrower: &mut Namespace) -> usize {
        let incarnation = borrower.lending_incarnation();
        let began = Command::BorrowerBegan {
            partition: 1,
            incarnation,
        };
        run(lender, &began);
        for _ in 0..2 {
            let after = borrower.next_lend(0, false, 0).known;
            let Reply::Members {
                lender,
                version,
                members,
            } = run(lender, &Command::Members { after })
            else {
                unreachable!()
            };
            let members: Vec<_> = members.collect();
            let told = Command::MembersChanged {
                lender,
                version,
                members: &members,
            };
            run(borrower, &told);
        }
        let request = borrower.next_lend(0, false, 2);
        let Reply::Lent { lender, loans, .. } = run(lender, &Command::Lend(request)) else {
            unreachable!()
        };
        let borrowed = Command::Borrowed {
            lender,
            sequence: request.sequence,
            loans,
        };
        run(borrower, &borrowed);
        loans.len()
    }

    fn capacities(lender: &Namespace, borrower: &Namespace) -> (u64, u64) {
        let capacity = |namespace: &Namespace| namespace.registry.capacity_and_used().0 >> 20;
        (capacity(lender), capacity(borrower))
    }

    /// Whoever has lost the end of its log does not know what it has lent or borrowed: both begin anew, and nothing that was issued before is
    /// issued again.
    #[test]
    fn after_a_gap_no_loan_counts_any_more() {
        let (mut lender, mut borrower) = (partition(0), partition(1));
        assert_eq!(borrow(&mut lender, &mut borrower), 2);
        assert_eq!(capacities(&lender, &borrower), (6, 2));
        let highest = |lender: &Namespace| lender.registry.loans().map(|(loan, _)| loan.generation).max();
        let before = highest(&lender).unwrap();
        lender.forget_loans();
        assert_eq!(capacities(&lender, &borrower), (8, 2));
        assert_eq!(borrow(&mut lender, &mut borrower), 2);
        assert_eq!(capacities(&lender, &borrower), (6, 2));
        assert!(highest(&lender).unwrap() > before + super::super::blocks::LOAN_GENERATIONS);
        borrower.forget_loans();
        assert_eq!(capacities(&lender, &borrower), (6, 0));
        assert_eq!(borrow(&mut lender, &mut borrower), 2);
        assert_eq!(capacities(&lender, &borrower), (6, 2));
        check_loans(&[&lender, &borrower]).unwrap();
    }

    #[test]
    fn nothing_is_lent_to_who_is_not_known_as_it_is() {
        let (mut lender, mut borrower) = (partition(0), partition(1));
        borrow(&mut lender, &mut borrower);
        let request = borrower.next_lend(0, false, 1);
        let others = [
            Lend {
                partition: 2,
                ..request
            },
            Lend {
                incarnation: 77,
                ..request
            },
            Lend {
                lender: 77,
                ..request
            },
        ];
        for other in others {
            let reply = run(&mut lender, &Command::Lend(other));
            assert!(
                matches!(
                    reply,
                    Reply::Lent {
                        known: false,
                        loans: [],
                        ..
                    }
                ),
                "{other:?}"
            );
        }
        // Of a datanode that the borrower does not know as it is, too.
        let early = Lend { known: 0, ..request };
        let reply = run(&mut lender, &Command::Lend(early));
        assert!(matches!(
            reply,
            Reply::Lent {
                known: true,
                loans: [],
                ..
            }
        ));
        // No partition has the number 0 or one above all, and only partition 0 lends.
        for (partition, incarnation) in [(0, 5), (2, 5), (1, 0)] {
            let began = Command::BorrowerBegan {
                partition,
                incarnation,
            };
            assert!(matches!(
                run(&mut lender, &began),
                Reply::Settled { changed: false }
            ));
            assert!(matches!(
                run(&mut borrower, &began),
                Reply::Settled { changed: false }
            ));
        }
        assert!(matches!(
            run(&mut borrower, &Command::Lend(request)),
            Reply::Lent { known: false, .. }
        ));
    }

    /// An earlier life of it whose words arrive late does not take from the present one what it has.
    #[test]
    fn a_life_that_is_over_does_not_begin_again() {
        let (mut lender, mut borrower) = (partition(0), partition(1));
        borrow(&mut lender, &mut borrower);
        for (incarnation, expected) in [(50, true), (1, false), (50, false)] {
            let began = Command::BorrowerBegan {
                partition: 1,
                incarnation,
            };
            let Reply::Settled { changed } = run(&mut lender, &began) else {
                unreachable!()
            };
            assert_eq!(changed, expected);
        }
    }
}
