/// The body of a `.choice` entry: a named person judged one held call.
package struct Choice: Codable, Equatable, Sendable {
  package enum Answer: String, Codable, Sendable { case approve, reject }
  /// The way an answer came in; established by the host, never by who answers.
  package enum Door: String, Codable, Sendable { case cli, api, console }
  /// Characters of a note at most.
  package static let noteLengthMax = 2_000
  package let proposal: Digest
  /// The hash of what the person was shown; another call is another hash.
  package let callHash: Digest
  package let answer: Answer
  package let by: UserID
  package let note: String?
  package let through: Door

  package init(proposal: Digest, callHash: Digest, answer: Answer, by: UserID, note: String?, through: Door) {
    self.proposal = proposal
    self.callHash = callHash
    self.answer = answer
    self.by = by
    self.note = note
    self.through = through
  }
}

/// The body of an `.activation` entry: a document takes effect at this position, whole.
package struct Activation: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, Sendable, CaseIterable {
    /// A connector's manifest with its mapping, bound to an instance.
    case instance
    /// Thresholds of the perception rules.
    case thresholds
    case playbooks
    case policies
    case mode
    /// Which instances take what comes to the address of one.
    case routes
  }
  package let kind: Kind
  /// The instance, or the file's name.
  package let name: String
  /// SHA-256 of the canonical form of `document`.
  package let hash: Digest
  package let document: JSONValue
  package let by: UserID?

  package init(kind: Kind, name: String, hash: Digest, document: JSONValue, by: UserID?) {
    self.kind = kind
    self.name = name
    self.hash = hash
    self.document = document
    self.by = by
  }
}

/// The body of an `.order` entry.
package struct Order: Codable, Equatable, Sendable {
  package enum Verb: String, Codable, Sendable, CaseIterable {
    case kill, unkill, replayDeadLetter
    /// A person gives a dead letter up.
    case dropDeadLetter
    /// A person says where a stream goes on: target `INSTANCE/STREAM`, argument the checkpoint's JSON, or none for the
    /// stream's beginning.
    case setCheckpoint
    /// A person says what became of an action that nobody can tell of: argument `done` or `failed`.
    case resolveUnknown
    /// Takes a done action back by its declared compensation.
    case undo
    /// Takes off an action that has not started: by a person, or by the host when its permit was refused for good.
    case withdraw
    /// Lets old entries go: target `journal`, argument the canonical JSON of a `Trim`. It changes nothing but what is kept.
    case trim
    /// Nothing of the tenant is started and nothing taken in until it is resumed: argument the reason.
    case suspendTenant, resumeTenant
    /// The last order of a tenant: what it had is made unreadable after this.
    case eraseTenant
    /// How much of the disk the tenant may use: argument a number of bytes, `none`, or `default` for the host's.
    case setDiskQuota
    /// How many enabled connectors the tenant may have: argument a number, `none`, or `default` for the host's.
    case setInstanceQuota
  }
  package let verb: Verb
  /// `all`, `tool:NAME`, `playbook:NAME`, `account:NAME`, `owner:NAME`; the id of a dead letter or action; a stream; or the
  /// tenant itself.
  package let target: String
  package let argument: String?
  /// The person; nil when the host gives the order.
  package let by: UserID?

  package init(verb: Verb, target: String, argument: String?, by: UserID?) {
    self.verb = verb
    self.target = target
    self.argument = argument
    self.by = by
  }
}

/// What an order to trim says: which entries go, by which rule, and what stands in for them.
package struct Trim: Codable, Equatable, Sendable {
  package static let target = "journal"
  /// The first position that is kept.
  package let firstKept: UInt64
  /// How many entries and packs go.
  package let entries: Int
  package let packs: Int
  /// Such as "raw_days 30".
  package let rule: String
  /// Where the state was taken, at or after the last entry that goes, and the digest of its rows.
  package let snapshot: UInt64
  package let digest: Digest

  package init(firstKept: UInt64, entries: Int, packs: Int, rule: String, snapshot: UInt64, digest: Digest) {
    self.firstKept = firstKept
    self.entries = entries
    self.packs = packs
    self.rule = rule
    self.snapshot = snapshot
    self.digest = digest
  }
}

// Dead letters that are whole deliveries.
extension Order {
  private static let deliveryPrefix = "delivery-"

  /// The delivery that this order is about; nil when it is about something else.
  package var delivery: Position? { Self.delivery(ofLetter: target) }

  /// - Parameter receiver: the instance to which a route led it; nil for the one to whose address it came.
  package static func letter(ofDelivery position: Position, to receiver: String? = nil) -> String {
    deliveryPrefix + String(position.number) + (receiver.map { "/" + $0 } ?? "")
  }

  package static func delivery(ofLetter id: String) -> Position? {
    guard id.hasPrefix(deliveryPrefix) else { return nil }
    return UInt64(id.dropFirst(deliveryPrefix.count).prefix { $0 != "/" }).map { Position($0) }
  }

  package static func receiver(ofLetter id: String) -> String? {
    id.firstIndex(of: "/").map { String(id[id.index(after: $0)...]) }
  }
}

extension EntryKind {
  /// The kinds that the trust ledger proves: what was decided, permitted, done and ordered, and under which rules.
  package var isLedgered: Bool {
    switch self {
    case .activation, .choice, .order, .proposals, .verdicts, .effectStarted, .receipt, .epoch: true
    case .intake, .delivery, .tick, .signals: false
    }
  }
}
