// swift-tools-version: 6.2
import PackageDescription

// The rooms of Sluice, in the order data flows. `ROOM=Policy swift test` builds that room, what it imports and its
// tests only, without fetching a package. ARCHITECTURE.md states who may import whom; Tests/TidyTests checks it.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// Parsers, stages and storage run optimized in a debug build too: tests and the demo use the code that ships, in time.
let optimized = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// A third-party package: where it comes from and which of its products we link.
struct Library {
  let url: String
  let version: Version
  let package: String
  let product: String
  var dependency: Package.Dependency { .package(url: url, exact: version) }
  var link: Target.Dependency { .product(name: product, package: package) }
}
let libraries: [String: Library] = [
  "ArgumentParser": Library(
    url: "https://github.com/apple/swift-argument-parser", version: "1.8.2", package: "swift-argument-parser",
    product: "ArgumentParser"),
  "GRDB": Library(
    url: "https://github.com/groue/GRDB.swift", version: "7.10.0", package: "GRDB.swift", product: "GRDB"),
  "Hummingbird": Library(
    url: "https://github.com/hummingbird-project/hummingbird", version: "2.28.1", package: "hummingbird",
    product: "Hummingbird"),
  "HTTPTypes": Library(
    url: "https://github.com/apple/swift-http-types", version: "1.8.0", package: "swift-http-types",
    product: "HTTPTypes"),
  "ServiceLifecycle": Library(
    url: "https://github.com/swift-server/swift-service-lifecycle", version: "2.13.0",
    package: "swift-service-lifecycle", product: "ServiceLifecycle"),
  "Logging": Library(
    url: "https://github.com/apple/swift-log", version: "1.16.2", package: "swift-log", product: "Logging"),
  "NIOCore": Library(
    url: "https://github.com/apple/swift-nio", version: "2.101.2", package: "swift-nio", product: "NIOCore"),
  "SwiftCSV": Library(
    url: "https://github.com/swiftcsv/SwiftCSV", version: "0.10.0", package: "SwiftCSV", product: "SwiftCSV"),
  "Yams": Library(url: "https://github.com/jpsim/Yams", version: "6.2.2", package: "Yams", product: "Yams"),
]

/// One target and the folder that holds it.
struct Room {
  enum Kind { case swift, executable, test, clang, system(pkgConfig: String, apt: String) }
  let name: String
  let path: String
  var kind: Kind = .swift
  var uses: [String] = []
  var packages: [String] = []
  var linked: [String] = []
  var packageAccess = true
  var excluded: [String] = []

  var target: Target {
    let dependencies = uses.map { Target.Dependency.byName(name: $0) } + packages.map { libraries[$0]!.link }
    switch kind {
    case .swift:
      return .target(
        name: name, dependencies: dependencies, path: path, exclude: excluded, packageAccess: packageAccess,
        swiftSettings: path.hasPrefix("Sources/") && packageAccess ? optimized : strict)
    case .executable:
      return .executableTarget(
        name: name, dependencies: dependencies, path: path, exclude: excluded, swiftSettings: strict)
    case .test:
      return .testTarget(
        name: name, dependencies: dependencies, path: path, exclude: excluded, swiftSettings: strict)
    case .clang:
      return .target(
        name: name, dependencies: dependencies, path: path, exclude: excluded, packageAccess: packageAccess,
        // Parsers of hostile bytes run at full speed in a debug build too: tests use the code that ships.
        cSettings: [.unsafeFlags(["-O2"])], cxxSettings: [.unsafeFlags(["-O2"])],
        linkerSettings: linked.map { .linkedLibrary($0) })
    case .system(let pkgConfig, let apt):
      return .systemLibrary(name: name, path: path, pkgConfig: pkgConfig, providers: [.apt([apt])])
    }
  }
}

