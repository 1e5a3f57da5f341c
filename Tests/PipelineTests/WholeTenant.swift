import Action
import CanonicalJSON
import Cryptography
import Decision
import Domain
import Foundation
import MemoryStorage
import Policy
import TestKit
import WholeLoop

/// One tenant's whole loop over a journal in memory, with the reviewed files in effect. What it derives is appended and
/// applied until nothing is left, as the host does it.
final class WholeTenant {
  static let tenant = TenantID(unchecked: "test")
  static let ann = UserID(unchecked: "ann")

  let store = MemoryStateStore()
  let assembly: LoopAssembly
  private(set) var entries: [Entry] = []
  var nowMs: Int64 = 1_804_000_000_000

  /// - Parameters:
  ///   - thresholds: Laid over the reviewed thresholds: section → its numbers.
  ///   - playbooks: Those in force; nil for all reviewed ones.
  ///   - rate: What those are judged by that are judged by a rate; nil for the reviewed one.
  init(
    mode: TenantMode, thresholds: [String: JSONValue] = [:], playbooks: [String]? = nil,
    rate: JSONValue? = nil, assembly: LoopAssembly = LoopAssembly()
  ) throws {
    self.assembly = assembly
    var numbers = try reviewed("policies/thresholds.yaml").value.object!
    for (section, values) in thresholds {
      numbers[section] = .object((numbers[section]?.object ?? [:]).merging(values.object!) { $1 })
    }
    for (kind, name, document) in [
      (.thresholds, "thresholds.yaml", .object(numbers)),
      (.instance, "crm", ["manifest": try reviewed("manifests/crm.yaml").value, "settings": ["replay": true]]),
      (.instance, "crm-actions", ["manifest": try reviewed("manifests/crm-actions.yaml").value, "config": [:]]),
      (.mode, "mode", ["mode": .string(mode.rawValue)]),
    ] as [(Activation.Kind, String, JSONValue)] {
      try activate(kind, name, document)
    }
    let policies = try Self.policies()
    try append(
      .activation,
      Activation(kind: .policies, name: "policies", hash: policies.hash, document: policies.json, by: nil))
    for name in try playbooks ?? Self.files("playbooks", ".yaml").map({ String($0.dropLast(5)) }) {
      var document = try reviewed("playbooks/\(name).yaml").value.object!
      if let rate, document["rate"] != nil { document["rate"] = rate }
      try activate(.playbooks, name, .object(document))
    }
  }

  private func activate(_ kind: Activation.Kind, _ name: String, _ document: JSONValue) throws {
    let hash = SHA256.digest(document.canonicalBytes)
    try append(.activation, Activation(kind: kind, name: name, hash: hash, document: document, by: nil))
  }

  private static func policies() throws -> PolicyDocument {
    func text(_ path: String) throws -> String { try String(contentsOf: root.appending(path: path), encoding: .utf8) }
    return try PolicyDocument(
      files: files("policies", ".cedar").map { ($0, try text("policies/\($0)")) },
      schema: text("policies/schema.cedarschema"), governance: reviewed("policies/governance.yaml"), validates: false)
  }

  private static func files(_ folder: String, _ ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
      .filter { $0.hasSuffix(ending) }.sorted()
  }

  // MARK: - Entries

  @discardableResult
  func append(_ kind: EntryKind, _ body: some Encodable) throws -> Position {
    try append(kind, try JSONValue(encoding: body).canonicalBytes)
  }

  private func append(_ kind: EntryKind, _ body: [UInt8]) throws -> Position {
    let id = SHA256.digest("entry \(entries.count)")
    let position = try apply(NewEntry(id: id, kind: kind, cause: nil, recordedAtMs: nowMs, body: body))
    while case let rows = try store.view({ try LoopAssembly.pending($0) }), !rows.isEmpty {
      for (_, row) in rows { try apply(row.entry(recordedAtMs: nowMs)) }
    }
    return position
  }

