//! The thread that reads and writes Candid for one question. Candid's types cannot leave their thread, and reading an
//! interface recurses as deep as `interface` permits: so it has a stack made for that, and the program's own is never at
//! stake. It ends with the last question that needs it.

use super::interface::{Interface, Refusal, Signature, short};
use super::reply;
use crate::model::probe::Question;
use candid::IDLArgs;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Address space only; what is not used is never there.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// A question in bytes, and who reads the replies.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) arguments: Vec<u8>,
    /// The canister publishes no interface: the types of the arguments were inferred from what was written.
    pub(super) inferred: bool,
    pub(super) reader: Reader,
}

/// Reads replies, one after the other.
#[derive(Debug)]
pub(super) struct Reader(mpsc::Sender<Job>);

#[derive(Debug)]
struct Job {
    reply: Vec<u8>,
    line: oneshot::Sender<Result<String, String>>,
}

impl Reader {
    /// The reply as one line of Candid text; or why it cannot be read.
    pub(super) async fn line(&self, reply: Vec<u8>) -> Result<String, String> {
        const GONE: &str = "the reply could not be read";
        let (line, told) = oneshot::channel();
        let job = Job { reply, line };
        self.0.send(job).map_err(|_gone| GONE.to_owned())?;
        told.await.map_err(|_gone| GONE.to_owned())?
    }
}

/// Checks the question against the interface of the canister (`None`: it publishes none), and encodes its arguments.
pub(super) async fn prepare(
    interface: Option<String>,
    question: &Question,
) -> Result<Prepared, Refusal> {
    let (method, arguments) = (question.method.clone(), question.arguments.clone());
    let inferred = interface.is_none();
    let (ready, told) = oneshot::channel();
    let (jobs, queue) = mpsc::channel();
    let refused = |what: &str| {
        Refusal::new(
            what,
            "give the machine more memory, or probe an address (`url`)",
        )
    };
    std::thread::Builder::new()
        .name("candid".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let types = match Types::of(interface.as_deref(), &method, &arguments) {
                Ok((types, arguments)) => {
                    drop(ready.send(Ok(arguments)));
                    types
                }
                Err(refusal) => {
                    drop(ready.send(Err(refusal)));
                    return;
                }
            };
            drop(interface);
            serve(&queue, &types);
        })
        .map_err(|error| refused(&format!("no thread to read Candid with: {error}")))?;
    let arguments = told
        .await
        .map_err(|_gone| refused("the canister's Candid interface could not be read"))??;
    Ok(Prepared {
        arguments,
        inferred,
        reader: Reader(jobs),
    })
}

fn serve(queue: &mpsc::Receiver<Job>, types: &Types) {
    while let Ok(job) = queue.recv() {
        // Nobody waits any more: the deadline was first.
        if job.line.is_closed() {
            continue;
        }
        let line = types.decode(&job.reply).map(|reply| reply::line(&reply));
        drop(job.line.send(line));
    }
}

enum Types {
    Known(Signature),
    Inferred,
}

impl Types {
    fn of(
        interface: Option<&str>,
        method: &str,
        arguments: &str,
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let values = candid_parser::parse_idl_args(arguments).map_err(|error| {
            Refusal::new(
                format!(
                    "found the arguments {:?}, expected Candid values in parentheses: {}",
                    short(arguments),
                    short(&error.to_string())
                ),
                "write `arguments` like (record { limit = 10 : nat })",
            )
        })?;
        if let Some(text) = interface {
            let signature = Interface::read(text)?.query(method)?;
            let bytes = signature.encode(values)?;
            return Ok((Self::Known(signature), bytes));
        }
        let bytes = values.to_bytes().map_err(|error| {
            Refusal::new(
                format!(
                    "the types of the arguments cannot be inferred: {}",
                    short(&error.to_string())
                ),
                "write the type of each value, such as (10 : nat): the canister publishes no interface",
            )
        })?;
        Ok((Self::Inferred, bytes))
    }

    fn decode(&self, bytes: &[u8]) -> Result<IDLArgs, String> {
        match self {
            Self::Known(signature) => signature.decode(bytes),
            Self::Inferred => reply::untyped(bytes),
        }
    }
}
