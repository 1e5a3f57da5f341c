import ArgumentParser
import CanonicalJSON
import Domain
import Foundation

struct TenantGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant", abstract: "Customers of this installation.",
    subcommands: [Create.self, List.self, Mode.self])

  struct Mode: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "observe, propose or act.") var mode: String
    func run() async throws { try await everywhere.ask("tenant.mode", ["mode": .string(mode)]) }
  }
  struct Create: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var name: String
    func run() async throws { try await everywhere.ask("tenant.create", ["tenant": .string(name)]) }
  }
  struct List: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("tenant.list") }
  }
}

struct ConnectorGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connector", abstract: "Sources and executors of a tenant.",
    subcommands: [Enable.self, Disable.self, Run.self, Resume.self, Hook.self, List.self])

  struct Enable: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "A connector's name, or the path of its manifest.") var name: String
    @Option(name: .customLong("as"), help: "What this instance is called.") var instance: String?
    @Option(help: "NAME=URL: where an endpoint really is. Needs --allow-private.") var endpoint: [String] = []
    @Flag(help: "Overridden endpoints may be private addresses and plain http.") var allowPrivate = false
    @Flag(help: "The first sync counts as change, not as baseline.") var replay = false
    @Option(help: "A JSON file with the instance's configuration.") var config: String?

    func run() async throws {
      var arguments: [String: JSONValue?] = [
        "name": .string(name), "allow_private": .bool(allowPrivate), "replay": .bool(replay),
      ]
      if let instance { arguments["instance"] = .string(instance) }
      var endpoints: [String: JSONValue] = [:]
      for pair in endpoint {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { throw ValidationError("--endpoint takes NAME=URL, not \"\(pair)\"") }
        endpoints[String(parts[0])] = .string(String(parts[1]))
      }
      arguments["endpoints"] = .object(endpoints)
      if let config {
        arguments["config"] = try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: config))))
      }
      try await everywhere.ask("connector.enable", arguments)
    }
  }
  struct Disable: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.disable", ["instance": .string(instance)]) }
  }
  struct Run: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.run", ["instance": .string(instance)]) }
  }
  struct Hook: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.hook", ["instance": .string(instance)]) }
  }
  struct Resume: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    func run() async throws { try await everywhere.ask("connector.resume", ["instance": .string(instance)]) }
  }
  struct List: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("connector.list") }
  }
}

struct SecretGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secret", abstract: "Secrets by slot: given by standard input or file, never shown.",
    subcommands: [Set.self, List.self, Revoke.self])

  struct Set: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Argument var slot: String
    @Option(help: "A file that holds the secret; without it, standard input.") var file: String?
    func run() async throws {
      let bytes =
        try file.map { try Data(contentsOf: URL(fileURLWithPath: $0)) } ?? FileHandle.standardInput.readToEnd()
        ?? Data()
      try await everywhere.ask(
        "secret.set",
        [
          "instance": .string(instance), "slot": .string(slot),
          "value": .string(String(decoding: bytes, as: UTF8.self)),
        ])
    }
  }
  struct List: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("secret.list") }
  }
  struct Revoke: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Argument var slot: String
    func run() async throws {
      try await everywhere.ask("secret.revoke", ["instance": .string(instance), "slot": .string(slot)])
    }
  }
}

struct CheckpointGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint", abstract: "Where each stream goes on.", subcommands: [Show.self])

  struct Show: AsyncParsableCommand {
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("checkpoint.show") }
  }
}
