//! Keys of every form, and texts that are no keys. The keys were made for these tests by OpenSSL 3.0 and `icp` 1.5.0, and hold
//! nothing; the principals are what `icp identity principal` prints for them.

use super::*;
use crate::targets::settings::parse;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const SECP256K1: &str = "3vaub-sdctq-eeoxm-ynjbt-7l6m6-f73jr-tga4c-bqhmg-ggfz7-twi4e-yqe";
const P256: &str = "bvcuf-cumlx-wu32q-55bp4-a5pzy-gyr2y-5j65h-czb5w-jezge-5zaye-fae";
const ED25519: &str = "iohee-gsaba-rxyer-gcbzp-42nyi-2iizs-qu4go-iki7b-geywy-52ce3-sqe";

const PASSWORD: &str = "correct-horse";

const WITH_PARAMETERS: &str = "\
-----BEGIN EC PARAMETERS-----
BgUrgQQACg==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEINLGplzzcjsoVod3c4bQ+TzUGh+5QtG+iZHX0ajtPttpoAcGBSuBBAAK
oUQDQgAEJy6u/HWzparKL9tMRR9FD/xg9K/DIyWcb6EU9liiIp64DWY9p1w+NsQB
dCBF668A4aBBqfxkKez23mJ4o5pqXw==
-----END EC PRIVATE KEY-----
";

const K1_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg0samXPNyOyhWh3dzhtD5
PNQaH7lC0b6JkdfRqO0+22mhRANCAAQnLq78dbOlqsov20xFH0UP/GD0r8MjJZxv
oRT2WKIinrgNZj2nXD42xAF0IEXrrwDhoEGp/GQp7PbeYnijmmpf
-----END PRIVATE KEY-----
";

const K1_NO_PUBLIC: &str = "\
-----BEGIN EC PRIVATE KEY-----
MC4CAQEEINLGplzzcjsoVod3c4bQ+TzUGh+5QtG+iZHX0ajtPttpoAcGBSuBBAAK
-----END EC PRIVATE KEY-----
";

const P256_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIK3nzc84pui5zcjuQlJyakyEAF1Oh9+HEBPe+fj1UZKOoAoGCCqGSM49
AwEHoUQDQgAEcyf0IBv9n07aVRlqFPQdtcLkN19NsRynzf7vWx+TcNRrHjMrvPJ0
QHrIyQMzpG68dWS6QjYheufkXMSKWZ4F5w==
-----END EC PRIVATE KEY-----
";

const P256_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrefNzzim6LnNyO5C
UnJqTIQAXU6H34cQE975+PVRko6hRANCAARzJ/QgG/2fTtpVGWoU9B21wuQ3X02x
HKfN/u9bH5Nw1GseMyu88nRAesjJAzOkbrx1ZLpCNiF65+RcxIpZngXn
-----END PRIVATE KEY-----
";

const ED_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIKuB3gc8rB/cx/MY8m3zBCffuKk+yyY4VXbqC3CIqwVH
-----END PRIVATE KEY-----
";

const K1_PBKDF2: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAh8FxFh9DrxrwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEMmyAVXhG8hgaRvAE0mUJlQEgZAG
/W5qy/ukYtSs6J0Q+uSGHOQr3hOHGTG+Uxap2NJFt4pfiLaOgmBRqwbLys0VyV6Z
uPi7tx86oEoKOTYUrvnWtk4LETZj8dILqyWx7qnyNv+f4wIZVAQUPs1Y8LtXpkFd
3jmAkCFj8B/dgFX0GEbYQIt/SlDKiV3k+mJlBwRXEJFjvc6HKiUdefJ97SIVTek=
-----END ENCRYPTED PRIVATE KEY-----
";

