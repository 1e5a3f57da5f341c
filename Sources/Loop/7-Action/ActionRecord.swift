import CanonicalJSON
package import Domain

/// One call on its way from a verdict to a receipt, or the call that takes another one back.
package struct ActionRecord: Codable, Equatable, Sendable {
  /// The proposal's id; for an undo, an id made of the action that it takes back.
  package let id: Digest
  package let playbook: String?
  package let call: ToolCall
  package let subject: Subject
  package let account: String?
  package let owner: String?
  package let approver: String?
  package let expectedValueCents: Int64
  /// The business day on which it was judged or ordered.
  package let day: BusinessDay
  /// The action that this one takes back.
  package let undoes: Digest?
  package private(set) var state: ActionState
  /// Since when it is in this state, in milliseconds since 1970, as journaled.
  package private(set) var sinceMs: Int64
  /// Why it is in this state, in one sentence.
  package private(set) var reason: String?
  /// Nil when policy allowed it without a person.
  package var approvedBy: UserID?
  /// Starts that were accepted.
  package var attempts = 0
  /// The permit of the last start.
  package var permit: Digest?
  /// The next attempt or probe is not before this, in milliseconds since 1970.
  package var notBeforeMs: Int64 = 0

  init(_ proposal: Proposal, _ call: ToolCall, state: ActionState, atMs: Int64) {
    id = proposal.id
    playbook = proposal.playbook
    self.call = call
    subject = proposal.subject
    account = proposal.account
    owner = proposal.owner
    approver = proposal.approver
    expectedValueCents = proposal.expectedValueCents
    day = proposal.day
    undoes = nil
    self.state = state
    sinceMs = atMs
  }

  init(takingBack done: ActionRecord, _ undo: ToolCall.Undo, id: Digest, day: BusinessDay, by: UserID, atMs: Int64) {
    self.id = id
    playbook = nil
    call = ToolCall(
      tool: undo.tool, arguments: undo.arguments, targetVersion: nil, current: .null, undo: nil)
    subject = done.subject
    account = done.account
    owner = done.owner
    approver = nil
    expectedValueCents = done.expectedValueCents
    self.day = day
    undoes = done.id
    state = .queued
    sinceMs = atMs
    approvedBy = by
  }

  /// action id → action, for ever.
  package static let space = Space("action.action")
  /// action id → state, of those that something is still to come of.
  package static let open = Space("action.open")

  package static func of(_ action: Digest, in view: any StateView) throws -> ActionRecord? {
    try view.value(space, action.hex)?.decode()
  }
  /// Open actions in one of `states`, by id.
  package static func open(in states: Set<ActionState>, _ view: any StateView) throws -> [ActionRecord] {
    try view.scan(open).compactMap { key, state throws in
      guard let state = state.string.flatMap(ActionState.init), states.contains(state), let id = Digest(hex: key)
      else { return nil }
      return try of(id, in: view)
    }
  }

  func save(_ store: any StateTransaction) throws {
    try store.set(Self.space, id.hex, try JSONValue(encoding: self))
    if state.isOpen {
      try store.set(Self.open, id.hex, .string(state.rawValue))
    } else {
      try store.remove(Self.open, id.hex)
    }
  }

  /// Takes one of the moves of `ActionState.next`.
  /// - Throws: `.moveNotAllowed`; then nothing has changed.
  mutating func move(to target: ActionState, atMs: Int64, reason: String?) throws(ActionRefusal) {
    guard state == target || state.next.contains(target) else {
      throw .moveNotAllowed(action: id, from: state.rawValue, to: target.rawValue)
    }
    if state != target { sinceMs = atMs }
    state = target
    self.reason = reason
  }
}
