/// One mistake that a host, a disk or a runner could make. Each is put in by a test, to show that the audit sees it.
enum Fault: String, CaseIterable, Sendable {
  /// Takes an unknown outcome for one that had no effect.
  case retriesWithoutProbe
  /// Sends what was under way again after a restart.
  case resendsAfterCrash
  /// Leaves what was under way as it was after a restart.
  case forgetsWhatWasUnderWay
  /// Sends before the spent permit is durable.
  case sendsBeforeDurable
  /// Sends although the start was refused when it was applied.
  case sendsRefusedStarts
  /// Holds a record for a copy because its key is known.
  case dropsKnownKeys
  /// Makes a checkpoint durable before the records that it stands after.
  case checkpointsBeforeRecords
  /// Appends what was derived a second time, under another name.
  case appendsOutboxTwice
  /// Appends an empty day instead of the signals that were derived.
  case forgetsSignals
  /// Loses a committed transaction and keeps later ones.
  case losesOrder
  /// Publishes the checkpoint before the tiles it promises.
  case publishesCheckpointFirst
  /// Lets chance into what is derived from the journal.
  case saltsFromElsewhere

  /// The invariants of which at least one must be seen to break.
  var rules: [String] {
    switch self {
    case .retriesWithoutProbe: ["what came about is not denied", "an effect comes about once"]
    case .resendsAfterCrash: ["a permit is sent once", "an effect comes about once"]
    case .forgetsWhatWasUnderWay: ["every effect ends"]
    case .sendsBeforeDurable: ["a permit is sent once", "no effect without a spent permit"]
    case .sendsRefusedStarts:
      [
        "an observing tenant acts on nothing", "a proposing tenant asks for everything", "a kill switch holds",
        "the verdict is by the policies in force", "the budget of an account holds", "every effect ends",
      ]
    case .dropsKnownKeys: ["nothing that came in is lost", "the newest version is believed"]
    case .checkpointsBeforeRecords: ["the newest version is believed"]
    case .appendsOutboxTwice, .forgetsSignals: ["what was derived follows from the journal"]
    case .losesOrder:
      ["what was derived follows from the journal", "the state follows from the journal", "loop.out_of_order"]
    case .publishesCheckpointFirst: ["the published log verifies", "high-water mark"]
    case .saltsFromElsewhere: ["two runs differ"]
    }
  }
}
