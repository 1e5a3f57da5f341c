/// All that is wrong with a document that is read to its end: at least one fault, in the order of their lines.
package struct DocumentFaults: Error, Equatable {
  package let all: [DocumentError]
}

/// Reads a document part by part: a fault in one keeps nobody from reading the next.
package struct DocumentFaultList {
  private var found: [DocumentError] = []
  package init() {}

  /// Runs what reads a part; what it complains of is kept.
  package mutating func reading(_ part: () throws(DocumentError) -> Void) {
    do throws(DocumentError) { try part() } catch { found.append(error) }
  }

  /// The same for a value that may be left out.
  package mutating func reading(
    _ reader: DocumentReader, _ part: (DocumentReader) throws(DocumentError) -> Void
  ) {
    if reader.isPresent { reading { () throws(DocumentError) in try part(reader) } }
  }

  package mutating func add(_ error: DocumentError) { found.append(error) }

  /// Whether it is a mapping, so that its members can be read. Each key that nobody reads is a fault.
  package mutating func allow(_ keys: [String], in reader: DocumentReader) -> Bool {
    let faults = reader.faults(allowing: keys)
    found += faults
    return !faults.contains { $0.path == reader.path }
  }

  /// The same for a mapping that may be left out.
  package mutating func allowIfPresent(_ keys: [String], in reader: DocumentReader) -> Bool {
    reader.isPresent && allow(keys, in: reader)
  }

  /// - Throws: When anything was wrong.
  package func end() throws(DocumentFaults) {
    guard !found.isEmpty else { return }
    let sorted = found.enumerated().sorted {
      ($0.element.line ?? 0, $0.element.column ?? 0, $0.offset) < (
        $1.element.line ?? 0, $1.element.column ?? 0, $1.offset
      )
    }
    throw DocumentFaults(all: sorted.map(\.element))
  }
}
