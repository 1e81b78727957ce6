//! Private keys for stories, made for them and used nowhere else, and who they are.

use candid::Principal;
use ic_agent::Identity as _;
use ic_agent::identity::Secp256k1Identity;

/// The controller's.
pub(super) const OWNER: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIKKAFrcSNVUOzdaeVGPuH3zQi0K6TgU36d7mYb3WwqktoAcGBSuBBAAK
oUQDQgAEyGUF4Vz4E1V6T5najGnHfzY9zmfc7e4OFGwWyqqe+/T5cnLhXLZYftOI
flyobR9CCD35osdWD0qzP1BUBR4y0Q==
-----END EC PRIVATE KEY-----
";

/// Of somebody who controls nothing.
pub(super) const STRANGER: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIF4Q1hq3W0yjMDuppK4vBHsCr3oQMhPY2XbnehZmGDtQoAcGBSuBBAAK
oUQDQgAEr3xiriAqN9MpbblZ9PdwNGQoWyZz7ARo726waAvkthKxFO/K5k7HAmdW
/356mlFDn0EaERyWcq+lDRNRFM3g9g==
-----END EC PRIVATE KEY-----
";

/// The stranger's, encrypted.
pub(super) const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjVg4aD34akfgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEO/utvgrStZrh23sLbo8vUsEgZBf
1fuecM2yEqs5TmWD1AWdYIrK1jdXVNJNJf/fjrrxMNIehXNLvZI56CgDQIQgtJfl
NjIGDLz5DDcKKex0mOtIc2Y+5h4F8xIsnObgh19BcbCMZ10oF/tOSVmdONCNk9jG
QpHm4fHst+is6FHzNXqy50oaMgf8eYmtHXKk7bLIgQ5T9PZuF+9p0OAQ7p0KH3w=
-----END ENCRYPTED PRIVATE KEY-----
";

pub(super) const PASSWORD: &str = "correct-horse-battery";

pub(super) fn principal(pem: &str) -> Principal {
    let identity = Secp256k1Identity::from_pem(pem.as_bytes()).unwrap();
    identity.sender().unwrap()
}