const ED_SCRYPT: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAjXvd0ehA6ZdQICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBA39WYiBw/X6UWxZGVxaImbBEBTT09Npr6zbot4
ivigXrEK2H9EjPyyFYtwomsxafRZvdggq1oR64IHQAGhxHMzup+jIg7lTk3mAiPx
IBcigvxk
-----END ENCRYPTED PRIVATE KEY-----
";

const BY_ICP: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSsGAQQB2kcECzAdBBB4JJ80zBJPxBT1jLn2
SzM+AgMCAAACAQgCAQEwHQYJYIZIAWUDBAEqBBCIDmAlRG4vKb7iOCMSh4KQBIGQ
Bsd9FO2xXVf9Vz8V9arSTAXJLwTP7egfyE0BGpGsHh/Wmq36XwxfXEzwyl0LGXCl
dndlbOrOYgyzMd1SjBAGERun3tXfl0aB0QLLaryFuduENQJw3zQstXUYrg/NHbTf
syjTBtA4JaYBcAgIGf3l0RH5pKu18yYAqE0485iRDZASWUjf3Bg9NaG1Q8xMezdL
-----END ENCRYPTED PRIVATE KEY-----
";

/// One round only: three hundred passwords are tried in no time.
const ED_PBKDF2_FAST: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGaMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAgWb8frO1qUUAIBATAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBAgQQW1sjMRxbkmIRVOb2Icb85gRA9fOV
b7VodmEQ/a6CS6NkB7w2ANVqMoTaoelu4nu/9oa87U8TOz8FLPGDkfiSvvTx0oLl
VxEOayBPAhYkcvnqAw==
-----END ENCRYPTED PRIVATE KEY-----
";

const OLD_ENCRYPTION: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,29C0D392AB8060C05285EEBFC6B10B51

cJIUHDl54yYrfB+VPbYsCt9jIiyWG7LK+1UPpjyhNrFFFp84mhDYTx34V6b+DavW
1XUjOgqkh9E4kDwOTtZdPUPSEQstwa+IRbY5PJatX8t7ke6LaUNkgNBCaNfYo60o
Sxgm3nWPATqmATVadkPsx7xS+ogIjYmIq2/lZopSC+A=
-----END EC PRIVATE KEY-----
";

const TRIPLE_DES: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHbME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAgfrJbH3rCjugICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIXpD/e7+jqU4EgYiKgGIZFAzO3cIv
4GfJMPbFlg050G1/3nKN9Sw7GsTVPrvOgKY1wBAdTP6qjjWq5Ju5XHqAZNm64OIH
3mu/wG4kuX1h1MjKrJ/wLHmbx47qel1OaEdJnKfmNf4N8JFXY2K1I7de4v0I+AGz
h5VfFU/F8oe1D++vRS0Vl+suMN/eCk8vtuAM03Zy
-----END ENCRYPTED PRIVATE KEY-----
";

const P384_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDAgzUOoujpQ0lolxq/Z+ZeUI46UraHYyQ2XqBGsZN0bzWhETEuqdTx2
c4X+GK7h3GugBwYFK4EEACKhZANiAASW41NBO2EGuRVihjQd0cCwY3le5CiSPp33
uYVUNfopXfVoDU0kqL5IliXSxjUDxnOj4dLNtoJG2MsIQdfyvqx0ShvJPZ2Jq4wR
U0QE95zm1BVRSVMtOnNkgoWRqAGlyb8=
-----END EC PRIVATE KEY-----
";

const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEJy6u/HWzparKL9tMRR9FD/xg9K/DIyWc
b6EU9liiIp64DWY9p1w+NsQBdCBF668A4aBBqfxkKez23mJ4o5pqXw==
-----END PUBLIC KEY-----
";

/// Who a text makes us, as the input `identity`.
fn read(text: &str, password: Option<&str>) -> Result<Caller, TargetError> {
    let mut environment = vec![("INPUT_IDENTITY", text)];
    environment.extend(password.map(|password| ("INPUT_IDENTITY-PASSWORD", password)));
    with(&json!({}), &environment, &[])
}

