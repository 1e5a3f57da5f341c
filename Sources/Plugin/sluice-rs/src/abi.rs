//! The headers in `sluice/`, field by field. `Tests/PluginTests/rust_tests.py` compares the sizes with docs/abi-1.0.txt.
#![allow(dead_code)]

use std::os::raw::{c_char, c_void};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    pub ptr: *const u8,
    pub len: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pair {
    pub name: Slice,
    pub value: Slice,
}

pub type Status = i32;
pub const OK: Status = 0;
pub const E_CONFIG: Status = -1;
pub const E_AUTH: Status = -2;
pub const E_RATE_LIMITED: Status = -3;
pub const E_TRANSIENT: Status = -4;
pub const E_PERMANENT: Status = -5;
pub const E_BUG: Status = -6;
pub const E_CANCELLED: Status = -16;
pub const E_DENIED: Status = -17;
pub const E_TOO_LARGE: Status = -18;
pub const E_INVALID: Status = -19;
pub const E_STATE: Status = -20;
pub const E_UNSUPPORTED: Status = -21;
pub const TIME_NONE: i64 = i64::MIN;
pub const MAGIC: u32 = 0x3143_4C53;
pub const MAJOR: u16 = 1;
pub const MINOR: u16 = 0;

#[repr(C)]
pub struct RawRecord {
    pub struct_size: u32,
    pub op: u32,
    pub event_time_ms: i64,
    pub source_ordinal: u64,
    pub key: Slice,
    pub source_version: Slice,
    pub payload: Slice,
}

#[repr(C)]
pub struct RawCheckpoint {
    pub struct_size: u32,
    pub state_version: u32,
    pub watermark_ms: i64,
    pub stream: Slice,
    pub state: Slice,
}

#[repr(C)]
pub struct RawError {
    pub struct_size: u32,
    pub reserved: u32,
    pub retry_after_ms: i64,
    pub code: Slice,
    pub message: Slice,
}

#[repr(C)]
pub struct RawHost {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub host_data: *mut c_void,
    pub get_extension: unsafe extern "C" fn(*const RawHost, *const c_char) -> *const c_void,
    pub emit: unsafe extern "C" fn(*const RawHost, *const Slice, *const RawRecord, u64, *mut u64) -> Status,
    pub checkpoint: unsafe extern "C" fn(*const RawHost, *const RawCheckpoint) -> Status,
    pub wait_durable: unsafe extern "C" fn(*const RawHost) -> Status,
    pub log: unsafe extern "C" fn(*const RawHost, u32, *const Slice, *const Slice, *const Pair, u32) -> Status,
    pub clock_now: unsafe extern "C" fn(*const RawHost, u32, *mut i64) -> Status,
    pub random: unsafe extern "C" fn(*const RawHost, *mut c_void, u64) -> Status,
    pub cancel_requested: unsafe extern "C" fn(*const RawHost) -> u32,
    pub deadline: unsafe extern "C" fn(*const RawHost) -> i64,
    pub set_error: unsafe extern "C" fn(*const RawHost, *const RawError) -> Status,
    pub set_result: unsafe extern "C" fn(*const RawHost, *const Slice) -> Status,
}

#[repr(C)]
pub struct RawPull {
    pub struct_size: u32,
    pub state_version: u32,
    pub stream: Slice,
    pub state: Slice,
}

#[repr(C)]
pub struct RawSource {
    pub struct_size: u32,
    pub reserved: u32,
    pub plugin_data: *mut c_void,
    pub destroy: unsafe extern "C" fn(*const RawSource),
    pub get_extension: unsafe extern "C" fn(*const RawSource, *const c_char) -> *const c_void,
    pub check: unsafe extern "C" fn(*const RawSource) -> Status,
    pub discover: unsafe extern "C" fn(*const RawSource) -> Status,
    pub pull: unsafe extern "C" fn(*const RawSource, *const RawPull) -> Status,
}

#[repr(C)]
pub struct RawAction {
    pub struct_size: u32,
    pub reserved: u32,
    pub name: Slice,
    pub input: Slice,
    pub key: Slice,
}

#[repr(C)]
pub struct RawExecutor {
    pub struct_size: u32,
    pub reserved: u32,
    pub plugin_data: *mut c_void,
    pub destroy: unsafe extern "C" fn(*const RawExecutor),
    pub get_extension: unsafe extern "C" fn(*const RawExecutor, *const c_char) -> *const c_void,
    pub check: unsafe extern "C" fn(*const RawExecutor) -> Status,
    pub execute: unsafe extern "C" fn(*const RawExecutor, *const RawAction) -> i32,
    pub probe: unsafe extern "C" fn(*const RawExecutor, *const RawAction) -> i32,
    pub dry_run: unsafe extern "C" fn(*const RawExecutor, *const RawAction) -> i32,
}

#[repr(C)]
pub struct RawDescriptor {
    pub struct_size: u32,
    pub reserved: u32,
    pub id: Slice,
    pub name: Slice,
    pub version: Slice,
}

#[repr(C)]
pub struct RawSourceFactory {
    pub struct_size: u32,
    pub count: u32,
    pub descriptor: unsafe extern "C" fn(u32) -> *const RawDescriptor,
    pub create: unsafe extern "C" fn(*const RawHost, *const Slice, *const Slice, *mut *const RawSource) -> Status,
}

