internal import Glibc
internal import TelpherTransport

/// Finds the addresses of hosts by their names, on threads of its own: getaddrinfo(3) blocks, for as
/// long as the machine's name servers take. May be used from any thread.
package final class HostLookup: Sendable {
  /// The most addresses of one name that are used. More would only make a failure take longer.
  package static let maxAddresses = 8

  private let limit: Int
  private let running = Monitor(0)

  /// A lookup.
  ///
  /// - Parameter limit: the most names that are looked up at once. Each takes a thread.
  package init(limit: Int) { self.limit = limit }

  /// The address itself if its host is numeric or it is the path of a Unix socket, which takes no
  /// time; else nil.
  static func numeric(_ address: SocketAddress) -> SocketAddress? {
    guard case .tcp(let host, let port) = address else { return address }
    return (try? addresses(of: host, port, flags: AI_NUMERICHOST))?.first
  }

  /// Looks up `host` and calls `completion` once, on any thread, with at least one address, in the
  /// order in which they are to be tried (RFC 6724).
  ///
  /// - Throws: `TransportError` (`exhausted`) if too many lookups are running or no thread can be
  ///   started; `completion` is then not called.
  func find(
    _ host: String, port: UInt16,
    _ completion: @escaping @Sendable (Result<[SocketAddress], TransportError>) -> Void
  ) throws(TransportError) {
    let mayRun = running.withLock { running in
      guard running < limit else { return false }
      running += 1
      return true
    }
    guard mayRun else {
      throw TransportError(
        .exhausted, "\(limit) host names are being looked up (max_lookups): try again")
    }
    let error = startThread { [self] in
      let result: Result<[SocketAddress], TransportError>
      do throws(TransportError) {
        result = .success(try Self.addresses(of: host, port, flags: 0))
      } catch {
        result = .failure(error)
      }
      running.withLock { $0 -= 1 }
      completion(result)
    }
    guard error != 0 else { return }
    running.withLock { $0 -= 1 }
    throw TransportError("start a thread to look up '\(host)'", errno: error)
  }

  private static func addresses(
    of host: String, _ port: UInt16, flags: Int32
  ) throws(TransportError) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = flags
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, nil, &hints, &list)
    guard status == 0 else {
      // EAI_SYSTEM leaves the reason in errno.
      let reason =
        status == EAI_SYSTEM ? describe(errno: errno) : String(cString: gai_strerror(status))
      throw TransportError(.unreachable, "look up '\(host)': \(reason)")
    }
    defer { freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var next = list
    while let entry = next, found.count < maxAddresses {
      if let text = hostText(entry.pointee) { found.append(.tcp(host: text, port: port)) }
      next = entry.pointee.ai_next
    }
    guard !found.isEmpty else {
      throw TransportError(.unreachable, "look up '\(host)': no address")
    }
    return found
  }

  private static func hostText(_ entry: addrinfo) -> String? {
    // NI_MAXHOST of getnameinfo(3).
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1_025) { text in
      guard let start = text.baseAddress,
        getnameinfo(
          entry.ai_addr, entry.ai_addrlen, start, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
          == 0
      else { return nil }
      return String(cString: start)
    }
  }
}