/// Who we are with these settings, variables and files.
fn with(
    change: &Value,
    environment: &[(&str, &str)],
    files: &[(&str, &[u8])],
) -> Result<Caller, TargetError> {
    let dir = TempDir::new().unwrap();
    for (path, bytes) in files {
        fs::write(dir.path().join(path), bytes).unwrap();
    }
    let mut settings = json!({"network": "ic", "canisters": ["a"]});
    for (name, value) in change.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let environment = environment.iter();
    let base = Base {
        dir: dir.path().to_owned(),
        environment: environment
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Base::default()
    };
    caller(&parse(settings).unwrap(), &base)
}

#[track_caller]
fn known(caller: Result<Caller, TargetError>, principal: &str, curve: &str) -> Known {
    let Caller::Known(known) = caller.unwrap() else {
        panic!("nobody")
    };
    assert_eq!(known.principal.to_text(), principal);
    assert_eq!(known.identity.sender().unwrap(), known.principal);
    assert_eq!(known.curve, curve);
    known
}

/// The refusal: what was found, and the next action. It holds no line of the text.
#[track_caller]
fn refused(caller: Result<Caller, TargetError>, text: &str, wanted: &[&str]) {
    let Err(TargetError::Refused {
        what,
        allow: None,
        next,
    }) = caller
    else {
        panic!("not refused")
    };
    let message = format!("{what}; {next}");
    for wanted in wanted {
        assert!(message.contains(wanted), "{message} lacks {wanted:?}");
    }
    let quoted = text
        .lines()
        .filter(|line| 8 < line.len() && message.contains(*line));
    assert_eq!(quoted.count(), 0, "{message}");
}

#[test]
fn every_form_of_a_key_is_the_principal_that_the_official_client_says() {
    known(read(WITH_PARAMETERS, None), SECP256K1, "secp256k1");
    known(read(K1_PKCS8, None), SECP256K1, "secp256k1");
    known(read(K1_NO_PUBLIC, None), SECP256K1, "secp256k1");
    known(read(P256_SEC1, None), P256, "P-256");
    known(read(P256_PKCS8, None), P256, "P-256");
    known(read(ED_PKCS8, None), ED25519, "Ed25519");
    known(read(K1_PBKDF2, Some(PASSWORD)), SECP256K1, "secp256k1");
    known(read(ED_SCRYPT, Some("correct-horse\n")), ED25519, "Ed25519");
    known(read(BY_ICP, Some(PASSWORD)), SECP256K1, "secp256k1");
}

#[test]
fn what_secret_stores_do_to_line_breaks_does_not_matter() {
    known(
        read(&K1_PKCS8.replace('\n', "\r\n"), None),
        SECP256K1,
        "secp256k1",
    );
    known(
        read(&K1_PKCS8.replace('\n', "\\n"), None),
        SECP256K1,
        "secp256k1",
    );
    known(
        read(&K1_PKCS8.replace('\n', "\\r\\n"), None),
        SECP256K1,
        "secp256k1",
    );
    known(
        read(&K1_PKCS8.replace('\n', " "), None),
        SECP256K1,
        "secp256k1",
    );
    known(
        read(&format!("\n  {}\n\n", WITH_PARAMETERS.trim()), None),
        SECP256K1,
        "secp256k1",
    );
    known(
        read(&format!("{PUBLIC}{K1_PKCS8}"), None),
        SECP256K1,
        "secp256k1",
    );
}

#[test]
fn a_password_is_right_wrong_or_missing() {
    refused(
        read(K1_PBKDF2, None),
        K1_PBKDF2,
        &[
            "found ENCRYPTED PRIVATE KEY and no password",
            "identity-password",
        ],
    );
    for key in [K1_PBKDF2, ED_SCRYPT] {
        let caller = read(key, Some("hunter2-hunter2"));
        refused(
            caller,
            "hunter2-hunter2",
            &["that the password does not open"],
        );
    }
    // The padding of the wrong plaintext looks right once in 256 times: it is no key all the same.
    for count in 0..300 {
        assert!(read(ED_PBKDF2_FAST, Some(&format!("wrong {count}"))).is_err());
    }
    known(read(K1_PKCS8, Some("not needed")), SECP256K1, "secp256k1");
}

