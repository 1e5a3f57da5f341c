import Domain
import Foundation

/// A new plugin's folder: an example of the SDK under another name, with what it needs of Sluice beside it.
package struct Template {
  package enum Language: String, CaseIterable, Sendable { case c, cpp, swift, rust }
  package enum Kind: String, CaseIterable, Sendable {
    case source, executor
    /// The example's own name, which the new one's takes the place of.
    fileprivate var example: String { self == .source ? "tides" : "tickets" }
  }

  /// `lib/sluice/sdk` of an installation: `VERSION`, `examples`, `CSluicePlugin`, `SluiceKit`, `sluice-rs`.
  private let sdk: String
  private let kind: Kind
  private let language: Language
  private let name: String

  /// - Throws: `TemplateError` for a name that cannot be one in every language.
  package init(sdk: String, kind: Kind, language: Language, name: String) throws(TemplateError) {
    let letters = Set("abcdefghijklmnopqrstuvwxyz")
    guard let first = name.first, letters.contains(first), name.count <= 31, !Self.taken.contains(name),
      name.allSatisfy({ letters.contains($0) || ("0"..."9").contains($0) })
    else { throw .badName(name) }
    self.sdk = sdk
    self.kind = kind
    self.language = language
    self.name = name
  }

  /// Words of C, C++, Swift and Rust, and what the SDKs call theirs: no name of a variable, module or type besides.
  private static let taken = Set(
    """
    auto break case char const continue default do double else enum extern float for goto if int long register return
    short signed sizeof static struct switch typedef union unsigned void volatile while main inline restrict bool true
    false alignas alignof asm nullptr typeof
    and bitand bitor catch compl concept consteval constexpr constinit decltype delete explicit export friend mutable
    namespace new noexcept not operator or requires template thread this typeid typename using virtual wchar xor std
    any as associatedtype async await catch class defer deinit extension fallthrough fileprivate func guard import in
    init inout internal is let nil open operator precedencegroup private protocol public repeat rethrows self some
    subscript super throw throws try type typealias var where
    abstract become box crate dyn final fn gen impl loop macro match mod move mut override priv pub ref trait unsafe
    unsized use virtual yield str string vec option none result ok err
    action batch body checkpoint client config context credential delivery descriptor executor factory failure fetch
    header host json kit library log manifest outcome page plugin probe pull query rate record request response row
    slice slot sluice sluicekit source state status stream text webhook answer check discover receive emit encoded
    execute executor command call write read tell nothing object done unusable changed reason fenced configure
    ask fail id need out reading readings start station end get good arguments array configuration decodable decoder
    equatable error hashable int32 int64 into operation sendable command ended failed
    prelude std core alloc swift foundation glibc test tests build vendor
    """.split(whereSeparator: \.isWhitespace).map(String.init))

  /// Writes the folder; nothing is left of it when that fails.
  /// - Parameter folder: Must not exist, or be empty.
  package func write(to folder: String) throws {
    let files = FileManager.default
    let example = "\(sdk)/examples/\(kind.example)-\(language.rawValue)"
    guard files.fileExists(atPath: example) else { throw TemplateError.noSDK(folder: sdk) }
    if let found = try? files.contentsOfDirectory(atPath: folder), !found.isEmpty {
      throw TemplateError.notEmpty(folder: folder)
    }
    guard !files.fileExists(atPath: folder) || (try? files.contentsOfDirectory(atPath: folder)) != nil else {
      throw TemplateError.notEmpty(folder: folder)
    }
    let new = folder + ".new-\(UUID().uuidString.prefix(8))"
    do {
      try files.createDirectory(
        atPath: (new as NSString).deletingLastPathComponent.isEmpty ? "." : (new as NSString).deletingLastPathComponent,
        withIntermediateDirectories: true)
      try copyRenamed(example, to: new)
      try vendor(into: new + "/vendor")
      if files.fileExists(atPath: folder) { try files.removeItem(atPath: folder) }
      try files.moveItem(atPath: new, toPath: folder)
    } catch {
      try? files.removeItem(atPath: new)
      throw error
    }
  }

  private func copyRenamed(_ source: String, to target: String) throws {
    let files = FileManager.default
    try files.createDirectory(atPath: target, withIntermediateDirectories: true)
    for entry in try files.contentsOfDirectory(atPath: source).sorted() where entry != "build" && entry != "vendor" {
      let (from, to) = ("\(source)/\(entry)", "\(target)/\(renamed(entry))")
      var isFolder: ObjCBool = false
      _ = files.fileExists(atPath: from, isDirectory: &isFolder)
      if isFolder.boolValue {
        try copyRenamed(from, to: to)
      } else {
        let text = try String(contentsOfFile: from, encoding: .utf8)
        try Data(renamed(text).utf8).write(to: URL(fileURLWithPath: to))
      }
    }
  }

  /// The example's name in each way of writing it; what is said of gauges and desks stays an example.
  private func renamed(_ text: String) -> String {
    text.replacingOccurrences(of: title(kind.example), with: title(name))
      .replacingOccurrences(of: kind.example, with: name)
  }

  private func title(_ name: String) -> String { name.prefix(1).uppercased() + name.dropFirst() }

  private func vendor(into target: String) throws {
    let files = FileManager.default
    try files.createDirectory(atPath: target, withIntermediateDirectories: true)
    func copy(_ part: String, _ name: String) throws {
      try files.copyItem(atPath: "\(sdk)/\(part)", toPath: "\(target)/\(name)")
    }
    try copy("VERSION", "VERSION")
    switch language {
    case .c: try copy("CSluicePlugin/include", "include")
    case .cpp:
      try copy("CSluicePlugin/include", "include")
      try copy("SluiceKit/exports.map", "exports.map")
    case .swift:
      try copy("CSluicePlugin/include", "include")
      try copy("CSluicePlugin/plugin_note.c", "plugin_note.c")
      try copy("SluiceKit", "SluiceKit")
    case .rust: try copy("sluice-rs", "sluice-rs")
    }
  }
}

package enum TemplateError: OperatorError, Equatable {
  case badName(String)
  case notEmpty(folder: String)
  case noSDK(folder: String)

  package var code: String {
    switch self {
    case .badName: "plugin.bad_name"
    case .notEmpty: "plugin.folder_not_empty"
    case .noSDK: "plugin.no_sdk"
    }
  }
  package var message: String {
    switch self {
    case .badName(let name): "\"\(name)\" cannot be the name of a new plugin."
    case .notEmpty(let folder): "\(folder) exists and is not an empty folder."
    case .noSDK(let folder): "There is no SDK in \(folder)."
    }
  }
  package var remedy: String {
    switch self {
    case .badName:
      "Give up to 31 small letters and digits, a letter first, and no word of C, C++, Swift, Rust or the SDK: it becomes a name in the code."
    case .notEmpty: "Name a folder that does not exist yet."
    case .noSDK: "Install Sluice with `make install PREFIX=...`, or build it with `make build`."
    }
  }
}
