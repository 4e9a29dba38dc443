package import TelpherTransport

/// The address of a server that speaks a dialect.
package enum ClassicAddress: Sendable, Hashable, CustomStringConvertible {
  /// A TCP port or a Unix socket.
  case streams(SocketAddress)
  /// A UDP port.
  case datagrams(DatagramAddress)

  /// Parses `tcp:HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`.
  ///
  /// - Throws: `ClassicError` (`badRequest`) whose message names the expected forms.
  package init(parsing text: String) throws(ClassicError) {
    do throws(TransportError) {
      self =
        text.hasPrefix("udp:")
        ? .datagrams(try DatagramAddress(parsing: text))
        : .streams(try SocketAddress(parsing: text))
    } catch {
      throw ClassicError(
        .badRequest,
        text.hasPrefix("udp:") ? error.message : "\(error.message), or udp:HOST:PORT")
    }
    if case .streams(.vsock) = self {
      throw ClassicError(
        .badRequest, "'\(text)': these protocols use tcp:HOST:PORT, udp:HOST:PORT or unix:PATH")
    }
  }

  /// `tcp:HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`.
  package var description: String {
    switch self {
    case .streams(let address): address.description
    case .datagrams(let address): address.description
    }
  }

  /// The kind of transport that the address stands for.
  package var carrier: ClassicDialect.Carrier {
    switch self {
    case .streams: .streams
    case .datagrams: .datagrams
    }
  }

  /// Whether only this machine can reach the address: a Unix socket or a loopback host.
  package var staysHere: Bool {
    switch self {
    case .streams(.unix): true
    case .streams(.tcp(let host, _)): Host.isLoopback(host)
    case .streams(.vsock): false
    case .datagrams(let address): Host.isLoopback(address.host)
    }
  }

  /// Checks that `dialect` can use this kind of address.
  ///
  /// - Throws: `ClassicError` (`badRequest`) whose message names the kinds it can use.
  func check(for dialect: ClassicDialect) throws(ClassicError) {
    guard !dialect.carriers.contains(carrier) else { return }
    let wanted = dialect.carriers.map { "\($0.rawValue):HOST:PORT" }.sorted()
    throw ClassicError(
      .badRequest,
      "'\(dialect.rawValue)' cannot use \(self): use \(wanted.joined(separator: " or "))")
  }
}
