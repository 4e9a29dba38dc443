public import TelpherTransport

/// Where a dialect is served: on streams or on datagrams.
public enum ClassicAddress: Sendable, Hashable, CustomStringConvertible {
  /// A TCP port or a Unix socket.
  case streams(SocketAddress)
  /// A UDP port.
  case datagrams(DatagramAddress)

  /// Reads `tcp:HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`.
  ///
  /// - Throws: `ClassicError` (`badRequest`) that says what is expected.
  public init(parsing text: String) throws(ClassicError) {
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
  }

  /// `tcp:HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`.
  public var description: String {
    switch self {
    case .streams(let address): address.description
    case .datagrams(let address): address.description
    }
  }

  /// What carries a dialect there.
  public var carrier: ClassicDialect.Carrier {
    switch self {
    case .streams: .streams
    case .datagrams: .datagrams
    }
  }

  /// Whether nobody on another machine reaches it.
  public var staysHere: Bool {
    switch self {
    case .streams(.unix): true
    case .streams(.tcp(let host, _)): Host.isLoopback(host)
    case .datagrams(let address): Host.isLoopback(address.host)
    }
  }

  /// Refuses an address that `dialect` has no carrier for.
  func check(for dialect: ClassicDialect) throws(ClassicError) {
    guard !dialect.carriers.contains(carrier) else { return }
    let wanted = dialect.carriers.map { "\($0.rawValue):HOST:PORT" }.sorted()
    throw ClassicError(
      .badRequest,
      "\(dialect.rawValue) is not spoken at \(self), but at \(wanted.joined(separator: " or "))")
  }
}
