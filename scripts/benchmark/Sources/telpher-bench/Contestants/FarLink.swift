internal import TelpherTransport

/// A proxy that delays what both sides of a connection send, and the same for a raw TCP server.
///
/// Telpher's way leads over Unix sockets: its proof of the token covers the port, so that no proxy can
/// stand at another one.
final class FarLink: Sendable {
  private let programs: [Program]
  /// The address that leads to `target` over the distance.
  let address: SocketAddress
  /// The port that leads to the raw TCP server over the distance.
  let rawPort: Int

  /// Starts a proxy to `target`, a Unix socket, and one to a raw TCP server.
  ///
  /// - Parameter roundTrip: the delay of both directions together, in milliseconds.
  /// - Throws: `Failure` if they do not start.
  init(to target: SocketAddress, roundTrip: Int, _ bench: Bench) throws {
    let raw = try Program([bench.program("bench-far-c"), "serve"], output: .pipe)
    let rawPort = try raw.readLine(after: "listening on ")
    let proxy = try FarProxy(to: target.path, roundTrip: roundTrip, bench)
    let rawProxy = try FarProxy(to: rawPort, roundTrip: roundTrip, bench)
    address = try SocketAddress(parsing: "unix:" + proxy.place)
    self.rawPort = Int(try rawProxy.port())
    programs = [rawProxy.program, proxy.program, raw]
  }

  /// Ends the programs.
  func stop() { programs.forEach { $0.stop() } }
}

/// A proxy that delays both directions of the connections to one address.
final class FarProxy: Sendable {
  let program: Program
  /// Where it listens: a path, or a port of 127.0.0.1.
  let place: String

  /// Starts a proxy to `target`: a port of 127.0.0.1, or the path of a Unix socket.
  ///
  /// - Parameter roundTrip: the delay of both directions together, in milliseconds.
  /// - Throws: `Failure` if it does not start.
  init(to target: String, roundTrip: Int, _ bench: Bench) throws(Failure) {
    program = try Program(
      [bench.program("bench-far-c"), "delay", target, "\(Double(roundTrip) / 2)"], output: .pipe)
    place = try program.readLine(after: "listening on ")
  }

  /// The port where it listens.
  ///
  /// - Throws: `Failure` if it is a path.
  func port() throws(Failure) -> UInt16 {
    guard let port = UInt16(place) else { throw Failure("bench-far-c prints no port") }
    return port
  }

  /// Ends the program.
  func stop() { program.stop() }
}

extension SocketAddress {
  /// The path of a Unix socket; empty for another address.
  fileprivate var path: String {
    if case .unix(let path) = self { path } else { "" }
  }
}
