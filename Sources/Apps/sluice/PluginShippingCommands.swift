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
    commandName: "new",
    abstract: "Make a folder for a new connector or executor, which builds alone and passes the kit.")

  @Argument(help: "Its name: small letters and digits.") var name: String
  @Option(help: "source brings records in, executor performs actions.") var kind = "source"
  @Option(help: "c, cpp, swift or rust.") var lang: String
  @Option(help: "The folder to make.") var to: String

  func validate() throws {
    guard Template.Language(rawValue: lang) != nil else {
      throw ValidationError("There is no language \"\(lang)\": c, cpp, swift or rust.")
    }
    guard Template.Kind(rawValue: kind) != nil else {
      throw ValidationError("There is no kind \"\(kind)\": source or executor.")
    }
  }

  func run() throws {
    let kind = Template.Kind(rawValue: kind)!
    try Template(sdk: Installation.sdk, kind: kind, language: Template.Language(rawValue: lang)!, name: name)
      .write(to: to)
    let what =
      switch kind {
      case .source: "a connector that reads a tide gauge"
      case .executor: "an executor that opens and closes issues at a help desk"
      }
    print(
      """
      \(to) holds \(what). Next:
        cd \(to) && make check     builds it and proves it by the conformance kit
        \(to)/README.md     says what to change
      """.harmlessLines)
  }
}

struct SDKPlace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sdk", abstract: "Print the folder of the SDK: headers, kits, examples.")

  func run() { print(Installation.sdk) }
}

struct PackPlugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Put manifest, library and bill of materials into one file, the same bytes each time.")

  @Argument(help: "The built manifest, with its library beside it.") var manifest: String
  @Option(help: "A file, or a folder in which the pack gets its own name.") var to = "."
  @Option(help: "A bill of materials of your own (CycloneDX, JSON), in place of the one that is made.") var sbom:
    String?

  func run() throws {
    let folder = (manifest as NSString).deletingLastPathComponent
    let text = try OperatorFile.read(manifest)
    let document = try SourceDocument(name: manifest, text: text)
    guard document.value["library"]?["sha256"]?.string != "built" else {
      let name = (manifest as NSString).lastPathComponent
      throw PackError.notBuilt(path: manifest, built: (folder as NSString).appendingPathComponent("build/\(name)"))
    }
    let file = try Manifest(document).library.file
    let parts = try beside(".parts.yaml").map { try Parts(SourceDocument(name: $0, text: try OperatorFile.read($0))) }
    let pack = try PluginPack(
      manifestText: text, library: try OperatorFile.read((folder as NSString).appendingPathComponent(file)),
      sbom: try sbom.map { try OperatorFile.read($0) }, parts: parts,
      fixtures: try beside(".check.yaml").map { try OperatorFile.read($0) })
    if sbom == nil, parts == nil {
      StandardStream.error(
        "Nobody says what is linked into \(file): its bill of materials names only what the system must have.\n"
          .harmlessLines)
    }
    var isFolder: ObjCBool = false
    let path =
      FileManager.default.fileExists(atPath: to, isDirectory: &isFolder) && isFolder.boolValue
      ? (to as NSString).appendingPathComponent(pack.fileName) : to
    try OperatorFile.put(path, try pack.archive(), mode: 0o644)
    print(path.harmlessLines)
  }

  /// What stands beside the manifest under its name; nil when nothing does.
  private func beside(_ ending: String) -> String? {
    let path = (manifest as NSString).deletingPathExtension + ending
    return FileManager.default.fileExists(atPath: path) ? path : nil
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
      do { try OperatorFile.create(key, Array(made.text.utf8), mode: 0o600) } catch OperatorFileError.exists {
        throw PackError.keyExists(path: key)
      }
      return print(try made.vkey)
    }
    let signing = try SigningKey(file: key)
    let archive = try OperatorFile.read(pack!)
    let note = try PackSignature.sign(archive, PluginPack(archive: archive), key: signing)
    try OperatorFile.put(pack! + ".sig", note, mode: 0o644)
    print("\(pack!).sig".harmlessLines)
  }
}

struct ShowKey: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Print what others check a signing key's packs with, for `install --trust`.")
  @Argument(help: "The file that `sign --new-key` made.") var key: String
  func run() throws { print(try SigningKey(file: key).vkey) }
}

extension SigningKey {
  /// As the host key: a file of nobody else.
  fileprivate init(file path: String) throws {
    let text = try OperatorFile.text(path)
    guard OperatorFile.isPrivate(path) else { throw PackError.keyOfOthers(path: path) }
    try self.init(text: text, path: path)
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
    let store = PluginStore(dataFolder: everywhere.dataDir, crash: CrashByEnvironment.injector())
    let new = try trust.map { try PluginStore.key($0, in: "--trust") }
    let signer = try signer(archive, found, try store.trusted() + new)
    let asked = asked(found, signer, before: store.newest(found.manifest.name))
    let lines =
      ["\(found.manifest.name) \(found.manifest.version): \(found.manifest.summary)", Self.signed(signer?.vkey)] + asked
    // Each line by itself: what an author wrote must not look like another one.
    StandardStream.error(lines.map { $0.harmless + "\n" }.joined())
    guard asked.isEmpty || accept else { throw PackError.moreAuthority(name: found.manifest.name, asked: asked.count) }
    for key in new { try store.trust(key) }
    let installed = try store.install(found, signer: signer?.vkey)
    print("\(found.manifest.name) \(found.manifest.version) is installed: \(installed.path)".harmless)
  }

