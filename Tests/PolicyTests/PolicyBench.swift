import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import Policy
import TestKit

/// The shipped policies and what a test changes of them.
enum Shipped {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "policies")

  static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name), encoding: .utf8)
  }
  static func files() throws -> [(name: String, text: String)] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".cedar") }.sorted()
      .map { (name: $0, text: try text($0)) }
  }
  static func document(governance: JSONValue = ["sluice": 1], adding text: String? = nil) throws -> PolicyDocument {
    try PolicyDocument(
      files: files() + (text.map { [(name: "test.cedar", text: $0)] } ?? []),
      schema: try self.text("schema.cedarschema"),
      governance: SourceDocument(name: "governance.yaml", value: governance, marks: [:]))
  }
}

/// One tenant with the policy stage alone; derived verdicts go back into the journal at once.
final class PolicyBench {
  let store: any StateStore = MemoryStateStore()
  let policy = PolicyStage(world: { SampleWorld($0) })
  private(set) var journal: [Entry] = []
  private(set) var verdicts: [VerdictSet] = []
  var nowMs: Int64 = 1_800_000_000_000

  init(mode: TenantMode = .act, _ document: PolicyDocument? = nil) throws {
    let enabling: JSONValue = ["instance": "crm", "isEnabled": true, "manifest": Sample.manifest, "config": [:]]
    try append(
      .activation, Activation(kind: .instance, name: "crm", hash: SHA256.digest(""), document: enabling, by: nil))
    try activate(try document ?? Shipped.document())
    try self.mode(mode)
  }

  @discardableResult
  func append(_ kind: EntryKind, _ body: some Encodable, cause: Position? = nil) throws -> Position {
    nowMs += 1
    let position = Position(UInt64(journal.count + 1))
    let entry = Entry(
      partition: .tenant(Sample.tenant), position: position,
      salt: Array(SHA256.digest("salt \(position)").bytes[..<16]),
      content: NewEntry(
        id: SHA256.digest("entry \(position)"), kind: kind, cause: cause, recordedAtMs: nowMs,
        body: try JSONValue(encoding: body).canonicalBytes))
    journal.append(entry)
    for derived in try store.transaction({ state in try policy.apply(entry, to: state) }) {
      if derived.kind == .verdicts { verdicts.append(try derived.body.decode()) }
      try append(derived.kind, derived.body, cause: position)
    }
    return position
  }

  func activate(_ document: PolicyDocument) throws {
    try append(
      .activation, Activation(kind: .policies, name: "policies", hash: document.hash, document: document.json, by: nil))
  }
  func mode(_ mode: TenantMode) throws {
    try append(
      .activation,
      Activation(
        kind: .mode, name: "mode", hash: SHA256.digest(""), document: ["mode": .string(mode.rawValue)], by: nil))
  }
  func order(_ verb: Order.Verb, _ target: String, _ argument: String? = nil) throws {
    try append(.order, Order(verb: verb, target: target, argument: argument, by: UserID(unchecked: "olga")))
  }
  /// Judges proposals on a day; the verdicts of that set.
  @discardableResult
  func propose(_ proposals: [Proposal], day: Int = 0, withdrawn: [Proposal] = []) throws -> [Verdict] {
    try append(
      .proposals,
      ProposalSet(
        day: Sample.day(day), proposals: proposals,
        withdrawn: withdrawn.map { ProposalSet.Withdrawal(proposal: $0.id, reason: "The deal has closed.") }))
    return verdicts.last!.verdicts
  }

  func mint(_ proposal: Proposal, attempt: Int = 1, by user: String? = nil, version: String? = "1") throws
    -> EffectStart
  {
    try store.view { view in
      let permit = try policy.mint(
        proposal, attempt: attempt, approvedBy: user.map(UserID.init(unchecked:)), tenant: Sample.tenant, in: view,
        nowMs: nowMs, targetVersion: version)
      return try permit.spend(nowMs: nowMs)
    }
  }
  func refusal(_ body: () throws -> EffectStart) -> PermitRefusal? {
    do { _ = try body() } catch { return error as? PermitRefusal }
    return nil
  }
  func value(_ space: Space, _ key: String) throws -> JSONValue? { try store.view { try $0.value(space, key) } }
  func refused() throws -> [RefusedInput] {
    try store.view { view in try view.scan(RefusedInput.space).map { try $0.1.decode() } }
  }
}
