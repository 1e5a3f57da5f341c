import ArgumentParser
import CanonicalJSON
import Conformance
import ConnectorFabric
import Domain
import Foundation
import PluginHost
import SluiceHost
import UVLoop

struct RunPlugin: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a plugin by hand, outside any tenant; records go to standard output, a line each.")

  @Argument(help: "A library, a manifest, or the name of an installed plugin.") var plugin: String
  @Option(help: "A file with the configuration, one JSON object.") var config: String?
  @Option(help: "SLOT=FILE: the file's content is the secret of the slot; several times.") var secret: [String] = []
  @Option(help: "NAME=URL: another base address of an endpoint, which may be private; several times.") var endpoint:
    [String] = []
  @Option(help: "Pull only this stream.") var stream: String?
  @Option(help: "A file with the state to go on from, as a checkpoint's `state`; with --stream.") var state: String?
  @Option(help: "The version of that state.") var stateVersion = 1
  @Option(help: "Executors: try this action, as a dry run.") var action: String?
  @Option(help: "A file with the action's arguments, one JSON object.") var input: String?
  @Flag(help: "With --action: do it, for real.") var execute = false
  @Flag(help: "Let a pull tell its upstream to forget what it gave; nothing of it is kept here.") var ack = false
  @Option(help: "The data folder in which a plugin's name is looked up.") var dataDir = "./.sluice"
  @Flag(help: "Print every call of the host, and what was waited for.") var trace = false
  @Flag(help: "Wait for a debugger before the first operation, without deadlines.") var debug = false
  @Option(help: "Keep every call and answer in this file.") var record: String?
  @Option(help: "Play such a file: no network, no secrets, byte for byte the same.") var replay: String?
  @Flag(help: "With --replay: play it to another library than it was recorded with.") var anyLibrary = false

  func validate() throws {
    guard record == nil || replay == nil else { throw ValidationError("Record a run or replay one, not both.") }
    guard state == nil || stream != nil else { throw ValidationError("A state belongs to a --stream.") }
    guard !execute || action != nil else { throw ValidationError("--execute needs an --action.") }
    for pair in secret { _ = try Self.split(pair, "--secret SLOT=FILE") }
    for pair in endpoint { _ = try Self.split(pair, "--endpoint NAME=URL") }
  }

  func run() async throws {
    let subject = try Subject(path: try PluginPlace.path(plugin, dataFolder: dataDir))
    let loop = EventLoop()
    loop.start()
    defer { loop.stop() }
    let worker = Installation.options(dataFolder: ".", log: .init(write: { _ in })).workerProgram
    // A cassette has its own configuration, and needs nothing else.
    var options = replay == nil ? try options(subject.manifest) : PluginRun.Options()
    if debug {
      options.pause = { id in
        StandardStream.error("The worker is process \(id). Attach a debugger as root, then press Enter.\n")
        _ = readLine()
      }
    }
    let run = PluginRun(
      manifest: subject.manifest, library: subject.library, options: options, program: worker, loop: loop)
    let telling = Telling(isTracing: trace)
    if let replay {
      try await run.play(
        try Cassette(parsing: OperatorFile.read(replay, bytesMax: Cassette.bytesMax)), anyLibrary: anyLibrary
      ) { telling.say($0) }
      return StandardStream.error("The run is the cassette's, byte for byte.\n")
    }
    if let record { try OperatorFile.checkNew(record) }
    let cassette = record == nil ? nil : Cassette(header: run.header)
    let isGood = try await run.live(recording: cassette) { telling.say($0) }
    if trace { telling.waits(run.metrics) }
    if let record, let cassette { try OperatorFile.create(record, try cassette.encoded(), mode: 0o600) }
    if !isGood { throw ExitCode(1) }
  }

  private func options(_ manifest: Manifest) throws -> PluginRun.Options {
    var options = PluginRun.Options()
    options.mayAcknowledge = ack
    if let config { options.config = try OperatorFile.json(config) }
    try EnablingError.check(options.config, of: manifest)
    for pair in secret {
      let (slot, file) = try Self.split(pair, "--secret SLOT=FILE")
      options.secrets[slot] = try OperatorFile.read(file)
    }
    for pair in endpoint {
      let (name, base) = try Self.split(pair, "--endpoint NAME=URL")
      guard manifest.endpoint(name) != nil else {
        throw EnablingError.unknownEndpoint(name: name, known: manifest.endpoints.map(\.name))
      }
      guard RunningHost.isBase(base) else { throw EnablingError.badOverride(endpoint: name, base: base) }
      // Who runs a plugin by hand asks from their own machine, and no tenant's.
      options.overrides[name] = EndpointOverride(base, allowsPrivate: true)
    }
    options.operations = try operations(manifest)
    return options
  }

  private func operations(_ manifest: Manifest) throws -> [OperationStart] {
    if let stream {
      var start = OperationStart(kind: .pull)
      start.name = stream
      if let state { (start.state, start.stateVersion) = (try OperatorFile.read(state), stateVersion) }
      return [start]
    }
    guard let action else { return [] }
    var start = OperationStart(kind: execute ? .execute : .dryRun)
    (start.name, start.key) = (action, "run-\(UUID().uuidString)")
    start.body = try (input.map { try OperatorFile.json($0) } ?? [:]).canonicalBytes
    return [start]
  }

  private static func split(_ pair: String, _ form: String) throws -> (String, String) {
    guard let cut = pair.firstIndex(of: "="), cut != pair.startIndex else { throw ValidationError("Write \(form).") }
    return (String(pair[..<cut]), String(pair[pair.index(after: cut)...]))
  }
}

