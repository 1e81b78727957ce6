//! What of a container stands against replacing it, found before anything is touched. Pure.

use crate::targets::TargetError;
use crate::targets::compose::project::Replica;
use crate::targets::compose::settings::Order;
use serde_json::Value;

/// Refuses a container that could not be put back, or not be replaced in this order.
pub(super) fn check(replica: &Replica, order: Order) -> Result<(), TargetError> {
    let name = &replica.name;
    let refused = |what: String, next: &str| {
        Err(TargetError::Refused {
            what,
            allow: None,
            next: next.to_owned(),
        })
    };
    let raw = &replica.raw;
    let flag = |path: &str| raw.pointer(path).and_then(Value::as_bool) == Some(true);
    if flag("/HostConfig/AutoRemove") {
        return refused(
            format!(
                "container {name} is removed by the engine as soon as it stops (--rm), so nothing could be put back"
            ),
            "create it again without --rm: docker compose up -d --force-recreate",
        );
    }
    if flag("/State/Paused") {
        return refused(
            format!("container {name} is paused"),
            "find out why, then: docker compose unpause",
        );
    }
    match order {
        Order::StopFirst => Ok(()),
        Order::StartFirst => match holds_alone(raw) {
            Some(what) => refused(
                format!("two containers cannot run side by side: {name} {what}"),
                "leave `order` at stop-first for this target",
            ),
            None => Ok(()),
        },
    }
}

/// What only one container can have.
fn holds_alone(raw: &Value) -> Option<&'static str> {
    let ports = raw.pointer("/HostConfig/PortBindings");
    let ports = ports.and_then(Value::as_object);
    let publishes = ports.is_some_and(|ports| {
        let mut bindings = ports.values().filter_map(Value::as_array).flatten();
        bindings.any(|binding| {
            let port = binding.get("HostPort").and_then(Value::as_str);
            !matches!(port, None | Some("" | "0"))
        })
    });
    if publishes {
        return Some("publishes a port of the host");
    }
    if raw
        .pointer("/HostConfig/NetworkMode")
        .and_then(Value::as_str)
        == Some("host")
    {
        return Some("uses the network of the host");
    }
    let networks = raw.pointer("/NetworkSettings/Networks");
    let networks = networks.and_then(Value::as_object);
    let is_fixed = |endpoint: &Value| {
        ["IPv4Address", "IPv6Address"].iter().any(|key| {
            let address = endpoint.pointer(&format!("/IPAMConfig/{key}"));
            address
                .and_then(Value::as_str)
                .is_some_and(|address| !address.is_empty())
        })
    };
    networks
        .is_some_and(|networks| networks.values().any(is_fixed))
        .then_some("has a fixed address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_for(host: &Value, networks: &Value, order: Order, expected: Option<&str>) {
        let replica = Replica::read(json!({"Id": "a", "Name": "/shop-web-1",
            "Config": {"Labels": {"com.docker.compose.service": "web"}},
            "HostConfig": host, "NetworkSettings": {"Networks": networks}}))
        .unwrap();
        let said = check(&replica, order).err().map(|error| error.to_string());
        match (said, expected) {
            (Some(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
            (None, None) => (),
            (said, expected) => panic!("found {said:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn what_could_not_be_put_back_is_refused() {
        let none = json!({});
        let ports = json!({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}});
        let any_port = json!({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}});
        let fixed = json!({"back": {"IPAMConfig": {"IPv4Address": "10.1.0.9"}}});
        let host = json!({"NetworkMode": "host"});
        check_for(
            &json!({"AutoRemove": true}),
            &none,
            Order::StopFirst,
            Some("--rm"),
        );
        check_for(&ports, &fixed, Order::StopFirst, None);
        check_for(&ports, &none, Order::StartFirst, Some("port"));
        check_for(&any_port, &none, Order::StartFirst, None);
        check_for(&none, &fixed, Order::StartFirst, Some("fixed address"));
        check_for(&host, &none, Order::StartFirst, Some("network of the host"));
    }
}
