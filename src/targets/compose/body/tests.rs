//! Descriptions of containers as an engine gives them, and what is made of them.

use super::*;
use serde_json::json;

const ID: &str = "8c929c4ede6742ee295ff3ea2394111ebab49d230debf17a30df0707abd8f699";
const NEW: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// What engine 20.10 said of a service of Compose 2.26.
fn container() -> Value {
    json!({
        "Id": ID, "Name": "/shop-web-1",
        "Config": {
            "Hostname": "8c929c4ede67", "Domainname": "", "User": "", "AttachStdout": true, "AttachStderr": true,
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["GREETING= hi", "PATH=/usr/bin:/bin", "VERSION=v1", "KEEP=image"],
            "Cmd": null,
            "Healthcheck": {"Test": ["CMD", "/app", "probe"], "Interval": 500_000_000, "Timeout": 1_000_000_000, "Retries": 2},
            "Image": "registry.example/app:v1", "Volumes": {"/data": {}}, "WorkingDir": "/", "Entrypoint": ["/app"], "OnBuild": null,
            "Labels": {
                "com.docker.compose.config-hash": "1e6b39de", "com.docker.compose.container-number": "1",
                "com.docker.compose.image": "sha256:1111", "com.docker.compose.project": "shop",
                "com.docker.compose.service": "web", "from": "v1", "team": "shop", "lastgood.replaces": "older"
            }
        },
        "HostConfig": {
            "Binds": null, "NetworkMode": "shop_back", "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}, "VolumesFrom": null, "Links": null,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "ExtraHosts": ["x.test:10.0.0.1"],
            "Tmpfs": {"/run": ""}, "Init": true, "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}],
            "Ulimits": [{"Name": "nofile", "Hard": 1024, "Soft": 1024}], "IpcMode": "private", "PidMode": "", "UTSMode": "",
            "Mounts": [
                {"Type": "volume", "Source": "shop_named", "Target": "/named", "VolumeOptions": {}},
                {"Type": "volume", "Target": "/anon", "VolumeOptions": {}},
                {"Type": "bind", "Source": "/srv/secret", "Target": "/run/secrets/key", "ReadOnly": true}
            ],
            "FieldOfTheFuture": {"kept": true}
        },
        "Mounts": [
            {"Type": "volume", "Name": "aaaa", "Destination": "/data", "Mode": "", "RW": true},
            {"Type": "volume", "Name": "shop_named", "Destination": "/named", "Mode": "z", "RW": true},
            {"Type": "volume", "Name": "bbbb", "Destination": "/anon", "Mode": "z", "RW": true},
            {"Type": "bind", "Source": "/srv/secret", "Destination": "/run/secrets/key", "RW": false}
        ],
        "NetworkSettings": {"Networks": {
            "shop_front": {"IPAMConfig": {}, "Links": null, "Aliases": ["shop-web-1", "web", "8c929c4ede67"], "NetworkID": "605b",
                "EndpointID": "2042", "IPAddress": "172.18.0.2", "MacAddress": "02:42:ac:12:00:02", "DriverOpts": null},
            "shop_back": {"IPAMConfig": {"IPv4Address": "172.31.77.10", "IPv6Address": "fd00::10"}, "Links": ["shop-db-1:db"],
                "Aliases": ["shop-web-1", "web", "api", "8c929c4ede67"], "NetworkID": "019d", "EndpointID": "3093",
                "MacAddress": "02:42:ac:1f:4d:0a", "DriverOpts": {"a": "b"}, "GwPriority": 7}
        }}
    })
}

fn of_image() -> Value {
    json!({
        "ExposedPorts": {"8080/tcp": {}}, "Env": ["PATH=/usr/bin:/bin", "VERSION=v1", "KEEP=image"], "Entrypoint": ["/app"],
        "Volumes": {"/data": {}}, "WorkingDir": "/", "Labels": {"from": "v1", "team": "shop"},
        "Healthcheck": {"Test": ["CMD", "/app", "probe"], "Interval": 500_000_000, "Timeout": 1_000_000_000, "Retries": 2}
    })
}

