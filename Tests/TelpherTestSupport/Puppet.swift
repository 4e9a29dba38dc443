package import TelpherTransport
package import TelpherTransportTesting

/// A program of the memory backend that a test controls. It runs on the loop that starts it.
package actor Puppet {
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }
  /// The bytes that it has read.
  package private(set) var input: [UInt8] = []
  package private(set) var inputHasEnded = false
  package private(set) var outputIsBroken = false
  /// The signals that it has received.
  package private(set) var signals: [Int32] = []
  package private(set) var starts = 0
  /// Whether it continues after a signal.
  package var ignoresSignals = false

  /// Weak because the loop owns the process while it runs.
  private weak var process: MemoryProcess?
  private var waiters: [CheckedContinuation<Void, Never>] = []

  package init(_ name: String = "puppet", on loop: MemoryLoop) {
    self.loop = loop
    loop.network.register(
      name,
      // Weak because of a cycle: the puppet owns the loop, the loop owns the network, and the
      // network owns this closure.
      MemoryProgram { [weak self] process in
        guard let self else { preconditionFailure("a test keeps its puppet") }
        nonisolated(unsafe) let process = process
        assumeIsolated { $0.start(process) }
      })
  }

  private func start(_ process: MemoryProcess) {
    starts += 1
    self.process = process
    process.onSignal = { [self] signal in
      assumeIsolated {
        $0.signals.append(signal)
        $0.wake()
        return $0.ignoresSignals
      }
    }
    process.input.onRead = { [self] chunk in
      let chunk = chunk
      assumeIsolated {
        $0.input.append(contentsOf: chunk)
        $0.wake()
      }
    }
    process.input.onEnd = { [self] _ in
      assumeIsolated {
        $0.inputHasEnded = true
        $0.wake()
      }
    }
    process.output.onWriteFailure = { [self] _ in
      assumeIsolated {
        $0.outputIsBroken = true
        $0.wake()
      }
    }
    wake()
  }

  private func wake() {
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume() }
  }

  package func ignoreSignals() { ignoresSignals = true }

  /// Waits until `isThere` is true. If it never becomes true, the test's time limit ends the test.
  package func until(_ isThere: @Sendable (isolated Puppet) -> Bool) async {
    while !isThere(self) {
      // Check again: a task that does not prefer the loop may run this closure one turn later.
      await withCheckedContinuation { continuation in
        if isThere(self) { continuation.resume() } else { waiters.append(continuation) }
      }
    }
  }

  package func started() async { await until { $0.starts > 0 } }
  package func print(_ text: String) { process?.print(text) }
  package func printError(_ text: String) { process?.printError(text) }
  package func readInput() { process?.input.resumeReading() }
  package func closeInput() { process?.input.close() }
  package func closeOutput() { process?.output.close() }
  package func exit(_ code: Int32 = 0) { process?.exit(code) }
  package var isRunning: Bool { process?.isRunning ?? false }
  package var environment: [String: String] { process?.environment ?? [:] }
  package var request: SpawnRequest? { process?.request }
  package var terminalSize: TerminalSize? { process?.terminalSize }
}
