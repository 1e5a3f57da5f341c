package import Domain

/// The moment a question is about: what held on a day, as far as it was believed at a position. Nil: the latest.
package struct AsOf: Codable, Equatable, Sendable {
  package let day: BusinessDay?
  package let position: Position?
  package init(day: BusinessDay? = nil, position: Position? = nil) {
    self.day = day
    self.position = position
  }
  func sees(_ day: BusinessDay?, _ position: UInt64) -> Bool {
    if let limit = self.day, let day, day > limit { return false }
    return self.position.map { position <= $0.number } ?? true
  }
}

/// One node as it was believed.
package struct NodeView: Codable, Equatable, Sendable {
  package let type: String
  package let id: String
  package let fields: [String: JSONValue]
  package let validFrom: BusinessDay
  /// The entry by which it was believed.
  package let position: Position
  package let sourceVersion: String
  package let evidence: EvidenceID
  /// The permit of our own write that made it so.
  package let permit: Digest?

  package var name: String { fields["name"]?.string ?? id }
  func reference(_ field: String) -> Reference? { fields[field].flatMap(Reference.init) }
}

/// A node beside another one.
package struct LinkView: Codable, Equatable, Sendable {
  package let type: String
  package let id: String
  package let name: String
}

package struct DealView: Codable, Equatable, Sendable {
  package let id: String
  package let stage: String
  package let product: String?
  package let owner: LinkView?
  package let engagedOn: BusinessDay?
  package let closedOn: BusinessDay?
  package let expectedCloseOn: BusinessDay?
  package let valueCents: Int64?
  /// List price of its product.
  package let listCents: Int64?
  package let sourceVersion: String
  package let evidence: EvidenceID
}

/// A risk or an event: what was noticed, of what, on which evidence.
package struct NoticeView: Codable, Equatable, Sendable {
  package let signal: Digest
  package let kind: String
  package let subject: Subject
  package let day: BusinessDay
  package let endedOn: BusinessDay?
  package let facts: [String: JSONValue]
  package let evidence: [EvidenceID]
}

/// Everything that is believed of an account.
package struct AccountView: Codable, Equatable, Sendable {
  /// Why this account was taken for what was asked: `key`, `name`, `normalized_name` or `former_name`.
  package let matchedBy: String
  package let account: NodeView
  /// The account it belongs to; the text alone where nothing of that name is known.
  package let parent: Reference.View?
  package let subsidiaries: [LinkView]
  package let openDeals: [DealView]
  package let wonDeals: [DealView]
  package let lostDeals: [DealView]
  package let openListCents: Int64
  package let wonCents: Int64
  /// The owners of its open deals.
  package let owners: [LinkView]
  package let risks: [NoticeView]
  package let events: [NoticeView]
  package let asOf: AsOf
}

extension Reference {
  /// A reference for people: what was written and what it was taken for.
  package struct View: Codable, Equatable, Sendable {
    package let text: String
    package let id: String?
    package let by: String
  }
  var view: View { View(text: text, id: id, by: reason.rawValue) }
}

/// Why a question about the world has no answer.
package enum WorldError: OperatorError, Equatable {
  case unknown(type: String, name: String)
  case ambiguous(type: String, name: String, candidates: [String])

  package var code: String {
    switch self {
    case .unknown: "world.unknown"
    case .ambiguous: "world.ambiguous"
    }
  }
  package var message: String {
    switch self {
    case .unknown(let type, let name): "No \(type) is called \"\(name.prefix(80))\" at that time."
    case .ambiguous(let type, let name, let candidates):
      "More than one \(type) is called \"\(name.prefix(80))\": \(candidates.joined(separator: ", "))."
    }
  }
  package var remedy: String {
    switch self {
    case .unknown: "Ask by key or by name; a later `--as-of` sees more."
    case .ambiguous: "Ask by key."
    }
  }
}
