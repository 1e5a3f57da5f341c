import CanonicalJSON
import ConnectorFabric
package import Domain
import Perception
import PluginHost
import Policy
import ToolPlane
import WholeLoop

/// How much of a dry run is shown.
struct DryRunExtent {
  static let recordsMost = 100
  var stream: String?
  var recordsMax = 5
  /// Of payloads, stream by stream.
  var bytesMax = 256 << 10
}

/// Why nothing was tried.
package enum DryRunError: OperatorError, Equatable {
  case busy(instance: InstanceID)
  case tooMany(most: Int)
  case rests(instance: InstanceID, state: String)
  case noExecutor(tool: String)
  case givenUp

  package var code: String {
    switch self {
    case .busy: "dry_run.busy"
    case .tooMany: "dry_run.too_many"
    case .rests: "dry_run.rests"
    case .noExecutor: "dry_run.no_executor"
    case .givenUp: "dry_run.given_up"
    }
  }
  package var message: String {
    switch self {
    case .busy(let instance): "\(instance) is being tried by somebody else."
    case .tooMany(let most): "A dry run shows 1 to \(most) records of each stream."
    case .rests(let instance, let state): "\(instance) is asked nothing now: it is \(state)."
    case .noExecutor(let tool): "No executor that runs here has the tool \(tool)."
    case .givenUp: "Whoever was asked was stopped meanwhile."
    }
  }
  package var remedy: String {
    switch self {
    case .busy: "Ask again in a moment."
    case .tooMany(let most): "Give `--records` a number up to \(most)."
    case .rests: "See `sluice connector list`; `sluice connector resume` ends a pause or a parking."
    case .noExecutor: "See `sluice tool list` and `sluice connector list`."
    case .givenUp: "Ask again when the host runs and the tenant is not suspended."
    }
  }
}

