import ArgumentParser
import CanonicalJSON
import Domain
import SluiceHost

/// For who watches over a host from the same machine, such as a container's health check. Never opens the folder itself.
struct Ready: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ready",
    abstract: "Say whether a host runs on the folder and nothing is in its way; exit code 1 when not.")
  @OptionGroup var everywhere: Everywhere

  func run() async throws {
    let path = everywhere.dataDir
    guard
      let answer = try ControlClient.ask(path: path + "/control.sock", command: "host.ready", arguments: [:])
    else {
      throw CommandError.refused(
        code: "host.not_running", message: "No host runs on \(path).",
        remedy: "Start one with `sluice up --data-dir \(path)`, and look into its log if it has ended.")
    }
    let obstacles = answer["obstacles"]?.array?.compactMap(\.string) ?? []
    guard obstacles.isEmpty else {
      let sentences = obstacles.map { $0.hasSuffix(".") ? $0 : $0 + "." }.joined(separator: " ")
      throw CommandError.refused(
        code: "host.not_ready", message: "The host runs, and this is in its way: \(sentences)",
        remedy: "The operator's guide says for each what to do.")
    }
    print(Printer.text(answer, asJSON: everywhere.json), terminator: "")
  }
}
