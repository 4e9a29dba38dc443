internal import ArgumentParser
internal import TelpherTransport

/// An address at which `serve` listens.
enum ListenAddress: Sendable, Equatable {
  /// A Unix or TCP socket.
  case socket(SocketAddress)
  /// Standard input and output, which form one connection.
  case stdio

  /// Reads `unix:PATH`, `tcp:HOST:PORT` or `stdio`.
  ///
  /// - Throws: `ValidationError` that says what is wrong with it.
  static func parse(_ text: String) throws -> ListenAddress {
    if text == "stdio" { return .stdio }
    do throws(TransportError) {
      return .socket(try SocketAddress(parsing: text))
    } catch {
      throw ValidationError("\(error.message), or stdio")
    }
  }
}
