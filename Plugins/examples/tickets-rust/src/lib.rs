//! Opens and closes issues at a help desk: permitted calls, each sent once.
//!
//! It decides nothing and keeps nothing. What an executor owes its host is the truth about its one write: done, refused, to be
//! tried later, or unknown. When in doubt it is unknown: the host then asks `probe`, and in the end a person.
use sluice::prelude::*;
use sluice::Reason;

const BODY_BYTES_MAX: usize = 1 << 20;

struct Tickets;

impl Executor for Tickets {
    const ID: &'static str = "tickets";
    const NAME: &'static str = "Tickets";
    const VERSION: &'static str = "1.0.0";

    fn new(config: &Config) -> Result<Tickets> {
        config.allow(&[])?;
        Ok(Tickets)
    }

    fn check(&mut self, host: &Host) -> Result<()> {
        host.fetch(&read("/v1/issues").query("limit", 1))?.success("tickets")?.json().map(|_| ())
    }

    /// Sends the write once. The host adds the permit's key, and the version that the issue must have.
    fn execute(&mut self, action: &Action, host: &Host) -> Result<Outcome> {
        let request = match write(action) {
            Some(request) => request,
            None => return Ok(Outcome::Rejected { code: "tickets.bad_arguments".into(), message: UNUSABLE.into() }),
        };
        match host.send_once(&request, BODY_BYTES_MAX) {
            Ok(answer) => outcome(answer),
            // Lost on its way there or back. Any other failure says that nothing was sent, and which class it is.
            Err(error) if matches!(error.reason, Reason::Transient | Reason::TooLarge) => {
                let message = "The desk did not answer; it may have been done.";
                Ok(Outcome::Unknown { code: "tickets.no_answer".into(), message: message.into() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks what became of an earlier write, by its key. Reads only.
    fn probe(&mut self, action: &Action, host: &Host) -> Result<ProbeAnswer> {
        let answer = host.send_once(&read(format!("/v1/keys/{}", sluice::segment(&action.key))), BODY_BYTES_MAX)?;
        if answer.status == 404 { return Ok(ProbeAnswer::Absent); }
        let known = answer.success("tickets")?.json().ok();
        Ok(match known.as_ref().and_then(|known| done(known.get("issue")?)) {
            Some(done) => ProbeAnswer::Done(done),
            None => ProbeAnswer::CannotTell { message: "The desk does not say what became of it.".into() },
        })
    }

    /// Says what `execute` would do: what an approver is shown before the answer.
    fn dry_run(&mut self, action: &Action, host: &Host) -> Result<DryRunAnswer> {
        let rejected = |code: &str, message: &str| Ok(DryRunAnswer::Rejected { code: code.into(), message: message.into() });
        let request = match write(action) {
            Some(request) => request,
            None => return rejected("tickets.bad_arguments", UNUSABLE),
        };
        if action.name == "open" { return Ok(DryRunAnswer::Would(object(&[("create", Json::Text("issue".into()))]))); }
        let answer = host.send_once(&read(request.path), BODY_BYTES_MAX)?;
        if answer.status == 404 { return rejected("tickets.not_found", "The desk has no such issue."); }
        let issue = answer.success("tickets")?.json().ok();
        let found = issue.as_ref().and_then(|i| Some((i.get("state")?.clone(), i.get("version")?.as_integer()?)));
        let (state, version) =
            found.ok_or_else(|| Failure::transient("tickets.odd_answer", "The desk's answer is no issue."))?;
        if action.input.get("expect_version").and_then(Json::as_integer).map_or(false, |wanted| wanted != version) {
            return rejected("tickets.version_mismatch", CHANGED);
        }
        let (field, after) = (Json::Text("state".into()), Json::Text("closed".into()));
        let change = object(&[("field", field), ("before", state), ("after", after)]);
        Ok(DryRunAnswer::Would(object(&[("fields", Json::List(vec![change]))])))
    }
}

const UNUSABLE: &str = "An argument is missing or unusable.";
const CHANGED: &str = "The issue has changed since.";

/// The one write of a call. The host has checked its arguments by the manifest's schema; none when they cannot be used all the
/// same. The body must be the argument as it came: the host lets nothing else out.
fn write(action: &Action) -> Option<Request> {
    let (method, path, body) = match action.name.as_str() {
        "open" => ("POST", "/v1/issues".into(), action.input.get("issue")?),
        _ => {
            let id = action.input.get("id")?.as_text()?;
            ("PATCH", format!("/v1/issues/{}", sluice::segment(id)), action.input.get("set")?)
        }
    };
    let request = Request::new(method, "tickets", path).slot("api").header("Content-Type", "application/json");
    Some(request.body(body.to_bytes()))
}

fn read(path: impl Into<String>) -> Request { Request::get("tickets", path).slot("api") }

/// What the desk's answer to a write means.
fn outcome(answer: Response) -> Result<Outcome> {
    let words = format!("The desk answered with status {}.", answer.status);
    Ok(match answer.status {
        401 => return Err(answer.success("tickets").err().unwrap_or_else(|| Failure::auth("tickets.unauthorized", words))),
        429 => Outcome::RetryAfter { ms: answer.retry_after_ms(), message: "The desk asked to slow down (429).".into() },
        412 => Outcome::Rejected { code: "tickets.version_mismatch".into(), message: CHANGED.into() },
        400..=407 | 409..=424 | 426..=499 => Outcome::Rejected { code: "tickets.refused".into(), message: words },
        status => match answer.json().ok().as_ref().and_then(done) {
            Some(done) if (200..=299).contains(&status) => Outcome::Done(done),
            // A yes that cannot be read, a redirect, a time-out, a fault: nobody knows how far the write came.
            _ => Outcome::Unknown { code: "tickets.unclear".into(), message: words },
        },
    })
}

/// What was done: the issue and its version. Until a source has read it again, the next call is checked against that version.
/// None when the desk's answer does not say so.
fn done(issue: &Json) -> Option<Json> {
    let (id, version) = (issue.get("id")?.as_text()?, issue.get("version")?.as_integer()?);
    Some(object(&[("id", Json::Text(id.into())), ("version", Json::Integer(version))]))
}

fn object(members: &[(&str, Json)]) -> Json {
    Json::Object(members.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
}

sluice::executor!(Tickets);
