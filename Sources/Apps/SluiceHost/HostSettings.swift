package import ConnectorFabric
package import Domain
import Foundation
package import PluginHost

/// What an operator sets for a whole host: the document `sluice.yaml`, or what stands here without one.
package struct HostSettings: Sendable, Equatable {
  static let formatVersion = 1

  package struct Disk: Sendable, Equatable {
    /// Below this much free space nothing new is taken in.
    package var lowWaterBytes = 256 << 20
    /// Held back for verdicts, receipts and kill switches when the disk is full.
    package var ballastBytes = 64 << 20
    /// What a tenant may use before its intake pauses, where nobody has said so for it; nil: all there is.
    package var tenantQuotaBytes: Int?
  }

  package struct Proxy: Sendable, Equatable {
    package var addresses: [IPRange]
    /// The header, in lower case, that it sets to the client's certificate or its fingerprint, and takes from everybody else.
    package var clientCertificateHeader: String
  }

  /// `host:port`; nil leaves it to the command line.
  package var listen: String?
  /// Something in front of `listen` ends TLS: browsers are told to send the session by https only.
  package var isBehindTLS = false
  /// Under which address others reach this host, without "/" at its end; nil when nobody has said.
  package var publicURL: String?
  /// Further names under which people and machines may ask for pages, API and metrics.
  package var hostNames: [String] = []
  package var edge = Edge()
  /// Who may tell what only the end of TLS can see.
  package var proxy: Proxy?
  /// Run although the kernel lacks a protection of the sandbox.
  package var isDegradedSandboxAllowed = false
  /// Which control groups hold workers to their limits, beside each worker's own.
  package var controlGroups = ControlGroups.Use.auto
  package var disk = Disk()
  /// So many bytes of records may be on their way into the journal at once, of all sources together and beyond a little
  /// of each. While it is full, the host's memory is three to four times that larger.
  package var intakeBytesMax = 32 << 20
  /// The journal goes on in a new file when the open one is this large.
  package var segmentBytesMax = 256 << 20
  /// Move what is applied from closed segments into packs.
  package var isPacking = true
  package var packBytesMax = 32 << 20

  package struct Retention: Sendable, Equatable {
    /// How many days entries are kept at least; nil for ever.
    package var rawDays: Int?
    /// The same for tenants of their own rule; 0 for ever.
    package var tenants: [TenantID: Int] = [:]
  }
  package var retention = Retention()
  /// How many enabled connectors a tenant may have, where nobody has said so for it; nil: as many as there are.
  package var tenantInstancesMax: Int?
  /// The way out.
  package var egress = WayOut()

  /// After how many days a tenant's packs may go; nil for never.
  func rawDays(of tenant: TenantID) -> Int? {
    let days = retention.tenants[tenant] ?? retention.rawDays
    return days == 0 ? nil : days
  }

  package init() {}
}

extension HostSettings {
  private enum Sandbox: String, CaseIterable { case strict, degraded }

  /// Reads `sluice.yaml`: every key is optional but `sluice`, and an unknown one is refused.
  /// - Throws: All that is wrong with it.
  package init(_ document: SourceDocument) throws(DocumentFaults) {
    let root = DocumentReader(document)
    var faults = DocumentFaultList()
    let isMapping = faults.allow(
      [
        "sluice", "listen", "behind_tls", "public_url", "host_names", "edge", "proxy", "sandbox", "control_groups",
        "disk", "intake",
        "journal",
        "retention", "egress", "instances",
      ], in: root)
    if isMapping { readHost(root, &faults) }
    if isMapping { readStorage(root, &faults) }
    try faults.end()
  }

