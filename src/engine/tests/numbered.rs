//! `--to-revision`: which slot a number is for.

use super::fake::Fake;
use super::{operation, slot};
use crate::engine::numbered::{check as check_numbers, share};
use crate::engine::request::Numbered;
use crate::model::outcome::Outcome;
use crate::targets::Target;

/// `web=7`, or `7` for the only slot.
fn numbered(texts: &[&str]) -> Vec<Numbered> {
    let one = |text: &&str| match text.split_once('=') {
        Some((name, number)) => Numbered {
            slot: Some(slot(name)),
            number: number.to_owned(),
        },
        None => Numbered {
            slot: None,
            number: (*text).to_owned(),
        },
    };
    texts.iter().map(one).collect()
}

#[track_caller]
fn check(held: &str, finds: bool, numbers: &[&str], wrong: Option<&str>) {
    let fake = Fake::new("fake", held).with(|world| world.finds_slots = finds);
    let targets: Vec<Box<dyn Target>> = vec![Box::new(fake)];
    let found = check_numbers(&targets, &numbered(numbers)).err();
    if let Some(failure) = &found {
        assert_eq!(failure.kind, Outcome::Usage);
    }
    let expected = wrong.map(|wrong| format!("--to-revision: {wrong}"));
    assert_eq!(found.map(|failure| failure.to_string()), expected);
}

#[test]
fn every_number_is_for_a_slot_that_exists() {
    check("web=1", false, &["7"], None);
    check("web=1 api=1", false, &["web=7", "api=9"], None);
    check("", true, &["deployment/any=7"], None);
    check(
        "web=1",
        false,
        &["wep=7"],
        Some("found slot wep, expected one of: web"),
    );
    check(
        "web=1 api=1",
        false,
        &["7"],
        Some("found 7 without a slot, expected SLOT=NUMBER, with one of: web, api"),
    );
    // Which slots it will find is not known yet, so neither is "the only one".
    check(
        "web=1",
        true,
        &["7"],
        Some("found 7 without a slot, expected SLOT=NUMBER, with one of: web"),
    );
    check(
        "web=1 api=1",
        false,
        &["web=7", "api=7", "web=8"],
        Some("found 7 and 8 for one slot, expected one number"),
    );
}

#[tokio::test]
async fn only_the_slots_with_a_number_are_wanted() {
    let fake = Fake::new("fake", "web=1 api=1").with(|world| world.numbers = vec!["7"]);
    let (operation, _dir) = operation(&[&fake], |_| ());
    let found = share(&operation.targets, &fake, &numbered(&["api=7"]))
        .await
        .unwrap();
    let wanted: Vec<String> = found
        .wanted
        .iter()
        .map(|(slot, it)| format!("{slot}={it}"))
        .collect();
    assert_eq!(wanted, ["api=r7"]);
    let refused = share(&operation.targets, &fake, &numbered(&["web=9"]))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Outcome::Refused);
    assert_eq!(refused.to_string(), "target fake: web has no revision 9");
}

/// Another target that finds its slots could find one of the same name in a place of its own.
#[tokio::test]
async fn a_slot_that_one_target_names_is_not_looked_for_in_another() {
    let names = Fake::new("names", "web=1").with(|world| world.numbers = vec!["7"]);
    let finds = Fake::new("finds", "").with(|world| {
        world.finds_slots = true;
        world.numbers = vec!["7"];
    });
    let (operation, _dir) = operation(&[&finds, &names], |_| ());
    let numbers = numbered(&["web=7", "deployment/new=7"]);
    for target in [&finds, &names] {
        share(&operation.targets, target, &numbers).await.unwrap();
    }
    assert_eq!(finds.asked(), ["number 7 of deployment/new"]);
    assert_eq!(names.asked(), ["number 7 of web"]);
}
