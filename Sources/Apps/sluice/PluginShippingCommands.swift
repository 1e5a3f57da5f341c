import ArgumentParser
import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import Shipping
import SluiceHost
import TrustLedger
import YAMLFiles

struct NewPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Make a folder for a new connector, which builds alone and passes the kit.")

  @Argument(help: "Its name: small letters and digits.") var name: String
  @Option(help: "swift, c or rust.") var lang: String
  @Option(help: "The folder to make.") var to: String

  func validate() throws {
    guard Template.Language(rawValue: lang) != nil else {
      throw ValidationError("There is no language \"\(lang)\": swift, c or rust.")
    }
  }

  func run() throws {
    try Template(sdk: Installation.sdk, language: Template.Language(rawValue: lang)!, name: name).write(to: to)
    print(
      """
      \(to) holds a connector that reads a tide gauge. Next:
        cd \(to) && make check     builds it and proves it by the conformance kit
        \(to)/README.md     says what to change
      """.harmlessLines)
  }
}

struct PackPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Put manifest, library and bill of materials into one file, the same bytes each time.")

  @Argument(help: "The built manifest, with its library beside it.") var manifest: String
  @Option(help: "A file, or a folder in which the pack gets its own name.") var to = "."
  @Option(help: "A bill of materials of your own (CycloneDX, JSON).") var sbom: String?

  func run() throws {
    let folder = (manifest as NSString).deletingLastPathComponent
    let text = try OperatorFile.read(manifest)
    let beside = (manifest as NSString).deletingPathExtension + ".check.yaml"
    let file = try Manifest(SourceDocument(name: manifest, text: text)).library.file
    let pack = try PluginPack(
      manifestText: text, library: try OperatorFile.read((folder as NSString).appendingPathComponent(file)),
      sbom: try sbom.map { try OperatorFile.read($0) },
      fixtures: FileManager.default.fileExists(atPath: beside) ? try OperatorFile.read(beside) : nil)
    var isFolder: ObjCBool = false
    let path =
      FileManager.default.fileExists(atPath: to, isDirectory: &isFolder) && isFolder.boolValue
      ? (to as NSString).appendingPathComponent(pack.fileName) : to
    try OperatorFile.writing(path) { try Data(try pack.archive()).write(to: URL(fileURLWithPath: path)) }
    print(path.harmlessLines)
  }
}

struct SignPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign", abstract: "Sign a pack with an Ed25519 key; the signature stands beside it, PACK.sig.")

  @Argument(help: "The pack; none with --new-key.") var pack: String?
  @Option(help: "The file that holds the signing key.") var key: String
  @Option(help: "Make a key of this name, such as your domain, in the file, and print what others check with.")
  var newKey: String?

  func validate() throws {
    guard (pack == nil) == (newKey != nil) else {
      throw ValidationError("Name a pack to sign, or a new key, not both.")
    }
  }

  func run() throws {
    if let newKey {
      let made = try SigningKey.made(name: newKey, random: SystemSources.random)
      try OperatorFile.create(key, Array(made.text.utf8), mode: 0o600)
      return print(try made.vkey)
    }
    let signing = try SigningKey(text: try OperatorFile.text(key), path: key)
    let archive = try OperatorFile.read(pack!)
    let note = try PackSignature.sign(archive, PluginPack(archive: archive), key: signing)
    try OperatorFile.writing(pack! + ".sig") { try Data(note).write(to: URL(fileURLWithPath: pack! + ".sig")) }
    print("\(pack!).sig".harmlessLines)
  }
}

