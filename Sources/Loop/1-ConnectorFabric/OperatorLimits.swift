import CanonicalJSON
package import Domain

extension Manifest.Limits {
  /// By what a manifest calls each, with what it may be.
  static var fields: [(name: String, path: WritableKeyPath<Self, Int>, range: ClosedRange<Int>)] {
    [
      ("memory_bytes", \.memoryBytes, (64 << 20)...(8 << 30)), ("cpu_seconds", \.cpuSeconds, 0...86_400),
      ("threads", \.threads, 0...64), ("files", \.files, 16...4_096),
      ("operation_timeout_ms", \.operationTimeoutMs, 100...3_600_000),
      ("grace_ms", \.graceMs, 0...60_000), ("record_bytes_max", \.recordBytesMax, 1_024...(512 << 10)),
      ("window_records", \.windowRecords, 1...1_000_000), ("window_bytes", \.windowBytes, 2_048...(64 << 20)),
      ("requests_per_second", \.requestsPerSecond, 1...100_000), ("request_burst", \.requestBurst, 1...100_000),
      ("concurrency", \.concurrency, 1...256), ("response_bytes_max", \.responseBytesMax, 1_024...(1 << 30)),
    ]
  }

  /// 0 stands for no limit of processor time: more than any number.
  private static func height(_ value: Int, of name: String) -> Int {
    name == "cpu_seconds" && value == 0 ? .max : value
  }

  /// Checks what an operator sets for one instance: a manifest's limits may be lowered, never raised.
  /// - Throws: `DocumentError` with the first fault.
  package func check(lowered r: DocumentReader) throws(DocumentError) {
    try r.allow(Self.fields.map(\.name))
    for (name, path, range) in Self.fields where r[name].isPresent {
      let value = try r[name].integer(in: range)
      guard Self.height(value, of: name) <= Self.height(self[keyPath: path], of: name) else {
        throw r[name].error("\(value)", allowed: "at most the manifest's \(self[keyPath: path])")
      }
    }
    let lowered = lowered(to: r.value ?? [:])
    guard lowered.recordBytesMax * 2 <= lowered.windowBytes else {
      throw r["window_bytes"].error(
        "\(lowered.windowBytes)", allowed: "at least twice record_bytes_max (\(lowered.recordBytesMax))")
    }
  }

  /// The lower one of each: what an operator set holds for every version.
  package func lowered(to values: JSONValue) -> Self {
    var lowered = self
    for (name, path, _) in Self.fields {
      guard let value = values[name]?.integer.map({ Int($0) }),
        Self.height(value, of: name) < Self.height(self[keyPath: path], of: name)
      else { continue }
      lowered[keyPath: path] = value
    }
    return lowered
  }

  /// Each by its name.
  package var json: JSONValue {
    .object(
      Dictionary(
        Self.fields.map { ($0.name, .integer(Int64(self[keyPath: $0.path]))) }, uniquingKeysWith: { first, _ in first })
    )
  }
}