let rooms: [Room] = [
  // C libraries of the system, each imported by exactly one room of Sluice.
  Room(
    name: "CLibCrypto", path: "Sources/System/CLibCrypto", kind: .system(pkgConfig: "libcrypto", apt: "libssl-dev")),
  Room(name: "CSimdJSON", path: "Sources/System/CSimdJSON", kind: .clang, linked: ["simdjson"]),
  Room(name: "CSync", path: "Sources/System/CSync", kind: .clang),
  Room(name: "CUv", path: "Sources/System/CUv", kind: .system(pkgConfig: "libuv", apt: "libuv1-dev")),
  Room(name: "CZstd", path: "Sources/System/CZstd", kind: .system(pkgConfig: "libzstd", apt: "libzstd-dev")),
  Room(
    name: "CCurl", path: "Sources/System/CCurl", kind: .system(pkgConfig: "libcurl", apt: "libcurl4-openssl-dev")),

  Room(name: "Domain", path: "Sources/Core/Domain"),
  Room(name: "Cryptography", path: "Sources/Core/Cryptography", uses: ["Domain", "CLibCrypto"]),
  Room(name: "CanonicalJSON", path: "Sources/Core/CanonicalJSON", uses: ["Domain", "CSimdJSON"]),

  Room(name: "CSluicePlugin", path: "Sources/Plugin/CSluicePlugin", kind: .clang),
  Room(name: "CSluiceFrames", path: "Sources/Plugin/CSluiceFrames", kind: .clang),
  // What a third party links: the only public API. plugins.mk builds the same files into self-contained libraries.
  Room(
    name: "SluiceKit", path: "Sources/Plugin/SluiceKit", uses: ["CSluicePlugin"], packageAccess: false,
    excluded: ["exports.map"]),
  // Without their entries: every plugin exports the same symbol, and the tests link both.
  Room(
    name: "CRMSourcePlugin", path: "Plugins/crm-source", uses: ["SluiceKit"], packageAccess: false,
    excluded: ["README.md", "Entry.swift", "crm.check.yaml"]),
  Room(
    name: "CRMExecutorPlugin", path: "Plugins/crm-executor", uses: ["SluiceKit"], packageAccess: false,
    excluded: ["README.md", "Entry.swift", "crm-actions.check.yaml"]),
  Room(
    name: "StripePlugin", path: "Plugins/stripe", uses: ["SluiceKit"], packageAccess: false,
    excluded: ["README.md", "Entry.swift", "stripe.check.yaml"]),
  // Whole, since nothing links it: an example is what its author copies.
  Room(
    name: "TidesPlugin", path: "Plugins/examples/tides-swift", uses: ["SluiceKit"], packageAccess: false,
    excluded: ["Makefile", "README.md", "tides.yaml", "tides.check.yaml"]),
  Room(
    name: "TicketsPlugin", path: "Plugins/examples/tickets-swift", uses: ["SluiceKit"], packageAccess: false,
    excluded: ["Makefile", "README.md", "tickets.yaml", "tickets.check.yaml"]),
  Room(name: "Identity", path: "Sources/Core/Identity", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  Room(name: "Vault", path: "Sources/Core/Vault", uses: ["Domain", "Cryptography"]),

  Room(
    name: "ConnectorFabric", path: "Sources/Loop/1-ConnectorFabric",
    uses: ["Domain", "CanonicalJSON", "Cryptography"]),

  Room(
    name: "Perception", path: "Sources/Loop/2-Perception", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  Room(name: "WorldModel", path: "Sources/Loop/3-WorldModel", uses: ["Domain", "CanonicalJSON"]),

  Room(name: "UVLoop", path: "Sources/Host/UVLoop", uses: ["Domain", "CUv"]),
  Room(
    name: "PluginHost", path: "Sources/Host/PluginHost", uses: ["Domain", "UVLoop", "CSluiceFrames"]),
  Room(name: "Egress", path: "Sources/Host/Egress", uses: ["Domain", "UVLoop", "CCurl"]),

  Room(
    name: "SQLiteStorage", path: "Sources/Adapters/SQLiteStorage",
    uses: ["Domain", "CanonicalJSON", "Cryptography", "CZstd"],
    packages: ["GRDB"]),

  Room(name: "YAMLFiles", path: "Sources/Adapters/YAMLFiles", uses: ["Domain"], packages: ["Yams"]),

  Room(
    name: "HTTPEdge", path: "Sources/Adapters/HTTPEdge", uses: ["Domain", "CanonicalJSON", "Identity"],
    packages: ["Hummingbird", "Logging", "NIOCore", "ServiceLifecycle", "HTTPTypes"]),

  Room(name: "MemoryStorage", path: "Sources/Adapters/MemoryStorage", uses: ["Domain"]),
  Room(
    name: "HTTPEdgeTests", path: "Tests/HTTPEdgeTests", kind: .test,
    uses: ["HTTPEdge", "Identity", "Domain", "CanonicalJSON"]),

  Room(name: "FileStorage", path: "Sources/Adapters/FileStorage", uses: ["Domain", "CSync"]),
  Room(
    name: "FileStorageTests", path: "Tests/FileStorageTests", kind: .test, uses: ["FileStorage", "Domain"]),

  Room(
    name: "TestKit", path: "Tests/TestKit", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  Room(
    name: "SQLiteStorageTests", path: "Tests/SQLiteStorageTests", kind: .test,
    uses: ["MemoryStorage", "SQLiteStorage", "FileStorage", "TestKit", "Domain", "CanonicalJSON", "Cryptography"],
    packages: ["GRDB"]),
  Room(
    name: "ConnectorFabricTests", path: "Tests/ConnectorFabricTests", kind: .test,
    uses: ["ConnectorFabric", "YAMLFiles", "MemoryStorage", "TestKit", "Vault", "Domain", "CanonicalJSON"]),
  Room(
    name: "PerceptionTests", path: "Tests/PerceptionTests", kind: .test,
    uses: ["MemoryStorage", "Perception", "WorldModel", "TestKit", "Domain", "CanonicalJSON", "Cryptography"]),
  Room(
    name: "WorldModelTests", path: "Tests/WorldModelTests", kind: .test,
    uses: ["MemoryStorage", "WorldModel", "TestKit", "Domain", "CanonicalJSON"]),
  Room(
    name: "YAMLFilesTests", path: "Tests/YAMLFilesTests", kind: .test,
    uses: ["YAMLFiles", "ConnectorFabric", "Perception", "Domain", "CanonicalJSON"]),
  // The real pipeline through the reviewed files: manifest, mapping, thresholds, both stages, against the oracle.
  Room(
    name: "PipelineTests", path: "Tests/PipelineTests", kind: .test,
    uses: [
      "MemoryStorage",
      "YAMLFiles", "ConnectorFabric", "Perception", "WorldModel", "Decision", "Policy", "Action", "Learning",
      "WholeLoop",
      "TestKit", "Domain", "CanonicalJSON", "Cryptography",
    ]),
  Room(
    name: "PluginHostTests", path: "Tests/PluginHostTests", kind: .test, uses: ["PluginHost", "UVLoop", "Domain"]),
  Room(
    name: "SluiceKitTests", path: "Tests/SluiceKitTests", kind: .test,
    uses: ["SluiceKit", "CRMSourcePlugin", "CRMExecutorPlugin", "StripePlugin"]),
  Room(
    name: "VaultTests", path: "Tests/VaultTests", kind: .test,
    uses: ["Vault", "Domain", "Cryptography", "MemoryStorage", "TestKit"]),
  Room(name: "EgressTests", path: "Tests/EgressTests", kind: .test, uses: ["Egress", "UVLoop"]),
  Room(
    name: "SluiceHostTests", path: "Tests/SluiceHostTests", kind: .test,
    uses: [
      "SluiceHost", "ConnectorFabric", "Domain", "CanonicalJSON", "Cryptography", "Egress", "PluginHost",
      "MemoryStorage", "UVLoop", "HTTPEdge",
      "Vault", "TrustLedger", "LedgerVerifier", "WholeLoop", "SQLiteStorage", "FileStorage",
      "TestKit",
    ]),
  Room(
    name: "IdentityTests", path: "Tests/IdentityTests", kind: .test,
    uses: ["Identity", "Domain", "MemoryStorage", "TestKit"]),
  Room(name: "UVLoopTests", path: "Tests/UVLoopTests", kind: .test, uses: ["UVLoop"]),
  // The stages in their order, without a disk, a socket or a clock: what the host and the simulator both drive.
  Room(
    name: "WholeLoop", path: "Sources/Apps/WholeLoop",
    uses: [
      "Domain", "CanonicalJSON", "Cryptography", "ConnectorFabric", "Perception", "WorldModel", "Decision", "ToolPlane",
      "Policy", "Action", "TrustLedger", "Learning",
    ]),
  // The whole loop by a seed, against a made-up CRM, people, disk and clock.
  Room(
    name: "SimulationTests", path: "Tests/SimulationTests", kind: .test,
    uses: [
      "WholeLoop", "Domain", "CanonicalJSON", "Cryptography", "ConnectorFabric", "Perception", "WorldModel", "Policy",
      "Action", "TrustLedger", "LedgerVerifier", "MemoryStorage", "YAMLFiles", "TestKit",
    ]),
  Room(
    name: "SluiceHost", path: "Sources/Apps/SluiceHost",
    uses: [
      "Domain", "CanonicalJSON", "Cryptography", "Vault", "ConnectorFabric", "UVLoop", "Egress", "PluginHost",
      "SQLiteStorage", "FileStorage", "MemoryStorage", "HTTPEdge", "Identity", "Perception", "WorldModel", "Decision",
      "ToolPlane", "Policy", "Action", "TrustLedger", "LedgerVerifier", "Learning", "WholeLoop", "YAMLFiles",
    ]),
  // Uses the product's own worker, session and egress: what passes here passes there.
  Room(
    name: "Conformance", path: "Sources/Plugin/Conformance",
    uses: [
      "SluiceHost", "PluginHost", "UVLoop", "ConnectorFabric", "Vault", "MemoryStorage", "YAMLFiles", "Domain",
      "CanonicalJSON", "Cryptography",
    ]),
  Room(
    name: "ConformanceTests", path: "Tests/ConformanceTests", kind: .test,
    uses: ["Conformance", "PluginHost", "ConnectorFabric", "Domain", "CanonicalJSON"]),
  Room(
    name: "Shipping", path: "Sources/Plugin/Shipping",
    uses: [
      "SluiceHost", "PluginHost", "ConnectorFabric", "TrustLedger", "YAMLFiles", "Domain", "CanonicalJSON",
      "Cryptography",
    ]),
  Room(
    name: "ShippingTests", path: "Tests/ShippingTests", kind: .test,
    uses: [
      "Shipping", "SluiceHost", "ConnectorFabric", "YAMLFiles", "TestKit", "Domain", "CanonicalJSON", "Cryptography",
    ]),
  Room(
    name: "sluice", path: "Sources/Apps/sluice", kind: .executable,
    uses: [
      "Shipping", "Conformance", "TrustLedger", "PluginHost", "ConnectorFabric", "YAMLFiles", "Vault", "MemoryStorage",
      "UVLoop", "SluiceHost", "HTTPEdge", "Policy", "Domain", "CanonicalJSON",
    ],
    packages: ["ArgumentParser"]),

  // The simulated SaaS plays somebody else's CRM: it imports no room of Sluice.
  Room(
    name: "World", path: "sandbox/world/World", uses: ["CLibCrypto"],
    packages: ["ArgumentParser", "Hummingbird", "Logging", "NIOCore", "SwiftCSV"]),
  Room(name: "sluice-world", path: "sandbox/world/sluice-world", kind: .executable, uses: ["World"]),
  Room(name: "Decision", path: "Sources/Loop/4-Decision", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  Room(name: "ToolPlane", path: "Sources/Loop/5-ToolPlane", uses: ["Domain", "CanonicalJSON"]),
  Room(name: "Policy", path: "Sources/Loop/6-Policy", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  Room(name: "Learning", path: "Sources/Loop/9-Learning", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  // The one loop room that imports another: a permit is Policy's to make and Action's to spend.
  Room(
    name: "Action", path: "Sources/Loop/7-Action", uses: ["Domain", "CanonicalJSON", "Cryptography", "Policy"]),
  Room(
    name: "TrustLedger", path: "Sources/Loop/8-TrustLedger", uses: ["Domain", "CanonicalJSON", "Cryptography"]),
  // Shares no code with TrustLedger but Core's, so that a fault in one is seen by the other.
  Room(
    name: "LedgerVerifier", path: "Sources/Loop/8-LedgerVerifier", uses: ["Domain", "CanonicalJSON", "Cryptography"]),

  // The reviewed playbooks against the tools of the reviewed manifest; the rooms themselves see Core alone.
  Room(
    name: "DecisionTests", path: "Tests/DecisionTests", kind: .test,
    uses: ["MemoryStorage", "Decision", "ToolPlane", "YAMLFiles", "TestKit", "Domain", "CanonicalJSON", "Cryptography"]),
  Room(
    name: "ToolPlaneTests", path: "Tests/ToolPlaneTests", kind: .test,
    uses: ["MemoryStorage", "ToolPlane", "TestKit", "Domain", "CanonicalJSON", "Cryptography"]),
  Room(
    name: "LearningTests", path: "Tests/LearningTests", kind: .test,
    uses: ["MemoryStorage", "Learning", "TestKit", "Domain", "CanonicalJSON", "Cryptography"]),
  Room(
    name: "PolicyTests", path: "Tests/PolicyTests", kind: .test,
    uses: ["Policy", "MemoryStorage", "TestKit", "CanonicalJSON", "Cryptography", "Domain"]),
  Room(
    name: "ActionTests", path: "Tests/ActionTests", kind: .test,
    uses: ["Action", "Policy", "MemoryStorage", "TestKit", "CanonicalJSON", "Cryptography", "Domain"],
    excluded: ["Golden"]),
  Room(
    name: "TrustLedgerTests", path: "Tests/TrustLedgerTests", kind: .test,
    uses: ["TrustLedger", "LedgerVerifier", "MemoryStorage", "TestKit", "CanonicalJSON", "Cryptography", "Domain"],
    excluded: ["Golden"]),
  Room(name: "CryptographyTests", path: "Tests/CryptographyTests", kind: .test, uses: ["Cryptography", "Domain"]),
  Room(name: "CanonicalJSONTests", path: "Tests/CanonicalJSONTests", kind: .test, uses: ["CanonicalJSON", "Domain"]),
  Room(name: "WorldTests", path: "Tests/WorldTests", kind: .test, uses: ["World"]),
  // The rules of the project itself: reads every file, links nothing.
  Room(name: "TidyTests", path: "Tests/TidyTests", kind: .test),
]

/// With ROOM=Name: that room, what it reaches, its tests and its thin executable. Without: everything.
func selected(_ rooms: [Room], room: String?) -> [Room] {
  guard let room else { return rooms }
  let byName = Dictionary(uniqueKeysWithValues: rooms.map { ($0.name, $0) })
  var reached: Set<String> = []
  func reach(_ name: String) {
    guard let room = byName[name], reached.insert(name).inserted else { return }
    room.uses.forEach(reach)
  }
  reach(room)
  reach(room + "Tests")
  for thin in rooms where thin.uses == [room] {
    if case .executable = thin.kind { reach(thin.name) }
  }
  precondition(!reached.isEmpty, "ROOM=\(room) names no target of this package")
  return rooms.filter { reached.contains($0.name) }
}

let chosen = selected(rooms, room: Context.environment["ROOM"])
let needed = Set(chosen.flatMap(\.packages)).sorted()

let package = Package(
  name: "sluice",
  dependencies: needed.map { libraries[$0]!.dependency },
  targets: chosen.map(\.target),
  cxxLanguageStandard: .cxx17
)
