import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Puts the edge on a socket. Hummingbird serves; nothing else of the host knows it.
package final class EdgeServer: Sendable {
  private let application: Application<EdgeResponder>
  private let group: ServiceGroup
  private let ports: AsyncStream<Int>
  private let sink: AsyncStream<Int>.Continuation

  package init(edge: Edge, host: String, port: Int) {
    var logger = Logger(label: "sluice.edge") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let (ports, sink) = AsyncStream.makeStream(of: Int.self)
    self.ports = ports
    self.sink = sink
    application = Application(
      responder: EdgeResponder(edge: edge),
      server: .http1(configuration: .init(idleTimeout: .seconds(60))),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in sink.yield(channel.localAddress?.port ?? 0) }, logger: logger)
    var configuration = ServiceGroupConfiguration(services: [application], logger: logger)
    // Who does not finish what they began to send must not keep the host from stopping.
    configuration.maximumGracefulShutdownDuration = .seconds(3)
    configuration.maximumCancellationDuration = .seconds(2)
    group = ServiceGroup(configuration: configuration)
  }

  /// Serves until `stop`.
  package func run() async throws {
    defer { sink.finish() }
    try await group.run()
  }

  /// The port that was bound; 0 when none could be.
  package func boundPort() async -> Int {
    for await port in ports { return port }
    return 0
  }

  package func stop() async { await group.triggerGracefulShutdown() }
}

/// Of a request: where its connection comes from.
struct EdgeContext: InitializableFromSource, Sendable {
  let peer: String?
  init(source: ApplicationRequestContextSource) { peer = source.channel.remoteAddress?.ipAddress }
}

struct EdgeResponder: HTTPResponder {
  let edge: Edge

  func respond(to request: Request, context: EdgeContext) async throws -> Response {
    let buffer: ByteBuffer
    do { buffer = try await Self.body(of: request) } catch is TooSlow {
      return Self.response(Edge.guarded(EdgeResponse(408)))
    } catch {
      return Self.response(Edge.guarded(EdgeResponse(413)))
    }
    var asked = EdgeRequest(request.method.rawValue, request.uri.path, body: Array(buffer.readableBytesView))
    for field in request.headers {
      let name = field.name.canonicalName
      // RFC 9110, 5.2; cookies are the exception (RFC 9113, 8.2.3).
      let joint = name == "cookie" ? "; " : ", "
      asked.headers[name] = asked.headers[name].map { $0 + joint + field.value } ?? field.value
    }
    if let authority = request.head.authority { asked.headers["host"] = authority }
    asked.queryText = request.uri.query ?? ""
    asked.peer = context.peer
    for parameter in request.uri.queryParameters { asked.query[String(parameter.key)] = String(parameter.value) }
    return Self.response(await edge.answer(asked))
  }

  private struct TooSlow: Error {}

  /// The whole body, within its bounds of size and time.
  private static func body(of request: Request) async throws -> ByteBuffer {
    let body = request.body
    return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
      group.addTask { try await body.collect(upTo: Edge.bodyBytesMax) }
      group.addTask {
        try await Task.sleep(for: .seconds(20))
        throw TooSlow()
      }
      defer { group.cancelAll() }
      return try await group.next()!
    }
  }

  private static func response(_ answer: EdgeResponse) -> Response {
    var headers = HTTPFields()
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
    }
    return Response(
      status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
  }
}
