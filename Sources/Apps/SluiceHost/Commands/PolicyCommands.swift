import CanonicalJSON
import Cryptography
import Decision
import Domain
import Identity
import Learning
import Policy
import SQLiteStorage

extension HostCommand {
  static let policyCommands: [HostCommand] = [
    HostCommand(
      "policy.list", "List the sets of rules in force, those that were, and what outcomes suggest", role: .auditor
    ) { call in
      try await call.view { view in
        var rows: [JSONValue] = []
        for set in try SetsInForce.all(in: view) {
          var row: [String: JSONValue] = [
            "kind": .string(set.kind.rawValue), "name": .string(set.name), "hash": .string(set.hash.hex),
            "state": "in force", "position": .integer(Int64(set.position.number)),
            "by": set.by.map { .string($0.rawValue) } ?? .null,
          ]
          if let refused = try view.value(DecisionStage.refusedPlaybooks, set.name), set.kind == .playbooks {
            row["state"] = .string("refused: \(refused["reason"]?.string ?? "")")
          }
          rows.append(.object(row))
        }
        for set in try SetsInForce.earlier(in: view) {
          rows.append([
            "kind": .string(set.kind.rawValue), "name": .string(set.name), "hash": .string(set.hash.hex),
            "state": "earlier", "position": .integer(Int64(set.position.number)),
            "by": set.by.map { .string($0.rawValue) } ?? .null,
          ])
        }
        if let suggestion = try LearningStage.suggestion(in: view) {
          rows.append([
            "kind": "thresholds", "name": .string(suggestion.name), "hash": .string(suggestion.hashSuggested.hex),
            "state": "suggested", "position": .null, "by": .null,
          ])
        }
        return .array(rows)
      }
    },
    HostCommand(
      "policy.show", "Show a set of rules by its hash: in force, earlier or suggested", role: .auditor,
      takes: [.text("hash")]
    ) {
      call in
      let found = try await call.ruleSet()
      return [
        "kind": .string(found.kind.rawValue), "name": .string(found.name), "hash": .string(found.document.hash.hex),
        "document": found.document,
      ]
    },
    HostCommand(
      "policy.diff", "Show what a folder, or a set by its hash, would change", role: nil, whileSuspended: .answered,
      takes: [.text("folder"), .text("hash")]
    ) { call in
      try await call.differences()
    },
    HostCommand(
      "policy.activate", "Put a suggested or an earlier set into effect, by its hash", role: .operator,
      takes: [.text("hash")]
    ) {
      call in
      let found = try await call.ruleSet()
      try ConfigurationFolder.check(found.kind, found.name, found.document)
      try await call.host.activate(
        [(found.kind, name: found.name, document: found.document)], for: try call.tenant(), by: call.user)
      return [
        "kind": .string(found.kind.rawValue), "name": .string(found.name), "hash": .string(found.document.hash.hex),
      ]
    },
  ]
}

extension HostCommand.Call {
  /// The set that the argument `hash` names: what Learning suggests, or any that was ever activated.
  fileprivate func ruleSet() async throws -> (kind: Activation.Kind, name: String, document: JSONValue) {
    let hash = try digest("hash")
    let (suggestion, known) = try await view { view in
      (try LearningStage.suggestion(in: view), try SetsInForce.known(hash, in: view))
    }
    if let suggestion, suggestion.hashSuggested == hash { return (.thresholds, suggestion.name, suggestion.document) }
    guard let known else { throw HostError.unknown("the set of rules \(hash)", list: "policy list") }
    return (known.kind, known.name, try await host.activation(at: known.position, of: try tenant()).document)
  }

  /// What the folder holds, or else the one set that `hash` names.
  private func setsToCompare() async throws -> [(Activation.Kind, name: String, document: JSONValue)] {
    guard let folder = optional("folder") else {
      let found = try await ruleSet()
      return [(found.kind, found.name, found.document)]
    }
    let read = try ConfigurationFolder.read(folder)
    return try await view { view in
      ConfigurationFolder.steps(from: try SetsInForce.all(in: view), to: read).map {
        ($0.kind, name: $0.name, document: $0.document)
      }
    }
  }

  // Functions of their own, not inlined: of one closure Swift 6.3's optimizer makes a crash of its own.
  fileprivate func differences() async throws -> JSONValue {
    var rows: [JSONValue] = []
    for (kind, name, document) in try await setsToCompare() {
      rows += Self.rows(kind, name, from: try await inForce(kind, name), to: document)
    }
    return .array(rows)
  }

  private static func rows(
    _ kind: Activation.Kind, _ name: String, from now: JSONValue?, to then: JSONValue
  ) -> [JSONValue] {
    JSONChange.between(now ?? [:], then).map { change in
      [
        "kind": .string(kind.rawValue), "name": .string(name), "path": .string(change.path),
        "now": change.before ?? .null, "then": change.after ?? .null,
      ]
    }
  }

  @inline(never)
  fileprivate func inForce(_ kind: Activation.Kind, _ name: String) async throws -> JSONValue? {
    let found = try await view { try SetsInForce.all(in: $0).first { ($0.kind, $0.name) == (kind, name) } }
    guard let found else { return nil }
    return try await host.activation(at: found.position, of: try tenant()).document
  }
}

extension RunningHost {
  /// The journaled activation at a position.
  fileprivate func activation(at position: Position, of tenant: TenantID) async throws -> Activation {
    try JSONValue(parsing: try journal.entry(at: position, of: .tenant(tenant)).body).decode()
  }
}

extension JSONValue {
  /// Of its canonical form, as an activation names it.
  fileprivate var hash: Digest { SHA256.digest(canonicalBytes) }
}
