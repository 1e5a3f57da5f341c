// sluice: the command line. Comes in: words. Goes out: one command of a host, its answer as a table or JSON, an exit code.
// It never reads a data folder by itself: it speaks to the host that runs on it, or is that host for one command.

import ArgumentParser
import Domain
import Foundation
import SluiceHost

/// The command line: words to a command of the host, answers to a table. No decisions are made here.
@main
struct Sluice: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice", abstract: "Governed, provable actions from what changes in revenue systems.",
    version: "0.1.0",
    subcommands: [
      Demo.self, Up.self, Ready.self, TenantGroup.self, UserGroup.self, ConnectorGroup.self, SecretGroup.self,
      CheckpointGroup.self, Apply.self, SignalGroup.self, AccountGroup.self, ToolGroup.self, DecisionGroup.self,
      ApprovalGroup.self, ActionGroup.self, Kill.self, Unkill.self, DeadLetterGroup.self, LedgerGroup.self, Top.self,
      Doctor.self, PolicyGroup.self, PluginGroup.self, BenchGroup.self,
      JournalGroup.self, BackupGroup.self, RestoreCommand.self,
    ])

  static func main() async {
    var command: any ParsableCommand
    do { command = try parseAsRoot() } catch { answerOfParser(error) }
    do {
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      // The parser's errors are of several types, some of which nobody else can name.
      if String(reflecting: type(of: error)).hasPrefix("ArgumentParser.") { answerOfParser(error) }
      say(error)
      Foundation.exit(1)
    }
  }

  /// What went wrong, on standard error.
  static func say(_ error: any Error) {
    if let faults = error as? DocumentFaults { return faults.all.forEach { say($0) } }
    let error = UnnamedFault.named(error)
    let text = [error.message, error.remedy, "[\(error.code)]"].filter { !$0.isEmpty }.joined(separator: " ")
    StandardStream.error("sluice: \(text)".harmlessLines + "\n")
  }

  /// Help is 0, wrong usage is 2.
  private static func answerOfParser(_ error: any Error) -> Never {
    let code = exitCode(for: error)
    let text = fullMessage(for: error)
    if code.isSuccess {
      print(text)
      Foundation.exit(0)
    }
    if !text.isEmpty { StandardStream.error(text + "\n") }
    Foundation.exit(code == .validationFailure ? 2 : 1)
  }
}

/// The options that every command takes.
struct Everywhere: ParsableArguments {
  @Option(help: "The folder that holds everything the host knows.")
  var dataDir = "./.sluice"
  @Option(help: "The host key: a file outside the data folder, or - for standard input.")
  var hostKey: String?
  @Option(name: .customLong("tenant"), help: "The tenant (default: demo).")
  var namedTenant: String?
  var tenant: String { namedTenant ?? "demo" }
  @Flag(help: "Answer in JSON.")
  var json = false
}
