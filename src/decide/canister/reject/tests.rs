//! Every code has its sentence, and nothing that comes from outside breaks the line.

use super::*;
use proptest::prelude::*;

/// Every code of `rs/types/error_types/src/lib.rs`, and what became of it since.
const CODES: &[u16] = &[
    101, 102, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 301, 305, 402, 403, 404, 405, 406,
    407, 408, 409, 410, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511, 512, 513, 514, 517, 520,
    521, 522, 524, 525, 526, 527, 528, 529, 530, 531, 532, 533, 534, 535, 536, 537, 538, 539, 540,
    541, 542, 601, 602,
];

const STEPS: &[Step] = &[
    Step::Install,
    Step::Snapshot,
    Step::Load,
    Step::Stop,
    Step::Start,
    Step::Status,
    Step::Query,
    Step::Chunk,
];

#[track_caller]
fn check(code: &str, message: &str, step: Step, meaning: &str, next: &str) {
    let explained = explain(Some(code), 5, message, step);
    assert_eq!(explained.meaning, meaning);
    assert!(explained.next.starts_with(next), "{}", explained.next);
}

#[test]
fn every_code_has_one_sentence_and_one_next_action() {
    for number in CODES {
        for step in STEPS {
            let code = format!("IC{number:04}");
            let explained = explain(Some(&code), 5, "text", *step);
            assert!(explained.meaning.contains(&code), "{explained:?}");
            assert!(!explained.meaning.starts_with("IC"), "{explained:?}");
            assert!(!explained.next.is_empty() && !explained.next.contains(". "));
            assert!(!explained.next.contains("reinstall"), "{explained:?}");
        }
    }
}

#[test]
fn what_the_network_said_is_kept_where_it_helps() {
    check(
        "IC0503",
        "Canister called `ic0.trap` with message: 'cannot decode state'.",
        Step::Install,
        "code of the module trapped during the install; nothing was changed (IC0503: Canister called `ic0.trap` with \
         message: 'cannot decode state')",
        "mend the module",
    );
    check(
        "IC0512",
        "Only the controllers of the canister a can control it.\nCanister's controllers: b",
        Step::Stop,
        "this identity is no controller of the canister (IC0512)",
        "use the identity of a controller",
    );
}

#[test]
fn a_code_that_is_not_known_is_passed_on_raw() {
    check(
        "IC0999",
        "Something new happened.",
        Step::Install,
        "IC0999: Something new happened",
        "read the text",
    );
    let transient = explain(Some("IC0298"), 2, "busy", Step::Install);
    assert_eq!(transient.retry, Retry::AfterCheck);
    let bare = explain(None, 4, "no", Step::Query);
    assert_eq!(bare.meaning, "rejected, class 4: no");
}

#[test]
fn the_hint_to_reinstall_is_never_repeated() {
    let hint = "Canister rrkah-fqaaa-aaaaa-aaaaq-cai cannot be installed because the canister is not empty. Try installing \
                with mode='reinstall' instead.\nCheck that you want to overwrite the canister and, if so, use \
                mode='reinstall'. See documentation: https://internetcomputer.org/docs/current/references/execution-errors";
    assert_eq!(
        cut(hint),
        "Canister rrkah-fqaaa-aaaaa-aaaaq-cai cannot be installed because the canister is not empty"
    );
    let explained = explain(Some("IC0514"), 5, hint, Step::Install);
    assert_eq!(explained.meaning, "the canister is not empty (IC0514)");
    assert!(explained.next.contains("upgrades"));
    let raw = explain(Some("IC0999"), 5, hint, Step::Install);
    assert!(!raw.meaning.contains("reinstall"), "{raw:?}");
}

#[test]
fn texts_of_one_code_are_told_apart() {
    let retry = |code: &str, message: &str| explain(Some(code), 4, message, Step::Load).retry;
    assert_eq!(
        retry(
            "IC0504",
            "Error from Wasm chunk store: Chunk hash [1] was not found."
        ),
        Retry::OnceAfterReupload
    );
    assert_eq!(
        retry(
            "IC0504",
            "Missing upgrade option: Enhanced orthogonal persistence"
        ),
        Retry::Never
    );
    assert_eq!(
        retry(
            "IC0406",
            "Snapshot is not currently loadable on the specified canister. Try again later."
        ),
        Retry::Later(Duration::from_mins(10))
    );
    assert!(is_snapshot_limit(
        Some("IC0406"),
        "Canister a has reached the maximum number of snapshots allowed: 10."
    ));
    assert!(is_chunk(Some("IC0504"), "Error from Wasm chunk store: x"));
    assert!(!is_chunk(Some("IC0504"), "Canister violated contract: x"));
    assert!(is_upgrade_option(
        Some("IC0504"),
        "Invalid upgrade option: x"
    ));
}

#[test]
fn an_answer_without_a_code_is_known_by_its_text() {
    assert!(is_not_serving(None, "Canister rrkah is stopped"));
    assert!(is_trap(None, "IC0503: Canister called"));
    assert!(is_no_method(None, "Canister has no query method 'x'."));
    assert!(is_not_controller(
        None,
        "Only controllers of canister X can call ic00 method canister_status"
    ));
    assert!(is_out_of_cycles(None, "Canister X is out of cycles"));
    // A code decides, whatever the text says.
    assert!(!is_not_serving(Some("IC0503"), "the shop is stopped"));
}

#[test]
fn the_hook_is_read_from_the_backtrace() {
    assert_eq!(
        hook("Canister Backtrace:\ncanister_pre_upgrade"),
        Some(Hook::PreUpgrade)
    );
    assert_eq!(hook("in post_upgrade: bad magic"), Some(Hook::PostUpgrade));
    assert_eq!(hook("index out of range"), None);
}

proptest! {
    #[test]
    fn whatever_comes_it_is_one_bounded_line(code in proptest::option::of("\\PC{0,12}"), class in any::<u8>(), message in "(?s).{0,900}") {
        for step in STEPS {
            let explained = explain(code.as_deref(), class, &message, *step);
            prop_assert!(!explained.meaning.chars().any(char::is_control));
            prop_assert!(explained.meaning.chars().count() < 900);
            prop_assert!(!explained.next.is_empty());
        }
    }

    #[test]
    fn no_text_makes_us_advise_to_reinstall(before in "[a-z .]{0,40}", after in "[a-z .]{0,40}") {
        let message = format!("{before} Try installing with mode='reinstall' instead.{after}");
        prop_assert!(!cut(&message).contains("reinstall"));
    }
}
