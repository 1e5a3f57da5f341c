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
  /// Under which address senders of webhooks reach this host, without "/" at its end; nil when nobody has said.
  package var publicURL: String?
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
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow([
      "sluice", "listen", "behind_tls", "public_url", "proxy", "sandbox", "control_groups", "disk", "intake", "journal",
      "retention", "egress", "instances",
    ])
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    if root["listen"].isPresent { listen = try Self.address(root["listen"]) }
    if root["behind_tls"].isPresent { isBehindTLS = try root["behind_tls"].bool() }
    if root["public_url"].isPresent {
      let text = try root["public_url"].string(Self.publicURLForm)
      guard let url = Self.publicURL(text) else {
        throw root["public_url"].error("\"\(text.prefix(60))\"", allowed: Self.publicURLForm)
      }
      publicURL = url
    }
    if root["proxy"].isPresent { proxy = try Self.proxy(root["proxy"]) }
    if root["sandbox"].isPresent { isDegradedSandboxAllowed = try root["sandbox"].choice(Sandbox.self) == .degraded }
    if root["control_groups"].isPresent { controlGroups = try root["control_groups"].choice(ControlGroups.Use.self) }
    let disk = root["disk"]
    if disk.isPresent {
      try disk.allow(["low_water_bytes", "ballast_bytes", "tenant_quota_bytes"])
      try Self.read(disk["low_water_bytes"], 0...(1 << 50), into: &self.disk.lowWaterBytes)
      try Self.read(disk["ballast_bytes"], 0...(1 << 40), into: &self.disk.ballastBytes)
      let quota = disk["tenant_quota_bytes"]
      if quota.isPresent { self.disk.tenantQuotaBytes = try quota.integer(in: 0...Int(DiskQuota.bytesMax)) }
    }
    let instances = root["instances"]
    if instances.isPresent {
      try instances.allow(["tenant_quota"])
      let quota = instances["tenant_quota"]
      if quota.isPresent { tenantInstancesMax = try quota.integer(in: 0...Int(InstanceQuota.countMax)) }
    }
    let intake = root["intake"]
    if intake.isPresent {
      try intake.allow(["bytes_max"])
      try Self.read(intake["bytes_max"], 1 << 20...(1 << 40), into: &intakeBytesMax)
    }
    let journal = root["journal"]
    if journal.isPresent {
      try journal.allow(["segment_bytes", "pack", "pack_bytes"])
      try Self.read(journal["segment_bytes"], 1 << 16...(1 << 40), into: &segmentBytesMax)
      if journal["pack"].isPresent { isPacking = try journal["pack"].bool() }
      try Self.read(journal["pack_bytes"], 1 << 14...(1 << 30), into: &packBytesMax)
    }
    if root["egress"].isPresent { egress = try WayOut(root["egress"]) }
    if root["retention"].isPresent { retention = try Self.retention(root["retention"]) }
  }

  private static func retention(_ r: DocumentReader) throws(DocumentError) -> Retention {
    try r.allow(["raw_days", "tenants"])
    var retention = Retention()
    if r["raw_days"].isPresent { retention.rawDays = try r["raw_days"].integer(in: 1...36_500) }
    for (name, row) in try r["tenants"].isPresent ? r["tenants"].members() : [] {
      guard let tenant = TenantID(rawValue: name) else {
        throw row.error("\"\(name.prefix(60))\"", allowed: "a tenant's name")
      }
      try row.allow(["raw_days"])
      let isForEver = (try? row["raw_days"].string("")) == "forever"
      retention.tenants[tenant] = isForEver ? 0 : try row["raw_days"].integer(in: 1...36_500)
    }
    return retention
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

  private static func proxy(_ r: DocumentReader) throws(DocumentError) -> Proxy {
    try r.allow(["addresses", "client_certificate_header"])
    let allowed = "the addresses from which your proxy connects, e.g. [127.0.0.1, 10.0.0.0/24]"
    var addresses: [IPRange] = []
    for item in try r["addresses"].items() {
      let text = try item.string(allowed)
      guard let range = IPRange(text) else { throw item.error("\"\(text.prefix(60))\"", allowed: allowed) }
      addresses.append(range)
    }
    guard !addresses.isEmpty else { throw r["addresses"].error("missing", allowed: allowed) }
    let header = try r["client_certificate_header"].string("a header name").lowercased()
    let isName = header.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    guard !header.isEmpty, isName else {
      throw r["client_certificate_header"].error("\"\(header.prefix(60))\"", allowed: "a header name")
    }
    return Proxy(addresses: addresses, clientCertificateHeader: header)
  }

  private static func read(
    _ reader: DocumentReader, _ range: ClosedRange<Int>, into value: inout Int
  ) throws(DocumentError) {
    if reader.isPresent { value = try reader.integer(in: range) }
  }

  /// Reads the file at `path`.
  package static func load(_ path: String) throws -> HostSettings {
    try HostSettings(try RunningHost.document(path: path))
  }

  package var json: JSONValue {
    [
      "listen": listen.map { .string($0) } ?? .null,
      "public_url": publicURL.map { .string($0) } ?? .null,
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
