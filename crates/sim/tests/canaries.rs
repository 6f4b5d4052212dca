//! The simulator finds what it is made to find, and nothing where there is nothing.

use crake_sim::{Canary, Options, check, hunt, run};

const SEEDS_MAX: u64 = 200;

fn finds(canary: Canary) {
    let options = Options {
        canary: Some(canary),
        ..Options::default()
    };
    assert!(
        hunt(1..=SEEDS_MAX, options).is_some(),
        "{canary} is not found within {SEEDS_MAX} seeds"
    );
}

#[test]
fn finds_a_skipped_generation_check() {
    finds(Canary::SkipGenerationCheck);
}

#[test]
fn finds_a_stale_incarnation() {
    finds(Canary::StaleIncarnation);
}

#[test]
fn finds_an_early_publish() {
    finds(Canary::PublishEarly);
}

#[test]
fn finds_kept_blocks() {
    finds(Canary::KeepBlocks);
}

#[test]
fn finds_a_descending_scan_that_skips() {
    finds(Canary::ReverseScanSkips);
}

#[test]
fn finds_what_expires_late() {
    finds(Canary::ExpireLate);
}

#[test]
fn finds_a_listing_that_skips() {
    finds(Canary::ListSkips);
}

#[test]
fn finds_a_seal_above_what_was_published() {
    finds(Canary::SealAbovePublished);
}

#[test]
fn finds_a_skipped_second_look() {
    finds(Canary::SkipSecondLook);
}

#[test]
fn finds_forgotten_pins() {
    finds(Canary::ForgetPins);
}

#[test]
fn finds_events_that_are_forgotten_before_they_arrive() {
    finds(Canary::ForgetToldEvents);
}

#[test]
fn finds_an_answer_that_is_not_checked() {
    finds(Canary::SkipAnswerCheck);
}

#[test]
fn finds_reservations_that_end_with_their_connection() {
    finds(Canary::FreeReservationsOnCutOff);
}

#[test]
fn finds_a_quota_that_is_not_given_back() {
    finds(Canary::SkipQuotaGiveBack);
}

#[test]
fn finds_an_answer_before_its_record_is_in_the_log() {
    finds(Canary::ReplyBeforeLogRecord);
}

#[test]
fn finds_an_answer_before_the_device_has_its_record() {
    finds(Canary::ReplyBeforeSync);
}

#[test]
fn finds_blocks_of_an_earlier_life_of_the_machine() {
    finds(Canary::BelieveOtherBoot);
}

#[test]
fn finds_a_slot_that_is_lent_and_used() {
    finds(Canary::LendTwice);
}

#[test]
fn finds_a_second_lease_of_a_file() {
    finds(Canary::LeaseTwice);
}

#[test]
fn finds_an_errand_that_was_refused_and_is_believed_done() {
    finds(Canary::BelieveRefusedErrand);
}

#[test]
fn finds_a_rename_that_does_not_wait_for_referrals() {
    finds(Canary::RenameEarly);
}

#[test]
fn finds_blocks_that_are_freed_because_somebody_says_so() {
    finds(Canary::FreeOwned);
}

#[test]
fn finds_a_name_that_is_left_of_what_was_removed() {
    finds(Canary::ForgetUnlink);
}

#[test]
fn finds_nothing_in_clean_seeds() {
    for seed in 1..=20 {
        assert_eq!(check(seed, Options::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_run_follows_from_its_seed_alone() {
    let traces: Vec<u64> = [7, 7, 8].map(|seed| run(seed, Options::default()).trace).to_vec();
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}