struct InstallPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "install", abstract: "Verify a pack, show what it may do, and keep it beside its other versions.")

  @Argument(help: "The pack.") var pack: String
  @OptionGroup var everywhere: Everywhere
  @Option(help: "Trust this author's key from now on, as `sign --new-key` printed it.") var trust: [String] = []
  @Flag(help: "Take a pack that nobody signed.") var unsigned = false
  @Flag(help: "Grant what is shown, where it is more than an installed version may do.") var accept = false

  func run() throws {
    let archive = try OperatorFile.read(pack)
    let found = try PluginPack(archive: archive)
    let store = PluginStore(dataFolder: everywhere.dataDir)
    let trusted = try store.trusted() + trust.map { try NoteKey(vkey: $0) }
    let signer: String?
    if FileManager.default.fileExists(atPath: pack + ".sig") || !unsigned {
      guard FileManager.default.fileExists(atPath: pack + ".sig") else { throw PackError.unsigned(path: pack + ".sig") }
      signer = try PackSignature.verify(archive, found, note: try OperatorFile.read(pack + ".sig"), trusted: trusted)
    } else {
      signer = nil
    }
    let before = try store.newest(found.manifest.name).map { Authority($0.manifest) }
    let authority = Authority(found.manifest)
    let added = authority.added(to: before)
    say(found, signer, before, authority, added)
    guard added.isEmpty || accept else { throw PackError.moreAuthority(name: found.manifest.name, added: added.count) }
    for key in trust { try store.trust(try NoteKey(vkey: key)) }
    let installed = try store.install(found)
    print("\(found.manifest.name) \(found.manifest.version) is installed: \(installed.path)".harmlessLines)
  }

  private func say(
    _ pack: PluginPack, _ signer: String?, _ before: Authority?, _ authority: Authority, _ added: [String]
  ) {
    let manifest = pack.manifest
    var lines = [
      "\(manifest.name) \(manifest.version): \(manifest.summary)",
      signer.map { "signed by \($0)" } ?? "signed by nobody",
    ]
    if before == nil {
      lines += ["It"] + authority.sentences.map { "  \($0)" }
    } else {
      lines += added.isEmpty ? ["It may do nothing that it may not do already."] : ["New: it"] + added.map { "  \($0)" }
      let removed = authority.removed(from: before)
      if !removed.isEmpty { lines += ["No more: it"] + removed.map { "  \($0)" } }
    }
    StandardStream.error(lines.joined(separator: "\n").harmlessLines + "\n")
  }
}

struct ListPlugins: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show every plugin that can be enabled.")
  @OptionGroup var everywhere: Everywhere

  func run() throws {
    let installed = try PluginStore(dataFolder: everywhere.dataDir).installed().map { row($0.manifest, $0.path) }
    let bundled = try Installation.bundledManifests().map { path in
      row(try Manifest(SourceDocument(name: path, text: try OperatorFile.read(path))), path)
    }
    print(Printer.text(.array(installed + bundled), asJSON: everywhere.json), terminator: "")
  }

  private func row(_ manifest: Manifest, _ path: String) -> JSONValue {
    [
      "name": .string(manifest.name), "version": .string(manifest.version), "kind": .string(manifest.kind.rawValue),
      "summary": .string(manifest.summary), "path": .string(path),
    ]
  }
}

struct ShowPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show what a plugin may do.")
  @Argument(help: "NAME, NAME@VERSION, or a manifest.") var name: String
  @OptionGroup var everywhere: Everywhere

  func run() throws {
    let path = try InstalledPlugins.path(name, dataFolder: everywhere.dataDir) ?? PluginPlace.path(name)
    let manifest = try Manifest(SourceDocument(name: path, text: try OperatorFile.read(path)))
    let answer: JSONValue = [
      "name": .string(manifest.name), "version": .string(manifest.version), "kind": .string(manifest.kind.rawValue),
      "summary": .string(manifest.summary), "sha256": .string(manifest.library.sha256.hex), "path": .string(path),
      "may": .array(Authority(manifest).sentences.map { .string($0) }),
    ]
    if everywhere.json { return print(answer.canonicalText) }
    print("\(manifest.name) \(manifest.version): \(manifest.summary)\nIt".harmlessLines)
    for sentence in Authority(manifest).sentences { print("  \(sentence)".harmlessLines) }
  }
}

struct RemovePlugin: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove an installed version that no connector runs.")
  @Argument(help: "NAME@VERSION, or NAME for its newest version.") var name: String
  @OptionGroup var everywhere: Everywhere

  func run() async throws {
    let store = PluginStore(dataFolder: everywhere.dataDir)
    guard let found = try store.find(name) else { throw PackError.notInstalled(name: name) }
    let folder = OperatorFile.absolute((found.path as NSString).deletingLastPathComponent)
    let instances = try await everywhere.answer("connector.folders", [:]).array ?? []
    let users = instances.filter { $0["folder"]?.string.map(OperatorFile.absolute) == folder }.compactMap {
      $0["instance"]?.string
    }
    guard users.isEmpty else { throw PackError.inUse(name: name, instances: users.sorted()) }
    try store.remove(found)
    print("\(found.manifest.name) \(found.manifest.version) is removed.".harmlessLines)
  }
}

extension SourceDocument {
  /// A YAML file's text.
  init(name: String, text: [UInt8]) throws {
    guard let text = String(validating: text, as: UTF8.self) else { throw OperatorFileError.notText(path: name) }
    self = try YAMLFile.document(text, name: (name as NSString).lastPathComponent)
  }
}
