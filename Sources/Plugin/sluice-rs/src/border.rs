//! The tables that the host holds, and the functions behind them. For the macros only.

use crate::abi::*;
use crate::answers::{answer, fence};
use crate::host::Checkpoint;
use crate::{Action, Config, Delivery, DryRunAnswer, Executor, Failure, Host, Json, Outcome, ProbeAnswer, Pull, Result, Source};
use crate::{StateMigrating, StoredState, WebhookSource};
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_void};

pub use crate::abi::{RawNote as Note, RawPlugin as Plugin, RawStateMigrate, RawWebhook};

pub const NOTE: Note = RawNote([
    7, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, b'S', b'l', b'u', b'i', b'c', b'e', 0, 0, b'S', b'L', b'C', b'1', MAJOR as u8, 0, MINOR as u8, 0,
]);

/// What the macro `source!` states about a source.
pub trait SourceLibrary: 'static {
    type Source: Source + 'static;
    const WEBHOOK: Option<&'static RawWebhook> = None;
    const STATE_MIGRATE: Option<&'static RawStateMigrate> = None;
}

// Constants of a type are promoted to statics, so each of these is one and the same however often it is asked for.
pub struct Webhook<S>(PhantomData<S>);
impl<S: WebhookSource> Webhook<S> {
    pub const TABLE: &'static RawWebhook = &RawWebhook { struct_size: size_of::<RawWebhook>(), reserved: 0, receive: receive::<S> };
}
pub struct Migration<S>(PhantomData<S>);
impl<S: StateMigrating> Migration<S> {
    pub const TABLE: &'static RawStateMigrate =
        &RawStateMigrate { struct_size: size_of::<RawStateMigrate>(), reserved: 0, migrate: migrate::<S> };
}

struct Sources<L>(PhantomData<L>);
impl<L: SourceLibrary> Sources<L> {
    const DESCRIPTOR: &'static RawDescriptor = &descriptor(L::Source::ID, L::Source::NAME, L::Source::VERSION);
    const FACTORY: &'static RawSourceFactory = &RawSourceFactory {
        struct_size: size_of::<RawSourceFactory>(), count: 1, descriptor: source_descriptor::<L>, create: create_source::<L>,
    };
    const PLUGIN: &'static RawPlugin = &plugin(source_factory::<L>);
}
struct Executors<E>(PhantomData<E>);
impl<E: Executor + 'static> Executors<E> {
    const DESCRIPTOR: &'static RawDescriptor = &descriptor(E::ID, E::NAME, E::VERSION);
    const FACTORY: &'static RawExecutorFactory = &RawExecutorFactory {
        struct_size: size_of::<RawExecutorFactory>(), count: 1, descriptor: executor_descriptor::<E>, create: create_executor::<E>,
    };
    const PLUGIN: &'static RawPlugin = &plugin(executor_factory::<E>);
}

