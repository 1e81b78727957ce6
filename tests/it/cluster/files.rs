//! Where the files of one cluster lie, and what is written in them. Locks are beside the state, not in it: the state is
//! removed and made again, a lock file never is (two processes must not lock two files of one name).

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Who asks the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// In `system:masters`: may do everything.
    Admin,
    /// May do what a test allows it in its namespace.
    Ci,
    /// May do nothing.
    Nobody,
}

impl User {
    pub const ALL: [Self; 3] = [Self::Admin, Self::Ci, Self::Nobody];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Ci => "ci",
            Self::Nobody => "nobody",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Held exclusively by whoever looks whether a cluster is there, and starts one.
    pub fn start_lock(&self) -> File {
        lock_file(&self.root.join("start.lock"))
    }

    /// Held shared by every user of the cluster; exclusively by a keeper that is about to end.
    pub fn users_lock(&self) -> File {
        lock_file(&self.root.join("users.lock"))
    }

    /// Held exclusively by the keeper for all its life.
    pub fn keeper_lock(&self) -> File {
        lock_file(&self.root.join("keeper.lock"))
    }

    /// What goes away with the cluster.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    pub fn keeper_log(&self) -> PathBuf {
        self.root.join("keeper.log")
    }

    /// One line per process, the keeper first: `pid start-time name`.
    pub fn processes(&self) -> PathBuf {
        self.file("processes")
    }

    /// Written when everything is up: the address of the API server.
    pub fn ready(&self) -> PathBuf {
        self.file("ready")
    }

    pub fn ca_certificate(&self) -> PathBuf {
        self.file("ca.crt")
    }

    pub fn ca_key(&self) -> PathBuf {
        self.file("ca.key")
    }

    pub fn certificate(&self) -> PathBuf {
        self.file("server.crt")
    }

    pub fn key(&self) -> PathBuf {
        self.file("server.key")
    }

    pub fn account_key(&self) -> PathBuf {
        self.file("service-accounts.key")
    }

    pub fn account_public_key(&self) -> PathBuf {
        self.file("service-accounts.pub")
    }

    pub fn tokens(&self) -> PathBuf {
        self.file("tokens.csv")
    }

    pub fn store(&self) -> PathBuf {
        self.file("etcd")
    }

    pub fn log(&self, server: &str) -> PathBuf {
        self.file(&format!("{server}.log"))
    }

    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.file(&format!("{}.kubeconfig", user.name()))
    }

    /// Of a cluster that is ready.
    pub fn server(&self) -> String {
        fs::read_to_string(self.ready()).expect("the cluster was ready when it was joined")
    }

    pub fn token(&self, user: User) -> String {
        let text = fs::read_to_string(self.tokens()).expect("the keeper wrote the tokens");
        let mut rows = text.lines().filter_map(|line| line.split_once(','));
        let (token, _) = rows
            .find(|(_, rest)| rest.starts_with(&format!("{},", user.name())))
            .expect("every user has a token");
        token.to_owned()
    }

    /// A token for every user, readable by nobody else.
    pub fn write_tokens(&self) {
        let mut rows = String::new();
        for (id, user) in User::ALL.into_iter().enumerate() {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).expect("the system has random bytes");
            let token = u128::from_le_bytes(bytes);
            let groups = match user {
                User::Admin => ",system:masters",
                User::Ci | User::Nobody => "",
            };
            let name = user.name();
            writeln!(rows, "{token:032x},{name},{id}{groups}").expect("a string takes all");
        }
        write_secret(&self.tokens(), &rows);
    }

    /// One kubeconfig per user, for this address.
    pub fn write_kubeconfigs(&self, server: &str) {
        for user in User::ALL {
            let text = self.kubeconfig_text(server, user).to_string();
            write_secret(&self.kubeconfig(user), &text);
        }
    }

    /// A kubeconfig is YAML, and JSON is YAML.
    pub fn kubeconfig_text(&self, server: &str, user: User) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": self.ca_certificate()}}],
            "users": [{"name": user.name(), "user": {"token": self.token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user.name()}}],
        })
    }

    /// An empty directory for the state.
    pub fn clear(&self) {
        self.remove();
        fs::create_dir_all(self.state()).expect("the cache can be written to");
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o700))
            .expect("the state has keys in it");
    }

    pub fn remove(&self) {
        match fs::remove_dir_all(self.state()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            done => done.expect("the state of a cluster that is gone can be removed"),
        }
    }
}

/// Whole or not at all.
pub fn write_secret(path: &Path, text: &str) {
    let half = path.with_extension("part");
    fs::write(&half, text).expect("the state can be written to");
    fs::set_permissions(&half, fs::Permissions::from_mode(0o600)).expect("it is our file");
    fs::rename(&half, path).expect("it is our file");
}

fn lock_file(path: &Path) -> File {
    fs::create_dir_all(path.parent().expect("a lock lies in a directory"))
        .expect("the cache can be written to");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options
        .mode(0o600)
        .open(path)
        .expect("the cache can be written to")
}
