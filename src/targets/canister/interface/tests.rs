//! Interfaces as canisters publish them, and as nobody should.

use super::*;
use crate::model::probe::Question;
use crate::targets::canister::reader;
use candid::{Decode, Encode};

const DID: &str = r#"
/* nested /* comment */ */
type Limit = nat;
type Filter = record { limit : opt Limit; text : text };
type Stats = record { users : nat; names : vec text; next : opt Stats };
type Unused = variant { a; b : Unused2 };
type Unused2 = record { blob };
service : (opt Filter, nat64) -> {
  get_stats : () -> (Stats) query;
  find : (Filter) -> (vec Stats) composite_query;
  page : (nat, opt Limit, null) -> (nat) query;
  reset : () -> ();
  "log out" : () -> () oneway;
}
"#;

fn signature(method: &str) -> Result<Signature, Refusal> {
    Interface::read(DID)?.query(method)
}

#[test]
fn queries_are_found_and_updates_are_refused() {
    assert!(signature("get_stats").is_ok());
    assert!(signature("find").is_ok());
    for update in ["reset", "log out"] {
        let refusal = signature(update).err().unwrap();
        assert_eq!(
            refusal.what,
            format!("{update} is an update method; a health check must not change state")
        );
    }
    let refusal = signature("get_stat").err().unwrap();
    assert_eq!(
        refusal,
        Refusal::new(
            "the canister's interface has no method get_stat",
            "did you mean get_stats?"
        )
    );
    let none = Interface::read("service : {}").unwrap().query("a");
    assert!(none.err().unwrap().next.contains("no methods at all"));
}

#[test]
fn only_the_types_of_the_method_are_kept() {
    let kept =
        |method: &str| -> Vec<String> { signature(method).unwrap().env.0.into_keys().collect() };
    assert_eq!(kept("get_stats"), ["Stats"]);
    assert_eq!(kept("find"), ["Filter", "Limit", "Stats"]);
}

#[track_caller]
fn encoded(method: &str, arguments: &str) -> Result<Vec<u8>, String> {
    let values = candid_parser::parse_idl_args(arguments).unwrap();
    let bytes = signature(method).unwrap().encode(values);
    bytes.map_err(|refusal| format!("{}; {}", refusal.what, refusal.next))
}

#[test]
fn arguments_are_encoded_by_the_types_of_the_method() {
    assert_eq!(encoded("get_stats", "()"), Ok(Encode!().unwrap()));
    let null: Option<candid::Nat> = None;
    let whole = Encode!(&candid::Nat::from(7_u8), &null, &()).unwrap();
    // An int by itself, a nat by the interface; what may be missing at the end may be left out.
    assert_eq!(encoded("page", "(7, null, null)"), encoded("page", "(7)"));
    assert_eq!(
        Decode!(&encoded("page", "(7)").unwrap(), candid::Nat).unwrap(),
        Decode!(&whole, candid::Nat).unwrap()
    );
    assert!(encoded("find", "(record { text = \"a\" })").is_ok());
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_the_types() {
    #[track_caller]
    fn check(method: &str, arguments: &str, expected: &str) {
        let why = encoded(method, arguments).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    check(
        "get_stats",
        "(1)",
        "do not fit get_stats: found 1, expected 0",
    );
    check(
        "page",
        "()",
        "found 0, expected 3; give `arguments` of the types (nat, opt Limit, null)",
    );
    check("page", "(1, null, null, 2)", "found 4, expected 3");
    check("page", "(\"a\")", "do not fit page: type mismatch");
    check("page", "(-1)", "do not fit page: ");
    check(
        "find",
        "(record { limit = opt 1 })",
        "record field text not found",
    );
}

#[test]
fn an_interface_that_cannot_be_read_says_why() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let refusal = Interface::read(text).err().unwrap();
        assert!(refusal.what.contains(expected), "{}", refusal.what);
        assert!(!refusal.what.contains('\n'));
    }
    check("", "defines no service");
    check("type a = nat;", "defines no service");
    check("service : { a : (b) -> () }", "Unbound type identifier b");
    check("service : nat", "cannot be read: ");
    check("service : {", "cannot be read: ");
    check("import \"a.did\"; service : {}", "it imports another file");
    check(
        "import service \"a.did\"; service : {}",
        "it imports another file",
    );
    check("type a = a; service : {}", "a name for a name");
    check("type a = b; type b = a; service : {}", "a name for a name");
    check(&" ".repeat(TEXT_BYTES_MAX + 1), "more than 1 MiB");
}

