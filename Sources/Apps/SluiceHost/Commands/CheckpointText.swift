import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain

/// A checkpoint's state as people read and write it: its text, or `hex:` and digits when it is none.
enum CheckpointText {
  static func row(
    _ instance: JSONValue, _ stream: JSONValue, _ checkpoint: IntakeBatch.Checkpoint?
  ) throws -> JSONValue {
    [
      "instance": instance, "stream": stream, "state": checkpoint.map { .string(text($0.stateHex)) } ?? .null,
      "state_version": checkpoint.map { .integer(Int64($0.stateVersion)) } ?? .null,
      "watermark_ms": checkpoint?.watermarkMs.map { .integer($0) } ?? .null,
    ]
  }

  static func text(_ hex: String) -> String {
    let bytes = Hex.decode(hex) ?? []
    let isPlain = bytes.allSatisfy { (0x20...0x7E).contains($0) } && !bytes.starts(with: Array("hex:".utf8))
    return isPlain ? String(decoding: bytes, as: UTF8.self) : "hex:" + hex
  }

  static func bytes(_ text: String) throws -> [UInt8] {
    guard text.hasPrefix("hex:") else { return Array(text.utf8) }
    guard let bytes = Hex.decode(String(text.dropFirst(4))) else {
      throw CommandError.refused(
        code: "checkpoint.bad_hex", message: "What follows hex: is not hexadecimal.",
        remedy: "Give pairs of 0-9 and a-f, or the text itself without `hex:`.")
    }
    return bytes
  }
}
