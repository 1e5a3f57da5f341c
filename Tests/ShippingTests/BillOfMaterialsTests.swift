import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import TestKit
import Testing
import YAMLFiles

@testable import Shipping

@Suite struct `A bill of materials` {
  private static func parts(_ text: String) throws -> Parts {
    try Parts(YAMLFile.document(text, name: "gauge.parts.yaml"))
  }

  private func manifest() throws -> Manifest {
    let sha256 = String(repeating: "ab", count: 32)
    return try Manifest(
      YAMLFile.document(
        """
        sluice: 1
        name: gauge
        version: 1.2.0
        summary: A tide gauge
        kind: source
        library: {file: gauge.so, sha256: \(sha256), abi: 1}
        streams: [{name: readings, delivery: replayable}]
        schedule: {interval_ms: 60000}
        """, name: "gauge.yaml"))
  }

  @Test func `names what the build says is inside and made it, with versions and licenses, in any order the same`()
    throws
  {
    let one = try Self.parts(
      """
      inside:
        - {name: kit, version: "1.0.0", license: Apache-2.0}
        - {name: runtime, version: "6.3.1", license: Apache-2.0 WITH Swift-exception}
        - {name: crate, version: "0.3.0"}
      built_with: [{name: cc, version: "12"}]
      """)
    let other = try Self.parts(
      """
      built_with: [{name: cc, version: "12"}]
      inside:
        - {name: crate, version: "0.3.0"}
        - {license: Apache-2.0 WITH Swift-exception, name: runtime, version: "6.3.1"}
        - {name: kit, version: "1.0.0", license: Apache-2.0}
      """)
    let bill = BillOfMaterials.of(try manifest(), [1, 2, 3], parts: one)
    #expect(BillOfMaterials.of(try manifest(), [1, 2, 3], parts: other).canonicalBytes == bill.canonicalBytes)
    let components = try #require(bill["components"]?.array)
    #expect(
      components.map { $0["bom-ref"]?.string } == [
        "inside:crate@0.3.0", "inside:kit@1.0.0", "inside:runtime@6.3.1", "built-with:cc@12",
      ])
    #expect(
      components.map { $0["licenses"]?.array?.first?["expression"]?.string } == [
        nil, "Apache-2.0", "Apache-2.0 WITH Swift-exception", nil,
      ])
    #expect(components.map { $0["scope"]?.string } == ["required", "required", "required", "excluded"])
    #expect(bill["compositions"] == nil)
    #expect(bill["metadata"]?["component"]?["bom-ref"] == "plugin:gauge@1.2.0")
  }

  @Test func `says that nobody knows what is inside when no build said so`() throws {
    let bill = BillOfMaterials.of(try manifest(), [1, 2, 3], parts: nil)
    #expect(bill["components"] == [])
    #expect(bill["compositions"] == [["aggregate": "unknown", "assemblies": ["plugin:gauge@1.2.0"]]])
  }

  @Test(arguments: [
    "inside: [{name: kit}]", "inside: [{name: kit, version: 1}]", "inside: [{name: kit, version: \"\"}]",
    "inside: [{name: kit, version: \"1\", licence: MIT}]",
    "inside: [{name: kit, version: \"1\", license: \"MIT\\nevil\"}]",
    "inside: [{name: kit, version: \"1\"}, {name: kit, version: \"1\"}]", "inside: kit", "parts: []", "[]",
  ])
  func `takes no part that is named by half, twice or in other words`(text: String) throws {
    #expect(throws: DocumentError.self) { try Self.parts(text) }
  }
}

@Suite struct `A new plugin's name` {
  @Test(arguments: [
    "", "Gauge", "2tides", "a-b", "../x", "int", "template", "execute", "std", "vendor",
    String(repeating: "a", count: 32),
  ])
  func `is refused where a language or the SDK could not use it`(name: String) {
    for kind in Template.Kind.allCases {
      #expect(throws: TemplateError.badName(name)) {
        try Template(sdk: "/nowhere", kind: kind, language: .c, name: name)
      }
    }
  }

  @Test func `leads to no folder without an SDK`() throws {
    let template = try Template(sdk: "/nowhere", kind: .executor, language: .rust, name: "desk")
    #expect(throws: TemplateError.noSDK(folder: "/nowhere")) { try template.write(to: "/nowhere/desk") }
  }
}