/// A vector of nothing, with 2^35 elements, in a few bytes.
#[test]
fn a_small_reply_that_makes_much_work_is_refused() {
    let interface = Interface::read("service : { get : () -> (vec null) query }").unwrap();
    let signature = interface.query("get").unwrap();
    let bomb = b"DIDL\x01\x6d\x7f\x01\x00\x80\x80\x80\x80\x80\x01";
    let why = signature.decode(bomb).unwrap_err();
    assert!(
        why.starts_with("the reply is not what the interface says"),
        "{why}"
    );
}

/// Each would end the program, or take minutes, without its bound.
#[tokio::test]
async fn hostile_interfaces_are_refused_in_time() {
    let deep = |open: &str, close: &str, times: usize| {
        format!(
            "type t = {}nat{}; service : {{}}",
            open.repeat(times),
            close.repeat(times)
        )
    };
    let chain = |link: &str, times: usize| {
        let one = |i| format!("type t{i:x}={link}t{:x};", i + 1);
        let types = (0..times).map(one).collect::<Vec<_>>().concat();
        format!("{types} type t{times:x} = nat; service : {{ get : (t0) -> (t0) query }}")
    };
    let cases = [
        (deep("opt ", "", 200_000), "100 levels"),
        (deep("vec opt ", "", 51), "100 levels"),
        (deep("record {a: opt ", "}", 60_000), "100 levels"),
        (deep("func (", ") -> ()", 60_000), "100 levels"),
        ("(".repeat(1_000_000), "100 levels"),
        (chain("", 55_000), "50000 types"),
        (chain("", 20_000), "a name for a name"),
        (chain("opt ", 24_000), "more than 1000 types"),
        (chain("opt ", 990), ""),
        (chain("record { a : opt ", 1).replace("t1;", "t1};"), ""),
    ];
    for (text, expected) in cases {
        let question = Question {
            method: "get".to_owned(),
            arguments: "(null)".to_owned(),
            expect: None,
        };
        let asked = reader::prepare(Some(text.clone()), &question);
        let asked = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;
        let start: String = text.chars().take(40).collect();
        match asked.expect("it ends") {
            Ok(_) => assert_eq!(expected, "", "{start}"),
            Err(refusal) => assert!(refusal.what.contains(expected), "{start}: {}", refusal.what),
        }
    }
}

fn asking(method: &str, arguments: &str) -> Question {
    Question {
        method: method.to_owned(),
        arguments: arguments.to_owned(),
        expect: None,
    }
}

#[derive(candid::CandidType)]
struct Stats {
    users: candid::Nat,
    names: Vec<String>,
    /// Newer than the interface that was read.
    extra: u8,
}

fn stats() -> Vec<u8> {
    let stats = Stats {
        users: 5_u8.into(),
        names: vec!["a".to_owned()],
        extra: 1,
    };
    Encode!(&stats).unwrap()
}

#[tokio::test]
async fn replies_are_printed_with_the_names_of_the_interface() {
    let prepared = reader::prepare(Some(DID.to_owned()), &asking("get_stats", "()"))
        .await
        .unwrap();
    assert!(!prepared.inferred);
    for _ in 0..2 {
        assert_eq!(
            prepared.reader.line(stats()).await.unwrap(),
            "(record { next = null; names = vec { \"a\" }; users = 5 : nat })"
        );
    }
    let why = prepared
        .reader
        .line(b"nonsense".to_vec())
        .await
        .unwrap_err();
    assert!(
        why.starts_with("the reply is not what the interface says: "),
        "{why}"
    );
    let other = Encode!(&true).unwrap();
    prepared.reader.line(other).await.unwrap_err();
}

#[tokio::test]
async fn without_an_interface_types_are_inferred() {
    let prepared = reader::prepare(None, &asking("get_stats", "(7 : nat)"))
        .await
        .unwrap();
    assert!(prepared.inferred);
    assert_eq!(
        prepared.arguments,
        Encode!(&candid::Nat::from(7_u8)).unwrap()
    );
    let line = prepared.reader.line(stats()).await.unwrap();
    assert!(
        line.contains("5 : nat") && !line.contains("users"),
        "{line}"
    );
    let refusal = reader::prepare(None, &asking("get", "(1"))
        .await
        .unwrap_err();
    assert!(
        refusal.what.contains("expected Candid values"),
        "{}",
        refusal.what
    );
}
