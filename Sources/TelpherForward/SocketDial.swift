package import TelpherTransport

/// One attempt to connect to an address: looks up its host, and tries the addresses of the host in
/// order until one answers. Use it only on its loop's thread. It keeps itself alive until its
/// connects have ended, also after a timeout: the system has no way to cancel them.
package final class SocketDial {
  /// The stages of an attempt.
  private enum Stage {
    /// The host is being looked up. Next: `trying`, `over`.
    case lookingUp
    /// A connect to an address is under way; `rest` follow. Next: `over`.
    case trying(rest: ArraySlice<SocketAddress>)
    /// The result was reported, or the attempt was canceled. Final.
    case over
  }

  private let address: SocketAddress
  private let loop: any EventLoop
  private let limit: UInt64
  private let start: UInt64
  private let completion: (Result<any ByteStream, TransportError>) -> Void
  /// Held until the last connect has ended.
  private let holding: AnyObject?
  private var stage = Stage.lookingUp
  private var timer: (any LoopTimer)?
  private var nextTimer: (any LoopTimer)?
  /// Connects that have not ended.
  private var underWay = 0
  private var lastError: TransportError?

  /// Starts to connect.
  ///
  /// - Parameters:
  ///   - limit: the time in nanoseconds for the lookup and all connects together.
  ///   - holding: an object that is retained as long as the attempt uses a socket.
  ///   - completion: called once, on the loop and not from within this call, unless the attempt is
  ///     canceled before.
  @discardableResult
  package static func connect(
    to address: SocketAddress, on loop: any EventLoop, lookup: HostLookup, limit: UInt64,
    holding: AnyObject? = nil,
    _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) -> SocketDial {
    let dial = SocketDial(address, loop, limit, holding, completion)
    dial.begin(lookup)
    return dial
  }

  private init(
    _ address: SocketAddress, _ loop: any EventLoop, _ limit: UInt64, _ holding: AnyObject?,
    _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    self.address = address
    self.loop = loop
    self.limit = limit
    self.holding = holding
    self.completion = completion
    start = loop.now
  }

  /// Gives the attempt up. The completion is not called any more.
  package func cancel() { _ = finish() }

  private func begin(_ lookup: HostLookup) {
    timer = loop.schedule(after: limit) { [self] in
      report(
        .failure(
          TransportError(
            .unreachable, "connect to \(address): no answer within \(limit / 1_000_000_000) s")))
    }
    if let numeric = HostLookup.numeric(address) { return tryNext(of: [numeric]) }
    guard case .tcp(let host, let port) = address else {
      preconditionFailure("only TCP addresses have names")
    }
    nonisolated(unsafe) let dial = self
    do throws(TransportError) {
      try lookup.find(host, port: port) { [loop] found in
        loop.execute { dial.didFind(found) }
      }
    } catch {
      loop.execute { dial.report(.failure(error)) }
    }
  }

  private func didFind(_ found: Result<[SocketAddress], TransportError>) {
    guard case .lookingUp = stage else { return }
    switch found {
    case .success(let addresses): tryNext(of: addresses[...])
    case .failure(let error):
      report(.failure(TransportError(error.code, "connect to \(address): \(error.message)")))
    }
  }

  /// Tries the first of `addresses`. The others get an equal share of the time that is left.
  private func tryNext(of addresses: ArraySlice<SocketAddress>) {
    nextTimer?.cancel()
    guard let next = addresses.first else {
      // A connect that has not ended may still succeed.
      guard underWay == 0, let lastError else { return }
      return report(.failure(lastError))
    }
    let rest = addresses.dropFirst()
    stage = .trying(rest: rest)
    underWay += 1
    loop.connect(to: next) { [self] in didConnect($0) }
    guard !rest.isEmpty else { return }
    let passed = loop.now - start
    let left = limit > passed ? limit - passed : 0
    nextTimer = loop.schedule(after: left / UInt64(addresses.count)) { [self] in goOn() }
  }

  private func didConnect(_ result: Result<any ByteStream, TransportError>) {
    underWay -= 1
    switch (result, stage) {
    case (.success(let stream), .over): stream.close()
    case (.success, _): report(result)
    case (.failure(let error), _):
      lastError = error
      goOn()
    }
  }

  private func goOn() {
    guard case .trying(let rest) = stage else { return }
    tryNext(of: rest)
  }

  private func report(_ result: Result<any ByteStream, TransportError>) {
    if finish() { completion(result) }
  }

  private func finish() -> Bool {
    if case .over = stage { return false }
    stage = .over
    timer?.cancel()
    nextTimer?.cancel()
    return true
  }
}
