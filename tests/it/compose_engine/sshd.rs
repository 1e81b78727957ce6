//! A real ssh server of the test's own, on loopback: its host keys, who may come in, and what it calls docker.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests start a real ssh server and ask its tools"
)]

use crate::tools;
use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the server calls docker.
pub(super) enum Docker<'a> {
    /// The real client, asking the engine at this socket.
    Real(&'a Path),
    /// A script.
    Script(&'a str),
    /// There is none.
    None,
}

/// A server, for as long as it is held.
pub(super) struct Sshd {
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    pub(super) user: String,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a server is set up.
pub(super) struct Setup<'a> {
    pub(super) docker: Docker<'a>,
    /// Kinds of host keys, as ssh-keygen names them.
    pub(super) host_keys: &'a [&'a str],
    /// Further lines of its configuration.
    pub(super) config: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            docker: Docker::None,
            host_keys: &["ed25519"],
            config: "",
        }
    }
}

impl Sshd {
    /// Starts one that lets in the keys that `allow` was told of. `None`: there is none on this machine, and it was said.
    pub(super) fn start(dir: &Path, setup: &Setup<'_>) -> Option<Self> {
        let program = Some(PathBuf::from("/usr/sbin/sshd")).filter(|file| file.is_file());
        let program = tools::or_missing(program, "sshd, OpenSSH's server")?;
        if rustix::process::getuid().is_root() {
            // Where it locks its unprivileged half up.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).unwrap();
        let script = match &setup.docker {
            Docker::None => None,
            Docker::Script(script) => Some((*script).to_owned()),
            Docker::Real(socket) => {
                let docker = tools::or_missing(tools::program("docker"), "docker, its client")?;
                let (docker, socket) = (docker.display(), socket.display());
                Some(format!(
                    "unset DOCKER_HOST DOCKER_CONTEXT; exec {docker} --host unix://{socket} \"$@\""
                ))
            }
        };
        if let Some(script) = script {
            let file = bin.join("docker");
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // No /usr/local/bin and no /usr/bin: there may be a real client.
        let path = format!("{}:/bin-that-is-not-there", bin.display());
        let port = free_port();
        let mut config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {}\nSetEnv PATH={path} HOME={}\n{}\n",
            dir.join("authorized_keys").display(),
            // What the shell of the tests' user says at its start is not part of them.
            bin.display(),
            setup.config
        );
        for kind in setup.host_keys {
            let key = dir.join(format!("host_{kind}"));
            if !key.exists() {
                keygen(&["-t", kind, "-N", "", "-f", key.to_str().unwrap()]);
            }
            writeln!(config, "HostKey {}", key.display()).unwrap();
        }
        let file = dir.join("sshd_config");
        fs::write(&file, config).unwrap();
        let log = fs::File::create(dir.join("sshd.log")).unwrap();
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sshd = Self {
            dir: dir.to_owned(),
            port,
            user: user(),
            child,
        };
        sshd.wait();
        Some(sshd)
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.dir.join("sshd.log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "{}", log());
            assert!(Instant::now() < until, "{}", log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server and the sessions that it serves.
    pub(super) fn kill(&mut self) {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let pid = child.parse().ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                if let Err(gone) = killed {
                    eprintln!("a session of sshd had ended: {gone}");
                }
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }

    pub(super) fn host(&self) -> String {
        format!("ssh://{}@127.0.0.1:{}", self.user, self.port)
    }

    /// The line of `known_hosts` for one of its keys.
    pub(super) fn known(&self, kind: &str) -> String {
        let public = fs::read_to_string(self.dir.join(format!("host_{kind}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    /// A new private key that is let in: its path. `options`: of ssh-keygen.
    pub(super) fn allow(&self, name: &str, options: &[&str]) -> PathBuf {
        let key = self.key(name, options);
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let file = self.dir.join("authorized_keys");
        let mut lines = fs::read_to_string(&file).unwrap_or_default();
        lines.push_str(&public);
        fs::write(file, lines).unwrap();
        key
    }

    /// A new private key that nobody knows.
    pub(super) fn key(&self, name: &str, options: &[&str]) -> PathBuf {
        let key = self.dir.join(name);
        let mut all = options.to_vec();
        if !options.contains(&"-N") {
            all.extend(["-N", ""]);
        }
        all.extend(["-f", key.to_str().unwrap()]);
        keygen(&all);
        key
    }
}

pub(super) fn keygen(options: &[&str]) {
    let made = Command::new("ssh-keygen")
        .arg("-q")
        .args(options)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "ssh-keygen {options:?}");
}

/// An agent that holds one key, for as long as it is held.
pub(super) struct Agent {
    pub(super) socket: PathBuf,
    child: Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Agent {
    pub(super) fn start(dir: &Path, key: &Path) -> Self {
        let socket = dir.join("agent.sock");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < until, "no agent");
            thread::sleep(Duration::from_millis(20));
        }
        let added = Command::new("ssh-add")
            .arg(key)
            .env("SSH_AUTH_SOCK", &socket)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(added.success());
        Self { socket, child }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An ssh server that is not root lets in nobody but its own user.
fn user() -> String {
    if rustix::process::getuid().is_root() {
        return "root".to_owned();
    }
    tools::variable("USER").expect("the user of the tests has a name")
}
