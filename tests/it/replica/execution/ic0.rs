//! The system interface that a canister imports as `ic0`: what small canisters need. Calls between canisters, timers,
//! HTTP and signatures are not in here; a module that imports them is refused as one that imports what does not exist.

use super::{Answer, Context, Mode, Trap};
use wasmi::errors::LinkerError;
use wasmi::{Caller, Error, Extern, Linker};

/// Every function that [`link`] defines.
pub(super) const IMPORTS: &[&str] = &[
    "accept_message",
    "canister_cycle_balance",
    "canister_cycle_balance128",
    "canister_self_copy",
    "canister_self_size",
    "canister_status",
    "canister_version",
    "certified_data_set",
    "debug_print",
    "global_timer_set",
    "in_replicated_execution",
    "is_controller",
    "msg_arg_data_copy",
    "msg_arg_data_size",
    "msg_caller_copy",
    "msg_caller_size",
    "msg_cycles_accept",
    "msg_cycles_accept128",
    "msg_cycles_available",
    "msg_cycles_available128",
    "msg_cycles_refunded",
    "msg_reject",
    "msg_reply",
    "msg_reply_data_append",
    "performance_counter",
    "stable64_grow",
    "stable64_read",
    "stable64_size",
    "stable64_write",
    "stable_grow",
    "stable_read",
    "stable_size",
    "stable_write",
    "time",
    "trap",
];

const PAGE: usize = 65536;
/// 64 MiB: enough for tests, little enough for a machine that runs many.
const STABLE_PAGES_MAX: u64 = 1024;

/// The state of one execution.
#[derive(Debug)]
pub struct Host {
    context: Context,
    reply: Vec<u8>,
    pub(super) answer: Answer,
    pub(super) prints: Vec<Vec<u8>>,
    pub(super) stable: Vec<u8>,
}

impl Host {
    pub(super) fn new(context: Context, stable: Vec<u8>) -> Self {
        Self {
            context,
            reply: Vec::new(),
            answer: Answer::None,
            prints: Vec::new(),
            stable,
        }
    }
}

type Call<'a> = Caller<'a, Host>;
type Done<T = ()> = Result<T, Error>;

/// Defines all of [`IMPORTS`].
pub(super) fn link(linker: &mut Linker<Host>) -> Result<(), LinkerError> {
    messages(linker)?;
    stable_memory(linker)?;
    surroundings(linker)
}

