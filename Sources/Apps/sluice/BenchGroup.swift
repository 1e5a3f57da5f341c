import ArgumentParser
import Domain
import Foundation
import SluiceHost

struct BenchGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure a part of the host on this machine, in a temporary folder.",
    subcommands: [Ledger.self])

  struct Ledger: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ledgered entries a second, and the time from durable to signed checkpoint.")

    @Option(help: "Entries that all writers append together.") var entries = 10_000
    @Option(help: "How many append at once, each its next entry when the last one is durable.") var writers = 64
    @Option(help: "Entries appended one by one, each followed by its checkpoint.") var probes = 50
    @Flag(help: "Answer in JSON.") var json = false

    func validate() throws {
      guard (1...1_000_000).contains(entries), (1...1_000).contains(writers), (1...10_000).contains(probes) else {
        throw ValidationError("Give 1 to 1000000 entries, 1 to 1000 writers and 1 to 10000 probes.")
      }
    }

    func run() async throws {
      let folder = NSTemporaryDirectory() + "sluice-bench-\(UUID().uuidString)"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      var options = Installation.options(
        dataFolder: folder + "/data", log: HostLog.standardError(least: .warning))
      options.hostKeyPath = folder + "/host.key"
      let host = try await RunningHost(options)
      let figures = try await LedgerBench(entries: entries, writers: writers, probes: probes).run(on: host)
      try await host.stop()
      print(Printer.text(figures, asJSON: json), terminator: "")
    }
  }
}
