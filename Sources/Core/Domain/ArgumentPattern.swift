/// The part of a JSON Schema `pattern` that can be checked in time proportional to the text, whatever it says: a sequence
/// from `^` to `$` of ASCII characters and classes such as `[0-9a-f_]`, each once, `?`, `*`, `+`, `{n}`, `{m,}` or `{m,n}`
/// times.
package struct ArgumentPattern: Equatable, Sendable {
  private struct Piece: Equatable, Sendable {
    let ranges: [ClosedRange<UInt8>]
    let least: Int
    /// Nil when there may be any number more.
    let most: Int?
  }
  static let countMax = 64

  package let text: String
  private let pieces: [Piece]

  /// - Returns: nil for anything else of the language of patterns.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 2, bytes.first == UInt8(ascii: "^"), bytes.last == UInt8(ascii: "$") else { return nil }
    var rest = bytes[1..<(bytes.count - 1)]
    var pieces: [Piece] = []
    while !rest.isEmpty {
      guard let ranges = ArgumentPattern.ranges(&rest), let (least, most) = ArgumentPattern.counts(&rest) else {
        return nil
      }
      pieces.append(Piece(ranges: ranges, least: least, most: most))
    }
    self.text = text
    self.pieces = pieces
  }

  private static func ranges(_ rest: inout ArraySlice<UInt8>) -> [ClosedRange<UInt8>]? {
    guard let first = rest.first, (0x20...0x7E).contains(first) else { return nil }
    guard first == UInt8(ascii: "[") else {
      guard !"\\^$.|?*+()[]{}".utf8.contains(first) else { return nil }
      rest = rest.dropFirst()
      return [first...first]
    }
    guard let close = rest.firstIndex(of: UInt8(ascii: "]")) else { return nil }
    var inside = rest[(rest.startIndex + 1)..<close]
    rest = rest[(close + 1)...]
    guard !inside.isEmpty, inside.allSatisfy({ (0x20...0x7E).contains($0) && !"\\^[".utf8.contains($0) }) else {
      return nil
    }
    var ranges: [ClosedRange<UInt8>] = []
    while let low = inside.popFirst() {
      if inside.count >= 2, inside.first == UInt8(ascii: "-") {
        let high = inside[inside.startIndex + 1]
        guard low <= high else { return nil }
        inside = inside.dropFirst(2)
        ranges.append(low...high)
      } else {
        ranges.append(low...low)
      }
    }
    return ranges
  }

  private static func counts(_ rest: inout ArraySlice<UInt8>) -> (least: Int, most: Int?)? {
    let signs: [UInt8: (least: Int, most: Int?)] = [0x3F: (0, 1), 0x2A: (0, nil), 0x2B: (1, nil)]  // ? * +
    if let first = rest.first, let counts = signs[first] {
      rest = rest.dropFirst()
      return counts
    }
    guard rest.first == UInt8(ascii: "{") else { return (1, 1) }
    guard let close = rest.firstIndex(of: UInt8(ascii: "}")) else { return nil }
    let inside = String(decoding: rest[(rest.startIndex + 1)..<close], as: UTF8.self)
    rest = rest[(close + 1)...]
    let numbers = inside.split(separator: ",", omittingEmptySubsequences: false)
    guard (1...2).contains(numbers.count), let low = Int(numbers[0]), (0...countMax).contains(low) else { return nil }
    if numbers.count == 2, numbers[1].isEmpty { return (low, nil) }
    guard let high = Int(numbers[numbers.count - 1]), low <= high, high <= countMax else { return nil }
    return (low, high)
  }

  package func fits(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    // Every place that can be reached so far: no text makes it slower than pieces × counts × length.
    var places: Set<Int> = [0]
    for piece in pieces {
      var next: Set<Int> = []
      for place in places.sorted() {
        var (end, count) = (place, 0)
        while true {
          // Without a most, all that can be reached from a place that was reached before has been.
          if count >= piece.least, !next.insert(end).inserted, piece.most == nil { break }
          guard count != piece.most, end < bytes.count, piece.ranges.contains(where: { $0.contains(bytes[end]) }) else {
            break
          }
          end += 1
          count += 1
        }
      }
      places = next
    }
    return places.contains(bytes.count)
  }
}