  @discardableResult
  private func apply(_ content: NewEntry) throws -> Position {
    nowMs += 1
    let position = Position(UInt64(entries.count + 1))
    let entry = Entry(
      partition: .tenant(Self.tenant), position: position,
      salt: Array(SHA256.digest("salt \(position)").bytes.prefix(16)), content: content)
    entries.append(entry)
    try assembly.apply([entry], to: store)
    return position
  }

  /// Records of any days, with no word of how far the stream has been read.
  func deliver(_ records: [IntakeRecord], of stream: String) throws {
    let header = IntakeBatch.Header(
      instance: InstanceID(unchecked: "crm"), stream: StreamName(unchecked: stream), origin: .delivery(.origin),
      checkpoint: nil)
    _ = try append(
      .intake,
      IntakeBatch.encoded(
        headerJSON: try JSONValue(encoding: header).canonicalBytes, committed: records.map(\.committedBytes)))
  }

  /// The records of one day, and that each stream is read to its end.
  func day(_ day: BusinessDay, _ records: [String: [IntakeRecord]] = [:]) throws {
    for stream in ["accounts", "products", "reps", "opportunities"] {
      let header = IntakeBatch.Header(
        instance: InstanceID(unchecked: "crm"), stream: StreamName(unchecked: stream), origin: .pull,
        checkpoint: IntakeBatch.Checkpoint(stateHex: "", stateVersion: 1, watermarkMs: day.endMs))
      let bytes = IntakeBatch.encoded(
        headerJSON: try JSONValue(encoding: header).canonicalBytes,
        committed: (records[stream] ?? []).map(\.committedBytes))
      _ = try append(.intake, bytes)
    }
  }

  // MARK: - What came of it

  /// The derived entries of a kind, in order.
  func derived<Body: Decodable>(_ kind: EntryKind, as type: Body.Type) throws -> [Body] {
    try entries.filter { $0.kind == kind }.map { try JSONValue(parsing: $0.body).decode(type) }
  }

  func proposals(by playbook: String) throws -> [Proposal] {
    try derived(.proposals, as: ProposalSet.self).flatMap(\.proposals).filter { $0.playbook == playbook }
  }

  func state(_ proposal: Proposal) throws -> ProposalRecord.State? {
    try store.view { try DecisionStage.record(proposal.id, in: $0)?.state }
  }

  func action(_ proposal: Proposal) throws -> ActionRecord? {
    try store.view { try ActionRecord.of(proposal.id, in: $0) }
  }

  func approve(_ proposal: Proposal) throws {
    let approval = try store.view { try Approval.of(proposal.id, in: $0) }
    try append(
      .choice,
      Choice(
        proposal: proposal.id, callHash: approval!.callHash, answer: .approve, by: Self.ann, note: nil, through: .cli))
  }

  // MARK: - The host's part

  func turn(steadyMs: Int64? = nil) throws -> ActionTurn {
    try store.view {
      try ActionTurn.next(in: $0, policy: assembly.policy, tenant: Self.tenant, nowMs: nowMs, steadyMs: steadyMs)
    }
  }

  /// Takes the next turn, which must be a start.
  func start() throws -> EffectStart? {
    guard case .start(let start) = try turn() else { return nil }
    try append(.effectStarted, start)
    return start
  }

  func report(
    _ start: EffectStart, _ outcome: Receipt.Outcome, version: Int64? = nil, code: String? = nil,
    askedAtMs: Int64? = nil, steadyMs: Int64? = nil
  ) throws {
    let receipt = Receipt(
      start, outcome, result: version.map { ["version": .integer($0)] } ?? .null,
      reason: outcome == .done ? nil : "It is so.", code: code, askedAtMs: askedAtMs)
    try append(.receipt, steadyMs.map { receipt.reported(steadyMs: $0) } ?? receipt)
  }
}
