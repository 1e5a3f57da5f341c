//! The host, as a plugin sees it: all that it can reach.

use crate::abi::*;
use crate::{HostError, Json, Reason};
use std::os::raw::{c_char, c_void};

pub(crate) type Answer<T> = std::result::Result<T, HostError>;

/// Calls block and are cancellable: once the operation is cancelled or past its deadline, every call that can fail fails
/// with [`Reason::Cancelled`]. What a call gives is copied, so nothing of it ends with the next one.
pub struct Host {
    table: *const RawHost,
}

/// One change of one object of one stream.
#[derive(Clone, Debug)]
pub struct Record {
    /// Identifies the object in its stream: 1 to 1024 bytes.
    pub key: String,
    /// The object is gone; the payload may be empty.
    pub is_delete: bool,
    /// One JSON value in UTF-8: the whole object.
    pub payload: Vec<u8>,
    /// When it happened at the source, in milliseconds since 1970.
    pub event_time_ms: Option<i64>,
    /// Orders versions of one key; 0 when the source has no such number.
    pub source_ordinal: u64,
    /// Opaque: an ETag, a revision; may be empty.
    pub source_version: String,
}

impl Record {
    /// A record that sets an object; the other fields are for whoever has them.
    pub fn upsert(key: impl Into<String>, payload: &Json, event_time_ms: Option<i64>) -> Record {
        let (key, payload) = (key.into(), payload.to_bytes());
        Record { key, is_delete: false, payload, event_time_ms, source_ordinal: 0, source_version: String::new() }
    }
}

/// A place in a stream from which a later pull continues.
pub struct Checkpoint<'a> {
    pub stream: &'a str,
    /// Opaque to the host.
    pub state: &'a [u8],
    /// The plugin's own version of the format of `state`.
    pub state_version: u32,
    /// The stream is complete up to this business time, in milliseconds since 1970; none when nothing is claimed.
    pub watermark_ms: Option<i64>,
}

#[derive(Clone, Copy)]
pub enum Level {
    Debug = 1,
    Info = 2,
    Warning = 3,
    Error = 4,
}

#[derive(Clone, Copy)]
pub enum Clock {
    /// Milliseconds since 1970; may jump.
    Wall = 1,
    /// Milliseconds since an arbitrary start; never goes back.
    Monotonic = 2,
}

/// What the upstream said about its own limits.
pub struct RateHint<'a> {
    pub endpoint: &'a str,
    pub limit: Option<i64>,
    pub remaining: Option<i64>,
    pub reset_at_ms: Option<i64>,
}

impl Host {
    /// # Safety
    /// `table` is a host table that lives as long as what is made here.
    pub(crate) unsafe fn new(table: *const RawHost) -> Host { Host { table } }

    pub(crate) fn raw(&self) -> (&RawHost, *const RawHost) {
        // The host promises that its table lives until destroy() returns.
        (unsafe { &*self.table }, self.table)
    }

    /// Hands records of one stream to the host, in order. Waits for credit; never drops.
    pub fn emit(&self, stream: &str, records: &[Record]) -> Answer<()> {
        let raw: Vec<RawRecord> = records.iter().map(|r| RawRecord {
            struct_size: size_of::<RawRecord>(),
            op: if r.is_delete { 2 } else { 1 },
            event_time_ms: r.event_time_ms.unwrap_or(TIME_NONE),
            source_ordinal: r.source_ordinal,
            key: Slice::of(r.key.as_bytes()),
            source_version: Slice::of(r.source_version.as_bytes()),
            payload: Slice::of(&r.payload),
        }).collect();
        let (host, table) = self.raw();
        let (stream, mut accepted) = (Slice::of(stream.as_bytes()), 0);
        let status = unsafe { (host.emit)(table, &stream, raw.as_ptr(), raw.len() as u64, &mut accepted) };
        check("emit", status).map_err(|e| HostError { accepted, ..e })
    }

    /// Orders a checkpoint after every record emitted before it.
    pub fn checkpoint(&self, checkpoint: &Checkpoint<'_>) -> Answer<()> {
        let raw = RawCheckpoint {
            struct_size: size_of::<RawCheckpoint>(),
            state_version: checkpoint.state_version,
            watermark_ms: checkpoint.watermark_ms.unwrap_or(TIME_NONE),
            stream: Slice::of(checkpoint.stream.as_bytes()),
            state: Slice::of(checkpoint.state),
        };
        let (host, table) = self.raw();
        check("checkpoint", unsafe { (host.checkpoint)(table, &raw) })
    }

