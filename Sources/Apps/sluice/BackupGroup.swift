import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct BackupGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Everything that a host knows, in one file.",
    subcommands: [Create.self, Verify.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a backup, while the host runs. The host key is not in it: keep that elsewhere.")
    @OptionGroup var everywhere: Everywhere
    @Option(help: "A file that does not exist, or a folder, which gets a file named by the time.") var to: String
    func run() async throws { try await everywhere.ask("backup.create", ["to": .string(OperatorFile.absolute(to))]) }
  }

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check every part of a backup; asks no host and needs no key.")
    @Argument var file: String
    @Flag(help: "Answer in JSON.") var json = false
    func run() throws { print(Printer.text(try BackupReader.verify(file), asJSON: json), terminator: "") }
  }
}

struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Make a data folder of a backup. Each tenant goes on in a new log; erased ones stay erased.")
  @OptionGroup var everywhere: Everywhere
  @Argument var file: String
  @Option(help: "The list of erasures, or none (default: the one beside the host key).") var erasures: String?
  @Option(
    help: "A signed checkpoint that others have seen: the file `checkpoint` of the lost folder. Once for each log.")
  var checkpoint: [String] = []
  @Flag(help: "Throw no kill switch: let what was decided be carried out at once.") var mayAct = false

  func run() async throws {
    var options = everywhere.hostOptions(log: HostLog.standardError(least: .warning))
    options.crash = CrashByEnvironment.injector()
    let answer = try await Restore.run(
      .init(
        backup: file, options: options, erasures: erasures,
        checkpoints: try checkpoint.map { (file: $0, note: try OperatorFile.read($0)) }, mayAct: mayAct,
        by: Installation.operatorID))
    print(Printer.text(answer, asJSON: everywhere.json), terminator: "")
  }
}
