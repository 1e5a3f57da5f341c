import CanonicalJSON
import Cryptography
package import Domain
import Foundation

/// Reads a backup from its first byte to its last, and believes no byte of it that its manifest does not name.
///
/// This finds damage, without a key. Forgery by somebody who makes another manifest is found by `BackupOrigin`, with the host key.
package enum BackupReader {
  struct Contents {
    let manifest: BackupManifest
    let manifestBytes: [UInt8]
    /// The part `manifest.mac`.
    let code: [UInt8]
  }

  /// Checks a whole backup.
  /// - Returns: What it holds, for people.
  /// - Throws: `BackupError`, naming the part.
  package static func verify(_ path: String) throws -> JSONValue {
    guard case .object(var answer) = try read(path, taker: { _, _ in nil }).manifest.json else { return .null }
    answer["sound"] = true
    return .object(answer)
  }

  /// Takes a piece of a part.
  typealias Taker = (_ piece: [UInt8]) throws -> Void

  /// - Parameter taker: Asked for each part before its bytes are read; the parts that end the archive are not shown.
  /// - Returns: The manifest and its code, once every part was found to be as it says.
  static func read(
    _ path: String, taker: (_ part: String, _ bytes: Int) throws -> Taker?
  ) throws -> Contents {
    let input = try InputFile(path: path)
    var found: [BackupManifest.Part] = []
    var texts: [String: [UInt8]] = [:]
    var last = "its beginning"
    while true {
      let block = try input.read(TarFile.blockBytes)
      if block.isEmpty, found.isEmpty { throw BackupError.notOne(path: path, reason: "it is empty") }
      guard block.count == TarFile.blockBytes else {
        throw BackupError.cutOff(path: path, part: "what follows \(last)")
      }
      if block.allSatisfy({ $0 == 0 }) { break }
      guard let header = TarFile.read(block) else {
        if found.isEmpty { throw BackupError.notOne(path: path, reason: "it does not begin like one") }
        throw BackupError.partDiffers(path: path, part: "after \(last)", reason: "its header was changed")
      }
      if let bytesMax = BackupManifest.bytesMax(of: header.path), header.bytes > bytesMax {
        throw BackupError.partDiffers(
          path: path, part: header.path, reason: "\(header.bytes) bytes are too large for it, \(bytesMax) are the most")
      }
      let isLast = BackupManifest.lastPaths.contains(header.path)
      let take = isLast ? nil : try taker(header.path, header.bytes)
      let sum = try SHA256Sum()
      var text: [UInt8] = []
      var left = header.bytes
      while left > 0 {
        let piece = try input.read(min(left, TarFile.pieceBytes))
        guard !piece.isEmpty else { throw BackupError.cutOff(path: path, part: header.path) }
        sum.add(piece)
        if isLast { text += piece }
        try take?(piece)
        left -= piece.count
      }
      let padding = try input.read(TarFile.padding(after: header.bytes))
      guard padding.count == TarFile.padding(after: header.bytes) else {
        throw BackupError.cutOff(path: path, part: header.path)
      }
      guard padding.allSatisfy({ $0 == 0 }) else {
        throw BackupError.partDiffers(path: path, part: header.path, reason: "bytes were put behind it")
      }
      if isLast { texts[header.path] = text }
      found.append(.init(path: header.path, bytes: header.bytes, sha256: sum.finish()))
      last = header.path
    }
    guard found.suffix(3).map(\.path) == BackupManifest.lastPaths else {
      throw BackupError.notOne(path: path, reason: "it ends with \(last) instead of its manifest's sum")
    }
    try checkSums(found.suffix(3), said: texts[BackupManifest.sumPath] ?? [], path)
    let end = try input.read(TarFile.blockBytes + 1)
    guard end.count == TarFile.blockBytes, end.allSatisfy({ $0 == 0 }) else {
      throw BackupError.notOne(path: path, reason: "its end was changed")
    }
    let manifestBytes = texts[BackupManifest.path] ?? []
    return Contents(
      manifest: try check(found.dropLast(3), against: manifestBytes, path), manifestBytes: manifestBytes,
      code: texts[BackupManifest.codePath] ?? [])
  }

  /// The bytes of the part `manifest.sha256`: a line for each of the two before it.
  static func sums(_ parts: some Sequence<BackupManifest.Part>) -> [UInt8] {
    Array(parts.map { "\($0.sha256.hex)  \($0.path)\n" }.joined().utf8)
  }

  private static func checkSums(_ parts: ArraySlice<BackupManifest.Part>, said: [UInt8], _ path: String) throws {
    guard sums(parts.prefix(2)) != said else { return }
    let lines = said.split(separator: 0x0A, omittingEmptySubsequences: false)
    let blamed = zip(parts.prefix(2), lines).first { part, line in sums([part]).dropLast() != line }
    throw BackupError.partDiffers(
      path: path, part: blamed?.0.path ?? BackupManifest.sumPath, reason: "its SHA-256 is another one")
  }

  private static func check(
    _ found: ArraySlice<BackupManifest.Part>, against bytes: [UInt8], _ path: String
  ) throws -> BackupManifest {
    let value = try? JSONValue(parsing: bytes)
    if let format = value?["format"]?.integer,
      !(Int64(BackupManifest.oldestFormat)...Int64(BackupManifest.formatVersion)).contains(format)
    {
      throw BackupError.otherFormat(path: path, found: Int(format), understood: BackupManifest.formatVersion)
    }
    guard let manifest = try? value?.decode(BackupManifest.self) else {
      throw BackupError.notOne(path: path, reason: "its manifest cannot be read")
    }
    let known = Dictionary(manifest.parts.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    for part in found {
      guard let promised = known[part.path] else {
        throw BackupError.partDiffers(path: path, part: part.path, reason: "the manifest does not know it")
      }
      guard promised == part else {
        throw BackupError.partDiffers(
          path: path, part: part.path,
          reason: "its SHA-256 is \(part.sha256.hex), the manifest says \(promised.sha256.hex)")
      }
    }
    let there = Set(found.map(\.path))
    if let missing = manifest.parts.first(where: { !there.contains($0.path) }) {
      throw BackupError.partDiffers(path: path, part: missing.path, reason: "it is missing")
    }
    guard manifest.parts.count == found.count else {
      throw BackupError.notOne(path: path, reason: "a part is there twice")
    }
    return manifest
  }
}
