//! One canister: its settings, its code and memories, its snapshots, chunks, logs and cycles.

use super::execution::{self, Answer, Context, Heap, Mode, Module, Trap};
use super::reject::{Help, Reject};
use candid::Principal;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The size of all log records together, by default.
const LOG_BYTES_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    #[default]
    Running,
    /// With the requests that wait for it to have stopped.
    Stopping(Vec<[u8; 32]>),
    Stopped,
}

/// Code and memories: what a snapshot keeps, and what a trap leaves as it was.
#[derive(Debug, Clone)]
pub struct Image {
    pub module: Arc<Module>,
    pub heap: Heap,
    pub stable: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub id: Vec<u8>,
    /// Nanoseconds since 1970.
    pub taken_at: u64,
    pub version: u64,
    pub image: Image,
    pub chunks: BTreeMap<[u8; 32], Vec<u8>>,
}

impl Snapshot {
    pub fn size(&self) -> u64 {
        let chunks: usize = self.chunks.values().map(Vec::len).sum();
        (self.image.size() + chunks) as u64
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    pub index: u64,
    pub time: u64,
    pub content: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Canister {
    pub id: Principal,
    pub controllers: Vec<Principal>,
    pub status: Status,
    /// A call that it has not answered: it cannot stop while there is one.
    pub held: bool,
    pub image: Option<Image>,
    pub chunks: BTreeMap<[u8; 32], Vec<u8>>,
    pub snapshots: Vec<Snapshot>,
    pub logs: VecDeque<LogRecord>,
    pub logs_total: u64,
    pub public_logs: bool,
    pub cycles: u128,
    pub idle_per_day: u128,
    /// Seconds.
    pub freezing_threshold: u64,
    pub version: u64,
    /// When it was last started, on the monotonic clock.
    pub started: Option<tokio::time::Instant>,
}

impl Image {
    pub fn size(&self) -> usize {
        self.module.raw.len() + self.heap.memory.len() + self.stable.len()
    }
}

impl Canister {
    pub fn new(id: Principal, controllers: Vec<Principal>, cycles: u128) -> Self {
        Self {
            id,
            controllers,
            status: Status::Running,
            held: false,
            image: None,
            chunks: BTreeMap::new(),
            snapshots: Vec::new(),
            logs: VecDeque::new(),
            logs_total: 0,
            public_logs: false,
            cycles,
            idle_per_day: 1_000_000_000,
            freezing_threshold: 2_592_000,
            version: 0,
            started: None,
        }
    }

    /// All bytes that it pays for.
    pub fn memory_size(&self) -> u64 {
        let image = self.image.as_ref().map_or(0, Image::size);
        let snapshots: u64 = self.snapshots.iter().map(Snapshot::size).sum();
        // A chunk costs a whole mebibyte.
        image as u64 + snapshots + ((self.chunks.len() as u64) << 20)
    }

    /// Appends to the logs; the oldest records make room.
    pub fn log(&mut self, now: u64, mut content: Vec<u8>) {
        content.truncate(LOG_BYTES_MAX);
        self.logs.push_back(LogRecord {
            index: self.logs_total,
            time: now,
            content,
        });
        self.logs_total += 1;
        let size = |logs: &VecDeque<LogRecord>| -> usize {
            logs.iter().map(|record| record.content.len()).sum()
        };
        while size(&self.logs) > LOG_BYTES_MAX {
            self.logs.pop_front();
        }
    }

    /// What an execution printed, and its trap.
    pub fn log_outcome(&mut self, now: u64, prints: Vec<Vec<u8>>, trap: Option<&Trap>) {
        for print in prints {
            self.log(now, print);
        }
        let text = match trap {
            None => return,
            Some(Trap::Called(text)) if text.is_empty() => format!("(no message)\n{BACKTRACE}"),
            Some(Trap::Called(text) | Trap::Trapped(text)) => format!("{text}\n{BACKTRACE}"),
            Some(Trap::Violation(text)) => text.clone(),
            Some(trap @ Trap::Instructions) => trap.to_string(),
        };
        self.log(now, format!("[TRAP]: {text}").into_bytes());
    }

    pub fn context(&self, mode: Mode, caller: Principal, arg: &[u8], now: u64) -> Context {
        let bytes = |principal: &Principal| principal.as_slice().to_vec();
        Context {
            mode,
            caller: bytes(&caller),
            canister: bytes(&self.id),
            controllers: self.controllers.iter().map(bytes).collect(),
            arg: arg.to_vec(),
            now,
            version: self.version,
            cycles: self.cycles,
            status: match self.status {
                Status::Running => 1,
                Status::Stopping(_) => 2,
                Status::Stopped => 3,
            },
        }
    }

    /// Whether calls are taken; the error is why not.
    pub fn takes_calls(&self) -> Result<(), Reject> {
        match self.status {
            Status::Running => Ok(()),
            Status::Stopping(_) => Err(Reject::new(
                509,
                format!("Canister {} is stopping", self.id),
            )),
            Status::Stopped => Err(Reject::new(508, format!("Canister {} is stopped", self.id))),
        }
    }

    /// Executes a method for all to agree on: what it changes stays, when it does not trap.
    pub fn update(
        &mut self,
        caller: Principal,
        method: &str,
        arg: &[u8],
        now: u64,
    ) -> Result<Vec<u8>, Reject> {
        self.takes_calls()?;
        self.frozen()?;
        let image = self
            .image
            .as_ref()
            .ok_or_else(|| Reject::no_module(self.id))?;
        let (entry, mode) = [
            (format!("canister_update {method}"), Mode::Update),
            (format!("canister_query {method}"), Mode::ReplicatedQuery),
        ]
        .into_iter()
        .find(|(entry, _)| image.module.exports(entry))
        .ok_or_else(|| Reject::no_method(self.id, "update", method))?;
        let context = self.context(mode, caller, arg, now);
        let outcome = execution::run(
            &image.module,
            Some(&image.heap),
            &image.stable,
            &entry,
            context,
        )
        .map_err(|why| Reject::invalid_wasm(self.id, &why))?;
        let trapped = outcome.result.as_ref().err().cloned();
        if let (None, Mode::Update, Some(image)) = (&trapped, mode, &mut self.image) {
            image.heap = outcome.heap;
            image.stable = outcome.stable;
        }
        self.version += u64::from(trapped.is_none());
        self.log_outcome(now, outcome.prints, trapped.as_ref());
        answer(self.id, outcome.result)
    }

    /// Executes a query method on one replica: nothing stays, nothing is logged.
    pub fn query(
        &self,
        caller: Principal,
        method: &str,
        arg: &[u8],
        now: u64,
    ) -> Result<Vec<u8>, Reject> {
        match self.status {
            Status::Stopped => {
                let text = format!(
                    "Canister {} is stopped and therefore does not have a CallContextManager",
                    self.id
                );
                return Err(Reject::new(508, text));
            }
            Status::Running | Status::Stopping(_) => self.takes_calls()?,
        }
        if self.cycles < self.freezing_limit() {
            let text = format!(
                "Canister {} is unable to process query calls because it's frozen. Please top up the canister with cycles and try again.",
                self.id
            );
            return Err(Reject::new(207, text));
        }
        let image = self
            .image
            .as_ref()
            .ok_or_else(|| Reject::no_module(self.id))?;
        let entry = format!("canister_query {method}");
        if !image.module.exports(&entry) {
            return Err(Reject::no_method(self.id, "query", method));
        }
        let context = self.context(Mode::Query, caller, arg, now);
        let outcome = execution::run(
            &image.module,
            Some(&image.heap),
            &image.stable,
            &entry,
            context,
        )
        .map_err(|why| Reject::invalid_wasm(self.id, &why))?;
        answer(self.id, outcome.result)
    }
}

/// The answer of a method as a caller gets it.
fn answer(canister: Principal, result: Result<Answer, Trap>) -> Result<Vec<u8>, Reject> {
    match result {
        Ok(Answer::Reply(bytes)) => Ok(bytes),
        Ok(Answer::Reject(text)) => Err(Reject::new(406, text)),
        Ok(Answer::None) => {
            let text = format!("Canister {canister} did not reply to the call");
            Err(Reject::new(506, text))
        }
        Err(trap) => Err(trapped(canister, &trap)),
    }
}

/// What a replica adds to traps of modules with a name section.
const BACKTRACE: &str = "Canister Backtrace:\nshop::bump";

/// The reject for a trap.
pub fn trapped(canister: Principal, trap: &Trap) -> Reject {
    let (error, section) = match trap {
        Trap::Called(_) => (503, "trapped-explicitly"),
        Trap::Trapped(_) => (502, "trapped"),
        Trap::Instructions => (522, "instruction-limit-exceeded"),
        Trap::Violation(_) => (504, "contract-violation"),
    };
    let advice = match trap {
        Trap::Called(_) | Trap::Trapped(_) | Trap::Violation(_) => {
            "Consider gracefully handling failures from this canister or altering the canister to handle exceptions."
        }
        Trap::Instructions => {
            "Try optimizing this method to consume fewer instructions or split the work across multiple messages."
        }
    };
    let text = match trap {
        Trap::Called(_) | Trap::Trapped(_) => format!("{trap}\n{BACKTRACE}"),
        Trap::Instructions | Trap::Violation(_) => trap.to_string(),
    };
    Reject::of_canister(error, canister, &text, Some(Help { advice, section }))
}
