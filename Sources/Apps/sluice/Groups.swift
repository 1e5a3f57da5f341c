import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct SecretGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secret", abstract: "Secrets by slot: given by standard input or file, never shown.",
    subcommands: [Set.self, List.self, Revoke.self])

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Store a secret in a connector's slot.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Argument var slot: String
    @Option(help: "A file that holds the secret; without it, standard input.") var file: String?
    func run() async throws {
      let bytes = try file.map { try OperatorFile.read($0) } ?? OperatorFile.standardInput()
      // Characters in the place of what is none would be another secret.
      guard let value = String(validating: bytes, as: UTF8.self) else {
        throw OperatorFileError.notText(path: file ?? "standard input")
      }
      try await everywhere.ask(
        "secret.set", ["instance": .string(instance), "slot": .string(slot), "value": .string(value)])
    }
  }
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List which slots hold a secret.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("secret.list") }
  }
  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove a secret.")
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
    commandName: "checkpoint", abstract: "Where each stream goes on.",
    subcommands: [Show.self, Set.self, Reset.self])

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say where a paused connector's stream goes on, in its plugin's own words.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Argument var stream: String
    @Option(help: "The state, as `checkpoint show` shows it.") var state: String
    @Option(help: "The version of the state's form.") var stateVersion: Int64 = 1
    func run() async throws {
      try await everywhere.ask(
        "checkpoint.set",
        [
          "instance": .string(instance), "stream": .string(stream), "state": .string(state),
          "state_version": .integer(stateVersion),
        ])
    }
  }
  struct Reset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Let a paused connector's stream begin anew; what is known already is taken in again and changes nothing.")
    @OptionGroup var everywhere: Everywhere
    @Argument var instance: String
    @Argument var stream: String
    func run() async throws {
      try await everywhere.ask("checkpoint.reset", ["instance": .string(instance), "stream": .string(stream)])
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show where each stream goes on.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("checkpoint.show") }
  }
}
