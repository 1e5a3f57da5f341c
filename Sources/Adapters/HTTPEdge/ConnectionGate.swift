import NIOCore

/// Stands where connections are accepted: one too many is closed before anything is read from it, or made for it.
final class ConnectionGate: ChannelInboundHandler, Sendable {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  private let load: EdgeLoad
  /// What is read from a connection at a time. A handful of such pieces may wait for their reader, of each connection,
  /// beside what bodies are allowed.
  private static let pieceBytes = 8 << 10
  init(load: EdgeLoad) { self.load = load }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let channel = unwrapInboundIn(data)
    let address = channel.remoteAddress?.ipAddress
    guard load.enter(address) else { return channel.close(promise: nil) }
    channel.closeFuture.whenComplete { [load] _ in load.leave(address) }
    channel.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.pieceBytes))
      .whenFailure { _ in channel.close(promise: nil) }
    context.fireChannelRead(data)
  }
}
