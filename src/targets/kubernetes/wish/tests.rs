//! Files of image references, as deploy workflows write them.

use super::*;
use serde_json::json;

fn d(byte: &str) -> String {
    format!("sha256:{}", byte.repeat(32))
}

fn images(pairs: &[(&str, &str)]) -> Images {
    let owned = |text: &str| {
        text.replace("@ab", &format!("@{}", d("ab")))
            .replace("@cd", &format!("@{}", d("cd")))
    };
    pairs
        .iter()
        .map(|(name, image)| ((*name).to_owned(), owned(image)))
        .collect()
}

#[test]
fn a_file_is_json_or_lines() {
    let one = format!("shop/web:1@{}", d("ab"));
    let of_all = ImagesFile::parse(&json!({"c": one}).to_string()).unwrap();
    assert_eq!(
        of_all.wish(&Slot("deployment/web".to_owned())).named["c"],
        one
    );
    let by_slot = ImagesFile::parse(&json!({"deployment/web": {"c": one}}).to_string()).unwrap();
    assert_eq!(
        by_slot.wish(&Slot("deployment/web".to_owned())).named["c"],
        one
    );
    assert_eq!(
        by_slot.wish(&Slot("deployment/api".to_owned())),
        Wish::default()
    );
    let text = format!("# images\n c = {one}\n\nshop/api@{}\n", d("cd"));
    let wish = ImagesFile::parse(&text).unwrap().all;
    assert_eq!((wish.named.len(), wish.loose.len()), (1, 1));
}

#[track_caller]
fn refused(text: &str, what: &str) {
    let error = ImagesFile::parse(text).unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }));
    assert!(error.to_string().contains(what), "{error}");
}

#[test]
fn images_without_digests_are_refused() {
    refused("web=shop/web:1", "NAME@sha256:DIGEST");
    refused(r#"{"web": "shop/web:1"}"#, "NAME@sha256:DIGEST");
    refused(r#"{"web": 1}"#, "map from containers");
    refused("", "no images");
    refused("{}", "no images");
}

#[test]
fn a_name_that_several_workloads_have_means_the_same_repository_only() {
    let wish = Wish {
        named: images(&[("c", "shop/web@ab")]),
        loose: Vec::new(),
    };
    let web = images(&[("c", "shop/web:2"), ("proxy", "envoy:1")]);
    let api = images(&[("c", "shop/api:2")]);
    assert_eq!(wish.over(&web, false), images(&[("c", "shop/web@ab")]));
    assert_eq!(wish.over(&api, false), Images::new());
    assert_eq!(wish.over(&api, true), images(&[("c", "shop/web@ab")]));
    let loose = Wish {
        named: Images::new(),
        loose: vec![format!("shop/web@{}", d("ab"))],
    };
    assert_eq!(loose.over(&web, true), images(&[("c", "shop/web@ab")]));
}

#[test]
fn earlier_templates_fit_by_digest() {
    let wish = Wish {
        named: images(&[("c", "shop/web:1@ab")]),
        loose: Vec::new(),
    };
    let now = images(&[("c", "shop/web@cd"), ("proxy", "envoy:1")]);
    let fits = |earlier: &[(&str, &str)]| wish.fits(&images(earlier), &now, false);
    assert_eq!(
        fits(&[("c", "shop/web@ab")]),
        Some(images(&[("c", "shop/web@ab")]))
    );
    assert_eq!(fits(&[("c", "shop/web@cd")]), None);
    // By tag: only the tag that the wish has beside its digest.
    assert_eq!(
        fits(&[("c", "shop/web:1")]),
        Some(images(&[("c", "shop/web@ab")]))
    );
    assert_eq!(fits(&[("c", "shop/web:2")]), None);
    assert!(fits(&[("c", "shop/web@ab"), ("proxy", "envoy:1")]).is_some());
    assert_eq!(fits(&[("c", "shop/web@ab"), ("proxy", "envoy:2")]), None);
    assert_eq!(fits(&[("proxy", "envoy@ab")]), None);
}
