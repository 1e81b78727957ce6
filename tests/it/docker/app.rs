//! Images of the demo service: what one should do, and the image that does it, in the registry of the run.

use super::{Engine, program};
use std::collections::BTreeMap;
use std::fs::{self, File};

/// The demo service as an image should have it. The same description is the same image for all tests of a run.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct App {
    variables: BTreeMap<String, String>,
    without_health: bool,
    changes: Vec<String>,
}

impl App {
    /// A service that answers this version, and is healthy.
    pub fn new(version: &str) -> Self {
        Self::default().with("VERSION", version)
    }

    /// A variable of the image: see `service/main.rs`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its HEALTHCHECK never succeeds.
    pub fn bad(self) -> Self {
        self.with("BAD", "1")
    }

    pub fn exits_after_ms(self, ms: u64) -> Self {
        self.with("EXIT_AFTER_MS", &ms.to_string())
    }

    pub fn ignores_term(self) -> Self {
        self.with("IGNORE_TERM", "1")
    }

    pub fn starts_after_ms(self, ms: u64) -> Self {
        self.with("SLOW_START_MS", &ms.to_string())
    }

    /// An image without a HEALTHCHECK.
    pub fn without_health(mut self) -> Self {
        self.without_health = true;
        self
    }

    /// An instruction of a Dockerfile, such as `LABEL a=b` or `VOLUME /data`.
    pub fn change(mut self, instruction: &str) -> Self {
        self.changes.push(instruction.to_owned());
        self
    }

    fn instructions(&self) -> Vec<String> {
        let mut all = vec![
            r#"ENTRYPOINT ["/app"]"#.to_owned(),
            "EXPOSE 8080".to_owned(),
        ];
        if !self.without_health {
            all.push(HEALTHCHECK.to_owned());
        }
        let variables = self.variables.iter();
        all.extend(variables.map(|(name, value)| format!("ENV {name}={value:?}")));
        all.extend(self.changes.iter().cloned());
        all
    }
}

const HEALTHCHECK: &str = r#"HEALTHCHECK --interval=300ms --timeout=2s --retries=2 --start-period=500ms CMD ["/app","probe"]"#;

/// An image of the demo service, on the engine and in its registry.
#[derive(Debug, Clone)]
pub struct Image {
    /// `sha256:…`, the engine's id.
    pub id: String,
    /// `sha256:…`, of its manifest in the registry.
    pub digest: String,
    /// `127.0.0.1:PORT/NAME`.
    pub name: String,
}

impl Image {
    /// `127.0.0.1:PORT/NAME@sha256:…`.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

impl Engine {
    /// The image, pushed as `REGISTRY/NAME:TAG`, which moves there when another image had that tag.
    pub async fn push(&self, app: &App, name: &str, tag: &str) -> Image {
        let local = self.local(app).await;
        let tagged = format!("{}/{name}:{tag}", self.registry());
        let note = format!("pushed-{}", program::digest(tagged.as_bytes()));
        let _lock = self.lock(&note).await;
        // What was pushed last, by whichever test.
        let note = self.directory().join(note);
        let last = fs::read_to_string(&note).unwrap_or_default();
        if let [of, id, digest, name] = last.lines().collect::<Vec<_>>()[..]
            && of == local
        {
            return Image {
                id: id.to_owned(),
                digest: digest.to_owned(),
                name: name.to_owned(),
            };
        }
        drop(fs::remove_file(&note));
        self.docker(&["tag", &local, &tagged]).await;
        let image = self.pushed(&tagged).await;
        let text = [&local, &image.id, &image.digest, &image.name].map(String::as_str);
        fs::write(note, text.join("\n")).unwrap();
        image
    }

    /// What the engine has under this name with a tag, pushed.
    pub async fn pushed(&self, tagged: &str) -> Image {
        self.docker(&["push", "--quiet", tagged]).await;
        let image = self.inspect(tagged).await;
        let (name, _) = tagged.rsplit_once(':').unwrap();
        let digests = image["RepoDigests"].as_array().unwrap();
        let digest = digests.iter().find_map(|digest| {
            let (of, digest) = digest.as_str()?.split_once('@')?;
            (of == name).then(|| digest.to_owned())
        });
        Image {
            id: image["Id"].as_str().unwrap().to_owned(),
            digest: digest.expect("what is pushed has a digest"),
            name: name.to_owned(),
        }
    }

    /// The image as if it had been built on the machine: no registry knows it. Its name is for this description alone.
    pub async fn local(&self, app: &App) -> String {
        let instructions = app.instructions();
        let program = program::compiled().await;
        let unique = program::digest(format!("{instructions:?}{}", program.display()).as_bytes());
        let name = format!("demo:{unique}");
        let note = self.directory().join(format!("made-{unique}"));
        let _lock = self.lock(&format!("image-{unique}")).await;
        if !note.exists() {
            self.build(app, &name).await;
            File::create(note).unwrap();
        }
        name
    }

    /// An image of its own, even of the same description, under this name alone: for tests that move names and remove images.
    pub async fn build(&self, app: &App, name: &str) {
        let program = fs::read(program::compiled().await).unwrap();
        self.import(&[("app", &program)], &app.instructions(), name)
            .await;
    }

    /// Held until it is dropped, among all tests of a run.
    async fn lock(&self, name: &str) -> File {
        let lock = File::create(self.directory().join(format!("{name}.lock"))).unwrap();
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
        lock.unwrap().unwrap()
    }

    /// An image FROM scratch with these programs and instructions of a Dockerfile.
    pub async fn import(&self, programs: &[(&str, &[u8])], instructions: &[String], name: &str) {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in programs {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        let mut args = vec!["import"];
        for instruction in instructions {
            args.extend(["--change", instruction]);
        }
        args.extend(["-", name]);
        self.docker_reading(&args, &archive).await;
    }
}
