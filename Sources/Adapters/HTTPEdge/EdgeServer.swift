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

  package init(edge: Edge, load: EdgeLoad = EdgeLoad(), host: String, port: Int) {
    var logger = Logger(label: "sluice.edge") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let (ports, sink) = AsyncStream.makeStream(of: Int.self)
    self.ports = ports
    self.sink = sink
    application = Application(
      responder: EdgeResponder(edge: edge, load: load),
      server: .http1(configuration: .init(idleTimeout: .seconds(60))),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in
        // Before the library sees a connection. Where that is impossible, nothing is served.
        do { try await channel.pipeline.addHandler(ConnectionGate(load: load), position: .first) } catch {
          return channel.close(promise: nil)
        }
        sink.yield(channel.localAddress?.port ?? 0)
      }, logger: logger)
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

/// Of a request: the connection on which it came.
struct EdgeContext: InitializableFromSource, Sendable {
  let channel: any Channel
  init(source: ApplicationRequestContextSource) { channel = source.channel }
  var peer: String? { channel.remoteAddress?.ipAddress }
}

struct EdgeResponder: HTTPResponder {
  let edge: Edge
  let load: EdgeLoad
  /// So long what follows of a body is let go, so that its sender comes to read the answer (RFC 9112, 9.6).
  private static let lingerSeconds: Int64 = 5

  func respond(to request: Request, context: EdgeContext) async throws -> Response {
    var asked = Self.head(of: request, context)
    let length = request.headers[.contentLength]
    guard length.map({ $0 != "0" }) ?? (request.headers[.transferEncoding] != nil) else {
      return Self.response(await edge.answer(asked))
    }
    switch await edge.admit(asked) {
    case .answered(let answer): return Self.last(answer, context)
    case .read(let door, let isKept):
      let reading = BodyReading(load, door, isKept: isKept)
      defer { reading.end() }
      do throws(EdgeRefusal) {
        asked.body = try await reading.read(request.body, declared: length.flatMap { Int($0) })
      } catch {
        return Self.last(edge.refused(error, to: asked), context)
      }
      // An address that came to be meanwhile must not be told of a delivery without its body.
      if !isKept { asked.path = "/hooks/" }
      return Self.response(await edge.answer(asked))
    }
  }

  private static func head(of request: Request, _ context: EdgeContext) -> EdgeRequest {
    var asked = EdgeRequest(request.method.rawValue, request.uri.path)
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
    return asked
  }

  /// An answer before the body's end is the connection's last one: what follows has no bounds of its own any more.
  private static func last(_ answer: EdgeResponse, _ context: EdgeContext) -> Response {
    var response = response(answer)
    response.headers[.connection] = "close"
    let channel = context.channel
    channel.eventLoop.scheduleTask(in: .seconds(lingerSeconds)) { channel.close(promise: nil) }
    return response
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