#[test]
fn what_is_no_key_is_named() {
    let check = |text: &str, wanted: &[&str]| refused(read(text, Some(PASSWORD)), text, wanted);
    check(
        PUBLIC,
        &["the input identity: found PUBLIC KEY, expected a private key"],
    );
    check(
        &PUBLIC.replace("PUBLIC KEY", "CERTIFICATE"),
        &["found CERTIFICATE, expected"],
    );
    check(
        &PUBLIC.replace("PUBLIC KEY", "OPENSSH PRIVATE KEY"),
        &["found OPENSSH PRIVATE KEY", "icp identity new"],
    );
    check(
        &PUBLIC.replace("PUBLIC KEY", "RSA PRIVATE KEY"),
        &["found RSA PRIVATE KEY, expected"],
    );
    check(
        P384_SEC1,
        &["found a private key on P-384, expected a key on secp256k1"],
    );
    check(
        OLD_ENCRYPTION,
        &["OpenSSL's old encryption", "openssl pkcs8 -topk8"],
    );
    check(TRIPLE_DES, &["an encryption that is not supported"]);
    check(
        &format!("{K1_PKCS8}{ED_PKCS8}"),
        &["found 2 private keys, expected one"],
    );
    check(&K1_PKCS8.replace("-----END", ""), &["that is cut off"]);
    check(&K1_PKCS8.replace("MIGEAgEA", "MIGE"), &["malformed"]);
    check(&K1_PKCS8.replace("MIGEAgEA", "*!*"), &["not base64"]);
    check(
        &ED_PKCS8.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu"),
        &["found a private key on X25519"],
    );
    check("deploy/identity.pem", &["neither PEM text nor the path"]);
    check(
        "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==",
        &["base64 once more", "base64 -d"],
    );
    check(
        &["abandon"; 12].join(" "),
        &["12 words, perhaps a seed phrase"],
    );
    check(
        &WITH_PARAMETERS.replace("BgUrgQQACg==", "BggqhkjOPQMBBw=="),
        &["EC PARAMETERS of another curve"],
    );
    let (_, bare) = WITH_PARAMETERS
        .split_once("-----END EC PARAMETERS-----\n")
        .unwrap();
    known(read(bare, None), SECP256K1, "secp256k1");
}

#[test]
fn a_key_that_does_not_say_its_curve_is_taken_by_its_public_half_or_not_at_all() {
    let without = |key: &[u8], public: &[u8]| {
        let mut der = vec![
            0x30,
            u8::try_from(3 + 2 + key.len() + public.len()).unwrap(),
            2,
            1,
            1,
            4,
            32,
        ];
        der.extend([key, public].concat());
        pem::text("EC PRIVATE KEY", &der)
    };
    let whole = pem::blocks(P256_SEC1).unwrap();
    let der = &whole[0].der;
    // version, key, [0] curve (12 bytes), [1] public half
    let (key, public) = (&der[7..39], &der[51..]);
    known(read(&without(key, public), None), P256, "P-256");
    let bare = without(key, &[]);
    refused(read(&bare, None), &bare, &["does not say its curve"]);
}

