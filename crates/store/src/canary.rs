//! Bugs that the simulator plants, one at a time, to show that it would find them.
//!
//! With the feature `canary` off, as in everything that is shipped, [`planted`] is the constant `false` and nothing of a
//! canary is compiled in. The simulator runs a whole cluster in one thread, so a canary is planted in a thread: each
//! `if planted(..)` stands at the place in a client or a server where somebody could have made that mistake.

use std::fmt;
use std::str::FromStr;

/// One known bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// The datanode takes the handle of a block's earlier owner for a current one.
    SkipGenerationCheck,
    /// The datanode takes the handles of its earlier life.
    StaleIncarnation,
    /// A writer publishes what it was given without waiting until datanodes have it.
    PublishEarly,
    /// The namenode does not free the blocks of a file that is deleted.
    KeepBlocks,
    /// A page of a listing that follows another one begins one name too late.
    ListSkips,
    /// The lease of a silent writer ends with the file as long as its blocks, not as long as what was published.
    SealAbovePublished,
    /// A client that reads a block in place does not look again after it has copied.
    SkipSecondLook,
    /// The namenode frees the blocks of a file that is deleted while somebody looks at it in place.
    ForgetPins,
    /// A client that finds an answer in the namenode's memory does not look whether it still holds.
    SkipAnswerCheck,
    /// The datanode takes the end of a connection for the end of what its client writes in place.
    FreeReservationsOnCutOff,
    /// The namenode takes events for arrived that it has sent.
    ForgetToldEvents,
    /// The namenode does not give back to a job's quota what is removed from its directory.
    SkipQuotaGiveBack,
    /// A page of a scan in descending order that follows another one begins one key too late.
    ReverseScanSkips,
    /// The namenode takes nodes for due a second after they are.
    ExpireLate,
    /// The namenode answers before what it has done is in its log.
    ReplyBeforeLogRecord,
    /// The namenode answers before the device has what it was told to wait for.
    ReplyBeforeSync,
    /// The datanode believes blocks that it kept in an earlier life of its machine.
    BelieveOtherBoot,
    /// A partition goes on giving out blocks of a slot that it has lent.
    LendTwice,
    /// The namenode gives a lease of a file that somebody is writing.
    LeaseTwice,
    /// A partition takes an errand that was refused for done: its branch stays without a link.
    BelieveRefusedErrand,
    /// A partition gives a directory another name while clients may still go by what it has told them of the old one.
    RenameEarly,
    /// A partition goes on serving an entry that is on its way to another partition.
    RenameBothNames,
    /// The namenode believes who says that blocks are nobody's.
    FreeOwned,
    /// A partition that removes a branch does not tell the partition of its name.
    ForgetUnlink,
}

impl Canary {
    /// All there are.
    pub const ALL: [Canary; 24] = [
        Canary::SkipGenerationCheck,
        Canary::StaleIncarnation,
        Canary::PublishEarly,
        Canary::KeepBlocks,
        Canary::ListSkips,
        Canary::SealAbovePublished,
        Canary::SkipSecondLook,
        Canary::ForgetPins,
        Canary::SkipAnswerCheck,
        Canary::FreeReservationsOnCutOff,
        Canary::ForgetToldEvents,
        Canary::SkipQuotaGiveBack,
        Canary::ReverseScanSkips,
        Canary::ExpireLate,
        Canary::ReplyBeforeLogRecord,
        Canary::ReplyBeforeSync,
        Canary::BelieveOtherBoot,
        Canary::LendTwice,
        Canary::LeaseTwice,
        Canary::BelieveRefusedErrand,
        Canary::RenameEarly,
        Canary::RenameBothNames,
        Canary::FreeOwned,
        Canary::ForgetUnlink,
    ];

