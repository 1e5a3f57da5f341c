import Foundation
import Testing

@testable import Conformance
@testable import PluginHost

@Suite struct `The parts of an ELF file that are looked at` {
  /// A library that is always there: the one that this process has its C from.
  private static func library() throws -> [UInt8] {
    let file = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
    var maps = Data()
    while let more = try file.read(upToCount: 65_536), !more.isEmpty { maps += more }
    let paths = String(decoding: maps, as: UTF8.self).split(separator: "\n").compactMap {
      $0.split(separator: " ").last
    }
    let path = try String(#require(paths.first { $0.contains("/libc.so") }))
    return try Array(Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func `are found in a real library`() throws {
    let image = try #require(ELFImage(try Self.library()))
    #expect(image.exports.contains("getpid"))
    #expect(image.needed.contains { $0.contains("ld-") })
  }

  @Test func `are nil or others where a byte is another, never a crash`() throws {
    let bytes = try Self.library()
    var chance = SplitMix64(seed: 11, name: "bytes")
    let start = bytes[40..<48].reversed().reduce(0) { $0 << 8 | Int($1) }
    for round in 0..<400 {
      var wrong = bytes
      // The header and the table of sections hold all numbers that lead anywhere.
      for _ in 0...Int.random(in: 0..<3, using: &chance) {
        let at =
          round % 2 == 0 ? Int.random(in: 0..<64, using: &chance) : Int.random(in: start..<bytes.count, using: &chance)
        wrong[at] = [0, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &chance)].randomElement(using: &chance)!
      }
      _ = ELFImage(wrong)
    }
    for field in [40, 58, 60] {
      for value in [0x7F, 0xFF] as [UInt8] {
        var wrong = bytes
        for at in field..<(field + (field == 40 ? 8 : 2)) { wrong[at] = value }
        if value == 0x7F { wrong[47] = 0x7F }
        #expect(ELFImage(wrong) == nil)
      }
    }
    for count in stride(from: 0, to: bytes.count, by: 50_021) { #expect(ELFImage(Array(bytes[..<count])) == nil) }
  }
}
