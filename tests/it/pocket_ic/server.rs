//! A PocketIC server of a test's own: started on loopback, asked over its REST interface for one instance that makes progress by
//! itself behind an HTTP gateway, and stopped by its process id. What is done with the instance is not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use candid::Principal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// It ends by itself when nobody has asked it anything for this long: a test that is killed leaves nothing behind.
const IDLE_MAX: Duration = Duration::from_mins(2);

/// And whatever happens, it ends after this.
const LIFE_MAX: Duration = Duration::from_mins(15);

/// Longest wait for the server to listen, and for an instance.
const START_MAX: Duration = Duration::from_mins(2);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The running server. Dropping it ends it.
pub(super) struct Server {
    child: Child,
    dir: TempDir,
    pub(super) instance: Instance,
}

/// One network of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// Of its HTTP gateway: `http://127.0.0.1:PORT`.
    pub(super) url: String,
    /// Requests that create a canister are sent as being about this one.
    pub(super) created_at: Principal,
}

impl Server {
    /// Starts the program with an instance that has one application subnet.
    pub(super) async fn start(program: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let port_file = dir.path().join("port");
        let mut child = spawn(program, &port_file, dir.path());
        let port = timeout(START_MAX, port(&mut child, &port_file))
            .await
            .expect("PocketIC writes its port in time");
        let instance = instance(&format!("http://127.0.0.1:{port}")).await;
        Self {
            child,
            dir,
            instance,
        }
    }

    /// Ends it, and waits until it has ended.
    pub(super) async fn stop(mut self) {
        self.child.kill().await.expect("PocketIC can be ended");
        // Its sandboxes end with it, and may still be writing.
        drop(self.dir);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of other people, which the tests borrow"
)]
fn spawn(program: &Path, port_file: &Path, dir: &Path) -> Child {
    Command::new(program)
        .arg("--ttl")
        .arg(IDLE_MAX.as_secs().to_string())
        .arg("--hard-ttl")
        .arg(LIFE_MAX.as_secs().to_string())
        .arg("--port-file")
        .arg(port_file)
        .current_dir(dir)
        // Its state lies there.
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "POCKET_IC_BIN: found {} ({error}), expected a PocketIC server",
                program.display()
            )
        })
}

/// It writes its port into the file, and a line break after it.
async fn port(child: &mut Child, file: &Path) -> u16 {
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some(port) = text.strip_suffix('\n') {
            return port.trim().parse().expect("PocketIC writes a port");
        }
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "PocketIC ended before it listened");
        sleep(LOOK_EVERY).await;
    }
}

/// Creates an instance: one application subnet, below the NNS that signs for all; progress by itself, a gateway on a free port
/// of loopback.
async fn instance(server: &str) -> Instance {
    let subnet = json!({ "state_config": "New", "instruction_config": "Production" });
    let wanted = json!({
        "subnet_config_set": {
            "nns": subnet,
            "system": [],
            "application": [subnet],
            "verified_application": [],
        },
        "http_gateway_config": { "ip_addr": "127.0.0.1" },
        "initial_time": { "AutoProgress": { "artificial_delay_ms": null } },
    });
    let asking = async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{server}/instances")).json(&wanted);
        let answer = request.send().await.expect("PocketIC answers");
        answer.json().await.expect("PocketIC answers with JSON")
    };
    let answer: Value = timeout(START_MAX, asking)
        .await
        .expect("PocketIC creates an instance in time");
    read(&answer).unwrap_or_else(|| panic!("expected a new instance, found {answer}"))
}

fn read(answer: &Value) -> Option<Instance> {
    let created = answer.get("Created")?;
    let port = created["http_gateway_info"]["port"].as_u64()?;
    let id = &created["topology"]["default_effective_canister_id"]["canister_id"];
    let id = STANDARD.decode(id.as_str()?).ok()?;
    Some(Instance {
        url: format!("http://127.0.0.1:{port}"),
        created_at: Principal::try_from_slice(&id).ok()?,
    })
}

/// Waits until the gateway passes requests on: it is there before its instance is.
pub(super) async fn answering(url: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let end = Instant::now() + START_MAX;
    loop {
        let answer = client.get(format!("{url}/api/v2/status")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(
            Instant::now() < end,
            "the gateway of PocketIC does not answer"
        );
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Json;
    use axum::routing::post;

    /// What the server answers, as far as it is read.
    fn created(port: u16) -> Value {
        json!({ "Created": {
            "instance_id": 0,
            "topology": {
                "subnet_configs": {},
                "default_effective_canister_id": { "canister_id": "gAAAAAAQAAABAQ==" },
            },
            "http_gateway_info": { "instance_id": 0, "port": port },
        } })
    }

    #[tokio::test]
    async fn an_instance_is_asked_for_as_the_server_expects_it() {
        let answer = |Json(wanted): Json<Value>| async move {
            let subnets = &wanted["subnet_config_set"];
            assert_eq!(subnets["application"].as_array().unwrap().len(), 1);
            assert_eq!(subnets["nns"], subnets["application"][0]);
            assert_eq!(subnets["system"], json!([]));
            Json(created(4943))
        };
        let router = axum::Router::new().route("/instances", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let found = instance(&format!("http://{address}")).await;
        serving.abort();
        assert_eq!(found.url, "http://127.0.0.1:4943");
        assert_eq!(found.created_at.to_text(), "bnz7o-iuaaa-aaaaa-qaaaa-cai");
    }

    #[test]
    fn a_refusal_is_no_instance() {
        let refused = json!({ "Error": { "message": "no subnet" } });
        assert_eq!(read(&refused), None);
        let mut no_gateway = created(1);
        no_gateway["Created"]["http_gateway_info"] = Value::Null;
        assert_eq!(read(&no_gateway), None);
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_told() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("port");
        std::fs::write(&file, "4943\n").unwrap();
        let mut child = spawn(Path::new("/bin/true"), &file, dir.path());
        assert_eq!(port(&mut child, &file).await, 4943);
        std::fs::remove_file(&file).unwrap();
        let waiting = tokio::spawn(async move { port(&mut child, &file).await });
        assert!(timeout(START_MAX, waiting).await.unwrap().is_err());
    }
}
