internal import CUv
import Glibc

extension EventLoop {
  /// Asks the system's resolver for a host's addresses.
  /// - Parameter done: The addresses as text, in the resolver's order; none when there are none or nobody answered.
  package func lookUp(_ host: String, _ done: @escaping ([String]) -> Void) {
    precondition(isOnLoop, "a name is looked up on the loop's thread")
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(Lookup(done)).toOpaque()
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    let code = uv_getaddrinfo(
      raw, request,
      { request, status, list in
        let lookup = Unmanaged<Lookup>.fromOpaque(request!.pointee.data).takeRetainedValue()
        request!.deallocate()
        let addresses = status == 0 ? EventLoop.addresses(list) : []
        uv_freeaddrinfo(list)
        lookup.done(addresses)
      }, host, nil, &hints)
    guard code != 0 else { return }
    Unmanaged<Lookup>.fromOpaque(request.pointee.data).release()
    request.deallocate()
    done([])
  }

  private final class Lookup {
    let done: ([String]) -> Void
    init(_ done: @escaping ([String]) -> Void) { self.done = done }
  }

  private static func addresses(_ list: UnsafeMutablePointer<addrinfo>?) -> [String] {
    sequence(first: list, next: { $0?.pointee.ai_next }).prefix { $0 != nil }.compactMap { entry in
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      guard uv_ip_name(entry!.pointee.ai_addr, &text, text.count) == 0 else { return nil }
      return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}
