/// A rule that one line at a time can break.
struct LineRule: Sendable, CustomStringConvertible {
  /// Where a rule looks: at code without literals and comments, or at everything as written.
  enum Sight: Sendable { case code, everything }
  struct Example: Sendable {
    let path: String
    let text: String
  }

  let name: String
  let sentence: String
  let sight: Sight
  let applies: @Sendable (ProjectFile) -> Bool
  let banned: Pattern
  /// Whether the line is excused by what stands around it.
  var excuse: @Sendable (SwiftText, _ line: Int) -> Bool = { _, _ in false }
  let breaks: [Example]
  let keeps: [Example]

  var description: String { name }

  func violations(in file: ProjectFile) -> [Violation] {
    // Most files hold nothing that looks like a violation, and need not be taken apart.
    guard applies(file), banned.isFound(in: file.text) else { return [] }
    if sight == .everything { return file.lines.enumerated().compactMap { found($0.offset, $0.element, file) } }
    let swift = SwiftText(file.text)
    return swift.code.enumerated().compactMap { index, line in
      found(index, line, file).flatMap { excuse(swift, index) ? nil : $0 }
    }
  }

  private func found(_ index: Int, _ line: String, _ file: ProjectFile) -> Violation? {
    guard let match = banned.matches(in: line).first else { return nil }
    return Violation(place: file.path, sentence: "line \(index + 1), `\(match[0])`: \(sentence)")
  }

  static let all = [
    pureRooms, transcendental, publicOnlyInTheKit, brutal, unchecked, machinePaths, names, global, sleeping,
  ]
}

extension LineRule {
  static func isPure(_ file: ProjectFile) -> Bool {
    file.isSwift && file.isUnder("Sources/Loop", "Sources/Core", "Sources/Apps/WholeLoop")
  }
  static func isSource(_ file: ProjectFile) -> Bool { file.isSwift && file.isUnder("Sources") }

