internal import Logging
internal import TelpherFileStore
internal import TelpherForward
internal import TelpherTLS
internal import TelpherTransfer
internal import TelpherTransport

/// The part of a server on one loop, callable from any task. The actor's executor is the loop, so
/// `ServerCore` runs on the loop's thread only and needs no lock.
actor ServerLoop {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let core: ServerCore

  init(
    configuration: ServerConfiguration, loop: any EventLoop, loopCount: Int,
    counters: ServerCounters, table: JobTable, workers: FileWorkers, lookup: HostLookup,
    registry: HubRegistry, logger: Logger
  ) {
    self.loop = loop
    core = ServerCore(
      configuration: configuration, loop: loop, loopCount: loopCount, counters: counters,
      table: table, workers: workers, lookup: lookup, registry: registry, logger: logger)
  }

  func bind(_ address: SocketAddress, backlog: Int32) throws(TransportError) -> any BoundSocket {
    try loop.bind(to: address, backlog: backlog)
  }

  func serve(_ socket: any BoundSocket, _ door: TLSDoor?) throws(TransportError) {
    try core.serve(socket, door)
  }

  func serve(reading input: Int32, writing output: Int32) throws(TransportError) {
    core.accept(try loop.adopt(reading: input, writing: output))
  }

  /// Serves clients whose bytes a hub passes on.
  func openHubEntrance(_ door: TLSDoor) -> HubEntrance { HubEntrance(to: core, door) }

  func drain() { core.drain() }

  /// Stops accepting, and returns when everything that was accepted is being served.
  func handOver() async {
    core.handOver()
    await withCheckedContinuation { continuation in
      loop.execute { continuation.resume() }
    }
  }

  /// Whether there are no connections and no jobs.
  var isIdle: Bool { core.isIdle }

  func stop() { core.stop() }

  /// Returns when no background process holds the output of a finished command.
  func unheld() async {
    await withCheckedContinuation { continuation in core.onUnheld { continuation.resume() } }
  }

  /// Returns when no connections, commands or file requests are left.
  func idle() async {
    await withCheckedContinuation { continuation in core.onIdle { continuation.resume() } }
  }
}
