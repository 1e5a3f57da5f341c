//! Why an operation failed, as the host acts on it.

use crate::json::JsonError;

pub type Result<T> = std::result::Result<T, Failure>;

/// The ABI's error classes: what the host does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The configuration cannot work: the instance pauses until an operator changes it.
    Config,
    /// The upstream refused the credential: an operator sets a new one.
    Auth,
    /// The upstream asked to slow down, for so many milliseconds if it said so.
    RateLimited(Option<i64>),
    /// It may work later: the host retries from the last durable checkpoint.
    Transient,
    /// It will not work however often it is tried: a person is asked.
    Permanent,
    /// The plugin is wrong.
    Bug,
    /// The operation is cancelled or past its deadline; nothing is wrong.
    Cancelled,
}

/// Return it from any operation. Never put a secret or personal data into the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    /// Stable and dotted, such as `crm.cursor_expired`. Empty: the host has stated it better.
    pub code: String,
    /// One sentence: what happened and what to do.
    pub message: String,
}

impl Failure {
    pub fn new(class: Class, code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure { class, code: code.into(), message: message.into() }
    }
    /// The configuration cannot work.
    pub fn config(code: impl Into<String>, message: impl Into<String>) -> Failure { Failure::new(Class::Config, code, message) }
    /// The upstream refused the credential.
    pub fn auth(code: impl Into<String>, message: impl Into<String>) -> Failure { Failure::new(Class::Auth, code, message) }
    /// It may work later.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Failure { Failure::new(Class::Transient, code, message) }
    /// It will not work however often it is tried.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Failure { Failure::new(Class::Permanent, code, message) }
}

/// Why the host refused or could not complete a call. `?` makes the right [`Failure`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// The call, such as `emit` or `http_open`.
    pub call: &'static str,
    pub reason: Reason,
    /// For `emit`: how many records before the refused one were taken.
    pub accepted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The operation is cancelled or past its deadline: return soon.
    Cancelled,
    /// The manifest does not declare it, or this operation may not do it.
    Denied,
    /// The manifest does not grant the extension.
    NotGranted,
    /// A limit is exceeded; nothing of it was taken.
    TooLarge,
    /// An argument is malformed.
    Invalid,
    /// Not allowed in this operation.
    WrongState,
    /// The slot has no usable credential.
    Auth,
    /// The host's own throttle gave up waiting.
    RateLimited,
    /// No connection, a reset, or a time-out: of a request that may have been sent.
    Transient,
    /// TLS or the address was refused.
    Permanent,
    /// An answer that this version does not know.
    Unexpected(i32),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Failure {
        let stated = |class| Failure::new(class, "", "");
        match error.reason {
            Reason::Cancelled => stated(Class::Cancelled),
            Reason::Auth => stated(Class::Auth),
            Reason::RateLimited => stated(Class::RateLimited(None)),
            Reason::Transient => stated(Class::Transient),
            Reason::Permanent | Reason::Denied => stated(Class::Permanent),
            Reason::NotGranted => Failure::permanent("plugin.not_granted", format!("The manifest does not grant {}.", error.call)),
            Reason::TooLarge => Failure::permanent(
                "plugin.too_large",
                format!("What {} was given or should have brought exceeds a limit.", error.call),
            ),
            reason => Failure::new(Class::Bug, "plugin.host_call", format!("{} was not possible: {:?}.", error.call, reason)),
        }
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Failure {
        Failure::transient("plugin.unreadable", format!("The upstream sent what is no JSON: {}.", error))
    }
}
