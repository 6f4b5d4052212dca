//! What partitions ask each other of datanodes and slots: message to command, reply to message.

use crake_rpc::{Replies, Request};
use crake_store::protocol::namenode as wire;
use crake_wire::WireError;
use smallvec::SmallVec;

use super::caller::{Caller, collect};
use super::{Answered, Refused, wrong_reply};
use crate::namenode::command::{Command, ENDPOINTS_MAX, Failure, LOANS_MAX, Lend, Loan, MemberNews, Reply};

impl Caller<'_, '_> {
    pub(super) fn members(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::MembersRequestView::parse(request.message)?;
        let began = Command::BorrowerBegan {
            partition: partition(asked.partition())?,
            incarnation: asked.incarnation(),
        };
        self.apply(&began)?;
        let after = asked.after();
        let Reply::Members {
            lender,
            version,
            members,
        } = self.apply(&Command::Members { after })?
        else {
            wrong_reply()
        };
        let members: Vec<MemberNews<'_>> = members.collect();
        let endpoints = members.iter().map(|news| news.addresses().collect());
        let endpoints: Vec<Vec<&str>> = endpoints.collect();
        let messages = members.iter().zip(&endpoints).map(member_message);
        let message = wire::MembersReply {
            lender,
            version,
            members: &messages.collect::<Vec<_>>(),
        };
        replies.send(request, &message);
        Ok(())
    }

    /// Lends. If there is nothing to lend and somebody waits for it, that is a refusal for which other partitions are asked first.
    pub(super) fn borrow(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::BorrowRequestView::parse(request.message)?;
        let urgent = asked.urgent()?;
        let lend = Lend {
            partition: partition(asked.partition())?,
            incarnation: asked.incarnation(),
            lender: asked.lender(),
            sequence: asked.sequence(),
            known: asked.known(),
            storage_class: asked.storage_class(),
            only: asked.only()?,
            // A reserve can wait for those who cannot.
            wanted: match urgent || !self.supply.is_pressed() {
                true => asked.wanted(),
                false => 0,
            },
        };
        let Reply::Lent { lender, known, loans } = self.apply(&Command::Lend(lend))? else {
            wrong_reply()
        };
        if urgent && known && loans.is_empty() {
            return Err(Refused::Denied(Failure::NoSpace));
        }
        let message = wire::BorrowReply {
            lender,
            known,
            loans: &loan_messages(loans),
        };
        replies.send(request, &message);
        Ok(())
    }

    pub(super) fn give_back(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::GiveBackRequestView::parse(request.message)?;
        let loans = collect(asked.loans()?.map(|loan| loan.map(read_loan)), LOANS_MAX)?;
        self.apply(&Command::TakeBack {
            partition: partition(asked.partition())?,
            lender: asked.lender(),
            loans: &loans,
        })?;
        replies.send(request, &wire::GiveBackReply {});
        Ok(())
    }

    pub(super) fn recall(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::RecallRequestView::parse(request.message)?;
        let wanted = asked.wanted();
        let is_late = self.namespace.borrowing.sequence < asked.sequence();
        self.supply.recalled(self.now.mono_ns);
        let Reply::Returning { lender, loans } = self.apply(&Command::GiveBack { wanted })? else {
            wrong_reply()
        };
        let message = wire::RecallReply {
            lender,
            late: is_late,
            loans: &loan_messages(loans),
        };
        replies.send(request, &message);
        Ok(())
    }
}

fn partition(number: u32) -> Result<u16, Failure> {
    u16::try_from(number).map_err(|_| Failure::NotFound)
}

fn member_message<'a>((news, endpoints): (&'a MemberNews<'a>, &'a Vec<&'a str>)) -> wire::Member<'a> {
    wire::Member {
        id: news.id,
        name: news.name,
        incarnation: news.incarnation,
        epoch: news.epoch,
        capacity: news.capacity,
        endpoints,
        host: news.host,
        location_class: news.location_class,
        storage_class: news.storage_class,
        secret: &news.secret,
        alive: news.alive,
    }
}

/// What partition 0 tells of a datanode. What it cannot have said is found later; what has no place here, now.
pub(super) fn read_member<'a>(view: wire::MemberView<'a>) -> Result<MemberNews<'a>, Refused> {
    let mut endpoints = [""; ENDPOINTS_MAX];
    let texts = collect(view.endpoints()?, ENDPOINTS_MAX)?;
    endpoints[..texts.len()].copy_from_slice(&texts);
    Ok(MemberNews {
        id: view.id(),
        name: view.name()?,
        incarnation: view.incarnation(),
        epoch: view.epoch(),
        capacity: view.capacity(),
        endpoints,
        host: view.host()?,
        location_class: view.location_class(),
        storage_class: view.storage_class(),
        secret: view
            .secret()?
            .try_into()
            .map_err(|_| Refused::Denied(Failure::TooLong))?,
        alive: view.alive()?,
    })
}

pub(super) fn loan_messages(loans: &[Loan]) -> Vec<wire::Loan> {
    let message = |loan: &Loan| wire::Loan {
        datanode: loan.datanode,
        epoch: loan.epoch,
        slot: loan.slot,
        generation: loan.generation,
    };
    loans.iter().map(message).collect()
}

fn read_loan(view: wire::LoanView<'_>) -> Loan {
    Loan {
        datanode: view.datanode(),
        epoch: view.epoch(),
        slot: view.slot(),
        generation: view.generation(),
    }
}

/// The slots of an answer, of which there may not be too many.
pub(super) fn read_loans<'a>(
    loans: impl ExactSizeIterator<Item = Result<wire::LoanView<'a>, WireError>>,
) -> Result<SmallVec<[Loan; 16]>, Refused> {
    collect(loans.map(|loan| loan.map(read_loan)), LOANS_MAX)
}
