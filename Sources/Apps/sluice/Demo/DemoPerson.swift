import CanonicalJSON
import Domain
import Foundation
import SluiceHost
import Synchronization

/// The person in front of the demo: while calls wait for an answer, the business day waits too.
final class DemoPerson {
  /// Between two halts the days run on, so that a year does not take a hundred answers.
  private static let daysBetweenHalts = 30

  private let host: RunningHost
  private let console: String
  private let screen: DemoScreen
  private let stop: StopSignals
  private let keyboard: Keyboard
  private var haltedOn = -daysBetweenHalts

  /// - Returns: nil where nobody sits at a terminal: then nobody is waited for.
  init?(host: RunningHost, console: String, screen: DemoScreen, stop: StopSignals) {
    guard isatty(STDIN_FILENO) == 1 else { return nil }
    self.host = host
    self.console = console
    self.screen = screen
    self.stop = stop
    keyboard = Keyboard()
  }

  /// Returns at once, or when all held calls were answered, or Enter was pressed.
  ///
  /// - Parameter show: Draws the day's figures before the halt.
  func meet(_ day: Int, show: () async throws -> Void) async throws {
    guard keyboard.hasPerson, day >= haltedOn + Self.daysBetweenHalts else { return }
    let held = try await host.heldCount(DemoRun.tenant)
    guard held > 0 else { return }
    haltedOn = day
    try await show()
    let link = try await DemoRun.ask(host, "user.link", ["name": .string(DemoRun.approver.rawValue)])
    screen.pause(held: held, console: console, link: console + (link["path"]?.string ?? ""))
    let (events, event) = AsyncStream<Void>.makeStream()
    keyboard.onLine(event)
    let waits = [
      Task { [host] in
        try? await host.whenNothingIsHeld(DemoRun.tenant)
        event.yield()
      },
      Task { [stop] in
        await stop.wait()
        event.yield()
      },
    ]
    for await _ in events { break }
    for wait in waits { wait.cancel() }
    keyboard.onLine(nil)
  }
}

/// Lines from standard input, for whoever waits for one.
private final class Keyboard: Sendable {
  private let waiting = Mutex<AsyncStream<Void>.Continuation?>(nil)

  init() {
    Thread.detachNewThread { [self] in
      // At the end of input nobody sits here any more: nobody is waited for.
      while readLine() != nil { waiting.withLock { _ = $0?.yield() } }
      isOpen.withLock { $0 = false }
      waiting.withLock { _ = $0?.yield() }
    }
  }

  private let isOpen = Mutex(true)
  var hasPerson: Bool { isOpen.withLock { $0 } }

  func onLine(_ event: AsyncStream<Void>.Continuation?) { waiting.withLock { $0 = event } }
}
