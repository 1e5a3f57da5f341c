import CanonicalJSON
import Domain
import Testing

@testable import ConnectorFabric

@Suite struct `Limits that an operator sets` {
  private func fault(_ values: JSONValue, of limits: Manifest.Limits = .init()) -> String? {
    do throws(DocumentError) {
      try limits.check(lowered: DocumentReader(SourceDocument(name: "limits", value: values, marks: [:])))
      return nil
    } catch { return error.message + " " + error.remedy }
  }

  @Test func `lower a manifest's, and raise none, whatever the manifest has`() {
    let values: JSONValue = ["requests_per_second": 5, "concurrency": 64, "cpu_seconds": 10]
    let lowered = Manifest.Limits().lowered(to: values)
    #expect((lowered.requestsPerSecond, lowered.concurrency, lowered.cpuSeconds) == (5, 4, 10))
    #expect(lowered.memoryBytes == Manifest.Limits().memoryBytes)
    var bounded = Manifest.Limits()
    bounded.cpuSeconds = 30
    #expect(bounded.lowered(to: ["cpu_seconds": 0]).cpuSeconds == 30)
  }

  @Test(arguments: Manifest.Limits.fields.map(\.name))
  func `are refused above the manifest's, taken at it, one by one`(_ name: String) throws {
    let field = try #require(Manifest.Limits.fields.first { $0.name == name })
    // Without a limit nothing is above it.
    var limits = Manifest.Limits()
    limits.cpuSeconds = 60
    let own = limits[keyPath: field.path]
    #expect(fault([name: .integer(Int64(own))], of: limits) == nil)
    #expect(fault([name: .integer(Int64(own + 1))], of: limits)?.contains("at most the manifest's \(own)") == true)
    #expect(fault([name: .string("\(own)")], of: limits) != nil)
    #expect(fault([name: .integer(Int64(field.range.lowerBound - 1))], of: limits) != nil)
  }

  @Test func `keep two records of the largest size within the window`() {
    #expect(fault(["window_bytes": 262144])?.contains("twice record_bytes_max (262144)") == true)
    #expect(fault(["window_bytes": 262144, "record_bytes_max": 131072]) == nil)
  }

  @Test func `say what a name that no limit has should be`() { #expect(fault(["speed": 5])?.contains("speed") == true) }
}
