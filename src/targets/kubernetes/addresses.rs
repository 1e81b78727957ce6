//! The ready addresses that a Service's traffic goes to, as an `EndpointSlice` or an `Endpoints` object has them. Pure; which
//! objects are read, and what too few addresses mean, is the callers'.

use serde_json::Value;

/// One ready address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: String,
    /// The pod behind it, when it is one.
    pub(super) pod: Option<String>,
}

/// Ready addresses. In a slice, a condition that is absent is unknown, and unknown counts as ready (KEP-752). Where no pod
/// has the port that a Service names, its slice has addresses without ports: they lead nowhere (`getEndpointPorts` of the
/// controller leaves out what it does not find). `has_ports`: the Service has any.
pub(super) fn ready(object: &Value, has_ports: bool) -> Vec<Address> {
    let leads = !has_ports || !list(object, "ports").is_empty();
    let slices = list(object, "endpoints")
        .iter()
        .filter(|endpoint| {
            leads && endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false))
        })
        .flat_map(|endpoint| {
            let ips = list(endpoint, "addresses").iter();
            ips.filter_map(|ip| Some(address(ip.as_str()?, endpoint)))
        });
    let subsets = list(object, "subsets")
        .iter()
        .flat_map(|subset| list(subset, "addresses"))
        .filter_map(|found| Some(address(found.get("ip")?.as_str()?, found)));
    slices.chain(subsets).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let found = value.get(key).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

fn address(ip: &str, of: &Value) -> Address {
    let pod = of.pointer("/targetRef/name").and_then(Value::as_str);
    Address {
        ip: ip.to_owned(),
        pod: pod.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(object: &Value, has_ports: bool, expected: &[(&str, Option<&str>)]) {
        let found = ready(object, has_ports);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.ip.as_str(), one.pod.as_deref()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_slice_without_ports_leads_nowhere_when_the_service_has_some() {
        let slice = |ports: Value| {
            json!({"ports": ports, "endpoints": [
                {"addresses": ["10.1.0.2"], "conditions": {"ready": true}, "targetRef": {"name": "web-1"}},
                {"addresses": ["10.1.0.3"], "conditions": {"ready": false}, "targetRef": {"name": "web-2"}},
                {"addresses": ["10.1.0.4"]},
            ]})
        };
        let both = [("10.1.0.2", Some("web-1")), ("10.1.0.4", None)];
        check(&slice(json!([{"port": 80}])), true, &both);
        check(&slice(json!([])), true, &[]);
        check(&slice(json!(null)), true, &[]);
        // A headless Service without ports.
        check(&slice(json!(null)), false, &both);
        check(&json!({"endpoints": null}), true, &[]);
    }

    #[test]
    fn the_subsets_of_endpoints_name_what_is_ready() {
        let object = json!({"subsets": [{
            "addresses": [{"ip": "10.1.0.2", "targetRef": {"name": "web-1"}}],
            "notReadyAddresses": [{"ip": "10.1.0.3"}],
        }]});
        check(&object, true, &[("10.1.0.2", Some("web-1"))]);
    }
}
