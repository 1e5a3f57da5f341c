import Domain
import Egress
import HTTPEdge
import Testing

@testable import SluiceHost

@Suite struct `A host's settings` {
  private func read(_ value: JSONValue) throws(DocumentFaults) -> HostSettings {
    try HostSettings(SourceDocument(name: "sluice.yaml", value: value, marks: [:]))
  }

  @Test func `are all optional`() throws {
    #expect(try read(["sluice": 1]) == HostSettings())
    let full = try read([
      "sluice": 1, "listen": "127.0.0.1:0", "behind_tls": true, "sandbox": "degraded",
      "disk": ["low_water_bytes": 10, "ballast_bytes": 0, "tenant_quota_bytes": 7],
      "journal": ["segment_bytes": 65_536], "intake": ["bytes_max": 1_048_576],
      "instances": ["tenant_quota": 3],
    ])
    #expect(
      full.listen == "127.0.0.1:0" && full.isBehindTLS && full.isDegradedSandboxAllowed
        && full.segmentBytesMax == 65_536 && full.intakeBytesMax == 1_048_576)
    let proxied = try read([
      "sluice": 1, "public_url": "https://sluice.example.com/in/",
      "proxy": ["addresses": ["127.0.0.1", "10.0.0.0/8"], "client_certificate_header": "X-Client-Cert"],
    ])
    #expect(proxied.publicURL == "https://sluice.example.com/in")
    #expect(proxied.edge.limits(filesMax: 1 << 20, isBehindProxy: true) == EdgeLimits())
    let bounded = try read([
      "sluice": 1, "host_names": ["Sluice.internal", "10.0.0.5:8080"],
      "edge": ["connections_max": 600, "body_bytes_max": 4_194_304],
    ])
    #expect(bounded.hostNames == ["sluice.internal", "10.0.0.5:8080"] && bounded.json["host_names"]?.array?.count == 2)
    // Half of the files that the process may open are for its own work, whatever was asked for.
    let narrow = bounded.edge.limits(filesMax: 1024, isBehindProxy: false)
    #expect(narrow.connectionsMax == 512 && narrow.addressConnectionsMax == 256 && narrow.bodyBytesMax == 4_194_304)
    #expect(proxied.proxy?.addresses.count == 2 && proxied.proxy?.clientCertificateHeader == "x-client-cert")
    let kept = try read([
      "sluice": 1, "journal": ["pack": false, "pack_bytes": 1_000_000],
      "retention": ["raw_days": 400, "tenants": ["demo": ["raw_days": 30], "keeps": ["raw_days": "forever"]]],
    ])
    let led = try read([
      "sluice": 1, "egress": ["proxy_url": "http://10.0.0.7:3128", "no_proxy": ["Example.com", "10.0.0.0/8", "::1"]],
    ])
    #expect(led.json["egress"]?["proxy_url"]?.string == "http://10.0.0.7:3128")
    let spares = try #require(led.egress.proxy).leading.spares
    #expect(spares("example.com", "1.1.1.1") && spares("api.example.com", "1.1.1.1") && spares("x.net", "10.1.2.3"))
    #expect(!spares("notexample.com", "1.1.1.1") && !spares("example.com.net", "11.0.0.1"))
    #expect(!kept.isPacking && kept.packBytesMax == 1_000_000)
    let days = ["demo", "keeps", "any"].map { kept.rawDays(of: TenantID(rawValue: $0)!) }
    #expect(days == [30, nil, 400] && HostSettings().rawDays(of: TenantID(rawValue: "demo")!) == nil)
    #expect(full.disk.lowWaterBytes == 10 && full.disk.ballastBytes == 0 && full.disk.tenantQuotaBytes == 7)
    #expect(full.tenantInstancesMax == 3 && full.json["instances"]?["tenant_quota"]?.integer == 3)
  }

  @Test(
    arguments: [
      (["sluice": 2], "sluice"), (["sluice": 1, "port": 7070], "port"), (["sluice": 1, "listen": "7070"], "listen"),
      (["sluice": 1, "listen": "127.0.0.1:70000"], "listen"), (["sluice": 1, "sandbox": "off"], "sandbox"),
      (["sluice": 1, "behind_tls": "yes"], "behind_tls"),
      (["sluice": 1, "disk": ["low_water_bytes": -1]], "disk.low_water_bytes"),
      (["sluice": 1, "disk": ["tenant_quota_bytes": -1]], "disk.tenant_quota_bytes"),
      (["sluice": 1, "instances": ["tenant_quota": -1]], "instances.tenant_quota"),
      (["sluice": 1, "public_url": "sluice.example.com"], "public_url"),
      (["sluice": 1, "public_url": "https://sluice.example.com?x"], "public_url"),
      (["sluice": 1, "host_names": ["https://sluice.internal"]], "host_names[0]"),
      (["sluice": 1, "edge": ["connections_max": 0]], "edge.connections_max"),
      (["sluice": 1, "edge": ["body_bytes_max": 1]], "edge.body_bytes_max"),
      (["sluice": 1, "edge": ["connections": 1]], "edge.connections"),
      (["sluice": 1, "proxy": ["client_certificate_header": "x-c"]], "proxy.addresses"),
      (
        ["sluice": 1, "proxy": ["addresses": ["proxy.local"], "client_certificate_header": "x-c"]], "proxy.addresses[0]"
      ),
      (["sluice": 1, "proxy": ["addresses": ["::1"]]], "proxy.client_certificate_header"),
      (["sluice": 1, "egress": ["ca_file": "authority.pem"]], "egress.ca_file"),
      (["sluice": 1, "egress": ["ca_file": "/nowhere/authority.pem"]], "egress.ca_file"),
      (["sluice": 1, "egress": ["ca_file": "/etc/passwd"]], "egress.ca_file"),
      (["sluice": 1, "egress": ["proxy": "http://10.0.0.7:3128"]], "egress.proxy"),
      (["sluice": 1, "egress": ["proxy_url": "socks5://10.0.0.7:1080"]], "egress.proxy_url"),
      (["sluice": 1, "egress": ["proxy_url": "http://user:word@10.0.0.7:3128"]], "egress.proxy_url"),
      (["sluice": 1, "egress": ["no_proxy": ["example.com"]]], "egress.no_proxy"),
      (
        ["sluice": 1, "egress": ["proxy_url": "http://10.0.0.7:3128", "no_proxy": ["example.com", "10.0.0.0/33"]]],
        "egress.no_proxy[1]"
      ),
      (
        ["sluice": 1, "egress": ["proxy_url": "http://10.0.0.7:3128", "proxy_login_file": "login"]],
        "egress.proxy_login_file"
      ),
      (
        ["sluice": 1, "egress": ["proxy_url": "http://10.0.0.7:3128", "proxy_login_file": "/nowhere/login"]],
        "egress.proxy_login_file"
      ),
      (["sluice": 1, "journal": ["segment_bytes": 10]], "journal.segment_bytes"),
      (["sluice": 1, "journal": ["segments": 1]], "journal.segments"),
      (["sluice": 1, "intake": ["bytes_max": 10]], "intake.bytes_max"),
      (["sluice": 1, "intake": ["bytes": 1]], "intake.bytes"),
      (["sluice": 1, "journal": ["pack": 1]], "journal.pack"),
      (["sluice": 1, "journal": ["pack_bytes": 1]], "journal.pack_bytes"),
      (["sluice": 1, "retention": ["raw_days": 0]], "retention.raw_days"),
      (["sluice": 1, "retention": ["tenants": ["demo": ["raw_days": -1]]]], "retention.tenants.demo.raw_days"),
      (["sluice": 1, "retention": ["tenants": ["Not One": ["raw_days": 1]]]], "retention.tenants.Not One"),
    ] as [(JSONValue, String)])
  func `that are wrong are named by their key`(document: JSONValue, path: String) {
    #expect(throws: DocumentFaults.self) { try read(document) }
    #expect(faults(document) == [path])
  }

  private func faults(_ document: JSONValue) -> [String] {
    do throws(DocumentFaults) { _ = try read(document) } catch { return error.all.map(\.path) }
    return []
  }

  @Test func `that are wrong in many places are told of all at once`() {
    let wrong: JSONValue = [
      "sluice": 1, "listn": "127.0.0.1:7070", "listen": "7070", "behind_tls": "yes", "public_url": "x",
      "sandbox": "off", "control_groups": "many", "instances": 3,
      "disk": ["low_water_bytes": -1, "ballast": 1, "tenant_quota_bytes": -1],
      "proxy": ["addresses": ["proxy.local", "127.0.0.1", "there"], "client_certificate_header": "a header"],
      "journal": ["segment_bytes": 10, "pack": 1, "pack_bytes": 1],
      "egress": [
        "proxy_url": "socks5://10.0.0.7:1080", "no_proxy": ["10.0.0.0/33", "ok.example", .null], "ca_file": "x",
      ],
      "retention": [
        "raw_days": 0, "tenants": ["demo": ["raw_days": -1], "Not One": ["raw_days": 1], "kept": ["days": 2]],
      ],
      "intake": ["bytes_max": 10],
    ]
    let paths = [
      "listn", "listen", "behind_tls", "public_url", "sandbox", "control_groups", "instances", "disk.low_water_bytes",
      "disk.ballast", "disk.tenant_quota_bytes", "proxy.addresses[0]", "proxy.addresses[2]",
      "proxy.client_certificate_header", "journal.segment_bytes", "journal.pack", "journal.pack_bytes",
      "egress.proxy_url",
      "egress.no_proxy[0]", "egress.no_proxy[2]", "egress.ca_file", "retention.raw_days",
      "retention.tenants.demo.raw_days", "retention.tenants.Not One", "retention.tenants.kept.days",
      "retention.tenants.kept.raw_days", "intake.bytes_max",
    ]
    #expect(faults(wrong).sorted() == paths.sorted())
    #expect(faults([]) == [""])
  }

  @Test func `that are wrong are told of in the order of their lines`() throws {
    let marks = ["": (1, 1), "sandbox": (2, 1), "behind_tls": (3, 1), "listn": (4, 1)].mapValues {
      SourceDocument.Mark(line: $0.0, column: $0.1)
    }
    let wrong = SourceDocument(
      name: "sluice.yaml", value: ["sluice": 1, "listn": "x", "behind_tls": 1, "sandbox": "off"], marks: marks)
    var lines: [Int?] = []
    do throws(DocumentFaults) { _ = try HostSettings(wrong) } catch { lines = error.all.map(\.line) }
    #expect(lines == [2, 3, 4])
  }
}