    /// What the bug is, in one line.
    pub fn explanation(self) -> &'static str {
        match self {
            Canary::SkipGenerationCheck => {
                "the datanode takes the handle of a block's earlier owner for a current one"
            }
            Canary::StaleIncarnation => "the datanode takes the handles of its earlier life",
            Canary::PublishEarly => "a writer publishes bytes before datanodes have acknowledged them",
            Canary::KeepBlocks => "the namenode does not free the blocks of a file that is deleted",
            Canary::ListSkips => "a page that follows another one begins one name too late",
            Canary::SealAbovePublished => "a silent writer's file is sealed above what was published",
            Canary::SkipSecondLook => {
                "a client that reads a block in place does not look again after it has copied"
            }
            Canary::ForgetPins => {
                "the namenode frees the blocks of a deleted file that somebody looks at in place"
            }
            Canary::SkipAnswerCheck => {
                "a client does not look whether an answer in the namenode's memory still holds"
            }
            Canary::FreeReservationsOnCutOff => {
                "the datanode takes the end of a connection for the end of what its client writes in place"
            }
            Canary::ForgetToldEvents => "the namenode takes events for arrived that it has sent",
            Canary::SkipQuotaGiveBack => {
                "the namenode does not give back to a job's quota what is removed from its directory"
            }
            Canary::ReverseScanSkips => {
                "a page of a descending scan that follows another one begins one key too late"
            }
            Canary::ExpireLate => "the namenode takes nodes for due a second after they are",
            Canary::ReplyBeforeLogRecord => "the namenode answers before what it has done is in its log",
            Canary::ReplyBeforeSync => {
                "the namenode answers before the device has its log, although it was told to wait"
            }
            Canary::BelieveOtherBoot => {
                "the datanode believes blocks that it kept in an earlier life of its machine"
            }
            Canary::LendTwice => "a partition goes on giving out blocks of a slot that it has lent",
            Canary::LeaseTwice => "the namenode gives a lease of a file that somebody is writing",
            Canary::BelieveRefusedErrand => {
                "a partition takes a refused errand for done: its branch stays without a link"
            }
            Canary::RenameEarly => {
                "a directory gets another name while clients may go by what they know of the old one"
            }
            Canary::RenameBothNames => {
                "a partition goes on serving an entry that is on its way to another partition"
            }
            Canary::FreeOwned => "the namenode believes who says that blocks are nobody's",
            Canary::ForgetUnlink => "a partition that removes a branch leaves its name at another one",
        }
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Canary::SkipGenerationCheck => "skip-generation-check",
            Canary::StaleIncarnation => "stale-incarnation",
            Canary::PublishEarly => "publish-early",
            Canary::KeepBlocks => "keep-blocks",
            Canary::ListSkips => "list-skips",
            Canary::SealAbovePublished => "seal-above-published",
            Canary::SkipSecondLook => "skip-second-look",
            Canary::ForgetPins => "forget-pins",
            Canary::SkipAnswerCheck => "skip-answer-check",
            Canary::FreeReservationsOnCutOff => "free-reservations-on-cut-off",
            Canary::ForgetToldEvents => "forget-told-events",
            Canary::SkipQuotaGiveBack => "skip-quota-give-back",
            Canary::ReverseScanSkips => "reverse-scan-skips",
            Canary::ExpireLate => "expire-late",
            Canary::ReplyBeforeLogRecord => "reply-before-log-record",
            Canary::ReplyBeforeSync => "reply-before-sync",
            Canary::BelieveOtherBoot => "believe-other-boot",
            Canary::LendTwice => "lend-twice",
            Canary::LeaseTwice => "lease-twice",
            Canary::BelieveRefusedErrand => "believe-refused-errand",
            Canary::RenameEarly => "rename-early",
            Canary::RenameBothNames => "rename-both-names",
            Canary::FreeOwned => "free-owned",
            Canary::ForgetUnlink => "forget-unlink",
        })
    }
}

/// No canary has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no canary `{0}`")]
pub struct UnknownCanary(Box<str>);

impl FromStr for Canary {
    type Err = UnknownCanary;

    fn from_str(name: &str) -> Result<Canary, UnknownCanary> {
        let found = Canary::ALL.into_iter().find(|canary| canary.to_string() == name);
        found.ok_or_else(|| UnknownCanary(name.into()))
    }
}

#[cfg(feature = "canary")]
mod switch {
    use super::Canary;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Canary>> = const { Cell::new(None) };
    }

    /// Plants a canary, or none, in place of the one before, in what this thread runs.
    pub fn plant(canary: Option<Canary>) {
        PLANTED.set(canary);
    }

    /// Whether this thread runs with this bug.
    #[inline]
    pub fn planted(canary: Canary) -> bool {
        PLANTED.get() == Some(canary)
    }
}

#[cfg(not(feature = "canary"))]
mod switch {
    use super::Canary;

    /// Whether this thread runs with this bug: never, as it is compiled without them.
    #[inline(always)]
    pub const fn planted(_: Canary) -> bool {
        false
    }
}

#[cfg(feature = "canary")]
pub use switch::plant;
pub use switch::planted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_canary_is_found_by_its_name() {
        for canary in Canary::ALL {
            assert_eq!(canary.to_string().parse(), Ok(canary));
        }
        assert!("nightingale".parse::<Canary>().is_err());
    }

    #[cfg(not(feature = "canary"))]
    #[test]
    fn without_the_feature_none_is_ever_planted() {
        const { assert!(!planted(Canary::KeepBlocks)) };
    }
}
