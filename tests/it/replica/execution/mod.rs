//! Running the code of canisters: modules checked as a replica checks them ([`module`]), the system interface ([`ic0`]),
//! and one execution of one entry point on a heap and a stable memory. No canisters and no calls in here.
//!
//! The heap between two executions is the memory and the exported mutable globals; globals that are not exported start
//! anew each time, which a real replica does not do.

pub mod ic0;
pub mod module;

pub use module::Module;

use ic0::Host;
use std::collections::BTreeMap;
use std::fmt;
use wasmi::{Extern, Linker, Store, TrapCode, Val};

/// Instructions of one message; a replica allows 40 billion for updates.
pub const INSTRUCTIONS_MAX: u64 = 2_000_000_000;

/// What a canister remembers outside of its stable memory.
#[derive(Debug, Clone, Default)]
pub struct Heap {
    pub memory: Vec<u8>,
    pub globals: BTreeMap<String, Val>,
}

/// Which entry point runs, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Init,
    PreUpgrade,
    PostUpgrade,
    Update,
    Query,
    /// A query method, run for all to agree on.
    ReplicatedQuery,
}

impl Mode {
    pub fn replies(self) -> bool {
        matches!(self, Self::Update | Self::Query | Self::ReplicatedQuery)
    }
}

/// What an execution knows of the world.
#[derive(Debug, Clone)]
pub struct Context {
    pub mode: Mode,
    pub caller: Vec<u8>,
    pub canister: Vec<u8>,
    pub controllers: Vec<Vec<u8>>,
    pub arg: Vec<u8>,
    /// Nanoseconds since 1970.
    pub now: u64,
    pub version: u64,
    pub cycles: u128,
    /// 1 running, 2 stopping, 3 stopped.
    pub status: u32,
}

/// Why an execution did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trap {
    /// `ic0.trap`: IC0503.
    Called(String),
    /// By WebAssembly itself: IC0502.
    Trapped(String),
    /// Too many instructions: IC0522.
    Instructions,
    /// A call of the system interface which is not allowed here: IC0504.
    Violation(String),
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called(text) => write!(f, "Canister called `ic0.trap` with message: '{text}'"),
            Self::Trapped(text) => write!(f, "Canister trapped: {text}"),
            Self::Instructions => write!(
                f,
                "Canister exceeded the limit of {INSTRUCTIONS_MAX} instructions for single message execution."
            ),
            Self::Violation(text) => write!(f, "Canister violated contract: {text}"),
        }
    }
}

impl wasmi::errors::HostError for Trap {}

/// What a method answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Reply(Vec<u8>),
    Reject(String),
    /// It returned without doing either.
    None,
}

/// One execution. The heap and the stable memory are as it left them; they count only when it went well.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<Answer, Trap>,
    pub prints: Vec<Vec<u8>>,
    pub heap: Heap,
    pub stable: Vec<u8>,
}

/// Runs an exported function, or nothing when there is none of that name. Without a heap the module starts anew. The
/// error is why the module cannot be instantiated.
pub fn run(
    module: &Module,
    heap: Option<&Heap>,
    stable: &[u8],
    entry: &str,
    context: Context,
) -> Result<Outcome, String> {
    let mut store = Store::new(module.engine(), Host::new(context, stable.to_vec()));
    store
        .set_fuel(INSTRUCTIONS_MAX)
        .map_err(|error| error.to_string())?;
    let mut linker = Linker::new(module.engine());
    ic0::link(&mut linker).map_err(|error| error.to_string())?;
    let instance = linker
        .instantiate_and_start(&mut store, module.compiled())
        .map_err(|error| error.to_string())?;
    if let Some(heap) = heap {
        restore(&mut store, instance, heap)?;
    }
    let function = instance.get_func(&store, entry);
    let called = match function {
        None => Ok(()),
        Some(function) => function.call(&mut store, &[], &mut []),
    };
    let heap = save(&store, instance);
    let host = store.into_data();
    Ok(Outcome {
        result: called.map(|()| host.answer).map_err(|error| trap(&error)),
        prints: host.prints,
        heap,
        stable: host.stable,
    })
}

fn restore(store: &mut Store<Host>, instance: wasmi::Instance, heap: &Heap) -> Result<(), String> {
    if let Some(memory) = instance.get_memory(&*store, "memory") {
        let pages = heap.memory.len().div_ceil(65536) as u64;
        let missing = pages.saturating_sub(memory.size(&*store));
        memory
            .grow(&mut *store, missing)
            .map_err(|error| error.to_string())?;
        memory
            .write(&mut *store, 0, &heap.memory)
            .map_err(|error| error.to_string())?;
    }
    for (name, value) in &heap.globals {
        if let Some(global) = instance.get_global(&*store, name) {
            global
                .set(&mut *store, value.clone())
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn save(store: &Store<Host>, instance: wasmi::Instance) -> Heap {
    let memory = instance
        .get_memory(store, "memory")
        .map(|memory| memory.data(store).to_vec());
    let globals = instance.exports(store).filter_map(|export| {
        let name = export.name().to_owned();
        match export.into_extern() {
            Extern::Global(global) if global.ty(store).mutability().is_mut() => {
                Some((name, global.get(store)))
            }
            _ => None,
        }
    });
    Heap {
        globals: globals.collect(),
        memory: memory.unwrap_or_default(),
    }
}

fn trap(error: &wasmi::Error) -> Trap {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trap.clone();
    }
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Trap::Instructions,
        Some(TrapCode::UnreachableCodeReached) => Trap::Trapped("unreachable".to_owned()),
        Some(TrapCode::MemoryOutOfBounds) => Trap::Trapped("heap out of bounds".to_owned()),
        Some(TrapCode::IntegerDivisionByZero) => Trap::Trapped("integer division by 0".to_owned()),
        Some(TrapCode::StackOverflow) => Trap::Trapped("stack overflow".to_owned()),
        _ => Trap::Trapped(error.to_string()),
    }
}
