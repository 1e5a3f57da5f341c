import Domain
import Egress
import Testing

@testable import SluiceHost

@Suite struct `A host's settings` {
  private func read(_ value: JSONValue) throws(DocumentError) -> HostSettings {
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
    var found: String?
    do throws(DocumentError) { _ = try read(document) } catch { found = error.path }
    #expect(found == path)
  }
}
