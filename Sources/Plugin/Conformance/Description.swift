import Domain
package import PluginHost
package import UVLoop

/// What a library says of itself, asked in the sandbox by `sluice-worker --describe`.
package struct Description: Sendable, Equatable {
  package struct Component: Sendable, Equatable {
    package let factory: String
    package let id: String
    package let name: String
    package let version: String
    /// Whether asking twice gives the same constant.
    package let isConstant: Bool
  }
  package var abi = (major: 0, minor: 0)
  /// Whether the entry function returns the same constant when it is called again.
  package var isEntryConstant = false
  /// Factory ids that mean nothing and were found all the same.
  package var foundUnknown: [String] = []
  package var components: [Component] = []
  package var broken: [String] = []

  package static func == (left: Self, right: Self) -> Bool {
    left.abi == right.abi && left.components == right.components && left.broken == right.broken
  }

  /// - Parameter text: Lines of fields between tabs, as describe.c writes them.
  init(_ text: String) {
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      switch fields[0] {
      case "abi" where fields.count == 3: abi = (Int(fields[1]) ?? 0, Int(fields[2]) ?? 0)
      case "entry" where fields.count == 2: isEntryConstant = fields[1] == "same"
      case "unknown" where fields.count == 3: if fields[2] == "found" { foundUnknown.append(fields[1]) }
      case "descriptor" where fields.count == 6:
        components.append(
          Component(
            factory: fields[1], id: fields[2], name: fields[3], version: fields[4], isConstant: fields[5] == "same"))
      case "broken": broken.append(fields.dropFirst().joined(separator: " "))
      default: break
      }
    }
  }

  /// Runs the worker to its end.
  /// - Throws: `WorkerFailure`.
  package static func of(_ spec: WorkerSpec, loop: EventLoop) async throws -> Description {
    try await withCheckedThrowingContinuation { done in
      loop.post {
        DescribingProcess.start(spec, loop: loop) { done.resume(with: $0.map { Description($0) }) }
      }
    }
  }
}
