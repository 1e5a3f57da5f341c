/// Persisted bytes that do not have the layout they claim.
package struct LayoutError: OperatorError, Equatable {
  package let format: String
  package let offset: Int
  package init(format: String, offset: Int) {
    self.format = format
    self.offset = offset
  }
  package var code: String { "domain.bad_layout" }
  package var message: String { "Stored bytes are no \(format): the fault is at byte \(offset)." }
  package var remedy: String { "Run `sluice doctor --deep`; restore the file it names from a backup." }
}

/// Writes little-endian integers and raw bytes.
package struct ByteWriter {
  package private(set) var written: [UInt8] = []
  package init(reserving capacity: Int = 0) { written.reserveCapacity(capacity) }
  package mutating func u8(_ value: UInt8) { written.append(value) }
  package mutating func u16(_ value: UInt16) {
    withUnsafeBytes(of: value.littleEndian) { written.append(contentsOf: $0) }
  }
  package mutating func u32(_ value: UInt32) {
    withUnsafeBytes(of: value.littleEndian) { written.append(contentsOf: $0) }
  }
  package mutating func u64(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { written.append(contentsOf: $0) }
  }
  package mutating func bytes(_ value: [UInt8]) { written.append(contentsOf: value) }
  package mutating func bytes(_ value: ArraySlice<UInt8>) { written.append(contentsOf: value) }
}

/// Reads what `ByteWriter` wrote; every read is checked against the end.
package struct ByteReader {
  private let source: [UInt8]
  package private(set) var offset = 0
  package init(_ source: [UInt8]) { self.source = source }
  package var isAtEnd: Bool { offset == source.count }

  package mutating func bytes(_ count: Int) throws(LayoutError) -> [UInt8] {
    guard count >= 0, count <= source.count - offset else { throw LayoutError(format: "layout", offset: offset) }
    defer { offset += count }
    return Array(source[offset..<(offset + count)])
  }
  package mutating func u8() throws(LayoutError) -> UInt8 { UInt8(try integer(1)) }
  package mutating func u16() throws(LayoutError) -> UInt16 { UInt16(try integer(2)) }
  package mutating func u32() throws(LayoutError) -> UInt32 { UInt32(try integer(4)) }
  package mutating func u64() throws(LayoutError) -> UInt64 { try integer(8) }
  /// UTF-8; bytes that are not are refused.
  package mutating func text(_ count: Int) throws(LayoutError) -> String {
    let start = offset
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw LayoutError(format: "UTF-8 text", offset: start)
    }
    return text
  }

  private mutating func integer(_ width: Int) throws(LayoutError) -> UInt64 {
    guard width <= source.count - offset else { throw LayoutError(format: "layout", offset: offset) }
    var value: UInt64 = 0
    for i in (0..<width).reversed() { value = value << 8 | UInt64(source[offset + i]) }
    offset += width
    return value
  }
}
