//! Two canisters of one release: in their order, side by side, one alone, and one of them failing.

use super::shop::{COUNT, NAME, Shop};
use crate::replica::{Fault, Reject, SeenStatus, modules};
use candid::Principal;

struct Two {
    shop: Shop,
    other: Principal,
}

impl Two {
    /// Both run v1, as run 11 recorded it, and then something bad.
    async fn open(more: &str) -> Self {
        let shop = Shop::empty().await;
        shop.replica.install(shop.id, &modules::good_v1());
        for _ in 0..COUNT {
            shop.replica.update(shop.id, "bump").unwrap();
        }
        let other = shop.another();
        let two = Self { shop, other };
        let members = format!("{}, {{ name: ledger, id: {other} }}", two.shop.member());
        two.shop.configure_with(&members, more, "");
        let v1 = modules::good_v1();
        let files = [("user_service.wasm", v1.clone()), ("ledger.wasm", v1)];
        two.shop.record(11, &files).await;
        for id in [two.shop.id, other] {
            two.shop.replica.install(id, &modules::bad_query());
        }
        two
    }

    /// Canisters in the order in which their module was changed.
    fn changed(&self) -> Vec<Principal> {
        let calls = self.shop.replica.calls();
        let installs = calls
            .iter()
            .filter(|called| called.method == "install_code");
        installs.map(|called| called.canister).collect()
    }

    #[track_caller]
    fn both_hold_v1(&self) {
        for id in [self.shop.id, self.other] {
            self.shop.this_holds(id, &modules::good_v1(), COUNT);
        }
    }
}

#[tokio::test]
async fn in_their_order() {
    let two = Two::open("").await;
    let out = two.shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    two.both_hold_v1();
    assert_eq!(two.changed(), [two.shop.id, two.other]);
}

#[tokio::test]
async fn side_by_side() {
    let two = Two::open("parallel: 2").await;
    let out = two.shop.run(&["rollback"]).await;
    out.ended(0, "restored");
    two.both_hold_v1();
    let stops: Vec<String> = two.shop.changes().into_iter().take(2).collect();
    assert_eq!(stops, ["stop_canister", "stop_canister"]);
    // Both snapshots are known as ours.
    let notes = std::fs::read_to_string(two.shop.stage.path(".lastgood/canister-snapshots.json"));
    let notes = notes.unwrap();
    for id in [two.shop.id, two.other] {
        assert!(notes.contains(&id.to_text()), "{notes}");
    }
}

#[tokio::test]
async fn only_one() {
    let two = Two::open("").await;
    let out = two.shop.run(&["rollback", "--slot", "ledger"]).await;
    out.ended(0, "restored");
    two.shop.this_holds(two.other, &modules::good_v1(), COUNT);
    two.shop.certifies(&modules::bad_query());
    assert_eq!(two.changed(), [two.other]);
    let out = two.shop.run(&["rollback", "--slot", "leger"]).await;
    assert_eq!(out.code, Some(2), "{out}");
    out.says(NAME).says("ledger");
}

#[tokio::test]
async fn one_fails_and_running_again_finishes() {
    for more in ["", "parallel: 2"] {
        let two = Two::open(more).await;
        let limited = Reject::new(
            209,
            "Canister is rate limited because it executed too many instructions in the previous install_code messages",
        );
        two.shop.replica.faults(|faults| {
            faults.once_for(two.other, "install_code", Fault::Reject(limited));
        });
        let out = two.shop.run(&["rollback"]).await;
        out.ended(17, "incomplete")
            .says("ledger")
            .says("rate limited");
        two.shop.holds(&modules::good_v1(), COUNT);
        let left = two.shop.replica.seen(two.other);
        assert_eq!(left.module_hash, Some(modules::hash(&modules::bad_query())));
        assert_eq!(left.status, SeenStatus::Running);
        let out = two.shop.run(&["rollback"]).await;
        out.ended(0, "restored");
        two.both_hold_v1();
    }
}

/// A file that the operator names is the module of the one canister there is, and of no second one, in whichever target.
#[tokio::test]
async fn a_file_of_one_does_not_land_in_another() {
    let two = Two::open("").await;
    let replica = &two.shop.replica;
    let target = |name: &str, id: Principal| {
        format!(
            "{{ name: {name}, kind: canister, network: \"{}\", root-key: {}, canisters: [{{ name: {name}, id: {id} }}] }}",
            replica.url(),
            replica.root_key_hex()
        )
    };
    let targets = [target(NAME, two.shop.id), target("ledger", two.other)].join(", ");
    two.shop.stage.configure(|config| config.targets = targets);
    let file = format!("{NAME}.wasm");
    std::fs::write(two.shop.stage.path(&file), modules::good_v2()).unwrap();
    let out = two.shop.run(&["rollback", "--artifact", &file]).await;
    out.ended(14, "artifact-refused").says("ledger.wasm");
    two.shop.certifies(&modules::bad_query());
    assert_eq!(two.shop.changes(), [""; 0]);
}
