//! The whole command, as far as it comes before any engine answers.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PASSWORD: &str = "hunter2-of-the-engine";

fn command(dir: &Path, target: &str, variables: &[(&str, &str)]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastgood"));
    command
        .args(["rollback", "--json", "-vv", "--target", target])
        .args(["--repository", "example/shop", "--workflow", "deploy.yml"])
        .args(["--branch", "main"])
        .current_dir(dir)
        .env_clear()
        .env("GITHUB_TOKEN", "ghs_secret")
        .env("USER", "deploy")
        // So that nothing leaves this machine, were it asked for.
        .env("GITHUB_API_URL", "http://127.0.0.1:1")
        .envs(variables.iter().copied());
    command
}

/// All that was said, and every file that was left.
fn texts(dir: &Path, output: &Output) -> String {
    let mut texts = vec![
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ];
    let files = crate::rig::listing(dir).into_values();
    texts.extend(files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    texts.join("\n")
}

#[test]
fn a_password_in_an_address_is_in_no_output_and_no_file() {
    let ssh = format!("ssh://deploy:{PASSWORD}@web-1");
    let tcp = format!("tcp://admin:{PASSWORD}@web-1:2376");
    let typed = format!("compose:{ssh}@shop/web");
    let json = format!(r#"compose:{{"project":"shop","host":"{tcp}"}}"#);
    let cut = format!("compose:{ssh}");
    let cases = [
        ("compose:shop", vec![("DOCKER_HOST", ssh.as_str())]),
        ("compose:shop", vec![("DOCKER_HOST", tcp.as_str())]),
        ("compose:shop", vec![("INPUT_DOCKER-HOST", tcp.as_str())]),
        (typed.as_str(), vec![]),
        (json.as_str(), vec![]),
        (cut.as_str(), vec![]),
    ];
    for (target, variables) in cases {
        let dir = tempfile::tempdir().unwrap();
        let output = command(dir.path(), target, &variables).output().unwrap();
        let texts = texts(dir.path(), &output);
        assert_eq!(output.status.code(), Some(2), "{target}: {texts}");
        assert!(texts.contains(":***@"), "{target}: {texts}");
        assert!(!texts.contains(PASSWORD), "{target}: {texts}");
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Err: it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where libc looks up a name, it reads nsswitch.conf and loads the modules that it names, with a libc of their own.
#[cfg(target_os = "linux")]
#[test]
fn looking_up_the_host_of_an_engine_loads_no_library() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A name that needs no server, and that no hosts file has.
    let target = format!("compose:ssh://deploy@engine.localhost:{port}@shop");
    let mut command = command(dir.path(), &target, &[]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = Running(child.unwrap());
    listener.set_nonblocking(true).unwrap();
    // It has found the address once it is connected, and waits for a greeting then.
    let _connected = loop {
        if let Ok(connected) = listener.accept() {
            break connected;
        }
        let ended = child.0.try_wait().unwrap();
        assert!(ended.is_none(), "it ended without a connection: {ended:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let maps = fs::read_to_string(format!("/proc/{}/maps", child.0.id())).unwrap();
    assert!(maps.contains("lastgood"), "{maps}");
    let loaded: Vec<&str> = maps.lines().filter(|line| line.contains(".so")).collect();
    assert!(loaded.is_empty(), "{loaded:#?}");
}
