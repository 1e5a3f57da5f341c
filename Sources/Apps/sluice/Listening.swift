import Domain
import HTTPEdge
import SluiceHost
import Synchronization
import UVLoop

/// The host's HTTP doors, open.
final class Listening: Sendable {
  private let host: String
  private let port: Int
  private let running: RunningHost
  private let server: EdgeServer
  private let names: EdgeNames

  /// - Parameter address: `host:port`; port 0 takes a free one.
  init(address: String, host running: RunningHost) throws {
    let parts = address.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]), (0...65_535).contains(port) else {
      throw CommandError.refused(
        code: "command.bad_address", message: "\"\(address)\" is not host:port.",
        remedy: "Write it as 127.0.0.1:7070.")
    }
    host = String(parts[0])
    self.port = port
    self.running = running
    let settings = running.options.settings
    names = EdgeNames(publicURL: settings.publicURL, more: settings.hostNames)
    let load = EdgeLoad(settings, filesMax: HostProcess.raiseFilesMax(), log: running.options.log)
    let edge = Edge(
      backend: HostEdge(host: running, load: load), isBehindTLS: settings.isBehindTLS, names: names)
    server = EdgeServer(edge: edge, load: load, host: host, port: port)
  }

  /// - Returns: The base address.
  func start() async throws -> String {
    let serving = Task { try await server.run() }
    self.serving.set(serving)
    let bound = await server.boundPort()
    guard bound > 0 else {
      var reason = "the server ended"
      do { try await serving.value } catch { reason = "\(error)" }
      throw CommandError.refused(
        code: "command.cannot_listen", message: "Nothing can be served on \(host):\(port): \(reason).",
        remedy: "Stop what listens there, or give another address with `--listen`.")
    }
    names.serve(at: host, port: bound)
    // Nobody can open a link to "every address".
    let address = "http://\(EdgeNames.isEveryAddress(host) ? "127.0.0.1" : host):\(bound)"
    running.servedAt.withLock { $0 = address }
    return address
  }
  private let serving = TaskBox()

  func stop() async {
    await server.stop()
    _ = try? await serving.value?.value
  }
}
