import Domain
import SluiceHost

/// The archive of a pack: a few plain files beside each other, always the same bytes for the same files. What else a tar can
/// say is refused when it is read.
enum TarArchive {
  struct Entry: Equatable, Sendable {
    let name: String
    let bytes: [UInt8]
  }
  static let entriesMax = 16
  static let entryBytesMax = 64 << 20

  /// - Throws: `PackError.notAPack` for names that are none.
  static func write(_ entries: [Entry]) throws(PackError) -> [UInt8] {
    var out: [UInt8] = []
    for entry in entries.sorted(by: { $0.name < $1.name }) {
      guard isName(entry.name), let header = TarFile.header(path: entry.name, bytes: entry.bytes.count) else {
        throw .notAPack(reason: "\"\(entry.name)\" cannot be a file's name in it")
      }
      out += header
      out += entry.bytes
      out += [UInt8](repeating: 0, count: TarFile.padding(after: entry.bytes.count))
    }
    return out + [UInt8](repeating: 0, count: 2 * TarFile.blockBytes)
  }

  /// - Throws: `PackError.notAPack` for anything that `write` would not have written.
  static func read(_ bytes: [UInt8]) throws(PackError) -> [Entry] {
    var entries: [Entry] = []
    var at = 0
    while true {
      guard at + TarFile.blockBytes <= bytes.count else { throw .notAPack(reason: "it breaks off") }
      let block = Array(bytes[at..<(at + TarFile.blockBytes)])
      if block.allSatisfy({ $0 == 0 }) { break }
      guard let (name, size) = TarFile.read(block) else { throw .notAPack(reason: "it holds what is no plain file") }
      guard entries.count < entriesMax, (0...entryBytesMax).contains(size) else {
        throw .notAPack(reason: "it holds more than \(entriesMax) files, or one above \(entryBytesMax >> 20) MiB")
      }
      guard isName(name), !entries.contains(where: { $0.name == name }) else {
        throw .notAPack(reason: "it holds a file whose name is none, or comes twice")
      }
      at += TarFile.blockBytes
      guard size <= bytes.count - at else { throw .notAPack(reason: "\(name) breaks off") }
      entries.append(Entry(name: name, bytes: Array(bytes[at..<(at + size)])))
      at += size + TarFile.padding(after: size)
    }
    guard try write(entries) == bytes else { throw .notAPack(reason: "there is something behind or between its files") }
    return entries
  }

  /// One file beside others: no folders, nothing hidden.
  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 100 && name.first != "."
      && name.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
          || "._-".utf8.contains(byte)
      }
  }
}

/// Why a pack cannot be made, signed or installed.
package enum PackError: OperatorError, Equatable {
  case notAPack(reason: String)
  case otherLibrary(name: String)
  case otherABI(note: String)
  case unsigned(path: String)
  case untrusted(signers: [String])
  case forged(reason: String)
  case moreAuthority(name: String, asked: Int)
  case alreadyInstalled(name: String, version: String)
  case notInstalled(name: String)
  case inUse(name: String, instances: [String])
  case wayBack(name: String, instances: [String])
  case badKey(path: String)
  case badKeyName(name: String)
  case keyExists(path: String)
  case keyOfOthers(path: String)
  case notBuilt(path: String, built: String)
  case badTrustedKey(place: String)
  case notTrusted(author: String)

  package var code: String {
    switch self {
    case .notAPack: "pack.malformed"
    case .otherLibrary: "pack.other_library"
    case .otherABI: "pack.other_abi"
    case .unsigned: "pack.unsigned"
    case .untrusted: "pack.untrusted"
    case .forged: "pack.forged"
    case .moreAuthority: "pack.more_authority"
    case .alreadyInstalled: "pack.already_installed"
    case .notInstalled: "pack.not_installed"
    case .inUse: "pack.in_use"
    case .wayBack: "pack.way_back"
    case .badKey: "pack.bad_key"
    case .badKeyName: "pack.bad_key_name"
    case .keyExists: "pack.key_exists"
    case .keyOfOthers: "pack.key_of_others"
    case .notBuilt: "pack.not_built"
    case .badTrustedKey: "pack.bad_trusted_key"
    case .notTrusted: "pack.author_not_trusted"
    }
  }
  package var message: String {
    switch self {
    case .notAPack(let reason): "It is no plugin's pack: \(reason)."
    case .otherLibrary(let name): "The library of \(name) is not the one that its manifest names by SHA-256."
    case .otherABI(let note): "The library's ABI note is not what its manifest says: \(note)."
    case .unsigned(let path): "There is no signature \(path)."
    case .untrusted(let signers):
      "It is signed by \(signers.joined(separator: ", ")), and by nobody who is trusted here."
    case .forged(let reason): "Its signature does not hold: \(reason)."
    case .moreAuthority(let name, let asked): "\(name) asks for \(asked) things that nobody has granted here."
    case .alreadyInstalled(let name, let version): "\(name) \(version) is installed, with other content."
    case .notInstalled(let name): "\(name) is not installed here."
    case .inUse(let name, let instances): "\(name) is what \(instances.joined(separator: ", ")) runs."
    case .wayBack(let name, let instances):
      "\(name) is what \(instances.joined(separator: ", ")) would go back to."
    case .badKey(let path): "\(path) is no signing key."
    case .badKeyName(let name): "\"\(name.prefix(80))\" cannot be the name of a key."
    case .keyExists(let path): "\(path) exists already, and no key is written over."
    case .keyOfOthers(let path): "\(path) can be read or written by others than its owner."
    case .notBuilt(let path, _): "\(path) is a manifest as its author writes it, which names no built library."
    case .badTrustedKey(let place): "What stands in \(place) is no author's key."
    case .notTrusted(let author): "No author \"\(author.prefix(80))\" is trusted here."
    }
  }
  package var remedy: String {
    switch self {
    case .notAPack: "Make it with `sluice plugin pack`, and check that it arrived whole."
    case .otherLibrary: "Build again, so that the manifest gets the library's SHA-256, and pack again."
    case .otherABI: "Build the library with the headers that belong to the manifest's `abi`."
    case .unsigned: "Get the signature from the author, or say `--unsigned` if you have checked the pack yourself."
    case .untrusted: "Trust the author's key with `--trust VKEY`, once you have it from the author by another way."
    case .forged: "Do not install it; get pack and signature again from the author."
    case .moreAuthority: "Read what it asks for above; say `--accept` to grant it."
    case .alreadyInstalled: "A version is never replaced: remove it first, or ask the author for a new version."
    case .notInstalled: "`sluice plugin list` shows what is."
    case .wayBack: "Leave it, or say `--force`: `connector rollback` then finds no library."
    case .inUse: "Disable them, or enable them with another version, first."
    case .badTrustedKey: "Give it as `sluice plugin sign --new-key` printed it: NAME+ID+KEY, in quotes."
    case .notTrusted: "`sluice plugin authors` shows who is, by name and key."
    case .badKeyName: "Give one without spaces and `+`, such as your domain."
    case .keyExists(let path):
      "`sluice plugin key \(path)` prints what others check with; for another key, name another file."
    case .keyOfOthers(let path): "Run `chmod 600 \(path)`; who may have read it can sign in your name."
    case .notBuilt(_, let built): "Build the plugin, and name the manifest that the build wrote: \(built)."
    case .badKey: "Make one with `sluice plugin sign --new-key NAME --key FILE`."
    }
  }
}