fn messages(linker: &mut Linker<Host>) -> Result<(), LinkerError> {
    let ic0 = "ic0";
    linker.func_wrap(ic0, "msg_arg_data_size", |call: Call<'_>| {
        size(&call.data().context.arg)
    })?;
    linker.func_wrap(
        ic0,
        "msg_arg_data_copy",
        |mut call: Call<'_>, to: u32, from: u32, n: u32| {
            let bytes = call.data().context.arg.clone();
            copy(&mut call, &bytes, to, from, n)
        },
    )?;
    linker.func_wrap(ic0, "msg_caller_size", |call: Call<'_>| {
        size(&call.data().context.caller)
    })?;
    linker.func_wrap(
        ic0,
        "msg_caller_copy",
        |mut call: Call<'_>, to: u32, from: u32, n: u32| {
            let bytes = call.data().context.caller.clone();
            copy(&mut call, &bytes, to, from, n)
        },
    )?;
    linker.func_wrap(
        ic0,
        "msg_reply_data_append",
        |mut call: Call<'_>, from: u32, n: u32| {
            may_reply(&call, "msg_reply_data_append")?;
            let bytes = read(&call, from, n)?;
            call.data_mut().reply.extend(bytes);
            Done::Ok(())
        },
    )?;
    linker.func_wrap(ic0, "msg_reply", |mut call: Call<'_>| {
        may_reply(&call, "msg_reply")?;
        let host = call.data_mut();
        host.answer = Answer::Reply(std::mem::take(&mut host.reply));
        Done::Ok(())
    })?;
    linker.func_wrap(
        ic0,
        "msg_reject",
        |mut call: Call<'_>, from: u32, n: u32| {
            may_reply(&call, "msg_reject")?;
            let text = text(&call, from, n)?;
            call.data_mut().answer = Answer::Reject(text);
            Done::Ok(())
        },
    )?;
    linker.func_wrap(ic0, "trap", |call: Call<'_>, from: u32, n: u32| {
        Done::<()>::Err(Error::host(Trap::Called(text(&call, from, n)?)))
    })?;
    linker.func_wrap(
        ic0,
        "debug_print",
        |mut call: Call<'_>, from: u32, n: u32| {
            let bytes = read(&call, from, n)?;
            call.data_mut().prints.push(bytes);
            Done::Ok(())
        },
    )?;
    linker.func_wrap(ic0, "accept_message", |_: Call<'_>| ())?;
    linker.func_wrap(ic0, "msg_cycles_available", |_: Call<'_>| 0_u64)?;
    linker.func_wrap(ic0, "msg_cycles_refunded", |_: Call<'_>| 0_u64)?;
    linker.func_wrap(ic0, "msg_cycles_accept", |_: Call<'_>, _max: u64| 0_u64)?;
    linker.func_wrap(
        ic0,
        "msg_cycles_available128",
        |mut call: Call<'_>, to: u32| write(&mut call, to, &[0; 16]),
    )?;
    linker.func_wrap(
        ic0,
        "msg_cycles_accept128",
        |mut call: Call<'_>, _high: u64, _low: u64, to: u32| write(&mut call, to, &[0; 16]),
    )?;
    Ok(())
}

fn stable_memory(linker: &mut Linker<Host>) -> Result<(), LinkerError> {
    let ic0 = "ic0";
    linker.func_wrap(ic0, "stable64_size", |call: Call<'_>| pages(&call))?;
    linker.func_wrap(ic0, "stable64_grow", |mut call: Call<'_>, more: u64| {
        grow(&mut call, more)
    })?;
    linker.func_wrap(
        ic0,
        "stable64_read",
        |mut call: Call<'_>, to: u64, from: u64, n: u64| stable_read(&mut call, to, from, n),
    )?;
    linker.func_wrap(
        ic0,
        "stable64_write",
        |mut call: Call<'_>, to: u64, from: u64, n: u64| stable_write(&mut call, to, from, n),
    )?;
    linker.func_wrap(ic0, "stable_size", |call: Call<'_>| {
        i32::try_from(pages(&call)).unwrap_or(-1)
    })?;
    linker.func_wrap(ic0, "stable_grow", |mut call: Call<'_>, more: u32| {
        i32::try_from(grow(&mut call, more.into())).unwrap_or(-1)
    })?;
    linker.func_wrap(
        ic0,
        "stable_read",
        |mut call: Call<'_>, to: u32, from: u32, n: u32| {
            stable_read(&mut call, to.into(), from.into(), n.into())
        },
    )?;
    linker.func_wrap(
        ic0,
        "stable_write",
        |mut call: Call<'_>, to: u32, from: u32, n: u32| {
            stable_write(&mut call, to.into(), from.into(), n.into())
        },
    )?;
    Ok(())
}

fn surroundings(linker: &mut Linker<Host>) -> Result<(), LinkerError> {
    let ic0 = "ic0";
    linker.func_wrap(ic0, "time", |call: Call<'_>| call.data().context.now)?;
    linker.func_wrap(ic0, "canister_version", |call: Call<'_>| {
        call.data().context.version
    })?;
    linker.func_wrap(ic0, "canister_status", |call: Call<'_>| {
        call.data().context.status
    })?;
    linker.func_wrap(ic0, "performance_counter", |call: Call<'_>, _kind: u32| {
        super::INSTRUCTIONS_MAX - call.get_fuel().unwrap_or_default()
    })?;
    linker.func_wrap(ic0, "global_timer_set", |_: Call<'_>, _at: u64| 0_u64)?;
    linker.func_wrap(ic0, "in_replicated_execution", |call: Call<'_>| {
        u32::from(call.data().context.mode != Mode::Query)
    })?;
    linker.func_wrap(
        ic0,
        "certified_data_set",
        |call: Call<'_>, from: u32, n: u32| read(&call, from, n).map(|_| ()),
    )?;
    linker.func_wrap(ic0, "canister_self_size", |call: Call<'_>| {
        size(&call.data().context.canister)
    })?;
    linker.func_wrap(
        ic0,
        "canister_self_copy",
        |mut call: Call<'_>, to: u32, from: u32, n: u32| {
            let bytes = call.data().context.canister.clone();
            copy(&mut call, &bytes, to, from, n)
        },
    )?;
    linker.func_wrap(ic0, "canister_cycle_balance", |call: Call<'_>| {
        u64::try_from(call.data().context.cycles).unwrap_or(u64::MAX)
    })?;
    linker.func_wrap(
        ic0,
        "canister_cycle_balance128",
        |mut call: Call<'_>, to: u32| {
            let cycles = call.data().context.cycles.to_le_bytes();
            write(&mut call, to, &cycles)
        },
    )?;
    linker.func_wrap(ic0, "is_controller", |call: Call<'_>, from: u32, n: u32| {
        let who = read(&call, from, n)?;
        Done::Ok(u32::from(call.data().context.controllers.contains(&who)))
    })?;
    Ok(())
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn out_of_bounds(what: &str) -> Error {
    Error::host(Trap::Trapped(format!("{what} out of bounds")))
}

