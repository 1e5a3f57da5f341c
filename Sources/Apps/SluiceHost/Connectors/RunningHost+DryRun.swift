import CanonicalJSON
import ConnectorFabric
import Domain
import Perception
import PluginHost
import Policy
import ToolPlane
import WholeLoop

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
      throw HostError.unknown("the stream \(stream) of \(enabling.instance)", list: "plugin show \(manifest.name)")
    }
    let runtime = try self.tenant(tenant)
    return try await beside(enabling, manifest, tenant) { trial in
      let check = try await trial.dryCheck()
      var answer: [String: JSONValue] = ["check": .string(check.inWords), "works": .bool(check.isGood)]
      guard check.isGood, manifest.kind == .source else { return .object(answer) }
      let isMapped = enabling.manifest["mapping"] != nil
      let document = SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:])
      let mapping = isMapped ? try Mapping(manifest: document).streams : [:]
      var rows: [JSONValue] = []
      var shownBytes = 0
      let beganMs = options.clock.monotonicMs()
      for stream in manifest.streams where extent.stream == nil || stream.name.rawValue == extent.stream {
        if await trial.isStopping { throw DryRunError.givenUp }
        let askedForMs = options.clock.monotonicMs() - beganMs
        if let ending = extent.ending(shownBytes: shownBytes, askedForMs: askedForMs) {
          rows.append(["stream": .string(stream.name.rawValue), "ending": .string(ending), "records": []])
        } else {
          let (row, bytes, isGood) = try await dryRow(of: stream.name, trial, runtime, extent, mapping)
          rows.append(row)
          shownBytes += bytes
          if !isGood { answer["works"] = false }
        }
      }
      answer["streams"] = .array(rows)
      return .object(answer)
    }
  }

  private func dryRow(
    of stream: StreamName, _ trial: ConnectorInstance, _ runtime: TenantRuntime, _ extent: DryRunExtent,
    _ mapping: [String: StreamMapping]
  ) async throws -> (JSONValue, bytes: Int, isGood: Bool) {
    let instance = trial.route.instance
    let old = try runtime.view { try FabricStage.checkpoint(of: instance, stream: stream, in: $0) }
    var pull = DryPull(recordsMax: extent.recordsMax, bytesMax: extent.bytesMax) { record, stream in
      try runtime.view {
        try PerceptionQueries($0).standing(of: record, instance: instance.rawValue, stream: stream.rawValue)
      }
    }
    var ending: String
    var isGood = false
    do {
      // One of another version may write its places otherwise.
      var place = old
      if let old { place = try await trial.migrated(old, of: stream) ?? old }
      let outcome = try await trial.dryPull(stream, from: place, into: &pull)
      isGood = pull.isCutOff || outcome.isGood
      ending = pull.isCutOff ? "there is more" : outcome.isGood ? "that is all" : outcome.inWords
    } catch let fault as OperationEnding {
      ending = fault.reason
    } catch let error as UpgradeError {
      ending = "\(error.message) [\(error.code)]"
    }
    let row: JSONValue = [
      "stream": .string(stream.rawValue), "ending": .string(ending),
      "from": old.map { .string(CheckpointText.text($0.stateHex)) } ?? .null,
      "known_again": .integer(Int64(pull.knownCount)),
      "records": .array(pull.found.map { Self.dryRow($0, askedFor: stream, mapping[$0.stream.rawValue]) }),
    ]
    return (row, pull.bytes, isGood)
  }

  /// A record, and what the loop would make of it.
  private static func dryRow(
    _ found: DryPull.Found, askedFor stream: StreamName, _ mapping: StreamMapping?
  ) -> JSONValue {
    let record = found.record
    var row: [String: JSONValue] = [
      "key": .string(record.key), "op": record.operation == .delete ? "delete" : "upsert",
      "version": .string(record.sourceVersion),
      "payload": record.isJSON
        ? (try? JSONValue(parsing: record.payload)) ?? .null : .string("\(record.payload.count) bytes that are no JSON")
        ,
    ]
    // A pull may bring what belongs to another stream.
    if found.stream != stream { row["stream"] = .string(found.stream.rawValue) }
    do throws(RecordFault) {
      guard !found.isConflict else { throw .versionConflict(version: record.sourceVersion) }
      guard let mapping else { throw .unmappedStream(stream: found.stream.rawValue) }
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

  /// Of one tenant: each is a worker more.
  private static let dryRunsMost = 4

  /// Runs something on a worker beside the instance's own. Who stops the tenant's instances stops it, too.
  private func beside<Answer: Sendable>(
    _ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID,
    _ ask: (ConnectorInstance) async throws -> Answer
  ) async throws -> Answer {
    let key = "\(tenant)/\(enabling.instance)"
    try refuseChange(of: tenant)
    guard !isEnding else { throw DryRunError.givenUp }
    guard dryRuns[key] == nil else { throw DryRunError.busy(instance: enabling.instance) }
    guard dryRuns.values.count(where: { $0.route.tenant == tenant }) < Self.dryRunsMost else {
      throw DryRunError.manyAtOnce(most: Self.dryRunsMost)
    }
    let trial = aside(enabling, manifest, tenant, try self.tenant(tenant), isDryRun: true)
    dryRuns[key] = trial
    pool.begin(trial.route)
    let answer: Result<Answer, any Error>
    do { answer = .success(try await ask(trial)) } catch { answer = .failure(error) }
    let wasStopped = await trial.isStopping
    await trial.stop()
    dryRuns[key] = nil
    if instances[key] == nil { await pool.hide(trial.route) }
    // What it says was cut short by others is nothing of the connector's.
    if wasStopped { throw DryRunError.givenUp }
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

  /// What somebody is to read, on a page; a plugin's result may have half a megabyte.
  static func shown(_ json: [UInt8]) -> JSONValue {
    let bytesMax = 64 << 10
    guard json.count <= bytesMax else { return .string("\(json.count) bytes, which are more than \(bytesMax)") }
    return (try? JSONValue(parsing: json)) ?? .null
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
      row["result"] = Self.shown(result.json)
    default:
      row["answer"] = "would be rejected"
      row["reason"] = .string(result.reason + (result.code.isEmpty ? "" : " [\(result.code)]"))
    }
    return .object(row)
  }
}
