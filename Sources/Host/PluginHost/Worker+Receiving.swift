internal import CSluiceFrames
import Domain
import Glibc
import UVLoop

// Receiving.
extension Worker {
  func received(_ bytes: [UInt8]) {
    if inputStart == input.count { (input, inputStart) = (bytes, 0) } else { input += bytes }
    while isKilledFor == nil, !hasEnded {
      let taken = input.withUnsafeBufferPointer { buffer -> Int? in
        let rest = sluice_bytes_t(ptr: buffer.baseAddress! + inputStart, len: buffer.count - inputStart)
        var frame = sluice_frame_t()
        let check = sluice_frame_next(rest, SLUICE_FRAME_SENDER_WORKER, &frame)
        if check.error == SLUICE_FRAME_INCOMPLETE { return nil }
        guard check.error == SLUICE_FRAME_OK else {
          refuse(check, "malformed")
          return nil
        }
        handle(frame)
        return frame.size
      }
      guard let taken else { break }
      inputStart += taken
      if inputStart == input.count { break }
    }
    if inputStart > 256 * 1024 {
      input.removeFirst(inputStart)
      inputStart = 0
    }
  }

  private func refuse(_ check: sluice_frame_check_t, _ frame: String) {
    kill(
      for: .brokeProtocol(
        frame: frame, fault: String(cString: sluice_frame_error_name(check.error)), offset: check.offset))
  }

  /// Decodes a payload; ends the worker when it is not what its type says.
  func decode<Message>(
    _ frame: sluice_frame_t, _ message: Message,
    _ decoder: (sluice_bytes_t, UnsafeMutablePointer<Message>) -> sluice_frame_check_t
  ) -> Message? {
    var message = message
    let check = decoder(frame.payload, &message)
    guard check.error == SLUICE_FRAME_OK else {
      refuse(check, String(cString: sluice_frame_type_name(frame.type)))
      return nil
    }
    return message
  }

  func handle(_ frame: sluice_frame_t) {
    switch (state, frame.type) {
    case (.loading, SLUICE_FRAME_READY):
      if let message = decode(frame, sluice_frame_ready_t(), sluice_decode_ready) { loaded(message) }
    case (.loading, SLUICE_FRAME_LOAD_FAILED):
      guard let message = decode(frame, sluice_frame_load_failed_t(), sluice_decode_load_failed) else { return }
      kill(
        for: .loadFailed(
          step: String(cString: sluice_load_step_name(message.step)), errorNumber: Int(message.error_number),
          text: FrameCodec.text(message.text)))
    case (.configuring, SLUICE_FRAME_RESULT):
      if let message = decode(frame, sluice_frame_result_t(), sluice_decode_result) { configured(message) }
    case (.idle, SLUICE_FRAME_PONG), (.running, SLUICE_FRAME_PONG):
      if let token = decode(frame, UInt64(0), sluice_decode_pong) { ponged(token) }
    case (.running(let running), _) where frame.operation == running.id: handle(frame, of: running)
    case (.configuring, SLUICE_FRAME_LOG): break  // said while nobody listens
    case (.configuring, SLUICE_FRAME_CLOCK), (.configuring, SLUICE_FRAME_RANDOM): answer(frame, operationCount)
    case (.running, _) where frame.operation < operationCount && Self.mayBeLate(frame.type),
      (.idle, _) where frame.operation <= operationCount && Self.mayBeLate(frame.type):
      break
    default:
      let name = String(cString: sluice_frame_type_name(frame.type))
      kill(for: .brokeProtocol(frame: name, fault: "out of place", offset: 0))
    }
  }

  /// What a thread of the plugin may still say when its operation has just ended; anything else would be lost records.
  private static func mayBeLate(_ type: sluice_frame_type_t) -> Bool {
    switch type {
    case SLUICE_FRAME_LOG, SLUICE_FRAME_RATE_HINT, SLUICE_FRAME_HTTP_CLOSE: true
    default: false
    }
  }

  func loaded(_ message: sluice_frame_ready_t) {
    func names(_ bits: UInt32) -> [String] {
      (0..<UInt32(SLUICE_PROTECTION_COUNT)).filter { bits & (1 << $0) != 0 }
        .map { String(cString: sluice_protection_name($0)) }
    }
    ready = WorkerReady(
      abiMajor: Int(message.abi_major), abiMinor: Int(message.abi_minor),
      protections: names(message.protections_active), missing: names(message.protections_missing))
    guard let frame = FrameCodec.configure(spec, operation: nextOperation()) else {
      kill(for: .configureRefused(message: "it is larger than the limits of the wire"))
      return
    }
    state = .configuring
    child.channel.write(frame)
  }

  func configured(_ message: sluice_frame_result_t) {
    guard message.status == 0 else {
      kill(for: .configureRefused(message: FrameCodec.text(message.message)))
      return
    }
    deadline.stop()
    state = .idle
    onReady?(.success(ready!))
    onReady = nil
  }
}
