import Foundation

/// What documents promise: links that lead somewhere, commands that exist, invariants that are tested.
enum DocumentRules {
  // MARK: - Links

  private static let link = Pattern(#"(?<!!)\[[^\]]*\]\(([^)\s]+)\)"#)
  private static let span = Pattern("`[^`\n]*`")

  static func brokenLinks(in file: ProjectFile, _ project: Project) -> [Violation] {
    let prose = withoutFences(file.text).map { line in
      span.matches(in: line).reduce(line) { $0.replacingOccurrences(of: $1[0], with: "``") }
    }.joined(separator: "\n")
    return link.matches(in: prose).map { $0[1] }.filter { !$0.contains("://") && !$0.hasPrefix("mailto:") }
      .compactMap { target in
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[0].isEmpty ? file.path : resolve(parts[0], beside: file.path)
        guard path == file.path || project.exists(path) else {
          return Violation(place: file.path, sentence: "`\(target)` leads nowhere.")
        }
        guard parts.count == 2, path.hasSuffix(".md") else { return nil }
        return anchors(in: path == file.path ? file.text : project.text(path)).contains(parts[1])
          ? nil : Violation(place: file.path, sentence: "`\(target)`: there is no such heading.")
      }
  }

  static func resolve(_ target: String, beside path: String) -> String {
    var parts = path.components(separatedBy: "/").dropLast()
    for part in target.components(separatedBy: "/") where part != "." && !part.isEmpty {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return parts.joined(separator: "/")
  }

  /// Headings as GitHub makes anchors of them.
  static func anchors(in text: String) -> Set<String> {
    Set(
      withoutFences(text).filter { $0.hasPrefix("#") }.map { line in
        String(
          line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased().compactMap { letter in
            letter == " " ? "-" : letter.isLetter || letter.isNumber || letter == "-" || letter == "_" ? letter : nil
          })
      })
  }

  private static func withoutFences(_ text: String) -> [String] {
    var isInside = false
    return text.components(separatedBy: "\n").map { line in
      if line.trimmingCharacters(in: .whitespaces).hasPrefix("```") {
        isInside.toggle()
        return ""
      }
      return isInside ? "" : line
    }
  }

  // MARK: - make

  private static let target = Pattern(#"^([A-Za-z][\w-]*(?: [A-Za-z][\w-]*)*):(?!=)"#)
  private static let fenced = Pattern("```[^\n]*\n([^\\x00]*?)```")
  private static let call = Pattern(#"(?:^|[`\s;&(])make (?:-f \S+ )?(?:[A-Z_]+=\S+ )*([a-z][a-z0-9-]*)"#)

  static func targets(in makefiles: [ProjectFile]) -> Set<String> {
    Set(makefiles.flatMap { target.matches(in: $0.text).flatMap { $0[1].split(separator: " ").map(String.init) } })
  }

  /// Calls of `make` in code, whose target no makefile has.
  static func missingTargets(in file: ProjectFile, targets: Set<String>) -> [Violation] {
    let code =
      fenced.matches(in: file.text).map { $0[1] }
      + withoutFences(file.text).flatMap { line in
        span.matches(in: line).map { String($0[0].dropFirst().dropLast()) }
      }
    return code.flatMap { call.matches(in: $0).map { $0[1] } }.filter { !targets.contains($0) }.map {
      Violation(place: file.path, sentence: "there is no `make \($0)`.")
    }
  }

  // MARK: - sluice

  private static let commandName = Pattern(#"commandName: "([a-z-]+)""#)
  private static let command = Pattern(#"(?:^|[`\s/])sluice ([a-z]+)"#)

  /// First words of commands; `up` and `apply` are named after their types.
  static func commandWords(in program: [ProjectFile]) -> Set<String> {
    Set(program.flatMap { commandName.matches(in: $0.text).map { $0[1] } }).union(["up", "apply"])
  }

  /// Commands that a manual shows and the program does not have; a line that says "not yet" may name what is to come.
  static func missingCommands(in file: ProjectFile, words: Set<String>) -> [Violation] {
    let code =
      fenced.matches(in: file.text).map { $0[1] }
      + withoutFences(file.text).filter {
        !$0.contains("not exist yet")
      }.flatMap { line in span.matches(in: line).map { $0[0] } }
    return code.flatMap { command.matches(in: $0).map { $0[1] } }.filter { !words.contains($0) }.map {
      Violation(place: file.path, sentence: "there is no command `sluice \($0)`.")
    }
  }

  // MARK: - Invariants

  struct Invariant: Sendable {
    let number: Int
    let sentence: String
    let tests: [String]
  }

  private static let item = Pattern(#"^(\d+)\. \*\*([^*]+)\*\*([^\x00]*?)(?=\n\d+\. |\n\n|\n#|\z)"#)
  private static let quoted = Pattern("`([^`]+)`")

  /// The items of the section "Invariants", with the tests named after "Tested by".
  static func invariants(in architecture: String) -> [Invariant] {
    guard let start = architecture.range(of: "\n## Invariants") else { return [] }
    let rest = architecture[start.upperBound...]
    let section = rest.range(of: "\n## ").map { rest[..<$0.lowerBound] } ?? rest
    return item.matches(in: String(section)).map { match in
      let tested = match[3].components(separatedBy: "Tested by").dropFirst().joined()
        .replacingOccurrences(of: "\n   ", with: " ")
      return Invariant(
        number: Int(match[1])!, sentence: match[2], tests: quoted.matches(in: tested).map { $0[1] })
    }
  }

  private static let swiftTest = Pattern("func `([^`]+)`")
  private static let docstring = Pattern(#"^ {4}"""([^"]+)"""$"#)

  /// Names of tests: raw identifiers, and the sentences of the Python suites.
  static func testNames(in files: [ProjectFile]) -> Set<String> {
    Set(
      files.filter { $0.isUnder("Tests") }.flatMap { file in
        (file.isSwift ? swiftTest : docstring).matches(in: file.text).map { $0[1] }
      })
  }

  /// The code spans in the last cell of each row of a table.
  static func lastColumnSpans(in text: String) -> [String] {
    text.components(separatedBy: "\n").filter { $0.hasPrefix("|") }.flatMap { line in
      quoted.matches(in: line.components(separatedBy: "|").dropLast().last ?? "").map { $0[1] }
    }
  }

  static func untested(_ invariants: [Invariant], tests: Set<String>) -> [Violation] {
    invariants.flatMap { invariant -> [Violation] in
      let place = "invariant \(invariant.number)"
      if invariant.tests.isEmpty { return [Violation(place: place, sentence: "no test is named that fails with it.")] }
      return invariant.tests.filter { !tests.contains($0) }.map {
        Violation(place: place, sentence: "there is no test `\($0)`.")
      }
    }
  }
}
