import CanonicalJSON
import Cryptography
import Domain
import Testing

@testable import ConnectorFabric

private func scheme(_ slot: JSONValue) throws -> SlotScheme {
  try manifest {
    $0["slots"] = ["api": slot, "elsewhere": ["scheme": "bearer", "endpoint": "other"]]
  }.slot("api")!.scheme
}

private let oauth: [String: JSONValue] = [
  "endpoint": "crm", "token": ["endpoint": "other", "path": "/oauth/token"], "client_auth": "body",
  "scopes": ["crm.read", "crm.write"], "audience": "https://crm.example",
]

private func target(
  _ method: String = "GET", _ path: String = "/", query: String = "", base: String = "https://example.amazonaws.com",
  headers: [PluginRequest.Header] = [], body: String = ""
) -> RequestTarget {
  RequestTarget(method: method, base: base, path: path, query: query, headers: headers, body: Array(body.utf8))
}

/// 2015-08-30T12:36:00Z, the time of AWS's published requests.
private let nowMs: Int64 = 1_440_938_160_000

private func credential(_ scheme: SlotScheme, _ secret: String, for target: RequestTarget = target()) throws
  -> RequestCredential
{
  RequestCredential(
    scheme, try SlotSecret(Array(secret.utf8), for: scheme), token: Array("at-1".utf8), for: target, nowMs: nowMs,
    base64: { Array("b64(".utf8) + $0 + Array(")".utf8) })
}

