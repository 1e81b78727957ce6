//! Lines of `known_hosts` files, and keys judged by them.

use super::*;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHeLC1lWiCYrXsf/85O/pkbUFZ6OGIt49PX3nw8iRoXE";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn known(text: &str, host: &str, port: u16, is_strict: bool) -> Result<Known, String> {
    let source = Source {
        from: "known_hosts".to_owned(),
        text: text.to_owned(),
        is_strict,
    };
    Known::of(&[source], "~/.ssh/known_hosts", host, port)
}

/// Whether a line trusts the key for a host.
#[track_caller]
fn check(line: &str, host: &str, port: u16, trusted: bool) {
    let known = known(line, host, port, true).unwrap();
    assert_eq!(known.judge(&key(ED)).is_ok(), trusted, "{line}");
}

#[test]
fn hosts_are_matched_as_sshd_says() {
    check(&format!("web-1 {ED}"), "web-1", 22, true);
    check(&format!("WEB-1\t{ED} a comment"), "Web-1", 22, true);
    check(&format!("db,web-1,10.0.0.1 {ED}"), "10.0.0.1", 22, true);
    check(&format!("web-1 {ED}"), "web-2", 22, false);
    check(&format!("*.example.com {ED}"), "web.example.com", 22, true);
    check(&format!("*,!web-1 {ED}"), "web-1", 22, false);
    check(&format!("!web-1,* {ED}"), "web-1", 22, false);
    check(&format!("[web-1]:2222 {ED}"), "web-1", 2222, true);
    check(&format!("web-1 {ED}"), "web-1", 2222, false);
    check(&format!("[::1]:2222 {ED}"), "::1", 2222, true);
    // Given for this one purpose, a key needs no host.
    check(ED, "web-1", 2222, true);
    check(
        &format!("ssh-gw.example.com {ED}"),
        "ssh-gw.example.com",
        22,
        true,
    );
    check(&format!("ssh-gw.example.com {ED}"), "web-1", 22, false);
    check(&format!("sk-ssh-1,ssh-rsa {ED}"), "ssh-rsa", 22, true);
    // Made by `ssh-keygen -H` of "web-1".
    check(&format!("{} {ED}", hashed("web-1")), "web-1", 22, true);
    check(&format!("{} {ED}", hashed("web-1")), "web-2", 22, false);
    check(&format!("|1|no|base64! {ED}"), "web-1", 22, false);
}

fn hashed(name: &str) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let salt = [7; 20];
    let hash = Hmac::<Sha1>::new_from_slice(&salt)
        .unwrap()
        .chain_update(name)
        .finalize()
        .into_bytes();
    format!("|1|{}|{}", encode(&salt), encode(&hash))
}

#[test]
fn a_key_that_is_not_the_known_one_is_told_from_an_unknown_one() {
    #[track_caller]
    fn judge(text: &str, wanted: Distrust) {
        let known = known(text, "web-1", 22, false).unwrap();
        assert_eq!(known.judge(&key(ED)), Err(wanted), "{text}");
    }
    let at = |line: usize| format!("known_hosts, line {line}");
    let line = format!("web-1 {ED}");
    judge("", Distrust::Unknown { line: line.clone() });
    judge(&format!("db {ED}"), Distrust::Unknown { line });
    judge(
        &format!("# a comment\n\nweb-1 {OTHER}"),
        Distrust::Changed { at: at(3) },
    );
    judge(
        &format!("web-1 {ED}\n@revoked * {ED}"),
        Distrust::Revoked { at: at(2) },
    );
    judge(
        &format!("@cert-authority web-1 {OTHER}"),
        Distrust::Authority { at: at(1) },
    );
    judge(
        &format!("@cert-authority web-1 {ED}"),
        Distrust::Authority { at: at(1) },
    );
    // Of several keys of a kind each is good.
    check(&format!("web-1 {OTHER}\nweb-1 {ED}"), "web-1", 22, true);
}

#[test]
fn lines_that_cannot_be_read_are_refused_only_where_they_were_given_for_this() {
    let text = format!("web-1 ssh-dss AAAAB3NzaC1kc3M\nweb-1 {ED}\n@new web-1 {ED}\nnonsense");
    let lax = known(&text, "web-1", 22, false).unwrap();
    assert_eq!(lax.kinds(), [Algorithm::Ed25519]);
    // In a file of many hosts a key without one would be every host's.
    let bare = known(ED, "web-1", 22, false).unwrap();
    assert_eq!(bare.kinds(), []);
    let wrong = known("web-1", "web-1", 22, true).unwrap_err();
    assert!(
        wrong.contains("known_hosts, line 1") && wrong.contains("ssh-ed25519 AAAA"),
        "{wrong}"
    );
}

#[test]
fn a_text_without_lines_about_hosts_is_told_by_its_first_line() {
    let check = |text: &str, wanted: Option<&str>| assert_eq!(unreadable(text), wanted);
    check("", None);
    check(ED, None);
    check(&format!("# ours\n\nweb-1 {ED}\n  {ED} me@here"), None);
    check(
        &format!("{ED}\nweb-1 ssh-ed25519\nx"),
        Some("web-1 ssh-ed25519"),
    );
    check("SHA256:AAAA", Some("SHA256:AAAA"));
}
