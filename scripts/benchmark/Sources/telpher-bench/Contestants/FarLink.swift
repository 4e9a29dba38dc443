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
    let program = bench.program("bench-far-c")
    let raw = try Program([program, "serve"], output: .pipe)
    let rawPort = try raw.readLine(after: "listening on ")
    let delay = "\(Double(roundTrip) / 2)"
    let proxy = try Program([program, "delay", target.path, delay], output: .pipe)
    let rawProxy = try Program([program, "delay", rawPort, delay], output: .pipe)
    address = try SocketAddress(parsing: "unix:" + proxy.readLine(after: "listening on "))
    guard let port = Int(try rawProxy.readLine(after: "listening on ")) else {
      throw Failure("bench-far-c prints no port")
    }
    self.rawPort = port
    programs = [rawProxy, proxy, raw]
  }

  /// Ends the programs.
  func stop() { programs.forEach { $0.stop() } }
}

extension SocketAddress {
  /// The path of a Unix socket; empty for another address.
  fileprivate var path: String {
    if case .unix(let path) = self { path } else { "" }
  }
}
