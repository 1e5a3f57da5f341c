//! Requests to endpoints of the manifest. The host adds the credential; a plugin never sees one.

use crate::abi::*;
use crate::host::{check, Answer};
use crate::{Class, Failure, Host, HostError, Json, Reason, Result};

/// A body is read up to this size unless told otherwise.
const BODY_BYTES_MAX: usize = 32 << 20;
const ATTEMPTS_MAX: u32 = 3;

/// `Request::get("tides", "/v1/readings")` and what else it needs.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A name of the manifest, not an address.
    pub endpoint: String,
    pub method: String,
    /// Starts with "/"; matched against the manifest's templates. See [`segment`].
    pub path: String,
    /// Without "?"; percent-encoded.
    pub query: String,
    /// The credential slot; empty for none.
    pub slot: String,
    /// `accept`, `content-type` and what the manifest declares.
    pub headers: Vec<(String, String)>,
    /// At most 768 KiB.
    pub body: Vec<u8>,
    /// Empty, or in a write the action's key.
    pub idempotency_key: String,
}

impl Request {
    pub fn new(method: &str, endpoint: &str, path: impl Into<String>) -> Request {
        Request { method: method.into(), endpoint: endpoint.into(), path: path.into(), ..Request::default() }
    }
    pub fn get(endpoint: &str, path: impl Into<String>) -> Request { Request::new("GET", endpoint, path) }
    pub fn slot(mut self, slot: &str) -> Request {
        self.slot = slot.into();
        self
    }
    /// Adds one name and value, both encoded here.
    pub fn query(mut self, name: &str, value: impl ToString) -> Request {
        if !self.query.is_empty() { self.query.push('&'); }
        self.query += &format!("{}={}", encoded(name), encoded(&value.to_string()));
        self
    }
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn body(mut self, body: Vec<u8>) -> Request {
        self.body = body;
        self
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters: a name or a value of a query.
pub fn encoded(text: &str) -> String { encoded_but(text, b"") }

/// One segment of a path, in the one spelling that the host takes: what may stand there plainly does, all else is encoded. The
/// host refuses a segment of "/", "\", "%" or a control character, and one that says nothing but dots and spaces.
pub fn segment(text: &str) -> String { encoded_but(text, b":@!$'()*+,=") }

fn encoded_but(text: &str, also_plain: &[u8]) -> String {
    text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
        byte if also_plain.contains(&byte) => (byte as char).to_string(),
        byte => format!("%{:02X}", byte),
    }).collect()
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// 100 to 599.
    pub status: u32,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> { self.headers.iter().find(|h| h.0 == name).map(|h| h.1.as_str()) }

    /// How long the upstream asked to wait. Only `Retry-After` in seconds is read, not as a date.
    pub fn retry_after_ms(&self) -> Option<i64> {
        let seconds: i64 = self.header("retry-after")?.parse().ok()?;
        if (0..=86_400).contains(&seconds) { Some(seconds * 1000) } else { None }
    }

    /// The response itself when its status is a success; else what the status means to the host, with a code that begins
    /// with `system`.
    pub fn success(self, system: &str) -> Result<Response> {
        let status = self.status;
        let (class, code, message) = match status {
            200..=299 => return Ok(self),
            401 | 403 => (Class::Auth, "unauthorized", format!("The upstream refused the credential with status {}; set a new one.", status)),
            404 => (Class::Config, "not_found", "The upstream has no such address (404); check the endpoint's base address.".into()),
            429 => (Class::RateLimited(self.retry_after_ms()), "rate_limited", "The upstream asked to slow down (429), again and again.".into()),
            408 | 425 | 500..=599 => {
                (Class::Transient, "unavailable", format!("The upstream answered with status {}; it is tried again later.", status))
            }
            _ => (Class::Permanent, "unexpected_status", format!("The upstream answered with status {}, which it should not.", status)),
        };
        Err(Failure::new(class, format!("{}.{}", system, code), message))
    }

    /// The body, read as JSON.
    pub fn json(&self) -> Result<Json> { Ok(Json::parse(&self.body)?) }
}

impl Host {
    /// Sends a request that may be repeated, and reads the whole response in bounded windows. A 429 is repeated at once, three
    /// times at most: the host holds the next request back for as long as the upstream asked.
    pub fn fetch(&self, request: &Request) -> Answer<Response> {
        let mut response = self.send_once(request, BODY_BYTES_MAX)?;
        for _ in 1..ATTEMPTS_MAX {
            if response.status != 429 { break; }
            response = self.send_once(request, BODY_BYTES_MAX)?;
        }
        Ok(response)
    }

    /// Sends a request once, and reads the whole response of at most `bytes_max`.
    pub fn send_once(&self, request: &Request, bytes_max: usize) -> Answer<Response> {
        let http: &RawHttp = unsafe { self.extension("sluice.http/1\0")? };
        let table = self.raw().1;
        let mut response = self.open(http, request)?;
        let opened = Opened { http, table, handle: response.1 };
        loop {
            let mut part = Slice::NONE;
            check("http_read", unsafe { (http.http_read)(table, opened.handle, 0, &mut part) })?;
            if part.len == 0 { return Ok(response.0); }
            if part.len as usize > bytes_max - response.0.body.len() {
                return Err(HostError { call: "http_read", reason: Reason::TooLarge, accepted: 0 });
            }
            response.0.body.extend_from_slice(&unsafe { part.bytes() });
        }
    }

    fn open(&self, http: &RawHttp, request: &Request) -> Answer<(Response, u32)> {
        let headers: Vec<Pair> =
            request.headers.iter().map(|h| Pair { name: Slice::of(h.0.as_bytes()), value: Slice::of(h.1.as_bytes()) }).collect();
        let raw = RawHttpRequest {
            struct_size: size_of::<RawHttpRequest>(),
            header_count: headers.len() as u32,
            endpoint: Slice::of(request.endpoint.as_bytes()),
            method: Slice::of(request.method.as_bytes()),
            path: Slice::of(request.path.as_bytes()),
            query: Slice::of(request.query.as_bytes()),
            slot: Slice::of(request.slot.as_bytes()),
            idempotency_key: Slice::of(request.idempotency_key.as_bytes()),
            body: Slice::of(&request.body),
            headers: headers.as_ptr(),
        };
        let mut response = RawHttpResponse {
            struct_size: size_of::<RawHttpResponse>(), handle: 0, status: 0, throttled_ms: 0, header_count: 0, reserved: 0,
            headers: std::ptr::null(), body: Slice::NONE,
        };
        check("http_open", unsafe { (http.http_open)(self.raw().1, &raw, &mut response) })?;
        let headers = unsafe { pairs(response.headers, response.header_count) };
        Ok((Response { status: response.status, headers, body: Vec::new() }, response.handle))
    }
}

/// # Safety
/// The host's list lives.
pub(crate) unsafe fn pairs(list: *const Pair, count: u32) -> Vec<(String, String)> {
    (0..count as usize).map(|i| &*list.add(i)).map(|p| (p.name.text(), p.value.text())).collect()
}

/// Ends the response whichever way reading ends.
struct Opened<'a> {
    http: &'a RawHttp,
    table: *const RawHost,
    handle: u32,
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        // An unknown handle is the only answer, and nothing is left to do about it.
        unsafe { (self.http.http_close)(self.table, self.handle) };
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