extension RunningHost {
  /// Asks a source whether it works, and what its next pulls would bring; an executor only whether it works. The worker is
  /// one of its own, the credential and the throttle are the instance's.
  func dryRun(
    _ enabling: Enabling, _ manifest: Manifest, of tenant: TenantID, _ extent: DryRunExtent
  ) async throws -> JSONValue {
    guard (1...DryRunExtent.recordsMost).contains(extent.recordsMax) else {
      throw DryRunError.tooMany(most: DryRunExtent.recordsMost)
    }
    if let stream = extent.stream, !manifest.streams.contains(where: { $0.name.rawValue == stream }) {
      throw HostError.unknown("the stream \(stream) of \(enabling.instance)")
    }
    let runtime = try self.tenant(tenant)
    return try await beside(enabling, manifest, tenant) { trial in
      let check = try await trial.dryCheck()
      var answer: [String: JSONValue] = ["check": .string(check.inWords)]
      guard check.isGood, manifest.kind == .source else { return .object(answer) }
      let isMapped = enabling.manifest["mapping"] != nil
      let document = SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:])
      let mapping = isMapped ? try Mapping(manifest: document).streams : [:]
      var pulls: [JSONValue] = []
      for stream in manifest.streams where extent.stream == nil || stream.name.rawValue == extent.stream {
        if await trial.isStopping { throw DryRunError.givenUp }
        pulls.append(try await dryRow(of: stream.name, trial, runtime, extent, mapping[stream.name.rawValue]))
      }
      answer["streams"] = .array(pulls)
      return .object(answer)
    }
  }

  private func dryRow(
    of stream: StreamName, _ trial: ConnectorInstance, _ runtime: TenantRuntime, _ extent: DryRunExtent,
    _ mapping: StreamMapping?
  ) async throws -> JSONValue {
    let instance = trial.route.instance
    let old = try runtime.view { try FabricStage.checkpoint(of: instance, stream: stream, in: $0) }
    var pull = DryPull(recordsMax: extent.recordsMax, bytesMax: extent.bytesMax) { record in
      try runtime.view {
        try PerceptionQueries($0).isKnown(record, instance: instance.rawValue, stream: stream.rawValue)
      }
    }
    var ending: String
    do {
      // One of another version may write its places otherwise.
      var place = old
      if let old { place = try await trial.migrated(old, of: stream) ?? old }
      let outcome = try await trial.dryPull(stream, from: place, into: &pull)
      ending = pull.isCutOff ? "there is more" : outcome.isGood ? "that is all" : outcome.inWords
    } catch let fault as OperationEnding {
      ending = fault.reason
    } catch let error as UpgradeError {
      ending = "\(error.message) [\(error.code)]"
    }
    return [
      "stream": .string(stream.rawValue), "ending": .string(ending),
      "from": old.map { .string(CheckpointText.text($0.stateHex)) } ?? .null,
      "known_again": .integer(Int64(pull.knownCount)),
      "records": .array(pull.records.map { Self.dryRow($0, stream, mapping) }),
    ]
  }

  /// A record, and what the loop would make of it.
  private static func dryRow(_ record: IntakeRecord, _ stream: StreamName, _ mapping: StreamMapping?) -> JSONValue {
    var row: [String: JSONValue] = [
      "key": .string(record.key), "op": record.operation == .delete ? "delete" : "upsert",
      "version": .string(record.sourceVersion),
      "payload": record.isJSON
        ? (try? JSONValue(parsing: record.payload)) ?? .null : .string("\(record.payload.count) bytes that are no JSON")
        ,
    ]
    do throws(RecordFault) {
      guard let mapping else { throw .unmappedStream(stream: stream.rawValue) }
      let reading = try mapping.reading(of: record)
      row["becomes"] = .string(reading.entity.rawValue)
      row["fields"] = reading.fields.map { .object($0) } ?? .null
      row["day"] = reading.day.map { .string($0.description) } ?? .null
      if !reading.unread.isEmpty { row["unread"] = .array(reading.unread.sorted().map { .string($0) }) }
    } catch {
      row["becomes"] = "a dead letter"
      row["reason"] = .string("[\(error.code)] \(error.message)")
    }
    return .object(row)
  }

  /// Asks the executor of a tool what a call of it would do.
  /// - Throws: `ToolError`, `PermitRefusal.killed`, `DryRunError`.
  func dryRun(
    tool: String, _ arguments: JSONValue, playbook: String? = nil, account: String? = nil, owner: String? = nil,
    of tenant: TenantID
  ) async throws -> JSONValue {
    let facts = try self.tenant(tenant).view { view in
      try LoopAssembly.catalogue(view).check(tool: tool, arguments: arguments)
      let kill = try KillSwitch.stops(tool: tool, playbook: playbook, account: account, owner: owner, in: view)
      if let kill { throw PermitRefusal.killed(target: kill.description) }
      return try ToolFacts.activated(tool, view)
    }
    guard let facts, let running = executor(facts.instance, of: tenant), let dot = tool.firstIndex(of: ".") else {
      throw DryRunError.noExecutor(tool: tool)
    }
    let instance = running.route.instance
    if await running.isResting { throw DryRunError.rests(instance: instance, state: await running.state.inWords) }
    let outcome = try await beside(try enabling(of: instance, tenant), running.route.manifest, tenant) {
      try await $0.dryRun(String(tool[tool.index(after: dot)...]), arguments)
    }
    return outcome.preview(of: tool, by: instance)
  }

  /// Runs something on a worker beside the instance's own. Who stops the tenant's instances stops it, too.
  private func beside<Answer: Sendable>(
    _ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID,
    _ ask: (ConnectorInstance) async throws -> Answer
  ) async throws -> Answer {
    let key = "\(tenant)/\(enabling.instance)"
    try refuseChange(of: tenant)
    guard !isEnding else { throw DryRunError.givenUp }
    guard dryRuns[key] == nil else { throw DryRunError.busy(instance: enabling.instance) }
    let trial = aside(enabling, manifest, tenant, try self.tenant(tenant), isDryRun: true)
    dryRuns[key] = trial
    let answer: Result<Answer, any Error>
    do { answer = .success(try await ask(trial)) } catch { answer = .failure(error) }
    await trial.stop()
    dryRuns[key] = nil
    return try answer.get()
  }
}

extension WorkerPool.Outcome {
  var isGood: Bool { if case .success(let result) = result { result.status == .ok } else { false } }

  /// How it ended, for a person.
  fileprivate var inWords: String {
    if let refusal = refusals.last, !isGood { return "\(refusal.sentence) [\(refusal.code)]" }
    do {
      try OperationEnding.check(self)
      return "ok"
    } catch let ending as OperationEnding { return ending.reason } catch { return "\(error)" }
  }

  /// Answer of `dry_run` (ABI-4.3): 1 done, 2 rejected.
  fileprivate func preview(of tool: String, by instance: InstanceID) -> JSONValue {
    var row: [String: JSONValue] = ["tool": .string(tool), "instance": .string(instance.rawValue)]
    guard case .success(let result) = result, isGood || result.status == .unsupported else {
      row["answer"] = "failed"
      row["reason"] = .string(inWords)
      return .object(row)
    }
    switch (result.status, result.outcome) {
    case (.unsupported, _):
      row["answer"] = "unsupported"
      row["reason"] = "This executor cannot say beforehand what a call does."
    case (_, 1):
      row["answer"] = "would be done"
      row["result"] = (try? JSONValue(parsing: result.json)) ?? .null
    default:
      row["answer"] = "would be rejected"
      row["reason"] = .string(result.reason + (result.code.isEmpty ? "" : " [\(result.code)]"))
    }
    return .object(row)
  }
}