const fn descriptor(id: &'static str, name: &'static str, version: &'static str) -> RawDescriptor {
    const fn slice(text: &'static str) -> Slice { Slice { ptr: text.as_ptr(), len: text.len() as u64 } }
    RawDescriptor { struct_size: size_of::<RawDescriptor>(), reserved: 0, id: slice(id), name: slice(name), version: slice(version) }
}

const fn plugin(get_factory: unsafe extern "C" fn(*const c_char) -> *const c_void) -> RawPlugin {
    RawPlugin { struct_size: size_of::<RawPlugin>(), magic: MAGIC, abi_major: MAJOR, abi_minor: MINOR, reserved: 0, get_factory }
}

unsafe fn is(id: *const c_char, wanted: &str) -> bool { !id.is_null() && CStr::from_ptr(id).to_bytes() == wanted.as_bytes() }

/// One instance behind its table. `plugin_data` points here, and the table is its first field.
#[repr(C)]
struct Instance<Table, Value> {
    table: Table,
    host: Host,
    broken: bool,
    value: Value,
}

unsafe fn of<'a, Table, Value>(table: *const Table) -> &'a mut Instance<Table, Value> {
    // The host runs one operation at a time, so nobody else holds the instance.
    &mut *(table as *mut Instance<Table, Value>)
}

fn new<Table, Value>(
    host: *const RawHost, id: *const Slice, config: *const Slice, wanted: &str, out: *mut *const Table,
    table: impl FnOnce() -> Table, value: impl FnOnce(&Config) -> Result<Value>,
) -> Status {
    let given = unsafe { Host::new(host) };
    answer(&given, &mut false, || {
        let id = unsafe { (*id).text() };
        if id != wanted { return Err(Failure::config("plugin.unknown_id", format!("The library has nothing of the id \"{}\".", id))); }
        let config = Config::parse(&unsafe { (*config).bytes() })?;
        let instance = Instance { table: table(), host: unsafe { Host::new(host) }, broken: false, value: value(&config)? };
        unsafe { *out = Box::into_raw(Box::new(instance)) as *const Table };
        Ok(OK)
    })
}

unsafe extern "C" fn destroy<Table, Value>(table: *const Table) {
    fence((), || drop(Box::from_raw(table as *mut Instance<Table, Value>)));
}

// A source.

pub fn source_entry<L: SourceLibrary>() -> *const Plugin { Sources::<L>::PLUGIN }

unsafe extern "C" fn source_factory<L: SourceLibrary>(id: *const c_char) -> *const c_void {
    if is(id, "sluice.source/1") { Sources::<L>::FACTORY as *const _ as *const c_void } else { std::ptr::null() }
}

unsafe extern "C" fn source_descriptor<L: SourceLibrary>(index: u32) -> *const RawDescriptor {
    if index == 0 { Sources::<L>::DESCRIPTOR } else { std::ptr::null() }
}

unsafe extern "C" fn create_source<L: SourceLibrary>(
    host: *const RawHost, id: *const Slice, config: *const Slice, out: *mut *const RawSource,
) -> Status {
    let table = || RawSource {
        struct_size: size_of::<RawSource>(), reserved: 0, plugin_data: std::ptr::null_mut(),
        destroy: destroy::<RawSource, L::Source>, get_extension: source_extension::<L>, check: check_source::<L::Source>,
        discover: discover::<L::Source>, pull: pull::<L::Source>,
    };
    new(host, id, config, L::Source::ID, out, table, L::Source::new)
}

unsafe extern "C" fn source_extension<L: SourceLibrary>(_: *const RawSource, id: *const c_char) -> *const c_void {
    match (L::WEBHOOK, L::STATE_MIGRATE) {
        (Some(table), _) if is(id, "sluice.webhook/1") => table as *const _ as *const c_void,
        (_, Some(table)) if is(id, "sluice.state-migrate/1") => table as *const _ as *const c_void,
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn check_source<S: Source>(table: *const RawSource) -> Status {
    let Instance { host, broken, value, .. } = of::<RawSource, S>(table);
    answer(host, broken, || value.check(host).map(|()| OK))
}

unsafe extern "C" fn discover<S: Source>(table: *const RawSource) -> Status {
    let Instance { host, broken, value, .. } = of::<RawSource, S>(table);
    answer(host, broken, || {
        let offers = value.discover(host)?.into_iter();
        let list = offers.map(|o| Json::Object(vec![("stream".into(), Json::Text(o.stream)), ("schema".into(), o.schema)]));
        host.set_result(&Json::List(list.collect()))?;
        Ok(OK)
    })
}

unsafe extern "C" fn pull<S: Source>(table: *const RawSource, pull: *const RawPull) -> Status {
    let Instance { host, broken, value, .. } = of::<RawSource, S>(table);
    answer(host, broken, || {
        let (raw, state) = (&*pull, (*pull).state.bytes());
        let state = if state.is_empty() { None } else { Some(state) };
        value.pull(&Pull { stream: raw.stream.text(), state, state_version: raw.state_version }, host).map(|()| OK)
    })
}

/// # Safety
/// Called by the host, with a table made here.
pub unsafe extern "C" fn receive<S: WebhookSource>(table: *const RawSource, delivery: *const RawDelivery) -> Status {
    let Instance { host, broken, value, .. } = of::<RawSource, S>(table);
    answer(host, broken, || {
        let raw = &*delivery;
        let delivery = Delivery {
            id: raw.id.text(), received_at_ms: raw.received_at_ms, method: raw.method.text(), path: raw.path.text(),
            query: raw.query.text(), headers: crate::http::pairs(raw.headers, raw.header_count), body: raw.body.bytes(),
        };
        value.receive(&delivery, host).map(|()| OK)
    })
}

/// # Safety
/// Called by the host, with a table made here.
pub unsafe extern "C" fn migrate<S: StateMigrating>(table: *const RawSource, old: *const RawOldState) -> Status {
    let Instance { host, broken, value, .. } = of::<RawSource, S>(table);
    answer(host, broken, || {
        let raw = &*old;
        let new = value.migrate(&StoredState { stream: raw.stream.text(), bytes: raw.state.bytes(), version: raw.state_version })?;
        host.checkpoint(&Checkpoint { stream: &new.stream, state: &new.bytes, state_version: new.version, watermark_ms: None })?;
        Ok(OK)
    })
}

// An executor.

pub fn executor_entry<E: Executor + 'static>() -> *const Plugin { Executors::<E>::PLUGIN }

unsafe extern "C" fn executor_factory<E: Executor + 'static>(id: *const c_char) -> *const c_void {
    if is(id, "sluice.executor/1") { Executors::<E>::FACTORY as *const _ as *const c_void } else { std::ptr::null() }
}

unsafe extern "C" fn executor_descriptor<E: Executor + 'static>(index: u32) -> *const RawDescriptor {
    if index == 0 { Executors::<E>::DESCRIPTOR } else { std::ptr::null() }
}

unsafe extern "C" fn create_executor<E: Executor + 'static>(
    host: *const RawHost, id: *const Slice, config: *const Slice, out: *mut *const RawExecutor,
) -> Status {
    let table = || RawExecutor {
        struct_size: size_of::<RawExecutor>(), reserved: 0, plugin_data: std::ptr::null_mut(), destroy: destroy::<RawExecutor, E>,
        get_extension: no_extension, check: check_executor::<E>, execute: execute::<E>, probe: probe::<E>, dry_run: dry_run::<E>,
    };
    new(host, id, config, E::ID, out, table, E::new)
}

