import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

// The groups of commands that only pass words on: each names its command of the host and its arguments.

struct SignalGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "signal", abstract: "What changed.", subcommands: [List.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the newest signals.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Rows at most.") var limit = 50
    func run() async throws { try await everywhere.ask("signal.list", ["limit": .integer(Int64(limit))]) }
  }
}

struct AccountGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "account", abstract: "What is believed of accounts.", subcommands: [Show.self])

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is believed of an account, now or as of then.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    @Option(help: "What held then: a day, YYYY-MM-DD, or a moment of one, YYYY-MM-DDTHH:MM:SSZ.") var asOf: String?
    @Option(help: "As far as it was known then: a day (to its end) or a moment.") var knownAt: String?
    func run() async throws {
      let words: [String: JSONValue?] = [
        "name": .string(name), "tenant": .string(everywhere.tenant), "as_of": asOf.map { .string($0) },
        "known_at": knownAt.map { .string($0) },
      ]
      let answer = try await everywhere.answer("account.show", .object(words.compactMapValues(\.self)))
      print(everywhere.json ? Printer.text(answer, asJSON: true) : AccountPage(answer).text, terminator: "")
    }
  }
}

struct ToolGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tool", abstract: "What decisions may ask for.", subcommands: [List.self, Call.self, DryRun.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the tools that decisions may ask for.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("tool.list") }
  }

  struct Call: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ask one of the platform's own reads; it changes nothing, and stands in the host's log.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "As `tool list` shows it, such as world.deal.") var name: String
    @OptionGroup var given: Arguments
    func run() async throws {
      try await everywhere.ask("tool.call", ["name": .string(name), "arguments": try given.object])
    }
  }

  struct DryRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "dry-run", abstract: "Ask a tool's executor what a call would do; nothing is changed.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "As `tool list` shows it, such as crm.close_lost.") var name: String
    @OptionGroup var given: Arguments
    func run() async throws {
      let answer = try await everywhere.ask("tool.dry_run", ["name": .string(name), "arguments": try given.object])
      if answer["answer"] == "failed" { throw ExitCode.failure }
    }
  }

  struct Arguments: ParsableArguments {
    @Option(help: "Its arguments as a JSON object.") var arguments = "{}"
    func validate() throws { _ = try object }
    var object: JSONValue {
      get throws {
        guard let given = try? JSONValue(parsing: Array(arguments.utf8)), given.object != nil else {
          throw ValidationError("--arguments is no JSON object.")
        }
        return given
      }
    }
  }
}

struct DecisionGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decision", abstract: "Proposals and how good they were.",
    subcommands: [List.self, Show.self, Score.self, Replay.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List proposals, the newest last.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Rows at most.") var limit = 50
    @Option(help: "Only in this state.") var state: String?
    func run() async throws {
      try await everywhere.ask("decision.list", ["limit": .integer(Int64(limit)), "state": state.map { .string($0) }])
    }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one proposal whole.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("decision.show", ["id": .string(id)]) }
  }
  struct Score: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Compare what was foretold with what happened.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Only of this playbook.") var playbook: String?
    func run() async throws { try await everywhere.ask("decision.score", ["playbook": playbook.map { .string($0) }]) }
  }
  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Recompute decisions from stored bytes and compare.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "A decision; without it, all.") var id: String?
    func run() async throws { try await everywhere.ask("decision.replay", ["id": id.map { .string($0) }]) }
  }
}

struct ApprovalGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approval", abstract: "Calls that wait for a person.",
    subcommands: [List.self, Show.self, DryRun.self, Approve.self, Reject.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List calls that wait for a person, the greatest value first.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("approval.list") }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one held call with everything to judge it by.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("approval.show", ["id": .string(id)]) }
  }
  struct DryRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "dry-run", abstract: "Ask the executor what a held call would do now; nothing is changed.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws {
      if try await everywhere.ask("approval.dry_run", ["id": .string(id)])["answer"] == "failed" {
        throw ExitCode.failure
      }
    }
  }
  struct Approve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Approve exactly the call that was shown.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    @Option(help: "The hash that `approval show` printed: what you have seen is what you approve.") var callHash: String
    @Option(help: "Why.") var note: String?
    func run() async throws {
      try await everywhere.ask(
        "approval.approve", ["id": .string(id), "call_hash": .string(callHash), "note": note.map { .string($0) }])
    }
  }
  struct Reject: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Reject a held call.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    @Option(help: "The hash that `approval show` printed.") var callHash: String
    @Option(help: "Why.") var note: String?
    func run() async throws {
      try await everywhere.ask(
        "approval.reject", ["id": .string(id), "call_hash": .string(callHash), "note": note.map { .string($0) }])
    }
  }
}

struct ActionGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "action", abstract: "What was done, is under way, or cannot be told.",
    subcommands: [List.self, Show.self, Undo.self, Resolve.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List actions, the newest last.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Rows at most.") var limit = 50
    @Option(help: "Only in this state.") var state: String?
    func run() async throws {
      try await everywhere.ask("action.list", ["limit": .integer(Int64(limit)), "state": state.map { .string($0) }])
    }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one action.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("action.show", ["id": .string(id)]) }
  }
  struct Undo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take a done action back by its declared compensation.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("action.undo", ["id": .string(id)]) }
  }
  struct Resolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what became of an action that nobody can tell of.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    @Argument(help: "done or failed.") var outcome: String
    func run() async throws {
      try await everywhere.ask("action.resolve", ["id": .string(id), "outcome": .string(outcome)])
    }
  }
}
