//! Where the bytes of a download go, each on a blocking thread beside it: hashing, unpacking, saving. Channels are short,
//! so that a slow disk slows the network instead of filling memory.

use super::FetchError;
use crate::model::payload::Digest;
use crate::tree::FileFact;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Write as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

/// Pieces as the network gave them, handed over together: a thread that is woken for every 20 KB costs more than its work.
pub(super) type Pieces = Vec<Bytes>;

/// Hand-overs on their way to a thread. With a last piece of up to 400 KiB that is 2 MB at most.
const WAITING: usize = 3;

/// Whether there is enough to hand over: in bytes, or in pieces when a server sends them one by one.
pub(super) fn enough(pieces: &Pieces) -> bool {
    const BYTES: usize = 256 << 10;
    const PIECES: usize = 64;
    PIECES <= pieces.len() || BYTES <= pieces.iter().map(Bytes::len).sum::<usize>()
}

/// Hashes what is sent.
#[derive(Debug)]
pub(super) struct Hasher {
    to: Sender<Pieces>,
    task: JoinHandle<Digest>,
}

impl Hasher {
    pub(super) fn start() -> Self {
        let (to, mut pieces) = channel::<Pieces>(WAITING);
        let task = spawn_blocking(move || {
            let mut hash = Sha256::new();
            while let Some(pieces) = pieces.blocking_recv() {
                for piece in pieces {
                    hash.update(&piece);
                }
            }
            Digest::from_bytes(hash.finalize().into())
        });
        Self { to, task }
    }

    pub(super) async fn take(&mut self, pieces: Pieces) {
        // It ends only with its sender; a panic in it comes out in `finish`.
        drop(self.to.send(pieces).await);
    }

    pub(super) async fn finish(self) -> Digest {
        drop(self.to);
        joined(self.task).await
    }
}

/// Unpacks or saves what is sent.
#[derive(Debug)]
pub(super) struct Sink {
    to: Option<Sender<Pieces>>,
    task: Option<JoinHandle<Result<Vec<FileFact>, FetchError>>>,
    refused: Option<FetchError>,
}

impl Sink {
    /// Runs `work` on a thread of its own; it ends when the pieces end.
    pub(super) fn start(
        work: impl FnOnce(Receiver<Pieces>) -> Result<Vec<FileFact>, FetchError> + Send + 'static,
    ) -> Self {
        let (to, pieces) = channel(WAITING);
        Self {
            to: Some(to),
            task: Some(spawn_blocking(move || work(pieces))),
            refused: None,
        }
    }

    /// A sink that takes nothing because of what is known already.
    pub(super) fn refused(error: FetchError) -> Self {
        Self {
            to: None,
            task: None,
            refused: Some(error),
        }
    }

    /// # Errors
    /// The disk failed: nothing more is worth fetching. A refusal waits for `finish`, because it counts only when the
    /// bytes turn out to be those that were promised.
    pub(super) async fn take(&mut self, pieces: Pieces) -> Result<(), FetchError> {
        let Some(to) = &self.to else { return Ok(()) };
        if to.send(pieces).await.is_ok() {
            return Ok(());
        }
        self.to = None;
        match self.result().await {
            Err(refused @ FetchError::Refused { .. }) => self.refused = Some(refused),
            Err(error) => return Err(error),
            Ok(_all_of_it) => {
                let what = "there are bytes after its end".to_owned();
                self.refused = Some(FetchError::Refused { what });
            }
        }
        Ok(())
    }

    /// Waits for the thread, also after an error elsewhere: as long as it runs it may write.
    pub(super) async fn finish(mut self) -> Result<Vec<FileFact>, FetchError> {
        self.to = None;
        let result = self.result().await;
        match self.refused {
            Some(refused) => Err(refused),
            None => result,
        }
    }

    async fn result(&mut self) -> Result<Vec<FileFact>, FetchError> {
        match self.task.take() {
            Some(task) => joined(task).await,
            None => Ok(Vec::new()),
        }
    }
}

/// Saves what comes into `file`.
pub(super) fn save(
    mut pieces: Receiver<Pieces>,
    mut file: File,
) -> Result<Vec<FileFact>, FetchError> {
    while let Some(pieces) = pieces.blocking_recv() {
        for piece in pieces {
            file.write_all(&piece).map_err(FetchError::Disk)?;
        }
    }
    Ok(Vec::new())
}

pub(super) async fn joined<T>(task: JoinHandle<T>) -> T {
    task.await
        .unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
}
