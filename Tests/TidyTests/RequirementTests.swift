import Foundation
import Testing

private let environment = ProcessInfo.processInfo.environment

/// What other tests need and skip without. CI sets REQUIRE, so that none of them is skipped there unseen.
private enum Requirement {
  static let shared = [
    "data/crm-pipeline/sales_pipeline.csv", "tools/pipeline_oracle.py", "corpora/cedar/corpus-tests-part.tar.gz",
  ]
  static let files = ["/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog", "/usr/bin/go", "/usr/bin/promtool"]
  static let built = ["sluice-worker", "plugins/counter.so"]
}

@Suite(.enabled(if: environment["REQUIRE"] != nil, "only where REQUIRE says that nothing may be missing"))
struct `What the tests need` {
  @Test(arguments: Requirement.shared) func `is shared`(path: String) throws {
    let folder = try #require(environment["SLUICE_SHARED"])
    #expect(FileManager.default.fileExists(atPath: "\(folder)/\(path)"))
  }

  @Test(arguments: Requirement.files) func `is installed`(path: String) {
    #expect(FileManager.default.fileExists(atPath: path))
  }

  @Test(arguments: Requirement.built) func `is built`(path: String) throws {
    let folder = try #require(environment["SLUICE_C_BUILD"])
    #expect(FileManager.default.fileExists(atPath: "\(folder)/\(path)"))
  }
}