#[repr(C)]
pub struct RawExecutorFactory {
    pub struct_size: u32,
    pub count: u32,
    pub descriptor: unsafe extern "C" fn(u32) -> *const RawDescriptor,
    pub create: unsafe extern "C" fn(*const RawHost, *const Slice, *const Slice, *mut *const RawExecutor) -> Status,
}

#[repr(C)]
pub struct RawPlugin {
    pub struct_size: u32,
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub reserved: u32,
    pub get_factory: unsafe extern "C" fn(*const c_char) -> *const c_void,
}

#[repr(C)]
pub struct RawHttpRequest {
    pub struct_size: u32,
    pub header_count: u32,
    pub endpoint: Slice,
    pub method: Slice,
    pub path: Slice,
    pub query: Slice,
    pub slot: Slice,
    pub idempotency_key: Slice,
    pub body: Slice,
    pub headers: *const Pair,
}

#[repr(C)]
pub struct RawHttpResponse {
    pub struct_size: u32,
    pub handle: u32,
    pub status: u32,
    pub throttled_ms: u32,
    pub header_count: u32,
    pub reserved: u32,
    pub headers: *const Pair,
    pub body: Slice,
}

#[repr(C)]
pub struct RawHttp {
    pub struct_size: u32,
    pub reserved: u32,
    pub http_open: unsafe extern "C" fn(*const RawHost, *const RawHttpRequest, *mut RawHttpResponse) -> Status,
    pub http_read: unsafe extern "C" fn(*const RawHost, u32, u32, *mut Slice) -> Status,
    pub http_close: unsafe extern "C" fn(*const RawHost, u32) -> Status,
    pub http_send: unsafe extern "C" fn(*const RawHost, *const RawHttpRequest, *mut RawHttpResponse) -> Status,
}

#[repr(C)]
pub struct RawRate {
    pub struct_size: u32,
    pub reserved: u32,
    pub endpoint: Slice,
    pub limit: i64,
    pub remaining: i64,
    pub reset_at_ms: i64,
}

#[repr(C)]
pub struct RawRateHint {
    pub struct_size: u32,
    pub reserved: u32,
    pub rate_hint: unsafe extern "C" fn(*const RawHost, *const RawRate) -> Status,
}

#[repr(C)]
pub struct RawDelivery {
    pub struct_size: u32,
    pub header_count: u32,
    pub received_at_ms: i64,
    pub id: Slice,
    pub method: Slice,
    pub path: Slice,
    pub query: Slice,
    pub body: Slice,
    pub headers: *const Pair,
}

#[repr(C)]
pub struct RawWebhook {
    pub struct_size: u32,
    pub reserved: u32,
    pub receive: unsafe extern "C" fn(*const RawSource, *const RawDelivery) -> Status,
}

#[repr(C)]
pub struct RawOldState {
    pub struct_size: u32,
    pub state_version: u32,
    pub stream: Slice,
    pub state: Slice,
}

#[repr(C)]
pub struct RawStateMigrate {
    pub struct_size: u32,
    pub reserved: u32,
    pub migrate: unsafe extern "C" fn(*const RawSource, *const RawOldState) -> Status,
}

/// The description of the ELF note: owner, type, magic, major, minor.
#[repr(C, align(4))]
pub struct RawNote(pub [u8; 28]);

// The frozen sizes; a wrong field fails to compile.
macro_rules! sizes {
    ($($type:ty = $size:expr,)*) => { $(const _: [(); $size] = [(); std::mem::size_of::<$type>()];)* };
}
sizes! {
    Slice = 16, Pair = 32, RawRecord = 72, RawCheckpoint = 48, RawError = 48, RawHost = 104, RawPull = 40, RawSource = 56,
    RawAction = 56, RawExecutor = 64, RawDescriptor = 56, RawSourceFactory = 24, RawExecutorFactory = 24, RawPlugin = 24,
    RawHttpRequest = 128, RawHttpResponse = 48, RawHttp = 40, RawRate = 48, RawRateHint = 16, RawDelivery = 104,
    RawWebhook = 16, RawOldState = 40, RawStateMigrate = 16, RawNote = 28,
}

/// `sizeof` of a struct of the border.
pub const fn size_of<T>() -> u32 { std::mem::size_of::<T>() as u32 }

impl Slice {
    pub const NONE: Slice = Slice { ptr: std::ptr::null(), len: 0 };

    pub fn of(bytes: &[u8]) -> Slice { Slice { ptr: bytes.as_ptr(), len: bytes.len() as u64 } }

    /// Copies what the host lends.
    ///
    /// # Safety
    /// The slice lives.
    pub unsafe fn bytes(&self) -> Vec<u8> {
        if self.len == 0 || self.ptr.is_null() { Vec::new() } else { std::slice::from_raw_parts(self.ptr, self.len as usize).to_vec() }
    }

    /// # Safety
    /// The slice lives. The host's texts are UTF-8; what is not is repaired.
    pub unsafe fn text(&self) -> String { String::from_utf8_lossy(&self.bytes()).into_owned() }
}
