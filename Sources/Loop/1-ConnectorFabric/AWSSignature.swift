import Cryptography
import Domain

/// AWS Signature Version 4 in the `Authorization` header
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
///
/// The query is sent in the canonical form that is signed: every name and value percent-encoded in the one way, sorted.
struct AWSSignature {
  struct Keys {
    let id: String
    let key: String
    let session: String?
  }

  private(set) var headers: [PluginRequest.Header]
  let query: String
  /// 64 hexadecimal digits.
  let signature: String

  init(_ target: RequestTarget, keys: Keys, service: String, region: String, nowMs: Int64) {
    let time = WallTime(ms: nowMs)
    let bodyHash = SHA256.digest(target.body).hex
    let isS3 = service.hasPrefix("s3")
    headers = [.init("X-Amz-Date", time.basic)]
    if isS3 { headers.append(.init("X-Amz-Content-Sha256", bodyHash)) }
    if let session = keys.session { headers.append(.init("X-Amz-Security-Token", session)) }
    query = AWSSignature.canonical(query: target.query)

    var signed = ["host": target.authority]
    for header in target.headers + headers {
      let name = header.name.lowercased()
      if name == "content-type" || name.hasPrefix("x-amz-") { signed[name] = AWSSignature.trimmed(header.value) }
    }
    let names = signed.keys.sorted()
    let canonicalRequest = [
      target.method, AWSSignature.canonical(path: target.path, isDecodedFirst: isS3), query,
      names.map { "\($0):\(signed[$0]!)\n" }.joined(), names.joined(separator: ";"), bodyHash,
    ].joined(separator: "\n")
    let scope = [time.dayBasic, region, service, "aws4_request"]
    let text = [
      "AWS4-HMAC-SHA256", time.basic, scope.joined(separator: "/"), SHA256.digest(canonicalRequest).hex,
    ].joined(separator: "\n")
    let key = scope.reduce(Array("AWS4\(keys.key)".utf8)) {
      HMACSHA256.authenticationCode(for: Array($1.utf8), key: $0).bytes
    }
    signature = HMACSHA256.authenticationCode(for: Array(text.utf8), key: key).hex
    headers.append(
      .init(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=\(keys.id)/\(scope.joined(separator: "/")), "
          + "SignedHeaders=\(names.joined(separator: ";")), Signature=\(signature)"))
  }

  /// S3 names an object by the decoded path; every other service encodes once more what is sent.
  private static func canonical(path: String, isDecodedFirst: Bool) -> String {
    path.isEmpty
      ? "/"
      : path.split(separator: "/", omittingEmptySubsequences: false).map { part in
        PercentEncoding.encode(isDecodedFirst ? PercentEncoding.decode(Array(part.utf8)) : Array(part.utf8))
      }.joined(separator: "/")
  }

  private static func canonical(query: String) -> String {
    guard !query.isEmpty else { return "" }
    let pairs = query.split(separator: "&").map { part -> (String, String) in
      let name = part.prefix { $0 != "=" }
      let value = part.dropFirst(name.count + 1)
      func encoded(_ text: Substring) -> String { PercentEncoding.encode(PercentEncoding.decode(Array(text.utf8))) }
      return (encoded(name), encoded(value))
    }
    return pairs.sorted { $0 < $1 }.map { "\($0)=\($1)" }.joined(separator: "&")
  }

  private static func trimmed(_ value: String) -> String {
    value.split(separator: " ").joined(separator: " ")
  }
}
