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
    commandName: "tool", abstract: "What decisions may ask for.", subcommands: [List.self, Call.self])

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
    @Option(help: "Its arguments as a JSON object.") var arguments = "{}"
    func run() async throws {
      guard let given = try? JSONValue(parsing: Array(arguments.utf8)), given.object != nil else {
        throw ValidationError("--arguments is no JSON object.")
      }
      try await everywhere.ask("tool.call", ["name": .string(name), "arguments": given])
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
    subcommands: [List.self, Show.self, Approve.self, Reject.self])

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

struct DeadLetterGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deadletter", abstract: "Records and deliveries that did not fit.",
    subcommands: [List.self, Show.self, Replay.self, Drop.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List deliveries and records that did not fit, with the reason.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "Rows at most.") var limit = 50
    func run() async throws { try await everywhere.ask("deadletter.list", ["limit": .integer(Int64(limit))]) }
  }
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a dead letter with everything that was kept of it.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("deadletter.show", ["id": .string(id)]) }
  }
  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Try a delivery or record again that did not fit.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("deadletter.replay", ["id": .string(id)]) }
  }
  struct Drop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give a dead letter up; what came stays in the journal.")
    @OptionGroup var everywhere: Everywhere
    @Argument var id: String
    func run() async throws { try await everywhere.ask("deadletter.drop", ["id": .string(id)]) }
  }
}

struct LedgerGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger", abstract: "The log that proves what happened.",
    subcommands: [Status.self, Verify.self, Export.self])

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the size of the log and the key that signs it.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("ledger.status") }
  }
  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check the published log: signature, tree, every entry and payload.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "A file with an earlier checkpoint that this log must extend.") var since: String?
    func run() async throws {
      // The note itself goes to the host, which opens no file for anybody.
      let note = try since.map { JSONValue.string(try OperatorFile.text($0)) }
      try await everywhere.ask("ledger.verify", ["since": note])
    }
  }
  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Copy the published log into a folder.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "The folder to write.") var to: String
    func run() async throws { try await everywhere.ask("ledger.export", ["to": .string(OperatorFile.absolute(to))]) }
  }
}

struct UserGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Who may sign in.", subcommands: [Create.self, List.self, Link.self, Token.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create a user.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    @Option(help: "approver, operator or auditor.") var role: [String] = ["approver"]
    func run() async throws {
      try await everywhere.ask("user.create", ["name": .string(name), "roles": .array(role.map { .string($0) })])
    }
  }
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the users.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("user.list") }
  }
  struct Link: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a sign-in link: five minutes, once.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("user.link", ["name": .string(name)]) }
  }
  struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make an API token; an older one stops working.")
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("user.token", ["name": .string(name)]) }
  }
}

struct Kill: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill", abstract: "Stop a tool, playbook, account, owner or all, before the next action.")
  @OptionGroup var everywhere: Everywhere
  @Argument(help: "all, tool:NAME, playbook:NAME, account:NAME or owner:NAME.") var target: String
  @Option(help: "Why.") var reason: String?
  @Flag(help: "Stop it though nothing is known by this name yet.") var unseen = false
  func run() async throws {
    try await everywhere.ask(
      "kill", ["target": .string(target), "reason": reason.map { .string($0) }, "unseen": .bool(unseen)])
  }
}

struct Unkill: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "unkill", abstract: "Take a kill switch back.")
  @OptionGroup var everywhere: Everywhere
  @Argument(help: "all, tool:NAME, playbook:NAME, account:NAME or owner:NAME.") var target: String
  func run() async throws { try await everywhere.ask("unkill", ["target": .string(target)]) }
}

struct Apply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Put a folder's rules and connectors into effect.",
    discussion: "On a terminal it shows what would change and asks first.")
  @OptionGroup var everywhere: Everywhere
  @Option(name: .customShort("f"), help: "The folder that holds them.") var folder = "."
  @Flag(help: "Only show what would change.") var plan = false
  @Flag(help: "Do not ask.") var yes = false
  @Flag(help: "Grant what manifests say otherwise than those in force.") var accept = false

  func run() async throws {
    var arguments: [String: JSONValue] = [
      "folder": .string(OperatorFile.absolute(folder)), "accept": .bool(accept), "plan": true,
      "tenant": .string(everywhere.tenant),
    ]
    if plan || (isatty(0) == 1 && !yes) {
      let steps = try await everywhere.answer("apply", .object(arguments))
      print(Printer.text(steps, asJSON: everywhere.json), terminator: "")
      guard !plan, steps.array?.contains(where: { $0["change"]?.string != "unchanged" }) == true else { return }
      StandardStream.error("Do that? [y/N] ")
      guard ["y", "yes"].contains(readLine()?.lowercased()) else { return }
    }
    arguments["plan"] = false
    print(
      Printer.text(try await everywhere.answer("apply", .object(arguments)), asJSON: everywhere.json), terminator: "")
  }
}