  private mutating func readHost(_ root: DocumentReader, _ faults: inout DocumentFaultList) {
    faults.reading { () throws(DocumentError) in
      _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    }
    faults.reading(root["listen"]) { r throws(DocumentError) in listen = try Self.address(r) }
    faults.reading(root["behind_tls"]) { r throws(DocumentError) in isBehindTLS = try r.bool() }
    faults.reading(root["public_url"]) { r throws(DocumentError) in
      let text = try r.string(Self.publicURLForm)
      guard let url = Self.publicURL(text) else { throw r.error("\"\(text.prefix(60))\"", allowed: Self.publicURLForm) }
      publicURL = url
    }
    faults.reading(root["host_names"]) { r throws(DocumentError) in hostNames = try Self.hostNames(r) }
    readEdge(root["edge"], &faults)
    if root["proxy"].isPresent { proxy = Self.proxy(root["proxy"], &faults) }
    faults.reading(root["sandbox"]) { r throws(DocumentError) in
      isDegradedSandboxAllowed = try r.choice(Sandbox.self) == .degraded
    }
    faults.reading(root["control_groups"]) { r throws(DocumentError) in
      controlGroups = try r.choice(ControlGroups.Use.self)
    }
    if root["egress"].isPresent { egress = WayOut(root["egress"], &faults) }
  }

  private mutating func readStorage(_ root: DocumentReader, _ faults: inout DocumentFaultList) {
    let (disk, instances, intake, journal) = (root["disk"], root["instances"], root["intake"], root["journal"])
    if faults.allowIfPresent(["low_water_bytes", "ballast_bytes", "tenant_quota_bytes"], in: disk) {
      Self.read(disk["low_water_bytes"], 0...(1 << 50), into: &self.disk.lowWaterBytes, &faults)
      Self.read(disk["ballast_bytes"], 0...(1 << 40), into: &self.disk.ballastBytes, &faults)
      faults.reading(disk["tenant_quota_bytes"]) { r throws(DocumentError) in
        self.disk.tenantQuotaBytes = try r.integer(in: 0...Int(DiskQuota.bytesMax))
      }
    }
    if faults.allowIfPresent(["tenant_quota"], in: instances) {
      faults.reading(instances["tenant_quota"]) { r throws(DocumentError) in
        tenantInstancesMax = try r.integer(in: 0...Int(InstanceQuota.countMax))
      }
    }
    if faults.allowIfPresent(["bytes_max"], in: intake) {
      Self.read(intake["bytes_max"], 1 << 20...(1 << 40), into: &intakeBytesMax, &faults)
    }
    if faults.allowIfPresent(["segment_bytes", "pack", "pack_bytes"], in: journal) {
      Self.read(journal["segment_bytes"], 1 << 16...(1 << 40), into: &segmentBytesMax, &faults)
      faults.reading(journal["pack"]) { r throws(DocumentError) in isPacking = try r.bool() }
      Self.read(journal["pack_bytes"], 1 << 14...(1 << 30), into: &packBytesMax, &faults)
    }
    if faults.allowIfPresent(["raw_days", "tenants"], in: root["retention"]) {
      readRetention(root["retention"], &faults)
    }
  }

  private mutating func readRetention(_ r: DocumentReader, _ faults: inout DocumentFaultList) {
    faults.reading(r["raw_days"]) { r throws(DocumentError) in retention.rawDays = try r.integer(in: 1...36_500) }
    var rows: [(key: String, reader: DocumentReader)] = []
    faults.reading { () throws(DocumentError) in rows = try r["tenants"].members() }
    for (name, row) in rows {
      guard let tenant = TenantID(rawValue: name) else {
        faults.add(row.error("\"\(name.prefix(60))\"", allowed: "a tenant's name"))
        continue
      }
      guard faults.allow(["raw_days"], in: row) else { continue }
      faults.reading { () throws(DocumentError) in
        let isForEver = (try? row["raw_days"].string("")) == "forever"
        retention.tenants[tenant] = isForEver ? 0 : try row["raw_days"].integer(in: 1...36_500)
      }
    }
  }