@Suite struct `A slot of a manifest` {
  @Test(
    arguments: [
      (["scheme": "magic", "endpoint": "crm"], "slots.api.scheme"),
      (["scheme": "bearer", "endpoint": "crm", "header": "X"], "slots.api.header"),
      (["scheme": "header", "endpoint": "crm", "header": "Host"], "slots.api.header"),
      (["scheme": "header", "endpoint": "crm", "header": "X-A: b"], "slots.api.header"),
      (["scheme": "query", "endpoint": "crm", "parameter": "api key"], "slots.api.parameter"),
      (["scheme": "query", "endpoint": "crm"], "slots.api.parameter"),
      (["scheme": "sigv4", "endpoint": "crm", "service": "S3", "region": "eu-west-1"], "slots.api.service"),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "md5", "sign": "{body}", "encoding": "hex", "header": "X-S",
        ], "slots.api.algorithm"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256", "sign": "{bodies}", "encoding": "hex",
          "header": "X-S",
        ], "slots.api.sign"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256", "sign": "body", "encoding": "hex",
          "header": "X-S",
        ], "slots.api.sign"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256", "sign": "{timestamp}", "encoding": "hex",
          "header": "X-S",
        ], "slots.api.timestamp_header"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256", "sign": "{body}", "encoding": "hex",
          "header": "X-S", "prefix": "{body}",
        ], "slots.api.prefix"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256", "sign": "{body}", "encoding": "hex",
          "header": "X-S", "key_id_header": "x-s",
        ], "slots.api.header"
      ),
      (
        [
          "scheme": "oauth2_client_credentials", "endpoint": "crm", "client_auth": "basic",
          "token": ["endpoint": "nowhere", "path": "/t"],
        ], "slots.api.token.endpoint"
      ),
      (
        [
          "scheme": "oauth2_client_credentials", "endpoint": "crm", "client_auth": "basic",
          "token": ["endpoint": "other", "path": "/{t}"],
        ], "slots.api.token.path"
      ),
      (
        [
          "scheme": "oauth2_client_credentials", "endpoint": "crm", "client_auth": "basic",
          "token": ["endpoint": "other", "path": "/t"], "scopes": ["a b"],
        ], "slots.api.scopes[0]"
      ),
      (
        [
          "scheme": "oauth2_refresh_token", "endpoint": "crm", "client_auth": "jwt",
          "token": ["endpoint": "other", "path": "/t"],
        ], "slots.api.client_auth"
      ),
    ] as [(JSONValue, String)])
  func `is refused with the key that is wrong in it`(slot: JSONValue, path: String) throws {
    let error = try #require(throws: DocumentError.self) { _ = try scheme(slot) }
    #expect(error.path == path)
  }

  @Test func `is not called as the operator's own`() {
    #expect(throws: DocumentError.self) {
      try manifest { $0["slots"] = ["proxy": ["scheme": "bearer", "endpoint": "crm"]] }
    }
  }

  @Test(arguments: [
    "http://crm.example", "https://", "https://*.example", "https://a:b@crm.example", "https://127.0.0.1",
    "https://2130706433", "https://0x7f.1", "https://127.1", "https://[::1]", "https://crm.example?x=",
    "https://crm.example/#",
    "https://crm.example/a/../b", "https://crm.example:0", "https://crm.example:port", "https://crm.example.",
  ])
  func `is bound to an endpoint that TLS can prove by its name, no address and no half of a URL`(base: String) {
    #expect(throws: DocumentError.self) {
      try manifest { $0["endpoints"] = ["crm": ["base": .string(base)], "other": ["base": "https://other.example"]] }
    }
  }

  @Test func `reserves what it fills, so that no plugin can set it in any spelling`() throws {
    let own: [(JSONValue, PluginRequest, String)] = [
      (
        ["scheme": "header", "endpoint": "crm", "header": "X-Own"],
        request("GET", body: "", headers: [.init("x-own", "1")]), "egress.reserved_header"
      ),
      (
        ["scheme": "sigv4", "endpoint": "crm", "service": "s3", "region": "a"],
        request("GET", body: "", headers: [.init("X-Amz-Date", "1")]), "egress.reserved_header"
      ),
      (
        [
          "scheme": "hmac", "endpoint": "crm", "algorithm": "sha1", "sign": "{body}", "encoding": "hex",
          "header": "X-S", "key_id_header": "X-K",
        ],
        request("GET", body: "", headers: [.init("X-K", "1")]), "egress.reserved_header"
      ),
    ]
    let keyed: JSONValue = ["scheme": "query", "endpoint": "crm", "parameter": "api_key"]
    let spellings = [
      "api_key=1", "a=1&api_key=2", "API_KEY=1", "api%5Fkey=1", "%61pi_key", "a=1;api_key=2", "api_key[]=1",
      "+api_key=1",
    ].map { (keyed, request("GET", body: "", query: $0), "egress.reserved_query") }
    for (slot, asked, code) in own + spellings {
      let manifest = try manifest {
        $0["slots"] = ["api": slot, "elsewhere": ["scheme": "bearer", "endpoint": "other"]]
      }
      var rules = RequestRules(manifest: manifest, operation: .reading)
      let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(asked) }
      #expect(refusal.code == code, "\(asked.query)")
      #expect(try rules.admit(request("GET", body: "", query: "a=api_key&key=1")).declared.id == "get")
    }
  }

  @Test func `takes a secret of its scheme's shape only, and does not repeat what was given`() throws {
    let basic = try scheme(["scheme": "basic", "endpoint": "crm"])
    let refresh = try scheme(.object(oauth.merging(["scheme": "oauth2_refresh_token"]) { $1 }))
    let client = try scheme(
      .object(oauth.merging(["scheme": "oauth2_client_credentials", "client_auth": "basic"]) { $1 }))
    let sigv4 = try scheme(["scheme": "sigv4", "endpoint": "crm", "service": "s3", "region": "a"])
    let wrong: [(SlotScheme, String)] = [
      (.bearer, "CANARY\r\nX-Evil: 1"), (.bearer, ""), (basic, ""),
      (.header("X-A"), "CANARY\n1"), (.query("k"), "CANARY\n"), (basic, "CANARY"),
      (refresh, "CANARY"), (refresh, #"{"client_id":"CANARY"}"#),
      (refresh, #"{"client_id":"a","refresh_token":"b","CANARY":"c"}"#),
      (client, #"{"client_id":"CANARY","client_secret":"a\nb"}"#), (client, #"{"client_id":"a"}"#),
      (sigv4, #"{"access_key_id":"a","secret_access_key":3}"#), (.mtls, "-----BEGIN CERTIFICATE-----\nCANARY"),
    ]
    for (scheme, text) in wrong {
      let misfit = try #require(throws: SlotSecret.Misfit.self) { _ = try SlotSecret(Array(text.utf8), for: scheme) }
      #expect(!misfit.reason.contains("CANARY") && !misfit.expected.contains("CANARY"))
    }
    let fine = try SlotSecret(Array(#"{"client_id":"a","refresh_token":"CANARY"}"#.utf8), for: refresh)
    #expect("\(fine) \(String(reflecting: fine))" == "<secret> <secret>")
  }
}

@Suite struct `The credential of a request` {
  @Test func `goes where its scheme says`() throws {
    #expect(try credential(.bearer, "t").headers == [.init("Authorization", "Bearer t")])
    #expect(try credential(.basic, "u:p").headers == [.init("Authorization", "Basic b64(u:p)")])
    #expect(try credential(.header("X-Key"), "t").headers == [.init("X-Key", "t")])
    let keyed = try credential(.query("key"), "a b&c=d", for: target(query: "x=1"))
    #expect(keyed.query == "x=1&key=a%20b%26c%3Dd" && keyed.headers.isEmpty)
    #expect(target(query: "x=1").url(query: keyed.query) == "https://example.amazonaws.com/?x=1&key=a%20b%26c%3Dd")
    let grant = try scheme(.object(oauth.merging(["scheme": "oauth2_refresh_token"]) { $1 }))
    let token = try credential(grant, #"{"client_id":"a","client_secret":"s","refresh_token":"r"}"#)
    #expect(token.headers == [.init("Authorization", "Bearer at-1")])
    #expect(token.echoes == ["at-1", "s", "r"].map { Array($0.utf8) })
  }

  @Test func `signs what the manifest's template names, with time and key id where it wants them`() throws {
    let hmac = try scheme([
      "scheme": "hmac", "endpoint": "crm", "algorithm": "sha256",
      "sign": "{timestamp}.{method}.{path}.{query}.{body}.{key_id}",
      "encoding": "hex", "header": "X-Signature", "prefix": "v1,{key_id},", "timestamp_header": "X-Time",
      "timestamp": "rfc3339", "key_id_header": "X-Key",
    ])
    let asked = target("POST", "/b", query: "c=d", base: "https://h.example/a", body: "{}")
    let signed = try credential(hmac, #"{"key_id":"k1","secret":"s"}"#, for: asked)
    let code = HMACSHA256.authenticationCode(
      for: Array("2015-08-30T12:36:00Z.POST./a/b.c=d.{}.k1".utf8), key: Array("s".utf8)
    ).hex
    #expect(
      signed.headers == [
        .init("X-Signature", "v1,k1,\(code)"), .init("X-Time", "2015-08-30T12:36:00Z"), .init("X-Key", "k1"),
      ])
    #expect(signed.echoes == [Array("s".utf8), Array(code.utf8)])
  }

  /// RFC 2202, case 2, and RFC 4231, case 2.
  @Test(arguments: [
    ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
      "sha512",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    ),
  ])
  func `hashes as the published examples of each algorithm`(algorithm: String, expected: String) throws {
    let hmac = try scheme([
      "scheme": "hmac", "endpoint": "crm", "algorithm": .string(algorithm), "sign": "{body}", "encoding": "hex",
      "header": "X-S",
    ])
    let signed = try credential(hmac, "Jefe", for: target("POST", body: "what do ya want for nothing?"))
    #expect(signed.headers == [.init("X-S", expected)])
  }

  /// The first four are AWS's published requests; the others were signed by botocore 1.43.
  @Test(arguments: [
    (target(), "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
      target(query: "Param2=value2&Param1=value1"), "service",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    ),
    (target("POST"), "service", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
      target("POST", headers: [.init("Content-Type", "application/x-www-form-urlencoded")], body: "Param1=value1"),
      "service", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    ),
    (
      target(
        "POST", "/a:b/$x", headers: [.init("Content-Type", "application/json"), .init("X-Amz-Target", "T.Do")],
        body: #"{"a":1}"#),
      "service", "d4acebfc2f31a7259f065e236138c4178d630644e51b7a2c7cec51ad533eef52"
    ),
    (
      target(
        "POST", "/x", query: "b=2&a=1%202&a=%2f&z", base: "https://h.example:8443",
        headers: [.init("Content-Type", "text/plain")],
        body: "hello"), "execute-api", "c9a9aaaa115224ba38070b5137eb326d481b90fa97f10231a9fce9d48af87d2a"
    ),
    (
      target("GET", "/k:x", query: "prefix=a%20b&list-type=2", base: "https://s3.example:443/b"), "s3",
      "b926db423c8e1673e8a8b120c7afa9e56c07669d0e2cf9942ff199152401dc12"
    ),
    (
      target("GET", "/caf%C3%A9%20b"), "service", "937d8a47ba848cef8ad799c96d2c8fddec1500fb3badcec3b89d169a2717530b"
    ),
    (
      target("GET", "/caf%C3%A9%20b", base: "https://s3.example/b"), "s3",
      "64c113a676a21a3263fd953befee08eaac46e5c474cb817d21611caea9c257f2"
    ),
  ])
  func `is AWS's signature, the query sorted and encoded as it is signed`(
    asked: RequestTarget, service: String, expected: String
  ) throws {
    let session = service == "execute-api" ? #","session_token":"tok/en==""# : ""
    let secret =
      #"{"access_key_id":"AKIDEXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"\#(session)}"#
    let signed = try credential(.sigv4(service: service, region: "us-east-1"), secret, for: asked)
    #expect(signed.headers.last?.value.hasSuffix("Signature=\(expected)") == true)
    #expect(signed.echoes.contains(Array(expected.utf8)))
    if service == "execute-api" { #expect(signed.query == "a=%2F&a=1%202&b=2&z=") }
  }
}

@Suite struct `A token endpoint` {
  @Test func `is asked as RFC 6749 says, with the client's proof where the manifest wants it`() throws {
    guard case .oauth2(let refresh) = try scheme(.object(oauth.merging(["scheme": "oauth2_refresh_token"]) { $1 })),
      case .oauth2(let client) = try scheme(
        .object(oauth.merging(["scheme": "oauth2_client_credentials", "client_auth": "basic"]) { $1 }))
    else { return #expect(Bool(false), "no OAuth 2") }
    let inBody = TokenGrant.request(refresh, clientID: "i d", clientSecret: "s&c", refreshToken: "r+1", base64: { $0 })
    #expect(
      String(decoding: inBody.body, as: UTF8.self)
        == "grant_type=refresh_token&refresh_token=r%2B1&scope=crm.read%20crm.write&audience=https%3A%2F%2Fcrm.example"
        + "&client_id=i%20d&client_secret=s%26c")
    #expect(!inBody.headers.contains { $0.name == "Authorization" })
    let inHeader = TokenGrant.request(client, clientID: "i:d", clientSecret: "s", refreshToken: nil, base64: { $0 })
    #expect(inHeader.headers.contains(.init("Authorization", "Basic i%3Ad:s")))
    #expect(String(decoding: inHeader.body, as: UTF8.self).hasPrefix("grant_type=client_credentials&scope="))
  }

  @Test(arguments: [
    (200, #"{"access_token":"a","expires_in":60,"token_type":"Bearer","refresh_token":"r"}"#, "token a 60 r"),
    (200, #"{"access_token":"a","expires_in":"60"}"#, "token a 60 -"), (200, #"{"access_token":"a"}"#, "token a - -"),
    (200, #"{"access_token":"a\r\nX-Evil: 1"}"#, "unclear the answer holds no access token"),
    (200, "<html>", "unclear the answer holds no access token"),
    (200, #"{"access_token":"a","token_type":"mac"}"#, "refused token_type is not Bearer"),
    (400, #"{"error":"invalid_grant","error_description":"CANARY"}"#, "refused invalid_grant"),
    (401, #"{"error":"CANARY"}"#, "refused status 401"), (429, "", "unclear status 429"),
    (503, "", "unclear status 503"),
    (302, "", "unclear status 302"),
  ])
  func `is understood, and nothing of its words is repeated`(status: Int, body: String, expected: String) {
    let said =
      switch TokenGrant.read(status: status, body: Array(body.utf8)) {
      case .token(let token):
        "token \(String(decoding: token.bytes, as: UTF8.self)) \(token.expiresIn.map(String.init) ?? "-") \(token.refreshToken ?? "-")"
      case .refused(let why): "refused \(why)"
      case .unclear(let why): "unclear \(why)"
      }
    #expect(said == expected)
  }
}
