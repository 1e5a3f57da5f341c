/// Where an action stands. `next` holds every move there is.
///
///     awaiting ─► queued ─► started ─► done ─► undone
///        │          │ ▲       ├─────► rejected
///        │          │ └───────┤ nothing was sent, and the upstream has settled
///        │          │ ▲       ├─► probing ─► unresolved ─► done | failed, by a person
///        │          │ └───────┴──────┘ (absent)
///        ├─► declined, withdrawn ◄── queued            (no attempt left: failed)
package enum ActionState: String, Codable, Sendable, CaseIterable {
  /// Waits for a person's answer.
  case awaiting
  /// May be started as soon as a permit is minted for it.
  case queued
  /// A permit is spent; its call may be on its way.
  case started
  /// Nobody knows whether it took effect; the executor is asked.
  case probing
  /// The executor cannot tell: a person decides.
  case unresolved
  case done
  /// The upstream refused; nothing changed.
  case rejected
  /// No attempt is left, or a person said that it did not take effect.
  case failed
  /// The approver rejected it, or nobody answered in time.
  case declined
  /// It no longer stands.
  case withdrawn
  /// Its declared compensation is done.
  case undone

  package var next: Set<ActionState> {
    switch self {
    case .awaiting: [.queued, .declined, .withdrawn]
    case .queued: [.started, .awaiting, .declined, .withdrawn]
    case .started: [.done, .rejected, .probing, .queued, .failed]
    case .probing: [.done, .rejected, .queued, .failed, .unresolved]
    case .unresolved: [.done, .rejected, .queued, .failed]
    case .done: [.undone]
    // A later judgement of the same proposal may take it up again; nothing has been sent for it.
    case .declined, .withdrawn: [.awaiting, .queued]
    case .rejected, .failed, .undone: []
    }
  }

  /// Something is still to come of it.
  package var isOpen: Bool {
    switch self {
    case .awaiting, .queued, .started, .probing, .unresolved: true
    case .done, .rejected, .failed, .declined, .withdrawn, .undone: false
    }
  }
  /// It may have changed something outside.
  package var hasStarted: Bool {
    switch self {
    case .started, .probing, .unresolved, .done, .rejected, .failed, .undone: true
    case .awaiting, .queued, .declined, .withdrawn: false
    }
  }
}
