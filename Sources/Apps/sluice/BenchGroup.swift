import ArgumentParser
import Domain
import Foundation
import SluiceHost

struct BenchGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure a part of the host on this machine, in a temporary folder.",
    subcommands: [Ledger.self, Journal.self, Boundary.self])

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
      let figures = try await BenchGroup.onNewHost {
        try await LedgerBench(entries: entries, writers: writers, probes: probes).run(on: $0)
      }
      print(Printer.text(figures, asJSON: json), terminator: "")
    }
  }

  struct Boundary: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What it costs that a source is a process of its own: records from it into the host, kept nowhere.")

    @Option(help: "The manifest of a source that takes `records`, `batch` and `wait`.") var manifest: String
    @Option(help: "Records that it hands over.") var records = 100_000
    @Option(help: "Records it gives at once, each time with a checkpoint.") var batch = 100
    @Flag(help: "Each batch is awaited before the next one is given.") var wait = false
    @Flag(help: "Answer in JSON.") var json = false

    func run() async throws {
      let bench = BoundaryBench(manifest: manifest, records: records, batch: batch, isWaiting: wait)
      print(Printer.text(try await BenchGroup.onNewHost(bench.run), asJSON: json), terminator: "")
    }
  }

  /// A host whose data folder is new, and goes afterwards.
  private static func onNewHost<Result: Sendable>(
    _ measure: (RunningHost) async throws -> Result
  ) async throws -> Result {
    let folder = NSTemporaryDirectory() + "sluice-bench-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = Installation.options(
      dataFolder: folder + "/data", log: HostLog.standardError(least: .warning))
    options.hostKeyPath = folder + "/host.key"
    let host = try await RunningHost(options)
    let result = try await measure(host)
    try await host.stop()
    return result
  }

  struct Journal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What the journal writes for what it is given, and what is left once it is packed and trimmed.")

    @Option(help: "Records as lines of JSON objects.") var lines: String?
    @Option(help: "Bytes of entries that each journal is given.") var bytes = 2_000_000_000
    @Option(help: "Records in an entry.") var batch = 1_000
    @Option(help: "How many append at once.") var writers = 4
    @Option(help: "Instead: so many entries of a few bytes, appended, packed and read.") var rows: Int?
    @Option(help: "Where to measure: a folder that does not exist (default: a temporary one). It is removed.") var at:
      String?
    @Flag(help: "Answer in JSON.") var json = false

    func validate() throws {
      guard (1_000...1_000_000_000_000).contains(bytes), (1...10_000).contains(batch), (1...1_000).contains(writers),
        (1...100_000_000).contains(rows ?? 1), (lines == nil) != (rows == nil)
      else { throw ValidationError("Give --lines FILE or --rows N, and bytes, records and writers above 0.") }
    }

    func run() async throws {
      let folder = at ?? NSTemporaryDirectory() + "sluice-bench-\(UUID().uuidString)"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let figures: JSONValue
      if let rows {
        figures = try await JournalBench.rows(rows, in: folder + "/rows")
      } else {
        let records = try OperatorFile.read(lines ?? "", bytesMax: 256 << 20).split(separator: 0x0A).map { Array($0) }
        figures = try await JournalBench(
          lines: records, bytes: bytes, recordsPerBatch: batch, writers: writers
        ).run(in: folder)
      }
      print(Printer.text(figures, asJSON: json), terminator: "")
    }
  }
}
