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

  package init(edge: Edge, host: String, port: Int) {
    var logger = Logger(label: "sluice.edge") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let (ports, sink) = AsyncStream.makeStream(of: Int.self)
    self.ports = ports
    application = Application(
      responder: EdgeResponder(edge: edge),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in sink.yield(channel.localAddress?.port ?? 0) }, logger: logger)
    group = ServiceGroup(configuration: .init(services: [application], logger: logger))
  }

  /// Serves until `stop`.
  package func run() async throws { try await group.run() }

  /// The port that was bound.
  package func boundPort() async -> Int {
    for await port in ports { return port }
    return 0
  }

  package func stop() async { await group.triggerGracefulShutdown() }
}

struct EdgeResponder: HTTPResponder {
  let edge: Edge

  func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
    guard let buffer = try? await request.body.collect(upTo: Edge.bodyBytesMax) else {
      return Self.response(Edge.guarded(EdgeResponse(413)))
    }
    var asked = EdgeRequest(request.method.rawValue, request.uri.path, body: Array(buffer.readableBytesView))
    for field in request.headers { asked.headers[field.name.canonicalName] = field.value }
    if let authority = request.head.authority { asked.headers["host"] = authority }
    for parameter in request.uri.queryParameters { asked.query[String(parameter.key)] = String(parameter.value) }
    return Self.response(await edge.answer(asked))
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
