/// Crash points and durable writes must know of each other: recovery is tested where, and only where, a point is.
enum CrashPlaces {
  private static let declared = Pattern(#"^\s*case (\w+) = "([^"]+)""#)
  private static let reached = Pattern(#"\breach\(\.(\w+)\)"#)

  static func unreached(points: String, sources: [ProjectFile]) -> [Violation] {
    let names = Set(sources.flatMap { Self.reached.matches(in: $0.text).map { $0[1] } })
    return declared.matches(in: points).filter { !names.contains($0[1]) }.map {
      Violation(place: $0[2], sentence: "no source reaches this crash point.")
    }
  }

  private static let write = Pattern(
    #"\.inTransaction\b|\bINSERT (INTO|OR)\b|atomically: true|\.atomic\b|\b(rename|renameat|fsync|fdatasync)\("#)

  /// A file that writes durably and reaches no point.
  static func unwatched(_ file: ProjectFile) -> [Violation] {
    guard file.isSwift, file.isUnder("Sources"), write.isFound(in: file.text), !reached.isFound(in: file.text) else {
      return []
    }
    return [Violation(place: file.path, sentence: "it writes durably and reaches no crash point.")]
  }
}
