/// A target of the package, as Package.swift states it.
struct PackageRoom: Sendable, Equatable {
  let name: String
  let path: String
  /// The word after `kind: .`, or `swift`.
  let kind: String
  /// Rooms and libraries that it is linked with.
  let uses: [String]

  var isTest: Bool { path.hasPrefix("Tests/") }
  var isC: Bool { kind == "clang" || kind == "system" }

  private static let entry = Pattern(
    #"\bRoom\(\s*name: "([^"]+)",\s*path: "([^"]+)"([^\x00]*?)\),?\s*(?=\n  (?:Room\(|//)|\n\n|\n\])"#)
  private static let kindWord = Pattern(#"kind: \.(\w+)"#)
  private static let list = Pattern(#"(?:uses|packages): \[([^\]]*)\]"#)
  private static let quoted = Pattern(#""([^"]+)""#)

  static func all(in manifest: String) -> [PackageRoom] {
    entry.matches(in: manifest).map { match in
      PackageRoom(
        name: match[1], path: match[2], kind: kindWord.matches(in: match[3]).first?[1] ?? "swift",
        uses: list.matches(in: match[3]).flatMap { quoted.matches(in: $0[1]).map { $0[1] } })
    }
  }
  static let all = all(in: Project.here.text("Package.swift"))

  /// The room that a file stands in: the one with the longest path before it.
  static func of(_ path: String, in rooms: [PackageRoom] = all) -> PackageRoom? {
    rooms.filter { path.hasPrefix($0.path + "/") }.max { $0.path.utf8.count < $1.path.utf8.count }
  }
}

/// Who may import whom: the table of ARCHITECTURE.md.
struct ImportTable: Sendable {
  /// Room → what it may import, in the table's order.
  let rows: [(room: String, allowed: Set<String>)]
  /// Part of the language; anybody may.
  static let free: Set<String> = ["Swift", "Synchronization", "_Concurrency"]
  static let ofTheSystem: Set<String> = ["Foundation", "FoundationNetworking", "Glibc", "Dispatch"]

  private static let spans = Pattern("`([^`]+)`")

  /// Reads the table whose head is `| room | may import |`. "every room above" stands for what it says.
  init(markdown: String) {
    var rows: [(room: String, allowed: Set<String>)] = []
    var isInside = false
    for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("| room | may import |") { isInside = true } else if !line.hasPrefix("|") { isInside = false }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard isInside, cells.count >= 4 else { continue }
      var allowed = Set(Self.spans.matches(in: cells[2]).map { $0[1] })
      if cells[2].contains("every room above") { allowed.formUnion(rows.map(\.room)) }
      rows += Self.spans.matches(in: cells[1]).map { ($0[1], allowed) }
    }
    self.rows = rows
  }
  static let ofTheProject = ImportTable(markdown: Project.here.text("ARCHITECTURE.md"))

  func allowed(for room: String) -> Set<String>? { rows.first { $0.room == room }?.allowed }

  private static let statement = Pattern(
    #"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+"#
      + #"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?([A-Za-z_]\w*)"#)

  static func imports(of text: String) -> [String] {
    statement.matches(in: SwiftText(text).code.joined(separator: "\n")).map { $0[1] }
  }

  /// What a file imports although its room may not.
  func violations(in file: ProjectFile, rooms: [PackageRoom] = PackageRoom.all) -> [Violation] {
    guard let room = PackageRoom.of(file.path, in: rooms) else {
      return [Violation(place: file.path, sentence: "it belongs to no room of Package.swift.")]
    }
    guard let allowed = allowed(for: room.name) else {
      return [
        Violation(place: file.path, sentence: "its room `\(room.name)` has no row in ARCHITECTURE.md's import table.")
      ]
    }
    return Self.imports(of: file.text).filter { !allowed.contains($0) && !Self.free.contains($0) }.map {
      Violation(place: file.path, sentence: "room `\(room.name)` may not import `\($0)`.")
    }
  }

  /// Libraries that more than one room of Sluice may import. The simulated SaaS is no room of Sluice.
  func shared(rooms: [PackageRoom] = PackageRoom.all) -> [Violation] {
    let ours = Set(rows.map(\.room)).union(rooms.filter { !$0.isC }.map(\.name))
    let outside = Set(rooms.filter { $0.path.hasPrefix("sandbox/") }.map(\.name))
    var importers: [String: [String]] = [:]
    for row in rows where !outside.contains(row.room) {
      for library in row.allowed where !ours.contains(library) && !Self.ofTheSystem.contains(library) {
        importers[library, default: []].append(row.room)
      }
    }
    return importers.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.map {
      Violation(place: $0.key, sentence: "more than one room may import it: \($0.value.joined(separator: ", ")).")
    }
  }
}

/// What must be true of each room as a whole.
enum RoomRules {
  /// A room says in one place what comes in, what goes out and what it never does: `// Room: …` opens one of its files.
  static func header(of room: PackageRoom, _ files: [ProjectFile]) -> [Violation] {
    let inside = files.filter { $0.path.hasPrefix(room.path + "/") }
    let found = inside.contains { file in
      // C rooms have one header for everybody, which says it.
      room.isC
        ? file.path.hasSuffix(".h") && file.lines.prefix(5).contains { $0.hasPrefix("// ") }
        : file.isSwift && file.text.hasPrefix("// \(room.name): ")
    }
    return found ? [] : [Violation(place: room.path, sentence: "no file opens with `// \(room.name): …`.")]
  }

  private static let typeName = Pattern(#"\b(?:class|struct|enum|actor|protocol|typealias) (\w+)"#)

  /// A type that bears its module's name hides the module.
  static func types(in file: ProjectFile, of room: PackageRoom) -> [Violation] {
    let code = SwiftText(file.text).code.joined(separator: "\n")
    return typeName.matches(in: code).filter { $0[1] == room.name }.map { _ in
      Violation(place: file.path, sentence: "the type `\(room.name)` bears the name of its module.")
    }
  }
}
