package import Domain

extension IntakeRecord {
  /// The record's name for ever: SHA-256 of its salt and its canonical plaintext.
  package var commitment: Digest { SHA256.digest(committedBytes) }
}

/// Ids that are the same wherever and however often they are computed.
package enum StableID {
  /// The id of a derived entry: what caused it, by which stage, the how-manieth.
  package static func derived(cause: Digest, stage: EntryKind, ordinal: Int) -> Digest {
    SHA256.digest("sluice.derived/1\n\(cause.hex)\n\(stage.rawValue)\n\(ordinal)")
  }

  /// The id of a thing that is named by what it is about, e.g. a signal by kind, subject and day.
  package static func of(_ domain: String, _ parts: [String]) -> Digest {
    // Lengths are written, so that no two lists of parts give the same bytes.
    SHA256.digest("sluice.\(domain)/1\n" + parts.map { "\($0.utf8.count):\($0)" }.joined(separator: ","))
  }

  /// A batch's id: its header and its records' commitments, before compression and sealing.
  /// - Parameter committed: `committedBytes` of each record.
  package static func batch(headerJSON: [UInt8], committed: [[UInt8]]) -> Digest {
    var bytes = Array("sluice.batch/1\n".utf8) + SHA256.digest(headerJSON).bytes
    for record in committed { bytes += SHA256.digest(record).bytes }
    return SHA256.digest(bytes)
  }
}