  private static func address(_ reader: DocumentReader) throws(DocumentError) -> String {
    let text = try reader.string("host:port")
    let parts = text.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]), (0...65_535).contains(port) else {
      throw reader.error("\"\(text.prefix(60))\"", allowed: "host:port, for example 127.0.0.1:7070")
    }
    guard isAddress(String(parts[0])) else {
      throw reader.error(
        "\"\(text.prefix(60))\", and \(parts[0].prefix(60)) is the name of no address",
        allowed: "host:port, for example 127.0.0.1:7070")
    }
    return text
  }

  /// Whether it is an address, or this machine knows one by that name.
  private static func isAddress(_ host: String) -> Bool {
    var found: UnsafeMutablePointer<addrinfo>?
    defer { if let found { freeaddrinfo(found) } }
    return getaddrinfo(host, nil, nil, &found) == 0
  }

  package static let publicURLForm = "https://host[:port][/path], without query, e.g. https://sluice.example.com"

  /// - Returns: nil for what is no base address.
  package static func publicURL(_ text: String) -> String? {
    guard text.hasPrefix("https://") || text.hasPrefix("http://"), !text.contains(where: { "@?#% ".contains($0) }),
      let parts = URLComponents(string: text), parts.host?.isEmpty == false
    else { return nil }
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  private static func proxy(_ r: DocumentReader, _ faults: inout DocumentFaultList) -> Proxy? {
    guard faults.allow(["addresses", "client_certificate_header"], in: r) else { return nil }
    let allowed = "the addresses from which your proxy connects, e.g. [127.0.0.1, 10.0.0.0/24]"
    var items: [DocumentReader] = []
    faults.reading { () throws(DocumentError) in
      items = try r["addresses"].items()
      guard !items.isEmpty else { throw r["addresses"].error("missing", allowed: allowed) }
    }
    var proxy = Proxy(addresses: [], clientCertificateHeader: "")
    for item in items {
      faults.reading { () throws(DocumentError) in
        let text = try item.string(allowed)
        guard let range = IPRange(text) else { throw item.error("\"\(text.prefix(60))\"", allowed: allowed) }
        proxy.addresses.append(range)
      }
    }
    faults.reading { () throws(DocumentError) in
      let header = try r["client_certificate_header"].string("a header name").lowercased()
      let isName = header.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
      guard !header.isEmpty, isName else {
        throw r["client_certificate_header"].error("\"\(header.prefix(60))\"", allowed: "a header name")
      }
      proxy.clientCertificateHeader = header
    }
    return proxy
  }

  private static func read(
    _ reader: DocumentReader, _ range: ClosedRange<Int>, into value: inout Int, _ faults: inout DocumentFaultList
  ) {
    faults.reading(reader) { r throws(DocumentError) in value = try r.integer(in: range) }
  }

  /// Reads the file at `path`.
  /// - Throws: `DocumentFaults`, or why it cannot be read at all.
  package static func load(_ path: String) throws -> HostSettings {
    try HostSettings(try RunningHost.document(path: path))
  }

  package var json: JSONValue {
    [
      "listen": listen.map { .string($0) } ?? .null,
      "public_url": publicURL.map { .string($0) } ?? .null,
      "host_names": .array(hostNames.map { .string($0) }), "edge": edgeJSON,
      "proxy": proxy.map {
        [
          "addresses": .array($0.addresses.map { .string($0.text) }),
          "client_certificate_header": .string($0.clientCertificateHeader),
        ]
      } ?? .null,
      "behind_tls": .bool(isBehindTLS), "sandbox": .string(isDegradedSandboxAllowed ? "degraded" : "strict"),
      "control_groups": .string(controlGroups.rawValue),
      "disk": [
        "low_water_bytes": .integer(Int64(disk.lowWaterBytes)), "ballast_bytes": .integer(Int64(disk.ballastBytes)),
        "tenant_quota_bytes": disk.tenantQuotaBytes.map { .integer(Int64($0)) } ?? .null,
      ],
      "instances": ["tenant_quota": tenantInstancesMax.map { .integer(Int64($0)) } ?? .null],
      "intake": ["bytes_max": .integer(Int64(intakeBytesMax))],
      "journal": [
        "segment_bytes": .integer(Int64(segmentBytesMax)), "pack": .bool(isPacking),
        "pack_bytes": .integer(Int64(packBytesMax)),
      ],
      "egress": egress.json,
      "retention": [
        "raw_days": retention.rawDays.map { .integer(Int64($0)) } ?? .null,
        "tenants": .object(
          Dictionary(
            uniqueKeysWithValues: retention.tenants.map {
              ($0.key.rawValue, ["raw_days": $0.value == 0 ? "forever" : .integer(Int64($0.value))])
            })),
      ],
    ]
  }
}
