import Cryptography
import Domain

/// What a checkpoint promises.
struct Promise {
  let origin: String
  let size: Int
  let root: Digest
}

/// A log's public key; opens the notes it signed. Works on bytes, so that no two texts look alike.
struct LogKey {
  /// The key as text.
  let vkey: String
  private let name: [UInt8]
  private let id: [UInt8]
  private let key: [UInt8]

  /// - Parameter vkey: `<name>+<8 hex>+<base64(0x01 ‖ 32 bytes)>`.
  init(vkey: String) throws(LedgerFinding) {
    let bytes = Array(vkey.utf8)
    guard let first = bytes.firstIndex(of: 0x2B), let second = bytes[(first + 1)...].firstIndex(of: 0x2B), first > 0
    else { throw .keyMalformed(reason: "a vkey has three parts joined by '+'") }
    name = Array(bytes[..<first])
    guard let material = CheckpointText.unbase64(bytes[(second + 1)...]), material.count == 33, material[0] == 1 else {
      throw .keyMalformed(reason: "its last part is not an Ed25519 key")
    }
    key = Array(material[1...])
    id = Array(SHA256.digest(parts: [name, [0x0A], material]).bytes[0..<4])
    guard Hex.encode(id).utf8.elementsEqual(bytes[(first + 1)..<second]) else {
      throw .keyMalformed(reason: "its id is not the id of its key")
    }
    self.vkey = vkey
  }

  private init(name: [UInt8], key: [UInt8], material: String) {
    self.name = name
    self.key = key
    id = Array(SHA256.digest(parts: [name, [0x0A, 1], key]).bytes[0..<4])
    vkey = "\(String(decoding: name, as: UTF8.self))+\(Hex.encode(id))+\(material)"
  }

  /// The name of its log.
  var origin: String { String(decoding: name, as: UTF8.self) }

  /// The same key under another log's name: to readers of notes another key.
  func named(_ origin: String) -> LogKey {
    // Base64 may hold a plus sign; neither the name nor the id does.
    let material = vkey.utf8.drop { $0 != 0x2B }.dropFirst().drop { $0 != 0x2B }.dropFirst()
    return LogKey(name: Array(origin.utf8), key: key, material: String(decoding: material, as: UTF8.self))
  }

  func open(_ note: [UInt8], which: String) throws(LedgerFinding) -> Promise {
    // text ‖ "\n" ‖ signature lines; a checkpoint's text holds no empty line, so the first one ends it.
    guard note.last == 0x0A,
      let end = note.indices.dropLast().first(where: { note[$0] == 0x0A && note[$0 + 1] == 0x0A })
    else { throw .checkpointMalformed(which: which, reason: "no empty line parts text and signatures") }
    let body = Array(note[...end])
    let lines = note[(end + 2)...].split(separator: 0x0A, omittingEmptySubsequences: false).dropLast()
    guard !lines.isEmpty else { throw .checkpointMalformed(which: which, reason: "it has no signature line") }
    var signed = false
    for line in lines {
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].elementsEqual("—".utf8), let material = CheckpointText.unbase64(parts[2]),
        material.count > 4
      else { throw .checkpointMalformed(which: which, reason: "a signature line is miswritten") }
      guard parts[1].elementsEqual(name), material[0..<4].elementsEqual(id) else { continue }
      guard Ed25519.isValid(signature: Array(material[4...]), of: body, publicKey: key) else {
        throw .checkpointForged(which: which, key: vkey)
      }
      signed = true
    }
    guard signed else { throw .checkpointUnsigned(which: which, key: vkey) }
    guard let promise = CheckpointText.read(body), promise.origin.utf8.elementsEqual(name) else {
      throw .checkpointMalformed(which: which, reason: "its text is not origin, size and root of this log")
    }
    return promise
  }
}

enum CheckpointText {
  static func read(_ body: [UInt8]) -> Promise? {
    let lines = body.split(separator: 0x0A, omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty, let root = unbase64(lines[2]).flatMap({ Digest($0) }),
      let size = Int(String(decoding: lines[1], as: UTF8.self)), size >= 0,
      String(size).utf8.elementsEqual(lines[1])
    else { return nil }
    return Promise(origin: String(decoding: lines[0], as: UTF8.self), size: size, root: root)
  }

  /// Base64 with padding; nil unless it is in the one form an encoder writes.
  static func unbase64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard !text.isEmpty, text.count % 4 == 0 else { return nil }
    let padding = text.reversed().prefix { $0 == 0x3D }.count
    guard padding <= 2 else { return nil }
    var bytes: [UInt8] = []
    var window: UInt32 = 0
    var bits = 0
    for character in text.dropLast(padding) {
      let value: UInt8
      switch character {
      case 0x41...0x5A: value = character - 0x41
      case 0x61...0x7A: value = character - 0x61 + 26
      case 0x30...0x39: value = character - 0x30 + 52
      case 0x2B: value = 62
      case 0x2F: value = 63
      default: return nil
      }
      window = window << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(window >> UInt32(bits) & 0xFF))
        window &= (1 << UInt32(bits)) - 1
      }
    }
    guard window == 0, bits == padding * 2 else { return nil }
    return bytes
  }
}
