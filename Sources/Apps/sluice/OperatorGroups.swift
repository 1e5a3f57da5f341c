import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

// What an operator sees to: dead letters, the ledger, users, kill switches, documents. Each passes words on, as the loop's groups do.

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
    discussion: "It shows what would change first: on a terminal it asks then, elsewhere it wants --yes.")
  @OptionGroup var everywhere: Everywhere
  @Option(name: .customShort("f"), help: "The folder that holds them.") var folder = "."
  @Flag(help: "Only show what would change.") var plan = false
  @Flag(help: "Do it without asking.") var yes = false
  @Flag(help: "Grant what manifests say otherwise than those in force.") var accept = false

  func run() async throws {
    var arguments: [String: JSONValue] = [
      "folder": .string(OperatorFile.absolute(folder)), "accept": .bool(accept), "plan": true,
      "tenant": .string(everywhere.tenant),
    ]
    if plan || !yes {
      let steps = try await everywhere.answer("apply", .object(arguments))
      print(Printer.text(steps, asJSON: everywhere.json), terminator: "")
      guard !plan, steps.array?.contains(where: { $0["change"]?.string != "unchanged" }) == true else { return }
      guard isatty(STDIN_FILENO) == 1 else {
        throw CommandError.refused(
          code: "apply.not_confirmed",
          message: "This is what would change, and nobody said to do it. Nothing was done.",
          remedy: "Look at it, then add `--yes`; `--plan` only shows it.")
      }
      StandardStream.error("Do that? [y/N] ")
      guard ["y", "yes"].contains(readLine()?.lowercased()) else { return }
    }
    arguments["plan"] = false
    print(
      Printer.text(try await everywhere.answer("apply", .object(arguments)), asJSON: everywhere.json), terminator: "")
  }
}
