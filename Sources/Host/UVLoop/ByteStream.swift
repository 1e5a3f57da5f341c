internal import CUv
import Glibc

/// One end of a pipe or socket pair.
package final class ByteStream: HandleOwner {
  private let pipe: UnsafeMutablePointer<uv_pipe_t>
  private var received: ([UInt8]) -> Void = { _ in }
  private var ended: () -> Void = {}
  private var input = UnsafeMutableBufferPointer<CChar>.allocate(capacity: 256 * 1024)
  /// Bytes given to `write` that the peer has not taken yet.
  package private(set) var unwrittenBytes = 0

  init(_ loop: EventLoop) {
    pipe = .allocate(capacity: 1)
    uv_pipe_init(loop.raw, pipe, 0)
    super.init(loop, pipe)
    adopt()
  }

  deinit { input.deallocate() }

  override func forget() { (received, ended) = ({ _ in }, {}) }

  var stream: UnsafeMutablePointer<uv_stream_t> {
    UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_stream_t.self)
  }

  /// - Parameters:
  ///   - received: Given bytes as they come.
  ///   - ended: Called once, when the peer has closed or the stream has failed.
  package func read(received: @escaping ([UInt8]) -> Void, ended: @escaping () -> Void) {
    self.received = received
    self.ended = ended
    resumeReading()
  }

  /// Leaves what comes where it is, until `resumeReading`.
  package func pauseReading() { if !isClosed { uv_read_stop(stream) } }

  package func resumeReading() {
    guard !isClosed else { return }
    uv_read_start(
      stream,
      { handle, _, buffer in
        guard let self = HandleOwner.owner(handle!.pointee.data, as: ByteStream.self) else { return }
        buffer!.pointee = uv_buf_init(self.input.baseAddress, UInt32(self.input.count))
      },
      { handle, count, _ in
        guard let self = HandleOwner.owner(handle!.pointee.data, as: ByteStream.self) else { return }
        if count > 0 {
          self.received([UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(self.input)[0..<count])))
        } else if count < 0 {
          uv_read_stop(handle)
          self.ended()
        }
      })
  }

  /// Gives at once what has come and was not read: the peer's process is gone. Another one's end may have told of this one's,
  /// by the same signal, before its last words were looked for.
  package func readOut() {
    var descriptor: uv_os_fd_t = -1
    guard !isClosed,
      uv_fileno(UnsafeMutableRawPointer(pipe).assumingMemoryBound(to: uv_handle_t.self), &descriptor) == 0
    else { return }
    while !isClosed {
      let count = Glibc.read(descriptor, input.baseAddress!, input.count)
      guard count > 0 else { return }
      received([UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(input)[0..<count])))
    }
  }

  private final class Write {
    let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    let bytes: UnsafeMutableBufferPointer<UInt8>
    let stream: ByteStream
    init(_ data: [UInt8], _ stream: ByteStream) {
      bytes = .allocate(capacity: data.count)
      _ = bytes.initialize(from: data)
      self.stream = stream
    }
    deinit {
      request.deallocate()
      bytes.deallocate()
    }
  }

  /// Queues bytes for the peer. When the peer is gone they are dropped; the reading side learns of its end.
  package func write(_ data: [UInt8]) {
    guard !isClosed, !data.isEmpty else { return }
    let write = Write(data, self)
    write.request.pointee.data = Unmanaged.passRetained(write).toOpaque()
    unwrittenBytes += data.count
    var buffer = uv_buf_init(
      UnsafeMutableRawPointer(write.bytes.baseAddress!).assumingMemoryBound(to: CChar.self), UInt32(data.count))
    let status = uv_write(write.request, stream, &buffer, 1) { request, _ in
      let write = Unmanaged<Write>.fromOpaque(request!.pointee.data).takeRetainedValue()
      write.stream.unwrittenBytes -= write.bytes.count
    }
    if status != 0 {
      unwrittenBytes -= data.count
      Unmanaged<Write>.fromOpaque(write.request.pointee.data).release()
    }
  }
}
