internal import Foundation
internal import Hummingbird
internal import Logging
internal import NIOCore

/// Puts the CRM on a socket.
package struct HTTPServer: Sendable {
  private let crm: SimulatedCRM
  private let stripe: SimulatedStripe?
  private let clockwork: Clockwork
  private let host: String
  private let port: Int

  package init(crm: SimulatedCRM, stripe: SimulatedStripe? = nil, clockwork: Clockwork, host: String, port: Int) {
    self.crm = crm
    self.stripe = stripe
    self.clockwork = clockwork
    self.host = host
    self.port = port
  }

  /// Serves until SIGTERM, SIGINT or cancellation.
  ///
  /// - Parameter ready: called once with the port that was bound.
  package func run(ready: @escaping @Sendable (Int) async -> Void) async throws {
    var logger = Logger(label: "sluice-world") { StreamLogHandler.standardError(label: $0) }
    // What stops the server is thrown; below that Hummingbird reports connections that clients or faults broke.
    logger.logLevel = .critical
    let application = Application(
      responder: WorldResponder(crm: crm, stripe: stripe, clockwork: clockwork),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in await ready(channel.localAddress?.port ?? 0) },
      logger: logger)
    do {
      try await application.runService()
    } catch let error as IOError {
      throw ListenError(description: "cannot serve on \(host):\(port): \(String(cString: strerror(error.errnoCode)))")
    }
  }
}

/// Why the server could not start or had to end.
package struct ListenError: Error, CustomStringConvertible {
  package let description: String
}

/// What a fault needs of a request besides its text: the connection, to cut it.
private struct ConnectionContext: InitializableFromSource, Sendable {
  let channel: any Channel
  init(source: ApplicationRequestContextSource) { channel = source.channel }
}

private struct ConnectionCut: Error {}

private struct WorldResponder: HTTPResponder {
  typealias FieldName = HTTPFields.Element.Name
  private static let bodyBytesMax = 1 << 20
  private static let chunkBytes = 1 << 16

  let crm: SimulatedCRM
  let stripe: SimulatedStripe?
  let clockwork: Clockwork

  func respond(to request: Request, context: ConnectionContext) async throws -> Response {
    guard let call = await Self.call(of: request) else {
      return try await response(.error(413, "too_large", "the body is larger than 1 MB"), context)
    }
    let isForStripe = call.parts.first == "v1" || call.parts.prefix(2) == ["control", "stripe"]
    let answer = if let stripe, isForStripe { await stripe.answer(call) } else { await crm.answer(call) }
    if answer.delay > .zero { await clockwork.pause(answer.delay) }
    return try await response(answer, context)
  }

  /// - Returns: `nil` when the body is too large or did not arrive.
  private static func call(of request: Request) async -> Call? {
    guard let buffer = try? await request.body.collect(upTo: bodyBytesMax) else { return nil }
    var call = Call(request.method.rawValue, request.uri.path, body: Array(buffer.readableBytesView))
    for field in request.headers { call.headers[field.name.canonicalName] = field.value }
    for parameter in request.uri.queryParameters { call.query[String(parameter.key)] = String(parameter.value) }
    return call
  }

  private func response(_ answer: Answer, _ context: ConnectionContext) async throws -> Response {
    var headers = HTTPFields()
    for (name, value) in answer.headers {
      if let name = FieldName(name) { headers[name] = value }
    }
    let body: ResponseBody
    switch answer.delivery {
    case .whole: body = ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
    case .truncated: body = Self.half(of: answer.body, context)
    case .flood(let bytes): body = Self.flood(of: bytes)
    case .cut:
      try await context.channel.close()
      throw ConnectionCut()
    }
    return Response(status: .init(code: answer.status), headers: headers, body: body)
  }

  private static func half(of bytes: [UInt8], _ context: ConnectionContext) -> ResponseBody {
    ResponseBody(contentLength: bytes.count) { writer in
      try await writer.write(ByteBuffer(bytes: bytes.prefix(bytes.count / 2)))
      try await context.channel.close()
      throw ConnectionCut()
    }
  }

  private static func flood(of bytes: Int) -> ResponseBody {
    ResponseBody { writer in
      let head = "{\"items\":[{\"id\":\""
      try await writer.write(ByteBuffer(string: head))
      var left = bytes - head.utf8.count
      let chunk = ByteBuffer(repeating: UInt8(ascii: "x"), count: chunkBytes)
      while left > 0 {
        try await writer.write(left >= chunkBytes ? chunk : ByteBuffer(repeating: UInt8(ascii: "x"), count: left))
        left -= chunkBytes
      }
      try await writer.finish(nil)
    }
  }
}
