/// Room on the data folder's disk that is kept for what must always be written: verdicts, receipts, kill switches.
package protocol DiskReserve: Sendable {
  /// Nil while there is room for more intake.
  func shortage() -> DiskShortage?
  /// Gives the ballast up, so that what must be written finds room.
  /// - Returns: Whether there was any left.
  func release() -> Bool
}

/// A reserve for hosts whose disk somebody else watches, and for tests.
package struct UnlimitedDisk: DiskReserve {
  package init() {}
  package func shortage() -> DiskShortage? { nil }
  package func release() -> Bool { false }
}

/// Why nothing is taken in for now. Sources and senders keep what they have, and come again.
package protocol IntakePause: OperatorError {}

/// Why nothing new is taken in for now. Nothing was lost: sources go on from their checkpoints, senders try again.
package struct DiskShortage: IntakePause, Equatable {
  package let path: String
  package let freeBytes: Int
  package let neededBytes: Int
  package init(path: String, freeBytes: Int, neededBytes: Int) {
    self.path = path
    self.freeBytes = freeBytes
    self.neededBytes = neededBytes
  }
  package var code: String { "storage.disk_low" }
  package var message: String {
    "The disk of \(path) has \(freeBytes) bytes left; intake pauses below \(neededBytes)."
  }
  package var remedy: String {
    "Free space; intake resumes by itself. Verdicts, receipts, approvals and kill switches are still written."
  }
}

/// A write found no room, and nothing of it was kept.
package struct DiskFull: OperatorError, Equatable {
  package let path: String
  package init(path: String) { self.path = path }
  package var code: String { "storage.disk_full" }
  package var message: String { "The disk of \(path) is full; nothing was written." }
  package var remedy: String {
    "Free space; what waits is written by itself, by the host that runs or by the next one to start."
  }
}