fn described(container: &Value, image: Option<&Value>, api: (usize, usize)) -> Body {
    let moved = BTreeMap::from([("gone".to_owned(), "here".to_owned())]);
    let before = Before {
        container,
        image_config: image,
        ran: true,
        side_by_side: false,
    };
    let image = Image {
        id: NEW.to_owned(),
        reference: "registry.example/app@sha256:abc".to_owned(),
        raw: Value::Null,
    };
    describe(&before, &image, &moved, api)
}

/// The container with `changes` laid over it by pointer; and then what is found there in the new description.
#[track_caller]
fn check(changes: &[(&str, Value)], path: &str, expected: &Value) {
    let mut container = container();
    for (at, value) in changes {
        let (parent, key) = at.rsplit_once('/').unwrap();
        container.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    let body = described(&container, Some(&of_image()), (1, 41));
    let found = body.create.pointer(path).unwrap_or(&Value::Null);
    assert_eq!(found, expected, "{path}");
}

#[test]
fn what_the_image_brought_is_left_to_the_new_image() {
    for key in [
        "WorkingDir",
        "Entrypoint",
        "Cmd",
        "Healthcheck",
        "ExposedPorts",
        "Volumes",
        "User",
        "Hostname",
        "OnBuild",
    ] {
        check(&[], &format!("/{key}"), &Value::Null);
    }
    check(&[], "/Env", &json!(["GREETING= hi"]));
    check(&[], "/Labels/from", &Value::Null);
    check(&[], "/Image", &json!("registry.example/app@sha256:abc"));
}

#[test]
fn what_the_operator_set_is_kept() {
    check(&[("/Config/User", json!("1000"))], "/User", &json!("1000"));
    check(
        &[("/Config/WorkingDir", json!("/srv"))],
        "/WorkingDir",
        &json!("/srv"),
    );
    check(
        &[("/Config/StopSignal", json!("SIGINT"))],
        "/StopSignal",
        &json!("SIGINT"),
    );
    check(
        &[("/Config/StopTimeout", json!(3))],
        "/StopTimeout",
        &json!(3),
    );
    check(
        &[("/Config/Hostname", json!("web"))],
        "/Hostname",
        &json!("web"),
    );
    check(
        &[("/Config/Env", json!(["VERSION=mine"]))],
        "/Env",
        &json!(["VERSION=mine"]),
    );
    check(
        &[("/Config/Labels/team", json!("other"))],
        "/Labels/team",
        &json!("other"),
    );
    let ports = json!({"8080/tcp": {}, "9090/tcp": {}});
    check(
        &[("/Config/ExposedPorts", ports)],
        "/ExposedPorts",
        &json!({"9090/tcp": {}}),
    );
    check(
        &[("/Config/Healthcheck/Retries", json!(9))],
        "/Healthcheck",
        &json!({"Retries": 9}),
    );
    check(
        &[("/Config/Healthcheck", json!({"Test": ["NONE"]}))],
        "/Healthcheck",
        &json!({"Test": ["NONE"]}),
    );
    check(
        &[("/Config/MacAddress", json!("02:00:00:00:00:09"))],
        "/MacAddress",
        &json!("02:00:00:00:00:09"),
    );
}

#[test]
fn a_command_goes_with_its_entrypoint() {
    let own = json!(["/bin/other"]);
    check(&[("/Config/Entrypoint", own.clone())], "/Entrypoint", &own);
    // The command of the operator under the entrypoint of the image.
    let changes = [("/Config/Cmd", json!(["serve"]))];
    check(&changes, "/Cmd", &json!(["serve"]));
    check(&changes, "/Entrypoint", &Value::Null);
    // The engine shows an entrypoint that was taken away as none.
    let changes = [
        ("/Config/Entrypoint", Value::Null),
        ("/Config/Cmd", json!(["serve"])),
    ];
    check(&changes, "/Entrypoint", &json!([""]));
    check(&changes, "/Cmd", &json!(["serve"]));
    // An own entrypoint with a command that is by chance the image's.
    let mut image = of_image();
    image["Cmd"] = json!(["serve"]);
    let mut container = container();
    container["Config"]["Cmd"] = json!(["serve"]);
    let same = described(&container, Some(&image), (1, 41)).create;
    assert_eq!(same.get("Cmd"), None);
    container["Config"]["Entrypoint"] = own.clone();
    let both = described(&container, Some(&image), (1, 41)).create;
    assert_eq!(
        (&both["Entrypoint"], &both["Cmd"]),
        (&own, &json!(["serve"]))
    );
    // The image's entrypoint, stated, so that its command does not apply.
    container["Config"]["Entrypoint"] = json!(["/app"]);
    container["Config"]["Cmd"] = Value::Null;
    let stated = described(&container, Some(&image), (1, 41)).create;
    assert_eq!(stated["Entrypoint"], json!(["/app"]));
}

#[test]
fn an_image_that_is_gone_takes_nothing_with_it() {
    let body = described(&container(), None, (1, 41));
    assert_eq!(body.create["Entrypoint"], json!(["/app"]));
    assert_eq!(body.create["Env"].as_array().unwrap().len(), 4);
}

#[test]
fn labels_tell_compose_and_us_the_truth() {
    check(&[], "/Labels/com.docker.compose.image", &json!(NEW));
    check(
        &[],
        "/Labels/com.docker.compose.config-hash",
        &json!("1e6b39de"),
    );
    check(&[], "/Labels/lastgood.replaces", &json!(ID));
    check(&[], "/Labels/lastgood.found", &json!("running"));
    // Images that Compose built carry labels of Compose.
    let mut image = of_image();
    image["Labels"]["com.docker.compose.project"] = json!("shop");
    let body = described(&container(), Some(&image), (1, 41));
    assert_eq!(
        body.create["Labels"]["com.docker.compose.project"],
        json!("shop")
    );
}

#[test]
fn every_volume_goes_along() {
    // Of the image: a bind by name. Of the service: named where it stands.
    check(&[], "/HostConfig/Binds", &json!(["aaaa:/data"]));
    check(&[], "/HostConfig/Mounts/0/Source", &json!("shop_named"));
    check(&[], "/HostConfig/Mounts/1/Source", &json!("bbbb"));
    check(&[], "/HostConfig/Mounts/2/Source", &json!("/srv/secret"));
    let binds = json!(["/srv/data:/data:ro", "shop_x:/x"]);
    check(
        &[("/HostConfig/Binds", binds.clone())],
        "/HostConfig/Binds",
        &binds,
    );
    // Of a container that may be gone by the time this one is created again.
    let changes = [
        ("/HostConfig/VolumesFrom", json!(["gone:ro"])),
        (
            "/Mounts",
            json!([
                {"Type": "volume", "Name": "cccc", "Destination": "/theirs", "RW": false},
                {"Type": "bind", "Source": "/srv/b", "Destination": "/b/", "RW": true},
                {"Type": "tmpfs", "Destination": "/run", "RW": true}
            ]),
        ),
    ];
    check(&changes, "/HostConfig/VolumesFrom", &Value::Null);
    check(
        &changes,
        "/HostConfig/Binds",
        &json!(["cccc:/theirs:ro", "/srv/b:/b/"]),
    );
}

#[test]
fn the_host_configuration_is_carried_as_it_is() {
    let before = container();
    let body = described(&before, Some(&of_image()), (1, 41));
    for key in [
        "PortBindings",
        "RestartPolicy",
        "LogConfig",
        "ExtraHosts",
        "Tmpfs",
        "Init",
        "Devices",
        "Ulimits",
        "IpcMode",
        "FieldOfTheFuture",
    ] {
        assert_eq!(
            body.create["HostConfig"][key], before["HostConfig"][key],
            "{key}"
        );
    }
    let links = json!(["/shop-db-1:/shop-web-1/db"]);
    check(
        &[("/HostConfig/Links", links)],
        "/HostConfig/Links",
        &json!(["shop-db-1:db"]),
    );
}

#[test]
fn networks_keep_names_and_addresses() {
    let back = json!({
        "IPAMConfig": {"IPv4Address": "172.31.77.10", "IPv6Address": "fd00::10"}, "Links": ["shop-db-1:db"],
        "Aliases": ["shop-web-1", "web", "api"], "DriverOpts": {"a": "b"}, "GwPriority": 7
    });
    let front = json!({"IPAMConfig": {}, "Aliases": ["shop-web-1", "web"]});
    let body = described(&container(), Some(&of_image()), (1, 41));
    let named = &body.create["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(*named, json!({"shop_back": back}));
    assert_eq!(body.connect, [("shop_front".to_owned(), front.clone())]);
    let body = described(&container(), Some(&of_image()), (1, 44));
    let named = &body.create["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(*named, json!({"shop_back": back, "shop_front": front}));
    assert_eq!(body.connect, []);
}

#[test]
fn only_a_mac_that_was_given_is_kept() {
    let given = "02:00:00:00:00:09";
    let mut before = container();
    before["Config"]["MacAddress"] = json!(given);
    let body = described(&before, Some(&of_image()), (1, 44));
    let named = &body.create["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(body.create.get("MacAddress"), None);
    assert_eq!(named["shop_back"]["MacAddress"], json!(given));
    assert_eq!(named["shop_front"].get("MacAddress"), None);
    // From 28.0 on engines make up any address that is marked as made up.
    for (mac, expected) in [
        ("be:d1:04:5e:11:7a", Value::Null),
        ("00:16:3e:00:00:09", json!("00:16:3e:00:00:09")),
    ] {
        let mut before = container();
        before["NetworkSettings"]["Networks"]["shop_front"]["MacAddress"] = json!(mac);
        let body = described(&before, Some(&of_image()), (1, 47));
        let named = &body.create["NetworkingConfig"]["EndpointsConfig"];
        assert_eq!(named["shop_front"]["MacAddress"], expected);
    }
}

#[test]
fn two_that_run_side_by_side_have_no_address_in_common() {
    let mut container = container();
    container["Config"]["MacAddress"] = json!("00:16:3e:00:00:09");
    container["NetworkSettings"]["Networks"]["shop_front"]["MacAddress"] =
        json!("00:16:3e:00:00:09");
    let before = Before {
        container: &container,
        image_config: Some(&of_image()),
        ran: true,
        side_by_side: true,
    };
    let image = Image {
        id: NEW.to_owned(),
        reference: NEW.to_owned(),
        raw: Value::Null,
    };
    let body = describe(&before, &image, &BTreeMap::new(), (1, 47));
    assert!(!body.create.to_string().contains("MacAddress"), "{body:?}");
}

#[test]
fn a_namespace_of_others_is_kept_and_followed() {
    for mode in ["host", "none"] {
        check(
            &[("/HostConfig/NetworkMode", json!(mode))],
            "/HostConfig/NetworkMode",
            &json!(mode),
        );
        check(
            &[("/HostConfig/NetworkMode", json!(mode))],
            "/NetworkingConfig/EndpointsConfig",
            &json!({}),
        );
    }
    let shared = [
        ("/HostConfig/NetworkMode", json!("container:gone")),
        ("/HostConfig/PidMode", json!("container:gone")),
        ("/HostConfig/IpcMode", json!("container:other")),
        ("/Config/Hostname", json!("theirs")),
    ];
    check(&shared, "/HostConfig/NetworkMode", &json!("container:here"));
    check(&shared, "/HostConfig/PidMode", &json!("container:here"));
    check(&shared, "/HostConfig/IpcMode", &json!("container:other"));
    check(&shared, "/Hostname", &Value::Null);
    check(&shared, "/NetworkingConfig/EndpointsConfig", &json!({}));
}

#[test]
fn a_network_that_was_left_is_not_joined_again() {
    let changes = [("/HostConfig/NetworkMode", json!("shop_elsewhere"))];
    check(&changes, "/HostConfig/NetworkMode", &json!("shop_front"));
    let mut before = container();
    before["NetworkSettings"]["Networks"] = json!({});
    let body = described(&before, Some(&of_image()), (1, 41));
    assert_eq!(body.warnings.len(), 1);
}
