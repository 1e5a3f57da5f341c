/// The little of an ELF file that a check needs: which symbols a library exports, which libraries it needs, and whether code
/// runs when it is loaded. Every byte is taken for hostile: what does not fit is nil, never a crash.
///
/// 64-bit little-endian only (System V ABI, chapter 4 and 5): what Sluice's workers load.
package struct ELFImage: Sendable {
  /// Defined and visible to others.
  package let exports: [String]
  /// `DT_NEEDED`.
  package let needed: [String]
  /// Entries of `DT_INIT_ARRAY`: functions that run at load.
  package let initCount: Int
  /// What compilers and linkers left in `.comment`, each once.
  package let comments: [String]
  private let machine: Int
  /// What it runs on, as `uname -m` says it.
  package var machineName: String? { [62: "x86_64", 183: "aarch64"][machine] }

  private struct Section {
    let name: Int
    let type: UInt32
    let offset: Int
    let size: Int
    let link: Int
  }

  package init?(_ bytes: [UInt8]) {
    guard bytes.count > 64, bytes[0..<6] == [0x7F, 0x45, 0x4C, 0x46, 2, 1] else { return nil }
    func number(_ offset: Int, _ size: Int) -> Int? {
      guard offset >= 0, size <= 8, offset <= bytes.count - size else { return nil }
      var value: UInt64 = 0
      for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
      return Int(exactly: value)
    }
    func text(_ offset: Int, in table: Section) -> String? {
      // Sections without bytes (SHT_NOBITS) may claim any size.
      guard offset >= 0, offset < table.size, table.offset <= bytes.count, table.size <= bytes.count - table.offset
      else { return nil }
      let rest = bytes[(table.offset + offset)..<(table.offset + table.size)]
      return String(decoding: rest.prefix { $0 != 0 }, as: UTF8.self)
    }
    guard let start = number(40, 8), let size = number(58, 2), let count = number(60, 2), size >= 64, count < 4096,
      start <= bytes.count, let machine = number(18, 2), let nameTable = number(62, 2)
    else { return nil }
    var sections: [Section] = []
    for index in 0..<count {
      let at = start + index * size
      guard let name = number(at, 4), let type = number(at + 4, 4), let offset = number(at + 24, 8),
        let length = number(at + 32, 8),
        let link = number(at + 40, 4), type == 8 || (offset <= bytes.count && length <= bytes.count - offset)
      else { return nil }
      sections.append(Section(name: name, type: UInt32(type), offset: offset, size: length, link: link))
    }
    func linked(_ section: Section) -> Section? {
      sections.indices.contains(section.link) ? sections[section.link] : nil
    }

    var exports: [String] = []
    for symbols in sections where symbols.type == 11 {  // SHT_DYNSYM
      guard let names = linked(symbols) else { return nil }
      for at in stride(from: symbols.offset + 24, through: symbols.offset + symbols.size - 24, by: 24) {
        guard let name = number(at, 4), let info = number(at + 4, 1), let other = number(at + 5, 1),
          let section = number(at + 6, 2)
        else { return nil }
        let isVisible = other & 3 == 0 || other & 3 == 3  // STV_DEFAULT, STV_PROTECTED
        guard section != 0, info >> 4 == 1 || info >> 4 == 2, isVisible, let name = text(name, in: names) else {
          continue
        }
        exports.append(name)
      }
    }
    var needed: [String] = []
    var initCount = 0
    for dynamic in sections where dynamic.type == 6 {  // SHT_DYNAMIC
      guard let names = linked(dynamic) else { return nil }
      for at in stride(from: dynamic.offset, through: dynamic.offset + dynamic.size - 16, by: 16) {
        guard let tag = number(at, 8), let value = number(at + 8, 8) else { continue }
        if tag == 1, let name = text(value, in: names) { needed.append(name) }
        if tag == 27 { initCount = value / 8 }
      }
    }
    let names = sections.indices.contains(nameTable) ? sections[nameTable] : nil
    let comment = sections.first { section in
      section.type == 1 && names.flatMap { text(section.name, in: $0) } == ".comment"  // SHT_PROGBITS
    }
    let remarks = comment.map { bytes[$0.offset..<($0.offset + $0.size)].split(separator: 0) } ?? []
    comments = Set(remarks.map { String(decoding: $0, as: UTF8.self) }).sorted()
    self.machine = machine
    self.exports = exports.sorted()
    self.needed = needed
    self.initCount = initCount
  }
}
