//! For how long nobody answers: a client asks every 5 ms, each time anew, and notes what was answered when.

use anyhow::Context as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

const EVERY: Duration = Duration::from_millis(5);
/// Who has not answered by then will not.
const ANSWER_MAX: Duration = Duration::from_millis(500);

pub(crate) struct Asking {
    answers: Arc<Mutex<Vec<(Instant, String)>>>,
    task: JoinHandle<()>,
}

pub(crate) fn ask(port: u16) -> Asking {
    let answers = Arc::new(Mutex::default());
    let shared: Arc<Mutex<Vec<(Instant, String)>>> = Arc::clone(&answers);
    let task = tokio::spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                if let Ok(Ok(answer)) = timeout(ANSWER_MAX, get(port)).await
                    && let Ok(mut answers) = shared.lock()
                {
                    answers.push((Instant::now(), answer));
                }
            });
        }
    });
    Asking { answers, task }
}

async fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.rsplit_once("\r\n\r\n");
    Ok(body.map(|(_, body)| body.to_owned()).unwrap_or_default())
}

impl Asking {
    fn has(&self, version: &str) -> bool {
        let answers = self.answers.lock();
        answers.is_ok_and(|answers| answers.iter().any(|(_, answer)| answer == version))
    }

    /// From the last answer of one version to the first of the other.
    pub(crate) async fn between(self, before: &str, after: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        while !self.has(after) && began.elapsed() < ANSWER_MAX * 10 {
            tokio::time::sleep(EVERY).await;
        }
        self.task.abort();
        let answers = self.answers.lock().ok().context("the client panicked")?;
        let of = |version: &str| {
            let answers = answers.iter().filter(move |(_, answer)| answer == version);
            let times: Vec<Instant> = answers.map(|(at, _)| *at).collect();
            times
        };
        let all = answers.len();
        let last = of(before).into_iter().max();
        let first = of(after).into_iter().min();
        let last = last.with_context(|| format!("{before} gave none of {all} answers"))?;
        let first = first.with_context(|| format!("{after} gave none of {all} answers"))?;
        Ok(first.saturating_duration_since(last))
    }
}