fn may_reply(call: &Call<'_>, function: &str) -> Done {
    let host = call.data();
    if !host.context.mode.replies() {
        let mode = host.context.mode;
        let text = format!("\"ic0_{function}\" cannot be executed in {mode:?} mode");
        return Err(Error::host(Trap::Violation(text)));
    }
    if host.answer != Answer::None {
        let text = format!("\"{function}\": the call is already replied");
        return Err(Error::host(Trap::Violation(text)));
    }
    Ok(())
}

fn memory(call: &Call<'_>) -> Done<wasmi::Memory> {
    call.get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(|| {
            Error::host(Trap::Violation(
                "WebAssembly module must define memory".to_owned(),
            ))
        })
}

fn read(call: &Call<'_>, from: u32, n: u32) -> Done<Vec<u8>> {
    let data = memory(call)?.data(call);
    let from = from as usize;
    data.get(from..from.saturating_add(n as usize))
        .map(<[u8]>::to_vec)
        .ok_or_else(|| out_of_bounds("heap"))
}

fn text(call: &Call<'_>, from: u32, n: u32) -> Done<String> {
    Ok(String::from_utf8_lossy(&read(call, from, n)?).into_owned())
}

fn write(call: &mut Call<'_>, to: u32, bytes: &[u8]) -> Done {
    let memory = memory(call)?;
    memory
        .write(call, to as usize, bytes)
        .map_err(|_error| out_of_bounds("heap"))
}

/// Copies a part of `bytes` into the heap.
fn copy(call: &mut Call<'_>, bytes: &[u8], to: u32, from: u32, n: u32) -> Done {
    let from = from as usize;
    let part = bytes
        .get(from..from.saturating_add(n as usize))
        .ok_or_else(|| Error::host(Trap::Violation("ic0 copy: out of bounds".to_owned())))?;
    write(call, to, part)
}

fn pages(call: &Call<'_>) -> u64 {
    (call.data().stable.len() / PAGE) as u64
}

/// The number of pages before, or the largest number when it cannot grow.
fn grow(call: &mut Call<'_>, more: u64) -> u64 {
    let before = pages(call);
    let after = before.saturating_add(more);
    if after > STABLE_PAGES_MAX {
        return u64::MAX;
    }
    let Ok(after) = usize::try_from(after) else {
        return u64::MAX;
    };
    call.data_mut().stable.resize(after * PAGE, 0);
    before
}

fn stable_range(call: &Call<'_>, at: u64, n: u64) -> Done<std::ops::Range<usize>> {
    let end = at.saturating_add(n);
    match (usize::try_from(at), usize::try_from(end)) {
        (Ok(at), Ok(end)) if end <= call.data().stable.len() => Ok(at..end),
        _ => Err(out_of_bounds("stable memory")),
    }
}

fn narrow(value: u64) -> Done<u32> {
    u32::try_from(value).map_err(|_error| out_of_bounds("heap"))
}

fn stable_read(call: &mut Call<'_>, to: u64, from: u64, n: u64) -> Done {
    let range = stable_range(call, from, n)?;
    let bytes = call.data().stable[range].to_vec();
    write(call, narrow(to)?, &bytes)
}

fn stable_write(call: &mut Call<'_>, to: u64, from: u64, n: u64) -> Done {
    let range = stable_range(call, to, n)?;
    let bytes = read(call, narrow(from)?, narrow(n)?)?;
    call.data_mut().stable[range].copy_from_slice(&bytes);
    Ok(())
}
