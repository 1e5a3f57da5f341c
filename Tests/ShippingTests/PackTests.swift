import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import TestKit
import Testing

@testable import Shipping
@testable import SluiceHost

@Suite struct `A pack's archive` {
  let entries = [
    TarArchive.Entry(name: "manifest.yaml", bytes: Array("a: 1\n".utf8)),
    TarArchive.Entry(name: "lib.so", bytes: [UInt8](repeating: 7, count: 1_025)),
    TarArchive.Entry(name: "empty", bytes: []),
  ]

  @Test func `is the same for the same files in any order, and gives them back`() throws {
    let archive = try TarArchive.write(entries)
    #expect(try archive == TarArchive.write(entries.reversed()))
    #expect(try TarArchive.read(archive) == entries.sorted { $0.name < $1.name })
    #expect(archive.count % 512 == 0)
  }

  @Test func `that was changed, cut or added to anywhere is refused or other, never a crash`() throws {
    let archive = try TarArchive.write(entries)
    var chance = SplitMix64(seed: 5)
    for _ in 0..<2_000 {
      var wrong = archive
      switch Int.random(in: 0..<4, using: &chance) {
      case 0: wrong[Int.random(in: 0..<wrong.count, using: &chance)] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
      case 1: wrong.removeLast(Int.random(in: 1...wrong.count, using: &chance))
      case 2: wrong += [UInt8](repeating: UInt8.random(in: 0...1, using: &chance), count: 512)
      default:
        let at = Int.random(in: 0..<wrong.count, using: &chance)
        wrong.replaceSubrange(
          at..<min(wrong.count, at + 40), with: (0..<40).map { _ in UInt8.random(in: 0...255, using: &chance) })
      }
      guard wrong != archive, let read = try? TarArchive.read(wrong) else { continue }
      #expect(try TarArchive.write(read) == wrong)
    }
  }

  @Test(arguments: ["../x", "a/b", "/etc/passwd", ".hidden", "x y", "ä", String(repeating: "n", count: 101)])
  func `holds no name that leads elsewhere, written or read`(name: String) throws {
    #expect(throws: PackError.self) { try TarArchive.write([.init(name: name, bytes: [1])]) }
    // As somebody else's tar would write it.
    let header = try #require(
      TarFile.header(path: name, bytes: 0) ?? TarFile.header(path: "a/\(name.prefix(90))", bytes: 0))
    #expect(throws: PackError.self) { try TarArchive.read(header + [UInt8](repeating: 0, count: 1_024)) }
  }
}
