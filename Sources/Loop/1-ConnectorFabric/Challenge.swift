import CanonicalJSON
import Cryptography
import Domain

/// A question by which a sender finds out whether an address is the receiver's, and the answer that the manifest declares.
///
/// Answered by the host alone. It is no open mirror: only who knows an instance's address gets an answer, of a fixed type,
/// with values that are short and plain.
package struct Challenge: Sendable, Equatable {
  /// Where a value stands in a request.
  package enum Place: Sendable, Equatable {
    case query(String)
    case body([String])
  }
  package struct Condition: Sendable, Equatable {
    let place: Place
    /// What must stand there; nil: any text.
    let value: String?
  }
  /// A text that the sender must know, and the slot that holds it.
  package struct Token: Sendable, Equatable {
    let place: Place
    package let slot: String
  }
  package enum Part: Sendable, Equatable {
    case text(String)
    case value(Place)
    /// HMAC-SHA256 of a value by the webhook's secret.
    case hmac(Place, SignatureRecipe.Encoding)
  }
  package enum Answer: Sendable, Equatable {
    case text([Part])
    case json([String: [Part]])
    case form([String: [Part]])
  }
  package enum Refusal: String, Error, Sendable {
    case wrongToken = "wrong_token"
    /// What was asked to be repeated is missing, too long, or more than plain text.
    case badValue = "bad_challenge"
    case unusableSecret = "unusable_secret"
  }
  package struct Reply: Sendable, Equatable {
    package let type: String
    package let body: [UInt8]
  }

  let method: String
  let conditions: [Condition]
  /// Whether the webhook's own proof must hold too.
  package let isSigned: Bool
  package let token: Token?
  let answer: Answer

  private static let valueBytesMax = 1_024
  private static let questionBytesMax = 16 << 10

  /// A request as challenges look at it. The body is read only when it is small.
  package struct Question: Sendable {
    let method: String
    let query: String
    let body: JSONValue?

    package init(_ request: WebhookRequest) {
      method = request.method
      query = request.query
      let isSmall = (1...Challenge.questionBytesMax).contains(request.body.count)
      body = isSmall ? try? JSONValue(parsing: request.body) : nil
    }

    func value(at place: Place) -> String? {
      switch place {
      case .query(let name): QueryText.value(of: name, in: query)
      case .body(let path): path.reduce(body) { $0?[$1] }?.string
      }
    }
  }

  /// Whether a request is this question.
  package func isAsked(by question: Question) -> Bool {
    question.method == method
      && conditions.allSatisfy { condition in
        question.value(at: condition.place).map { condition.value == nil || condition.value == $0 } ?? false
      }
  }

  /// - Parameters:
  ///   - secret: the webhook's, of which the first line is the key.
  ///   - token: what the token's slot holds; nil when it holds nothing.
  package func reply(
    to question: Question, secret: [UInt8], token expected: [UInt8]?, base64: WebhookProof.Base64
  ) throws(Refusal) -> Reply {
    if let token {
      let known = expected.map(WebhookProof.lines) ?? []
      guard let given = question.value(at: token.place).map({ Array($0.utf8) }),
        known.reduce(false, { constantTimeEqual(given, $1) || $0 })
      else { throw .wrongToken }
    }
    func filled(_ parts: [Part]) throws(Refusal) -> String {
      var text = ""
      for part in parts { text += try Self.text(of: part, question, secret, base64) }
      return text
    }
    func members(_ templates: [String: [Part]]) throws(Refusal) -> [String: String] {
      var members: [String: String] = [:]
      for (name, parts) in templates { members[name] = try filled(parts) }
      return members
    }
    switch answer {
    case .text(let parts): return Reply(type: "text/plain; charset=utf-8", body: Array(try filled(parts).utf8))
    case .json(let templates):
      let value = JSONValue.object(try members(templates).mapValues { .string($0) })
      return Reply(type: "application/json", body: value.canonicalBytes)
    case .form(let templates):
      let pairs = try members(templates).sorted { $0.key < $1.key }
      let text = pairs.map { "\(PercentEncoding.encode($0.key.utf8))=\(PercentEncoding.encode($0.value.utf8))" }.joined(
        separator: "&")
      return Reply(type: "application/x-www-form-urlencoded", body: Array(text.utf8))
    }
  }

  private static func text(
    of part: Part, _ question: Question, _ secret: [UInt8], _ base64: WebhookProof.Base64
  ) throws(Refusal) -> String {
    switch part {
    case .text(let text): return text
    case .value(let place): return try value(at: place, question)
    case .hmac(let place, let encoding):
      guard let key = WebhookProof.lines(of: secret).first else { throw .unusableSecret }
      let code = HMACSHA256.authenticationCode(for: Array(try value(at: place, question).utf8), key: key).bytes
      return encoding == .hex ? Hex.encode(code) : String(decoding: base64.encode(code), as: UTF8.self)
    }
  }

  /// Nothing that a browser or a terminal would take for more than text.
  private static func value(at place: Place, _ question: Question) throws(Refusal) -> String {
    guard let value = question.value(at: place), (1...valueBytesMax).contains(value.utf8.count),
      value.utf8.allSatisfy({ (0x20...0x7E).contains($0) && !"<>&\"'`\\".utf8.contains($0) })
    else { throw .badValue }
    return value
  }
}
