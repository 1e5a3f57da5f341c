//! What an executor is.

use crate::{Config, Host, Json, Result};

/// Performs permitted actions in an outside system, and is honest about what it does not know.
pub trait Executor: Sized {
    const ID: &'static str;
    const NAME: &'static str;
    const VERSION: &'static str;

    /// Makes the executor from the instance's configuration. No requests may be made yet.
    fn new(config: &Config) -> Result<Self>;

    /// Checks configuration and credential with as few requests as possible.
    fn check(&mut self, host: &Host) -> Result<()>;

    /// Performs the action once. Fail only when nothing was sent; a request that was sent and not answered is
    /// [`Outcome::Unknown`].
    fn execute(&mut self, action: &Action, host: &Host) -> Result<Outcome>;

    /// Finds out whether an earlier `execute` with `action.key` took effect. Reads only.
    fn probe(&mut self, action: &Action, host: &Host) -> Result<ProbeAnswer>;

    /// Says what `execute` would do, and changes nothing.
    fn dry_run(&mut self, _action: &Action, _host: &Host) -> Result<DryRunAnswer> { Ok(DryRunAnswer::Unsupported) }
}

/// One permitted call.
pub struct Action {
    /// An action of the manifest.
    pub name: String,
    /// Its arguments, valid by the manifest's schema.
    pub input: Json,
    /// The idempotency key: the same for every try of the same permit.
    pub key: String,
}

/// What became of an action. A message is one sentence.
pub enum Outcome {
    /// It is so; the JSON describes what was done.
    Done(Json),
    /// The upstream refused; nothing changed.
    Rejected { code: String, message: String },
    /// Nothing changed; try again after so many milliseconds, if anybody said how many.
    RetryAfter { ms: Option<i64>, message: String },
    /// It may or may not be so: the host will probe, then ask a person.
    Unknown { code: String, message: String },
}

/// What a probe found.
pub enum ProbeAnswer {
    Done(Json),
    Absent,
    CannotTell { message: String },
}

/// What an action would do.
pub enum DryRunAnswer {
    Would(Json),
    Rejected { code: String, message: String },
    Unsupported,
}