/// Prints a run as it goes: records as JSON to standard output, the rest to standard error.
private struct Telling: Sendable {
  let isTracing: Bool

  func say(_ event: PluginRun.Event) {
    switch event {
    case .record(let stream, let record): StandardStream.output(line(stream, record).canonicalText + "\n")
    case .checkpoint(let stream, let state, let version, let watermark):
      let text = String(validating: state, as: UTF8.self) ?? "\(state.count) bytes"
      note("checkpoint \(stream) (version \(version)): \(text)" + (watermark.map { ", complete up to \($0)" } ?? ""))
    case .log(let level, let code, let message, let fields):
      let names = ["debug", "info", "warning", "error"]
      let more = fields.map { " \($0.name)=\($0.value)" }.joined()
      note("log \(names[max(0, min(3, level - 1))]) \(code): \(message)\(more)")
    case .call(let text): if isTracing { note(text) }
    case .started(let start): if isTracing { note("— \(start.kind) \(start.name)") }
    case .ended(let kind, .success(let result)):
      let late = result.status == .cancelled ? " at its deadline, `operation_timeout_ms` of the manifest's limits" : ""
      let words = result.message.isEmpty ? late : ": \(result.message) [\(result.code)]"
      let json = result.json.isEmpty ? "" : " \(String(decoding: result.json, as: UTF8.self))"
      note("\(kind): \(result.outcome == 0 ? "\(result.status)" : Self.outcome(kind, result.outcome))\(words)\(json)")
    case .ended(let kind, .failure(let failure)):
      note("\(kind): \(failure.message) \(Self.remedy(failure)) [\(failure.code)]")
    case .worker(let id): if isTracing { note("worker \(id)") }
    }
  }

  /// What an executor answered, as sluice/executor.h numbers it.
  private static func outcome(_ kind: OperationStart.Kind, _ number: Int) -> String {
    let words: [Int: String] =
      switch kind {
      case .execute: [1: "done", 2: "rejected", 3: "to be tried later", 4: "unknown whether it was done"]
      case .dryRun: [1: "would be done", 2: "would be rejected"]
      default: [:]
      }
    return words[number] ?? "outcome \(number)"
  }

  func waits(_ metrics: Metrics) {
    let waits = metrics.sums("sluice_wait_seconds_total", by: "cause").filter { $0.value > 0 }
    let text = waits.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value) ms" }.joined(separator: ", ")
    note("waited: \(text.isEmpty ? "for nothing" : text)")
  }

  /// Nobody starts a plugin again that is run by hand.
  private static func remedy(_ failure: WorkerFailure) -> String {
    switch failure {
    case .died: "Run it again with `--debug`, and attach a debugger before it comes to that place."
    case .stopped: "Run it again."
    default: failure.remedy
    }
  }

  /// In one line, whatever the plugin wrote: a line more could be taken for one of ours.
  private func note(_ text: String) { StandardStream.error(text.harmless + "\n") }

  private func line(_ stream: String, _ record: EmittedRecord) -> JSONValue {
    [
      "stream": .string(stream), "key": .string(String(decoding: record.key, as: UTF8.self)),
      "op": .string(record.isDelete ? "delete" : "upsert"),
      "event_time_ms": record.eventTimeMs.map { .integer($0) } ?? .null,
      "version": .string(String(decoding: record.sourceVersion, as: UTF8.self)),
      "ordinal": .string("\(record.sourceOrdinal)"),
      "payload": (try? JSONValue(parsing: record.payload)) ?? .string(String(decoding: record.payload, as: UTF8.self)),
    ]
  }
}
