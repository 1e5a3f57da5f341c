import Hummingbird
import NIOCore
import Synchronization

/// One request's body on its way into memory, within its bounds of size and time, and all bodies' of memory.
final class BodyReading: Sendable {
  private let load: EdgeLoad
  private let door: EdgeLoad.Door
  private let isKept: Bool
  private let held = Mutex<Int>(0)
  static let secondsMax = 20

  init(_ load: EdgeLoad, _ door: EdgeLoad.Door, isKept: Bool) {
    self.load = load
    self.door = door
    self.isKept = isKept
  }

  /// - Parameter declared: What its sender says that it has; nil for what comes in chunks.
  /// - Returns: Nothing where it is not kept.
  func read(_ body: RequestBody, declared: Int?) async throws(EdgeRefusal) -> [UInt8] {
    if let declared {
      guard declared <= Edge.bodyBytesMax else { throw .tooLarge }
      guard load.hasRoom(for: declared, at: door) else { throw busy() }
    }
    do {
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask { try await self.collect(body, declared: declared) }
        group.addTask {
          try await Task.sleep(for: .seconds(Self.secondsMax))
          throw EdgeRefusal.tooSlow
        }
        defer { group.cancelAll() }
        return try await group.next()!
      }
    } catch {
      // What else can go wrong is a connection that ended, or bytes that are no HTTP.
      throw error as? EdgeRefusal ?? .cutOff
    }
  }

  /// The body is not needed any more.
  func end() {
    load.giveBack(
      held.withLock { held in
        defer { held = 0 }
        return held
      })
  }

  private func collect(_ body: RequestBody, declared: Int?) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    var count = 0
    for try await part in body {
      let length = part.readableBytes
      count += length
      guard count <= Edge.bodyBytesMax else { throw EdgeRefusal.tooLarge }
      if isKept {
        guard load.take(length, at: door) else { throw busy() }
        held.withLock { $0 += length }
        bytes += part.readableBytesView
      } else if !load.hasRoom(for: count, at: door) {
        // The same would have become of it if it were kept.
        throw busy()
      }
    }
    guard count >= declared ?? 0, !Task.isCancelled else { throw EdgeRefusal.cutOff }
    return bytes
  }

  private func busy() -> EdgeRefusal {
    load.turnedAway(.bodies)
    return .busy
  }
}
