//! The words of a `via`, and the ports behind a Service.

use super::*;
use serde_json::json;

#[track_caller]
fn check(to: &str, expected: Option<(&str, &str, &str)>) {
    let found = Destination::read(to, "home").map(|found| {
        let object = match found.object {
            Object::Pod(name) => format!("pod/{name}"),
            Object::Place(place) => format!("{}/{}", place.kind.word(), place.name),
        };
        (found.namespace, object, found.port.to_string())
    });
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(found, expected, "{to}");
}

#[test]
fn a_destination_is_an_object_and_a_port() {
    check(
        "deployment/web:8001",
        Some(("home", "deployment/web", "8001")),
    );
    check("deploy/web:http", Some(("home", "deployment/web", "http")));
    check("svc/web:80", Some(("home", "service/web", "80")));
    check("pod/web-0:80", Some(("home", "pod/web-0", "80")));
    check("shop/pod/web-0:80", Some(("shop", "pod/web-0", "80")));
    check(
        "shop/statefulset/db:5432",
        Some(("shop", "statefulset/db", "5432")),
    );
    for wrong in [
        "",
        "web:80",
        "deployment/web",
        "deployment/web:",
        "deployment/web:0",
        "deployment/web:70000",
        "deployment/web:HTTP",
        "httproute/web:80",
        "pod/:80",
        "a/b/c/d:80",
        "pod/Web:80",
    ] {
        check(wrong, None);
        let error = Destination::parse(wrong, "home").unwrap_err().to_string();
        assert!(error.contains("expected KIND/NAME:PORT"), "{error}");
    }
}

#[test]
fn a_port_of_a_service_leads_to_its_target_port() {
    let ports: Vec<api::ServicePort> = serde_json::from_value(json!([
        {"port": 80, "name": "http", "targetPort": "web"},
        {"port": 81, "targetPort": 8081},
        {"port": 82},
    ]))
    .unwrap();
    let leads = |asked: Port| target_port(&ports, &asked).map(|port| port.to_string());
    assert_eq!(leads(Port::Number(80)).unwrap(), "web");
    assert_eq!(leads(Port::Name("http".to_owned())).unwrap(), "web");
    assert_eq!(leads(Port::Number(81)).unwrap(), "8081");
    assert_eq!(leads(Port::Number(82)).unwrap(), "82");
    let error = leads(Port::Number(8080)).unwrap_err().to_string();
    assert_eq!(error, "found port 8080, expected one of: 80 (http), 81, 82");
}

#[test]
fn a_named_port_is_looked_up_in_the_pod() {
    let pod: api::Pod = serde_json::from_value(json!({"spec": {"containers": [
        {"name": "a", "ports": [{"containerPort": 9090, "name": "metrics"}]},
        {"name": "b", "ports": [{"containerPort": 8080, "name": "web"}]},
    ]}}))
    .unwrap();
    assert_eq!(number(&pod, &Port::Name("web".to_owned())), Some(8080));
    assert_eq!(number(&pod, &Port::Name("other".to_owned())), None);
    assert_eq!(number(&pod, &Port::Number(1)), Some(1));
    assert_eq!(container_ports(&pod), ["9090 (metrics)", "8080 (web)"]);
}
