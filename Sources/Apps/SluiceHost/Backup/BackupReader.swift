import CanonicalJSON
import Cryptography
package import Domain
import Foundation

/// Reads a backup from its first byte to its last, and believes no byte of it that its manifest does not name.
///
/// This finds damage. It does not find forgery by somebody who makes another manifest; what entries and keys say is
/// sealed, and does not open with another host's key.
package enum BackupReader {
  /// Checks a whole backup.
  /// - Returns: What it holds, for people.
  /// - Throws: `BackupError`, naming the part.
  package static func verify(_ path: String) throws -> JSONValue {
    guard case .object(var answer) = try manifest(path).json else { return .null }
    answer["sound"] = true
    return .object(answer)
  }

  static func manifest(_ path: String) throws -> BackupManifest { try read(path) { _, _ in nil } }

  /// Takes a piece of a part.
  typealias Taker = (_ piece: [UInt8]) throws -> Void

  /// - Parameter taker: Asked for each part before its bytes are read; the parts of the manifest are not shown.
  /// - Returns: The manifest, once every part was found to be as it says.
  static func read(
    _ path: String, taker: (_ part: String, _ bytes: Int) throws -> Taker?
  ) throws -> BackupManifest {
    let input = try InputFile(path: path)
    var found: [BackupManifest.Part] = []
    var manifestBytes: [UInt8] = []
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
      let isManifest = [BackupManifest.path, BackupManifest.sumPath].contains(header.path)
      let take = isManifest ? nil : try taker(header.path, header.bytes)
      let sum = try SHA256Sum()
      var text: [UInt8] = []
      var left = header.bytes
      while left > 0 {
        let piece = try input.read(min(left, TarFile.pieceBytes))
        guard !piece.isEmpty else { throw BackupError.cutOff(path: path, part: header.path) }
        sum.add(piece)
        if isManifest { text += piece }
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
      if header.path == BackupManifest.path { manifestBytes = text }
      if header.path == BackupManifest.sumPath, text != Array((SHA256.digest(manifestBytes).hex + "\n").utf8) {
        throw BackupError.partDiffers(path: path, part: BackupManifest.path, reason: "its SHA-256 is another one")
      }
      found.append(.init(path: header.path, bytes: header.bytes, sha256: sum.finish()))
      last = header.path
    }
    guard last == BackupManifest.sumPath else {
      throw BackupError.notOne(path: path, reason: "it ends with \(last) instead of its manifest's sum")
    }
    let end = try input.read(TarFile.blockBytes + 1)
    guard end.count == TarFile.blockBytes, end.allSatisfy({ $0 == 0 }) else {
      throw BackupError.notOne(path: path, reason: "its end was changed")
    }
    return try check(found.dropLast(2), against: manifestBytes, path)
  }

  private static func check(
    _ found: ArraySlice<BackupManifest.Part>, against bytes: [UInt8], _ path: String
  ) throws -> BackupManifest {
    let value = try? JSONValue(parsing: bytes)
    if let format = value?["format"]?.integer, format != Int64(BackupManifest.formatVersion) {
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