#[test]
fn the_first_source_that_is_given_is_taken() {
    let all = [
        ("INPUT_IDENTITY", ED_PKCS8),
        ("DFX_IDENTITY_PEM", P256_SEC1),
        ("MINE", K1_PKCS8),
    ];
    known(
        with(&json!({"identity-from": "MINE"}), &all, &[]),
        SECP256K1,
        "secp256k1",
    );
    known(with(&json!({}), &all, &[]), ED25519, "Ed25519");
    known(with(&json!({}), &all[1..], &[]), P256, "P-256");
    let files = [("id.pem", K1_PKCS8.as_bytes())];
    let file = with(&json!({"identity-file": "id.pem"}), &all, &files);
    assert!(
        known(file, SECP256K1, "secp256k1")
            .from
            .contains("identity-file")
    );
    let path = with(&json!({}), &[("INPUT_IDENTITY", "id.pem"), all[1]], &files);
    known(path, SECP256K1, "secp256k1");
    let password = [("INPUT_IDENTITY", BY_ICP), ("PW", PASSWORD)];
    known(
        with(&json!({"identity-password-from": "PW"}), &password, &[]),
        SECP256K1,
        "secp256k1",
    );
    // A broken one is not passed over.
    refused(
        with(&json!({}), &[("INPUT_IDENTITY", "gone.pem"), all[1]], &[]),
        "",
        &["the input identity"],
    );
    refused(
        with(&json!({"identity-from": "LOST"}), &all, &[]),
        "",
        &["the variable LOST is not set"],
    );
    refused(
        with(&json!({"identity-file": "lost.pem"}), &all, &[]),
        "",
        &["could not be read"],
    );
    refused(
        with(
            &json!({"identity-file": "e.pem"}),
            &all,
            &[("e.pem", b"\n")],
        ),
        "",
        &["an empty text"],
    );
    refused(
        with(
            &json!({"identity-file": "e.pem"}),
            &all,
            &[("e.pem", b"\xff\xfe")],
        ),
        "",
        &["found no text"],
    );
    refused(
        with(
            &json!({"identity-file": "identity.pem.encrypted"}),
            &all,
            &[("identity.pem.encrypted", b"\x00\xff")],
        ),
        "",
        &["dfx has encrypted", "dfx identity export NAME"],
    );
    let huge = vec![b'a'; 65 << 10];
    refused(
        with(&json!({"identity-file": "h"}), &all, &[("h", &huge)]),
        "",
        &["expected at most"],
    );
}

#[test]
fn without_a_key_one_may_look_and_change_nothing() {
    let nobody = with(
        &json!({}),
        &[("INPUT_IDENTITY", " "), ("DFX_IDENTITY_PEM", "")],
        &[],
    )
    .unwrap();
    assert_eq!(nobody.principal(), Principal::anonymous());
    assert_eq!(nobody.identity().sender(), Ok(Principal::anonymous()));
    let Err(TargetError::Refused { what, next, .. }) = nobody.for_change() else {
        panic!("a change by nobody")
    };
    assert!(what.contains("found no identity") && next.contains("the input `identity`"));
    let somebody = read(ED_PKCS8, None).unwrap();
    assert_eq!(somebody.for_change().unwrap().principal.to_text(), ED25519);
}

#[test]
fn the_principal_is_held_to_the_settings() {
    let wanted = json!({"principal": ED25519});
    known(
        with(&wanted, &[("DFX_IDENTITY_PEM", ED_PKCS8)], &[]),
        ED25519,
        "Ed25519",
    );
    let other = with(&wanted, &[("DFX_IDENTITY_PEM", K1_PKCS8)], &[]);
    refused(
        other,
        K1_PKCS8,
        &[SECP256K1, ED25519, "correct `principal`"],
    );
    refused(with(&wanted, &[], &[]), "", &["found no identity", ED25519]);
}

#[test]
fn nothing_of_a_key_is_printed() {
    let known = known(read(BY_ICP, Some(PASSWORD)), SECP256K1, "secp256k1");
    let printed = format!("{known:?} {:?}", Caller::Known(known.clone()));
    assert!(
        printed.contains("***") && printed.contains(SECP256K1),
        "{printed}"
    );
    assert!(
        !printed.contains(PASSWORD) && !printed.contains("SigningKey"),
        "{printed}"
    );
}
