import CZstd
import Domain

/// Zstandard frames of the system's libzstd. What is expanded has a bound, whatever a frame says of itself.
package enum Zstandard {
  /// Why bytes are no frame of ours: it is the sentence's end "it cannot be expanded: …".
  package struct Fault: Error, Equatable {
    package let reason: String
  }

  /// One frame that names its content's size and bears a checksum; nil when it is not smaller than what it holds.
  package static func compress(_ bytes: [UInt8], level: Int32) -> [UInt8]? {
    guard bytes.count > 64, let context = ZSTD_createCCtx() else { return nil }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    // A frame that does not fit into fewer bytes than there were is of no use.
    let room = bytes.count - 1
    let frame = [UInt8](unsafeUninitializedCapacity: room) { target, count in
      let result = bytes.withUnsafeBytes {
        ZSTD_compress2(context, target.baseAddress, room, $0.baseAddress, $0.count)
      }
      count = ZSTD_isError(result) == 0 ? result : 0
    }
    return frame.isEmpty ? nil : frame
  }

  /// - Parameter bytesMax: The most that may come out. No more is set aside, nor written.
  package static func expand(_ frame: [UInt8], bytesMax: Int) throws(Fault) -> [UInt8] {
    let said = frame.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
    guard said != sluice_zstd_size_error else { throw Fault(reason: "it is no compressed frame") }
    guard said != sluice_zstd_size_unknown else { throw Fault(reason: "its frame does not say its size") }
    guard said <= UInt64(bytesMax) else {
      throw Fault(reason: "its frame says \(said) bytes, \(bytesMax) are the most")
    }
    var reason: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(said)) { target, count in
      let result = frame.withUnsafeBytes {
        ZSTD_decompress(target.baseAddress, Int(said), $0.baseAddress, $0.count)
      }
      count = 0
      if ZSTD_isError(result) != 0 {
        reason = "its frame is damaged (\(String(cString: ZSTD_getErrorName(result))))"
      } else if result != Int(said) {
        reason = "its frame holds \(result) bytes and says \(said)"
      } else {
        count = result
      }
    }
    if let reason { throw Fault(reason: reason) }
    return bytes
  }
}

/// How a body is written: the number stands in its row, and what is sealed is bound to it.
enum Codec: Int64 {
  case plain = 0
  case zstd = 1

  /// Fast enough that an append waits for the disk, not for this.
  private static let level: Int32 = 1

  /// Compressed where that is smaller.
  static func write(_ body: [UInt8], isCompressing: Bool = true) -> (codec: Codec, bytes: [UInt8]) {
    guard isCompressing, let frame = Zstandard.compress(body, level: level) else { return (.plain, body) }
    return (.zstd, frame)
  }

  func read(_ bytes: [UInt8], bytesMax: Int) throws(Zstandard.Fault) -> [UInt8] {
    switch self {
    case .plain: bytes
    case .zstd: try Zstandard.expand(bytes, bytesMax: bytesMax)
    }
  }
}
