import Dispatch
import Foundation

/// Keys, signals and time, for a command that shows something live. The terminal gives each key at once and shows none of them
/// until `end`.
///
/// - Note: `@unchecked Sendable`: the sources are only kept alive, and the terminal's settings are written once.
final class TerminalEvents: @unchecked Sendable {
  enum Event: Equatable {
    case key(Character)
    case timeout
  }

  private let stop = StopSignals()
  private let queue = DispatchQueue(label: "sluice.keys")
  private let events: AsyncStream<Event?>
  private let put: AsyncStream<Event?>.Continuation
  private var source: (any DispatchSourceRead)?
  private var before: termios?

  init() {
    (events, put) = AsyncStream.makeStream(of: Event?.self, bufferingPolicy: .bufferingNewest(16))
    Task { [stop, put] in
      await stop.wait()
      put.yield(nil)
    }
    var settings = termios()
    guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 else { return }
    before = settings
    // Ctrl-C stays a signal.
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    let source = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: queue)
    source.setEventHandler { [put] in
      var bytes = [UInt8](repeating: 0, count: 64)
      let count = read(STDIN_FILENO, &bytes, bytes.count)
      // Nobody is there any more.
      guard count > 0 else {
        put.yield(nil)
        return
      }
      for byte in bytes.prefix(count) { put.yield(.key(Character(UnicodeScalar(byte)))) }
    }
    source.resume()
    self.source = source
  }

  var hasKeys: Bool { source != nil }

  /// - Returns: nil when the command is to end.
  func next(within time: Duration) async -> Event? {
    let timer = Task { [put] in
      try await Task.sleep(for: time)
      put.yield(.timeout)
    }
    defer { timer.cancel() }
    for await event in events { return event }
    return nil
  }

  /// The terminal is as it was.
  func end() {
    source?.cancel()
    if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
  }
}
