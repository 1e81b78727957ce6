//! Keys as secret stores keep them, and what is wrong with those that cannot be read.

use super::*;

// Made for these tests by ssh-keygen; they open nothing. The password is "test".
const PLAIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAunzI4Sp73/VOvKbG1rCysdXSl1ObZi1alpVDDSxREewAAAIjFyE03xchN
NwAAAAtzc2gtZWQyNTUxOQAAACAunzI4Sp73/VOvKbG1rCysdXSl1ObZi1alpVDDSxREew
AAAECgKlrdhw4uY3SLQ5YlZA+mRZUmRVMTiHNSmY4csHQIRy6fMjhKnvf9U68psbWsLKx1
dKXU5tmLVqWlUMNLFER7AAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----";
const ENCRYPTED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAjGpd2WQ
hSVEMgO+NfAb0YAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIE74vmBhr12YL6QE
8DYotBIoP8wLSuOUoEYvt0EvAwHYAAAAkK4rJbqp/UmKYAobFXAsXDp7GD3c69pR5CFw52
jgGSkjggEjBL4AEHTllsylmMNVpOdMOj6nHZIoAnGZOAqbEUhcxRQ9pOnkhNGEcNZ0X8Wv
RTaW9csv8KLMbj4V7cxAgYnQAKWhQeEAXfEM46FDYLL+1Mo0OEpNc5ea9f1BWhxDAk5Ja+
W7NbnGlEwbPrf4Fg==
-----END OPENSSH PRIVATE KEY-----";

#[test]
fn texts_that_a_secret_store_bent_are_mended() {
    let whole = read(PLAIN, None).unwrap();
    for bent in [
        PLAIN.replace('\n', "\\n"),
        PLAIN.replace('\n', "\r\n"),
        format!("\n  {}\n\n", PLAIN.replace('\n', "\n  ")),
    ] {
        assert_eq!(
            read(&bent, None).unwrap().public_key(),
            whole.public_key(),
            "{bent}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_key_is_told_apart() {
    assert!(read(ENCRYPTED, Some("test")).is_ok());
    assert_eq!(read(ENCRYPTED, None).unwrap_err(), Wrong::Encrypted);
    assert_eq!(
        read(ENCRYPTED, Some("hunter2")).unwrap_err(),
        Wrong::Password
    );
    let public = read(PLAIN, None)
        .unwrap()
        .public_key()
        .to_openssh()
        .unwrap();
    assert_eq!(read(&public, None).unwrap_err(), Wrong::PublicKey);
    for broken in ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"] {
        let wrong = read(broken, None).unwrap_err();
        assert!(matches!(wrong, Wrong::Unreadable(_)), "{wrong:?}");
    }
}
