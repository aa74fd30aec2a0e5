//! What every output has to do, whatever its service is like: one suite, a row per output (`rows`).
//!
//! Each case drives the real format and the real service in a real lane on its own thread against the strict
//! stand-in, with files in memory and a clock that runs [`clock::SPEED`] times as fast. Besides what a case looks at,
//! each ends with the same reckoning (`truth`): nothing is lost, nothing comes twice where the service can prevent
//! it, and every counter says what happened. A new output is a row in `rows` and its name in the list below.
#![cfg(all(feature = "standin", feature = "outputs"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod cases;
mod clock;
mod files;
mod record;
mod rig;
mod rows;
mod small;
mod truth;

macro_rules! outputs {
    ($($row:ident)*) => { $(mod $row { each_case!($row); })* };
}

macro_rules! each_case {
    ($row:ident) => {
        cases!($row:
            everything_arrives_once_and_is_counted
            a_throttled_batch_waits_as_long_as_the_service_wishes
            a_failing_service_is_asked_until_it_works
            a_reset_before_the_body_was_read
            a_reset_after_the_body_with_nothing_done
            work_that_was_done_without_an_answer
            a_service_that_never_answers
            items_are_judged_alone
            a_denied_key_is_held_and_the_others_go_on
            what_is_too_large_is_halved_or_held
            a_slow_service_is_not_asked_twice
            wrong_credentials_hold_all_until_right_ones_come
            a_missing_place_holds_until_it_appears
            each_fault_has_its_name
            trouble_of_all_kinds_at_once
            a_life_that_ends_in_the_middle
        );
    };
}

macro_rules! cases {
    ($row:ident: $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                crate::cases::$case(&crate::rows::$row());
            }
        )*
    };
}

outputs!(cloudwatch_logs s3_put s3_multipart opensearch);
