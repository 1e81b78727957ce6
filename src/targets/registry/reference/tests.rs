//! What is read as which image, and what is refused.

use super::*;
use proptest::prelude::*;

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[track_caller]
fn check(text: &str, full: &str, host: &str) {
    let text = text.replace('$', HEX);
    let image: Reference = text.parse().unwrap();
    assert_eq!(image.to_string(), full.replace('$', HEX));
    assert_eq!(image.host(), host);
    assert_eq!(image.to_string().parse::<Reference>().unwrap(), image);
}

#[test]
fn defaults_are_dockers() {
    let hub = "registry-1.docker.io";
    check("nginx", "docker.io/library/nginx", hub);
    check("nginx:1.27", "docker.io/library/nginx:1.27", hub);
    check("docker.io/nginx", "docker.io/library/nginx", hub);
    check("index.docker.io/a/b", "docker.io/a/b", hub);
    check("bitnami/redis:7", "docker.io/bitnami/redis:7", hub);
    check("localhost:5000", "docker.io/library/localhost:5000", hub);
    check("localhost/x", "localhost/x", "localhost");
    check("localhost:5000/x", "localhost:5000/x", "localhost:5000");
    check("[::1]:5000/x:t", "[::1]:5000/x:t", "[::1]:5000");
    check(
        "ghcr.io/a/b:tag@sha256:$",
        "ghcr.io/a/b:tag@sha256:$",
        "ghcr.io",
    );
    check("GHCR.io/a/b", "ghcr.io/a/b", "ghcr.io");
    check(
        "registry.k8s.io/a/b/c/d__e--f.g_h@sha256:$",
        "registry.k8s.io/a/b/c/d__e--f.g_h@sha256:$",
        "registry.k8s.io",
    );
}

#[test]
fn what_is_asked_for() {
    #[track_caller]
    fn check(text: &str, asked: &str, by_tag: Option<&str>, familiar: &str) {
        let image: Reference = text.replace('$', HEX).parse().unwrap();
        assert_eq!(image.asked(), asked.replace('$', HEX));
        let tagged = image.by_tag().map(|image| image.to_string());
        assert_eq!(tagged.as_deref(), by_tag);
        assert_eq!(image.familiar(), familiar.replace('$', HEX));
    }
    check(
        "nginx",
        "latest",
        Some("docker.io/library/nginx:latest"),
        "nginx",
    );
    check("a/b:1", "1", Some("docker.io/a/b:1"), "a/b:1");
    check(
        "b:1@sha256:$",
        "sha256:$",
        Some("docker.io/library/b:1"),
        "b:1@sha256:$",
    );
    check("x.io/b@sha256:$", "sha256:$", None, "x.io/b@sha256:$");
    check(
        "docker.io/library/localhost/x",
        "latest",
        Some("docker.io/library/localhost/x:latest"),
        "docker.io/library/localhost/x",
    );
}

#[test]
fn a_pin_drops_the_tag() {
    let image: Reference = "nginx:1.27".parse().unwrap();
    let pinned = image.pinned(HEX.parse().unwrap());
    assert_eq!(
        pinned.to_string(),
        format!("docker.io/library/nginx@sha256:{HEX}")
    );
}

#[test]
fn what_is_no_image_is_refused_with_what_was_expected() {
    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let text = text.replace('$', HEX);
        let error = text.parse::<Reference>().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().starts_with("found image "), "{error}");
    }
    refused("", "a name such as");
    refused(":tag", "a name such as");
    refused("ghcr.io/", "a name such as");
    refused("$", "a bare image id");
    refused("https://ghcr.io/a/b", "remove the scheme");
    refused("ghcr.io/A/b", "lower case");
    refused("ghcr.io/a//b", "correct the name");
    refused("ghcr.io/a/../b", "correct the name");
    refused("ghcr.io/a/b?x=1", "correct the name");
    refused("ghcr.io/a/b%2f", "correct the name");
    refused("a..b", "correct the name");
    refused("a___b", "correct the name");
    refused("a-", "correct the name");
    refused(&"a".repeat(300), "at most 255");
    refused("nginx:", "a tag of 1 to 128");
    refused("nginx:-x", "a tag of 1 to 128");
    refused("nginx:a b", "a tag of 1 to 128");
    refused(&format!("nginx:{}", "a".repeat(129)), "a tag of 1 to 128");
    refused("nginx@", "sha256: and 64");
    refused("nginx@$", "sha256: and 64");
    refused("nginx@sha512:$$", "other algorithms");
    refused("nginx@sha256:$@sha256:$", "sha256: and 64");
    refused(
        &format!("nginx@sha256:{}", HEX.to_uppercase()),
        "lower-case",
    );
    refused("a.b:0/x", "correct the host");
    refused("a.b:99999/x", "correct the host");
    refused("a.b:/x", "correct the host");
    refused("a.b:+80/x", "correct the host");
    refused("a.1/x", "correct the host");
    refused("-a.b/x", "correct the host");
    refused("a..b/x", "correct the host");
    refused("me:pw@a.b/x", "sha256: and 64");
    refused("[::g]/x", "correct the host");
}

#[test]
fn this_machine_is_known() {
    #[track_caller]
    fn check(text: &str, expected: bool) {
        let image: Reference = text.parse().unwrap();
        assert_eq!(image.is_loopback(), expected);
    }
    check("localhost/x", true);
    check("localhost:5000/x", true);
    check("127.0.0.1:5000/x", true);
    check("127.1.2.3/x", true);
    check("[::1]:5000/x", true);
    check("[::1]/x", true);
    check("localhost.evil.example/x", false);
    check("127.0.0.1.evil.example/x", false);
    check("10.0.0.1:5000/x", false);
    check("nginx", false);
}

fn references() -> impl Strategy<Value = String> {
    (
        prop::option::of(
            "[a-z]{1,5}\\.[a-z]{2,3}(:[1-9][0-9]{0,3})?|localhost:[1-9][0-9]{0,3}|\\[::1\\]",
        ),
        // A first part with a dot would be a registry.
        "[a-z0-9]{1,4}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}",
        prop::collection::vec("[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", 0..4),
        prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}"),
        prop::option::of("[0-9a-f]{64}"),
    )
        .prop_map(|(registry, first, mut path, tag, hex)| {
            path.insert(0, first);
            let registry = registry.map_or_else(String::new, |registry| format!("{registry}/"));
            let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
            let digest = hex.map_or_else(String::new, |hex| format!("@sha256:{hex}"));
            format!("{registry}{}{tag}{digest}", path.join("/"))
        })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(text in references()) {
        let image: Reference = text.parse().unwrap();
        let printed = image.to_string();
        prop_assert_eq!(&printed.parse::<Reference>().unwrap(), &image);
        prop_assert_eq!(printed.parse::<Reference>().unwrap().to_string(), printed.clone());
        prop_assert_eq!(&image.familiar().parse::<Reference>().unwrap(), &image);
        prop_assert!(printed.ends_with(&text) || printed.contains("/library/"));
    }

    #[test]
    fn any_text_is_read_stably_or_refused(text in "[a-zA-Z0-9:/@._\\[\\]%? -]{0,40}|\\PC{0,40}") {
        if let Ok(image) = text.parse::<Reference>() {
            let url = format!("https://{}/v2/{}/manifests/{}", image.host(), image.repository(), image.asked());
            let url: url::Url = url.parse().unwrap();
            prop_assert_eq!(url.query(), None);
            prop_assert_eq!(image.to_string().parse::<Reference>().unwrap(), image);
        }
    }
}