  /// Who signed it; nil when nobody did and that was said to be right.
  private func signer(_ archive: [UInt8], _ found: PluginPack, _ trusted: [NoteKey]) throws -> NoteKey? {
    let path = pack + ".sig"
    guard FileManager.default.fileExists(atPath: path) else {
      guard unsigned else { throw PackError.unsigned(path: path) }
      return nil
    }
    return try PackSignature.verify(archive, found, note: try OperatorFile.read(path), trusted: trusted)
  }

  private static func signed(_ vkey: String?) -> String { vkey.map { "signed by \($0)" } ?? "signed by nobody" }

  /// What nobody has granted yet, a line each.
  private func asked(_ found: PluginPack, _ signer: NoteKey?, before: PluginStore.Installed?) -> [String] {
    let authority = Authority(found.manifest, document: found.document)
    guard let before else {
      let isBundled = Installation.bundledManifests().contains {
        ($0 as NSString).lastPathComponent == "\(found.manifest.name).yaml"
      }
      let place = isBundled ? ["It takes the place of the plugin of this name that came with Sluice."] : []
      return place + authority.sentences.map { "It \($0)" }
    }
    let other =
      before.signer == signer?.vkey
      ? [] : ["another signer: \(before.manifest.version) was \(Self.signed(before.signer))"]
    return other + authority.changes(from: before.authority)
  }
}

struct ListPlugins: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show every plugin that can be enabled.")
  @OptionGroup var everywhere: Everywhere

  func run() throws {
    let found = PluginStore(dataFolder: everywhere.dataDir).all()
    let installed = found.installed.map { row($0.manifest, $0.path) }
    let broken = found.broken.map { broken -> JSONValue in
      [
        "name": .string(broken.name), "version": .string(broken.version),
        "summary": .string("broken: \(broken.reason)"),
      ]
    }
    let bundled = try Installation.bundledManifests().map { path in
      row(try Manifest(SourceDocument(name: path, text: try OperatorFile.read(path))), path)
    }
    print(Printer.text(.array(installed + broken + bundled), asJSON: everywhere.json), terminator: "")
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
    let path = try PluginPlace.path(name, dataFolder: everywhere.dataDir)
    let document = try SourceDocument(name: path, text: try OperatorFile.read(path))
    let manifest = try Manifest(document)
    let sentences = Authority(manifest, document: document.value).sentences
    if everywhere.json {
      let answer: JSONValue = [
        "name": .string(manifest.name), "version": .string(manifest.version), "kind": .string(manifest.kind.rawValue),
        "summary": .string(manifest.summary), "sha256": .string(manifest.library.sha256.hex), "path": .string(path),
        "may": .array(sentences.map { .string($0) }),
      ]
      return print(answer.canonicalText)
    }
    print("\(manifest.name) \(manifest.version): \(manifest.summary)".harmless)
    for sentence in sentences { print("It \(sentence)".harmless) }
  }
}

struct RemovePlugin: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove an installed version that no connector runs.")
  @Argument(help: "NAME@VERSION, or NAME for its newest version.") var name: String
  @Flag(help: "Also one that `connector rollback` would lead to.") var force = false
  @OptionGroup var everywhere: Everywhere

  func run() async throws {
    let store = PluginStore(dataFolder: everywhere.dataDir)
    guard let folder = store.versionFolder(name) else { throw PackError.notInstalled(name: name) }
    let instances = try await everywhere.answer("connector.folders", [:]).array ?? []
    let users = instances.filter { $0["folder"]?.string.map(Self.real) == Self.real(folder) }
    let runs = users.filter { $0["runs"]?.bool == true }.compactMap { $0["instance"]?.string }.sorted()
    guard runs.isEmpty else { throw PackError.inUse(name: name, instances: runs) }
    let back = users.compactMap { $0["instance"]?.string }.sorted()
    guard back.isEmpty || force else { throw PackError.wayBack(name: name, instances: back) }
    try store.remove(folder: folder)
    print("\(name) is removed.".harmless)
  }

  /// However it was named.
  private static func real(_ path: String) -> String {
    guard let found = realpath(path, nil) else { return OperatorFile.absolute(path) }
    defer { free(found) }
    return String(cString: found)
  }
}

extension SourceDocument {
  /// A YAML file's text.
  init(name: String, text: [UInt8]) throws {
    guard let text = String(validating: text, as: UTF8.self) else { throw OperatorFileError.notText(path: name) }
    self = try YAMLFile.document(text, name: (name as NSString).lastPathComponent)
  }
}