  static let pureRooms = LineRule(
    name: "pure rooms",
    sentence: "Core and Loop do no I/O, read no clock and draw no randomness: everything enters as an argument.",
    sight: .code, applies: isPure,
    banned: Pattern(
      #"\bimport (Foundation\w*|Glibc|Dispatch)\b|\b(Date|UUID|getenv|print|debugPrint|readLine|sleep|usleep)\(|"#
        + #"\.random\(|\bSystemRandomNumberGenerator\b|\.shuffled?\(\)|\.randomElement\(|"#
        + #"\b(ContinuousClock|SuspendingClock|ProcessInfo|FileManager|FileHandle)\b|\bTask\.sleep"#),
    breaks: [
      Example(path: "Sources/Loop/2-Perception/X.swift", text: "import Foundation\n"),
      Example(path: "Sources/Core/Domain/X.swift", text: "let now = Date()\n"),
      Example(path: "Sources/Loop/9-Learning/X.swift", text: "let pick = Int.random(in: 0...9)\n"),
      Example(path: "Sources/Loop/7-Action/X.swift", text: #"let text = "at \(Date())""#),
    ],
    keeps: [
      Example(path: "Sources/Loop/2-Perception/X.swift", text: "// Date() is never called here.\nlet a = \"UUID()\"\n"),
      Example(path: "Sources/Apps/SluiceHost/X.swift", text: "import Foundation\nlet now = Date()\n"),
      Example(
        path: "Sources/Loop/2-Perception/X.swift", text: "let random: (Int) -> [UInt8]\nlet b = fingerprint(a)\n"),
    ])

  static let transcendental = LineRule(
    name: "no libm",
    sentence: "a libm function may differ between machines, and what it gives must not reach a persisted value.",
    sight: .code, applies: isPure,
    banned: Pattern(
      #"(?<![\w.])(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|"#
        + #"sqrt|cbrt|hypot|erf|lgamma|tgamma)\(|\.squareRoot\("#),
    breaks: [
      Example(path: "Sources/Loop/2-Perception/X.swift", text: "let decay = exp(-age)\n"),
      Example(path: "Sources/Loop/4-Decision/X.swift", text: "let width = rate.squareRoot()\n"),
    ],
    keeps: [
      Example(path: "Sources/Loop/2-Perception/X.swift", text: "host.log(text)\nfunc catalog(x: Int) {}\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "let x = pow(2, 3)\n"),
    ])

  static let publicOnlyInTheKit = LineRule(
    name: "public",
    sentence: "`public` is for SluiceKit alone; between rooms it is `package`.",
    sight: .code,
    applies: { $0.isSwift && $0.isUnder("Sources", "Plugins", "sandbox") && !$0.isUnder("Sources/Plugin/SluiceKit") },
    banned: Pattern(#"\bpublic\b|\bopen (class|func|var|subscript)\b"#),
    // The one function that a plugin exports.
    excuse: { swift, line in line > 0 && swift.code[line - 1].hasPrefix("@c(sluice_plugin_entry)") },
    breaks: [
      Example(path: "Sources/Core/Domain/X.swift", text: "public struct X {}\n"),
      Example(path: "Plugins/crm-source/X.swift", text: "public func entry() {}\n"),
    ],
    keeps: [
      Example(path: "Sources/Plugin/SluiceKit/X.swift", text: "public struct X {}\n"),
      Example(path: "Sources/Core/Domain/X.swift", text: "/// A public key.\npackage struct X {}\n"),
      Example(path: "Plugins/crm-source/Entry.swift", text: "@c(sluice_plugin_entry)\npublic func entry() {}\n"),
    ])

  static let brutal = LineRule(
    name: "reasons",
    sentence: "say in a comment on this line or the one before why it cannot fail.",
    sight: .code, applies: isSource,
    banned: Pattern(#"\btry!|\bas! |\bfatalError\("#),
    excuse: { swift, line in
      [line, line - 1].contains { swift.comments.indices.contains($0) && swift.comments[$0].contains("//") }
    },
    breaks: [Example(path: "Sources/Core/Domain/X.swift", text: "let a = 1\nlet x = try! make()\n")],
    keeps: [
      Example(path: "Sources/Core/Domain/X.swift", text: "let x = v as! T  // the types were just compared\n"),
      Example(path: "Sources/Core/Domain/X.swift", text: "// A literal that parses.\nlet x = try! make()\n"),
    ])

  static let unchecked = LineRule(
    name: "unchecked",
    sentence: "say within the six lines before what confines it, since the compiler does not check.",
    sight: .code,
    applies: { $0.isSwift && $0.isUnder("Sources", "sandbox") },
    banned: Pattern(#"@unchecked Sendable"#),
    excuse: { swift, line in
      swift.comments[max(0, line - 6)...line].contains {
        $0.contains("unchecked") || $0.lowercased().contains("confined")
      }
    },
    breaks: [
      Example(path: "Sources/Host/UVLoop/X.swift", text: "/// A loop.\nfinal class X: @unchecked Sendable {}\n")
    ],
    keeps: [
      Example(
        path: "Sources/Host/UVLoop/X.swift",
        text: "/// Confined to the loop's thread.\nfinal class X: @unchecked Sendable {}\n")
    ])

  static let machinePaths = LineRule(
    name: "machine paths",
    sentence: "no file of the project names a folder of one machine.",
    sight: .everything,
    // A hostile plugin tries to make a file there, and must not succeed.
    applies: { $0.path != "Tests/HostilePlugin/kernel.c" },
    banned: Pattern(#"(?<![\w.)}\]/-])/"# + "(work|root|home|tmp|Users)/"),
    breaks: [
      Example(path: "docs/X.md", text: "Run it in `" + "/ho" + "me/anna/sluice`.\n"),
      Example(path: "Sources/Apps/sluice/X.swift", text: "let folder = \"" + "/tm" + "p/sluice\"\n"),
    ],
    keeps: [
      Example(
        path: "docs/X.md", text: "[guide](../work/x.md), $HOME/work/, https://example.com/home/, /var/lib/sluice\n")
    ])

  static let names = LineRule(
    name: "names",
    sentence: "the name says nothing about what the thing does.",
    sight: .code,
    applies: { $0.isSwift },
    banned: Pattern(#"\b(class|struct|enum|actor|protocol|typealias) \w*(Manager|Helper|Util|Common)\w*"#),
    breaks: [Example(path: "Sources/Core/Domain/X.swift", text: "struct DealManager {}\n")],
    keeps: [Example(path: "Sources/Core/Domain/X.swift", text: "struct Rep { let manager: String }\n")])

  static let global = LineRule(
    name: "no globals",
    sentence: "no registries, no singletons: what a thing needs it is given, and registration is an array in one file.",
    sight: .code, applies: isSource,
    banned: Pattern(
      #"\bstatic (\w+(\(set\))? )*var \w+[^{=]*=|nonisolated\(unsafe\) (\w+(\(set\))? )*static\b|"#
        + #"^(package |private |fileprivate |internal )?var \w+[^{=]*=|\bstatic let shared\b"#),
    breaks: [
      Example(path: "Sources/Host/Egress/X.swift", text: "enum X { static var plugins: [String] = [] }\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "private var count = 0\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "  nonisolated(unsafe) static var all: [Int]?\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "final class X { static let shared = X() }\n"),
    ],
    keeps: [
      Example(path: "Sources/Host/Egress/X.swift", text: "enum X { static var name: String { \"x\" } }\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "struct X {\n  var count = 0\n}\n"),
      Example(path: "Sources/Host/Egress/X.swift", text: "  nonisolated(unsafe) let local = x\n"),
    ])

  static let sleeping = LineRule(
    name: "no waiting by time",
    sentence: "a test waits for an event, never for time.",
    sight: .code,
    applies: { $0.isSwift && $0.isUnder("Tests") },
    banned: Pattern(#"\bTask\.sleep|\b(u|nano)?sleep\(|\bThread\.sleep"#),
    breaks: [Example(path: "Tests/XTests/X.swift", text: "try await Task.sleep(for: .seconds(1))\n")],
    keeps: [Example(path: "Tests/XTests/X.swift", text: "// never Task.sleep\nawait host.whenProcessed(day)\n")])
}
