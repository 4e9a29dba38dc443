internal import Logging
internal import TelpherFiles
internal import TelpherTransport

/// The door to the part of a server that lives on one loop. The actor's executor is that loop, so
/// what it owns needs no lock and is never touched from elsewhere.
actor ServerLoop {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let core: ServerCore

  init(
    configuration: ServerConfiguration, loop: any EventLoop, number: Int, loopCount: Int,
    counters: ServerCounters, table: JobTable, workers: FileWorkers, logger: Logger
  ) {
    self.loop = loop
    core = ServerCore(
      configuration: configuration, loop: loop, number: number, loopCount: loopCount,
      counters: counters, table: table, workers: workers, logger: logger)
  }

  func bind(_ address: SocketAddress, backlog: Int32) throws(TransportError) -> any BoundSocket {
    try loop.bind(to: address, backlog: backlog)
  }

  func serve(_ socket: any BoundSocket) throws(TransportError) {
    try core.serve(socket)
  }

  func serve(reading input: Int32, writing output: Int32) throws(TransportError) {
    core.accept(try loop.adopt(reading: input, writing: output))
  }

  func drain() { core.drain() }

  func stop() { core.stop() }

  /// Returns once no process in the background holds the output of a command.
  func unheld() async {
    await withCheckedContinuation { continuation in core.onUnheld { continuation.resume() } }
  }

  /// Returns once no connection and no command is left.
  func idle() async {
    await withCheckedContinuation { continuation in core.onIdle { continuation.resume() } }
  }
}
