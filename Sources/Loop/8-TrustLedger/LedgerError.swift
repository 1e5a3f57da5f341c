package import Domain

/// Why the ledger refused to write, sign or prove.
package enum LedgerError: OperatorError, Equatable {
  case leafFieldInvalid(field: String, rule: String)
  case leafMalformed(reason: String)
  case saltWrongSize(bytes: Int)
  case payloadMalformed(bytes: Int)
  case entryTooLarge(index: Int, bytes: Int)
  case fileMissing(path: String)
  case fileMalformed(path: String, reason: String)
  case entriesDoNotFillTree(published: Int, entries: Int, treeSize: Int)
  case treesDisagree(size: Int, kept: Digest, computed: Digest)
  case outsideTree(index: Int, size: Int)
  case keyNameInvalid(name: String)
  case keyUnusable(reason: String)
  case noteMalformed(reason: String)
  case signatureMissing(key: String)
  case signatureInvalid(key: String)

  static func checkSize(of entry: [UInt8], index: Int) throws(LedgerError) {
    guard entry.count <= EntryBundle.entryBytesMax else {
      throw .entryTooLarge(index: index, bytes: entry.count)
    }
  }

  package var code: String {
    switch self {
    case .leafFieldInvalid: "ledger.leaf_field_invalid"
    case .leafMalformed: "ledger.leaf_malformed"
    case .saltWrongSize: "ledger.salt_wrong_size"
    case .payloadMalformed: "ledger.payload_malformed"
    case .entryTooLarge: "ledger.entry_too_large"
    case .fileMissing: "ledger.file_missing"
    case .fileMalformed: "ledger.file_malformed"
    case .entriesDoNotFillTree: "ledger.entries_do_not_fill_tree"
    case .treesDisagree: "ledger.trees_disagree"
    case .outsideTree: "ledger.outside_tree"
    case .keyNameInvalid: "ledger.key_name_invalid"
    case .keyUnusable: "ledger.key_unusable"
    case .noteMalformed: "ledger.note_malformed"
    case .signatureMissing: "ledger.signature_missing"
    case .signatureInvalid: "ledger.signature_invalid"
    }
  }

  package var message: String {
    switch self {
    case .leafFieldInvalid(let field, let rule): "A ledger entry's \(field) must be \(rule)."
    case .leafMalformed(let reason): "The bytes are not a ledger entry: \(reason)."
    case .saltWrongSize(let bytes): "A payload's salt has \(bytes) bytes; it must have \(LedgerPayload.saltByteCount)."
    case .payloadMalformed(let bytes): "A payload object has \(bytes) bytes, too few to hold its salt."
    case .entryTooLarge(let index, let bytes):
      "Ledger entry \(index) has \(bytes) bytes; the limit is \(EntryBundle.entryBytesMax)."
    case .fileMissing(let path): "The ledger's file \(path) is missing."
    case .fileMalformed(let path, let reason): "The ledger's file \(path) is damaged: \(reason)."
    case .entriesDoNotFillTree(let published, let entries, let treeSize):
      "\(published) published and \(entries) new entries do not make the tree's \(treeSize)."
    case .treesDisagree(let size, let kept, let computed):
      "At size \(size) the kept tree has root \(kept), the files have \(computed)."
    case .outsideTree(let index, let size): "\(index) lies outside a tree of size \(size)."
    case .keyNameInvalid(let name): "A key name must not be empty or hold spaces or '+': \"\(name)\"."
    case .keyUnusable(let reason): "The ledger key cannot be used: \(reason)."
    case .noteMalformed(let reason): "The bytes are not a signed checkpoint: \(reason)."
    case .signatureMissing(let key): "The checkpoint bears no signature of \(key)."
    case .signatureInvalid(let key): "The checkpoint's signature of \(key) is wrong."
    }
  }

  package var remedy: String {
    switch self {
    case .leafFieldInvalid, .saltWrongSize, .entryTooLarge, .keyNameInvalid, .outsideTree:
      "This is a fault of the caller; report it."
    case .keyUnusable: "Look at the tenant's ledger key in the vault."
    case .leafMalformed, .payloadMalformed, .fileMissing, .fileMalformed, .entriesDoNotFillTree, .treesDisagree:
      "Run `sluice ledger verify`, and restore what it names from a backup; nothing was published."
    case .noteMalformed, .signatureMissing, .signatureInvalid:
      "Fetch the checkpoint again, and compare the key's fingerprint with the one shown at the tenant's creation."
    }
  }
}
