import Domain

/// A proof that stands alone: index, path and signed checkpoint in one text file
/// ([C2SP tlog-proof](https://c2sp.org/tlog-proof)). Whoever has the entry, this file and the log's key needs no log.
package struct LedgerProofFile: Hashable, Sendable {
  package let proof: InclusionProof
  package let checkpoint: SignedNote

  package init(proof: InclusionProof, checkpoint: SignedNote) {
    self.proof = proof
    self.checkpoint = checkpoint
  }

  /// For a file named `*.tlog-proof`.
  package var encoded: [UInt8] {
    let hashes = proof.hashes.map { "\(Base64.encode($0.bytes))\n" }.joined()
    return Array("c2sp.org/tlog-proof@v1\nindex \(proof.index)\n\(hashes)\n".utf8) + checkpoint.encoded
  }
}
