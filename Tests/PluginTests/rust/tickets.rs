//! An executor that answers what its input asks for, {"say": WORD}, for tests; c/tickets.c is the same.
use sluice::prelude::*;

struct Tickets;

fn word(action: &Action) -> &str { action.input.get("say").and_then(Json::as_text).unwrap_or("") }

fn done(action: &Action) -> Json {
    Json::Object(vec![("id".into(), Json::Text(action.key.clone())), ("version".into(), Json::Integer(3))])
}

impl Executor for Tickets {
    const ID: &'static str = "tickets";
    const NAME: &'static str = "Tickets";
    const VERSION: &'static str = "1.0.0";

    fn new(_: &Config) -> Result<Tickets> { Ok(Tickets) }
    fn check(&mut self, _: &Host) -> Result<()> { Ok(()) }

    fn execute(&mut self, action: &Action, _: &Host) -> Result<Outcome> {
        Ok(match word(action) {
            "done" => Outcome::Done(done(action)),
            "rejected" => Outcome::Rejected { code: "tickets.refused".into(), message: "The desk is closed.".into() },
            "later" => Outcome::RetryAfter { ms: Some(5000), message: "The desk is full.".into() },
            "unknown" => Outcome::Unknown { code: "tickets.lost".into(), message: "The answer was lost.".into() },
            "panic" => panic!("as it was told"),
            _ => return Err(Failure::transient("tickets.fault", "Nothing was sent.")),
        })
    }

    fn probe(&mut self, action: &Action, _: &Host) -> Result<ProbeAnswer> {
        Ok(match word(action) {
            "done" => ProbeAnswer::Done(done(action)),
            "absent" => ProbeAnswer::Absent,
            _ => ProbeAnswer::CannotTell { message: "The desk has no list.".into() },
        })
    }

    fn dry_run(&mut self, action: &Action, _: &Host) -> Result<DryRunAnswer> {
        Ok(match word(action) {
            "done" => DryRunAnswer::Would(done(action)),
            "rejected" => DryRunAnswer::Rejected { code: "tickets.refused".into(), message: "The desk is closed.".into() },
            _ => DryRunAnswer::Unsupported,
        })
    }
}

sluice::executor!(Tickets);