unsafe extern "C" fn no_extension(_: *const RawExecutor, _: *const c_char) -> *const c_void { std::ptr::null() }

unsafe extern "C" fn check_executor<E: Executor>(table: *const RawExecutor) -> Status {
    let Instance { host, broken, value, .. } = of::<RawExecutor, E>(table);
    answer(host, broken, || value.check(host).map(|()| OK))
}

unsafe fn action(raw: &RawAction) -> Result<Action> {
    let input = raw.input.bytes();
    let input = if input.is_empty() { Json::Object(Vec::new()) } else {
        // The host gives canonical arguments; nothing was sent.
        Json::parse(&input).map_err(|e| Failure::permanent("plugin.bad_input", format!("The action's arguments are no JSON: {}.", e)))?
    };
    Ok(Action { name: raw.name.text(), input, key: raw.key.text() })
}

unsafe extern "C" fn execute<E: Executor>(table: *const RawExecutor, raw: *const RawAction) -> i32 {
    let Instance { host, broken, value, .. } = of::<RawExecutor, E>(table);
    answer(host, broken, || Ok(match value.execute(&action(&*raw)?, host)? {
        Outcome::Done(result) => {
            // It is done, whether or not the host takes the words for it.
            let _ = host.set_result(&result);
            1
        }
        Outcome::Rejected { code, message } => said(host, &code, &message, None, 2),
        Outcome::RetryAfter { ms, message } => said(host, "plugin.retry_after", &message, ms, 3),
        Outcome::Unknown { code, message } => said(host, &code, &message, None, 4),
    }))
}

unsafe extern "C" fn probe<E: Executor>(table: *const RawExecutor, raw: *const RawAction) -> i32 {
    let Instance { host, broken, value, .. } = of::<RawExecutor, E>(table);
    answer(host, broken, || Ok(match value.probe(&action(&*raw)?, host)? {
        ProbeAnswer::Done(result) => {
            let _ = host.set_result(&result);
            1
        }
        ProbeAnswer::Absent => 2,
        ProbeAnswer::CannotTell { message } => said(host, "plugin.cannot_tell", &message, None, 3),
    }))
}

unsafe extern "C" fn dry_run<E: Executor>(table: *const RawExecutor, raw: *const RawAction) -> i32 {
    let Instance { host, broken, value, .. } = of::<RawExecutor, E>(table);
    answer(host, broken, || Ok(match value.dry_run(&action(&*raw)?, host)? {
        DryRunAnswer::Would(result) => {
            host.set_result(&result)?;
            1
        }
        DryRunAnswer::Rejected { code, message } => said(host, &code, &message, None, 2),
        DryRunAnswer::Unsupported => E_UNSUPPORTED,
    }))
}

fn said(host: &Host, code: &str, message: &str, retry_after_ms: Option<i64>, outcome: i32) -> i32 {
    host.state(code, message, retry_after_ms);
    outcome
}
