import CSluicePlugin

/// Lays texts and bytes one behind the other and gives each as a slice that lives during one call.
struct SliceArena {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  init(_ texts: String...) { for text in texts { add(text) } }

  mutating func add(_ text: String) {
    bytes += text.utf8
    ends.append(bytes.count)
  }

  mutating func add(_ more: [UInt8]) {
    bytes += more
    ends.append(bytes.count)
  }

  /// The slices stand in the order in which they were added.
  func withSlices<Result>(_ body: ([sluice_slice_t]) -> Result) -> Result {
    bytes.withUnsafeBytes { raw in
      var first = 0
      let slices = ends.map { end in
        defer { first = end }
        return sluice_slice_t(ptr: raw.baseAddress.map { $0 + first }, len: UInt64(end - first))
      }
      return body(slices)
    }
  }
}

extension sluice_slice_t {
  var bytes: [UInt8] {
    guard len > 0, let ptr else { return [] }
    return Array(UnsafeRawBufferPointer(start: ptr, count: Int(len)))
  }

  /// The host's texts are UTF-8; what is not is repaired.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Headers and fields, as names and values in one arena.
struct PairArena {
  private var arena = SliceArena()
  private let count: Int

  init(_ pairs: [(String, String)]) {
    count = pairs.count
    for (name, value) in pairs {
      arena.add(name)
      arena.add(value)
    }
  }

  func withPairs<Result>(_ body: (UnsafePointer<sluice_pair_t>?, UInt32) -> Result) -> Result {
    arena.withSlices { slices in
      let pairs = (0..<count).map { sluice_pair_t(name: slices[2 * $0], value: slices[2 * $0 + 1]) }
      return pairs.withUnsafeBufferPointer { body($0.baseAddress, UInt32(count)) }
    }
  }
}

/// `sizeof` of a struct of the border.
func structSize<T>(_ type: T.Type) -> UInt32 { UInt32(MemoryLayout<T>.stride) }
