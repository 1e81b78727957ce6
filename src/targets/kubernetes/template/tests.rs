//! Revisions, images and differences of templates, in tables and properties.

use super::*;
use proptest::prelude::*;

fn digest_of(byte: &str) -> String {
    format!("sha256:{}", byte.repeat(32))
}

fn template() -> Value {
    json!({
        "metadata": {"creationTimestamp": null, "labels": {"app": "web"}, "annotations": {"a": "b"}},
        "spec": {
            "initContainers": [{"name": "init", "image": "tools:3"}],
            "containers": [{
                "name": "c", "image": "app:1", "command": ["serve"],
                "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "value": "hunter2"}],
                "newField": {"of": "a newer server"}, "resources": {}
            }],
            "securityContext": {}, "restartPolicy": "Always"
        }
    })
}

fn of(template: &Value) -> Revision {
    revision(template, &images_of(template))
}

#[test]
fn what_controllers_and_the_server_add_does_not_matter() {
    let plain = template();
    let mut other = template();
    other["metadata"]["labels"]["pod-template-hash"] = json!("5d4f");
    other["metadata"]["labels"]["controller-revision-hash"] = json!("web-5d4f");
    other["metadata"]["creationTimestamp"] = json!("2026-11-21T00:00:00Z");
    other["spec"]["nodeSelector"] = json!({});
    other["spec"]["affinity"] = Value::Null;
    assert_eq!(of(&plain), of(&other));
    assert!(is_same(&plain, &other));
    assert!(
        bare(&other)["metadata"]["labels"]
            .get("pod-template-hash")
            .is_none()
    );
    assert_eq!(
        bare(&other)["spec"]["containers"][0]["newField"]["of"],
        "a newer server"
    );
}

#[test]
fn images_count_by_digest_where_it_is_known() {
    let (one, two) = (digest_of("ab"), digest_of("cd"));
    let tagged = template();
    let mut known = images_of(&tagged);
    known.insert("c".to_owned(), format!("app@{one}"));
    known.insert("init".to_owned(), format!("tools@{two}"));
    let mut pinned = tagged.clone();
    pin(&mut pinned, &known);
    assert_eq!(
        pinned["spec"]["containers"][0]["image"],
        format!("app@{one}")
    );
    assert_eq!(revision(&tagged, &known), of(&pinned));
    let mut both = pinned.clone();
    both["spec"]["containers"][0]["image"] = json!(format!("app:1@{one}"));
    assert_eq!(of(&both), of(&pinned));
    assert_ne!(of(&tagged), of(&pinned));
    assert!(is_pinned(&images_of(&pinned)) && !is_pinned(&images_of(&tagged)));
}

#[test]
fn references_are_taken_apart() {
    let digest_text = digest_of("ab");
    for (image, name) in [
        ("app", "app"),
        ("app:1", "app"),
        ("host:5000/shop/app", "host:5000/shop/app"),
        ("host:5000/shop/app:1", "host:5000/shop/app"),
    ] {
        assert_eq!(repository(image), name);
        let pinned = format!("{image}@{digest_text}");
        assert_eq!(repository(&pinned), name);
        assert_eq!(digest(&pinned), Some(digest_text.as_str()));
        assert_eq!(digest(image), None);
        assert_eq!(normal(&pinned), format!("{name}@{digest_text}"));
    }
    let pullable = format!("docker-pullable://app@{digest_text}");
    assert_eq!(digest(&pullable), Some(digest_text.as_str()));
    // The configuration of an image that was loaded on the node: no registry knows it.
    assert_eq!(digest(&digest_text), None);
    assert_eq!(digest("app@sha256:short"), None);
}

#[test]
fn differences_are_readable_and_hide_secrets() {
    let old = template();
    let mut new = template();
    let container = &mut new["spec"]["containers"][0];
    container["image"] = json!(format!("app@{}", digest_of("ab")));
    container["env"] = json!([
        {"name": "DB_PASSWORD", "value": "hunter3"}, {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "URL", "value": "postgres://me:pass@db/x"}
    ]);
    container["args"] = json!(["--token=abc", "--db-password", "hunter4", "--port=80"]);
    container["livenessProbe"] =
        json!({"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "Bearer hunter5"}]}});
    new["metadata"]["labels"]["pod-template-hash"] = json!("5d4f");
    assert_eq!(
        difference(&old, &new),
        [
            r#"spec.containers[c].args: (none) -> ["--token=***","--db-password","***","--port=80"]"#,
            "spec.containers[c].env.DB_PASSWORD: *** -> ***",
            "spec.containers[c].env.LOG_LEVEL: info -> debug",
            "spec.containers[c].env.URL: (none) -> postgres://***@db/x",
            "spec.containers[c].image: app:1 -> app@sha256:abababababab…",
            r#"spec.containers[c].livenessProbe: (none) -> {"httpGet":{"httpHeaders":[{"name":"Authorization","value":"***"}]}}"#,
        ]
    );
    assert_eq!(difference(&old, &old), Vec::<String>::new());
}

#[test]
fn differences_are_bounded() {
    let many: Value = (0..100)
        .map(|n| (format!("k{n}"), json!("x".repeat(500))))
        .collect::<Map<_, _>>()
        .into();
    let mut new = template();
    new["metadata"]["annotations"] = many;
    let lines = difference(&template(), &new);
    assert_eq!(lines.len(), 41);
    assert_eq!(lines.last().unwrap(), "and 61 more");
    assert!(lines.iter().all(|line| line.chars().count() < 200));
}

/// The same value with its keys in another order and nulls added.
fn shuffled(value: &Value, seed: usize) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map
                .iter()
                .map(|(key, value)| (key.clone(), shuffled(value, seed)))
                .collect();
            if !pairs.is_empty() {
                let by = seed % pairs.len();
                pairs.rotate_left(by);
            }
            pairs.push((format!("null{seed}"), Value::Null));
            pairs.push((format!("empty{seed}"), json!({})));
            pairs.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, seed)).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn form_never_matters_and_content_always_does(seed in 0..50_usize, hash in "[a-z0-9]{1,10}", text in "[a-z]{1,8}") {
        let plain = template();
        let mut other = shuffled(&plain, seed);
        other["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        prop_assert_eq!(of(&plain), of(&other));
        for pointer in ["/spec/containers/0/env/0/value", "/spec/containers/0/command/0", "/spec/containers/0/image",
            "/spec/initContainers/0/image", "/metadata/annotations/a", "/spec/containers/0/newField/of"] {
            let mut changed = other.clone();
            *changed.pointer_mut(pointer).unwrap() = json!(format!("{text}-changed"));
            prop_assert_ne!(of(&plain), of(&changed));
            prop_assert!(!difference(&plain, &changed).is_empty());
        }
    }
}