    /// Waits until every record and checkpoint so far is durable. Only then make the upstream forget them.
    pub fn wait_durable(&self) -> Answer<()> {
        let (host, table) = self.raw();
        check("wait_durable", unsafe { (host.wait_durable)(table) })
    }

    /// Writes one structured line. `code` is stable and dotted, `message` one sentence. A line that cannot be written stops
    /// nothing.
    pub fn log(&self, level: Level, code: &str, message: &str, fields: &[(&str, &str)]) {
        let pairs: Vec<Pair> =
            fields.iter().map(|f| Pair { name: Slice::of(f.0.as_bytes()), value: Slice::of(f.1.as_bytes()) }).collect();
        let (host, table) = self.raw();
        let (code, message) = (Slice::of(code.as_bytes()), Slice::of(message.as_bytes()));
        unsafe { (host.log)(table, level as u32, &code, &message, pairs.as_ptr(), pairs.len() as u32) };
    }

    /// Milliseconds of a clock. Use no other: time that did not come from here cannot be replayed.
    pub fn now(&self, clock: Clock) -> Answer<i64> {
        let (host, table) = self.raw();
        let mut ms = 0;
        check("clock_now", unsafe { (host.clock_now)(table, clock as u32, &mut ms) }).map(|()| ms)
    }

    /// Random bytes. Use no other source: they could not be replayed.
    pub fn random(&self, count: usize) -> Answer<Vec<u8>> {
        let (host, table) = self.raw();
        let mut bytes = vec![0u8; count];
        check("random", unsafe { (host.random)(table, bytes.as_mut_ptr() as *mut c_void, count as u64) }).map(|()| bytes)
    }

    /// Whether the operation is cancelled or past its deadline. Cheap; ask in long loops.
    pub fn is_cancelled(&self) -> bool {
        let (host, table) = self.raw();
        unsafe { (host.cancel_requested)(table) != 0 }
    }

    /// Milliseconds left before the deadline; none when there is none.
    pub fn time_left_ms(&self) -> Option<i64> {
        let (host, table) = self.raw();
        let left = unsafe { (host.deadline)(table) };
        if left == i64::MAX { None } else { Some(left) }
    }

    /// Tells the host's throttle what the upstream said about its limits. Only lowers the rate.
    pub fn hint(&self, hint: &RateHint<'_>) -> Answer<()> {
        let rates: &RawRateHint = unsafe { self.extension("sluice.rate-hint/1\0")? };
        let raw = RawRate {
            struct_size: size_of::<RawRate>(),
            reserved: 0,
            endpoint: Slice::of(hint.endpoint.as_bytes()),
            limit: hint.limit.unwrap_or(-1),
            remaining: hint.remaining.unwrap_or(-1),
            reset_at_ms: hint.reset_at_ms.unwrap_or(TIME_NONE),
        };
        check("rate_hint", unsafe { (rates.rate_hint)(self.table, &raw) })
    }

    /// # Safety
    /// `T` is the table of the extension `id`, which ends with a NUL.
    pub(crate) unsafe fn extension<T>(&self, id: &'static str) -> Answer<&T> {
        let (host, table) = self.raw();
        let found = (host.get_extension)(table, id.as_ptr() as *const c_char) as *const T;
        found.as_ref().ok_or(HostError { call: id.trim_end_matches('\0'), reason: Reason::NotGranted, accepted: 0 })
    }

    pub(crate) fn state(&self, code: &str, message: &str, retry_after_ms: Option<i64>) {
        let error = RawError {
            struct_size: size_of::<RawError>(),
            reserved: 0,
            retry_after_ms: retry_after_ms.unwrap_or(-1),
            code: Slice::of(code.as_bytes()),
            message: Slice::of(message.as_bytes()),
        };
        let (host, table) = self.raw();
        unsafe { (host.set_error)(table, &error) };
    }

    pub(crate) fn set_result(&self, json: &Json) -> Answer<()> {
        let bytes = json.to_bytes();
        let (host, table) = self.raw();
        check("set_result", unsafe { (host.set_result)(table, &Slice::of(&bytes)) })
    }
}

pub(crate) fn check(call: &'static str, status: Status) -> Answer<()> {
    let reason = match status {
        OK => return Ok(()),
        E_CANCELLED => Reason::Cancelled,
        E_DENIED => Reason::Denied,
        E_TOO_LARGE => Reason::TooLarge,
        E_INVALID => Reason::Invalid,
        E_STATE => Reason::WrongState,
        E_AUTH => Reason::Auth,
        E_RATE_LIMITED => Reason::RateLimited,
        E_TRANSIENT => Reason::Transient,
        E_PERMANENT => Reason::Permanent,
        other => Reason::Unexpected(other),
    };
    Err(HostError { call, reason, accepted: 0 })
}
