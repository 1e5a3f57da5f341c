package import Domain

/// One thing about a log that is not as its checkpoint promised.
package enum LedgerFinding: OperatorError, Equatable {
  case keyMalformed(reason: String)
  case checkpointMalformed(which: String, reason: String)
  case checkpointUnsigned(which: String, key: String)
  case checkpointForged(which: String, key: String)
  case bundleMissing(path: String)
  case bundleMalformed(path: String, entry: Int, reason: String)
  case entryMalformed(entry: Int)
  case entryDiffers(path: String, entry: Int, expected: Digest, found: Digest)
  case rootDiffers(size: Int, expected: Digest, found: Digest)
  case tileMissing(path: String)
  case tileWrongSize(path: String, expectedBytes: Int, foundBytes: Int)
  case tileDiffers(path: String, slot: Int, expected: Digest, found: Digest)
  case payloadMissing(path: String, entry: Int)
  case payloadDiffers(path: String, entry: Int, expected: Digest, found: Digest)
  case logShrank(earlierSize: Int, size: Int)
  case historyRewritten(size: Int, expected: Digest, found: Digest)
  case proofMalformed(reason: String)
  case entryNotProven(index: Int, expected: Digest, found: Digest)
  case linkBroken(log: String, reason: String)

  package var code: String {
    switch self {
    case .keyMalformed: "ledger.key_malformed"
    case .checkpointMalformed: "ledger.checkpoint_malformed"
    case .checkpointUnsigned: "ledger.checkpoint_unsigned"
    case .checkpointForged: "ledger.checkpoint_forged"
    case .bundleMissing: "ledger.bundle_missing"
    case .bundleMalformed: "ledger.bundle_malformed"
    case .entryMalformed: "ledger.entry_malformed"
    case .entryDiffers: "ledger.entry_differs"
    case .rootDiffers: "ledger.root_differs"
    case .tileMissing: "ledger.tile_missing"
    case .tileWrongSize: "ledger.tile_wrong_size"
    case .tileDiffers: "ledger.tile_differs"
    case .payloadMissing: "ledger.payload_missing"
    case .payloadDiffers: "ledger.payload_differs"
    case .logShrank: "ledger.log_shrank"
    case .historyRewritten: "ledger.history_rewritten"
    case .proofMalformed: "ledger.proof_malformed"
    case .entryNotProven: "ledger.entry_not_proven"
    case .linkBroken: "ledger.link_broken"
    }
  }

  package var message: String {
    switch self {
    case .keyMalformed(let reason): "The log's key is unusable: \(reason)."
    case .checkpointMalformed(let which, let reason): "The \(which) is malformed: \(reason)."
    case .checkpointUnsigned(let which, let key): "The \(which) bears no signature of \(key)."
    case .checkpointForged(let which, let key): "The \(which)'s signature is not one of \(key)."
    case .bundleMissing(let path): "The entry bundle \(path) is missing."
    case .bundleMalformed(let path, let entry, let reason):
      "The entry bundle \(path) is damaged at entry \(entry): \(reason)."
    case .entryMalformed(let entry): "Entry \(entry) is not in the form of a ledger entry."
    case .entryDiffers(let path, let entry, let expected, let found):
      "Entry \(entry) in \(path) was changed: its leaf hash must be \(expected), it is \(found)."
    case .rootDiffers(let size, let expected, let found):
      "The first \(size) entries have root \(found); the checkpoint says \(expected)."
    case .tileMissing(let path): "The tile \(path) is missing."
    case .tileWrongSize(let path, let expectedBytes, let foundBytes):
      "The tile \(path) has \(foundBytes) bytes instead of \(expectedBytes)."
    case .tileDiffers(let path, let slot, let expected, let found):
      "Hash \(slot) of the tile \(path) must be \(expected), it is \(found)."
    case .payloadMissing(let path, let entry): "The payload \(path) of entry \(entry) is missing."
    case .payloadDiffers(let path, let entry, let expected, let found):
      "The payload \(path) of entry \(entry) was changed: its commitment must be \(expected), it is \(found)."
    case .logShrank(let earlierSize, let size):
      "The log has \(size) entries; an earlier checkpoint has \(earlierSize)."
    case .historyRewritten(let size, let expected, let found):
      "The first \(size) entries have root \(found); the earlier checkpoint says \(expected)."
    case .proofMalformed(let reason): "The proof is malformed: \(reason)."
    case .entryNotProven(let index, let expected, let found):
      "As entry \(index) these bytes lead to root \(found); the checkpoint says \(expected)."
    case .linkBroken(let log, let reason): "The log \(log) does not fit the one beside it: \(reason)."
    }
  }

  package var remedy: String {
    switch self {
    case .keyMalformed, .checkpointMalformed, .checkpointUnsigned, .checkpointForged, .proofMalformed:
      "Fetch it again from where it was first shown; if it stays so, the log cannot be trusted."
    case .bundleMissing, .bundleMalformed, .tileMissing, .tileWrongSize, .tileDiffers, .entryDiffers, .payloadMissing,
      .payloadDiffers:
      "Restore the file from a backup and verify again; keep the damaged one as evidence."
    case .entryMalformed: "Look for the host's version that wrote it; no proof can be read from it."
    case .entryNotProven: "Compare the entry's bytes with the log's; this proof is of another entry or of none."
    case .linkBroken: "Restore the ledger's files from a copy; the journal holds what each log begins with."
    case .rootDiffers, .logShrank, .historyRewritten:
      "Keep both checkpoints and the log: together they prove that entries were changed after signing."
    }
  }
}

extension [LedgerFinding] {
  /// The finding that says most: a root that differs tells that something was changed; a payload that is missing, that
  /// it or the entry that names it was; the others tell what.
  package var mostSpecific: LedgerFinding? {
    func vagueness(_ finding: LedgerFinding) -> Int {
      switch finding {
      case .rootDiffers: 2
      case .payloadMissing: 1
      default: 0
      }
    }
    return self.min { vagueness($0) < vagueness($1) }
  }
}
