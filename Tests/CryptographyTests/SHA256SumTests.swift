import Cryptography
import Testing

@Suite struct `A SHA-256 sum` {
  @Test(arguments: [0, 1, 63, 64, 65, 1_000, 100_000])
  func `of pieces is the digest of the whole, wherever they are cut`(count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for cut in [0, 1, count / 3, count] where cut <= count {
      let sum = try SHA256Sum()
      sum.add(Array(bytes[..<cut]))
      sum.add(Array(bytes[cut...]))
      #expect(sum.finish() == SHA256.digest(bytes))
    }
  }
}
